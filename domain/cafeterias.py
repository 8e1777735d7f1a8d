"""The cafeterias of the campus, and whether each is open."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby
from typing import Any, Final, TypeAlias

from sqlalchemy import BigInteger, ColumnElement, Date, Select, bindparam, select, true

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
MOST_DAYS: Final = 400
# When to look again for the next change of who had none within the horizon.
_SOON: Final = timedelta(minutes=1)


class Cafeteria(Place, frozen=True):
    """A cafeteria, its hours, and what they mean at the instant it was asked for."""

    status: Status


def first_turn(cafeterias: Iterable[Cafeteria]) -> datetime | None:
    """When the first of them is another than it is now; None where nobody knows."""
    turns = (each.status.next_change for each in cafeterias)
    return min(filter(None, turns), default=None)


class Statuses:
    """What the same hours mean, gone through once until the first of them turns."""

    def __init__(self) -> None:
        self._places: list[Place] = []
        self._cafeterias: list[Cafeteria] = []
        self._since = self._until = datetime.max.replace(tzinfo=UTC)

    def at(self, places: list[Place], at: datetime) -> list[Cafeteria]:
        """The places with their status at the aware instant `at`."""
        if places is not self._places or not self._since <= at < self._until:
            self._places, self._since = places, at
            self._cafeterias = [_at(place, at) for place in places]
            soon = at + _SOON
            turns = (each.status.next_change or soon for each in self._cafeterias)
            self._until = min(turns, default=soon)
        return list(self._cafeterias)


class Cafeterias:
    """Where one eats on the campus; the hours from the cache, the status from the clock."""

    def __init__(self, database: Database, cache: Cache) -> None:
        self._database = database
        self._cache = cache
        self._statuses = Statuses()

    async def listed(self, at: datetime) -> list[Cafeteria]:
        """Every cafeteria by name, with its status at the aware instant `at`."""
        return self._statuses.at(await self._cache.get(kinds.HOURS, None, self._read) or [], at)

    async def one(self, cafeteria_id: int, at: datetime) -> Cafeteria:
        """One of them. Raises NotFoundError."""
        for each in await self.listed(at):
            if each.id == cafeteria_id:
                return each
        raise NotFoundError("cafeteria", cafeteria_id)

    async def exceptions(self, cafeteria_id: int, since: date) -> list[SpecialDay]:
        """The dates from `since` on that do not follow the week, the next MOST_DAYS of them."""
        days = (
            select(model.OpeningException.on_date)
            .distinct()
            .where(
                model.OpeningException.cafeteria_id == cafeteria_id,
                model.OpeningException.on_date >= since,
            )
            .order_by(model.OpeningException.on_date)
            .limit(MOST_DAYS)
        )

        async def read(database: Reader) -> list[SpecialDay]:
            chosen = (
                model.OpeningException.cafeteria_id == cafeteria_id,
                model.OpeningException.on_date.in_(days),
            )
            return _special_days(await database.execute(_exceptions(*chosen)))[cafeteria_id]

        return await self._database.read(Role.MENU, read)

    async def _read(
        self, keys: Sequence[None], fence: Fence
    ) -> tuple[dict[None, list[Place]], Fence]:
        now = datetime.now(UTC)

        async def read(database: Reader) -> dict[None, list[Place]]:
            return dict.fromkeys(keys, await _places(database, now))

        return await self._database.snapshot(Role.MENU, read, fence)


async def cafeteria(database: Reader, cafeteria_id: int, at: datetime) -> Cafeteria:
    """One cafeteria with its status at `at`, in the caller's transaction. Raises NotFoundError."""
    found = await _places(database, at, cafeteria_id)
    if not found:
        raise NotFoundError("cafeteria", cafeteria_id)
    return _at(found[0], at)


def _at(place: Place, at: datetime) -> Cafeteria:
    return Cafeteria(
        place.id,
        place.name,
        place.location,
        place.schedule,
        place.version,
        place.schedule.status(at),
    )


_Exceptions: TypeAlias = Select[int, date, str | None, time | None, time | None]


def _questions(
    chosen: ColumnElement[bool],
) -> tuple[
    Select[int, str, str, str, int, int],
    Select[int, int, time, time],
    _Exceptions,
]:
    """The places, their weeks, and the days on which it is otherwise."""
    places = (
        select(
            model.Cafeteria.id,
            model.Cafeteria.name,
            model.Cafeteria.location,
            model.Cafeteria.time_zone,
            model.Cafeteria.last_order_minutes,
            model.Cafeteria.version,
        )
        .where(chosen, model.Cafeteria.withdrawn_at.is_(None))
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
    near = model.OpeningException.on_date.between(
        bindparam("first", type_=Date), bindparam("last", type_=Date)
    )
    return places, intervals, _exceptions(chosen, near)


def _exceptions(*chosen: ColumnElement[bool]) -> _Exceptions:
    """Closed days, and those with other hours, by cafeteria and date."""
    return (
        select(
            model.OpeningException.cafeteria_id,
            model.OpeningException.on_date,
            model.OpeningException.reason,
            model.OpeningException.opens_at,
            model.OpeningException.closes_at,
        )
        .join(model.Cafeteria, model.Cafeteria.id == model.OpeningException.cafeteria_id)
        .where(*chosen)
        .order_by(
            model.OpeningException.cafeteria_id,
            model.OpeningException.on_date,
            model.OpeningException.opens_at,
        )
    )


# Built once, for building takes longer than running.
_OF_ALL: Final = _questions(true())
_OF_ONE: Final = _questions(model.Cafeteria.id == bindparam("place", type_=BigInteger))


async def _places(database: Reader, at: datetime, place: int | None = None) -> list[Place]:
    places, intervals, exceptions = _OF_ALL if place is None else _OF_ONE
    chosen: dict[str, Any] = {} if place is None else {"place": place}
    near = {"first": (at - _PAST).date(), "last": (at + _AHEAD).date()}
    weekly: dict[int, list[WeeklyInterval]] = defaultdict(list)
    rows = (await database.execute(places, chosen)).all()
    for owner, weekday, opens_at, closes_at in await database.execute(intervals, chosen):
        weekly[owner].append(
            WeeklyInterval(weekday=weekday, opens_at=opens_at, closes_at=closes_at)
        )
    special = _special_days(await database.execute(exceptions, chosen | near))
    found = []
    for key, name, location, time_zone, last_order_minutes, version in rows:
        schedule = Schedule(
            time_zone=time_zone,
            weekly=tuple(weekly[key]),
            exceptions=tuple(special[key]),
            last_order=timedelta(minutes=last_order_minutes),
        )
        found.append(Place(key, name, location, schedule, version))
    return found


def _special_days(rows: Iterable[Sequence[Any]]) -> dict[int, list[SpecialDay]]:
    """Exceptions by cafeteria."""
    special: dict[int, list[SpecialDay]] = defaultdict(list)
    for (owner, on_date), shifts in groupby(rows, key=lambda row: row[:2]):
        _, _, reasons, opens_at, closes_at = zip(*shifts, strict=True)
        # A closed day is kept as one row without times.
        intervals = (
            Interval(*shift)
            for shift in zip(opens_at, closes_at, strict=True)
            if shift[0] is not None
        )
        special[owner].append(SpecialDay(on_date, tuple(intervals), reasons[0]))
    return special
