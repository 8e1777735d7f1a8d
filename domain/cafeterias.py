"""The cafeterias of the campus, and whether each is open."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import groupby

from sqlalchemy import ColumnElement, select, true

from domain import kinds, model
from domain.cache import Cache
from domain.database import Database, Fence, Reader, Role
from domain.errors import NotFoundError
from domain.model.hours import (
    HORIZON,
    Interval,
    Place,
    Schedule,
    SpecialDay,
    Status,
    WeeklyInterval,
)

# Exceptions that a status may depend on: last night's, and those up to the horizon.
# A day more than that, for hours from the cache.
_PAST, _AHEAD = timedelta(days=3), HORIZON + timedelta(days=3)


class Cafeteria(Place, frozen=True):
    """A cafeteria, its hours, and what they mean at the instant it was asked for."""

    status: Status


class Cafeterias:
    """Where one eats on the campus; the hours from the cache, the status from the clock."""

    def __init__(self, database: Database, cache: Cache) -> None:
        self._database = database
        self._cache = cache

    async def listed(self, at: datetime) -> list[Cafeteria]:
        """Every cafeteria by name, with its status at the aware instant `at`."""
        places = await self._cache.get(kinds.HOURS, None, self._read) or []
        return [_at(place, at) for place in places]

    async def _read(
        self, keys: Sequence[None], fence: Fence
    ) -> tuple[dict[None, list[Place]], Fence]:
        now = datetime.now(UTC)

        async def read(database: Reader) -> dict[None, list[Place]]:
            return dict.fromkeys(keys, await _places(database, now, true()))

        return await self._database.snapshot(Role.MENU, read, fence)


async def cafeteria(database: Reader, cafeteria_id: int, at: datetime) -> Cafeteria:
    """One cafeteria with its status at `at`, in the caller's transaction. Raises NotFoundError."""
    found = await _places(database, at, model.Cafeteria.id == cafeteria_id)
    if not found:
        raise NotFoundError("cafeteria", cafeteria_id)
    return _at(found[0], at)


def _at(place: Place, at: datetime) -> Cafeteria:
    return Cafeteria(
        place.id, place.name, place.location, place.schedule, place.schedule.status(at)
    )


async def _places(database: Reader, at: datetime, chosen: ColumnElement[bool]) -> list[Place]:
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
    found = []
    for key, name, location, time_zone, last_order_minutes in rows:
        schedule = Schedule(
            time_zone=time_zone,
            weekly=tuple(weekly[key]),
            exceptions=tuple(special[key]),
            last_order=timedelta(minutes=last_order_minutes),
        )
        found.append(Place(key, name, location, schedule))
    return found


def _special_day(on_date: date, shifts: list[tuple[object, ...]]) -> SpecialDay:
    """A closed day is kept as one row without times."""
    intervals = [Interval(*shift) for shift in shifts if shift[0] is not None]  # type: ignore[arg-type]
    return SpecialDay(on=on_date, intervals=tuple(intervals))
