"""Comanda itself: its embedded servers, its application, and products with the photographs."""

import os
import secrets
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import asyncpg

from benchmarks.pictures.peers import Peer, wait_for
from bff.objects import store
from bff.settings import from_environment
from domain.catalogue import Catalogue
from domain.database import Cluster, Database
from domain.events import Outbox
from imaging.facts import facts
from imaging.intake import NewPicture, shelve
from imaging.pyramid import levels
from imaging.shelves import Shelves
from infra.local.stack import Stack
from migrations.runner import migrate


@dataclass(frozen=True)
class Hung:
    """A product with one of the photographs."""

    product_id: int
    picture: NewPicture


def environment(stack: Stack) -> dict[str, str]:
    """What the application is started with, once the stack has been."""
    return {**stack.start().environment(), "COMANDA_TOKEN_SECRET": secrets.token_hex(32)}


def start(name: str, port: int, given: Mapping[str, str], memory: int | None) -> Peer:
    """The application, as `comanda up` starts it; `memory` in bytes, or its default."""
    settings = {**os.environ, **given}
    if memory is not None:
        settings["COMANDA_PICTURE_MEMORY"] = str(memory)
    # Peers write none either.
    settings["COMANDA_ACCESS_LOG"] = "0"
    command = [sys.executable, "-m", "bff.serve", "--port", str(port)]
    process = subprocess.Popen(command, env=settings)
    peer = Peer(name, port, process)
    wait_for(peer, "/health")
    return peer


async def prepare(given: Mapping[str, str]) -> None:
    """The schema and the buckets."""
    await migrate(given["COMANDA_DATABASE_URL"])
    shelves = Shelves(store(from_environment(given)))
    await shelves.create_buckets()
    shelves.close()


async def hang(
    given: Mapping[str, str], photographs: list[bytes], products: int, *, pyramid: bool
) -> list[Hung]:
    """So many new products with the photographs in turn."""
    made = await _products(given["COMANDA_DATABASE_URL"], products)
    return await hang_on(given, photographs, made, pyramid=pyramid)


async def hang_on(
    given: Mapping[str, str], photographs: list[bytes], products: Iterable[int], *, pyramid: bool
) -> list[Hung]:
    """These products with the photographs in turn."""
    shelves = Shelves(store(from_environment(given)))
    cluster = Cluster(given["COMANDA_DATABASE_URL"], [])
    database = Database(cluster)
    judged = [(body, facts(body), levels(body) if pyramid else []) for body in photographs]
    hung = []
    for number, product in enumerate(products):
        body, found, made = judged[number % len(judged)]
        picture = await shelve(shelves, product, body, found, made)
        change = await Catalogue(database).hang(product, picture)
        # Or the application would prepare them while it is measured.
        await Outbox(database).delivered(change.id)
        hung.append(Hung(product, picture))
    await cluster.close()
    shelves.close()
    return hung


async def clear(given: Mapping[str, str], hung: Iterable[Hung]) -> None:
    """Take every variant off the shelf, so that the next request for one renders it."""
    shelves = Shelves(store(from_environment(given)))
    for each in hung:
        await shelves.clear(each.product_id)
    shelves.close()


async def _products(database_url: str, number: int) -> list[int]:
    connection = await asyncpg.connect(database_url)
    try:
        place = await connection.fetchval(
            "INSERT INTO cafeterias (name, location, time_zone, last_order_minutes)"
            " VALUES ($1, 'Campus', 'UTC', 30) RETURNING id",
            f"Benchmark {secrets.token_hex(4)}",
        )
        section = await connection.fetchval(
            "INSERT INTO categories (slug, name, position) VALUES ($1, $1, 0) RETURNING id",
            f"benchmark-{secrets.token_hex(4)}",
        )
        rows = await connection.fetch(
            "INSERT INTO products (cafeteria_id, category_id, name, price_minor)"
            " SELECT $1, $2, 'Dish ' || n, 100 FROM generate_series(1, $3::integer) n"
            " RETURNING id",
            place,
            section,
            number,
        )
    finally:
        await connection.close()
    return [row["id"] for row in rows]
