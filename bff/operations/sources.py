"""What the parts of the application count, as samples."""

from collections.abc import Iterator

from bff.cache_figures import FAMILIES
from bff.edge.edge import Edge
from bff.edge.limits.limiter import Limiter
from bff.operations.figures import Sample
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


def in_flight(edge: Edge) -> Iterator[Sample]:
    """How many are served at this moment."""
    yield Sample("comanda_http_requests_in_flight", (), edge.in_flight)
