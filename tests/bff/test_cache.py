"""The figures of the cache, over HTTP and for Prometheus."""

from collections import Counter
from collections.abc import AsyncIterator

import httpx
import pytest

from bff.cache_figures import FAMILIES
from domain.cache import changes
from tests.bff.test_orders import bearer
from tests.domain.cache.processes import Process, running


@pytest.fixture
async def process(database: str, redis_url: str) -> AsyncIterator[Process]:
    async with running(database, redis_url) as process:
        yield process


async def test_the_cache_tells_administrators_what_it_does(client: httpx.AsyncClient) -> None:
    # Four answers: one that is the same is not made again.
    for limit in range(1, 5):
        await client.get(f"/api/categories?limit={limit}")
    told = await client.get("/api/admin/cache", headers=await bearer(client, "admin1"))
    figures = told.json()
    (categories,) = (each for each in figures["kinds"] if each["name"] == "categories")
    assert (categories["loads"], categories["memoryHits"]) == (1, 3)
    assert (figures["cache_hit_rate"], figures["cache_miss_rate"]) == (0.75, 0.25)
    assert figures["avg_cached_size"] > 100
    assert figures["redis_memory_usage"] > 0
    for who in ("student1", "staff1"):
        refused = await client.get("/api/admin/cache", headers=await bearer(client, who))
        assert refused.status_code == 403


async def test_whoever_scrapes_is_told_what_was_counted(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Memory goes on, however long this process has no core.
    monkeypatch.setattr(changes, "TRUST", 3600.0)
    await process.cache.changes.look()
    for key in (1, 1, 1, 2):
        await process.price(key)
    await process.reprice(1, 77)
    await process.price(1)
    told = {name: Counter(dict(family.counted(process.cache))) for name, family in FAMILIES.items()}
    for name, family in FAMILIES.items():
        assert all(len(labels) == len(family.labels) for labels in told[name])
    reads = {
        layer: told["comanda_cache_reads"]["prices", layer] for layer in ("memory", "database")
    }
    assert reads == {"memory": 2, "database": 3}
    assert told["comanda_cache_invalidations"] == {(): 1}
    assert told["comanda_cache_loaded_bytes"]["prices",] > 3
    assert told["comanda_cache_stale_served"] == {("prices",): 0}
