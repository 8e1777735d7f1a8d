"""What becomes of many figures: percentiles of several processes and seconds, shares, slopes."""

import urllib.request
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from math import inf
from statistics import median
from typing import Final

from msgspec import Struct
from prometheus_client.parser import text_string_to_metric_families

_DIRECT: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))
_HOUR: Final = 3600.0


class Entry(Struct, frozen=True):
    """Requests of one name, as the generator counts them: milliseconds in all, and how many took
    how many of them."""

    method: str
    name: str
    requests: int
    failures: int
    milliseconds: float
    times: list[tuple[float, int]]


class Second(Struct, frozen=True):
    """What happened in a second: people there are, requests, errors by their words, and what went
    wrong in the generator itself, all in all."""

    at: float
    people: int
    entries: list[Entry]
    errors: dict[str, int]
    exceptions: dict[str, int]

    @property
    def requests(self) -> list[Entry]:
        """Without what only sockets were told."""
        return [entry for entry in self.entries if entry.method != "SOCKET"]


@dataclass
class Taken:
    """How long requests took, of however many processes and seconds."""

    requests: int = 0
    failures: int = 0
    milliseconds: float = 0.0
    times: Counter[float] = field(default_factory=Counter)

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> "Taken":
        """All of them together."""
        taken = cls()
        for entry in entries:
            taken.requests += entry.requests
            taken.failures += entry.failures
            taken.milliseconds += entry.milliseconds
            for time, count in entry.times:
                taken.times[time] += count
        return taken

    @property
    def mean(self) -> float:
        """Milliseconds."""
        return self.milliseconds / max(1, self.requests)

    @property
    def error_share(self) -> float:
        """From 0 to 1."""
        return self.failures / max(1, self.requests)

    def quantile(self, share: float) -> float:
        """Milliseconds that `share` of them took at most; 0 of none."""
        wanted, counted = share * self.times.total(), 0
        for time in sorted(self.times):
            counted += self.times[time]
            if counted >= wanted:
                return time
        return 0.0


@dataclass(frozen=True)
class Histogram:
    """A histogram of Prometheus: how many took at most so many seconds, and all seconds."""

    bounds: tuple[float, ...] = ()
    counts: tuple[float, ...] = ()
    """Each with those of the bounds below; the last bound is infinite."""
    seconds: float = 0.0

    @property
    def count(self) -> float:
        """All there were."""
        return self.counts[-1] if self.counts else 0.0

    def __add__(self, other: "Histogram") -> "Histogram":
        return self._with(other, 1)

    def __sub__(self, other: "Histogram") -> "Histogram":
        return self._with(other, -1)

    def within(self, seconds: float) -> float:
        """The share that took no longer than a bound of it, from 0 to 1."""
        if not self.count:
            return 1.0
        return self.counts[self.bounds.index(seconds)] / self.count

    def quantile(self, share: float) -> float:
        """Seconds that `share` took at most, between two bounds in proportion, as Prometheus'
        histogram_quantile has it; the last finite bound where it is beyond."""
        if not self.count:
            return 0.0
        wanted = share * self.count
        at = bisect_left(self.counts, wanted)
        if self.bounds[at] == inf:
            return self.bounds[at - 1]
        below, before = (self.bounds[at - 1], self.counts[at - 1]) if at else (0.0, 0.0)
        among = self.counts[at] - before
        return below + (self.bounds[at] - below) * ((wanted - before) / among if among else 0.0)

    def _with(self, other: "Histogram", sign: int) -> "Histogram":
        if not other.bounds:
            return self
        mine = self.counts or (0.0,) * len(other.counts)
        counts = tuple(a + sign * b for a, b in zip(mine, other.counts, strict=True))
        return Histogram(other.bounds, counts, self.seconds + sign * other.seconds)


Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Scraped:
    """What /metrics said at a moment: each figure by its name and its labels."""

    values: dict[tuple[str, Labels], float]

    @classmethod
    def of(cls, url: str) -> "Scraped":
        """What it says now."""
        with _DIRECT.open(f"{url}/metrics", timeout=30) as answer:
            return cls.read(answer.read().decode())

    @classmethod
    def read(cls, text: str) -> "Scraped":
        """The text format of Prometheus."""
        return cls(
            {
                (sample.name, tuple(sorted(sample.labels.items()))): sample.value
                for family in text_string_to_metric_families(text)
                for sample in family.samples
            }
        )

    def sum(self, name: str, **labels: str) -> float:
        """All figures of that name that have these labels."""
        wanted = labels.items()
        return sum(
            value
            for (known, has), value in self.values.items()
            if known == name and wanted <= dict(has).items()
        )

    def histogram(self, name: str, *, starts: str = "") -> Histogram:
        """All series of a histogram together; of requests, those to routes that start so."""
        counts: defaultdict[float, float] = defaultdict(float)
        for (known, has), value in self.values.items():
            labels = dict(has)
            if known == f"{name}_bucket" and labels.get("route", "").startswith(starts):
                counts[float(labels["le"])] += value
        bounds = tuple(sorted(counts))
        seconds = sum(
            value
            for (known, has), value in self.values.items()
            if known == f"{name}_sum" and dict(has).get("route", "").startswith(starts)
        )
        return Histogram(bounds, tuple(counts[bound] for bound in bounds), seconds)


@dataclass(frozen=True)
class Slope:
    """How a figure moves: its median, and by how much in an hour."""

    level: float
    an_hour: float

    def is_flat(self, share: float, floor: float) -> bool:
        """Whether it rises by less than a share of its level in an hour, or by less than what
        nobody minds."""
        return self.an_hour <= max(share * abs(self.level), floor)


def slope(points: Sequence[tuple[float, float]]) -> Slope:
    """The median of the slopes between all pairs (Theil and Sen): a few outliers, such as a sweep
    or a checkpoint, do not move it. Points are moments in seconds, and values."""
    slopes = [
        (value - before) / (at - since)
        for (since, before), (at, value) in combinations(points, 2)
        if at > since
    ]
    level = median(value for _, value in points) if points else 0.0
    return Slope(level, median(slopes) * _HOUR if slopes else 0.0)
