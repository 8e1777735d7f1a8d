"""Engines by role, and the two ways to use them: `read` and `transaction`."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from domain.database.address import DRIVER, dsn, nodes
from domain.errors import UnavailableError

log = logging.getLogger(__name__)

# SQLSTATE classes and codes that say "later": connection, resources, operator, locks, conflicts.
_PASSING = ("08", "53", "57", "55P03", "40001", "40P01")
# Seconds that a server has to say that it cut a statement off, before we do.
_GRACE = 2.0


class Role(StrEnum):
    """What a read is for; each role has a node of its own and the primary behind it."""

    PRIMARY = "primary"
    MENU = "menu"
    ANALYTICS = "analytics"
    REPORTS = "reports"


@dataclass(frozen=True)
class Limits:
    """Bounds of one node's pool: connections, and seconds to connect, wait for one,
    run a statement and wait for a lock."""

    connections: int = 20
    connect_timeout: float = 2.0
    pool_timeout: float = 2.0
    statement_timeout: float = 10.0
    lock_timeout: float = 2.0


class Cluster:
    """A primary and its replicas. The n-th replica serves the n-th of menu, analytics, reports."""

    def __init__(
        self, primary_url: str, replica_urls: Sequence[str], limits: Limits | None = None
    ) -> None:
        limits = limits or Limits()
        self._primary = _Node(primary_url, limits, read_only=False)
        # Reads that fall back to the primary are refused a write there too.
        self._primary_reads = _Node(primary_url, limits, read_only=True)
        self._replicas = [_Node(url, limits, read_only=True) for url in replica_urls]
        readers = (Role.MENU, Role.ANALYTICS, Role.REPORTS)
        self._chains: dict[Role, list[_Node]] = {Role.PRIMARY: [self._primary_reads]}
        for position, role in enumerate(readers):
            own = self._replicas[position % len(self._replicas) :][:1] if self._replicas else []
            self._chains[role] = [*own, self._primary_reads]

    @asynccontextmanager
    async def read(self, role: Role) -> AsyncIterator[AsyncConnection]:
        """A read-only connection to the first node of the role's chain that answers.

        Raises UnavailableError when none does. Each statement sees its own snapshot.
        """
        connection = await self._first_that_answers(self._chains[role])
        try:
            yield connection
        except (DBAPIError, TimeoutError) as error:
            raise await _judged(connection, error) from error
        finally:
            await connection.close()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """A transaction on the primary: committed when the block ends, else rolled back.

        A failing COMMIT raises here, so nothing is acknowledged that was not kept.
        """
        connection = await self._first_that_answers([self._primary])
        try:
            async with connection.begin():
                yield connection
        except (DBAPIError, TimeoutError) as error:
            raise await _judged(connection, error) from error
        finally:
            await connection.close()

    async def ping(self, patience: float) -> dict[str, bool]:
        """Whether each node answers within `patience` seconds, by name."""
        named = {"primary": self._primary_reads}
        named |= {f"replica-{n}": node for n, node in enumerate(self._replicas, start=1)}
        answers = await asyncio.gather(*(node.answers(patience) for node in named.values()))
        return dict(zip(named, answers, strict=True))

    async def close(self) -> None:
        """Close every pool."""
        for node in (self._primary, self._primary_reads, *self._replicas):
            await node.engine.dispose()

    @staticmethod
    async def _first_that_answers(chain: Sequence["_Node"]) -> AsyncConnection:
        for node in chain:
            try:
                return await node.engine.connect()
            except (OSError, DBAPIError, PoolTimeoutError) as error:
                log.warning("database node %s does not answer: %s", node.place, error)
        raise UnavailableError("The database does not answer.")


class _Node:
    """A server, or several of which one is right, and a pool of connections to it."""

    def __init__(self, url: str, limits: Limits, *, read_only: bool) -> None:
        self.place = nodes(url)
        self.engine = _engine(url, limits, read_only=read_only)

    async def answers(self, patience: float) -> bool:
        """Whether it answers within `patience` seconds."""
        try:
            async with asyncio.timeout(patience), self.engine.connect() as connection:
                await connection.execute(text("SELECT 1"))
        except (OSError, DBAPIError, PoolTimeoutError):
            return False
        return True


def _engine(url: str, limits: Limits, *, read_only: bool) -> AsyncEngine:
    settings = {
        "application_name": "comanda",
        "statement_timeout": str(int(limits.statement_timeout * 1000)),
    }
    if read_only:
        settings["default_transaction_read_only"] = "on"
    else:
        settings["lock_timeout"] = str(int(limits.lock_timeout * 1000))
    return create_async_engine(
        DRIVER,
        pool_size=limits.connections,
        # An overflow connection is closed on return: a queue costs less than a connect.
        max_overflow=0,
        # What people typed does not belong into a log of errors.
        hide_parameters=True,
        pool_use_lifo=True,
        pool_timeout=limits.pool_timeout,
        # Reads need no BEGIN, hence no ROLLBACK when their connection comes back.
        isolation_level="AUTOCOMMIT" if read_only else "READ COMMITTED",
        pool_reset_on_return=None if read_only else "rollback",
        connect_args={
            "dsn": dsn(url),
            "timeout": limits.connect_timeout,
            # A server that is frozen, or a network that swallows, ends no statement by itself.
            "command_timeout": limits.statement_timeout + _GRACE,
            "server_settings": settings,
        },
    )


async def _judged(connection: AsyncConnection, error: DBAPIError | TimeoutError) -> Exception:
    """A node that was lost or is overwhelmed is unavailable; anything else is as it is."""
    if isinstance(error, TimeoutError):
        # Its answer may still come, and would be taken for that of the next statement.
        await connection.invalidate(error)
        log.warning("database: no answer within the time of a statement")
        return UnavailableError("The database did not answer in time.")
    state = str(getattr(error.orig, "sqlstate", None) or "")
    if error.connection_invalidated or state.startswith(_PASSING):
        log.warning("database: %s", error.orig)
        return UnavailableError("The database could not answer just now.")
    return error
