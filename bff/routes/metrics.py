"""How the application, its database and its machine do, for administrators."""

from typing import Annotated, Any, Final

from litestar import get
from litestar.di import NamedDependency
from msgspec import Meta

from bff.edge import kinds
from bff.edge.problems import declared
from bff.operations import processes
from bff.operations.figures import Figures
from bff.operations.surroundings import Surroundings
from bff.operations.window import Recent, Window
from bff.representation.views import View
from bff.routes.auth import BEARER
from domain.accounts import Principal
from domain.database import Cluster
from domain.errors import ForbiddenError
from domain.model import Role

_MILLISECONDS: Final = 1000.0

Number = float | None


def _as(unit: str) -> Any:
    return Meta(description=unit)


class ApplicationFigures(View, frozen=True):
    """Of the requests of the last minute, without those of probes."""

    requests_per_second: Annotated[float, _as("requests a second")]
    avg_response_time: Annotated[Number, _as("milliseconds until all was sent, on average")]
    p95_response_time: Annotated[Number, _as("milliseconds that 95 % of them did not exceed")]
    error_rate: Annotated[Number, _as("share that was answered with 5xx, 0 to 1")]
    cache_hit_rate: Annotated[Number, _as("share of the cache's reads that it answered, 0 to 1")]


class DatabaseFigures(View, frozen=True):
    """Of the statements of the last minute, and of the nodes as they were last seen."""

    query_time_p95: Annotated[Number, _as("milliseconds that 95 % of statements did not exceed")]
    active_connections: Annotated[int, _as("connections at work, to all nodes")]
    replication_lag: Annotated[Number, _as("seconds of the replica that is furthest behind")]
    disk_usage: Annotated[int | None, _as("bytes of the database, with its indexes")]


class InfrastructureFigures(View, frozen=True):
    """Of what it runs on."""

    pods: Annotated[int | None, _as("that serve; null where nobody counts them")]
    cpu_usage: Annotated[float, _as("share of this machine's processors, 0 to 1")]
    memory_usage: Annotated[int, _as("bytes that are resident, of all processes here")]
    redis_memory: Annotated[int | None, _as("bytes, of all masters")]
    bandwidth: Annotated[float, _as("bytes of answers a second")]


class MetricsView(View, frozen=True):
    """Rates and times are of the last `windowSeconds`, a minute at most, and of all processes that
    share the port; null is what nobody can tell, or what there was none of."""

    window_seconds: Annotated[float, _as("seconds")]
    application: ApplicationFigures
    database: DatabaseFigures
    infrastructure: InfrastructureFigures


@get(
    "/api/admin/metrics",
    summary="How the application, its database and its machine do",
    tags=["operations"],
    security=BEARER,
    responses=declared(kinds.UNAUTHENTICATED, kinds.FORBIDDEN, kinds.UNAVAILABLE),
)
async def show_metrics(
    principal: NamedDependency[Principal],
    window: NamedDependency[Window],
    figures: NamedDependency[Figures],
    cluster: NamedDependency[Cluster],
    around: NamedDependency[Surroundings],
) -> MetricsView:
    """Of the pod that answers; Prometheus has them of all, over time. Nobody is asked for it: what
    others know is of ten seconds ago at most."""
    if principal.role is not Role.ADMIN:
        raise ForbiddenError("The metrics are for administrators.")
    recent = window.recent()
    database = around.database
    return MetricsView(
        window_seconds=recent.seconds,
        application=_application(recent),
        database=DatabaseFigures(
            query_time_p95=_ms(recent.statement_p95),
            active_connections=int(figures.standing("comanda_database_connections", "active")),
            replication_lag=max(cluster.lags.values(), default=None),
            disk_usage=None if database is None else database.bytes,
        ),
        infrastructure=InfrastructureFigures(
            pods=around.pods,
            cpu_usage=recent.cores / processes.CORES,
            memory_usage=int(figures.standing("comanda_process_memory_bytes")),
            redis_memory=around.redis_bytes,
            bandwidth=recent.bytes,
        ),
    )


def _application(recent: Recent) -> ApplicationFigures:
    return ApplicationFigures(
        requests_per_second=recent.requests,
        avg_response_time=_ms(recent.mean),
        p95_response_time=_ms(recent.p95),
        error_rate=recent.fault_share,
        cache_hit_rate=recent.hit_share,
    )


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * _MILLISECONDS
