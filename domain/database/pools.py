"""A pool of connections to one server: so many at least, so many at most, idle ones let go."""

from dataclasses import dataclass
from typing import Any, Final, cast

from sqlalchemy import event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import QueuePool

from domain.database.address import DRIVER, dsn

# Seconds that a server has to say that it cut a statement off, before we do.
_GRACE: Final = 2.0
# Seconds between a server's looks, while it runs a statement, at whether anybody is there for it.
_CHECK: Final = 1.0
# In transaction mode the next statement may come to another connection, where no name is known.
_UNNAMED: Final[dict[str, Any]] = {
    "statement_cache_size": 0,
    "prepared_statement_cache_size": 0,
    "prepared_statement_name_func": lambda: "",
}


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
    """Whether PgBouncer stands before it, in transaction mode. Sessions are its own then, so the
    timeouts of statements, locks and idle connections have to be set there, or by ALTER ROLE."""


def engine(url: str, limits: Limits, *, read_only: bool) -> AsyncEngine:
    """An engine; the server refuses a write through one that is `read_only`."""
    made = create_async_engine(
        DRIVER,
        pool_size=limits.connections,
        # An overflow connection is closed on return: a queue costs less than a connect.
        max_overflow=0,
        # Those beyond what is needed stay at the bottom, and idle there until they are let go.
        pool_use_lifo=True,
        pool_timeout=limits.pool_timeout,
        # What people typed does not belong into a log of errors.
        hide_parameters=True,
        **_transactions(limits, read_only=read_only),
        connect_args={
            "dsn": dsn(url, read_only=read_only),
            "timeout": limits.connect_timeout,
            # A server that is frozen, or a network that swallows, ends no statement by itself.
            "command_timeout": limits.statement_timeout + _GRACE,
            **(_UNNAMED if limits.pgbouncer else {}),
        },
    )
    pool = cast("QueuePool", made.sync_engine.pool)

    def configured(_: Any, __: Any, ___: Any, arguments: dict[str, Any]) -> None:
        spare = pool.checkedin() + pool.checkedout() > limits.least_connections
        arguments["server_settings"] = _settings(limits, read_only=read_only, spare=spare)

    def checked(connection: Any, _: Any, __: Any) -> None:
        # Let go by the server, or lost with it, which is known without asking.
        if connection.driver_connection.is_closed():
            raise DisconnectionError

    if not limits.pgbouncer:
        event.listen(made.sync_engine, "do_connect", configured)
    event.listen(pool, "checkout", checked)
    return made


def _transactions(limits: Limits, *, read_only: bool) -> dict[str, Any]:
    if not read_only:
        return {"isolation_level": "READ COMMITTED"}
    if limits.pgbouncer:
        # A setting of the session would be whoever's the connection is next.
        return {"execution_options": {"postgresql_readonly": True}}
    # Reads need no BEGIN, hence no ROLLBACK when their connection comes back.
    return {"isolation_level": "AUTOCOMMIT", "pool_reset_on_return": None}


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
    return settings | {"lock_timeout": _milliseconds(limits.lock_timeout)}


def _milliseconds(seconds: float) -> str:
    return str(int(seconds * 1000))
