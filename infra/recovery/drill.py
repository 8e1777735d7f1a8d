"""The drill: a database is lost while people order, and what they were told is looked for in it."""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import httpx
from redis import Redis

from infra.demo import loader
from infra.demo.campus import DOMAIN, PASSWORD
from infra.local.addresses import Addresses, Given
from infra.local.failure import StackError
from infra.local.ports import LOOPBACK, Ports
from infra.local.postgres import DATABASE
from infra.local.process import Child, Command
from infra.local.stack import Stack
from infra.recovery.archive import Archive, Shipper
from infra.recovery.contents import contents
from infra.recovery.customers import Acknowledged, Customers
from infra.recovery.server import Server
from migrations.runner import migrate

Say = Callable[[str], None]

# What is promised (docs/slo.md), in seconds.
MOST_LOST: Final = 15 * 60.0
MOST_AWAY: Final = 30 * 60.0
_CUSTOMERS: Final = 4
_PATIENCE: Final = 120.0
_PLENTY: Final = """
update products set stock = 1000000 where id = 1;
insert into transactions (user_id, kind, amount_minor)
select id, 'top_up', 10000000 from users where role = 'customer';
update wallets set balance_minor = balance_minor + 10000000
where user_id in (select id from users where role = 'customer')
"""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Drill:
    """People order for so many seconds; WAL is archived at least `every` so many."""

    seconds: float = 20.0
    every: int = 5
    orders: int = 2000
    """Of history, beside those of the drill."""


@dataclass(frozen=True)
class Outcome:
    """Orders that people were told of, and of these how many are gone. Seconds between the oldest
    of them and the end (RPO), until somebody could order again (RTO), and until the database was
    there again as of a moment before a mistake."""

    acknowledged: int
    lost: int
    rpo: float
    rto: float
    rewound: float
    is_sound: bool

    @property
    def keeps_its_word(self) -> bool:
        """Whether it is as was promised."""
        return self.is_sound and self.rpo <= MOST_LOST and self.rto <= MOST_AWAY


def run(drill: Drill, say: Say) -> Outcome:
    """All of it in a directory of its own, that is gone afterwards. Raises StackError."""
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="comanda-drill-")))
        # The database's own account has to reach it.
        home.chmod(0o755)
        server = Server(home / "primary", secrets.token_hex(16), drill.every)
        stack.callback(server.remove)
        others = stack.enter_context(
            Stack(home / "stack", given=Given(database_url=server.url), replicas=0)
        )
        addresses = others.start()
        server.make()
        asyncio.run(_load(server.url, drill.orders))
        say("A primary, Redis and S3 run, and the campus is loaded")
        kept = _archive(addresses)
        stack.enter_context(Shipper(kept, server.spool))
        size = server.back_up(kept)
        say(f"Base backup: {size / 1e6:.0f} MB in S3; WAL follows every {drill.every} s at least")
        application = _Application(home, addresses)
        stack.callback(application.end)
        acknowledged, lost, rpo, rto = _disaster(drill, server, kept, application, addresses, say)
        rewound = _rewind(server, kept, home / "before", say)
        is_sound = asyncio.run(contents(server.url)).is_sound
        say("The ledger explains every balance." if is_sound else "THE LEDGER IS NOT SOUND.")
        return Outcome(acknowledged, lost, rpo, rto, rewound, is_sound)


def _disaster(
    drill: Drill,
    server: Server,
    kept: Archive,
    application: _Application,
    addresses: Addresses,
    say: Say,
) -> tuple[int, int, float, float]:
    """People order, the primary is lost with its disk, and is made again while they go on trying;
    how many orders were acknowledged, how many of these are lost, RPO and RTO."""
    product = _stock(server)
    application.start()
    tokens = [_token(application.url, number) for number in range(1, _CUSTOMERS + 1)]
    with Customers(application.url, tokens, product) as customers:
        time.sleep(drill.seconds)
        killed = server.destroy()
        application.end()
        told = customers.journal.copy()
        say(f"Killed, and its disk is gone: {len(told)} orders were acknowledged")
        files = server.restore(kept)
        # It remembers positions of a log that nobody has any more.
        with Redis.from_url(addresses.redis_url) as redis:
            redis.flushall()
        opened = time.time()
        application.start()
        again = customers.until_told(opened, _PATIENCE)
    lost = _lost(server, told)
    rpo = killed - min(each.at for each in lost) if lost else 0.0
    say(f"Restored from the base and {files} files of WAL, and orders are placed again:")
    say(f"  {len(lost)} of the {len(told)} are lost: RPO {rpo:.2f} s")
    say(f"  RTO {again - killed:.2f} s, from the end until the first order")
    return len(told), len(lost), rpo, again - killed


def _stock(server: Server) -> int:
    """Something that everybody can pay for and that there is enough of; its id."""
    server.rows(_PLENTY, DATABASE)
    return 1


def _token(url: str, number: int) -> str:
    credentials = {"email": f"student{number}@{DOMAIN}", "password": PASSWORD}
    answer = httpx.post(f"{url}/auth/login", json=credentials, trust_env=False, timeout=30)
    return str(answer.raise_for_status().json()["accessToken"])


def _lost(server: Server, told: list[Acknowledged]) -> list[Acknowledged]:
    """Those that people were told of, and that are not there."""
    micros = "(extract(epoch from created_at) * 1000000)::bigint"
    there = set(server.rows(f"select id, {micros} from orders", DATABASE))  # noqa: S608
    return [each for each in told if (str(each.id), str(_micros(each))) not in there]


def _micros(of: Acknowledged) -> int:
    return (datetime.fromisoformat(of.created_at) - _EPOCH) // timedelta(microseconds=1)


def _rewind(server: Server, kept: Archive, home: Path, say: Say) -> float:
    """Somebody deletes what should have stayed; another server has it as it was before."""
    count = "select count(*) from order_items"
    ((before,),) = server.rows(count, DATABASE)
    ((moment,),) = server.rows("select clock_timestamp()")
    server.rows("delete from order_items", DATABASE)
    ((after,),) = server.rows(count, DATABASE)
    began = time.monotonic()
    _wait_for_archive(server)
    side = server.beside(home)
    try:
        side.restore(kept, moment)
        ((found,),) = side.rows(count, DATABASE)
        seconds = time.monotonic() - began
    finally:
        side.remove()
    say(f"A DELETE left {after} of {before} lines of orders. A server beside it, as of the moment")
    say(f"  before, has {found} of them after {seconds:.2f} s")
    if found != before:
        raise StackError(f"{before} lines were there, and {found} came back.", "Look at its log.")
    return seconds


def _wait_for_archive(server: Server) -> None:
    """Returns when all that was written so far is in S3."""
    ((segment,),) = server.rows("select pg_walfile_name(pg_switch_wal())")
    deadline = time.monotonic() + _PATIENCE
    while server.rows("select last_archived_wal from pg_stat_archiver") < [(segment,)]:
        if time.monotonic() > deadline:
            raise StackError("WAL is not archived.", "Look at the server's log.")
        time.sleep(0.05)


class _Application:
    """`comanda serve`, over the servers of the drill."""

    def __init__(self, home: Path, addresses: Addresses) -> None:
        port = Ports(home / "application.json").take("application")
        self.url = f"http://{LOOPBACK}:{port}"
        given = {
            **addresses.environment(),
            "COMANDA_TOKEN_SECRET": secrets.token_hex(32),
            "COMANDA_LIMIT_GENERAL": "0",
            "COMANDA_PICTURE_PROCESSES": "1",
            "COMANDA_ACCESS_LOG": "0",
        }
        argv = [sys.executable, "-m", "bff.serve", "--port", str(port)]
        log = home / "application.log"
        self._command = Command(argv, {**os.environ, **given}, log=log)
        self._child: Child | None = None

    def start(self) -> None:
        """Start it; returns when it answers."""
        self._child = Child("application", self._command)
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            try:
                httpx.get(f"{self.url}/health", trust_env=False)
            except httpx.TransportError:
                time.sleep(0.05)
            else:
                return
        raise StackError("The application does not answer.", "Look at what it logged.")

    def end(self) -> None:
        """Stop it, if it runs."""
        if self._child is not None:
            self._child.end(1.0)


def _archive(addresses: Addresses) -> Archive:
    return Archive(
        addresses.s3_endpoint, addresses.s3_access_key, addresses.s3_secret_key, "comanda-backups"
    )


async def _load(url: str, orders: int) -> None:
    await migrate(url)
    await loader.load(url, orders, lambda _: None)
