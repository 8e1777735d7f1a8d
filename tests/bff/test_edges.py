"""What holds for every request: problems, health, and a description of the whole."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import asyncpg
import httpx
import msgspec
import pytest

from bff.settings import Settings, SettingsError, described, from_environment

Serve = Callable[[Settings], AbstractAsyncContextManager[httpx.AsyncClient]]


@pytest.mark.parametrize(
    ("method", "url", "status", "kind"),
    [
        ("GET", "/nothing", 404, "not-found"),
        ("GET", "/products/one", 404, "not-found"),
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
    answer = await client.post("/auth/login", content=b'{"email": "' + b"x" * 70_000 + b'"}')
    assert answer.status_code == 413


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


async def test_without_its_database_it_lives_but_is_not_ready(
    settings: Settings, serve: Serve
) -> None:
    nowhere = "postgresql://nobody@127.0.0.1:1/nothing"
    async with serve(msgspec.structs.replace(settings, database_url=nowhere)) as client:
        assert (await client.get("/health")).status_code == 200
        assert (await client.get("/ready")).status_code == 503
        menu = await client.get("/api/products")
        assert menu.status_code == 503
        assert menu.headers["retry-after"] == "2"


async def test_a_picture_without_its_store_is_unavailable(settings: Settings, serve: Serve) -> None:
    connection = await asyncpg.connect(settings.database_url)
    await connection.execute(
        "UPDATE products SET picture_version='v', picture_width=1, picture_height=1,"
        " picture_uploaded_at=now() WHERE id=1"
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
        "/api/products",
        "/api/categories",
        "/api/cafeterias",
        "/api/orders",
        "/api/orders/{order_id}",
        "/auth/login",
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
        ({"COMANDA_TOKEN_SECRET": "short"}, "token_secret"),
        ({"COMANDA_DATABASE_CONNECTIONS": "many"}, "database_connections"),
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
