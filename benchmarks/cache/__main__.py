"""`python -m benchmarks.cache`: the cache beside cashews and aiocache, and a lunch through it."""

import argparse
import asyncio
import platform
import sys
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

import asyncpg
import uvloop

from benchmarks import page
from benchmarks.cache import crowd, hits, lunch, peers
from benchmarks.cache.processes import Servers, running
from benchmarks.servers import Beside, data_directory
from domain.database import Database, dsn
from domain.menu import Menu
from infra.demo import loader
from infra.local.stack import Stack
from migrations.runner import migrate

ORDERS: Final = 2_000


@dataclass(frozen=True)
class Effort:
    """How long it takes: some two minutes, or one."""

    rounds: int
    reads: int
    crowds: int
    lunch: float


def main() -> None:
    """Measure, print the tables, and with --write put them into docs/performance.md."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cache", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one minute instead of two")
    parser.add_argument("--write", action="store_true", help="into docs/performance.md, too")
    asked = parser.parse_args()
    effort = Effort(3, 1_000, 1, 15.0) if asked.quick else Effort(7, 1_000, 3, 30.0)
    peers.install()
    with tempfile.TemporaryDirectory(prefix="comanda-cache-") as directory:
        tables = _measured(data_directory(Path(directory)), effort)
    command = "python -m benchmarks.cache" + (" --quick" if asked.quick else "")
    text = "\n".join([_setting(command, effort), *tables])
    print(text)
    if asked.write:
        page.write("cache", text)


def _measured(data: Path, effort: Effort) -> list[str]:
    with Stack(data, replicas=0) as stack:
        addresses = stack.start()
        servers = Servers(addresses.database_url, addresses.redis_url)
        asyncio.run(migrate(servers.database_url))
        asyncio.run(loader.load(servers.database_url, ORDERS, _say))
        asyncio.run(_settle(servers.database_url))
        # First, for it begins with nothing in Redis.
        _say("A lunch")
        eaten = lunch.measured(servers, effort.lunch)
        _say("Crowds")
        crowds = {number: crowd.measured(servers, number, effort.crowds) for number in (1, 2)}
        _say("Hits")
        # As the application runs.
        costs = uvloop.run(_hits(servers, effort, Beside("valkey")))
    return [hits.table(costs), crowd.table(crowds), lunch.table(eaten)]


async def _hits(servers: Servers, effort: Effort, beside: Beside) -> hits.Costs:
    async with running(servers) as process:
        menu = Menu(Database(process.cluster), process.cache)
        return await hits.measured(servers, process, menu, effort.rounds, effort.reads, beside)


async def _settle(url: str) -> None:
    """Do now what the server would do beside the measurement."""
    connection = await asyncpg.connect(dsn(url))
    await connection.execute("VACUUM ANALYZE")
    await connection.execute("CHECKPOINT")
    await connection.close()


def _setting(command: str, effort: Effort) -> str:
    packages = ", ".join(f"{name} {version(name)}" for name in ("redis", "hiredis", "uvloop"))
    theirs = ", ".join(each.replace("==", " ") for each in (peers.CASHEWS, peers.AIOCACHE))
    return (
        f"`{command}`, {datetime.now(UTC):%Y-%m-%d}: {effort.rounds} interleaved rounds of "
        f"{effort.reads:,} hits in Redis and {effort.reads * 10:,} in memory, medians (least to "
        f"most); {effort.crowds} of crowds; a lunch of {effort.lunch:.0f} s. {page.machine()}. "
        f"Python {platform.python_version()}, {packages}; {theirs}.\n"
    )


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
