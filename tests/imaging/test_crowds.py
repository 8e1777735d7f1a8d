"""Crowds at two real server processes: one rendering for all, and overload that is told at once."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from statistics import median
from typing import NamedTuple

import pytest

from bff.settings import Settings
from domain.catalogue import Catalogue
from domain.database import Cluster, Database
from imaging.facts import facts
from imaging.intake import shelve
from imaging.pyramid import levels
from imaging.shelves import Shelves
from infra.demo.pictures import draw_jpeg
from tests.serving import free_port, running, until_healthy

PRODUCTS = 10
CROWD = 1000


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


@asynccontextmanager
async def server(settings: Settings) -> AsyncIterator[int]:
    port = free_port()
    with running(settings, [port]) as (url,):
        await until_healthy(url)
        yield port


@pytest.fixture
async def servers(settings: Settings, shelves: Shelves) -> AsyncIterator[list[int]]:
    """The ports of two processes over the same database and shelves."""
    body = draw_jpeg("grill", 1, (1200, 900))
    about, pyramid = facts(body), levels(body)
    cluster = Cluster(settings.database_url, [])
    for product_id in range(1, PRODUCTS + 1):
        picture = await shelve(shelves, product_id, body, about, pyramid)
        await Catalogue(Database(cluster)).hang(product_id, picture)
    await cluster.close()
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(server(settings)) for _ in range(2)]


async def ask(port: int, target: str) -> Answer:
    """On a connection of its own, for a queue in the client would hide one in the server."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(f"GET {target} HTTP/1.1\r\nHost: crowd\r\nConnection: close\r\n\r\n".encode())
        async with asyncio.timeout(60):
            head, _, body = (await reader.read(-1)).partition(b"\r\n\r\n")
    finally:
        writer.close()
    first, *lines = head.decode("latin-1").split("\r\n")
    return Answer(int(first.split()[1]), dict(line.split(": ", 1) for line in lines), body)


def renderings(answers: list[Answer]) -> int:
    """How often it was rendered: whoever shares a rendering is told its very timings."""
    timings = {each.headers.get("server-timing", "") for each in answers}
    return sum("encode" in each for each in timings)


async def test_a_thousand_who_ask_two_processes_for_one_cold_variant_cost_two_renderings(
    servers: list[int],
) -> None:
    url = "/products/1?w=640&h=480&fm=webp"
    answers = await asyncio.gather(*(ask(servers[n % 2], url) for n in range(CROWD)))
    made = renderings(answers)
    print(  # noqa: T201
        f"\n{CROWD} cold requests at two processes: {made} renderings"
    )
    assert {answer.status for answer in answers} == {200}
    assert len({answer.body for answer in answers}) == 1
    assert 1 <= made <= 2


async def test_overload_is_told_while_what_is_ready_is_served(servers: list[int]) -> None:
    ready = "/products/1?w=320&fm=webp"
    for port in servers:
        assert (await ask(port, ready)).status == 200
    calm = median([await taken(port, ready) for port in servers * 20])

    sizes = (128, 160, 200, 256, 300, 400, 480, 600, 750, 900, 1080, 1200, 1600, 1920)
    cold = [
        f"/products/{product}?w={width}&h={height}&fm=jpeg"
        for product in range(1, PRODUCTS + 1)
        for width in sizes
        for height in sizes
    ]
    chosen = random.Random(1).sample(cold, 200)
    finished = asyncio.Event()
    watched = asyncio.create_task(watch(servers, ready, finished))
    # Each process is asked for all of them.
    answers = await asyncio.gather(
        *(ask(servers[n // len(chosen) % 2], chosen[n % len(chosen)]) for n in range(CROWD))
    )
    finished.set()
    served = await watched

    statuses = Counter(answer.status for answer in answers)
    print(  # noqa: T201
        f"\n{CROWD} requests for {len(chosen)} cold variants: {dict(statuses)};"
        f" a ready one meanwhile: {len(served)} times, median {median(served) / calm:.1f} of calm"
    )
    assert set(statuses) == {200, 503}
    assert served, "what is ready was not asked for"
    assert all(int(each.headers["retry-after"]) >= 1 for each in answers if each.status == 503)


async def watch(servers: list[int], url: str, until: asyncio.Event) -> list[float]:
    """Seconds in which the processes gave what they have in memory, asked again and again."""
    served: list[float] = []
    while not until.is_set():
        served += [await taken(port, url) for port in servers]
        await asyncio.sleep(0.01)
    return served


async def taken(port: int, url: str) -> float:
    """Seconds for what a process has in memory; the client's own turns are in it."""
    began = time.perf_counter()
    answer = await ask(port, url)
    assert answer.status == 200
    assert answer.headers["cache-status"] == "comanda-memory; hit"
    return time.perf_counter() - began
