"""Whatever is sent, it is answered: with a problem where it is wrong, and never with a fault."""

import json
from itertools import product
from typing import Any
from uuid import uuid4

import httpx

from bff.app import create_app
from bff.settings import Settings
from infra.demo.campus import PASSWORD
from tests.bff.test_orders import bearer

PROBLEM = "application/problem+json"
QUERIES = [
    "page=99999999999999999999999999",
    "page=-1",
    "page=1e3",
    "page=%EF%BC%91",
    "page=1&page=2",
    "limit=",
    "limit=5&limit=500",
    "fields=id&fields=name",
    "fields=,",
    "fields=id,,name",
    "fields=%00",
    "fields=%FF",
    "fields=" + "id," * 64,
    "fields=__class__",
    "fields=id;drop+table+orders",
    "fields=items.product.name.length",
    "cursor=",
    "cursor=%00",
    "cursor=AAAA",
    "cursor=" + "A" * 768,
    "cursor=A&cursor=B",
    "q=%00",
    "q=%FF%FE",
    "q=%F0%9F%A5%98",
    "q=%27;--",
    "q=%25_%5C",
    "sort=",
    "sort=price;drop",
    "status=eaten",
    "status=" + "&status=".join(["created"] * 9),
    "createdFrom=0001-01-01T00:00:00Z",
    "createdFrom=0001-01-01T00:00:00%2B14:00",
    "createdTo=9999-12-31T23:59:59-14:00",
    "createdFrom=2026-02-30T00:00:00Z",
    "createdFrom=2026-01-01",
    "from=0001-01-01&to=9999-12-31",
    "from=9999-12-31",
    "since=" + "A" * 47 + "%0A",
    "categoryId=9223372036854775808",
    "active=2",
    "unread=%00",
    "%00=1",
    "=&&=",
    "a" * 4000,
]
METHODS = ("GET", "HEAD", "OPTIONS", "TRACE", "POST", "BREW")
HEADERS: list[dict[str, Any]] = [
    {"if-match": value} for value in ("", "7", 'W/"7"', '"7", "8"', '*, "7"', '"7', '"' + "7" * 400)
] + [
    {"idempotency-key": b"\xff"},
    {"idempotency-key": "x" * 129},
    {"if-none-match": "*"},
    {"if-none-match": '"' + "x" * 4000},
    {"if-none-match": b'"\xff"'},
    {"comanda-fence": "-1"},
    {"comanda-fence": "9" * 40},
    {"comanda-fence": b"\xff"},
    {"content-type": "application/json; charset=utf-16"},
    {"content-type": b"\xff"},
    {"content-type": "application/json, text/plain"},
    {"authorization": "Bearer"},
    {"authorization": b"Bearer \xff\xfe"},
    {"authorization": "Bearer " + "a." * 2000},
    {"authorization": "Basic YTpi"},
    {"user-agent": b"\xff\x00".replace(b"\x00", b"\x01")},
    {"accept-encoding": b"\xff, gzip;q=x;q=0"},
    {"accept-encoding": "identity;q=0, *;q=0"},
    {"x-forwarded-for": "no address, 1.2.3.4, ::1%eth0"},
    {"traceparent": "00-" + "0" * 32 + "-" + "0" * 16 + "-00"},
    {"origin": "null"},
    {"range": "bytes=9-1"},
]
# Of texts that no database, no encoding and no column likes; and numbers that are too much.
TEXTS = ["\x00", "\ud800", "\u202e", "\U0010ffff", "a" * 70, "", " ", "\r\n", "'; --", "%s{0}"]
NUMBERS = [-1, 0, 2**31, 2**53, 2**63, 2**64, 10**400, 1.5, 1e308, True, None]


def varied(value: Any) -> list[Any]:
    """Everything of the shape of a body, with nonsense in one place of it."""
    match value:
        case dict():
            return [
                {**value, name: other} for name, each in value.items() for other in varied(each)
            ] + [{**value, "\x00": 1}, []]
        case list():
            return [[other] for each in value for other in varied(each)] + [[], [None], value * 60]
        case str():
            return [*TEXTS, 1, None, [value]]
        case _:
            return [*NUMBERS, "1", {}, []]


BODIES: dict[str, tuple[str, Any]] = {
    "/api/orders": (
        "POST",
        {
            "cafeteriaId": 1,
            "items": [{"productId": 1, "quantity": 1}],
            "expectedTotal": "0.01",
        },
    ),
    "/api/wallet/top-ups": ("POST", {"amount": "0.5", "userId": 30}),
    "/api/devices": ("PUT", {"token": "a", "platform": "web"}),
    "/api/me": ("PATCH", {"name": "A"}),
    "/api/admin/configuration/home.notice": ("PUT", {"value": "A"}),
    "/api/admin/users/30": ("PATCH", {"name": "A", "cafeteriaId": 1, "isActive": True}),
    "/api/products": (
        "POST",
        {"cafeteriaId": 1, "categoryId": 999, "name": "A", "description": "B", "price": "1"},
    ),
    "/api/categories": ("POST", {"slug": "a", "name": "A", "description": "B", "position": 1}),
    "/api/cafeterias": (
        "POST",
        {"name": "A", "location": "B", "timeZone": "UTC", "lastOrderMinutes": 1},
    ),
    "/api/cafeterias/1/hours": (
        "PUT",
        {"hours": [{"weekday": 1, "opensAt": "08:00", "closesAt": "09:00"}]},
    ),
    "/api/cafeterias/1/exceptions/2031-12-25": (
        "PUT",
        {"shifts": [{"opensAt": "08:00", "closesAt": "09:00"}], "reason": "A"},
    ),
    "/auth/refresh": ("POST", {"refreshToken": "A" * 64}),
    "/auth/login": (
        "POST",
        {"email": "student1@campus.example", "password": PASSWORD, "device": "A"},
    ),
}


def answered(answer: httpx.Response, asked: object) -> None:
    assert answer.status_code < 500, asked
    if answer.status_code >= 400 and answer.request.method != "HEAD":
        assert answer.headers["content-type"] == PROBLEM, asked
        assert answer.json()["status"] == answer.status_code, asked


async def test_no_address_is_a_fault_of_ours(client: httpx.AsyncClient, settings: Settings) -> None:
    admin = await bearer(client, "admin1")
    lists = [
        route.path_format
        for route in create_app(settings).routes
        if route.path_format.startswith(("/api/", "/auth/")) and "{" not in route.path_format
    ]
    assert len(lists) > 20
    for path in lists:
        for query in QUERIES:
            answered(await client.get(f"{path}?{query}", headers=admin), (path, query))
    for number in ("1%00", "%2e%2e", "1e3", "%EF%BC%91", str(2**53), str(2**64), "-1", "1/", "1//"):
        for path in ("/api/orders/", "/api/products/", "/products/", "/api/admin/users/", "/v/"):
            answered(await client.get(path + number, headers=admin), (path, number))


async def test_no_header_is_a_fault_of_ours(client: httpx.AsyncClient) -> None:
    admin = await bearer(client, "admin1")
    paths = ("/api/products", "/api/orders", "/api/categories/1", "/docs", "/nothing")
    for method, path, headers in product(METHODS, paths, HEADERS):
        answer = await client.request(method, path, headers=admin | headers)
        answered(answer, (method, path, headers))


async def test_no_body_is_a_fault_of_ours(client: httpx.AsyncClient) -> None:
    admin = await bearer(client, "admin1")
    for path, (method, usual) in BODIES.items():
        bodies = [json.dumps(each).encode() for each in (usual, *varied(usual))]
        for body in (*bodies, b"NaN", b"1e999", b"\xef\xbb\xbf{}", b"[" * 5000):
            headers = admin | {
                "content-type": "application/json",
                "idempotency-key": str(uuid4()),
                "if-match": "*",
            }
            answer = await client.request(method, path, content=body, headers=headers)
            answered(answer, (path, body[:200]))
