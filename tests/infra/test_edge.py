"""The edge function inside nginx, which does what CloudFront is set up to do."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from bff.settings import Settings
from cdn import freshness
from imaging.shelves import Shelves
from infra.edge.nginx import ORIGIN_HEADER, Edge, Engine, Origins, engine
from infra.local.ports import Ports
from infra.local.process import Child
from tests.bff.operations.test_serving import served
from tests.imaging.test_origin import bearer, photograph
from tests.infra.origins import KEPT, Origin
from tests.serving import free_port

WEBP = {"accept": "image/webp,image/*"}
AVIF = {"accept": "image/avif,image/webp,image/*"}
BRIEF = "public, max-age=1, s-maxage=1"
HIT, MISS = "Hit from cloudfront", "Miss from cloudfront"


@pytest.fixture(scope="module")
def nginx() -> Engine:
    found = engine()
    if found is None:
        pytest.skip("no nginx with njs: apt-get install nginx libnginx-mod-http-js")
    return found


@contextmanager
def running(edge: Edge, log: Path) -> Iterator[Edge]:
    child = Child(edge.role, edge.command())
    try:
        while not edge.answers():
            assert child.exit_code() is None, log.read_text()
            assert not child.wait(0.01)
        yield edge
    finally:
        child.end(10)


@pytest.fixture
async def origin() -> AsyncIterator[Origin]:
    origin = Origin()
    async with origin.serving():
        yield origin


@pytest.fixture
def edge(nginx: Engine, origin: Origin, tmp_path: Path) -> Iterator[Edge]:
    """Before an origin of the test's own; its bucket does not answer."""
    nowhere = f"http://127.0.0.1:{free_port()}"
    origins = Origins(f"127.0.0.1:{origin.port}", nowhere, "nowhere", "variants", "key", "secret")
    log = tmp_path / "log"
    with running(Edge(tmp_path, log, Ports(tmp_path / "ports"), origins, nginx), log) as edge:
        yield edge


@pytest.fixture
async def near(edge: Edge) -> AsyncIterator[httpx.AsyncClient]:
    """A visitor of the first edge."""
    async with httpx.AsyncClient(base_url=edge.urls[0], timeout=30) as client:
        yield client


@pytest.fixture
async def far(edge: Edge) -> AsyncIterator[httpx.AsyncClient]:
    """A visitor of the second one."""
    async with httpx.AsyncClient(base_url=edge.urls[1], timeout=30) as client:
        yield client


async def test_requests_that_mean_the_same_share_one_object(
    near: httpx.AsyncClient, origin: Origin
) -> None:
    same = [
        ("/products/7?w=400&q=80", WEBP),
        ("/products/7?q=80&w=400", WEBP),
        ("/products/7?w=400&q=80&utm_source=letter", WEBP),
        ("/products/7?w=333&q=77", WEBP),
        ("/products/7?w=200&dpr=2&q=80", WEBP),
        ("/products/7?w=%34%30%30&q=80", WEBP),
        ("/products/7?w=400&q=80&fm=webp", {"accept": "*/*"}),
        ("/products/7?w=400&q=80", {"accept": "image/WEBP;q=0.9 , text/html"}),
        ("/v/7/current/w400_q80.webp", {}),
    ]
    answers = [await near.get(target, headers=headers) for target, headers in same]
    assert [each.headers["x-cache"] for each in answers] == [MISS, *[HIT] * (len(same) - 1)]
    assert {each.status_code for each in answers} == {200}
    assert [each.target for each in origin.asked] == ["/v/7/current/w400_q80.webp"]


async def test_another_format_another_size_and_save_data_are_objects_of_their_own(
    near: httpx.AsyncClient, origin: Origin
) -> None:
    for headers in (WEBP, AVIF, {}, WEBP | {"save-data": "on"}):
        await near.get("/products/7?w=400", headers=headers)
    await near.get("/products/7?w=401", headers=WEBP)
    assert len({each.target for each in origin.asked}) == 5


async def test_nothing_of_a_visitor_reaches_an_origin_but_the_path_and_the_secret_does(
    near: httpx.AsyncClient, origin: Origin
) -> None:
    curious = WEBP | {"cookie": "session=1", "save-data": "off", "authorization-hint": "x"}
    await near.get("/products/7?w=400&token=mine", headers=curious)
    (asked,) = origin.asked
    assert asked.target == "/v/7/current/w400_q80.webp"
    assert not {"cookie", "accept", "accept-encoding", "save-data"} & set(asked.headers)
    # That was the balancer's to see.
    assert ORIGIN_HEADER.lower() not in asked.headers


async def test_nobody_but_the_cdn_comes_past_the_balancer(edge: Edge, origin: Origin) -> None:
    transport = httpx.AsyncHTTPTransport(uds=str(edge.balancer))
    async with httpx.AsyncClient(transport=transport, base_url="http://balancer") as stranger:
        for headers in ({}, {ORIGIN_HEADER: "guessed"}, {ORIGIN_HEADER: ""}):
            answer = await stranger.get("/v/7/current/w400_q80.webp", headers=headers)
            assert answer.status_code == 403
        assert not origin.asked
        for secret in edge.origin_secrets:
            answer = await stranger.get("/", headers={ORIGIN_HEADER: secret})
            assert answer.status_code == 200


async def test_a_hundred_cold_requests_over_two_edges_are_one_at_the_origin(
    near: httpx.AsyncClient, far: httpx.AsyncClient, origin: Origin
) -> None:
    origin.seconds = 0.3
    crowd = [client.get("/products/7?w=400", headers=WEBP) for client in (near, far) * 50]
    answers = await asyncio.gather(*crowd)
    assert {each.status_code for each in answers} == {200}
    assert len(origin.asked) == 1


async def test_the_second_edge_has_from_the_shield_what_the_first_one_asked_for(
    near: httpx.AsyncClient, far: httpx.AsyncClient, origin: Origin
) -> None:
    first = await near.get("/products/7?w=400")
    second = await far.get("/products/7?w=400")
    again = await far.get("/products/7?w=400")
    assert [each.headers["x-cache"] for each in (first, second, again)] == [MISS, MISS, HIT]
    assert first.content == second.content == again.content
    assert len(origin.asked) == 1


async def test_heads_ranges_and_conditions_are_answered_by_the_edge(
    near: httpx.AsyncClient, origin: Origin
) -> None:
    place = "/products/7?w=400"
    # A part of what is not there yet: all of it is fetched, once.
    part = await near.get(place, headers={"range": "bytes=3-8"})
    whole = await near.get(place)
    assert (part.status_code, part.content) == (206, whole.content[3:9])
    assert part.headers["content-range"] == f"bytes 3-8/{len(whole.content)}"
    assert whole.headers["x-cache"] == HIT
    head = await near.head(place)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(whole.content))
    beyond = await near.get(place, headers={"range": "bytes=900000-"})
    assert beyond.status_code == 416
    known = await near.get(place, headers={"if-none-match": whole.headers["etag"]})
    assert (known.status_code, known.content) == (304, b"")
    assert known.headers["vary"] == freshness.VARY
    assert [each.method for each in origin.asked] == ["GET"]


async def test_a_head_of_what_is_not_there_yet_keeps_the_whole_for_who_comes_next(
    near: httpx.AsyncClient, origin: Origin
) -> None:
    await near.head("/products/7?w=400")
    answer = await near.get("/products/7?w=400")
    assert answer.headers["x-cache"] == HIT
    assert answer.content
    assert [each.method for each in origin.asked] == ["GET"]


async def test_a_cookie_that_an_origin_lets_slip_is_kept_by_no_cache(
    near: httpx.AsyncClient, far: httpx.AsyncClient, origin: Origin, tmp_path: Path
) -> None:
    origin.headers = KEPT | {"set-cookie": "session=of-somebody-else"}
    for client in (near, near, far):
        answer = await client.get("/products/7?w=400")
        assert answer.status_code == 200
        assert "set-cookie" not in answer.headers
    cached = [each for each in (tmp_path / "cache").rglob("*") if each.is_file()]
    assert len(cached) == 3
    assert not any(b"somebody-else" in each.read_bytes() for each in cached)


async def test_what_s3_cannot_keep_is_added_to_every_picture_once(near: httpx.AsyncClient) -> None:
    answer = await near.get("/products/7?w=400")
    for name, value in freshness.STATIC.items():
        assert answer.headers.get_list(name) == [value]


async def test_nonsense_and_writes_are_refused_at_the_edge(
    near: httpx.AsyncClient, origin: Origin
) -> None:
    nonsense = await near.get("/products/7?w=wide")
    assert nonsense.status_code == 400
    assert nonsense.headers["content-type"] == "application/problem+json"
    assert nonsense.headers["cache-control"] == freshness.UNKEPT
    assert nonsense.json()["errors"][0]["parameter"] == "w"
    assert (await near.post("/products/7")).status_code == 403
    assert not origin.asked


async def test_who_comes_at_once_after_a_fault_is_not_told_of_it_again(
    near: httpx.AsyncClient, origin: Origin
) -> None:
    origin.status, origin.headers = 503, freshness.unavailable(1)
    assert (await near.get("/products/7?w=400")).status_code == 503
    origin.status, origin.headers = 200, KEPT
    assert (await near.get("/products/7?w=400")).status_code == 200


async def test_what_is_too_old_is_served_while_it_is_made_anew_or_cannot_be_and_else_is_asked_for(
    near: httpx.AsyncClient, origin: Origin
) -> None:
    revalidated, behind, broken, missing, away = (f"/products/{n}?w=400" for n in range(1, 6))
    tags = {"etag": '"one"', "accept-ranges": "bytes"}

    async def get(place: str, status: int = 200, kept: str = BRIEF) -> httpx.Response:
        origin.status, origin.headers = status, tags | {"cache-control": kept}
        return await near.get(place)

    await get(revalidated)
    await get(behind, kept=f"{BRIEF}, stale-while-revalidate=60")
    await get(broken)
    await get(missing, 404)
    await get(away)
    first = len(origin.asked)
    # Seconds are what nginx counts in.
    await asyncio.sleep(2.1)

    fresh = await get(revalidated)
    assert fresh.headers["x-cache"] == "RefreshHit from cloudfront"
    assert origin.asked[-1].headers["if-none-match"] == '"one"'
    assert len(origin.asked) == first + 1

    origin.seconds = 1.0
    at_once = await get(behind)
    assert at_once.headers["x-cache"] == HIT
    # It was answered before the origin was; that comes behind.
    async with asyncio.timeout(10):
        while origin.times("/v/2/") < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    origin.seconds = 0.0

    stale = await get(broken, 503, freshness.UNKEPT)
    assert stale.status_code == 200
    assert origin.times("/v/3/") >= 2

    assert (await get(missing)).status_code == 200

    origin.hangs_up = True
    assert (await get(away)).status_code == 200
    assert origin.times("/v/5/") >= 2


async def test_a_404_is_kept_as_long_as_it_says_and_no_longer(
    near: httpx.AsyncClient, origin: Origin
) -> None:
    origin.status, origin.headers = 404, freshness.missing(7)
    first = await near.get("/products/7?w=400")
    origin.status, origin.headers = 200, KEPT
    second = await near.get("/products/7?w=400")
    assert (first.status_code, second.status_code) == (404, 404)
    assert second.headers["x-cache"] == HIT
    assert len(origin.asked) == 1


async def test_the_api_is_handed_on_whole_and_kept_by_nobody(
    near: httpx.AsyncClient, origin: Origin
) -> None:
    given = {"cookie": "a=1", "authorization": "Bearer x", "accept-encoding": "br"}
    origin.headers = KEPT | {"set-cookie": "theirs=1"}
    for _ in range(2):
        answer = await near.get("/api/orders?page=2", headers=given)
        assert answer.headers["set-cookie"] == "theirs=1"
    assert [each.target for each in origin.asked] == ["/api/orders?page=2"] * 2
    asked = origin.asked[0].headers
    assert given.items() <= asked.items()
    assert asked["x-forwarded-for"] == "127.0.0.1"
    assert asked["host"] == near.base_url.netloc.decode()
    await near.get("/socket.io/", headers={"connection": "upgrade", "upgrade": "websocket"})
    assert origin.asked[-1].headers["upgrade"] == "websocket"


async def test_a_picture_comes_from_the_bucket_before_the_application_and_a_purge_takes_all_of_it(
    nginx: Engine, settings: Settings, shelves: Shelves, tmp_path: Path
) -> None:
    port = free_port()
    assert settings.s3_endpoint
    assert settings.s3_access_key
    assert settings.s3_secret_key
    origins = Origins(
        f"127.0.0.1:{port}",
        settings.s3_endpoint,
        settings.s3_region,
        settings.s3_variants,
        settings.s3_access_key,
        settings.s3_secret_key,
    )
    log = tmp_path / "log"
    edge = Edge(tmp_path, log, Ports(tmp_path / "ports"), origins, nginx)
    with running(edge, log):
        async with (
            served(settings, 1, port, **edge.environment()),
            httpx.AsyncClient(base_url=edge.urls[0], timeout=30) as near,
            httpx.AsyncClient(base_url=edge.urls[1], timeout=30) as far,
        ):
            staff = await bearer(near, "staff1")

            async def upload(width: int) -> str:
                put = near.put(
                    "/api/products/1/picture", content=photograph(width, 300), headers=staff
                )
                answer = await put
                assert answer.status_code == 200, answer.text
                return str(answer.json()["version"])

            version = await upload(500)
            place = "/products/1?w=333"
            rendered = await near.get(place, headers=WEBP)
            assert rendered.headers["cache-status"] == "comanda-variants; fwd=miss; stored"
            assert version in rendered.headers["etag"]
            stored = await far.get(f"{place}&v={version}", headers=WEBP)
            # Nobody but the application has this header.
            assert "cache-status" not in stored.headers
            assert stored.headers["cache-control"] == freshness.IMMUTABLE
            assert stored.content == rendered.content

            newer = await upload(400)
            async with asyncio.timeout(20):
                while newer not in (await near.get(place, headers=WEBP)).headers["etag"]:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
            gone = await far.get(f"{place}&v={version}", headers=WEBP)
            assert gone.headers["x-cache"] == MISS
            assert newer in gone.headers["etag"]
