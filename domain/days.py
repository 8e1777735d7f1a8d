"""Days of a report: from midnight to midnight by a clock on the wall, each cafeteria's own."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final, TypeAlias

from msgspec import Struct
from sqlalchemy import (
    ColumnElement,
    Date,
    DateTime,
    and_,
    cast,
    func,
    literal,
    type_coerce,
)

# No clock on earth is further off; and a day more.
_ROOM: Final = timedelta(days=2)


class Span(Struct, frozen=True):
    """Days from `first` to `last`, both included."""

    first: date
    last: date

    @property
    def number(self) -> int:
        """How many; less than one where the last is before the first."""
        return (self.last - self.first).days + 1

    @property
    def around(self) -> tuple[datetime, datetime]:
        """Two instants, and these days lie between them wherever one is."""
        begins, ends = (datetime.combine(day, time(), UTC) for day in (self.first, self.last))
        return begins - _ROOM, ends + _ROOM

    def at(self, _: Any) -> tuple[ColumnElement[date], ColumnElement[date]]:
        """The first and the last, the same in any time zone."""
        return literal(self.first, Date), literal(self.last, Date)


class Recent(Struct, frozen=True):
    """So many days, the last of which is the one that it is at the aware instant `now`."""

    now: datetime
    number: int = 1

    @property
    def around(self) -> tuple[datetime, datetime]:
        """As a span's."""
        return self.now - timedelta(days=self.number - 1) - _ROOM, self.now + _ROOM

    def at(self, zone: Any) -> tuple[ColumnElement[date], ColumnElement[date]]:
        """The first and the last in a time zone."""
        today = cast(func.timezone(zone, literal(self.now, DateTime(timezone=True))), Date)
        return cast(today - (self.number - 1), Date), today


Days: TypeAlias = Span | Recent


def bounds(days: Days, zone: Any) -> tuple[ColumnElement[datetime], ColumnElement[datetime]]:
    """The instants from which, and before which, it is one of the days in a time zone."""
    first, last = days.at(zone)

    def midnight(day: ColumnElement[date]) -> ColumnElement[datetime]:
        at = func.timezone(zone, cast(day, DateTime))
        return type_coerce(at, DateTime(timezone=True))

    return midnight(first), midnight(cast(last + 1, Date))


def within(days: Days, instant: Any, zone: Any) -> ColumnElement[bool]:
    """Whether an instant is of these days in a time zone.

    By bounds that differ from row to row alone, the planner would read the whole table.
    """
    begins, ends = bounds(days, zone)
    fixed = (literal(at, DateTime(timezone=True)) for at in days.around)
    return and_(instant.between(*fixed), instant >= begins, instant < ends)


def among(days: Days, day: Any, zone: Any) -> ColumnElement[bool]:
    """Whether a date is one of these days in a time zone."""
    fixed = (literal(at.date(), Date) for at in days.around)
    return and_(day.between(*fixed), day.between(*days.at(zone)))
