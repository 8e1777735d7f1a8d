"""What the parts of the application count, as samples."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import accumulate

from bff.cache_figures import FAMILIES
from bff.edge.edge import Edge
from bff.edge.limits.limiter import Limiter
from bff.operations import processes
from bff.operations.figures import Sample
from bff.operations.readiness import Probes
from bff.operations.surroundings import Surroundings
from bff.realtime.engine import Engine
from bff.realtime.figures import LAGS
from bff.realtime.figures import Figures as Sockets
from domain.cache import Cache
from domain.database import Cluster
from imaging.workers import Workers

# Of what the pool of pictures counts, what became of a job.
_OUTCOMES = ("done", "refused", "failed", "crashed", "exhausted", "timed_out", "overloaded")


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
    taken = cluster.statements
    name = "comanda_database_statement_seconds"
    yield from _histogram(name, taken.bounds, taken.counts, taken.seconds)


def of_nodes(cluster: Cluster) -> Iterator[Sample]:
    """How the database stands."""
    for node, (active, idle) in cluster.connections.items():
        yield Sample("comanda_database_connections", (node, "active"), active)
        yield Sample("comanda_database_connections", (node, "idle"), idle)
    for node, seconds in cluster.lags.items():
        yield Sample("comanda_database_replica_lag_seconds", (node,), seconds)


def of_pictures(workers: Workers) -> Iterator[Sample]:
    """What became of their jobs."""
    counted = asdict(workers.metrics)
    for outcome in _OUTCOMES:
        yield Sample("comanda_picture_outcomes", (outcome,), counted[outcome])
    yield Sample("comanda_picture_seconds", ("wait",), counted["wait_seconds"])
    yield Sample("comanda_picture_seconds", ("run",), counted["run_seconds"])


def of_renderers(workers: Workers) -> Iterator[Sample]:
    """How those stand that render."""
    now = workers.metrics
    yield Sample("comanda_picture_processes", (), now.alive)
    yield Sample("comanda_picture_processes_wanted", (), workers.processes)
    yield Sample("comanda_picture_jobs", ("running",), now.running)
    yield Sample("comanda_picture_jobs", ("waiting",), now.waiting)


def of_processor() -> Iterator[Sample]:
    """This process has begun, and what it has used since."""
    yield Sample("comanda_process_starts", (), 1)
    yield Sample("comanda_process_cpu_seconds", ("application",), processes.of_itself().seconds)
    yield Sample("comanda_process_cpu_seconds", ("pictures",), processes.of_children().seconds)


def of_memory() -> Iterator[Sample]:
    """This process serves, and what it holds."""
    yield Sample("comanda_processes", (), 1)
    yield Sample("comanda_process_memory_bytes", ("application",), processes.of_itself().bytes)
    yield Sample("comanda_process_memory_bytes", ("pictures",), processes.of_children().bytes)


def of_dependencies(probes: Probes) -> Iterator[Sample]:
    """Who answers."""
    for name, answers in probes.answers.items():
        yield Sample("comanda_dependency_up", (name,), float(answers))


def of_surroundings(around: Surroundings) -> Iterator[Sample]:
    """What others said when they were last asked."""
    if around.database is not None:
        yield Sample("comanda_database_bytes", (), around.database.bytes)
        yield Sample("comanda_outbox_waiting", (), around.database.events)
        yield Sample("comanda_outbox_oldest_seconds", (), around.database.oldest)
    if around.redis_bytes is not None:
        yield Sample("comanda_redis_memory_bytes", (), around.redis_bytes)


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
    yield from _histogram("comanda_socket_lag_seconds", LAGS, figures.lags, figures.lag_seconds)


def of_sessions(engine: Engine) -> Iterator[Sample]:
    """How many are connected at this moment."""
    yield Sample("comanda_socket_sessions", (), len(engine.sessions))


def in_flight(edge: Edge) -> Iterator[Sample]:
    """How many are served at this moment."""
    yield Sample("comanda_http_requests_in_flight", (), edge.in_flight)


def _histogram(
    name: str, bounds: Sequence[float], counts: Sequence[int], seconds: float
) -> Iterator[Sample]:
    for bound, count in zip((*map(str, bounds), "+Inf"), accumulate(counts), strict=True):
        yield Sample(name, (bound,), count)
    yield Sample(f"{name}_sum", (), seconds)
