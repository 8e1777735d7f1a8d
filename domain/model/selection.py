"""Which columns are read: of a thing, and of what belongs to it."""

from collections.abc import Sequence

from msgspec import Struct


class Chosen(Struct, frozen=True):
    """A column by the domain's name for it, and by the name that it is sent under; or, with
    `of`, something that belongs to the thing, and what is chosen of that."""

    name: str
    column: str
    of: tuple["Chosen", ...] = ()


Selection = Sequence[Chosen]


def columns(*names: str) -> tuple[Chosen, ...]:
    """Columns under their own names."""
    return tuple(Chosen(name, name) for name in names)
