"""Sessions: a login on one device, kept alive by refresh tokens of which only hashes are kept."""

import logging
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import Delete, Row, Select, and_, delete, func, insert, select, update

from domain import model
from domain.accounts.tokens import AccessTokens, Principal, RefreshToken
from domain.database import Database, Writer
from domain.database import Role as Node
from domain.errors import CredentialsError, NotFoundError
from domain.model import Role

log = logging.getLogger(__name__)

# A session that is not used for so long is over, and any is after LONGEST.
IDLE: Final = timedelta(days=30)
LONGEST: Final = timedelta(days=180)
# How long a replaced token is answered once more, for who lost the answer; RFC 9700 4.14.2.
GRACE: Final = timedelta(seconds=30)
# Of one person; the one that was not used for the longest makes room.
MOST_SESSIONS: Final = 10
MOST_DEVICE_NAME: Final = 80
_MOST_USER_AGENT: Final = 256
_SALT_BYTES: Final = 32
_REFUSED: Final = "The session is over. Log in again."


class Device(Struct, frozen=True):
    """What a login tells of where it comes from: for its owner to recognise, proof of nothing."""

    name: str | None = None
    user_agent: str | None = None

    @classmethod
    def told(cls, name: str | None, user_agent: str | None) -> "Device":
        """As much of it as is kept."""
        return cls(_printable(name, MOST_DEVICE_NAME), _printable(user_agent, _MOST_USER_AGENT))


class Person(Struct, frozen=True):
    """Whose session it is."""

    id: int
    name: str
    role: Role
    cafeteria_id: int | None


PERSON: Final = (model.User.id, model.User.name, model.User.role, model.User.cafeteria_id)


class Grant(Struct, frozen=True):
    """What a login gives, and every refresh again: who it is, a token that proves it until
    `expires_at`, and one for the next refresh, which replaces the one before."""

    principal: Principal
    name: str
    access_token: str
    expires_at: datetime
    refresh_token: str
    refresh_expires_at: datetime


class Session(Struct, frozen=True):
    """A live session, as its owner sees it."""

    id: int
    device: str | None
    user_agent: str | None
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    is_current: bool


class Sessions:
    """The sessions of everybody; ended ones are gone, though their last access token is not
    before it expires."""

    def __init__(self, database: Database, tokens: AccessTokens) -> None:
        self._database = database
        self._tokens = tokens

    async def open(self, database: Writer, person: Person, device: Device) -> Grant:
        """A new session, as part of a transaction that holds the person's row locked."""
        await database.change(_to_make_room(person.id))
        token = RefreshToken.first()
        opened = await database.change(
            insert(model.Session)
            .values(
                user_id=person.id,
                family_hash=token.family_hash,
                token_hash=token.hash,
                device=device.name,
                user_agent=device.user_agent,
                expires_at=func.now() + IDLE,
            )
            .returning(model.Session.id, model.Session.expires_at)
        )
        session_id, expires_at = opened.one()
        return self._grant(person, session_id, token, expires_at)

    async def refresh(self, text: str) -> Grant:
        """The next tokens of a session, with its person's role of today.

        A token is replaced when it is used. The replaced one gets the same answer again for
        GRACE, unless its successor was used, which shows that the answer had come; any other old
        one ends the session, for two hold it now. Raises CredentialsError.
        """
        token = RefreshToken.read(text)
        owner = None if token is None else await self._owner(token)
        if token is None or owner is None:
            raise CredentialsError(_REFUSED)

        # A refusal is returned and not raised: what it ended stays so.
        async def change(database: Writer) -> Grant | None:
            row = (await database.execute(_to_refresh(token))).one_or_none()
            following = None if row is None else await _next(database, row, token)
            if row is None or following is None:
                return None
            person = Person(row.id, row.name, row.role, row.cafeteria_id)
            return self._grant(person, row.session_id, *following)

        granted = await self._database.write(change, by=[owner])
        if granted is None:
            raise CredentialsError(_REFUSED)
        return granted

    async def listed(self, caller: Principal) -> list[Session]:
        """The caller's live sessions, the last used first; never more than MOST_SESSIONS."""
        statement = (
            select(
                model.Session.id,
                model.Session.device,
                model.Session.user_agent,
                model.Session.created_at,
                model.Session.last_used_at,
                model.Session.expires_at,
            )
            .where(model.Session.user_id == caller.id, model.Session.expires_at > func.now())
            .order_by(model.Session.last_used_at.desc(), model.Session.id.desc())
        )
        rows = await self._database.rows(Node.MENU, statement, of=caller.id)
        return [Session(*row, row.id == caller.session_id) for row in rows]

    async def end(self, caller: Principal, session_id: int) -> None:
        """End one of the caller's sessions. Raises NotFoundError, for another's too."""
        if not await self._end(caller, session_id):
            raise NotFoundError("session", session_id)

    async def log_out(self, caller: Principal) -> None:
        """End the session that the caller speaks through; no error if it is over."""
        if caller.session_id is not None:
            await self._end(caller, caller.session_id)

    async def end_others(self, database: Writer, caller: Principal) -> None:
        """End all of the caller's sessions but the one they speak through, as part of a
        transaction that holds the person's row locked."""
        await database.change(
            delete(model.Session).where(
                model.Session.user_id == caller.id,
                model.Session.id.is_distinct_from(caller.session_id),
            )
        )

    async def _end(self, caller: Principal, session_id: int) -> bool:
        statement = (
            delete(model.Session)
            .where(model.Session.id == session_id, model.Session.user_id == caller.id)
            .returning(model.Session.id)
        )

        async def change(database: Writer) -> bool:
            return (await database.change(statement)).one_or_none() is not None

        return await self._database.write(change, by=[caller.id])

    async def _owner(self, token: RefreshToken) -> int | None:
        """Whose it is; what is no token of anybody's costs no transaction."""
        statement = select(model.Session.user_id).where(
            model.Session.family_hash == token.family_hash
        )
        rows = await self._database.rows(Node.PRIMARY, statement)
        return rows[0].user_id if rows else None

    def _grant(
        self, person: Person, session_id: int, token: RefreshToken, expires_at: datetime
    ) -> Grant:
        principal = Principal(person.id, person.role, person.cafeteria_id, session_id)
        access_token, until = self._tokens.issue(principal, datetime.now(UTC))
        return Grant(principal, person.name, access_token, until, str(token), expires_at)


def _printable(text: str | None, most: int) -> str | None:
    kept = "".join(filter(str.isprintable, (text or "")[:most])).strip()
    return kept or None


def _to_make_room(person: int) -> Delete:
    """What is over, and what would be too much with one more."""
    kept = (
        select(model.Session.id)
        .where(model.Session.user_id == person, model.Session.expires_at > func.now())
        .order_by(model.Session.last_used_at.desc(), model.Session.id.desc())
        .limit(MOST_SESSIONS - 1)
    )
    return delete(model.Session).where(
        model.Session.user_id == person, model.Session.id.not_in(kept)
    )


def _to_refresh(token: RefreshToken) -> Select[*tuple[Any, ...]]:
    """The session of a token, locked: of two refreshes at once, one sees what the other did."""
    return (
        select(
            *PERSON,
            model.Session.id.label("session_id"),
            model.Session.token_hash,
            model.Session.replaced_hash,
            model.Session.salt,
            model.Session.expires_at,
            and_(model.User.is_active, model.Session.expires_at > func.now()).label("is_alive"),
            (model.Session.replaced_at > func.now() - GRACE).label("is_in_grace"),
        )
        .join(model.User, model.User.id == model.Session.user_id)
        .where(model.Session.family_hash == token.family_hash)
        .with_for_update(of=model.Session)
    )


async def _next(
    database: Writer, row: Row[*tuple[Any, ...]], token: RefreshToken
) -> tuple[RefreshToken, datetime] | None:
    """The token that follows and until when it is good; or None, and the session has ended."""
    if row.is_alive:
        if token.hash == row.token_hash:
            return await _rotate(database, row.session_id, token)
        if token.hash == row.replaced_hash and row.is_in_grace:
            return token.successor(row.salt), row.expires_at
        log.warning("session %d of user %d: an old refresh token was used", row.session_id, row.id)
    await database.change(delete(model.Session).where(model.Session.id == row.session_id))
    return None


async def _rotate(
    database: Writer, session_id: int, token: RefreshToken
) -> tuple[RefreshToken, datetime]:
    salt = secrets.token_bytes(_SALT_BYTES)
    successor = token.successor(salt)
    rotated = await database.change(
        update(model.Session)
        .where(model.Session.id == session_id)
        .values(
            token_hash=successor.hash,
            replaced_hash=token.hash,
            salt=salt,
            replaced_at=func.now(),
            last_used_at=func.now(),
            expires_at=func.least(func.now() + IDLE, model.Session.created_at + LONGEST),
        )
        .returning(model.Session.expires_at)
    )
    return successor, rotated.scalar_one()
