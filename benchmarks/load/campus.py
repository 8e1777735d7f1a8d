"""Everything that `comanda up` starts, with as many accounts as there will be people."""

import asyncio
import json
import os
import secrets
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Protocol

import asyncpg
import httpx

from benchmarks.load import pictures
from benchmarks.pictures.application import hang_on, prepare
from bff.launch import PATIENCE
from domain.accounts import AccessTokens, Principal
from domain.accounts.tokens import RefreshToken
from domain.database import dsn
from domain.model import Role
from infra.demo import campus, loader
from infra.demo.pictures import draw_jpeg
from infra.local.ports import Ports
from infra.local.stack import Stack

Say = Callable[[str], None]

# The share of top-ups that the provider declines, by the specification.
DECLINES: Final = 0.015
# People for each behind a counter: nobody may ask more than a hundred times in a minute.
PHONES_A_COUNTER: Final = 40
# More phones than are in use: they are drawn in no order.
_SPARE_SHARE: Final = 0.05
_LEAST_SPARE: Final = 20
# What is in a wallet at most: of what was topped up once, as much is left as on any other day.
_BALANCE_MINOR: Final = 2_000
_STOCK: Final = 100_000
_LONG: Final = timedelta(days=30)
_AT_ONCE: Final = 8
_WARM_SECONDS: Final = 600.0
_PLACES: Final = len(campus.PLACES)
_PIXELS: Final = (2400, 1800)
# To each node, of all processes: more than the cores can work on only wait there instead of here.
_CONNECTIONS: Final = 60


@dataclass(frozen=True)
class Size:
    """How many people there are, how many orders there were, and in how many processes the
    application serves."""

    phones: int = 5_000
    orders: int = loader.ORDERS
    workers: int = max(1, os.cpu_count() or 1)
    replicas: int = 3
    has_shelf: bool = True
    """Whether the variants of yesterday's phones are there."""

    @property
    def people(self) -> int:
        """Who have an account, with those who are spare."""
        return self.phones + max(_LEAST_SPARE, round(self.phones * _SPARE_SHARE))

    @property
    def counters(self) -> int:
        """Members of staff, the same number at each cafeteria."""
        return _PLACES * max(1, round(self.phones / PHONES_A_COUNTER / _PLACES))


@dataclass(frozen=True)
class Before:
    """How it was before anybody came."""

    last_order: int
    stock: dict[int, int]


class Visited(Protocol):
    """A campus, for whoever compares what people were told there with what it holds."""

    @property
    def directory(self) -> Path:
        """For the crowd: who they are, and what they were told."""

    @property
    def before(self) -> Before:
        """How it was."""

    @property
    def database_url(self) -> str:
        """Of the primary."""


@dataclass(frozen=True)
class Campus:
    """A running one."""

    stack: Stack
    data: Path
    directory: Path
    """For the crowd: who they are, and what they were told."""
    url: str
    environment: Mapping[str, str]
    size: Size
    before: Before

    @property
    def database_url(self) -> str:
        """Of the primary."""
        return self.environment["COMANDA_DATABASE_URL"]

    @property
    def nodes(self) -> dict[str, str]:
        """All databases, by what they are called."""
        replicas = self.environment.get("COMANDA_REPLICA_URLS", "").split(",")
        named = {f"replica {n}": url for n, url in enumerate(replicas, 1) if url}
        return {"primary": self.database_url, **named}

    def bearer(self) -> str:
        """A token of an administrator's."""
        tokens = AccessTokens(self.environment["COMANDA_TOKEN_SECRET"])
        return tokens.issue(Principal(1, Role.ADMIN), datetime.now(UTC))[0]


@contextmanager
def running(data: Path, size: Size, say: Say) -> Iterator[Campus]:
    """A campus at which everything is open and nothing sold out; it ends with the block. What was
    in `data` is deleted."""
    data.mkdir(parents=True, exist_ok=True)
    directory = data / "crowd"
    with Stack(data, say, fresh=True, replicas=size.replicas) as stack:
        given = stack.start().environment()
        environment = {
            **os.environ,
            **given,
            "COMANDA_TOKEN_SECRET": secrets.token_hex(32),
            # The generator says for whom it asks, as a load balancer does.
            "COMANDA_TRUSTED_PROXIES": "127.0.0.0/8",
            "COMANDA_PAYMENT_DECLINE_RATE": str(DECLINES),
            "COMANDA_DATABASE_CONNECTIONS": str(_CONNECTIONS // size.workers),
            "COMANDA_ACCESS_LOG": "0",
        }
        asyncio.run(prepare(environment))
        database = environment["COMANDA_DATABASE_URL"]
        asyncio.run(loader.load(database, size.orders, say))
        directory.mkdir(exist_ok=True)
        before = asyncio.run(fill(database, size, directory))
        say(f"{size.phones:,} phones, {size.counters} counters")
        asyncio.run(hang(environment))
        stack.wait_for_replicas()
        port = Ports(directory / "ports.json").take("application")
        serve = [sys.executable, "-m", "bff.serve", "--port", str(port)]
        url = f"http://127.0.0.1:{port}"
        command = [*serve, "--workers", str(size.workers)]
        stack.add("application", command, environment, url=url, to_log=True)
        _wait(stack, "the application", lambda: _is_ready(url))
        place = Campus(stack, data, directory, url, environment, size, before)
        if size.has_shelf:
            asyncio.run(warm(url, say))
        yield place


async def fill(database_url: str, size: Size, directory: Path) -> Before:
    """Open everything, and make accounts, of which the crowd is told in `directory`."""
    connection = await asyncpg.connect(dsn(database_url))
    try:
        async with connection.transaction():
            await _open_all_day(connection)
            await connection.execute("UPDATE products SET stock = $1, is_available = true", _STOCK)
            phones = await _accounts(connection, size.people, Role.CUSTOMER)
            counters = await _accounts(connection, size.counters, Role.STAFF)
        _write(directory / "phones", phones)
        of_each = size.counters // _PLACES
        _write(
            directory / "counters",
            [{**each, "rank": n // _PLACES, "staff": of_each} for n, each in enumerate(counters)],
        )
        await connection.execute("VACUUM ANALYZE")
        stock = await connection.fetch("SELECT id, stock FROM products")
        last = await connection.fetchval("SELECT coalesce(max(id), 0) FROM orders")
        return Before(last, dict(map(tuple, stock)))
    finally:
        await connection.close()


async def _open_all_day(connection: asyncpg.Connection) -> None:
    """Or a run at night would find one cafeteria."""
    await connection.execute("DELETE FROM opening_exceptions")
    await connection.execute("DELETE FROM opening_intervals")
    await connection.execute(
        "INSERT INTO opening_intervals (cafeteria_id, weekday, opens_at, closes_at)"
        " SELECT id, weekday, '00:00', '00:00' FROM cafeterias, generate_series(1, 7) weekday"
    )


async def _accounts(
    connection: asyncpg.Connection, number: int, role: Role
) -> list[dict[str, Any]]:
    """New accounts, some money, and for each a session that was opened on another day."""
    places = [row["id"] for row in await connection.fetch("SELECT id FROM cafeterias ORDER BY id")]
    rows = await connection.fetch(
        "INSERT INTO users (email, name, role, cafeteria_id, password_hash)"
        " SELECT format('%s-%s@%s', $2::text, n, $3::text), format('Person %s', n), $2,"
        "  CASE WHEN $2 = 'staff' THEN ($4::bigint[])[1 + (n - 1) % cardinality($4)] END,"
        "  (SELECT password_hash FROM users ORDER BY id LIMIT 1)"
        " FROM generate_series(1, $1::integer) n RETURNING id, email, cafeteria_id",
        number,
        role.value,
        campus.DOMAIN,
        places,
    )
    if role is Role.CUSTOMER:
        keys = [row["id"] for row in rows]
        await connection.execute(
            "WITH filled AS ("
            " INSERT INTO wallets (user_id, balance_minor)"
            " SELECT id, 1 + floor(random() * $2) FROM unnest($1::bigint[]) id"
            " RETURNING user_id, balance_minor)"
            " INSERT INTO transactions (user_id, kind, amount_minor)"
            " SELECT user_id, 'top_up', balance_minor FROM filled",
            keys,
            _BALANCE_MINOR,
        )
    tokens = [RefreshToken.first() for _ in rows]
    expires_at = datetime.now(UTC) + _LONG
    await connection.copy_records_to_table(
        "sessions",
        columns=["user_id", "family_hash", "token_hash", "expires_at"],
        records=[
            (row["id"], token.family_hash, token.hash, expires_at)
            for row, token in zip(rows, tokens, strict=True)
        ],
    )
    return [
        {
            "id": row["id"],
            "email": row["email"],
            "password": campus.PASSWORD,
            "cafeteria": row["cafeteria_id"],
            "refresh": str(token),
        }
        for row, token in zip(rows, tokens, strict=True)
    ]


def _write(path: Path, people: list[dict[str, Any]]) -> None:
    path.write_text("".join(f"{json.dumps(each)}\n" for each in people), "utf-8")


async def hang(environment: Mapping[str, str]) -> None:
    """A dish of each section is drawn, and all others of it look like it."""
    connection = await asyncpg.connect(dsn(environment["COMANDA_DATABASE_URL"]))
    try:
        # By section in turn, as the photographs are.
        rows = await connection.fetch(
            "SELECT id FROM products ORDER BY row_number()"
            " OVER (PARTITION BY category_id ORDER BY id), category_id"
        )
    finally:
        await connection.close()
    drawn = [
        draw_jpeg(section.slug, number, _PIXELS) for number, section in enumerate(campus.SECTIONS)
    ]
    await hang_on(environment, drawn, [row["id"] for row in rows], pyramid=True)


def _wait(stack: Stack, what: str, is_there: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 2 * PATIENCE
    while not is_there():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not come")
        until = time.monotonic() + 0.5
        while time.monotonic() < until:
            stack.poll()
            time.sleep(0.05)


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/ready", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


async def warm(url: str, say: Say) -> None:
    """Have every variant on the shelf that phones of yesterday had asked for."""
    began = time.monotonic()
    gate = asyncio.Semaphore(_AT_ONCE)
    async with httpx.AsyncClient(base_url=url, timeout=60, trust_env=False) as client:
        dishes: list[dict[str, Any]] = []
        for page in range(1, 100):
            told = (await client.get("/api/products", params={"limit": 100, "page": page})).json()
            dishes += told["data"]
            if page >= told["pagination"]["totalPages"]:
                break

        async def ask(path: str, accept: str) -> None:
            wanted = accept.partition(",")[0]
            async with gate:
                while True:
                    answer = await client.get(path, headers={"accept": accept})
                    if answer.headers.get("content-type") == wanted:
                        return
                    if time.monotonic() > began + _WARM_SECONDS:
                        raise TimeoutError(f"{path} does not come as {wanted}")
                    # AVIF is made behind whoever waits, and other formats are answered meanwhile.
                    await asyncio.sleep(0.2)

        known = [device for device in pictures.DEVICES if device.is_known]
        asked = [
            ask(pictures.sized(dish["picture"], width, device), device.accept)
            for device in known
            for width in (pictures.THUMBNAIL, pictures.WHOLE_WIDTH)
            for dish in dishes
        ]
        await asyncio.gather(*asked)
    say(f"{len(asked):,} variants are on the shelf after {time.monotonic() - began:.0f} s")
