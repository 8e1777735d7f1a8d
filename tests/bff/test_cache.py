"""The figures of the cache, over HTTP."""

import httpx

from tests.bff.test_orders import bearer


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
