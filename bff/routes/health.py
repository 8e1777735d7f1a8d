"""Whether the process lives, whether it can serve, and how it does."""

from typing import Any

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.exceptions import NotFoundException
from msgspec import Struct

from bff.edge.clients import Networks
from bff.edge.exchange import current
from bff.edge.limits.layer import FREE
from bff.operations.figures import Figures
from bff.operations.readiness import Probes, Readiness


class Liveness(Struct, frozen=True):
    """`up`, for whoever gets an answer gets this one."""

    status: str


@get("/health", summary="Liveness", tags=["operations"], opt=FREE, sync_to_thread=False)
def health() -> Liveness:
    """The process answers; it asks nobody, so that no outage restarts it."""
    return Liveness("up")


@get("/ready", summary="Readiness", tags=["operations"], opt=FREE)
async def ready(probes: NamedDependency[Probes]) -> Response[Readiness]:
    """200 while the primary answers and the process goes on, else 503; every dependency is told
    apart, as of two seconds ago at most."""
    found = await probes.readiness()
    return Response(
        found,
        status_code=200 if found.is_ready else 503,
        headers={"Cache-Control": "no-store"},
    )


@get("/metrics", include_in_schema=False, opt=FREE)
async def metrics(
    request: Request[Any, Any, Any],
    figures: NamedDependency[Figures],
    scrapers: NamedDependency[Networks],
) -> Response[bytes]:
    """Of all processes that share the port, for Prometheus; for others there is no such thing."""
    exchange = current.get()
    if exchange is None or not scrapers.include(exchange.client):
        raise NotFoundException
    body, media_type = figures.exposition(request.headers.get("accept", ""))
    return Response(body, headers={"Content-Type": media_type, "Cache-Control": "no-store"})
