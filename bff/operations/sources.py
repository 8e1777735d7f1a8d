"""What the parts of the application count, as samples."""

from collections.abc import Iterator
from itertools import accumulate

from bff.cache_figures import FAMILIES
from bff.edge.edge import Edge
from bff.edge.limits.limiter import Limiter
from bff.operations.figures import Sample
from bff.realtime.engine import Engine
from bff.realtime.figures import LAGS
from bff.realtime.figures import Figures as Sockets
from domain.cache import Cache
from domain.database import Cluster


def of_limits(limiter: Limiter) -> Iterator[Sample]:
    """Decisions."""
    for labels, count in limiter.decisions.items():
        yield Sample("comanda_limit_decisions", labels, count)


def of_edge(edge: Edge) -> Iterator[Sample]:
    """Refusals."""
    for reason, count in edge.refusals.items():
        yield Sample("comanda_refused_requests", (reason,), count)


def of_cache(cache: Cache) -> Iterator[Sample]:
    """All that it counts."""
    for name, family in FAMILIES.items():
        for labels, count in family.counted(cache):
            yield Sample(name, labels, count)


def of_database(cluster: Cluster) -> Iterator[Sample]:
    """Who answered."""
    for (role, node), count in cluster.served.items():
        yield Sample("comanda_database_reads", (role.value, node), count)


def of_sockets(figures: Sockets) -> Iterator[Sample]:
    """Who came and went, and what they were told."""
    for reason, count in figures.closed.items():
        yield Sample("comanda_socket_closes", (reason,), count)
    for kind, count in figures.refused.items():
        yield Sample("comanda_socket_refusals", (kind,), count)
    for name, count in figures.received.items():
        yield Sample("comanda_socket_events", (name,), count)
    yield Sample("comanda_socket_deliveries", (), figures.deliveries)
    yield Sample("comanda_socket_recoveries", (), figures.recovered)
    for bound, count in zip((*map(str, LAGS), "+Inf"), accumulate(figures.lags), strict=True):
        yield Sample("comanda_socket_lags", (bound,), count)


def of_sessions(engine: Engine) -> Iterator[Sample]:
    """How many are connected at this moment."""
    yield Sample("comanda_socket_sessions", (), len(engine.sessions))


def in_flight(edge: Edge) -> Iterator[Sample]:
    """How many are served at this moment."""
    yield Sample("comanda_http_requests_in_flight", (), edge.in_flight)
