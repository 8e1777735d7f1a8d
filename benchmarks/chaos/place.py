"""The servers that are broken: production's, as far as one machine can be it.

A primary with a synchronous standby and three replicas to read from, a Redis cluster of six, an
object store, and the application in two processes. While a fault lasts nobody looks after them.
"""

import asyncio
import json
import os
import secrets
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import asyncpg
import httpx

from benchmarks.chaos.lanes import Lanes
from benchmarks.load import campus
from benchmarks.pictures.application import hang_on, prepare
from domain.accounts import AccessTokens, Principal
from domain.model import Role
from infra.demo import loader
from infra.demo.campus import SECTIONS
from infra.demo.pictures import draw_jpeg
from infra.local import ledger
from infra.local.failure import server_failed
from infra.local.ports import LOOPBACK, Ports
from infra.local.postgres import SUPERUSER
from infra.local.process import Child, Command
from infra.local.redis_cluster import RedisCluster
from infra.local.stack import Stack

Say = Callable[[str], None]

REPLICAS: Final = ("replica1", "replica2", "replica3")
PRIMARY: Final = "primary"
STANDBY: Final = "replica4"
PROCESSES: Final = 2
RENDERERS: Final = 2
"""For each of them."""

DISHES: Final = 40
"""That have a picture; no variant of it is on the shelf."""
# Of the ladder, so that each is another variant.
_SIZES: Final = (800, 750, 640, 600, 480, 400, 320, 300, 256, 200, 160, 128)
PICTURES: Final = [
    f"/products/{dish}?w={width}&h={height}"
    for width in _SIZES
    for height in _SIZES
    for dish in range(1, DISHES + 1)
]
"""Each that can be asked for."""

_ORDERS: Final = 5_000
_PIXELS: Final = (2400, 1800)
_PATIENCE: Final = 60.0
_PAUSE: Final = 0.05
_STREAMING: Final = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'"
_SERVES: Final = "spawn_main"
_RENDERS: Final = "imaging.worker_process"
# Nothing is acknowledged that the standby has not got, as by a provider's two zones.
_SYNCHRONOUS: Final = (
    f"ALTER SYSTEM SET synchronous_standby_names = '{STANDBY}'",
    "SELECT pg_reload_conf()",
)


@dataclass
class Place:
    """All of it, while it runs."""

    stack: Stack
    redis: RedisCluster
    data: Path
    directory: Path
    """For the crowd: who they are, and what they were told."""
    size: campus.Size
    before: campus.Before
    nodes: Mapping[str, str]
    """The URL of each database, by its role."""
    application: "Application"
    lanes: Lanes
    primary: str = PRIMARY
    """Its role, or that of the standby which was promoted."""

    @property
    def url(self) -> str:
        """Of the application."""
        return self.application.url

    @property
    def database_url(self) -> str:
        """Of the primary."""
        return self.nodes[self.primary]

    # What runs

    def kill(self, *roles: str) -> None:
        """End servers of the stack at once, as a power cut would."""
        for pid in self._pids(*roles):
            os.kill(pid, signal.SIGKILL)

    def end(self, role: str) -> None:
        """Shut a server of the stack down in good order, and wait for it."""
        (pid,) = self._pids(role)
        os.kill(pid, signal.SIGINT)
        _until(lambda: not Path(f"/proc/{pid}").exists() or _is_zombie(pid), role)

    def restart(self, role: str) -> None:
        """Shut a node of the database down in good order; returns when it answers again."""
        self.end(role)
        _until(lambda: self._answers(role), role)

    def rest(self, seconds: float) -> None:
        """Let time pass in which what is missing is started again."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            # A primary that was replaced must not come back.
            if self.primary == PRIMARY:
                self.stack.poll()
            time.sleep(_PAUSE)

    def promote(self) -> None:
        """Make the standby the primary, and have the replicas follow it."""
        self.sql(
            STANDBY,
            "SELECT pg_promote()",
            *(f"SELECT pg_create_physical_replication_slot('{role}', true)" for role in REPLICAS),
        )
        self.primary = STANDBY
        port = _port(self.database_url)
        for role in REPLICAS:
            follows = f"host={LOOPBACK} port={port} user={SUPERUSER} application_name={role}"
            self.sql(
                role,
                f"ALTER SYSTEM SET primary_conninfo = '{follows}'",
                "SELECT pg_reload_conf()",
            )

    @property
    def is_whole(self) -> bool:
        """Whether the application misses nothing, and every standby streams."""
        standbys = len(REPLICAS) + (self.primary == PRIMARY)
        return self.readiness() == "ready" and self.sql(self.primary, _STREAMING) == [standbys]

    def workers(self) -> list[int]:
        """The processes that serve."""
        return _children(self.application.pid, _SERVES)

    def renderers(self) -> list[list[int]]:
        """The processes that render pictures, for each of them its own."""
        return [_children(worker, _RENDERS) for worker in self.workers()]

    def age(self, pid: int) -> float:
        """Seconds since a process began."""
        uptime = float(Path("/proc/uptime").read_text().split()[0])
        return uptime - int(_stat(pid)[19]) / os.sysconf("SC_CLK_TCK")

    # What it is asked

    def sql(self, role: str, *statements: str) -> list[Any]:
        """What a node of the database answers to each, over one connection of its own."""

        async def ask() -> list[Any]:
            connection = await asyncpg.connect(self.nodes[role], timeout=5)
            try:
                return [await connection.fetchval(each) for each in statements]
            finally:
                await connection.close()

        return asyncio.run(ask())

    def readiness(self) -> str:
        """What `/ready` says; empty where nobody says anything."""
        try:
            return str(httpx.get(f"{self.url}/ready", timeout=2, trust_env=False).json()["status"])
        except (httpx.TransportError, ValueError, KeyError):
            return ""

    @property
    def spare(self) -> list[int]:
        """People who are not in the crowd."""
        lines = (self.directory / "phones").read_text().splitlines()
        return [int(json.loads(each)["id"]) for each in lines[self.size.phones :]]

    def bearer(self, user: int, role: Role) -> str:
        """Somebody's token."""
        tokens = AccessTokens(self.application.environment["COMANDA_TOKEN_SECRET"])
        return f"Bearer {tokens.issue(Principal(user, role), datetime.now(UTC))[0]}"

    # Through lanes, or not

    def serve(self, *, through_lanes: bool = False, processes: int = PROCESSES) -> None:
        """Start the application anew, over long ways to its servers or short ones."""
        now = self.application
        if (through_lanes, processes) == (now.is_through_lanes, now.processes):
            return
        for port in self.redis.ports:
            # Whoever asks a cluster is told where its nodes are.
            announced = self.lanes.ports[port] if through_lanes else 0
            self.redis.ask(port, "CONFIG", "SET", "cluster-announce-port", announced)
        told = set(self.lanes.ports.values()) if through_lanes else set(self.redis.ports)
        _until(lambda: all(self._announced(port) <= told for port in self.redis.ports), "Redis")
        now.end()
        now.start(self.lanes if through_lanes else None, processes)

    def _answers(self, role: str) -> bool:
        self.stack.poll()
        try:
            return self.sql(role, "SELECT 1") == [1]
        except (OSError, asyncpg.PostgresError):
            return False

    def _announced(self, port: int) -> set[int]:
        ranges = self.redis.ask(port, "CLUSTER", "SLOTS")
        return {int(node[1]) for each in ranges for node in each[2:]}

    def _pids(self, *roles: str) -> list[int]:
        return [each.pid for each in ledger.read(self.data).processes if each.role in roles]


class Application:
    """`comanda serve` in some processes."""

    def __init__(self, directory: Path, environment: Mapping[str, str]) -> None:
        port = Ports(directory / "ports.json").take("application")
        self.url = f"http://{LOOPBACK}:{port}"
        self.port = port
        self.environment = environment
        self.is_through_lanes = False
        self.processes = 0
        self._argv = [sys.executable, "-m", "bff.serve", "--port", str(port)]
        self._log = directory / "application.log"
        self._child: Child | None = None

    @property
    def pid(self) -> int:
        """Of the process that looks after those that serve."""
        assert self._child is not None
        return self._child.pid

    def start(self, lanes: Lanes | None = None, processes: int = PROCESSES) -> None:
        """Start it; returns when it is ready."""
        self.is_through_lanes = lanes is not None
        self.processes = processes
        argv = [*self._argv, "--workers", str(processes)]
        given = dict(self.environment)
        if lanes is not None:
            given = {name: lanes.through(value) for name, value in given.items()}
        self._child = child = Child("application", Command(argv, given, log=self._log))
        deadline = time.monotonic() + _PATIENCE
        while not self._is_ready():
            if child.exit_code() is not None or time.monotonic() > deadline:
                raise server_failed("The application did not start", self._log, child.log_start)
            time.sleep(_PAUSE)

    def kill(self) -> None:
        """End all its processes at once."""
        os.killpg(self.pid, signal.SIGKILL)

    def end(self) -> None:
        """In good order."""
        if self._child is not None:
            self._child.end(30)

    def _is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/ready", timeout=5, trust_env=False).is_success
        except httpx.TransportError:
            return False


@contextmanager
def running(data: Path, users: int, say: Say) -> Iterator[Place]:
    """All of it, with a campus at which everything is open; it ends with the block."""
    size = campus.Size(users, _ORDERS, PROCESSES)
    directory = data.parent / "crowd"
    directory.mkdir()
    with ExitStack() as open_:
        stack = open_.enter_context(Stack(data, fresh=True, replicas=len(REPLICAS) + 1))
        addresses = stack.start()
        redis = RedisCluster(data.parent / "redis")
        open_.callback(redis.stop)
        redis.start()
        databases = [addresses.database_url, *addresses.replica_urls]
        nodes = dict(zip((PRIMARY, *REPLICAS, STANDBY), databases, strict=True))
        environment = {
            **os.environ,
            **addresses.environment(),
            "COMANDA_DATABASE_URL": _either(nodes[PRIMARY], nodes[STANDBY]),
            "COMANDA_REPLICA_URLS": ",".join(nodes[role] for role in REPLICAS),
            "COMANDA_REDIS_URL": redis.url,
            "COMANDA_REDIS_CLUSTER": "true",
            "COMANDA_TOKEN_SECRET": secrets.token_hex(32),
            # The crowd says for whom it asks, as a load balancer does.
            "COMANDA_TRUSTED_PROXIES": "127.0.0.0/8",
            "COMANDA_PAYMENT_DECLINE_RATE": str(campus.DECLINES),
            "COMANDA_PICTURE_PROCESSES": str(RENDERERS),
            "COMANDA_ACCESS_LOG": "0",
            # Every limit is looked at, and none is reached.
            "COMANDA_LIMIT_GENERAL": "1000000",
        }
        asyncio.run(prepare(environment))
        asyncio.run(loader.load(nodes[PRIMARY], size.orders, say))
        before = asyncio.run(campus.fill(nodes[PRIMARY], size, directory))
        asyncio.run(_hang(environment))
        stack.wait_for_replicas()
        ports = Ports(data.parent / "lanes.json")
        servers = [_port(url) for url in (*databases, addresses.s3_endpoint)] + redis.ports
        lanes = open_.enter_context(Lanes({port: ports.take(str(port)) for port in servers}))
        application = Application(directory, environment)
        open_.callback(application.end)
        application.start()
        place = Place(stack, redis, data, directory, size, before, nodes, application, lanes)
        place.sql(PRIMARY, *_SYNCHRONOUS)
        yield place


async def _hang(environment: Mapping[str, str]) -> None:
    """Some dishes are drawn, so that nobody waits for all of them to be."""
    drawn = [draw_jpeg(each.slug, number, _PIXELS) for number, each in enumerate(SECTIONS)]
    await hang_on(environment, drawn, range(1, DISHES + 1), pyramid=True)


def _either(url: str, other: str) -> str:
    """Whichever of two nodes takes writes."""
    host, there = (each.rpartition("@")[2].partition("/")[0] for each in (url, other))
    return f"{url.replace(host, f'{host},{there}')}?target_session_attrs=read-write"


def _port(url: str) -> int:
    return int(url.rpartition(":")[2].partition("/")[0])


def _children(parent: int, part: str) -> list[int]:
    """Child processes with `part` in their command lines."""
    found = []
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            if (
                int(_stat(int(directory.name))[1]) == parent
                and part in (directory / "cmdline").read_text()
            ):
                found.append(int(directory.name))
        except OSError:
            continue
    return sorted(found)


def _stat(pid: int) -> list[str]:
    """Of proc(5), from the state on. Raises OSError."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _is_zombie(pid: int) -> bool:
    try:
        return _stat(pid)[0] == "Z"
    except OSError:
        return True


def _until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} is not as it should be")
        time.sleep(_PAUSE)
