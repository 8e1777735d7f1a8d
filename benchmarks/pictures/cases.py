"""What is asked of every server: which photographs, how wide, in which format."""

from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median
from typing import Final

from benchmarks.pictures.load import Load

QUALITY: Final = 80
"""What Comanda is asked for; the peers for whatever looks the same."""


@dataclass(frozen=True)
class Case:
    """Variants of one kind."""

    photographs: str
    width: int
    height: int | None
    format: str

    def __str__(self) -> str:
        box = f"{self.width}x{self.height}" if self.height else f"w {self.width}"
        return f"{self.photographs} to {box}, {'JPEG' if self.format == 'jpeg' else 'WebP'}"


# A picture of 4:3 whole, and as the square of a product's tile: who decodes small, or crops,
# is at home in one and not in the other.
_BOXES: Final = {
    "12 MP": ((400, None), (800, None), (400, 400), (800, 800)),
    "2 MP": ((400, None), (800, None)),
}
COLD: Final = [
    Case(photographs, width, height, format_)
    for photographs, boxes in _BOXES.items()
    for width, height in boxes
    for format_ in ("jpeg", "webp")
]
QUICK: Final = [case for case in COLD if case.width == 400]


@dataclass(frozen=True)
class Subject:
    """A server in one state, and how it spells a case: `path(case, number, quality)`."""

    name: str
    port: int
    process: int
    path: Callable[[Case, int, int], str]
    connections: int = 4
    requests: float = 1.0
    """How many of the requests of a round it is given: the slow fewer, the fast more."""


@dataclass
class Cost:
    """What one subject took for one case, round by round."""

    quality: int = QUALITY
    equal: bool = True
    """Whether any quality up to the highest sensible one looks the same; else it is QUALITY."""
    likeness: float = 0.0
    bytes: float = 0.0
    processor: list[float] = field(default_factory=list)
    """CPU seconds a request."""
    beside: list[float] = field(default_factory=list)
    """Those of the object store and of the database."""
    rates: list[float] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)

    def add(self, load: Load, processor: float, beside: float) -> None:
        """Take in one round."""
        requests = len(load.latencies)
        self.processor.append(processor / requests)
        self.beside.append(beside / requests)
        self.rates.append(requests / load.elapsed)
        self.latencies += load.latencies
        self.bytes = load.bytes / requests

    def times(self, other: "Cost") -> float:
        """How many times as much CPU as `other` it takes: the lower of median and minimum."""
        return min(
            median(self.processor) / median(other.processor),
            min(self.processor) / min(other.processor),
        )
