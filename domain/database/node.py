"""A PostgreSQL server: its pools, what was last seen of it, and how its errors are read."""

import asyncio
import logging
import math
import time
from collections.abc import AsyncIterator
from contextlib import (
    AbstractAsyncContextManager,
    ExitStack,
    asynccontextmanager,
    nullcontext,
    suppress,
)
from typing import Final, TypeAlias

import asyncpg

from domain.database.address import dsn, nodes
from domain.database.fences import Fence
from domain.database.pools import ConnectionKind, Connections, FullError, Limits, Pool

log = logging.getLogger(__name__)

# The second-last and the last come of a connection that is ended under a statement.
DRIVER_ERRORS: Final = (
    OSError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
# Seconds that a server which is used has to say where it is, and to let us in; one that is far away
# has so many times what it took to say it last. That is two ways to it and back, and five.
PROBE_PATIENCE: Final = 0.3
CONNECT_PATIENCE: Final = 0.5
_PROBE_WAYS: Final = 3
_CONNECT_WAYS: Final = 5
# For one that is out nobody waits, so it has more, and the primary by and by, too.
FAR_PATIENCE: Final = 2.0
# How often in a row it may fail to; a busy machine makes everybody late.
MOST_MISSED: Final = 2
MOST_MISSED_BY_PRIMARY: Final = 4
# SQLSTATEs of a server, or a connection, that goes away, or is not there yet.
_LOST: Final = ("08", "57P01", "57P02", "57P03", "57P05")
# Of what another server, or a second try, may do: a conflict with replay or with another
# transaction, or a server without a connection left.
_PASSED: Final = ("40001", "40P01", "53300")
# Of a standby that was to write.
_STANDBY: Final = "25006"
# Of a server that says "later": resources, an operator's hand, a lock.
_LATER: Final = ("53", "57", "55P03")
_Seen: TypeAlias = tuple[bool, Fence, float, float]
_PROBE: Final = """
SELECT pg_is_in_recovery(),
       CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()
            ELSE pg_current_wal_insert_lsn() END,
       extract(epoch FROM clock_timestamp())::float8,
       extract(epoch FROM coalesce(pg_last_xact_replay_timestamp(), '-infinity'))::float8
"""


class LostError(Exception):
    """The node does not answer, or no more."""


class PassedError(Exception):
    """It could not be done this time, or not there; the node is well."""


class LaterError(Exception):
    """There is no time or no room for it now."""


class Node:
    """One server, or several of which one is right, as a name in a chain of roles."""

    def __init__(
        self,
        name: str,
        url: str,
        limits: Limits,
        *,
        writable: bool = False,
        kind: ConnectionKind = asyncpg.Connection,
    ) -> None:
        self.name = name
        self.up = True
        """Believed until a probe, or a statement, has shown otherwise."""
        self.position: Fence = 0
        """How far it had come when it was last seen."""
        self.replayed_at = -math.inf
        """When what it replayed last was committed (seconds since 1970, by the primary's clock)."""
        self._clock = 0.0
        self._url = url
        self._limits = limits
        self._reads = Pool(url, limits, read_only=True, kind=kind)
        self._writes = Pool(url, limits, read_only=False, kind=kind) if writable else None
        self._eye: asyncpg.Connection | None = None
        self._missed = 0
        # Seconds that it took to say where it is, and when it has to have done so this time.
        self._took = 0.0
        self._due = 0.0
        self._looking: asyncio.Task[None] | None = None
        self._suspecting: set[asyncio.Task[None]] = set()

    @property
    def place(self) -> str:
        """Its hosts and ports, for logs."""
        return nodes(self._url)

    @property
    def now(self) -> float:
        """What its own clock shows, in seconds since 1970, as it was last seen."""
        return self._clock + time.monotonic()

    @property
    def connections(self) -> Connections:
        """Those of this process, for reads and for transactions."""
        of_pools = [pool.connections for pool in self._pools]
        return Connections(
            sum(each.active for each in of_pools), sum(each.idle for each in of_pools)
        )

    def reading(self) -> AbstractAsyncContextManager[asyncpg.Connection]:
        """A read-only connection, each statement with a snapshot of its own.

        Raises LostError, PassedError, LaterError for what the node did, anything else as it is.
        """
        # A setting of the session would be whoever's the connection is next.
        return self._bracketed() if self._limits.pgbouncer else self._connected(self._reads)

    def transaction(
        self, connection: asyncpg.Connection, *, is_single: bool
    ) -> AbstractAsyncContextManager[object]:
        """BEGIN and COMMIT, but for a single statement, which is a transaction by itself."""
        # In transaction mode it would be prepared over one connection, and run over another.
        if is_single and not self._limits.pgbouncer:
            return nullcontext()
        begun: AbstractAsyncContextManager[object] = connection.transaction(
            isolation="read_committed"
        )
        return begun

    def writing(self) -> AbstractAsyncContextManager[asyncpg.Connection]:
        """A connection for transactions. Raises as `reading` does."""
        if self._writes is None:
            raise LostError(f"{self.name} takes no writes")
        return self._connected(self._writes)

    async def look(self) -> None:
        """See where the node is; whoever looks at the same moment looks together."""
        if self._looking is None:
            self._looking = asyncio.create_task(self._look())
        await asyncio.shield(self._looking)

    def lose(self, reason: object) -> None:
        """It does not answer: end what is under way there, and its connections."""
        if self.up:
            log.warning("database node %s (%s) is lost: %s", self.name, self.place, reason)
        self.up = False
        # It may come back from a copy that is older.
        self.position = 0
        if self._eye is not None:
            self._eye.terminate()
            self._eye = None
        for pool in self._pools:
            # A hung server would keep its readers waiting otherwise.
            pool.terminate()

    async def warm(self) -> None:
        """Open the least connections of each pool, as far as the node lets us."""
        for pool in self._pools:
            with suppress(FullError, *DRIVER_ERRORS), ExitStack() as opened:
                for _ in range(self._limits.least_connections):
                    opened.callback(pool.give_back, await pool.take())

    async def answers(self, patience: float) -> bool:
        """Whether it answers within `patience` seconds."""
        try:
            async with asyncio.timeout(patience), self._connected(self._reads) as connection:
                await connection.execute("SELECT 1")
        except (LostError, PassedError, LaterError, *DRIVER_ERRORS):
            return False
        return True

    async def close(self) -> None:
        """Close its connections."""
        for task in self._suspecting:
            task.cancel()
        await asyncio.gather(*self._suspecting, return_exceptions=True)
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)
        if self._eye is not None:
            self._eye.terminate()
        for pool in self._pools:
            await pool.close()

    async def _look(self) -> None:
        try:
            standby, position, now, replayed_at = await self._seen()
        except TimeoutError:
            self._miss()
        except DRIVER_ERRORS as error:
            self.lose(error)
        else:
            self._missed = 0
            if standby and self._writes is not None:
                # Another one was promoted; a new connection finds it.
                self.lose("it is a standby now")
                return
            self.position, self.replayed_at = position, replayed_at
            self._clock = now - time.monotonic()
            if not self.up:
                log.warning("database node %s (%s) is back", self.name, self.place)
                self.up = True
        finally:
            self._looking = None

    async def _seen(self) -> _Seen:
        try:
            return await self._asked()
        except DRIVER_ERRORS as error:
            # Of several hosts it may be another one now, and what is open at this one is to go.
            if isinstance(error, TimeoutError) or self._eye is None or "," in self.place:
                raise
            log.info("database node %s: the connection that looks at it was lost", self.name)
        self._eye.terminate()
        return await self._asked()

    async def _asked(self) -> _Seen:
        if self._eye is None or self._eye.is_closed():
            async with self._in_time(CONNECT_PATIENCE, _CONNECT_WAYS):
                # Prepared once, where what it is prepared on is what it is run on.
                kept = 0 if self._limits.pgbouncer else 1
                self._eye = await asyncpg.connect(dsn(self._url), statement_cache_size=kept)
        began = time.monotonic()
        async with self._in_time(PROBE_PATIENCE, _PROBE_WAYS):
            seen: _Seen = tuple(await self._eye.fetchrow(_PROBE))
        self._took = time.monotonic() - began
        return seen

    def _in_time(self, least: float, ways: int) -> asyncio.Timeout:
        if self._writes is not None:
            # Nobody can take its place, so it may just have become slow.
            least *= 2**self._missed
        patience = min(FAR_PATIENCE, max(least, ways * self._took)) if self.up else FAR_PATIENCE
        self._due = time.monotonic() + patience
        return asyncio.timeout(patience)

    def _miss(self) -> None:
        """It did not answer in time, unless it was this process that had none."""
        if self._eye is not None:
            self._eye.terminate()
        if time.monotonic() > self._due + CONNECT_PATIENCE:
            return
        self._missed += 1
        # There is none in place of the primary: what is under way there may still end well.
        if self._missed >= (MOST_MISSED if self._writes is None else MOST_MISSED_BY_PRIMARY):
            self.lose("it does not answer in time")

    @property
    def _pools(self) -> list[Pool]:
        return [self._reads] if self._writes is None else [self._reads, self._writes]

    def _suspect(self) -> None:
        looking = asyncio.create_task(self.look())
        self._suspecting.add(looking)
        looking.add_done_callback(self._suspecting.discard)

    @asynccontextmanager
    async def _bracketed(self) -> AsyncIterator[asyncpg.Connection]:
        async with (
            self._connected(self._reads) as connection,
            connection.transaction(isolation="read_committed", readonly=True),
        ):
            yield connection

    @asynccontextmanager
    async def _connected(self, pool: Pool) -> AsyncIterator[asyncpg.Connection]:
        try:
            connection = await pool.take()
        except FullError as error:
            raise LaterError("No connection to the database is free.") from error
        except DRIVER_ERRORS as error:
            raise self._judged(error, pool, None) from error
        try:
            yield connection
        except (*DRIVER_ERRORS, AttributeError) as error:
            # The last: asyncpg's, of a connection that was ended between two steps of a statement.
            judged = self._judged(error, pool, connection)
            if isinstance(error, TimeoutError):
                # Its answer may still come, and would be taken for that of the next statement.
                connection.terminate()
            if judged is error:
                raise
            raise judged from error
        except Exception:
            raise
        except BaseException:
            # Broken off: the same.
            connection.terminate()
            raise
        finally:
            pool.give_back(connection)

    def _judged(
        self, error: Exception, pool: Pool, connection: asyncpg.Connection | None
    ) -> Exception:
        """What an error says of the node; the error itself where it says nothing. Without a
        `connection` it is why there was none."""
        state = str(getattr(error, "sqlstate", None) or "")
        if state == _STANDBY:
            if pool is not self._writes:
                # A write among the reads: a fault of ours, and the same everywhere.
                return error
            self._suspect()
            return PassedError(str(error))
        if state.startswith(_PASSED) or isinstance(error, asyncpg.InvalidCachedStatementError):
            # Of the latter, a migration has changed what a statement returns: it is prepared anew.
            return PassedError(str(error))
        if connection is None or state.startswith(_LOST) or connection.is_closed():
            # One connection, perhaps: what others do there goes on until it is known.
            self._suspect()
            # A transaction that cannot be undone over it hides what it met.
            return LostError(str(error.__context__ or error))
        if isinstance(error, TimeoutError) or state.startswith(_LATER):
            log.warning("database node %s: %r", self.name, error)
            return LaterError("The database did not answer in time.")
        return error
