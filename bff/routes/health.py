"""Whether the process lives, and whether it can serve."""

import asyncio

from litestar import Response, get
from litestar.di import NamedDependency
from msgspec import Struct

from bff.edge.limits.layer import FREE
from domain.database import Cluster
from domain.redis import Nodes
from imaging.shelves import Shelves

PATIENCE = 3.0


class Readiness(Struct, frozen=True):
    """`ready` when orders can be served; `degraded` where a part is down that has a fallback."""

    status: str
    dependencies: dict[str, str]


@get("/health", summary="Liveness", tags=["operations"], opt=FREE, sync_to_thread=False)
def health() -> dict[str, str]:
    """The process answers; it asks nobody, so that no outage restarts it."""
    return {"status": "up"}


@get("/ready", summary="Readiness", tags=["operations"], opt=FREE)
async def ready(
    cluster: NamedDependency[Cluster],
    nodes: NamedDependency[Nodes],
    shelves: NamedDependency[Shelves],
) -> Response[Readiness]:
    """200 while the primary answers, else 503; every dependency is told apart."""
    database, has_redis, has_shelves = await asyncio.gather(
        cluster.ping(PATIENCE), _redis_answers(nodes), _shelves_answer(shelves)
    )
    up = {**database, "redis": has_redis, "object-store": has_shelves}
    status = "ready" if all(up.values()) else "degraded" if up["primary"] else "down"
    return Response(
        Readiness(status, {name: "up" if answers else "down" for name, answers in up.items()}),
        status_code=200 if up["primary"] else 503,
        headers={"Cache-Control": "no-store"},
    )


async def _shelves_answer(shelves: Shelves) -> bool:
    try:
        async with asyncio.timeout(PATIENCE):
            return await shelves.ping()
    except TimeoutError:
        return False


async def _redis_answers(nodes: Nodes) -> bool:
    try:
        async with asyncio.timeout(PATIENCE):
            return await nodes.answer()
    except TimeoutError:
        return False
