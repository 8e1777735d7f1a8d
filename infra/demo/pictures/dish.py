"""What a menu hands to the studio: how a dish is laid, and from where it is looked at."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from infra.demo.pictures.relief import Relief

Lay = Callable[[Relief, random.Random], None]
View = Literal["above", "front"]


@dataclass(frozen=True, slots=True)
class Dish:
    """`lay` puts it on a table and sets what belongs round it."""

    lay: Lay
    view: View

    @property
    def name(self) -> str:
        return self.lay.__name__


def above(*lays: Lay) -> tuple[Dish, ...]:
    """Dishes on plates, looked down upon."""
    return tuple(Dish(lay, "above") for lay in lays)


def front(*lays: Lay) -> tuple[Dish, ...]:
    """Dishes that stand, seen from across the table."""
    return tuple(Dish(lay, "front") for lay in lays)
