"""Bring a database to a revision, once, however many processes start together."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from domain.database.address import DRIVER, dsn

# Any constant will do, as long as it is the same in every process: "comanda" in hexadecimal.
LOCK = 0x636F6D616E6461
_PAUSE = 0.2


def configuration(connection: Connection | None = None) -> Config:
    """Alembic's configuration without an ini file: there is one place for settings."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["connection"] = connection
    return config


async def migrate(database_url: str, revision: str = "head") -> None:
    """Upgrade the database at `database_url` (`postgresql://`) to `revision`."""
    await _run(database_url, lambda config: command.upgrade(config, revision))


async def roll_back(database_url: str, revision: str) -> None:
    """Downgrade the database at `database_url` to `revision` (`base` is the empty one)."""
    await _run(database_url, lambda config: command.downgrade(config, revision))


async def _run(database_url: str, step: Callable[[Config], None]) -> None:
    engine = create_async_engine(
        DRIVER, connect_args={"dsn": dsn(database_url)}, poolclass=NullPool
    )
    try:
        async with engine.connect() as connection:
            await _wait_for_turn(connection)
            await connection.run_sync(lambda sync: step(configuration(sync)))
            await connection.commit()
    finally:
        await asyncio.shield(engine.dispose())


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
