"""Loads the demo campus: all of it in one transaction, or nothing."""

import random
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import cycle
from typing import Any

import asyncpg
import msgspec
from pwdlib import PasswordHash

from domain.database import dsn
from domain.model import Role
from infra.demo import campus, history

Report = Callable[[str], None]

MARKER = "demo"
_MARKED = "SELECT value FROM configuration WHERE key = $1"
SEED = 2026
ORDERS = 20_000
MOST_ORDERS = 10_000_000
# On the primary, three replicas and in their WAL together; measured with a million of them.
BYTES_AN_ORDER = 4_500


class AlreadyLoadedError(Exception):
    """The database holds a demo campus, or a real one, that is not to be overwritten."""


async def load(database_url: str, orders: int, report: Report) -> None:
    """Load the campus with `orders` orders of history into the empty schema at `database_url`.

    Raises AlreadyLoadedError when the schema is not empty, ValueError for an absurd number.
    """
    if not 0 <= orders <= MOST_ORDERS:
        raise ValueError(f"--orders must be 0 to {MOST_ORDERS}")
    began = time.monotonic()
    connection = await asyncpg.connect(dsn(database_url))
    try:
        async with connection.transaction():
            # Two loaders at once: the second waits here and then finds the marker.
            await connection.execute("LOCK TABLE configuration IN EXCLUSIVE MODE")
            await _refuse_unless_empty(connection)
            now = datetime.now(UTC)
            chance = random.Random(SEED)
            await _places(connection, now)
            products = await _menu(connection, chance)
            users = await _people(connection, now, chance)
            await history.load(connection, orders, users, products, now, chance, report)
            await connection.execute(
                "INSERT INTO configuration (key, value) VALUES ($1, $2::jsonb)",
                MARKER,
                msgspec.json.encode({"orders": orders, "loadedAt": now}).decode(),
            )
        # The planner knows nothing of what a COPY brought until it has looked.
        await connection.execute("ANALYZE")
        # Or the reports would know of nothing until the application has been up for a while.
        await connection.execute("REFRESH MATERIALIZED VIEW product_sales_daily")
        report(f"{orders:,} orders loaded in {time.monotonic() - began:.1f} s")
    finally:
        await connection.close()


async def loaded_orders(database_url: str) -> int | None:
    """How many orders the demo campus was loaded with; None when it is not there."""
    return _orders(await _ask(database_url, _MARKED, MARKER))


async def first_product(database_url: str) -> int:
    """The id of the first dish; ids go on after a load that was broken off, so it may not be 1."""
    return int(await _ask(database_url, "SELECT coalesce(min(id), 1) FROM products"))


async def missing_pictures(database_url: str) -> int:
    """How many products have no picture yet."""
    question = "SELECT count(*) FROM products WHERE picture_version IS NULL"
    return int(await _ask(database_url, question))


async def _ask(database_url: str, question: str, *arguments: object) -> Any:
    connection = await asyncpg.connect(dsn(database_url))
    try:
        return await connection.fetchval(question, *arguments)
    finally:
        await connection.close()


def _orders(marker: str | None) -> int | None:
    return None if marker is None else int(msgspec.json.decode(marker)["orders"])


async def _refuse_unless_empty(connection: asyncpg.Connection) -> None:
    orders = _orders(await connection.fetchval(_MARKED, MARKER))
    if orders is not None:
        raise AlreadyLoadedError(
            f"The demo campus is there already, with {orders:,} orders of history. "
            "To load it anew: comanda up --fresh --orders N"
        )
    if await connection.fetchval("SELECT EXISTS (SELECT FROM users)"):
        raise AlreadyLoadedError("This database has users: the demo is for an empty one.")


async def _places(connection: asyncpg.Connection, now: datetime) -> None:
    for place in campus.PLACES:
        key = await connection.fetchval(
            "INSERT INTO cafeterias (name, location, time_zone, last_order_minutes)"
            " VALUES ($1, $2, $3, $4) RETURNING id",
            place.name,
            place.location,
            place.time_zone,
            place.last_order_minutes,
        )
        await connection.executemany(
            "INSERT INTO opening_intervals (cafeteria_id, weekday, opens_at, closes_at)"
            " VALUES ($1, $2, $3, $4)",
            [
                (key, weekday, campus.clock(opens), campus.clock(closes))
                for weekdays, opens, closes in place.hours
                for weekday in weekdays
            ],
        )
        await connection.executemany(
            "INSERT INTO opening_exceptions (cafeteria_id, on_date, reason) VALUES ($1, $2, $3)",
            [
                (key, day, reason)
                for day, reason in campus.holidays(now.year).items()
                if place.rests
            ],
        )


async def _menu(
    connection: asyncpg.Connection, chance: random.Random
) -> dict[int, list[history.Dish]]:
    """Every dish with its price, by the cafeteria that serves it."""
    places = cycle([row["id"] for row in await connection.fetch("SELECT id FROM cafeterias")])
    served: dict[int, list[history.Dish]] = {}
    for position, section in enumerate(campus.SECTIONS):
        category = await connection.fetchval(
            "INSERT INTO categories (slug, name, position) VALUES ($1, $2, $3) RETURNING id",
            section.slug,
            section.name,
            position,
        )
        for name in section.names:
            place = next(places)
            # Prices end in 0 or 5, as on any menu.
            price = chance.randrange(section.prices[0], section.prices[1] + 1, 5)
            product = await connection.fetchval(
                "INSERT INTO products"
                " (cafeteria_id, category_id, name, description, price_minor, stock)"
                " VALUES ($1, $2, $3, $4, $5, $6) RETURNING id",
                place,
                category,
                name,
                f"{name}. Hecho hoy en la cocina del campus.",
                price,
                chance.randint(40, 400),
            )
            served.setdefault(place, []).append(history.Dish(product, price))
    return served


async def _people(
    connection: asyncpg.Connection, now: datetime, chance: random.Random
) -> list[int]:
    """The ids of the customers, every account with the same password."""
    # One hash for all: two thousand Argon2 hashes would take minutes and protect nothing.
    password_hash = PasswordHash.recommended().hash(campus.PASSWORD)
    places = [row["id"] for row in await connection.fetch("SELECT id FROM cafeterias ORDER BY id")]
    staff = [place for place in places for _ in range(campus.STAFF_PER_CAFETERIA)]
    accounts: list[tuple[str, Role, int | None]] = [
        (f"admin{n}", Role.ADMIN, None) for n in range(1, campus.ADMINISTRATORS + 1)
    ]
    accounts += [(f"staff{n}", Role.STAFF, place) for n, place in enumerate(staff, start=1)]
    students = campus.USERS - len(accounts)
    accounts += [(f"student{n}", Role.CUSTOMER, None) for n in range(1, students + 1)]
    joined = now - timedelta(days=400)
    first_names, last_names = campus.FIRST_NAMES.split(), campus.LAST_NAMES.split()
    await connection.copy_records_to_table(
        "users",
        columns=["email", "name", "role", "cafeteria_id", "password_hash", "created_at"],
        records=[
            (
                f"{account}@{campus.DOMAIN}",
                f"{chance.choice(first_names)} {chance.choice(last_names)}",
                role.value,
                place,
                password_hash,
                joined,
            )
            for account, role, place in accounts
        ],
    )
    rows = await connection.fetch("SELECT id FROM users WHERE role = 'customer' ORDER BY id")
    return [row["id"] for row in rows]
