"""Crowds at two real server processes: one rendering for all, and overload that is told at once."""

import asyncio
import random
import statistics
import subprocess
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import httpx
import pytest

from bff.settings import Settings
from domain.catalogue import Catalogue
from domain.database import Cluster
from imaging.facts import facts
from imaging.intake import shelve
from imaging.pyramid import levels
from imaging.shelves import Shelves
from infra.demo.pictures import draw_jpeg
from tests.serving import environment, free_port, until_healthy, uvicorn

PRODUCTS = 10
CROWD = 1000


@pytest.fixture(scope="module")
def photographs() -> list[bytes]:
    return [draw_jpeg("grill", seed, (2400, 1800)) for seed in range(PRODUCTS)]


@asynccontextmanager
async def server(settings: Settings) -> AsyncIterator[str]:
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        *uvicorn(port),
        env={**environment(settings), "COMANDA_PICTURE_PROCESSES": "1"},
        stdout=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        await until_healthy(url)
        yield url
    finally:
        process.terminate()
        await process.wait()


@pytest.fixture
async def servers(
    settings: Settings, shelves: Shelves, photographs: list[bytes]
) -> AsyncIterator[list[httpx.AsyncClient]]:
    """Clients of two processes over the same database and shelves."""
    cluster = Cluster(settings.database_url, [])
    for product_id, body in enumerate(photographs, start=1):
        picture = await shelve(shelves, product_id, body, facts(body), levels(body))
        await Catalogue(cluster).hang(product_id, picture)
    await cluster.close()
    # As many connections as there are people: a queue in the client would hide one in the server.
    limits = httpx.Limits(max_connections=CROWD, max_keepalive_connections=CROWD)
    async with AsyncExitStack() as stack:
        urls = [await stack.enter_async_context(server(settings)) for _ in range(2)]
        yield [
            await stack.enter_async_context(
                httpx.AsyncClient(base_url=url, limits=limits, timeout=60)
            )
            for url in urls
        ]


def renderings(answers: list[httpx.Response]) -> int:
    """How often it was rendered: whoever shares a rendering is told its very timings."""
    return len(
        {
            each.headers["server-timing"]
            for each in answers
            if "encode" in each.headers.get("server-timing", "")
        }
    )


async def test_a_thousand_who_ask_two_processes_for_one_cold_variant_cost_two_renderings(
    servers: list[httpx.AsyncClient],
) -> None:
    url = "/products/1?w=640&h=480&fm=webp"
    answers = await asyncio.gather(*(servers[n % 2].get(url) for n in range(CROWD)))
    made = renderings(list(answers))
    print(  # noqa: T201
        f"\n{CROWD} cold requests at two processes: {made} renderings"
    )
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert 1 <= made <= 2


async def test_overload_is_told_at_once_while_what_is_ready_is_served(
    servers: list[httpx.AsyncClient],
) -> None:
    ready = "/products/1?w=320&fm=webp"
    for client in servers:
        await client.get(ready)
    calm = await paced(servers, ready, asyncio.Event(), most=100)

    sizes = (128, 160, 200, 256, 300, 400, 480, 600, 750, 900, 1080, 1200, 1600, 1920)
    cold = [
        f"/products/{product}?w={width}&h={height}&fm=webp"
        for product in range(1, PRODUCTS + 1)
        for width in sizes
        for height in sizes
    ]
    chosen = random.Random(1).sample(cold, 200)
    finished = asyncio.Event()
    watched = asyncio.create_task(paced(servers, ready, finished))
    answers = await asyncio.gather(
        *(servers[n % 2].get(chosen[n % len(chosen)]) for n in range(CROWD))
    )
    finished.set()
    busy = await watched

    statuses = Counter(answer.status_code for answer in answers)
    ratio = statistics.median(busy) / statistics.median(calm)
    print(  # noqa: T201
        f"\n{CROWD} requests for {len(chosen)} cold variants: {dict(statuses)};"
        f" a stored one meanwhile: {len(busy)} times, {ratio:.1f} times its calm median"
    )
    assert set(statuses) <= {200, 503}
    assert statuses[503], "twice the capacity was meant to be too much"
    assert statuses[200], "what was admitted is rendered"
    assert all(int(each.headers["retry-after"]) >= 1 for each in answers if each.status_code == 503)


async def paced(
    servers: list[httpx.AsyncClient], url: str, until: asyncio.Event, most: int = 100_000
) -> list[float]:
    """Seconds of each request for a stored variant, one after another."""
    taken: list[float] = []
    while not until.is_set() and len(taken) < most:
        began = time.perf_counter()
        answer = await servers[len(taken) % 2].get(url)
        taken.append(time.perf_counter() - began)
        assert answer.status_code == 200
        await asyncio.sleep(0.01)
    return taken
