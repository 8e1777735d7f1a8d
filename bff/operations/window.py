"""What the last minute was like, of all processes that share the port."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final

from msgspec import Struct

from bff.operations.figures import BUCKETS, Figures, Sample, Snapshot
from domain.background import Background

log = logging.getLogger(__name__)

# Seconds between two looks at what was counted; and how many of these the window is long.
PAUSE: Final = 5.0
_LOOKS: Final = 12
_HITS: Final = frozenset({"memory", "redis"})
_FAULT: Final = "5xx"
# What asks again and again how we are.
_PROBES: Final = frozenset({"/health", "/ready", "/metrics"})


class Totals(Struct, frozen=True):
    """All that was counted until a moment."""

    requests: list[int]
    """By how long they took (BUCKETS)."""
    seconds: float
    faults: int
    bytes: int
    reads: float
    """Of the cache, and those that it could answer."""
    hits: float
    statements: dict[str, float]
    """That took no longer than so many seconds."""
    cpu: float


class Recent(Struct, frozen=True):
    """Of so many `seconds`. Times are in seconds, and null where nothing was asked for."""

    seconds: float
    requests: float
    """A second, and bytes of answers a second;"""
    bytes: float
    mean: float | None
    p95: float | None
    fault_share: float | None
    hit_share: float | None
    statement_p95: float | None
    cores: float
    """Processors that were busy with us, on average."""


class Window(Background):
    """Remembers what was counted a minute ago."""

    def __init__(self, figures: Figures) -> None:
        self._figures = figures
        self._past: deque[tuple[float, Totals]] = deque(maxlen=_LOOKS)

    def start(self) -> None:
        """Remember from now on."""
        self.remember()
        super().start()

    def remember(self) -> None:
        """How far everything has come."""
        self._past.append((time.monotonic(), _totals(self._figures.snapshots())))

    def recent(self) -> Recent:
        """What came since the oldest moment that is remembered."""
        (then, before), now = self._past[0], _totals(self._figures.snapshots())
        seconds = max(time.monotonic() - then, 0.001)
        requests = [b - a for a, b in zip(before.requests, now.requests, strict=True)]
        count = sum(requests)
        reads = now.reads - before.reads
        bounds = [bound for bound in now.statements if bound != "+Inf"]
        statements = [
            now.statements[bound] - before.statements.get(bound, 0.0) for bound in now.statements
        ]
        return Recent(
            seconds=seconds,
            requests=count / seconds,
            bytes=(now.bytes - before.bytes) / seconds,
            mean=(now.seconds - before.seconds) / count if count else None,
            p95=quantile(0.95, BUCKETS, requests),
            fault_share=(now.faults - before.faults) / count if count else None,
            hit_share=(now.hits - before.hits) / reads if reads else None,
            statement_p95=quantile(0.95, [*map(float, bounds)], _each(statements)),
            cores=(now.cpu - before.cpu) / seconds,
        )

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(PAUSE)
            try:
                self.remember()
            except Exception:
                log.exception("the last minute was not looked at")


def quantile(share: float, bounds: Sequence[float], counts: Sequence[float]) -> float | None:
    """What a `share` of those counted did not exceed, as Prometheus reckons it: evenly spread
    within each class, and nothing is longer than the longest bound. None of none."""
    left = share * sum(counts)
    if not left:
        return None
    lower = 0.0
    for upper, count in zip(bounds, counts, strict=False):
        if left <= count:
            return lower + (upper - lower) * left / count
        left -= count
        lower = upper
    return lower


def _each(cumulated: Sequence[float]) -> list[float]:
    """How many are in each class alone."""
    return [b - a for a, b in zip([0.0, *cumulated], cumulated, strict=False)]


def _totals(snapshots: Sequence[Snapshot]) -> Totals:
    requests = [0] * (len(BUCKETS) + 1)
    seconds, faults, sent = 0.0, 0, 0
    for snapshot in snapshots:
        for key, served in snapshot.served.items():
            _, status, route = key.split(" ", 2)
            if route in _PROBES:
                continue
            requests = [a + b for a, b in zip(requests, served.counts, strict=True)]
            seconds += served.seconds
            faults += sum(served.counts) if status == _FAULT else 0
            sent += served.bytes
    counted = [sample for snapshot in snapshots for sample in snapshot.counters]
    reads = [*_named("comanda_cache_reads", counted)]
    statements: dict[str, float] = {}
    for sample in _named("comanda_database_statement_seconds", counted):
        statements[sample.labels[0]] = statements.get(sample.labels[0], 0.0) + sample.value
    return Totals(
        requests=requests,
        seconds=seconds,
        faults=faults,
        bytes=sent,
        reads=sum(each.value for each in reads),
        hits=sum(each.value for each in reads if each.labels[1] in _HITS),
        statements=statements,
        cpu=sum(each.value for each in _named("comanda_process_cpu_seconds", counted)),
    )


def _named(name: str, samples: Iterable[Sample]) -> Iterable[Sample]:
    return (each for each in samples if each.name == name)
