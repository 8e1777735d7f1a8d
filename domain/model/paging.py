"""A bounded part of a long list."""

from typing import Generic, TypeVar

from msgspec import Struct

T = TypeVar("T")


class Window(Struct, frozen=True):
    """Rows `offset` to `offset + limit` of a list; whoever makes one has bounded both."""

    limit: int
    offset: int = 0


class Page(Struct, Generic[T], frozen=True):
    """The rows of a window, and how many the whole list has."""

    rows: list[T]
    total: int
