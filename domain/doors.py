"""Which cafeterias take orders at a moment, without asking each time."""

from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct

from domain.cafeterias import cafeteria
from domain.database import Reader
from domain.errors import ClosedError

# Exceptions of the days around were read with the hours, and no others.
_LONGEST: Final = timedelta(days=1)


class _Door(Struct, frozen=True):
    """From when and until when it is open, by hours of a version."""

    hours_version: int
    opened_at: datetime
    closes_at: datetime


class Doors:
    """What was seen of each cafeteria's hours last. It holds for as long as their version is the
    present one, which whoever counts on it has to make sure of."""

    def __init__(self) -> None:
        self._known: dict[int, _Door] = {}

    def open_at(self, cafeteria_id: int, at: datetime) -> int | None:
        """The version of the hours by which a cafeteria takes orders at this instant; None where
        that is not known."""
        door = self._known.get(cafeteria_id)
        is_open = door is not None and door.opened_at <= at < door.closes_at
        return door.hours_version if door and is_open else None

    async def must_be_open(self, database: Reader, cafeteria_id: int, at: datetime) -> None:
        """Look at its hours. Raises NotFoundError, ClosedError."""
        place = await cafeteria(database, cafeteria_id, at)
        status = place.status
        if status.accepts_orders:
            closes_at = min(status.next_change or at + _LONGEST, at + _LONGEST)
            self._known[cafeteria_id] = _Door(place.version, at, closes_at)
            return
        if status.is_open and status.closes_at is not None:
            # Too late for today: when the doors have closed, it is known when they open.
            status = place.schedule.status(status.closes_at)
        raise ClosedError(place.name, status.opens_at)
