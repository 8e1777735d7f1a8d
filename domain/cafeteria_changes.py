"""What administrators change of the cafeterias: what they are called, and when they are open."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import UTC, date, datetime
from typing import Any, Final, TypedDict

from msgspec import Struct, structs
from sqlalchemy import ColumnElement, Update, delete, func, insert, select, update

from domain import model, tags
from domain.accounts import Principal
from domain.cafeterias import Cafeteria, cafeteria
from domain.database import Database, Writer
from domain.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from domain.idempotency import Once, once
from domain.model import Role
from domain.model.hours import Schedule, SpecialDay, WeeklyInterval
from domain.people import must_be_active
from domain.records import record
from domain.versions import Expected, require

MOST_NAME: Final = 120
MOST_LOCATION: Final = 200
MOST_ZONE: Final = 64
MOST_LAST_ORDER_MINUTES: Final = 240
MOST_REASON: Final = 200
# Of a week, and of a day.
MOST_INTERVALS: Final = 56
MOST_SHIFTS: Final = 8
# Any constant will do: "places" in hexadecimal.
_NAMES: Final = 0x706C61636573


class CafeteriaChange(TypedDict, total=False):
    """What of a cafeteria becomes another; `time_zone` is an IANA name."""

    name: str
    location: str
    time_zone: str
    last_order_minutes: int


class NewCafeteria(TypedDict):
    """A cafeteria that is not there yet."""

    name: str
    location: str
    time_zone: str
    last_order_minutes: int


class Added(Struct, frozen=True):
    """The id of a cafeteria that was added."""

    id: int


class CafeteriaChanges:
    """Changes of cafeterias and their hours, which share a version; each in one transaction, with
    a record of who made it.

    Every method raises ForbiddenError for anybody but administrators, and InvalidError for hours
    that contradict each other or a time zone that is none; where versions are `expected`,
    NotFoundError and ChangedError too.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, caller: Principal, new: NewCafeteria, request: Once) -> Cafeteria:
        """A cafeteria that is not open yet. Raises ConflictError where there is one of that name,
        and what `once` raises."""
        _must_administrate(caller)
        _must_agree(time_zone=new["time_zone"])

        async def add(database: Writer) -> Added:
            await _must_be_free(database, new["name"])
            added = await database.change(
                insert(model.Cafeteria)
                .values(**new)
                .returning(model.Cafeteria.id, model.Cafeteria.version)
            )
            key, version = added.one()
            await record(database, caller, _subject(key), version, new)
            database.void([tags.HOURS])
            return Added(key)

        async def change(database: Writer) -> Cafeteria:
            await must_be_active(database, caller.id)
            added = await once(database, request, Added, lambda: add(database))
            return await cafeteria(database, added.id, datetime.now(UTC))

        return await self._database.write(change, by=[caller.id])

    async def change(
        self, caller: Principal, cafeteria_id: int, to: CafeteriaChange, expected: Expected
    ) -> Cafeteria:
        """The cafeteria as it is then. Raises ConflictError where there is another one of that
        name."""
        if "time_zone" in to:
            _must_agree(time_zone=to["time_zone"])

        async def change(database: Writer) -> None:
            if "name" in to:
                await _must_be_free(database, to["name"], model.Cafeteria.id != cafeteria_id)
            if to:
                await database.change(_update(cafeteria_id).values(**to))

        return await self._changed(caller, cafeteria_id, expected, to, change)

    async def withdraw(self, caller: Principal, cafeteria_id: int, expected: Expected) -> None:
        """Close it for good. Raises ConflictError while it has products on the menu."""
        _must_administrate(caller)
        products = (
            select(func.count())
            .select_from(model.Product)
            .where(model.Product.cafeteria_id == cafeteria_id, model.Product.withdrawn_at.is_(None))
        )

        async def change(database: Writer) -> None:
            await must_be_active(database, caller.id)
            version = await _locked(database, cafeteria_id, expected)
            # Nobody adds one meanwhile: they would have to lock the cafeteria.
            left = await database.scalar(products)
            if left:
                raise ConflictError(f"It has {left} products on the menu; delete them first.")
            await database.change(_update(cafeteria_id).values(withdrawn_at=func.now()))
            await record(database, caller, _subject(cafeteria_id), version + 1, ["withdrawn_at"])
            database.void([tags.HOURS])

        await self._database.write(change, by=[caller.id])

    async def set_week(
        self,
        caller: Principal,
        cafeteria_id: int,
        week: Sequence[WeeklyInterval],
        expected: Expected,
    ) -> Cafeteria:
        """Other hours of the week, in place of all that there were."""
        _must_agree(weekly=tuple(week))
        table = model.OpeningInterval
        rows = [{"cafeteria_id": cafeteria_id, **structs.asdict(each)} for each in week]

        async def change(database: Writer) -> None:
            await database.change(delete(table).where(table.cafeteria_id == cafeteria_id))
            if rows:
                await database.change(insert(table).values(rows))

        return await self._changed(caller, cafeteria_id, expected, ["hours"], change)

    async def set_day(
        self, caller: Principal, cafeteria_id: int, day: SpecialDay, expected: Expected
    ) -> Cafeteria:
        """Other hours on one date, in place of what was said of it before; without any it is
        closed."""
        table = model.OpeningException
        date_of = {"cafeteria_id": cafeteria_id, "on_date": day.on, "reason": day.reason}
        # A closed day is kept as one row without times.
        closed: dict[str, Any] = {"opens_at": None, "closes_at": None}
        shifts = [structs.asdict(each) for each in day.intervals] or [closed]

        async def change(database: Writer) -> None:
            await _unset(database, cafeteria_id, day.on)
            await database.change(insert(table).values([date_of | shift for shift in shifts]))

        return await self._changed(caller, cafeteria_id, expected, [f"{day.on}"], change)

    async def unset_day(
        self, caller: Principal, cafeteria_id: int, on: date, expected: Expected
    ) -> Cafeteria:
        """Have a date follow the week again; that it does already is no error."""

        async def change(database: Writer) -> None:
            await _unset(database, cafeteria_id, on)

        return await self._changed(caller, cafeteria_id, expected, [f"{on}"], change)

    async def _changed(
        self,
        caller: Principal,
        cafeteria_id: int,
        expected: Expected,
        fields: Iterable[str],
        change: Callable[[Writer], Awaitable[None]],
    ) -> Cafeteria:
        _must_administrate(caller)

        async def work(database: Writer) -> Cafeteria:
            await must_be_active(database, caller.id)
            before = await _locked(database, cafeteria_id, expected)
            await change(database)
            found = await cafeteria(database, cafeteria_id, datetime.now(UTC))
            if found.version != before:
                await record(database, caller, _subject(cafeteria_id), found.version, fields)
                database.void([tags.HOURS])
            return found

        return await self._database.write(work, by=[caller.id])


def _subject(cafeteria_id: int) -> str:
    return f"cafeteria-{cafeteria_id}"


def _must_administrate(caller: Principal) -> None:
    if caller.role is not Role.ADMIN:
        raise ForbiddenError("Cafeterias are changed by administrators.")


def _must_agree(time_zone: str = "UTC", weekly: tuple[WeeklyInterval, ...] = ()) -> None:
    try:
        Schedule(time_zone=time_zone, weekly=weekly)
    except ValueError as error:
        raise InvalidError(str(error)) from error


async def _must_be_free(
    database: Writer, name: str, among: ColumnElement[bool] | None = None
) -> None:
    """Raises ConflictError for the name of a cafeteria that there is, or is about to be."""
    await database.scalar(select(func.pg_advisory_xact_lock(_NAMES)))
    taken = select(model.Cafeteria.id).where(
        model.Cafeteria.name == name, model.Cafeteria.withdrawn_at.is_(None)
    )
    if await database.scalar(taken if among is None else taken.where(among)) is not None:
        raise ConflictError(f"There is a cafeteria {name!r} already.")


async def _locked(database: Writer, cafeteria_id: int, expected: Expected) -> int:
    """Its version, which nobody changes until the transaction ends."""
    version = await database.scalar(
        select(model.Cafeteria.version)
        .where(model.Cafeteria.id == cafeteria_id, model.Cafeteria.withdrawn_at.is_(None))
        .with_for_update(key_share=True)
    )
    if version is None:
        raise NotFoundError("cafeteria", cafeteria_id)
    require(expected, version)
    return int(version)


def _update(cafeteria_id: int) -> Update:
    return update(model.Cafeteria).where(model.Cafeteria.id == cafeteria_id)


async def _unset(database: Writer, cafeteria_id: int, on: date) -> None:
    table = model.OpeningException
    await database.change(
        delete(table).where(table.cafeteria_id == cafeteria_id, table.on_date == on)
    )
