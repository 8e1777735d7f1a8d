"""Figures of this process, and of its siblings: rates, errors and durations by route."""

import asyncio
import os
import time
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Final

import msgspec
from litestar.enums import HttpMethod
from msgspec import Struct
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from bff.cache_figures import FAMILIES
from bff.edge.exchange import Exchange
from domain.background import Background

# Upper bounds in seconds; what a phone notices begins at a tenth.
BUCKETS: Final = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_BOUNDS: Final = (*map(str, BUCKETS), "+Inf")
_METHODS: Final = frozenset({*HttpMethod, "TRACE"})
# Whatever somebody makes up would be a series of its own.
_NO_ROUTE: Final = "none"
_OTHER: Final = "other"
# Seconds between two looks at the loop, and at what siblings are told; and how many are remembered.
_PAUSE: Final = 0.25
_TELL: Final = 1.0
_LOOKS: Final = 60
_SUFFIX: Final = ".figures"

Labels = tuple[str, ...]


class Sample(Struct, frozen=True, array_like=True):
    """A number under a name, with the values of its labels."""

    name: str
    labels: Labels
    value: float


class Served(Struct, array_like=True):
    """Answers to one method of one route with one class of status, by how long they took."""

    counts: list[int]
    seconds: float = 0.0
    bytes: int = 0


class Snapshot(Struct, array_like=True):
    """All of one process at a moment: what it has counted, and how it stands."""

    served: dict[str, Served]
    counters: list[Sample]
    gauges: list[Sample]


class Meaning(Struct, frozen=True):
    """Of a name: what it says, of what, and of several processes how it is put together."""

    words: str
    labels: Labels = ()
    together: Callable[[float, float], float] = float.__add__


COUNTERS: Final = {
    "comanda_limit_decisions": Meaning(
        "Requests that a limit let through or refused, and who counted",
        ("policy", "decision", "by"),
    ),
    "comanda_refused_requests": Meaning("Requests that reached no route", ("reason",)),
    **{name: Meaning(each.words, each.labels) for name, each in FAMILIES.items()},
    "comanda_database_reads": Meaning("Reads, by the node that answered", ("role", "node")),
    "comanda_socket_closes": Meaning("Sessions that are over, and why", ("reason",)),
    "comanda_socket_refusals": Meaning("What sockets asked for in vain", ("kind",)),
    "comanda_socket_events": Meaning("Events of clients", ("event",)),
    "comanda_socket_deliveries": Meaning("Events of ours, by each client that got them"),
    "comanda_socket_recoveries": Meaning("Clients that went on where they were cut off"),
    "comanda_process_starts": Meaning("Processes that have begun to serve"),
    "comanda_process_cpu_seconds": Meaning(
        "CPU of what serves (application), and of what renders for it (pictures)", ("part",)
    ),
    "comanda_picture_outcomes": Meaning("Jobs on pictures, by what became of them", ("outcome",)),
    "comanda_picture_seconds": Meaning("Seconds that jobs on pictures waited, and ran", ("step",)),
}
HISTOGRAMS: Final = {
    "comanda_database_statement_seconds": "Until all rows of a statement were there",
    "comanda_socket_lag_seconds": "From a change until it was written to all who watch",
}
"""Of samples by the one label `le`, each with all that took no longer; and NAME_sum."""
GAUGES: Final = {
    "comanda_processes": Meaning("Processes that serve"),
    "comanda_process_memory_bytes": Meaning(
        "Memory that is resident, shared pages counted in each process", ("part",)
    ),
    "comanda_dependency_up": Meaning(
        "1 where a part answers, 0 where it did not twice", ("dependency",), min
    ),
    "comanda_database_connections": Meaning(
        "Connections to a node, at work (active) or not (idle)", ("node", "state")
    ),
    "comanda_database_replica_lag_seconds": Meaning(
        "How far a replica that answers is behind the primary", ("node",), max
    ),
    "comanda_database_bytes": Meaning("The database, with its indexes", together=max),
    "comanda_outbox_waiting": Meaning(
        "Events that nobody has seen to yet, 1000 at most", together=max
    ),
    "comanda_outbox_oldest_seconds": Meaning("Since when the oldest of them waits", together=max),
    "comanda_redis_memory_bytes": Meaning("Memory of all masters of Redis", together=max),
    "comanda_picture_processes": Meaning("Processes that render, ready or at work"),
    "comanda_picture_processes_wanted": Meaning("Processes that should render"),
    "comanda_picture_jobs": Meaning("Jobs on pictures at this moment", ("state",)),
    "comanda_socket_sessions": Meaning("Sessions of sockets"),
    "comanda_http_requests_in_flight": Meaning("Requests that are being answered"),
    "comanda_event_loop_lag_seconds": Meaning(
        "The longest that a loop came late in the last quarter of a minute", together=max
    ),
}
Source = Callable[[], Iterable[Sample]]


class Figures(Background):
    """Counts requests, and tells of them as Prometheus wants it.

    Where there are several processes they leave their figures in `directory`, once a second, and
    whichever is asked answers for all; what one of them had counted stays when it is gone.
    """

    def __init__(self, directory: Path | None) -> None:
        self._served: dict[tuple[str, str, int], Served] = {}
        self._directory = directory
        self._lags: deque[float] = deque([0.0], maxlen=_LOOKS)
        self.counters: list[Source] = []
        """Where to ask for what others count,"""
        self.gauges: list[Source] = []
        """and how they stand."""

    async def close(self) -> None:
        """Leave behind what was counted."""
        await super().close()
        self.gauges.clear()
        self._tell()

    def note(self, exchange: Exchange, seconds: float) -> None:
        """A request was answered."""
        scope = exchange.scope
        route = scope.get("path_template") or _NO_ROUTE
        method = scope["method"] if scope["method"] in _METHODS else _OTHER
        key = (method, route, exchange.status // 100)
        served = self._served.get(key)
        if served is None:
            served = self._served[key] = Served([0] * len(_BOUNDS))
        served.counts[bisect_left(BUCKETS, seconds)] += 1
        served.seconds += seconds
        served.bytes += exchange.bytes

    def exposition(self, accept: str) -> tuple[bytes, str]:
        """Of all processes, in a format that `accept` names; and its media type."""
        encode, media_type = choose_encoder(accept)
        return encode(_Told(self.snapshots())), media_type

    def snapshots(self) -> Sequence[Snapshot]:
        """Of this process and of the others, of which those that have ended have counted only."""
        return [self._snapshot(), *self._of_others()]

    def standing(self, name: str, *labels: str) -> float:
        """The sum of a gauge over all processes, as far as it has these values of labels."""
        return sum(
            sample.value
            for snapshot in self.snapshots()
            for sample in snapshot.gauges
            if sample.name == name and {*labels} <= {*sample.labels}
        )

    def _snapshot(self) -> Snapshot:
        served = {
            f"{method} {status}xx {route}": each
            for (method, route, status), each in self._served.items()
        }
        lag = Sample("comanda_event_loop_lag_seconds", (), max(self._lags))
        return Snapshot(
            served,
            [sample for source in self.counters for sample in source()],
            [lag, *(sample for source in self.gauges for sample in source())],
        )

    def _of_others(self) -> Iterator[Snapshot]:
        if self._directory is None:
            return
        for path in self._directory.glob(f"*{_SUFFIX}"):
            process = int(path.stem)
            if process == os.getpid():
                continue
            told = msgspec.msgpack.decode(path.read_bytes(), type=Snapshot)
            yield told if _is_alive(process) else Snapshot(told.served, told.counters, [])

    async def _run(self) -> None:
        told = time.monotonic()
        while True:
            began = time.monotonic()
            await asyncio.sleep(_PAUSE)
            now = time.monotonic()
            self._lags.append(max(0.0, now - began - _PAUSE))
            if now - told >= _TELL:
                told = now
                self._tell()

    def _tell(self) -> None:
        if self._directory is None:
            return
        path = self._directory / f"{os.getpid()}{_SUFFIX}"
        # Whoever reads meanwhile has the one or the other.
        new = path.with_suffix(".new")
        new.write_bytes(msgspec.msgpack.encode(self._snapshot()))
        new.replace(path)


class _Told(Collector):
    """The figures of several processes as one."""

    def __init__(self, snapshots: Sequence[Snapshot]) -> None:
        self._snapshots = snapshots

    def collect(self) -> Iterator[Metric]:
        """As prometheus_client asks for it."""
        yield from self._of_requests()
        for name, meaning in COUNTERS.items():
            counter = CounterMetricFamily(name, meaning.words, labels=meaning.labels)
            counted = (each.counters for each in self._snapshots)
            for labels, value in _together(name, meaning, counted):
                counter.add_metric(labels, value)
            yield counter
        for name, words in HISTOGRAMS.items():
            yield self._histogram(name, words)
        for name, meaning in GAUGES.items():
            gauge = GaugeMetricFamily(name, meaning.words, labels=meaning.labels)
            standing = (each.gauges for each in self._snapshots)
            for labels, value in _together(name, meaning, standing):
                gauge.add_metric(labels, value)
            yield gauge

    def _of_requests(self) -> Iterator[Metric]:
        labels = ("method", "route", "status")
        durations = HistogramMetricFamily(
            "comanda_http_request_duration_seconds",
            "Until all of it was sent",
            labels=labels,
        )
        sizes = CounterMetricFamily(
            "comanda_http_response_bytes", "Of the content of answers, as sent", labels=labels
        )
        for key, served in self._added().items():
            method, status, route = key.split(" ", 2)
            values = (method, route, status)
            buckets = list(zip(_BOUNDS, accumulate(served.counts), strict=True))
            durations.add_metric(values, buckets, served.seconds)
            sizes.add_metric(values, served.bytes)
        yield durations
        yield sizes

    def _histogram(self, name: str, words: str) -> Metric:
        meaning = Meaning(words, ("le",))
        counted = [each.counters for each in self._snapshots]
        buckets = [(bound, count) for (bound,), count in _together(name, meaning, counted)]
        seconds = sum(value for _, value in _together(f"{name}_sum", meaning, counted))
        histogram = HistogramMetricFamily(name, words)
        if buckets:
            histogram.add_metric((), buckets, seconds)
        return histogram

    def _added(self) -> dict[str, Served]:
        total: dict[str, Served] = {}
        for snapshot in self._snapshots:
            for key, each in snapshot.served.items():
                known = total.setdefault(key, Served([0] * len(_BOUNDS)))
                known.counts = [*map(int.__add__, known.counts, each.counts)]
                known.seconds += each.seconds
                known.bytes += each.bytes
        return total


def _together(
    name: str, meaning: Meaning, told: Iterable[list[Sample]]
) -> Iterable[tuple[Labels, float]]:
    total: dict[Labels, float] = {}
    for samples in told:
        for each in samples:
            if each.name == name:
                value = float(each.value)
                known = total.get(each.labels)
                total[each.labels] = value if known is None else meaning.together(known, value)
    return total.items()


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
