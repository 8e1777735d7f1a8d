"""The menu, as ever more dishes are on it: each question for the first time, with nothing kept."""

import asyncio
import random
import tempfile
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Final

import asyncpg

from benchmarks.api.load import drive
from benchmarks.pictures.application import environment, prepare, start
from benchmarks.processor import cpu_seconds
from benchmarks.servers import Beside, data_directory
from domain.database import dsn
from infra.demo import loader
from infra.local.stack import Stack
from tests.serving import UNLIMITED, free_port

PAGE: Final = "20 dishes of a cafeteria, in order"
WORD: Final = "20 dishes by a word"
DISH: Final = "a dish"
QUESTIONS: Final = (PAGE, WORD, DISH)
_ORDERS: Final = 1_000
_CONNECTIONS: Final = 4
_SORTS: Final = ("id", "name", "-name", "price", "-price")
_TIMES: Final = 80
_SEED: Final = 5

Spent = Mapping[str, tuple[float, float]]
"""CPU seconds a request of the application and of PostgreSQL, by question."""


def measured(dishes: int) -> Spent:
    """With so many dishes, in a database of its own."""
    with (
        tempfile.TemporaryDirectory(prefix="comanda-scale-") as directory,
        Stack(data_directory(Path(directory)), replicas=0) as stack,
    ):
        given = {**environment(stack), **UNLIMITED, "COMANDA_ACCESS_LOG": "0"}
        asyncio.run(prepare(given))
        asyncio.run(loader.load(given["COMANDA_DATABASE_URL"], _ORDERS, lambda _: None))
        cafeterias, known = asyncio.run(_filled(given["COMANDA_DATABASE_URL"], dishes))
        beside = Beside("postgres")
        ours = start("Comanda", free_port(), given, None)
        try:
            spent = {}
            for name, paths in _paths(cafeterias, known).items():
                # What any question needs first is there by then.
                drive(ours.port, [_get(paths[0])], 1)
                before = cpu_seconds(ours.process.pid), beside.seconds()
                drive(ours.port, [_get(path) for path in paths[1:]], _CONNECTIONS)
                after = cpu_seconds(ours.process.pid), beside.seconds()
                asked = len(paths) - 1
                spent[name] = ((after[0] - before[0]) / asked, (after[1] - before[1]) / asked)
        finally:
            ours.stop()
        return spent


def _paths(cafeterias: list[int], known: list[int]) -> dict[str, list[str]]:
    """No two alike: an answer is kept by its address."""
    pages = [
        f"cafeteriaId={place}&sort={sort}&page={page}"
        for page, place, sort in product((1, 2), cafeterias, _SORTS)
    ]
    chance = random.Random(_SEED)
    return {
        PAGE: [f"/api/products?limit=20&{each}" for each in pages][:_TIMES],
        WORD: [f"/api/products?limit=20&q={number}" for number in range(10, 10 + _TIMES)],
        DISH: [f"/api/products/{key}" for key in chance.sample(known, _TIMES)],
    }


async def _filled(url: str, dishes: int) -> tuple[list[int], list[int]]:
    """The cafeterias, and the dishes that there are then."""
    connection = await asyncpg.connect(dsn(url))
    try:
        await connection.execute(
            "INSERT INTO products"
            " (cafeteria_id, category_id, name, description, price_minor, stock)"
            " SELECT cafeteria_id, category_id, 'Plato ' || n, description, price_minor, stock"
            " FROM generate_series(1, $1) n"
            " JOIN LATERAL (SELECT * FROM products ORDER BY id OFFSET n % 100 LIMIT 1) one ON true",
            max(0, dishes - await connection.fetchval("SELECT count(*) FROM products")),
        )
        await connection.execute("VACUUM ANALYZE")
        places = await connection.fetch("SELECT id FROM cafeterias ORDER BY id")
        known = await connection.fetch("SELECT id FROM products ORDER BY id")
    finally:
        await connection.close()
    return [row[0] for row in places], [row[0] for row in known]


def _get(path: str) -> bytes:
    return (
        f"GET {path} HTTP/1.1\r\nhost: localhost\r\naccept-encoding: gzip\r\n"
        "user-agent: CampusApp/1.0\r\n\r\n"
    ).encode()
