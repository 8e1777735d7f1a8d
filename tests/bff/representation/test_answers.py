"""What a client gets: its own data, in a form it can read, and nothing twice."""

import asyncio
import gzip
from io import BytesIO
from typing import Any

import httpx
import pytest
from litestar import Litestar, get
from PIL import Image

from bff.representation.answers import Answer
from bff.representation.codings import LEAST_BYTES
from infra.demo.campus import PASSWORD
from tests.bff.representation.readers import READERS
from tests.bff.test_orders import bearer, order

MENU = "/api/products?limit=50"
PLAIN = {"accept-encoding": "identity"}


async def raw(
    client: httpx.AsyncClient, url: str, headers: dict[str, str]
) -> tuple[httpx.Response, bytes]:
    """The answer, and its body as it was sent."""
    async with client.stream("GET", url, headers=headers) as answer:
        body = b"".join([piece async for piece in answer.aiter_raw()])
    assert int(answer.headers.get("content-length", len(body))) == len(body)
    return answer, body


@pytest.fixture
async def student(client: httpx.AsyncClient) -> dict[str, str]:
    return await bearer(client, "student1")


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("gzip", "gzip"),
        ("br;q=0.9, gzip;q=0.5", "br"),
        ("zstd", "zstd"),
        ("identity", None),
        ("gzip;q=0", None),
        ("*;q=0", None),
        ("vibrant", None),
    ],
)
@pytest.mark.parametrize("url", [MENU, "/api/orders", "/schema/openapi.json"])
async def test_everybody_gets_what_they_can_read_whoever_asked_before(
    client: httpx.AsyncClient,
    student: dict[str, str],
    url: str,
    accepted: str,
    coding: str | None,
) -> None:
    _, expected = await raw(client, url, student | PLAIN)
    # The others first, who must leave nothing behind for this one.
    for other in ("gzip", "br", "zstd", "identity"):
        await client.get(url, headers=student | {"accept-encoding": other})
    for _ in range(2):
        answer, body = await raw(client, url, student | {"accept-encoding": accepted})
        assert answer.headers.get("content-encoding") == coding
        assert READERS[coding](body) == expected
        assert (len(body) < len(expected)) is (coding is not None)
        # Once and no more: a second layer would be read as the first.
        assert READERS[coding](body)[:1] == b"{"
        assert "Accept-Encoding" in answer.headers["vary"]


@pytest.mark.parametrize("url", [MENU, "/api/orders"])
async def test_a_client_that_wants_no_compression_gets_none(
    client: httpx.AsyncClient, student: dict[str, str], url: str
) -> None:
    wants = student | {"accept-encoding": "gzip", "x-no-compression": "1"}
    answer, body = await raw(client, url, wants)
    assert "content-encoding" not in answer.headers
    assert body[:1] == b"{"
    assert "X-No-Compression" in answer.headers["vary"]


async def test_what_is_small_is_sent_as_it_is_unless_that_is_refused(
    client: httpx.AsyncClient,
) -> None:
    url = "/api/categories?limit=1&fields=id"
    answer, body = await raw(client, url, {"accept-encoding": "gzip"})
    assert len(body) < LEAST_BYTES
    assert "content-encoding" not in answer.headers
    answer, coded = await raw(client, url, {"accept-encoding": "gzip, identity;q=0"})
    assert answer.headers["content-encoding"] == "gzip"
    assert gzip.decompress(coded) == body


@pytest.mark.parametrize("url", [MENU, "/api/orders", "/api/wallet"])
async def test_who_has_an_answer_is_not_sent_it_again(
    client: httpx.AsyncClient, student: dict[str, str], url: str
) -> None:
    tags = set()
    for accepted in ("gzip", "br", "zstd", "identity"):
        wants = student | {"accept-encoding": accepted}
        first = await client.get(url, headers=wants)
        tag = first.headers["etag"]
        tags.add(tag)
        for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
            again, body = await raw(client, url, wants | {"if-none-match": known})
            assert (again.status_code, body) == (304, b"")
            for name in ("etag", "vary", "cache-control"):
                assert again.headers[name] == first.headers[name]
            for name in ("content-length", "content-encoding", "content-type"):
                assert name not in again.headers
        other = await client.get(url, headers=wants | {"if-none-match": '"other"'})
        assert (other.status_code, other.content) == (200, first.content)
    # Each coding is other bytes, and so has another strong tag (RFC 9110 8.8.3).
    assert len(tags) == 4


async def test_a_tag_is_of_one_coding_only(client: httpx.AsyncClient) -> None:
    zipped = await client.get(MENU, headers={"accept-encoding": "gzip"})
    known = {"if-none-match": zipped.headers["etag"]}
    assert (await client.get(MENU, headers=PLAIN | known)).status_code == 200


async def test_an_order_that_moved_on_is_sent_again(
    client: httpx.AsyncClient, student: dict[str, str]
) -> None:
    product = (await client.get("/api/products?cafeteriaId=1&available=true")).json()["data"][0]
    basket = {"cafeteriaId": 1, "items": [{"productId": product["id"], "quantity": 1}]}
    placed = (await order(client, student, basket)).json()
    url = f"/api/orders/{placed['id']}"
    seen = (await client.get(url, headers=student)).headers["etag"]
    known = student | {"if-none-match": seen}
    assert (await client.get(url, headers=known)).status_code == 304
    cancelled = await client.post(
        f"{url}/cancel", json={"version": placed["version"]}, headers=student
    )
    assert cancelled.status_code == 200
    answer = await client.get(url, headers=known)
    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")


async def test_nobody_is_sent_what_is_another_ones(client: httpx.AsyncClient) -> None:
    alice, bob = await bearer(client, "student1"), await bearer(client, "student2")
    for url in ("/api/orders?fields=id,userId", "/api/wallet"):
        hers = await client.get(url, headers=alice)
        for _ in range(2):
            his = await client.get(url, headers=bob)
            assert his.content != hers.content
            assert (await client.get(url, headers=alice)).content == hers.content
        # Not even that it would be the same: who has it is looked at first.
        known = {"if-none-match": hers.headers["etag"]}
        assert (await client.get(url, headers=bob | known)).status_code == 200
        assert (await client.get(url, headers=known)).status_code == 401
        assert hers.headers["cache-control"] == "private, no-cache"
    orders = (await client.get("/api/orders?fields=userId", headers=alice)).json()["data"]
    assert len({each["userId"] for each in orders}) == 1


async def test_what_holds_a_secret_is_neither_coded_nor_kept(client: httpx.AsyncClient) -> None:
    credentials = {"email": "student1@campus.example", "password": PASSWORD}
    answer = await client.post(
        "/auth/login", json=credentials, headers={"accept-encoding": "gzip, identity;q=0"}
    )
    assert len(answer.content) > LEAST_BYTES
    assert answer.headers["cache-control"] == "no-store"
    for name in ("content-encoding", "etag"):
        assert name not in answer.headers


async def test_the_menu_may_be_kept_by_everybody_and_personal_things_by_nobody_else(
    client: httpx.AsyncClient, student: dict[str, str]
) -> None:
    for url in (MENU, "/api/categories"):
        control = (await client.get(url)).headers["cache-control"]
        assert control.startswith("public, max-age=15, s-maxage=15, stale-while-revalidate=")
        assert "stale-if-error=" in control
    for url in ("/api/products/1", "/api/categories/1", "/api/cafeterias/1"):
        control = (await client.get(url)).headers["cache-control"]
        # By everybody but the browser of whoever is about to change it.
        assert control.startswith("public, max-age=0, s-maxage=")
    for url in ("/api/orders", "/api/wallet", "/api/notifications/unread"):
        answer = await client.get(url, headers=student)
        assert answer.headers["cache-control"] == "private, no-cache"


async def test_an_error_is_neither_tagged_nor_kept(client: httpx.AsyncClient) -> None:
    answer = await client.get("/api/products?limit=0", headers={"if-none-match": "*"})
    assert answer.status_code == 400
    assert answer.headers["cache-control"] == "no-store"
    assert "etag" not in answer.headers


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd", None])
async def test_an_export_is_coded_while_it_is_sent(
    client: httpx.AsyncClient, coding: str | None
) -> None:
    admin = await bearer(client, "admin1")
    url = "/api/reports/orders.csv"
    _, expected = await raw(client, url, admin | PLAIN)
    answer, body = await raw(client, url, admin | {"accept-encoding": coding or "vibrant"})
    assert answer.headers.get("content-encoding") == coding
    assert "Accept-Encoding" in answer.headers["vary"]
    assert "content-length" not in answer.headers
    assert READERS[coding](body) == expected
    assert expected.startswith(b"id,createdAt,")


async def test_what_is_coded_already_is_not_coded_again() -> None:
    coded = gzip.compress(b"x" * 1000)

    @get("/coded", sync_to_thread=False)
    def serve() -> Answer[bytes]:
        headers = {"content-encoding": "gzip"}
        return Answer(coded, media_type="application/json", headers=headers)

    app: Any = Litestar([serve], openapi_config=None)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://comanda.test") as client:
        answer, body = await raw(client, "/coded", {"accept-encoding": "br, gzip"})
    assert answer.headers.get_list("content-encoding") == ["gzip"]
    assert body == coded


async def test_a_picture_is_never_coded(client: httpx.AsyncClient) -> None:
    file = BytesIO()
    Image.effect_noise((640, 480), 40).convert("RGB").save(file, "JPEG")
    staff = await bearer(client, "staff1")
    uploaded = await client.put("/api/products/1/picture", content=file.getvalue(), headers=staff)
    assert uploaded.status_code == 200
    for url in ("/products/1?w=300", uploaded.json()["url"]):
        answer, body = await raw(client, url, {"accept-encoding": "gzip, identity;q=0"})
        assert answer.status_code == 200
        assert "content-encoding" not in answer.headers
        assert Image.open(BytesIO(body)).width <= 640


async def test_who_asks_first_is_told_the_same_tag_as_all_others(client: httpx.AsyncClient) -> None:
    for place, accepted in enumerate(("gzip", "identity"), start=1):
        asked = f"{MENU}&cafeteriaId={place}", {"accept-encoding": accepted}
        first, _ = await raw(client, *asked)
        second, _ = await raw(client, *asked)
        assert first.headers["etag"] == second.headers["etag"]


async def test_head_tells_what_get_would(client: httpx.AsyncClient) -> None:
    for accepted in ("gzip", "identity"):
        wants = {"accept-encoding": accepted}
        got, body = await raw(client, MENU, wants)
        head = await client.head(MENU, headers=wants)
        for answer in (head, got):
            # Each request has its own.
            del answer.headers["x-request-id"]
        assert (head.headers, head.content) == (got.headers, b"")
        assert head.headers["content-length"] == str(len(body))
        known = wants | {"if-none-match": got.headers["etag"]}
        assert (await client.head(MENU, headers=known)).status_code == 304


async def test_head_is_for_those_only_who_may_get(client: httpx.AsyncClient) -> None:
    assert (await client.head("/api/orders")).status_code == 401


async def test_many_at_once_each_get_their_own(client: httpx.AsyncClient) -> None:
    people = [await bearer(client, f"student{number}") for number in range(1, 5)]
    alone = [(await client.get("/api/wallet", headers=who)).content for who in people]
    crowd = await asyncio.gather(
        *(client.get("/api/wallet", headers=who) for _ in range(10) for who in people)
    )
    assert [answer.content for answer in crowd] == alone * 10
