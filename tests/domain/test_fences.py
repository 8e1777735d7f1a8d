"""The last fence of each person, in one Redis or in a cluster of them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from redis.crc import key_slot

from domain.database import Fences
from domain.database.fences import STICKY, UNKNOWN
from domain.redis import Nodes, Place
from infra.local.redis_cluster import RedisCluster

PEOPLE = range(1000)


@asynccontextmanager
async def started(url: str, *, is_cluster: bool = False) -> AsyncIterator[tuple[Nodes, Fences]]:
    nodes = Nodes(url, is_cluster=is_cluster)
    fences = Fences(nodes)
    nodes.start()
    fences.start()
    async with asyncio.timeout(30):
        while UNKNOWN in await asyncio.gather(*map(fences.of, PEOPLE)):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    yield nodes, fences
    await fences.close()
    await nodes.close()


def home(nodes: Nodes, person: int) -> Place:
    place = nodes.of(key_slot(b"{user:%d}" % person))
    assert place is not None
    return place


async def test_a_thousand_at_once_are_kept_and_the_greater_fence_stays(
    redis_url: str, redis_cluster: RedisCluster
) -> None:
    for url, is_cluster in ((redis_url, False), (redis_cluster.url, True)):
        async with (
            started(url, is_cluster=is_cluster) as (_, fences),
            started(url, is_cluster=is_cluster) as (_, others),
        ):
            assert all(await asyncio.gather(*(fences.keep([each], each) for each in PEOPLE)))
            assert await fences.keep(PEOPLE, 500)
            assert await asyncio.gather(*map(others.of, PEOPLE)) == [
                max(each, 500) for each in PEOPLE
            ]


async def are_believed(fences: Fences, people: list[int]) -> None:
    """Sooner than a doubt ends; a Redis that is merely late is asked again."""
    async with asyncio.timeout(STICKY / 2):
        while {await fences.of(each) for each in people} != {7}:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_a_new_master_is_not_believed_about_a_moment_ago_and_the_others_are(
    redis_cluster: RedisCluster,
) -> None:
    async with started(redis_cluster.url, is_cluster=True) as (nodes, fences):
        await fences.keep(PEOPLE, 7)
        old = home(nodes, 1)
        others = [each for each in PEOPLE if home(nodes, each) != old]
        redis_cluster.hand_over(old.port)
        async with asyncio.timeout(30):
            while home(nodes, 1) == old:
                await fences.of(1)
                await are_believed(fences, others[:10])
            # Until it has been looked at, and after that too.
            new = home(nodes, 1)
            while new not in fences._standings or fences._standings[new].wire is None:
                assert await fences.of(1) == UNKNOWN
                await asyncio.sleep(0.01)
        assert await fences.of(1) == UNKNOWN
        await are_believed(fences, others[:10])
