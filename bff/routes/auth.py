"""Logging in, and who is asking in every request after that."""

from datetime import datetime
from typing import Annotated, Any

from litestar import Request, post
from litestar.di import NamedDependency
from litestar.params import JSONBody
from litestar.status_codes import HTTP_200_OK
from msgspec import Meta, Struct

from bff.edge import kinds
from bff.edge.problems import declared
from bff.representation.views import View
from domain.accounts import AccessTokens, Accounts, Principal
from domain.errors import CredentialsError
from domain.model import Role


class Login(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The credentials of an account."""

    # No control characters: PostgreSQL takes no NUL, and no address has any.
    email: Annotated[str, Meta(max_length=254, pattern=r"^[^\x00-\x20\x7f@]+@[^\x00-\x20\x7f@]+$")]
    # Bounded, for hashing takes time in proportion.
    password: Annotated[str, Meta(min_length=1, max_length=256)]


class UserView(View, frozen=True):
    """The person who logged in."""

    id: int
    name: str
    role: Role
    cafeteria_id: int | None


class SessionView(View, frozen=True):
    """A bearer token (RFC 6750) for the Authorization header of what follows."""

    access_token: str
    token_type: str
    expires_at: datetime
    user: UserView


@post(
    "/auth/login",
    summary="Log in",
    tags=["auth"],
    status_code=HTTP_200_OK,
    responses=declared(
        kinds.INVALID_REQUEST,
        kinds.UNAUTHENTICATED,
        kinds.BODY_TOO_LARGE,
        kinds.UNSUPPORTED_MEDIA_TYPE,
        kinds.UNAVAILABLE,
    ),
)
async def login(data: JSONBody[Login], accounts: NamedDependency[Accounts]) -> SessionView:
    """An access token for the account; 401 when the address or the password is wrong."""
    session = await accounts.login(data.email, data.password)
    who = session.principal
    user = UserView(who.id, session.name, who.role, who.cafeteria_id)
    return SessionView(session.token, "Bearer", session.expires_at, user)


def authenticated(request: Request[Any, Any, Any], tokens: AccessTokens) -> Principal:
    """The caller that the Authorization header proves; CredentialsError without proof."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise CredentialsError("Send an access token: Authorization: Bearer ...")
    return tokens.verify(token.strip())
