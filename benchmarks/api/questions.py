"""What is asked of every server, in each one's own words."""

import gzip
import random
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import asyncpg
import msgspec

from domain.accounts import AccessTokens, Principal
from domain.database import dsn
from domain.model import Role

CATALOGUE: Final = "cached catalogue, 100 products"
LIST: Final = "20 orders, four fields"
DETAIL: Final = "an order with its items"
PLACE: Final = "POST an order"
UNCHANGED: Final = "catalogue, not modified (304)"
# People whose orders are asked for in turn, and orders of each.
PEOPLE: Final = 200
# Enough for every order of a run, of money (minor units) and of portions.
_PLENTY: Final = 100_000_000
_SEED: Final = 7

Requests = Callable[[int], list[bytes]]
"""So many requests of one question."""


@dataclass(frozen=True)
class Asked:
    """Whose orders, which of them, and what is ordered at the cafeteria that never closes."""

    orders: Sequence[tuple[int, int]]
    """Pairs of a person and an order of theirs."""
    cafeteria: int
    products: Sequence[int]


async def asked(database_url: str, least: int = 21) -> Asked:
    """Choose people with at least so many orders, by default more than a page, and see that all
    can pay for more."""
    connection = await asyncpg.connect(dsn(database_url))
    try:
        orders = await connection.fetch(
            "SELECT user_id, max(orders.id) FROM orders JOIN users ON users.id = user_id"
            " WHERE role = 'customer' GROUP BY user_id HAVING count(*) >= $2"
            " ORDER BY user_id LIMIT $1",
            PEOPLE,
            least,
        )
        cafeteria = await connection.fetchval("SELECT min(id) FROM cafeterias")
        products = await connection.fetch(
            "UPDATE products SET stock = $2, is_available = true WHERE cafeteria_id = $1"
            " RETURNING id",
            cafeteria,
            _PLENTY,
        )
        await connection.execute(
            "WITH paid AS (UPDATE wallets SET balance_minor = balance_minor + $1 RETURNING user_id)"
            " INSERT INTO transactions (user_id, kind, amount_minor)"
            " SELECT user_id, 'top_up', $1 FROM paid",
            _PLENTY,
        )
        await connection.execute("VACUUM ANALYZE")
    finally:
        await connection.close()
    return Asked([tuple(row) for row in orders], cafeteria, [row[0] for row in products])


def of_comanda(chosen: Asked, secret: str) -> dict[str, Requests]:
    """As the phone asks: every person with a token of their own."""
    tokens = AccessTokens(secret)
    bearers = {
        person: _bearer(tokens, person) for person in dict.fromkeys(one[0] for one in chosen.orders)
    }
    page = "/api/orders?limit=20&fields=id,status,totalAmount,createdAt"
    return {
        CATALOGUE: _each([_get("/api/products?limit=100")]),
        LIST: _each([_get(page, bearers[who]) for who, _ in chosen.orders]),
        DETAIL: _each([_get(f"/api/orders/{which}", bearers[who]) for who, which in chosen.orders]),
        PLACE: lambda number: [
            _post("/api/orders", basket, bearers[who]) for who, basket in _baskets(chosen, number)
        ],
    }


def of_peers(chosen: Asked) -> dict[str, Requests]:
    """They believe whoever says who they are."""
    page = "/orders?page=1&limit=20&fields=id,status,totalMinor,createdAt"
    return {
        CATALOGUE: _each([_get("/products?page=1&limit=100")]),
        LIST: _each([_get(f"{page}&userId={who}") for who, _ in chosen.orders]),
        DETAIL: _each([_get(f"/orders/{which}") for _, which in chosen.orders]),
        PLACE: lambda number: [
            _post("/orders", {"userId": who, **basket}) for who, basket in _baskets(chosen, number)
        ],
    }


def of_floor(chosen: Asked) -> dict[str, Requests]:
    """It asks the database, and nothing else."""
    return {
        LIST: _each([_get(f"/orders/{who}") for who, _ in chosen.orders]),
        DETAIL: _each([_get(f"/orders/{who}/{which}") for who, which in chosen.orders]),
    }


def unchanged(request: bytes, tag: bytes) -> Requests:
    """The same request by somebody who has the answer with this ETag."""
    return _each([request.replace(b"\r\n\r\n", b"\r\nif-none-match: %b\r\n\r\n" % tag)])


def same(answers: Mapping[str, bytes]) -> bool:
    """Whether the compressed answers of the servers tell of the same things."""
    return len({repr(_ids(msgspec.json.decode(_plain(body)))) for body in answers.values()}) == 1


def _ids(told: Any) -> Any:
    if "data" in told:
        return [int(each["id"]) for each in told["data"]], told["pagination"].get("total")
    return int(told["id"]), sorted(each["productId"] for each in told["items"])


def _plain(body: bytes) -> bytes:
    return gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body


def _each(requests: Sequence[bytes]) -> Requests:
    return lambda number: [requests[each % len(requests)] for each in range(number)]


def _baskets(chosen: Asked, number: int) -> Iterable[tuple[int, dict[str, Any]]]:
    chance = random.Random(_SEED)
    for each in range(number):
        who = chosen.orders[each % len(chosen.orders)][0]
        products = sorted(chance.sample(chosen.products, chance.randint(1, 4)))
        items = [{"productId": key, "quantity": chance.randint(1, 3)} for key in products]
        yield who, {"cafeteriaId": chosen.cafeteria, "items": items}


def _bearer(tokens: AccessTokens, person: int) -> str:
    token, _ = tokens.issue(Principal(person, Role.CUSTOMER), datetime.now(UTC))
    return f"authorization: Bearer {token}\r\n"


def _get(target: str, more: str = "") -> bytes:
    return (
        f"GET {target} HTTP/1.1\r\nhost: localhost\r\naccept: application/json\r\n"
        f"accept-encoding: gzip\r\nuser-agent: CampusApp/1.0\r\n{more}\r\n"
    ).encode()


def _post(target: str, body: dict[str, Any], more: str = "") -> bytes:
    encoded = msgspec.json.encode(body)
    head = (
        f"POST {target} HTTP/1.1\r\nhost: localhost\r\naccept: application/json\r\n"
        "accept-encoding: gzip\r\nuser-agent: CampusApp/1.0\r\ncontent-type: application/json\r\n"
        f"idempotency-key: {uuid.uuid4()}\r\ncontent-length: {len(encoded)}\r\n{more}\r\n"
    )
    return head.encode() + encoded
