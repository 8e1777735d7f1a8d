"""Accounts and sessions, and who is asking in every request after a login."""

from datetime import datetime
from typing import Annotated, Any, Final

from litestar import Request, delete, get, post
from litestar.datastructures import CacheControlHeader
from litestar.di import NamedDependency
from litestar.params import JSONBody, PathParameter
from litestar.status_codes import HTTP_200_OK, HTTP_204_NO_CONTENT
from msgspec import Meta, Struct

from bff.edge import kinds
from bff.edge.limits.attempts import Attempts
from bff.edge.limits.layer import limited_by
from bff.edge.problems import declared
from bff.representation.views import View
from bff.routes.inputs import END, LINE, MOST_ID
from domain.accounts import (
    LEAST_PASSWORD,
    MOST_ADDRESS,
    MOST_DEVICE_NAME,
    MOST_NAME,
    MOST_PASSWORD,
    AccessTokens,
    Accounts,
    Device,
    Grant,
    Principal,
    Sessions,
)
from domain.errors import CredentialsError
from domain.model import Role

BEARER = [{"bearer": list[str]()}]
# RFC 6749 5.1: tokens are nobody's to keep but the client's.
UNKEPT: Final = CacheControlHeader(no_store=True)
JSON_PROBLEMS: Final = (
    kinds.INVALID_REQUEST,
    kinds.BODY_TOO_LARGE,
    kinds.UNSUPPORTED_MEDIA_TYPE,
    kinds.UNAVAILABLE,
)

# No control characters: PostgreSQL takes no NUL, and no address has any.
Address = Annotated[
    str, Meta(max_length=MOST_ADDRESS, pattern=r"^[^\x00-\x20\x7f@]+@[^\x00-\x20\x7f@]+" + END)
]
Name = Annotated[str, Meta(min_length=1, max_length=MOST_NAME, pattern=LINE)]
NewPassword = Annotated[str, Meta(min_length=LEAST_PASSWORD, max_length=MOST_PASSWORD)]
OldPassword = Annotated[str, Meta(min_length=1, max_length=MOST_PASSWORD)]
DeviceName = Annotated[str, Meta(max_length=MOST_DEVICE_NAME)]


class Login(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The credentials of an account, and a name by which its owner knows this device again."""

    email: Address
    password: OldPassword
    device: DeviceName | None = None


class Registration(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A new customer."""

    email: Address
    name: Name
    password: NewPassword
    device: DeviceName | None = None


class Refresh(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The refresh token that came last."""

    refresh_token: Annotated[str, Meta(pattern="^[A-Za-z0-9_-]{64}" + END)]


class PasswordChange(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The password, and the one that replaces it."""

    old_password: OldPassword
    new_password: NewPassword


class UserView(View, frozen=True):
    """The person who logged in."""

    id: int
    name: str
    role: Role
    cafeteria_id: int | None


class GrantView(View, frozen=True):
    """A bearer token (RFC 6750) for the Authorization header of what follows, and a token to
    get the next one with: /auth/refresh replaces both."""

    access_token: str
    token_type: str
    expires_at: datetime
    refresh_token: str
    refresh_expires_at: datetime
    user: UserView


class SessionView(View, frozen=True):
    """Where an account is logged in; `current` is where the caller is."""

    id: int
    device: str | None
    user_agent: str | None
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    current: bool


class SessionList(View, frozen=True):
    """All of them: there are few."""

    data: list[SessionView]


@post(
    "/auth/register",
    summary="Make an account",
    tags=["auth"],
    cache_control=UNKEPT,
    responses=declared(*JSON_PROBLEMS, kinds.CONFLICT, kinds.UNPROCESSABLE),
)
async def register(
    data: JSONBody[Registration],
    request: Request[Any, Any, Any],
    accounts: NamedDependency[Accounts],
) -> GrantView:
    """A customer's account with an empty wallet, logged in; 409 where the address cannot be
    taken, 422 for a password that is tried first."""
    return _granted(
        await accounts.register(data.email, data.name, data.password, _device(request, data.device))
    )


@post(
    "/auth/login",
    summary="Log in",
    tags=["auth"],
    status_code=HTTP_200_OK,
    cache_control=UNKEPT,
    responses=declared(*JSON_PROBLEMS, kinds.UNAUTHENTICATED, kinds.TOO_MANY_REQUESTS),
)
async def login(
    data: JSONBody[Login],
    request: Request[Any, Any, Any],
    accounts: NamedDependency[Accounts],
    attempts: NamedDependency[Attempts],
) -> GrantView:
    """A session of the account; 401 when the address or the password is wrong, 429 when it was
    too often."""
    async with attempts.at(data.email):
        granted = await accounts.login(data.email, data.password, _device(request, data.device))
    return _granted(granted)


@post(
    "/auth/refresh",
    summary="Get the next tokens",
    tags=["auth"],
    status_code=HTTP_200_OK,
    cache_control=UNKEPT,
    responses=declared(*JSON_PROBLEMS, kinds.UNAUTHENTICATED),
)
async def refresh(data: JSONBody[Refresh], sessions: NamedDependency[Sessions]) -> GrantView:
    """An access token and the next refresh token. The one that was sent is of no use any more,
    but to ask again within half a minute for an answer that was lost; sent later, it ends the
    session. 401 when the session is over."""
    return _granted(await sessions.refresh(data.refresh_token))


@post(
    "/auth/logout",
    summary="Log out",
    tags=["auth"],
    security=BEARER,
    status_code=HTTP_204_NO_CONTENT,
    responses=declared(kinds.UNAUTHENTICATED, kinds.UNAVAILABLE),
)
async def logout(
    principal: NamedDependency[Principal], sessions: NamedDependency[Sessions]
) -> None:
    """End the session of the access token, which itself is good until it expires."""
    await sessions.log_out(principal)


@get(
    "/auth/sessions",
    summary="Where one is logged in",
    tags=["auth"],
    security=BEARER,
    cache_control=UNKEPT,
    responses=declared(kinds.UNAUTHENTICATED, kinds.UNAVAILABLE),
)
async def list_sessions(
    principal: NamedDependency[Principal], sessions: NamedDependency[Sessions]
) -> SessionList:
    """The caller's sessions, the last used first; never more than ten."""
    return SessionList(
        [
            SessionView(
                id=each.id,
                device=each.device,
                user_agent=each.user_agent,
                created_at=each.created_at,
                last_used_at=each.last_used_at,
                expires_at=each.expires_at,
                current=each.is_current,
            )
            for each in await sessions.listed(principal)
        ]
    )


@delete(
    "/auth/sessions/{session_id:int}",
    summary="Log out elsewhere",
    tags=["auth"],
    security=BEARER,
    responses=declared(
        kinds.INVALID_PARAMETER, kinds.UNAUTHENTICATED, kinds.NOT_FOUND, kinds.UNAVAILABLE
    ),
)
async def end_session(
    session_id: Annotated[int, PathParameter(ge=1, le=MOST_ID)],
    principal: NamedDependency[Principal],
    sessions: NamedDependency[Sessions],
) -> None:
    """End one of the caller's sessions; its last access token is good until it expires."""
    await sessions.end(principal, session_id)


@post(
    "/auth/password",
    summary="Change the password",
    opt=limited_by("password"),
    tags=["auth"],
    security=BEARER,
    status_code=HTTP_204_NO_CONTENT,
    responses=declared(*JSON_PROBLEMS, kinds.UNAUTHENTICATED, kinds.FORBIDDEN, kinds.UNPROCESSABLE),
)
async def change_password(
    data: JSONBody[PasswordChange],
    principal: NamedDependency[Principal],
    accounts: NamedDependency[Accounts],
) -> None:
    """End all other sessions, and log in by the new one from now on; 403 where the old one is
    wrong, 422 for a new one that is tried first."""
    await accounts.change_password(principal, data.old_password, data.new_password)


def authenticated(request: Request[Any, Any, Any], tokens: AccessTokens) -> Principal:
    """The caller that the Authorization header proves; CredentialsError without proof."""
    # Litestar's `headers` would be made of all of them, for this one.
    given = dict(request.scope["headers"]).get(b"authorization", b"").decode("latin-1")
    scheme, _, token = given.partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise CredentialsError("Send an access token: Authorization: Bearer ...")
    return tokens.verify(token.strip())


def _device(request: Request[Any, Any, Any], name: str | None) -> Device:
    return Device.told(name, request.headers.get("user-agent"))


def _granted(grant: Grant) -> GrantView:
    who = grant.principal
    return GrantView(
        access_token=grant.access_token,
        token_type="Bearer",  # noqa: S106
        expires_at=grant.expires_at,
        refresh_token=grant.refresh_token,
        refresh_expires_at=grant.refresh_expires_at,
        user=UserView(who.id, grant.name, who.role, who.cafeteria_id),
    )
