"""A variant is rendered once, kept, and served from where it is kept."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from io import BytesIO

import asyncpg
import httpx
import pytest
from PIL import Image

from cdn.address import original_key
from cdn.freshness import PUBLIC
from imaging import origin
from imaging.render import render
from imaging.shelves import Shelves

Upload = Callable[[bytes], Awaitable[int]]


def photograph(width: int = 1600, height: int = 1200) -> bytes:
    body = BytesIO()
    Image.effect_noise((width, height), 40).convert("RGB").save(body, "JPEG")
    return body.getvalue()


@pytest.fixture
def upload(connection: asyncpg.Connection, shelves: Shelves) -> Upload:
    """Give the first product a picture; the product's id."""

    async def upload(body: bytes) -> int:
        version = hashlib.sha256(body).hexdigest()[:16]
        await shelves.keep_original(original_key(1, version), body, "image/jpeg")
        await connection.execute(
            "UPDATE products SET picture_version = $1, picture_width = 1600,"
            " picture_height = 1200 WHERE id = 1",
            version,
        )
        return 1

    return upload


async def test_a_picture_comes_in_the_asked_size_and_format_and_then_from_the_shelf(
    client: httpx.AsyncClient, upload: Upload
) -> None:
    url = f"/products/{await upload(photograph())}?w=300&h=300&q=80"
    for accept, media_type in (("image/webp,*/*", "image/webp"), ("*/*", "image/jpeg")):
        first = await client.get(url, headers={"accept": accept})
        again = await client.get(url, headers={"accept": accept})
        assert first.status_code == again.status_code == 200
        assert first.headers["content-type"] == again.headers["content-type"] == media_type
        assert first.headers["cache-status"] == "comanda-variants; fwd=miss; stored"
        assert again.headers["cache-status"] == "comanda-variants; hit"
        assert first.content == again.content
        with Image.open(BytesIO(again.content)) as picture:
            assert picture.size == (300, 300)
            assert picture.get_format_mimetype() == media_type


async def test_caches_are_told_what_they_may_do(client: httpx.AsyncClient, upload: Upload) -> None:
    url = f"/products/{await upload(photograph())}?w=64"
    answer = await client.get(url, headers={"accept": "image/webp"})
    plain = await client.get(url)
    assert answer.headers["cache-control"] == PUBLIC
    assert answer.headers["vary"] == "Accept"
    assert answer.headers["cache-tag"] == "product-1"
    assert answer.headers["etag"] != plain.headers["etag"]
    assert "set-cookie" not in answer.headers


async def test_a_new_picture_never_shows_an_old_variant(
    client: httpx.AsyncClient, upload: Upload
) -> None:
    url = f"/products/{await upload(photograph())}?w=64"
    old = await client.get(url)
    await upload(photograph())
    new = await client.get(url)
    assert new.content != old.content
    assert new.headers["etag"] != old.headers["etag"]


async def test_many_who_ask_at_once_cost_one_rendering(
    client: httpx.AsyncClient, upload: Upload, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"/products/{await upload(photograph())}?w=200"
    rendered: list[object] = []

    def counted(*arguments: object) -> bytes:
        rendered.append(arguments)
        return render(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(origin, "render", counted)
    answers = await asyncio.gather(*(client.get(url) for _ in range(40)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert len(rendered) == 1


@pytest.mark.parametrize("product", ["2", "999999"])
async def test_a_missing_picture_is_missing_for_a_minute_only(
    client: httpx.AsyncClient, product: str
) -> None:
    answer = await client.get(f"/products/{product}?w=300")
    assert answer.status_code == 404
    assert answer.json()["type"] == "urn:comanda:problem:no-picture"
    assert answer.headers["cache-control"] == "public, max-age=60"


async def test_nonsense_is_a_problem_that_names_the_parameter(client: httpx.AsyncClient) -> None:
    answer = await client.get("/products/1?w=wide")
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["errors"] == [
        {"parameter": "w", "detail": "w='wide' is not a whole number from 1 to 10000"}
    ]


async def test_a_damaged_original_is_the_origins_fault_and_is_not_cached(
    client: httpx.AsyncClient, upload: Upload
) -> None:
    product = await upload(photograph()[:3000])
    answer = await client.get(f"/products/{product}?w=300")
    assert answer.status_code == 502
    assert answer.headers["cache-control"] == "no-store"
