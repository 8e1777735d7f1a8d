"""A stack of a test's own, whose servers are killed and not started again."""

import os
import signal
from pathlib import Path
from typing import Final

import asyncpg

from infra.demo import loader
from infra.local.control import status
from infra.local.stack import Stack
from migrations.runner import migrate

REPLAYED: Final = """
SELECT count(*) = 3 FROM pg_stat_replication WHERE replay_lsn >= pg_current_wal_lsn()
"""
# An acknowledged write is on a standby, or it could not outlive its primary.
SYNCHRONOUS: Final = (
    "ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 (*)'",
    "ALTER SYSTEM SET synchronous_commit = on",
    "SELECT pg_reload_conf()",
)


class Place:
    """A stack whose servers nobody starts again."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.stack = Stack(directory, fast=True)
        self.addresses = self.stack.start()
        self.stack.wait_for_replicas()

    def kill(self, role: str) -> None:
        (pid,) = [each.pid for each in status(self.directory).processes if each.role == role]
        os.kill(pid, signal.SIGKILL)


async def prepare(url: str) -> None:
    await migrate(url)
    await loader.load(url, 100, lambda _: None)
    connection = await asyncpg.connect(url)
    for statement in SYNCHRONOUS:
        await connection.execute(statement)
    while not await connection.fetchval(REPLAYED):
        pass
    await connection.close()


async def opened_up(url: str) -> list[int]:
    """The dishes of a kitchen that is never closed, nor out of what people can afford."""
    connection = await asyncpg.connect(url)
    await connection.execute("UPDATE products SET stock = 1000000, price_minor = 1")
    await connection.execute("DELETE FROM opening_intervals WHERE cafeteria_id = 1")
    await connection.execute(
        "INSERT INTO opening_intervals (cafeteria_id, weekday, opens_at, closes_at)"
        " SELECT 1, day, '00:00', '00:00' FROM generate_series(1, 7) AS day"
    )
    dishes = await connection.fetch("SELECT id FROM products WHERE cafeteria_id = 1")
    await connection.close()
    return [row["id"] for row in dishes]
