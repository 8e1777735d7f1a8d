"""What is asked of every server: which photographs, how wide, in which format."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from benchmarks import cost

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
class Cost(cost.Cost):
    """What one subject took for one case, and how much it looks like Comanda's."""

    quality: int = QUALITY
    equal: bool = True
    """Whether any quality up to the highest sensible one looks the same; else it is QUALITY."""
    likeness: float = 0.0
