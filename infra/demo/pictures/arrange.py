"""How pieces come to lie together: heaped, strewn, in a ring."""

import random
from collections.abc import Callable, Iterator, Sequence

from infra.demo.pictures.relief import Piece, Relief
from infra.demo.pictures.shapes import Point, polar

Make = Callable[[], Piece]

_MODELS = 6
"""How many different pieces of a kind are drawn, to be laid down again and again."""


def batch(make: Make, count: int) -> list[Piece]:
    """Some different pieces of one kind, no two equally bright."""
    return [make().lit(0.9 + 0.2 * i / max(1, count - 1)) for i in range(count)]


def _somewhere(rng: random.Random) -> tuple[float, float, float]:
    """A random place in the unit circle, and how far out it is."""
    while True:
        x, y = rng.uniform(-1, 1), rng.uniform(-1, 1)
        far = (x * x + y * y) ** 0.5
        if far <= 1:
            return x, y, far


def heap(
    relief: Relief,
    rng: random.Random,
    pieces: Sequence[Piece],
    count: int,
    spread: tuple[float, float],
    base: float,
    crown: float,
    at: Point = (0.0, 0.0),
    tip: float = 20,
) -> None:
    """Pieces thrown on a heap: an ellipse `spread` wide, `crown` pixels higher in its middle.

    Those on its flanks tip outwards, by up to about `tip` bytes of their normals.
    """
    for _ in range(count):
        x, y, far = _somewhere(rng)
        lift = base + crown * (1 - far * far) + rng.uniform(0, crown * 0.22)
        lean = (x * tip + rng.gauss(0, tip * 0.6), y * tip + rng.gauss(0, tip * 0.6))
        place = (at[0] + x * spread[0], at[1] + y * spread[1])
        relief.add(rng.choice(pieces), *place, lift, lean)


def strew(
    relief: Relief,
    rng: random.Random,
    make: Make,
    count: int,
    spread: tuple[float, float],
    at: Point = (0.0, 0.0),
    tip: float = 18,
    sink: float = 0,
) -> None:
    """Pieces dropped over an ellipse; each lies upon what is there, or `sink` pixels in it."""
    pieces = batch(make, min(count, _MODELS))
    for _ in range(count):
        dx, dy, _ = _somewhere(rng)
        x, y = at[0] + dx * spread[0], at[1] + dy * spread[1]
        lift = relief.ground(x, y) - sink if sink else None
        relief.add(rng.choice(pieces), x, y, lift, (rng.gauss(0, tip), rng.gauss(0, tip)))


def ring(count: int, radius: float, start: float = 0.0) -> Iterator[tuple[float, float, float]]:
    """Places on a circle and the angle there, in degrees."""
    for i in range(count):
        turn = start + 360 * i / count
        yield *polar(turn, radius), turn
