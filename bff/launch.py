"""`comanda up`: the servers, the schema, the demo, the application, in the shortest time."""

import asyncio
import errno
import os
import secrets
import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
from sqlalchemy.exc import SQLAlchemyError

from bff.objects import store
from bff.settings import Settings, from_environment
from domain.database import Cluster, Database
from imaging.shelves import Shelves
from infra.demo import campus, loader
from infra.demo.draw import draw_missing
from infra.edge.nginx import Edge, Origins, required_engine
from infra.local import control
from infra.local.addresses import Given
from infra.local.failure import FREE_SPACE, StackError
from infra.local.ports import Ports
from infra.local.private_file import write_private
from infra.local.stack import Stack
from infra.local.supervisor import Server
from migrations.runner import migrate

Say = Callable[[str], None]
T = TypeVar("T")

PICTURE = "/products/{}?w=300&h=300&q=80"
# What an application is given to come up and the first picture to be drawn.
PATIENCE = 120.0
_LOOK_SECONDS = 0.1
PAINTERS = min(4, os.cpu_count() or 1)
# A terminal is for people: what runs there is told, and not every request.
_QUIET = {"COMANDA_ACCESS_LOG": "0"}
# What a listener on every address can be reached at.
_LOOPBACKS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104
# Whatever proxy the environment names, it does not know our own loopback.
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True)
class Launch:
    """What was asked for on the command line."""

    data: Path
    host: str
    port: int
    orders: int | None  # None: nobody asked, and what is there will do
    fresh: bool
    workers: int = 1
    edge: bool = False

    @property
    def url(self) -> str:
        """Where a browser on this machine finds the application."""
        host = _LOOPBACKS.get(self.host, self.host)
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"


def environment_file(data: Path) -> Path:
    """Where the settings of the application under `data` are kept, for its owner only."""
    return data / "application.env"


def saved_environment(data: Path) -> dict[str, str]:
    """The settings that the last `up` under `data` gave its application; empty without one."""
    try:
        lines = environment_file(data).read_text("utf-8").splitlines()
    except OSError:
        return {}
    return dict(line.split("=", 1) for line in lines if "=" in line)


def up(launch: Launch, say: Say) -> None:
    """Run everything until SIGINT or SIGTERM. Raises StackError with what to do about it."""
    began = time.monotonic()
    control.require_none(launch.data)
    _require_port(launch.host, launch.port)
    say(f"Comanda starts under {launch.data}")
    given = Given.from_environment(os.environ)
    with Stack(launch.data, say, fresh=launch.fresh, given=given) as stack:
        addresses = stack.start()
        environment = _environment(launch.data, addresses.environment())
        asyncio.run(_watched(stack, _make_ready(environment)))
        say("Schema is at its newest version")
        # The application comes up while the demo is loaded, and the first dish is drawn.
        edge = _edge(launch, environment, stack.keep) if launch.edge else None
        behind = edge.environment() if edge else {}
        stack.add("application", _server(launch), _QUIET | behind | environment, url=launch.url)
        if given.database_url:
            # Somebody's own database: it is served as it is, and gets no demo accounts.
            picture = None
            if launch.orders is not None:
                say("--orders counts for our own database only; into a given one: comanda demo")
            _wait_for(stack, f"{launch.url}/health")
            say(f"Serving the given database after {time.monotonic() - began:.1f} s")
        else:
            picture = _serve_demo(stack, launch, environment, say)
            answer = _wait_for(stack, picture)
            say(f"First picture after {time.monotonic() - began:.1f} s (Cache-Status: {answer})")
        say(_summary(launch, addresses.environment(), picture, edge.urls if edge else []))
        if stack.wait_for_replicas() and stack.streaming:
            say(f"{len(stack.streaming)} replicas stream after {time.monotonic() - began:.1f} s")
        stack.supervise()
        say("Stopping")


def _edge(launch: Launch, environment: Mapping[str, str], keep: Callable[[Server], None]) -> Edge:
    """nginx in CloudFront's place, started. Raises StackError."""
    settings = from_environment(environment)
    if not (settings.s3_endpoint and settings.s3_access_key and settings.s3_secret_key):
        raise StackError(
            "The edge signs what it asks of the object store, and has no keys for that.",
            "Set COMANDA_S3_ENDPOINT, COMANDA_S3_ACCESS_KEY and COMANDA_S3_SECRET_KEY.",
        )
    home = launch.data / "edge"
    home.mkdir(mode=0o700, exist_ok=True)
    edge = Edge(
        home,
        launch.data / "logs" / "edge.log",
        Ports(home / "ports.json"),
        Origins(
            application=launch.url.removeprefix("http://"),
            endpoint=settings.s3_endpoint,
            region=settings.s3_region,
            bucket=settings.s3_variants,
            access_key=settings.s3_access_key,
            secret_key=settings.s3_secret_key,
        ),
        required_engine(),
    )
    keep(edge)
    return edge


def _serve_demo(stack: Stack, launch: Launch, environment: dict[str, str], say: Say) -> str:
    """Load the demo and have its pictures drawn; the URL of the first of them."""
    if asyncio.run(_watched(stack, _load_demo(stack, launch, environment, say))):
        for share in range(PAINTERS):
            drawing = [sys.executable, "-m", "bff", "draw", str(share), str(PAINTERS)]
            stack.add(f"drawing-{share + 1}", drawing, environment, finite=True)
    database = environment["COMANDA_DATABASE_URL"]
    return launch.url + PICTURE.format(asyncio.run(loader.first_product(database)))


async def _make_ready(environment: Mapping[str, str]) -> None:
    settings = from_environment(environment)
    async with _shelves(settings) as shelves:
        await shelves.create_buckets()
    await migrate(settings.database_url)


async def _watched(stack: Stack, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, while the servers it needs are looked after.

    Raises StackError when one cannot be kept running, or when `work` fails with its server.
    """
    task = asyncio.create_task(work)
    try:
        while not task.done():
            stack.poll()
            await asyncio.wait({task}, timeout=_LOOK_SECONDS)
        return task.result()
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, SQLAlchemyError) as error:
        full = isinstance(error, asyncpg.DiskFullError)
        if not full:
            await _find_the_crashed(stack)
        raise StackError(
            f"The database failed while it was made ready: {error}",
            FREE_SPACE if full else "Nothing was half done: start again with the same command.",
        ) from error
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _find_the_crashed(stack: Stack) -> None:
    """Its connections are gone a moment before a server is known to have ended."""
    for _ in range(round(1 / _LOOK_SECONDS)):
        stack.poll()
        await asyncio.sleep(_LOOK_SECONDS)


async def _load_demo(
    stack: Stack, launch: Launch, environment: Mapping[str, str], say: Say
) -> bool:
    """Load the demo where it is missing; whether any of its pictures is still to be drawn."""
    settings = from_environment(environment)
    held = await loader.loaded_orders(settings.database_url)
    if held is None:
        orders = loader.ORDERS if launch.orders is None else launch.orders
        stack.require_space(orders * loader.BYTES_AN_ORDER, f"{orders:,} orders of history")
        say(f"Loading the demo campus with {orders:,} orders")
        await loader.load(settings.database_url, orders, say)
    elif launch.orders is not None:
        say(
            f"The demo campus is here already, with {held:,} orders, and stays as it is. "
            f"To load it anew, and lose what is here: comanda up --fresh --orders {launch.orders}"
        )
    missing = await loader.missing_pictures(settings.database_url)
    if missing:
        say(f"Drawing {missing} pictures; the rest of them behind what follows")
        cluster = Cluster(settings.database_url, [])
        async with _shelves(settings) as shelves:
            # Here, where everything is imported, the first is there a second sooner.
            await draw_missing(Database(cluster), shelves, most=1)
        await cluster.close()
    return missing > 1


@asynccontextmanager
async def _shelves(settings: Settings) -> AsyncIterator[Shelves]:
    shelves = Shelves(store(settings))
    try:
        yield shelves
    finally:
        shelves.close()


def _environment(data: Path, addresses: Mapping[str, str]) -> dict[str, str]:
    """The application's environment: ours, with the addresses and a secret that is kept."""
    kept = saved_environment(data)
    secret = os.environ.get("COMANDA_TOKEN_SECRET") or kept.get("COMANDA_TOKEN_SECRET")
    settings = {**addresses, "COMANDA_TOKEN_SECRET": secret or secrets.token_hex(32)}
    lines = "".join(f"{name}={value}\n" for name, value in settings.items())
    write_private(environment_file(data), lines)
    return {**os.environ, **settings}


def _server(launch: Launch) -> list[str]:
    command = [sys.executable, "-m", "bff.serve", "--host", launch.host]
    return [*command, "--port", str(launch.port), "--workers", str(launch.workers)]


def _require_port(host: str, port: int) -> None:
    if not host.strip():
        raise StackError("--host is empty.", "Name an address, or leave --host out.")
    try:
        for family, kind, _, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            _try_port(socket.AddressFamily(family), socket.SocketKind(kind), address)
    except (OSError, UnicodeError) as error:
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            raise StackError(
                f"Port {port} of {host} is in use.",
                f"Choose another: comanda up --port {port + 1} (in the Makefile's words: "
                f'make up ARGS="--port {port + 1}"), or end the program that has it.',
            ) from error
        why = error.strerror if isinstance(error, OSError) else "that is no name of a host"
        raise StackError(
            f"{host}:{port} cannot be used: {why}.",
            "Choose another address: comanda up --host 127.0.0.1 --port 8000",
        ) from error


def _try_port(family: socket.AddressFamily, kind: socket.SocketKind, address: Any) -> None:
    with socket.socket(family, kind) as probe:
        # As the server will: what is only waiting to close does not count as taken, and
        # IPv6 leaves IPv4 alone.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        probe.bind(address)


def _wait_for(stack: Stack, url: str) -> str:
    """Wait until the application answers at `url`; its Cache-Status. Raises StackError."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        stack.poll()
        try:
            with _DIRECT.open(url, timeout=10) as answer:
                return str(answer.headers["Cache-Status"])
        except urllib.error.HTTPError as error:
            # 404: not drawn yet, and worth another look.
            error.close()
        except OSError:
            pass
        time.sleep(0.03)
    raise StackError(
        f"Nothing came from {url} within {PATIENCE:.0f} s.",
        "Look at what the application printed above, then try again.",
    )


def _summary(
    launch: Launch, addresses: Mapping[str, str], picture: str | None, edges: list[str]
) -> str:
    """What runs, where, and what to try."""
    url = launch.url
    replicas = addresses.get("COMANDA_REPLICA_URLS", "").split(",")
    rows = [
        ("application", url),
        *((f"edge {n}", each) for n, each in enumerate(edges, 1)),
        ("API, to browse", f"{url}/docs"),
        ("console", f"{url}/console"),
        ("PostgreSQL", _without_password(addresses["COMANDA_DATABASE_URL"])),
        *((f"replica {n}", _without_password(each)) for n, each in enumerate(replicas, 1) if each),
        ("Redis", _without_password(addresses["COMANDA_REDIS_URL"])),
        ("S3", addresses.get("COMANDA_S3_ENDPOINT", "AWS")),
        ("settings", str(environment_file(launch.data))),
    ]
    where = "\n".join(f"  {name:<15} {place}" for name, place in rows)
    login = f'{{"email": "student1@{campus.DOMAIN}", "password": "{campus.PASSWORD}"}}'
    if picture is None:
        return f"\nRunning\n{where}\n\nCtrl-C stops all that was started.\n"
    return (
        f"\nRunning\n{where}\n\nTry\n"
        f"  curl -s '{picture}' -o picture.jpeg\n"
        f"  curl -s '{url}/api/products?limit=2'\n"
        f"  curl -s {url}/auth/login -H 'content-type: application/json' -d '{login}'\n\n"
        "Ctrl-C stops all of it; a new `comanda up` finds its data again.\n"
    )


def _without_password(url: str) -> str:
    scheme, _, rest = url.partition("://")
    credentials, at, place = rest.rpartition("@")
    return f"{scheme}://{credentials.partition(':')[0]}{at}{place}" if at else url
