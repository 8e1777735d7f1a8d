"""The people of the campus, for administrators."""

from typing import Annotated, cast

from litestar import get, patch
from litestar.di import NamedDependency
from litestar.params import JSONBody, QueryParameter
from msgspec import UNSET, Struct, UnsetType

from bff.edge import kinds
from bff.edge.problems import declared
from bff.representation.answers import Answer
from bff.representation.pages import (
    Cursor,
    Cursors,
    Page,
    PageLimit,
    PageNumber,
    listing,
)
from bff.routes.auth import BEARER, Name
from bff.routes.inputs import END, Id, PathId, given
from bff.routes.me import PersonView, person
from bff.routes.versions import IfMatch, changing, expected, reading, versioned
from domain.accounts import Principal
from domain.model import Role
from domain.model.paging import Rank
from domain.users import UserChange, Users, Wanted


class PersonPatch(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """What of a person becomes another (RFC 7396); only the cafeteria can be null, and is not of
    staff."""

    name: Name | UnsetType = UNSET
    role: Role | UnsetType = UNSET
    cafeteria_id: Id | UnsetType | None = UNSET
    is_active: bool | UnsetType = UNSET


@get(
    "/api/admin/users",
    summary="People",
    tags=["people"],
    security=BEARER,
    responses=declared(
        kinds.INVALID_PARAMETER, kinds.UNAUTHENTICATED, kinds.FORBIDDEN, kinds.UNAVAILABLE
    ),
)
async def list_users(
    principal: NamedDependency[Principal],
    users: NamedDependency[Users],
    cursors: NamedDependency[Cursors],
    q: Annotated[
        str | None,
        QueryParameter(
            min_length=1,
            max_length=64,
            pattern=r"^[^\x00]*" + END,
            description="a part of a name or an e-mail address, in whatever case",
        ),
    ] = None,
    role: Annotated[Role | None, QueryParameter(description="of this role only")] = None,
    active: Annotated[
        bool | None, QueryParameter(description="only who may log in, or only who may not")
    ] = None,
    page: PageNumber = 1,
    limit: PageLimit = 20,
    cursor: Cursor = None,
) -> Answer[Page[PersonView]]:
    """By their id, for administrators."""
    of = listing("/api/admin/users", q=q, role=role, active=active)
    part = cursors.asked(of, Rank, page=page, limit=limit, cursor=cursor)
    found = await users.listed(principal, Wanted(q, role, active), part.part)
    told = part.shown([person(row) for row in found.rows], found)
    return Answer(told.page, headers=told.headers)


@get(
    "/api/admin/users/{user_id:int}",
    summary="A person",
    tags=["people"],
    **reading(),
)
async def show_user(
    user_id: PathId, principal: NamedDependency[Principal], users: NamedDependency[Users]
) -> Answer[PersonView]:
    """For administrators."""
    return versioned(person(await users.one(principal, user_id)))


@patch(
    "/api/admin/users/{user_id:int}",
    summary="Change a person",
    tags=["people"],
    **changing(kinds.CONFLICT, kinds.UNPROCESSABLE),
)
async def change_user(
    user_id: PathId,
    data: JSONBody[PersonPatch],
    principal: NamedDependency[Principal],
    users: NamedDependency[Users],
    if_match: IfMatch = None,
) -> Answer[PersonView]:
    """By administrators. `isActive: false` closes the account and ends all of its sessions: what
    tokens there are end within a quarter of an hour, and move no money until then. 409 for one's
    own role or closing, 422 for staff without a cafeteria."""
    change = cast("UserChange", given(data))
    return versioned(person(await users.change(principal, user_id, change, expected(if_match))))
