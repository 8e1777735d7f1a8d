"""The cafeterias of the campus, and whether each is open."""

from collections import defaultdict
from datetime import date, datetime, timedelta
from itertools import groupby

from msgspec import Struct
from sqlalchemy import ColumnElement, select, true

from domain import model
from domain.database import Database, Reader, Role
from domain.errors import NotFoundError
from domain.model.hours import HORIZON, Interval, Schedule, SpecialDay, Status, WeeklyInterval

# Exceptions that a status may depend on: last night's, and those up to the horizon.
_PAST, _AHEAD = timedelta(days=3), HORIZON + timedelta(days=2)


class Cafeteria(Struct, frozen=True):
    """A cafeteria, its hours, and what they mean at the instant it was read."""

    id: int
    name: str
    location: str
    schedule: Schedule
    status: Status


class Cafeterias:
    """Reads of the cafeterias, from the replica that serves the menu."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def listed(self, at: datetime) -> list[Cafeteria]:
        """Every cafeteria by name, with its status at the aware instant `at`."""

        async def read(database: Reader) -> list[Cafeteria]:
            return await _cafeterias(database, at, true())

        return await self._database.read(Role.MENU, read)


async def cafeteria(database: Reader, cafeteria_id: int, at: datetime) -> Cafeteria:
    """One cafeteria with its status at `at`, in the caller's transaction. Raises NotFoundError."""
    found = await _cafeterias(database, at, model.Cafeteria.id == cafeteria_id)
    if not found:
        raise NotFoundError("cafeteria", cafeteria_id)
    return found[0]


async def _cafeterias(
    database: Reader, at: datetime, chosen: ColumnElement[bool]
) -> list[Cafeteria]:
    places = (
        select(
            model.Cafeteria.id,
            model.Cafeteria.name,
            model.Cafeteria.location,
            model.Cafeteria.time_zone,
            model.Cafeteria.last_order_minutes,
        )
        .where(chosen)
        .order_by(model.Cafeteria.name)
    )
    intervals = (
        select(
            model.OpeningInterval.cafeteria_id,
            model.OpeningInterval.weekday,
            model.OpeningInterval.opens_at,
            model.OpeningInterval.closes_at,
        )
        .join(model.Cafeteria, model.Cafeteria.id == model.OpeningInterval.cafeteria_id)
        .where(chosen)
        .order_by(model.OpeningInterval.weekday, model.OpeningInterval.opens_at)
    )
    exceptions = (
        select(
            model.OpeningException.cafeteria_id,
            model.OpeningException.on_date,
            model.OpeningException.opens_at,
            model.OpeningException.closes_at,
        )
        .join(model.Cafeteria, model.Cafeteria.id == model.OpeningException.cafeteria_id)
        .where(
            chosen,
            model.OpeningException.on_date.between((at - _PAST).date(), (at + _AHEAD).date()),
        )
        .order_by(model.OpeningException.cafeteria_id, model.OpeningException.on_date)
    )
    weekly: dict[int, list[WeeklyInterval]] = defaultdict(list)
    special: dict[int, list[SpecialDay]] = defaultdict(list)
    rows = (await database.execute(places)).all()
    for owner, weekday, opens_at, closes_at in await database.execute(intervals):
        weekly[owner].append(
            WeeklyInterval(weekday=weekday, opens_at=opens_at, closes_at=closes_at)
        )
    days = (await database.execute(exceptions)).all()
    for (owner, on_date), shifts in groupby(days, key=lambda row: row[:2]):
        special[owner].append(_special_day(on_date, [row[2:] for row in shifts]))
    cafeterias = []
    for key, name, location, time_zone, last_order_minutes in rows:
        schedule = Schedule(
            time_zone=time_zone,
            weekly=tuple(weekly[key]),
            exceptions=tuple(special[key]),
            last_order=timedelta(minutes=last_order_minutes),
        )
        cafeterias.append(Cafeteria(key, name, location, schedule, schedule.status(at)))
    return cafeterias


def _special_day(on_date: date, shifts: list[tuple[object, ...]]) -> SpecialDay:
    """A closed day is kept as one row without times."""
    intervals = [Interval(*shift) for shift in shifts if shift[0] is not None]  # type: ignore[arg-type]
    return SpecialDay(on=on_date, intervals=tuple(intervals))
