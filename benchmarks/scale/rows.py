"""The same questions over ever more orders."""

import asyncio
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

import asyncpg

from benchmarks.api.load import drive
from benchmarks.api.questions import DETAIL, LIST, PLACE, asked, of_comanda
from benchmarks.pictures.application import environment, prepare, start
from benchmarks.processor import cpu_seconds
from benchmarks.servers import Beside, data_directory
from domain.database import dsn
from infra.demo import loader
from infra.local.stack import Stack
from tests.serving import UNLIMITED, free_port

QUESTIONS: Final = (LIST, DETAIL, PLACE)
_CONNECTIONS: Final = 32
_ROUNDS: Final = 5
_REQUESTS: Final = 400


@dataclass(frozen=True)
class Grown:
    """CPU seconds a request, ours and PostgreSQL's, by question; bytes on the disk."""

    spent: Mapping[str, tuple[float, float]]
    bytes: int


def measured(orders: int, say: Callable[[str], None]) -> Grown:
    """With so many orders, in a database of its own."""
    with tempfile.TemporaryDirectory(prefix="comanda-scale-") as directory:
        data = data_directory(Path(directory))
        with Stack(data, replicas=0) as stack:
            given = {**environment(stack), **UNLIMITED, "COMANDA_ACCESS_LOG": "0"}
            asyncio.run(prepare(given))
            asyncio.run(loader.load(given["COMANDA_DATABASE_URL"], orders, say))
            return _asked(given)


def _asked(given: Mapping[str, str]) -> Grown:
    # Among 10,000 orders nobody has a whole page.
    chosen = asyncio.run(asked(given["COMANDA_DATABASE_URL"], least=1))
    questions = of_comanda(chosen, given["COMANDA_TOKEN_SECRET"])
    beside = Beside("postgres")
    ours = start("Comanda", free_port(), given, None)
    try:
        spent: dict[str, list[tuple[float, float]]] = {name: [] for name in QUESTIONS}
        # The first round opens connections, and has statements planned.
        for _ in range(1 + _ROUNDS):
            for name in QUESTIONS:
                before = cpu_seconds(ours.process.pid), beside.seconds()
                drive(ours.port, questions[name](_REQUESTS), _CONNECTIONS)
                after = cpu_seconds(ours.process.pid), beside.seconds()
                taken = ((b - a) / _REQUESTS for a, b in zip(before, after, strict=True))
                spent[name].append((next(taken), next(taken)))
    finally:
        ours.stop()
    return Grown(
        {
            name: (median(each[0] for each in rounds[1:]), median(each[1] for each in rounds[1:]))
            for name, rounds in spent.items()
        },
        asyncio.run(_size(given["COMANDA_DATABASE_URL"])),
    )


async def _size(url: str) -> int:
    connection = await asyncpg.connect(dsn(url))
    try:
        return int(await connection.fetchval("SELECT pg_database_size(current_database())"))
    finally:
        await connection.close()
