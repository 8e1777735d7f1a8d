"""What proves who is asking: access tokens to every service, refresh tokens to us alone."""

import hashlib
import hmac
import secrets
import time
from base64 import b64decode, urlsafe_b64encode
from datetime import datetime, timedelta
from itertools import islice
from typing import Final

import jwt
from msgspec import Struct

from domain.errors import CredentialsError
from domain.model import Role

ACCESS_TOKEN_LIFETIME: Final = timedelta(minutes=15)
# Some half a kilobyte each.
_MOST_KNOWN: Final = 10_000
_LEAVING: Final = 2
_FAMILY_BYTES: Final = 16
_SECRET_BYTES: Final = 32


class Principal(Struct, frozen=True):
    """The authenticated caller, and the session that speaks for them; `cafeteria_id` is the
    counter of a member of staff."""

    id: int
    role: Role
    cafeteria_id: int | None = None
    session_id: int | None = None

    def runs(self, cafeteria_id: int) -> bool:
        """Whether they act for the counter of that cafeteria."""
        if self.role is Role.STAFF:
            return self.cafeteria_id == cafeteria_id
        return self.role is Role.ADMIN


class AccessTokens:
    """Signed JWTs (RFC 7519, HS256) that carry the principal, so that no request looks it up.

    What was verified once is known until it expires: that takes twenty times as long as the rest.
    """

    def __init__(self, secret: str) -> None:
        self._secret = secret
        self._known: dict[str, tuple[Principal, int]] = {}

    def issue(self, principal: Principal, now: datetime) -> tuple[str, datetime]:
        """A token for `principal` and the instant it expires."""
        expires_at = now + ACCESS_TOKEN_LIFETIME
        claims = {
            "sub": str(principal.id),
            "role": principal.role.value,
            "cafeteria": principal.cafeteria_id,
            "sid": principal.session_id,
            "iat": int(now.timestamp()),
            "exp": int(expires_at.timestamp()),
        }
        return jwt.encode(claims, self._secret, algorithm="HS256"), expires_at

    def verify(self, token: str) -> Principal:
        """The principal a token was issued to; CredentialsError when it proves nothing."""
        return self.proof(token)[0]

    def proof(self, token: str) -> tuple[Principal, int]:
        """The principal, and the second (since 1970) until which the token proves it.

        Raises CredentialsError.
        """
        known = self._known.get(token)
        # As PyJWT has it: at that second it is over.
        if known is not None and time.time() < known[1]:
            return known
        try:
            claims = jwt.decode(
                token,
                self._secret,
                # A fixed list: the token does not choose how it is checked.
                algorithms=["HS256"],
                # Another process issued it, whose clock may be ahead of ours.
                options={"require": ["sub", "iat", "exp"], "verify_iat": False},
            )
            principal = Principal(
                int(claims["sub"]), Role(claims["role"]), claims["cafeteria"], claims.get("sid")
            )
        except (jwt.InvalidTokenError, KeyError, ValueError) as error:
            raise CredentialsError("The access token is not valid, or no longer.") from error
        expires_at = int(claims["exp"])
        self._remember(token, principal, expires_at)
        return principal, expires_at

    def _remember(self, token: str, principal: Principal, expires_at: int) -> None:
        self._known[token] = principal, expires_at
        # The one that was verified first expires first, or nearly so. Two for each that comes, so
        # that those of who came all at once leave, too.
        for oldest in list(islice(self._known, _LEAVING)):
            if len(self._known) > _MOST_KNOWN or time.time() >= self._known[oldest][1]:
                del self._known[oldest]


class RefreshToken(Struct, frozen=True):
    """The family it descends from, which is a session, and a secret of its own.

    Whoever shows a family that exists has held a token of it, so any that is not the newest is
    known as an old one without a list of them.
    """

    family: bytes
    secret: bytes

    @classmethod
    def first(cls) -> "RefreshToken":
        """The founder of a family."""
        return cls(secrets.token_bytes(_FAMILY_BYTES), secrets.token_bytes(_SECRET_BYTES))

    @classmethod
    def read(cls, text: str) -> "RefreshToken | None":
        """The token that `str` wrote, or None."""
        try:
            raw = b64decode(text, altchars=b"-_", validate=True)
        except ValueError:
            return None
        if len(raw) != _FAMILY_BYTES + _SECRET_BYTES:
            return None
        return cls(raw[:_FAMILY_BYTES], raw[_FAMILY_BYTES:])

    def successor(self, salt: bytes) -> "RefreshToken":
        """The next of the family: always the same for a salt, and of use neither to who knows
        the salt alone nor to who held this token alone."""
        return RefreshToken(self.family, hmac.digest(self.secret, salt, hashlib.sha256))

    @property
    def family_hash(self) -> bytes:
        """SHA-256 by which the session is found."""
        return hashlib.sha256(self.family).digest()

    @property
    def hash(self) -> bytes:
        """SHA-256 of the whole: 256 random bits need no slower one."""
        return hashlib.sha256(self.family + self.secret).digest()

    def __str__(self) -> str:
        return urlsafe_b64encode(self.family + self.secret).decode()
