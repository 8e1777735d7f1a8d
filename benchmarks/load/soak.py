"""Whether anything grows while nothing else does: memory, open files, connections, keys."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.load.conductor import Sample
from benchmarks.load.figures import Slope, slope
from benchmarks.load.machine import GENERATOR, PARTS

# Of a run, until caches are full and those who are idle are known.
WARM: Final = 0.25
# What grows by less of its level in an hour is flat; and so is what grows by less than the floor
# of its kind, for a level of ten files is nothing to take a share of.
FLAT: Final = 0.05
# Seconds below which an hour is not told from them.
ENOUGH: Final = 600.0
_FLOORS: Final = {"memory, MB": 16.0, "open files": 25.0, "connections": 5.0, "keys": 250.0}


@dataclass(frozen=True)
class Trend:
    """How a figure of a part moved; the generator's counts for nothing."""

    part: str
    what: str
    slope: Slope
    first: float
    last: float
    seconds: float

    @property
    def verdict(self) -> str:
        """Whether it grows by no more than nobody minds."""
        if self.part == GENERATOR:
            return ""
        if self.seconds < ENOUGH:
            return "too short to say"
        return "flat" if self.slope.is_flat(FLAT, _FLOORS[self.what]) else "**grows**"


def trends(samples: Sequence[Sample]) -> list[Trend]:
    """Of every figure, once all is warm."""
    settled = samples[int(len(samples) * WARM) :]
    return [
        Trend(part, what, slope(points), points[0][1], points[-1][1], points[-1][0] - points[0][0])
        for part, what, points in _figures(settled)
        if points
    ]


def table(found: Sequence[Trend]) -> str:
    """All of them, and which of them grow."""
    rows = [
        "| part | what | first | last | median | in an hour | |",
        "|---|---|---|---|---|---|---|",
    ]
    rows += [
        f"| {each.part} | {each.what} | {each.first:,.0f} | {each.last:,.0f} "
        f"| {each.slope.level:,.0f} | {each.slope.an_hour:+,.1f} | {each.verdict} |"
        for each in found
    ]
    return "\n".join(rows) + "\n"


def _figures(samples: Sequence[Sample]) -> Iterator[tuple[str, str, list[tuple[float, float]]]]:
    for part in PARTS:
        usage = [(sample.at, sample.usage[part]) for sample in samples]
        yield part, "memory, MB", [(at, each.memory / 1e6) for at, each in usage]
        yield part, "open files", [(at, float(each.files)) for at, each in usage]
    for name in samples[0].nodes if samples else ():
        yield (
            f"PostgreSQL, {name}",
            "connections",
            [(s.at, float(s.nodes[name].connections)) for s in samples if name in s.nodes],
        )
    yield "Redis", "keys", [(sample.at, float(sample.redis.keys)) for sample in samples]
