"""What the cache of this process does, for administrators."""

import asyncio

from litestar import get
from litestar.di import NamedDependency
from msgspec import Struct
from redis.exceptions import ResponseError

from bff.edge import kinds
from bff.edge.problems import declared
from bff.representation.views import View
from domain.accounts import Principal
from domain.cache import Cache, Figures
from domain.errors import ForbiddenError
from domain.model import Role
from domain.redis import AwayError, Nodes


class KindView(View, frozen=True):
    """A kind of value: reads by who answered, what became of what was loaded, and what the auditor
    has seen: `stale` stays 0."""

    name: str
    memory_hits: int
    redis_hits: int
    joined: int
    loads: int
    waits: int
    fills: int
    refused: int
    evicted: int
    audited: int
    stale: int


class CacheView(Struct, frozen=True):
    """Rates are of all reads since the process started, null before the first; sizes in bytes. What
    Redis tells is of all its masters, null while it is away; its evictions are without memory's."""

    cache_hit_rate: float | None
    cache_miss_rate: float | None
    avg_cached_size: float | None
    redis_memory_usage: int | None
    cache_evictions: int | None
    cache_invalidations: int
    kinds: list[KindView]


@get(
    "/api/admin/cache",
    summary="Hits, misses and evictions of the cache",
    tags=["operations"],
    security=[{"bearer": list[str]()}],
    responses=declared(kinds.UNAUTHENTICATED, kinds.FORBIDDEN, kinds.UNAVAILABLE),
)
async def show_cache(
    principal: NamedDependency[Principal],
    cache: NamedDependency[Cache],
    nodes: NamedDependency[Nodes],
) -> CacheView:
    """Of the process that answers."""
    if principal.role is not Role.ADMIN:
        raise ForbiddenError("The cache is for administrators.")
    figures = cache.figures
    total = sum(figures.values(), Figures())
    used, evicted = await _told(nodes)
    hits = total.hits / total.reads if total.reads else None
    return CacheView(
        cache_hit_rate=hits,
        cache_miss_rate=None if hits is None else 1 - hits,
        avg_cached_size=total.encoded / total.loads if total.loads else None,
        redis_memory_usage=used,
        cache_evictions=evicted,
        cache_invalidations=cache.changes.count,
        kinds=[_kind(name, each) for name, each in sorted(figures.items())],
    )


async def _told(nodes: Nodes) -> tuple[int | None, int | None]:
    try:
        used, evicted = await asyncio.gather(nodes.told("used_memory"), nodes.told("evicted_keys"))
    except (AwayError, ResponseError):
        return None, None
    return used, evicted


def _kind(name: str, figures: Figures) -> KindView:
    return KindView(
        name,
        figures.memory_hits,
        figures.redis_hits,
        figures.joined,
        figures.loads,
        figures.waits,
        figures.fills,
        figures.refused,
        figures.evicted,
        figures.audited,
        figures.stale,
    )
