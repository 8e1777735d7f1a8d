"""One cafeteria: as everybody sees it, and as administrators change it and its hours."""

from datetime import UTC, date, datetime, time
from typing import Annotated, Any, cast
from zoneinfo import ZoneInfo

from litestar import Request, delete, get, patch, post, put
from litestar.di import NamedDependency
from litestar.params import JSONBody, PathParameter
from msgspec import UNSET, Meta, Struct, UnsetType

from bff.edge import kinds
from bff.edge.problems import declared
from bff.representation import views
from bff.representation.answers import Answer
from bff.representation.fields import Fields
from bff.representation.shared import Made, Shared
from bff.routes.idempotency import IdempotencyKey, keyed
from bff.routes.inputs import LINE, TEXT, PathId, WallTime, given
from bff.routes.versions import (
    IfMatch,
    adding,
    alone,
    changing,
    expected,
    removing,
    showing,
    versioned,
)
from domain.accounts import Principal
from domain.cafeteria_changes import (
    MOST_INTERVALS,
    MOST_LAST_ORDER_MINUTES,
    MOST_LOCATION,
    MOST_NAME,
    MOST_REASON,
    MOST_SHIFTS,
    MOST_ZONE,
    CafeteriaChange,
    CafeteriaChanges,
    NewCafeteria,
)
from domain.cafeterias import Cafeteria, Cafeterias, first_turn
from domain.errors import InvalidError
from domain.model.hours import Interval, SpecialDay, WeeklyInterval

Name = Annotated[str, Meta(max_length=MOST_NAME, pattern=LINE)]
Location = Annotated[str, Meta(max_length=MOST_LOCATION, pattern=LINE)]
TimeZone = Annotated[
    str,
    Meta(max_length=MOST_ZONE, pattern=LINE, description="an IANA name, like Europe/Madrid"),
]
LastOrder = Annotated[
    int,
    Meta(
        ge=0,
        le=MOST_LAST_ORDER_MINUTES,
        description="minutes before closing at which the last order is taken",
    ),
]
On = Annotated[date, PathParameter(description="a day like 2026-11-24")]


class CafeteriaBody(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A cafeteria that the campus is to have."""

    name: Name
    location: Location
    time_zone: TimeZone
    last_order_minutes: LastOrder = 0


class CafeteriaPatch(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """What of a cafeteria becomes another (RFC 7396); what is not named stays, and null is nothing
    that any of it could be."""

    name: Name | UnsetType = UNSET
    location: Location | UnsetType = UNSET
    time_zone: TimeZone | UnsetType = UNSET
    last_order_minutes: LastOrder | UnsetType = UNSET


class Shift(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """An opening interval; one that closes no later than it opens ends the day after."""

    opens_at: WallTime
    closes_at: WallTime


class Hours(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """An opening interval of every week: ISO weekday, 1 is Monday."""

    weekday: Annotated[int, Meta(ge=1, le=7)]
    opens_at: WallTime
    closes_at: WallTime


class Week(Struct, frozen=True, forbid_unknown_fields=True):
    """When a cafeteria is open, week by week; none may overlap."""

    hours: Annotated[list[Hours], Meta(max_length=MOST_INTERVALS)]


class Day(Struct, frozen=True, forbid_unknown_fields=True):
    """When a cafeteria is open on one date; without shifts it is closed."""

    shifts: Annotated[list[Shift], Meta(max_length=MOST_SHIFTS)]
    reason: Annotated[str, Meta(max_length=MOST_REASON, pattern=TEXT)] = ""


class ExceptionList(Struct, frozen=True):
    """Dates to come that do not follow the week, in their order."""

    data: list[views.ExceptionView]


@get(
    "/api/cafeterias/{cafeteria_id:int}",
    summary="A cafeteria",
    tags=["menu"],
    **showing(views.CAFETERIAS),
)
async def show_cafeteria(
    request: Request[Any, Any, Any],
    cafeteria_id: PathId,
    cafeterias: NamedDependency[Cafeterias],
    shared: NamedDependency[Shared],
    fields: Fields = None,
) -> Answer[Any]:
    """With its hours, and whether it is open at this instant; the same for everybody."""
    chosen = views.CAFETERIAS.select_of_one(fields)

    async def make() -> Made:
        place = await cafeterias.one(cafeteria_id, datetime.now(UTC))
        return alone(views.cafeteria(place), chosen, until=first_turn([place]))

    return await shared.answer(request, f"/api/cafeterias/{cafeteria_id}#{chosen.key}", make)


@get(
    "/api/cafeterias/{cafeteria_id:int}/exceptions",
    summary="When a cafeteria does not follow its week",
    tags=["menu"],
    responses=declared(kinds.INVALID_PARAMETER, kinds.NOT_FOUND, kinds.UNAVAILABLE),
)
async def list_exceptions(
    cafeteria_id: PathId, cafeterias: NamedDependency[Cafeterias]
) -> ExceptionList:
    """Holidays and other days with hours of their own, from today on; the next 400 of them."""
    now = datetime.now(UTC)
    place = await cafeterias.one(cafeteria_id, now)
    today = now.astimezone(ZoneInfo(place.schedule.time_zone)).date()
    days = await cafeterias.exceptions(cafeteria_id, today)
    return ExceptionList([views.exception(day) for day in days])


@post(
    "/api/cafeterias",
    summary="Add a cafeteria",
    tags=["menu"],
    **adding(kinds.CONFLICT, kinds.UNPROCESSABLE),
)
async def add_cafeteria(
    data: JSONBody[CafeteriaBody],
    idempotency_key: IdempotencyKey,
    principal: NamedDependency[Principal],
    cafeteria_changes: NamedDependency[CafeteriaChanges],
) -> Answer[views.CafeteriaView]:
    """By administrators, without hours yet; 409 where there is one of that name, 422 where there
    is no such time zone."""
    new = NewCafeteria(
        name=data.name,
        location=data.location,
        time_zone=data.time_zone,
        last_order_minutes=data.last_order_minutes,
    )
    request = keyed(principal, idempotency_key, "cafeteria", data)
    cafeteria = await cafeteria_changes.add(principal, new, request)
    return versioned(views.cafeteria(cafeteria), at=f"/api/cafeterias/{cafeteria.id}")


@patch(
    "/api/cafeterias/{cafeteria_id:int}",
    summary="Change a cafeteria",
    tags=["menu"],
    **changing(kinds.CONFLICT, kinds.UNPROCESSABLE),
)
async def change_cafeteria(
    cafeteria_id: PathId,
    data: JSONBody[CafeteriaPatch],
    principal: NamedDependency[Principal],
    cafeteria_changes: NamedDependency[CafeteriaChanges],
    if_match: IfMatch = None,
) -> Answer[views.CafeteriaView]:
    """By administrators; 409 where there is another one of that name, 422 where there is no such
    time zone."""
    return _shown(
        await cafeteria_changes.change(
            principal, cafeteria_id, cast("CafeteriaChange", given(data)), expected(if_match)
        )
    )


@delete(
    "/api/cafeterias/{cafeteria_id:int}",
    summary="Close a cafeteria for good",
    tags=["menu"],
    **removing(kinds.CONFLICT),
)
async def withdraw_cafeteria(
    cafeteria_id: PathId,
    principal: NamedDependency[Principal],
    cafeteria_changes: NamedDependency[CafeteriaChanges],
    if_match: IfMatch = None,
) -> None:
    """By administrators; 409 while it has products on the menu. Its orders and reports stay."""
    await cafeteria_changes.withdraw(principal, cafeteria_id, expected(if_match))


@put(
    "/api/cafeterias/{cafeteria_id:int}/hours",
    summary="Set when a cafeteria is open",
    tags=["menu"],
    **changing(kinds.UNPROCESSABLE),
)
async def set_hours(
    cafeteria_id: PathId,
    data: JSONBody[Week],
    principal: NamedDependency[Principal],
    cafeteria_changes: NamedDependency[CafeteriaChanges],
    if_match: IfMatch = None,
) -> Answer[views.CafeteriaView]:
    """All of the week anew, under the version of the cafeteria. By administrators; 422 where two
    intervals overlap, Sunday night with Monday morning too."""
    week = [
        WeeklyInterval(*_wall(each.opens_at, each.closes_at), weekday=each.weekday)
        for each in data.hours
    ]
    return _shown(
        await cafeteria_changes.set_week(principal, cafeteria_id, week, expected(if_match))
    )


@put(
    "/api/cafeterias/{cafeteria_id:int}/exceptions/{on:date}",
    summary="Set other hours for a date",
    tags=["menu"],
    **changing(kinds.UNPROCESSABLE),
)
async def set_exception(
    cafeteria_id: PathId,
    on: On,
    data: JSONBody[Day],
    principal: NamedDependency[Principal],
    cafeteria_changes: NamedDependency[CafeteriaChanges],
    if_match: IfMatch = None,
) -> Answer[views.CafeteriaView]:
    """A holiday, or a long night, under the version of the cafeteria. By administrators; 422 where
    shifts overlap."""
    shifts = tuple(Interval(*_wall(each.opens_at, each.closes_at)) for each in data.shifts)
    try:
        day = SpecialDay(on, shifts, data.reason)
    except ValueError as error:
        raise InvalidError(str(error)) from error
    return _shown(await cafeteria_changes.set_day(principal, cafeteria_id, day, expected(if_match)))


@delete(
    "/api/cafeterias/{cafeteria_id:int}/exceptions/{on:date}",
    summary="Have a date follow the week again",
    tags=["menu"],
    **removing(),
)
async def unset_exception(
    cafeteria_id: PathId,
    on: On,
    principal: NamedDependency[Principal],
    cafeteria_changes: NamedDependency[CafeteriaChanges],
    if_match: IfMatch = None,
) -> None:
    """Under the version of the cafeteria; that it follows it already is no error. By
    administrators."""
    await cafeteria_changes.unset_day(principal, cafeteria_id, on, expected(if_match))


def _shown(cafeteria: Cafeteria) -> Answer[views.CafeteriaView]:
    return versioned(views.cafeteria(cafeteria))


def _wall(opens_at: str, closes_at: str) -> tuple[time, time]:
    return time.fromisoformat(opens_at), time.fromisoformat(closes_at)
