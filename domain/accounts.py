"""Who is asking: passwords, access tokens, and the principal that every service is given."""

from datetime import UTC, datetime, timedelta
from functools import cache

import jwt
from anyio import CapacityLimiter, to_thread
from msgspec import Struct
from pwdlib import PasswordHash
from sqlalchemy import func, select

from domain import model
from domain.database import Database
from domain.database import Role as Node
from domain.errors import CredentialsError, UnavailableError
from domain.model import Role

ACCESS_TOKEN_LIFETIME = timedelta(minutes=15)
# Argon2id takes 64 MiB and some 50 ms of a core: more at once than cores only adds waiting.
_VERIFIERS = 2
_MOST_WAITING = 64


class Principal(Struct, frozen=True):
    """The authenticated caller; `cafeteria_id` is the counter of a member of staff."""

    id: int
    role: Role
    cafeteria_id: int | None = None


class Session(Struct, frozen=True):
    """A successful login: who it is, and the bearer token that proves it until `expires_at`."""

    principal: Principal
    name: str
    token: str
    expires_at: datetime


class AccessTokens:
    """Signed JWTs (RFC 7519, HS256) that carry the principal, so that no request looks it up."""

    def __init__(self, secret: str) -> None:
        self._secret = secret

    def issue(self, principal: Principal, now: datetime) -> tuple[str, datetime]:
        """A token for `principal` and the instant it expires."""
        expires_at = now + ACCESS_TOKEN_LIFETIME
        claims = {
            "sub": str(principal.id),
            "role": principal.role.value,
            "cafeteria": principal.cafeteria_id,
            "iat": int(now.timestamp()),
            "exp": int(expires_at.timestamp()),
        }
        return jwt.encode(claims, self._secret, algorithm="HS256"), expires_at

    def verify(self, token: str) -> Principal:
        """The principal a token was issued to; CredentialsError when it proves nothing."""
        try:
            claims = jwt.decode(
                token,
                self._secret,
                # A fixed list: the token does not choose how it is checked.
                algorithms=["HS256"],
                options={"require": ["sub", "iat", "exp"]},
            )
            return Principal(int(claims["sub"]), Role(claims["role"]), claims["cafeteria"])
        except (jwt.InvalidTokenError, KeyError, ValueError) as error:
            raise CredentialsError("The access token is not valid, or no longer.") from error


@cache
def _nobodys_hash() -> str:
    """Verified in place of an unknown user's hash, so that time does not tell who exists."""
    return PasswordHash.recommended().hash("no account has this password")


class Accounts:
    """Logins against the users of the campus."""

    def __init__(self, database: Database, tokens: AccessTokens) -> None:
        self._database = database
        self._tokens = tokens
        self._passwords = PasswordHash.recommended()
        self._nobody = _nobodys_hash()
        self._limiter = CapacityLimiter(_VERIFIERS)

    async def login(self, email: str, password: str) -> Session:
        """A session for the account of `email`; CredentialsError says no more than "no"."""
        statement = select(
            model.User.id,
            model.User.role,
            model.User.cafeteria_id,
            model.User.name,
            model.User.password_hash,
        ).where(func.lower(model.User.email) == email.lower(), model.User.is_active)
        rows = await self._database.rows(Node.PRIMARY, statement)
        row = rows[0] if rows else None
        if not await self._verify(password, self._nobody if row is None else row[-1]) or not row:
            raise CredentialsError("The e-mail address or the password is wrong.")
        user_id, role, cafeteria_id, name, _ = row
        principal = Principal(user_id, role, cafeteria_id)
        token, expires_at = self._tokens.issue(principal, datetime.now(UTC))
        return Session(principal, name, token, expires_at)

    async def _verify(self, password: str, password_hash: str) -> bool:
        if self._limiter.statistics().tasks_waiting >= _MOST_WAITING:
            raise UnavailableError("Too many people are logging in at this moment.")
        return await to_thread.run_sync(
            self._passwords.verify, password, password_hash, limiter=self._limiter
        )
