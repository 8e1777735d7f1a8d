"""What holds for every request: problems, health, and a description of the whole."""

import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import asyncpg
import httpx
import msgspec
import pytest

from bff.settings import Settings, SettingsError, described, from_environment
from imaging.shelves import Shelves
from tests.bff.test_orders import bearer

Serve = Callable[[Settings], AbstractAsyncContextManager[httpx.AsyncClient]]


@pytest.mark.parametrize(
    ("method", "url", "status", "kind"),
    [
        ("GET", "/nothing", 404, "not-found"),
        ("GET", "/schema/nothing", 404, "not-found"),
        ("GET", "/products/one", 404, "not-found"),
        ("GET", "/products/1?w=wide", 400, "invalid-parameter"),
        ("GET", "/api/products?limit=0", 400, "invalid-parameter"),
        ("GET", "/api/products?page=1000&limit=100", 400, "invalid-parameter"),
        ("GET", "/api/orders/0", 401, "unauthenticated"),
        ("DELETE", "/health", 405, "method-not-allowed"),
        ("POST", "/auth/login", 400, "invalid-request"),
    ],
)
async def test_every_error_is_problem_details(
    client: httpx.AsyncClient, method: str, url: str, status: int, kind: str
) -> None:
    answer = await client.request(method, url)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == f"urn:comanda:problem:{kind}"
    assert answer.json()["status"] == status


async def test_a_body_beyond_the_limit_is_refused(client: httpx.AsyncClient) -> None:
    body = b'{"email": "' + b"x" * 70_000 + b'"}'
    answer = await client.post(
        "/auth/login", content=body, headers={"content-type": "application/json"}
    )
    assert answer.status_code == 413
    assert answer.json()["type"] == "urn:comanda:problem:body-too-large"


@pytest.mark.parametrize(
    ("changed", "parameter"),
    [
        ({"isAvailable": 0}, "isAvailable"),
        ({"isAvailable": "true"}, "isAvailable"),
        ({"stock": "12"}, "stock"),
        ({"stock": 1.5}, "stock"),
        ({"cafeteriaId": "null"}, "cafeteriaId"),
        ({"price": 8.25}, "price"),
        ({"colour": "red"}, "body"),
        (None, "body"),
    ],
)
async def test_a_body_is_taken_at_its_word(
    client: httpx.AsyncClient, changed: dict[str, Any] | None, parameter: str
) -> None:
    """A text is no number, and 0 is not false, though a lenient reader would have it so."""
    headers = await bearer(client, "admin1") | {"idempotency-key": "one"}
    dish = {"cafeteriaId": 4, "categoryId": 5, "name": "Paella", "price": "8.25", "stock": 12.0}
    body = b"" if changed is None else json.dumps(dish | changed).encode()
    headers["content-type"] = "application/json"
    answer = await client.post("/api/products", content=body, headers=headers)
    assert answer.json()["type"] == "urn:comanda:problem:invalid-request"
    assert [each["parameter"] for each in answer.json()["errors"]] == [parameter]
    # And 12.0 is an integer.
    taken = await client.post("/api/products", json=dish, headers=headers)
    assert (taken.status_code, taken.json()["stock"]) == (201, 12)


async def test_who_proves_nothing_is_told_so_before_what_they_send_is_read(
    client: httpx.AsyncClient,
) -> None:
    for headers in ({}, {"content-type": "text/plain"}, {"authorization": "Bearer none"}):
        for body in (b"", b"{", b"x" * 60_000):
            answer = await client.post("/api/orders", content=body, headers=headers)
            assert answer.status_code == 401


@pytest.mark.parametrize("body", [b'{"email": "\xff"}', b"[" * 30_000])
async def test_a_body_that_nobody_can_read_is_the_callers_error(
    client: httpx.AsyncClient, body: bytes
) -> None:
    answer = await client.post(
        "/auth/login", content=body, headers={"content-type": "application/json"}
    )
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"


async def test_broken_json_is_the_callers_error(client: httpx.AsyncClient) -> None:
    answer = await client.post(
        "/auth/login", content=b"{", headers={"content-type": "application/json"}
    )
    assert answer.status_code == 400


@pytest.mark.parametrize(
    "email", ["a\x00b@c.example", "a b@c.example", "nobody", "@", "a@b@c", "x" * 250 + "@c.example"]
)
async def test_an_address_that_cannot_be_one_is_refused_before_anybody_looks(
    client: httpx.AsyncClient, email: str
) -> None:
    answer = await client.post("/auth/login", json={"email": email, "password": "x"})
    assert answer.status_code == 400


async def test_the_application_is_ready_when_its_parts_answer(client: httpx.AsyncClient) -> None:
    assert (await client.get("/health")).json() == {"status": "up"}
    answer = await client.get("/ready")
    assert answer.status_code == 200
    assert answer.json() == {
        "status": "ready",
        "dependencies": {"primary": "up", "redis": "up", "object-store": "up"},
    }


@pytest.mark.parametrize(
    ("changes", "down"),
    [
        ({"redis_url": "redis://127.0.0.1:1"}, "redis"),
        ({"s3_endpoint": "http://127.0.0.1:1"}, "object-store"),
        ({"replica_urls": ("postgresql://nobody@127.0.0.1:1/nothing",)}, "replica-1"),
    ],
)
async def test_without_a_part_that_has_a_fallback_it_is_ready_but_degraded(
    settings: Settings, shelves: Shelves, serve: Serve, changes: dict[str, object], down: str
) -> None:
    async with serve(msgspec.structs.replace(settings, **changes)) as client:
        answer = await client.get("/ready")
    assert answer.status_code == 200
    assert answer.json()["status"] == "degraded"
    dependencies = answer.json()["dependencies"]
    assert [name for name, state in dependencies.items() if state == "down"] == [down]
    assert dependencies["primary"] == "up"


async def test_without_its_database_it_lives_but_is_not_ready(
    settings: Settings, shelves: Shelves, serve: Serve
) -> None:
    nowhere = "postgresql://nobody@127.0.0.1:1/nothing"
    async with serve(msgspec.structs.replace(settings, database_url=nowhere)) as client:
        assert (await client.get("/health")).status_code == 200
        answer = await client.get("/ready")
        assert answer.status_code == 503
        assert answer.json() == {
            "status": "down",
            "dependencies": {"primary": "down", "redis": "up", "object-store": "up"},
        }
        menu = await client.get("/api/products")
        assert menu.status_code == 503
        assert menu.headers["retry-after"] == "2"


async def test_a_picture_without_its_store_is_unavailable(settings: Settings, serve: Serve) -> None:
    connection = await asyncpg.connect(settings.database_url)
    await connection.execute(
        "UPDATE products SET picture_version='v', picture_original='v', picture_width=1,"
        " picture_height=1, picture_uploaded_at=now() WHERE id=1"
    )
    await connection.close()
    async with serve(msgspec.structs.replace(settings, s3_endpoint="http://127.0.0.1:1")) as client:
        answer = await client.get("/products/1?w=300")
        assert answer.status_code == 503
        assert "retry-after" in answer.headers
        assert "127.0.0.1" not in answer.text


async def test_the_description_names_every_route_and_the_page_is_ours(
    client: httpx.AsyncClient,
) -> None:
    schema = (await client.get("/schema/openapi.json")).json()
    assert set(schema["paths"]) == {
        "/products/{product_id}",
        "/v/{path}",
        "/api/products/{product_id}/picture",
        "/api/products/{product_id}/picture/preparation",
        "/api/home",
        "/api/me",
        "/api/admin/users",
        "/api/admin/users/{user_id}",
        "/api/admin/configuration",
        "/api/admin/configuration/{key}",
        "/api/products",
        "/api/products/{product_id}",
        "/api/categories",
        "/api/categories/{category_id}",
        "/api/cafeterias",
        "/api/cafeterias/{cafeteria_id}",
        "/api/cafeterias/{cafeteria_id}/hours",
        "/api/cafeterias/{cafeteria_id}/exceptions",
        "/api/cafeterias/{cafeteria_id}/exceptions/{on}",
        "/api/orders",
        "/api/orders/changes",
        "/api/orders/{order_id}",
        "/api/orders/{order_id}/status",
        "/api/orders/{order_id}/cancel",
        "/api/wallet",
        "/api/wallet/top-ups",
        "/api/payments",
        "/api/payments/{payment_id}",
        "/api/notifications",
        "/api/notifications/unread",
        "/api/notifications/read",
        "/api/notifications/{notification_id}/read",
        "/api/devices",
        "/api/devices/{device_id}",
        "/auth/register",
        "/api/reports/today",
        "/api/reports/payments",
        "/api/reports/products",
        "/api/reports/sales",
        "/api/reports/transactions",
        "/api/reports/orders.csv",
        "/api/reports/products.csv",
        "/api/admin/cache",
        "/api/admin/metrics",
        "/auth/login",
        "/auth/refresh",
        "/auth/logout",
        "/auth/sessions",
        "/auth/sessions/{session_id}",
        "/auth/password",
        "/health",
        "/ready",
    }
    page = await client.get("/docs")
    assert page.status_code == 200
    assert "//" not in page.text.replace("<!doctype", "")
    for asset in ("/docs/page.js", "/docs/swagger-ui/swagger-ui-bundle.js"):
        assert (await client.get(asset)).status_code == 200


def test_every_setting_says_what_it_is() -> None:
    for name, meaning, _ in described():
        assert name.startswith("COMANDA_")
        assert meaning


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"COMANDA_DATABASE_URL": ""}, "COMANDA_DATABASE_URL"),
        ({"COMANDA_TOKEN_SECRET": "short"}, "COMANDA_TOKEN_SECRET"),
        ({"COMANDA_DATABASE_CONNECTIONS": "many"}, "COMANDA_DATABASE_CONNECTIONS"),
    ],
)
def test_a_wrong_setting_is_named(changes: dict[str, str], named: str) -> None:
    good = {
        "COMANDA_DATABASE_URL": "postgresql://u@h/d",
        "COMANDA_REDIS_URL": "redis://h",
        "COMANDA_TOKEN_SECRET": "x" * 32,
    }
    assert from_environment(good).replica_urls == ()
    with pytest.raises(SettingsError, match=named):
        from_environment(good | changes)


@pytest.mark.parametrize(
    "key",
    [
        f"{'5ec7e7' * 11}",
        f"k1:{'5ec7e7' * 10}",
        f"k1:{'5ec7e7' * 11}a",
        f"k1:{'5EC7E7' * 11}",
        f"K-1:{'5ec7e7' * 11}",
        f"k1:{'5ec7e7' * 11}:",
    ],
)
def test_a_wrong_key_of_pictures_is_named_and_not_shown(key: str) -> None:
    good = {
        "COMANDA_DATABASE_URL": "postgresql://u@h/d",
        "COMANDA_REDIS_URL": "redis://h",
        "COMANDA_TOKEN_SECRET": "x" * 32,
        "COMANDA_PICTURE_KEYS": f"k1:{'5ec7e7' * 11}",
    }
    assert from_environment(good).picture_keys
    with pytest.raises(SettingsError, match="COMANDA_PICTURE_KEYS") as raised:
        from_environment(good | {"COMANDA_PICTURE_KEYS": key})
    assert "5ec7e7" not in str(raised.value).lower()


NO_FILES = (
    "%00",
    "..%00/",
    "a" * 5_000,
    "a/" * 2_500,
    "index.html/x",
    "../app.py",
    "%2e%2e/app.py",
)


@pytest.mark.parametrize("page", ["/docs", "/gallery", "/console"])
async def test_a_page_that_no_file_can_be_is_not_found(
    client: httpx.AsyncClient, page: str
) -> None:
    for path in NO_FILES:
        answer = await client.get(f"{page}/{path}")
        assert answer.status_code == 404, path
        assert answer.json()["type"] == "urn:comanda:problem:not-found"


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("/api/orders", "GET, HEAD, OPTIONS, POST"),
        ("/api/products", "GET, HEAD, OPTIONS, POST"),
        ("/api/products/1", "DELETE, GET, HEAD, OPTIONS, PATCH"),
        ("/auth/login", "OPTIONS, POST"),
        ("/products/1", "GET, HEAD, OPTIONS"),
        ("/docs", "GET, HEAD, OPTIONS"),
    ],
)
async def test_what_can_be_done_is_told_to_who_asks_and_to_who_is_refused(
    client: httpx.AsyncClient, url: str, allowed: str
) -> None:
    asked = await client.options(url)
    assert (asked.status_code, asked.headers["allow"]) == (204, allowed)
    for method in ("PUT", "BREW"):
        refused = await client.request(method, url)
        assert (refused.status_code, refused.headers["allow"]) == (405, allowed)
        assert refused.json()["type"] == "urn:comanda:problem:method-not-allowed"


@pytest.mark.parametrize(
    "url", ["/api/products?limit=2", "/api/products?limit=0", "/health", "/schema/openapi.json"]
)
async def test_head_is_get_without_its_content(client: httpx.AsyncClient, url: str) -> None:
    client.headers["accept-encoding"] = "identity"
    # Of one trace, for both answers tell its id.
    trace = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
    got, head = await client.get(url, headers=trace), await client.head(url, headers=trace)
    assert head.status_code == got.status_code
    assert head.headers == got.headers
    assert head.content == b""
    assert head.headers["content-length"] == str(len(got.content))


async def test_head_where_nothing_can_be_got_is_refused(client: httpx.AsyncClient) -> None:
    assert (await client.head("/auth/login")).status_code == 405
    assert (await client.head("/nothing")).status_code == 404


LOGIN = b'{"email": "student1@campus.example", "password": "comanda"}'


@pytest.mark.parametrize(
    "media_type", ["application/json", "Application/JSON; charset=utf-8", "application/json;"]
)
async def test_json_is_taken_by_its_name(client: httpx.AsyncClient, media_type: str) -> None:
    headers = {"content-type": media_type}
    answer = await client.post("/auth/login", content=LOGIN, headers=headers)
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "media_type", [None, "", "text/plain", "application/x-www-form-urlencoded", ";", 'a/b; c="\\']
)
async def test_json_by_another_name_or_none_is_refused(
    client: httpx.AsyncClient, media_type: str | None
) -> None:
    headers = {} if media_type is None else {"content-type": media_type}
    answer = await client.post("/auth/login", content=LOGIN, headers=headers)
    assert answer.status_code == 415
    assert answer.json()["type"] == "urn:comanda:problem:unsupported-media-type"
    assert answer.headers["accept"] == "application/json"
