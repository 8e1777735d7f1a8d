"""Bring a database to a revision, once, however many processes start together."""

import asyncio
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from domain.database.address import DRIVER, dsn
from migrations.locks import Locks, lock_timeout

log = logging.getLogger(__name__)

# Any constant will do, as long as it is the same in every process: "comanda" in hexadecimal.
LOCK = 0x636F6D616E6461
_PAUSE = 0.2
# For each wait for a lock, so many times as long for those who stood behind it.
_REST: Final = 2
# lock_not_available, deadlock_detected
_IN_THE_WAY: Final = ("55P03", "40P01")
_OLDEST: Final = "SELECT pid, xact_start, query FROM pg_stat_activity ORDER BY xact_start"


class LockedError(Exception):
    """Others did not let go of what a migration needs; it has done what came before that."""


def configuration(connection: Connection | None = None, locks: Locks | None = None) -> Config:
    """Alembic's configuration without an ini file: there is one place for settings."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["connection"] = connection
    config.attributes["locks"] = locks or Locks()
    return config


async def migrate(database_url: str, revision: str = "head", locks: Locks | None = None) -> None:
    """Upgrade the database at `database_url` (`postgresql://`) to `revision`.

    Raises LockedError.
    """
    await _run(database_url, lambda config: command.upgrade(config, revision), locks or Locks())


async def roll_back(database_url: str, revision: str, locks: Locks | None = None) -> None:
    """Downgrade the database at `database_url` to `revision` (`base` is the empty one).

    Raises LockedError.
    """
    await _run(database_url, lambda config: command.downgrade(config, revision), locks or Locks())


async def _run(database_url: str, step: Callable[[Config], None], locks: Locks) -> None:
    engine = create_async_engine(
        DRIVER, connect_args={"dsn": dsn(database_url)}, poolclass=NullPool
    )
    try:
        async with engine.connect() as connection:
            await _wait_for_turn(connection)
            await _persevere(connection, step, locks)
    finally:
        await asyncio.shield(engine.dispose())


async def _persevere(
    connection: AsyncConnection, step: Callable[[Config], None], locks: Locks
) -> None:
    """Try again while others hold a lock that is needed: what was done stays, and is left out."""
    until = time.monotonic() + locks.patience
    while True:
        try:
            # Whoever waits for a table has all others wait behind it, writers and readers alike.
            await connection.execute(text(lock_timeout(locks.timeout)))
            await connection.commit()
            await connection.run_sync(lambda sync: step(configuration(sync, locks)))
            await connection.commit()
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) not in _IN_THE_WAY:
                raise
            await connection.rollback()
            if time.monotonic() > until:
                raise LockedError(
                    f"A migration waits for a lock, and has for {locks.patience:g} s. End the"
                    f" transaction that holds it, and come again. Who that is: {_OLDEST}"
                ) from error
            log.warning("a migration waits for a lock: %s", error.orig)
        else:
            return
        await asyncio.sleep(_REST * locks.timeout)


async def _wait_for_turn(connection: AsyncConnection) -> None:
    """Take a session's lock, not a transaction's: migrations commit one by one beneath it.

    Tried again and again, for who waits inside pg_advisory_lock() holds a snapshot, which an
    index that is built concurrently waits for in its turn: a deadlock.
    """
    attempt = text("SELECT pg_try_advisory_lock(:lock)")
    while not await connection.scalar(attempt, {"lock": LOCK}):
        await connection.commit()
        await asyncio.sleep(_PAUSE)
    await connection.commit()
