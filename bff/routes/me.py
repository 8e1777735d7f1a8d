"""The caller, as they are kept here."""

from datetime import datetime

from litestar import get, patch
from litestar.di import NamedDependency
from litestar.params import JSONBody
from msgspec import UNSET, Struct, UnsetType

from bff.edge import kinds
from bff.edge.problems import declared
from bff.representation.answers import Answer
from bff.representation.views import View
from bff.routes.auth import BEARER, JSON_PROBLEMS, Name
from bff.routes.versions import ETAG, IfMatch, expected, versioned
from domain.accounts import Principal
from domain.model import Role
from domain.users import User, Users


class PersonView(View, frozen=True):
    """A person with an account; staff have a cafeteria."""

    id: int
    email: str
    name: str
    role: Role
    cafeteria_id: int | None
    is_active: bool
    version: int
    created_at: datetime


class MePatch(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """What of oneself becomes another (RFC 7396); the password has an address of its own."""

    name: Name | UnsetType = UNSET


@get(
    "/api/me",
    summary="Oneself",
    tags=["people"],
    security=BEARER,
    response_headers=[ETAG],
    responses=declared(kinds.UNAUTHENTICATED, kinds.UNAVAILABLE),
)
async def show_me(
    principal: NamedDependency[Principal], users: NamedDependency[Users]
) -> Answer[PersonView]:
    """The caller, whose role here may be newer than that in their token."""
    return versioned(person(await users.me(principal)))


@patch(
    "/api/me",
    summary="Change oneself",
    tags=["people"],
    security=BEARER,
    response_headers=[ETAG],
    responses=declared(
        *JSON_PROBLEMS,
        kinds.UNAUTHENTICATED,
        kinds.FORBIDDEN,
        kinds.CHANGED,
        kinds.CONDITION_REQUIRED,
    ),
)
async def change_me(
    data: JSONBody[MePatch],
    principal: NamedDependency[Principal],
    users: NamedDependency[Users],
    if_match: IfMatch = None,
) -> Answer[PersonView]:
    """The caller by another name; 403 where the account was closed meanwhile."""
    name = None if data.name is UNSET else data.name
    return versioned(person(await users.rename(principal, name, expected(if_match))))


def person(user: User) -> PersonView:
    """A person."""
    return PersonView(
        id=user.id,
        email=user.email,
        name=user.name,
        role=user.role,
        cafeteria_id=user.cafeteria_id,
        is_active=user.is_active,
        version=user.version,
        created_at=user.created_at,
    )
