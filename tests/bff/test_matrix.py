"""Who may do what: every route there is, asked by everybody there is."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from bff.app import create_app
from bff.settings import Settings
from domain.accounts import AccessTokens, Principal
from domain.model import Role

# nobody: n; the customer whose it is: c, another one: o;
# staff of the cafeteria whose it is: s, of elsewhere: e; an administrator: a.
EVERYBODY = "ncosea"
TABLE = """
    GET    /health                                         n c o s e a
    GET    /ready                                          n c o s e a
    GET    /metrics                                        n c o s e a
    GET    /docs                                           n c o s e a
    GET    /docs/{file_path}                               n c o s e a
    GET    /gallery                                        n c o s e a
    GET    /gallery/{file_path}                            n c o s e a
    GET    /console                                        n c o s e a
    GET    /console/{file_path}                            n c o s e a
    GET    /schema/openapi.json                            n c o s e a
    GET    /products/{product_id}                          n c o s e a
    GET    /v/{path}                                       n c o s e a

    GET    /api/home                                       n c o s e a
    GET    /api/products                                   n c o s e a
    GET    /api/products/{product_id}                      n c o s e a
    GET    /api/categories                                 n c o s e a
    GET    /api/categories/{category_id}                   n c o s e a
    GET    /api/cafeterias                                 n c o s e a
    GET    /api/cafeterias/{cafeteria_id}                  n c o s e a
    GET    /api/cafeterias/{cafeteria_id}/exceptions       n c o s e a

    POST   /api/products                                   - - - s - a
    PATCH  /api/products/{product_id}                      - - - s - a
    DELETE /api/products/{product_id}                      - - - s - a
    PUT    /api/products/{product_id}/picture              - - - s - a
    GET    /api/products/{product_id}/picture/preparation  - - - s - a
    DELETE /api/products/{product_id}/picture              - - - s - a
    POST   /api/categories                                 - - - - - a
    PATCH  /api/categories/{category_id}                   - - - - - a
    DELETE /api/categories/{category_id}                   - - - - - a
    POST   /api/cafeterias                                 - - - - - a
    PATCH  /api/cafeterias/{cafeteria_id}                  - - - - - a
    DELETE /api/cafeterias/{cafeteria_id}                  - - - - - a
    PUT    /api/cafeterias/{cafeteria_id}/hours            - - - - - a
    PUT    /api/cafeterias/{cafeteria_id}/exceptions/{on}  - - - - - a
    DELETE /api/cafeterias/{cafeteria_id}/exceptions/{on}  - - - - - a

    POST   /auth/register                                  n c o s e a
    POST   /auth/login                                     n c o s e a
    POST   /auth/refresh                                   n c o s e a
    POST   /auth/logout                                    - c o s e a
    POST   /auth/password                                  - c o s e a
    GET    /auth/sessions                                  - c o s e a
    DELETE /auth/sessions/{session_id}                     - c - - - -
    GET    /api/me                                         - c o s e a
    PATCH  /api/me                                         - c o s e a

    GET    /api/orders                                     - c o s e a
    GET    /api/orders/changes                             - c o s e a
    POST   /api/orders                                     - c o s e a
    GET    /api/orders/{order_id}                          - c - s - a
    POST   /api/orders/{order_id}/status                   - - - s - a
    POST   /api/orders/{order_id}/cancel                   - c - s - a

    GET    /api/wallet                                     - c o s e a
    POST   /api/wallet/top-ups                             - - - s e a
    GET    /api/payments                                   - c o s e a
    GET    /api/payments/{payment_id}                      - c - - - a

    GET    /api/notifications                              - c o s e a
    GET    /api/notifications/unread                       - c o s e a
    POST   /api/notifications/read                         - c o s e a
    POST   /api/notifications/{notification_id}/read       - c - - - -
    PUT    /api/devices                                    - c o s e a
    DELETE /api/devices/{device_id}                        - c - - - -

    GET    /api/reports/today                              - - - s - a
    GET    /api/reports/products                           - - - s - a
    GET    /api/reports/sales                              - - - s - a
    GET    /api/reports/payments                           - - - s - a
    GET    /api/reports/transactions                       - - - s - a
    GET    /api/reports/orders.csv                         - - - s - a
    GET    /api/reports/products.csv                       - - - s - a

    GET    /api/admin/users                                - - - - - a
    GET    /api/admin/users/{user_id}                      - - - - - a
    PATCH  /api/admin/users/{user_id}                      - - - - - a
    GET    /api/admin/configuration                        - - - - - a
    GET    /api/admin/configuration/{key}                  - - - - - a
    PUT    /api/admin/configuration/{key}                  - - - - - a
    GET    /api/admin/cache                                - - - - - a
    GET    /api/admin/metrics                              - - - - - a
"""
# Well-formed, so that it is the person who is refused; and against the rules, or of a version that
# is not there, so that whoever may do it changes nothing.
BODIES: dict[str, Any] = {
    "POST /api/products": {"cafeteriaId": 1, "categoryId": 999, "name": "A", "price": "1"},
    "PATCH /api/products/{product_id}": {},
    "PUT /api/products/{product_id}/picture": {},
    "POST /api/categories": {"slug": "soups", "name": "A"},
    "PATCH /api/categories/{category_id}": {},
    "POST /api/cafeterias": {"name": "Cafetería Central", "location": "A", "timeZone": "UTC"},
    "PATCH /api/cafeterias/{cafeteria_id}": {},
    "PUT /api/cafeterias/{cafeteria_id}/hours": {"hours": []},
    "PUT /api/cafeterias/{cafeteria_id}/exceptions/{on}": {"shifts": []},
    "POST /auth/register": {},
    "POST /auth/login": {},
    "POST /auth/refresh": {},
    "POST /auth/password": {"oldPassword": "comanda", "newPassword": "password"},
    "PATCH /api/me": {},
    "POST /api/orders": {
        "cafeteriaId": 1,
        "items": [{"productId": 1, "quantity": 1}],
        "expectedTotal": "0.01",
    },
    "POST /api/orders/{order_id}/status": {"status": "accepted", "version": 999},
    "POST /api/orders/{order_id}/cancel": {"version": 999},
    # Cash, which the counter takes.
    "POST /api/wallet/top-ups": {"amount": "0.01", "userId": 23},
    "PUT /api/devices": {"token": "a", "platform": "web"},
    "PATCH /api/admin/users/{user_id}": {},
    "PUT /api/admin/configuration/{key}": {"value": "A"},
}
QUERIES = {"/api/reports/": "?cafeteriaId=1", "/products/": "?w=wide"}
FILES = {
    "/docs/{file_path}": "/docs/page.js",
    "/gallery/{file_path}": "/gallery/gallery.css",
    "/console/{file_path}": "/console/main.js",
}
# It is not the caller that is in the way.
REFUSED = (401, 403, 404)
# It was for the route to answer; of what was made up here, not all is there, or as it must be.
SERVED = {200, 201, 202, 204, 304, 400, 404, 409, 410, 412, 415, 422}


def rows() -> Iterator[tuple[str, str]]:
    """Each route, and who may."""
    for line in TABLE.split("\n"):
        if line.strip():
            method, path, *who = line.split()
            yield f"{method} {path}", "".join(who).replace("-", "")


def test_every_route_is_in_the_table(settings: Settings) -> None:
    app = create_app(settings)
    there = {
        f"{method} {route.path_format}"
        for route in app.routes
        for method in getattr(route, "methods", ())
        if method not in ("OPTIONS", "HEAD")
    }
    # Litestar's own, below which nothing is but the description.
    there -= {"GET /schema", "GET /schema/{path}"}
    assert there == {route for route, _ in rows()}


@pytest.fixture
async def callers(
    settings: Settings, connection: asyncpg.Connection
) -> dict[str, tuple[int, dict[str, str]]]:
    """Everybody: their id, and what proves it."""
    accounts = {"c": "student1", "o": "student2", "s": "staff1", "e": "staff20", "a": "admin1"}
    tokens = AccessTokens(settings.token_secret)
    found: dict[str, tuple[int, dict[str, str]]] = {"n": (0, {})}
    for letter, account in accounts.items():
        row = await connection.fetchrow(
            "SELECT id, role, cafeteria_id FROM users WHERE email = $1 || '@campus.example'",
            account,
        )
        caller = Principal(row["id"], Role(row["role"]), row["cafeteria_id"])
        token, _ = tokens.issue(caller, datetime.now(UTC))
        found[letter] = row["id"], {"authorization": f"Bearer {token}"}
    return found


async def belongings(connection: asyncpg.Connection, owner: int) -> dict[str, Any]:
    """What one customer has, at cafeteria 1, by its name in the paths."""
    one = connection.fetchval
    order = await one(
        "INSERT INTO orders (user_id, cafeteria_id, total_minor) VALUES ($1, 1, 0) RETURNING id",
        owner,
    )
    payment = await one(
        "INSERT INTO payments (user_id, amount_minor, provider_key) VALUES ($1, 1, 'a')"
        " RETURNING id",
        owner,
    )
    notification = await one(
        "INSERT INTO notifications (user_id, kind, title, body) VALUES ($1, '', '', '')"
        " RETURNING id",
        owner,
    )
    device = await one(
        "INSERT INTO devices (user_id, token, platform) VALUES ($1, 'mine', 'web') RETURNING id",
        owner,
    )
    session = await one(
        "INSERT INTO sessions (user_id, family_hash, token_hash, expires_at)"
        " VALUES ($1, sha256('a'), sha256('b'), now() + interval '1 day') RETURNING id",
        owner,
    )
    await connection.execute(
        "UPDATE products SET picture_version = 'v', picture_original = 'v', picture_width = 1,"
        " picture_height = 1, picture_uploaded_at = now() WHERE id = 1"
    )
    return {
        "product_id": 1,
        "category_id": 1,
        "cafeteria_id": 1,
        "on": "2031-12-25",
        "order_id": order,
        "payment_id": payment,
        "notification_id": notification,
        "device_id": device,
        "session_id": session,
        "user_id": owner,
        "key": "home.notice",
        "path": "nothing",
    }


async def test_everybody_may_do_what_the_table_says_and_nothing_else(
    client: httpx.AsyncClient,
    connection: asyncpg.Connection,
    callers: dict[str, tuple[int, dict[str, str]]],
) -> None:
    owner = callers["c"][0]
    theirs = await belongings(connection, owner)
    wrong = []
    for route, allowed in rows():
        method, path = route.split()
        url = FILES.get(path) or path.format(**theirs)
        url += next((query for part, query in QUERIES.items() if path.startswith(part)), "")
        body = json.dumps(BODIES[route]).encode() if route in BODIES else b""
        # Whose it is comes last, for it may be gone then.
        for letter in sorted(EVERYBODY, key="noesac".index):
            headers = callers[letter][1] | {
                "content-type": "application/json",
                "idempotency-key": str(uuid4()),
                "if-match": '"999"',
            }
            answer = await client.request(method, url, content=body, headers=headers)
            refused = REFUSED[:2] if allowed == EVERYBODY else REFUSED
            # To whom a route is not for everybody, 404 is how it is refused.
            expected = SERVED - set(refused) if letter in allowed else refused
            if answer.status_code not in expected:
                wrong.append((route, letter, answer.status_code))
            if letter == "n" and "n" not in allowed:
                assert answer.status_code == 401, route
    assert wrong == []
