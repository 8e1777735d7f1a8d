"""Accounts: making one, logging into it, and changing its password."""

from typing import Final
from unicodedata import normalize

from sqlalchemy import func, insert, select, update
from sqlalchemy.dialects import postgresql

from domain import model
from domain.accounts.passwords import Passwords, require_good
from domain.accounts.sessions import PERSON, Device, Grant, Person, Sessions
from domain.accounts.tokens import Principal
from domain.database import Database, Writer
from domain.database import Role as Node
from domain.errors import ConflictError, CredentialsError, ForbiddenError, InvalidError

MOST_ADDRESS: Final = 254
MOST_NAME: Final = 120


class Accounts:
    """The accounts of the campus."""

    def __init__(self, database: Database, sessions: Sessions) -> None:
        self._database = database
        self._sessions = sessions
        self._passwords = Passwords()

    async def register(self, email: str, name: str, password: str, device: Device) -> Grant:
        """A new customer with an empty wallet, and a first session.

        Raises InvalidError, for a bad password among others, and ConflictError.
        """
        email, name = _normalised(email), name.strip()
        if not name:
            raise InvalidError("A person has a name.")
        require_good(password, email)
        password_hash = await self._passwords.hash(password)
        registered: set[int] = set()

        async def change(database: Writer) -> Grant | None:
            made = await database.change(
                postgresql.insert(model.User)
                .values(email=email, name=name, password_hash=password_hash)
                .on_conflict_do_nothing()
                .returning(*PERSON)
            )
            row = made.one_or_none()
            if row is None:
                return None
            registered.add(row.id)
            await database.change(insert(model.Wallet).values(user_id=row.id))
            return await self._sessions.open(database, Person(*row), device)

        # Filled by then: nobody has a number before.
        granted = await self._database.write(change, by=registered)
        if granted is None:
            raise ConflictError("No account can be made with this e-mail address.")
        return granted

    async def login(self, email: str, password: str, device: Device) -> Grant:
        """A session for the account of `email`; CredentialsError says no more than "no"."""
        statement = select(model.User.id, model.User.password_hash).where(
            func.lower(model.User.email) == same_for_all_spellings(email)
        )
        rows = await self._database.rows(Node.PRIMARY, statement)
        user_id, password_hash = rows[0] if rows else (0, None)
        refused = CredentialsError("The e-mail address or the password is wrong.")
        if not await self._passwords.match(password, password_hash):
            raise refused

        async def change(database: Writer) -> Grant | None:
            # It may have been changed, or the account closed, while the old one was verified.
            row = (
                await database.execute(
                    select(*PERSON)
                    .where(
                        model.User.id == user_id,
                        model.User.password_hash == password_hash,
                        model.User.is_active,
                    )
                    # Orders may refer to the person meanwhile.
                    .with_for_update(key_share=True)
                )
            ).one_or_none()
            if row is None:
                return None
            return await self._sessions.open(database, Person(*row), device)

        granted = await self._database.write(change, by=[user_id])
        if granted is None:
            raise refused
        return granted

    async def change_password(self, caller: Principal, old: str, new: str) -> None:
        """Another password for the caller, who stays logged in here and nowhere else.

        Raises InvalidError for a bad new one, ForbiddenError for a wrong old one.
        """
        statement = select(model.User.email, model.User.password_hash).where(
            model.User.id == caller.id, model.User.is_active
        )
        rows = await self._database.rows(Node.PRIMARY, statement)
        email, password_hash = rows[0] if rows else ("", None)
        require_good(new, email)
        refused = ForbiddenError("The old password is wrong.")
        if not await self._passwords.match(old, password_hash):
            raise refused
        new_hash = await self._passwords.hash(new)

        async def change(database: Writer) -> bool:
            changed = await database.change(
                update(model.User)
                .where(
                    model.User.id == caller.id,
                    # The one that was verified, which another change may have replaced.
                    model.User.password_hash == password_hash,
                )
                .values(password_hash=new_hash)
                .returning(model.User.id)
            )
            if changed.one_or_none() is None:
                return False
            await self._sessions.end_others(database, caller)
            return True

        if not await self._database.write(change, by=[caller.id]):
            raise refused


def _normalised(email: str) -> str:
    """As it is kept; a few letters are longer in lower case."""
    email = same_for_all_spellings(email)
    if len(email) > MOST_ADDRESS:
        raise InvalidError("The e-mail address is too long.")
    return email


def same_for_all_spellings(email: str) -> str:
    """The same for an address however it is typed: in which case, accents apart or not
    (RFC 6532 3.1)."""
    return normalize("NFC", email.lower())
