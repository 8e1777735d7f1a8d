"""A pool of connections to one server: so many at least, so many at most, idle ones let go."""

import asyncio
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

import asyncpg

from domain.database.address import dsn

# Seconds that a server has to say that it cut a statement off, before we do.
_GRACE: Final = 2.0
# Seconds between a server's looks, while it runs a statement, at whether anybody is there for it.
_CHECK: Final = 1.0
# Seconds that a server has to take leave.
_LEAVE: Final = 1.0


ConnectionKind: TypeAlias = type[asyncpg.Connection]
"""The driver's own, or one that tells what it is asked."""


@dataclass(frozen=True)
class Limits:
    """Bounds of one node's pool: connections at least and at most, and seconds to keep an idle
    one, to connect, to wait for a free one, to run a statement and to wait for a lock."""

    connections: int = 20
    least_connections: int = 0
    idle_timeout: float = 30.0
    connect_timeout: float = 2.0
    pool_timeout: float = 2.0
    statement_timeout: float = 10.0
    lock_timeout: float = 2.0
    pgbouncer: bool = False
    """Whether PgBouncer stands before it, in transaction mode. Sessions are its own then, so all
    timeouts of the server's have to be set there, or by ALTER ROLE."""


class Connections(NamedTuple):
    """How many somebody has at this moment, and how many wait for somebody."""

    active: int = 0
    idle: int = 0


class FullError(Exception):
    """Every connection is taken, and none came back in time."""


class Pool:
    """Connections, each for one at a time; the server refuses a write through one that is
    `read_only`."""

    def __init__(
        self,
        url: str,
        limits: Limits,
        *,
        read_only: bool,
        kind: ConnectionKind = asyncpg.Connection,
    ) -> None:
        self._kind = kind
        self._dsn = dsn(url, read_only=read_only)
        self._limits = limits
        self._read_only = read_only
        self._room = asyncio.Semaphore(limits.connections)
        # The last to come back is the first to go out: those beyond what is needed stay at the
        # bottom, and idle there until the server lets them go.
        self._idle: list[asyncpg.Connection] = []
        self._open: set[asyncpg.Connection] = set()
        self._opening = 0

    @property
    def connections(self) -> Connections:
        """Those that are open."""
        idle = sum(not each.is_closed() for each in self._idle)
        return Connections(sum(not each.is_closed() for each in self._open) - idle, idle)

    async def take(self) -> asyncpg.Connection:
        """A connection that is nobody else's until it is given back. Raises FullError, and what
        connecting does."""
        await self._enter()
        try:
            return self._kept() or await self._connected()
        except BaseException:
            self._room.release()
            raise

    def give_back(self, connection: asyncpg.Connection) -> None:
        """To whoever comes next."""
        self._idle.append(connection)
        self._room.release()

    def terminate(self) -> None:
        """Let go of all at once, and end what is under way there."""
        for connection in self._open:
            connection.terminate()
        self._idle.clear()
        self._open.clear()

    async def close(self) -> None:
        """Let go of all; what is under way is ended."""
        leaving = (each.close(timeout=_LEAVE) for each in self._idle if not each.is_closed())
        await asyncio.gather(*leaving, return_exceptions=True)
        self.terminate()

    async def _enter(self) -> None:
        if not self._room.locked():
            await self._room.acquire()
            return
        try:
            async with asyncio.timeout(self._limits.pool_timeout):
                await self._room.acquire()
        except TimeoutError as error:
            raise FullError from error

    def _kept(self) -> asyncpg.Connection | None:
        while self._idle:
            connection = self._idle.pop()
            # Let go by the server, or lost with it, which is known without asking.
            if not connection.is_closed():
                return connection
        return None

    async def _connected(self) -> asyncpg.Connection:
        limits = self._limits
        self._open = {each for each in self._open if not each.is_closed()}
        spare = len(self._open) + self._opening >= limits.least_connections
        self._opening += 1
        try:
            connection = await asyncpg.connect(
                self._dsn,
                connection_class=self._kind,
                timeout=limits.connect_timeout,
                # A server that is frozen, or a network that swallows, ends no statement by itself.
                command_timeout=limits.statement_timeout + _GRACE,
                # In transaction mode the next statement may come to another connection, where no
                # name is known.
                **{"statement_cache_size": 0}
                if limits.pgbouncer
                else {"server_settings": _settings(limits, read_only=self._read_only, spare=spare)},
            )
        finally:
            self._opening -= 1
        self._open.add(connection)
        return connection


def _settings(limits: Limits, *, read_only: bool, spare: bool) -> dict[str, str]:
    settings = {
        "application_name": "comanda",
        "statement_timeout": _milliseconds(limits.statement_timeout),
        # What is asked for nobody any more, cancelled or killed, holds no lock until its timeout.
        "client_connection_check_interval": _milliseconds(_CHECK),
        "idle_session_timeout": _milliseconds(limits.idle_timeout) if spare else "0",
    }
    if read_only:
        return settings | {"default_transaction_read_only": "on"}
    return settings | {
        "lock_timeout": _milliseconds(limits.lock_timeout),
        # A process that stands still, or a host that is cut off, says no more, not even farewell.
        "idle_in_transaction_session_timeout": _milliseconds(limits.statement_timeout),
    }


def _milliseconds(seconds: float) -> str:
    return str(int(seconds * 1000))
