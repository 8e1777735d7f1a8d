"""Bounded parts of long lists: by their number, or by what the part before ended with."""

from datetime import datetime
from typing import Final, Generic, TypeVar

from msgspec import Struct

T = TypeVar("T")
P = TypeVar("P")

# A list is counted so far: a total of this much means "or more".
MOST_COUNTED: Final = 10_001


class Window(Struct, frozen=True):
    """Rows `offset` to `offset + limit` of a list; whoever makes one has bounded both."""

    limit: int
    offset: int = 0


class Position(Struct, frozen=True):
    """Where a row stands in a list by time: when it came, and its id for ties."""

    created_at: datetime
    id: int


class Rank(Struct, frozen=True):
    """Where a row stands in a list by a value of its own: that, and its id for ties."""

    value: int | str
    id: int


class Following(Struct, Generic[P], frozen=True):
    """The `limit` rows that come after a position; as cheap at any depth."""

    limit: int
    after: P


class Stretch(Struct, Generic[T, P], frozen=True):
    """Rows of a list, the position of the last where others follow, and how many the whole list
    has, up to MOST_COUNTED; None where they were not counted."""

    rows: list[T]
    last: P | None
    total: int | None
