"""People as they see themselves, and as administrators see them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, TypeAlias, TypedDict

from msgspec import Struct
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    and_,
    bindparam,
    delete,
    func,
    or_,
    select,
    true,
    update,
)

from domain import model
from domain.accounts import Principal
from domain.database import Database, Reader, Writer
from domain.database import Role as Node
from domain.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from domain.model import Role
from domain.model.paging import Following, Rank, Stretch, Window
from domain.records import record
from domain.versions import Expected, require


class User(Struct, frozen=True):
    """A person with an account; `cafeteria_id` is the counter of a member of staff."""

    id: int
    email: str
    name: str
    role: Role
    cafeteria_id: int | None
    is_active: bool
    version: int
    created_at: datetime


class UserChange(TypedDict, total=False):
    """What of a person becomes another."""

    name: str
    role: Role
    cafeteria_id: int | None
    is_active: bool


class Wanted(Struct, frozen=True):
    """Which people; what is not said, any. `text` is a part of a name or an address."""

    text: str | None = None
    role: Role | None = None
    is_active: bool | None = None


Part: TypeAlias = Window | Following[Rank]

_COLUMNS: Final = (
    model.User.id,
    model.User.email,
    model.User.name,
    model.User.role,
    model.User.cafeteria_id,
    model.User.is_active,
    model.User.version,
    model.User.created_at,
)
# Built once, for building takes longer than running.
_ONE: Final = select(*_COLUMNS).where(model.User.id == bindparam("person", type_=BigInteger))


class Users:
    """The people of the campus. Methods that are not of the caller alone raise ForbiddenError for
    anybody but administrators."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def me(self, caller: Principal) -> User:
        """The caller."""
        return await self._one(Node.MENU, caller.id, of=caller.id)

    async def rename(self, caller: Principal, name: str | None, expected: Expected) -> User:
        """The caller by another name, if one is given. Raises ChangedError, and ForbiddenError
        where the account was closed."""
        return await self._change(caller, caller.id, {"name": name} if name else {}, expected)

    async def listed(self, caller: Principal, wanted: Wanted, part: Part) -> Stretch[User, Rank]:
        """People by their id."""
        _must_administrate(caller)
        chosen = _chosen(wanted)
        counted = select(func.count()).select_from(model.User).where(chosen)
        # One more, which tells that there are more.
        rows = select(*_COLUMNS).where(chosen).order_by(model.User.id).limit(part.limit + 1)
        if isinstance(part, Window):
            rows = rows.offset(part.offset)
        else:
            rows = rows.where(model.User.id > part.after.id)

        async def read(database: Reader) -> Stretch[User, Rank]:
            total = await database.scalar(counted) if isinstance(part, Window) else None
            found = [User(*row) for row in await database.execute(rows)]
            shown = found[: part.limit]
            end = shown[-1].id if len(found) > part.limit else None
            return Stretch(shown, None if end is None else Rank(end, end), total)

        return await self._database.read(Node.MENU, read, of=caller.id)

    async def one(self, caller: Principal, user_id: int) -> User:
        """A person. Raises NotFoundError."""
        _must_administrate(caller)
        return await self._one(Node.MENU, user_id, of=caller.id)

    async def change(
        self, caller: Principal, user_id: int, to: UserChange, expected: Expected
    ) -> User:
        """The person as they are then. Whoever is closed is logged out everywhere; a token that
        they have, and a role that they lost, is good until it expires.

        Raises NotFoundError, ChangedError, ConflictError for one's own role or closing, so that
        there is always an administrator, and InvalidError for staff without a cafeteria.
        """
        _must_administrate(caller)
        if user_id == caller.id and to.keys() & {"role", "is_active"}:
            raise ConflictError("That has another administrator to do.")
        return await self._change(caller, user_id, dict(to), expected)

    async def _change(
        self, caller: Principal, user_id: int, to: Mapping[str, Any], expected: Expected
    ) -> User:
        async def change(database: Writer) -> User:
            before = await _locked(database, caller, user_id)
            require(expected, before.version)
            if not to:
                return before
            await _must_have_a_counter(database, before, to)
            await database.change(update(model.User).where(model.User.id == user_id).values(**to))
            if to.get("is_active") is False:
                await database.change(delete(model.Session).where(model.Session.user_id == user_id))
            after = await _user(database, user_id)
            await record(database, caller, f"user-{user_id}", after.version, to)
            return after

        return await self._database.write(change, by={caller.id, user_id})

    async def _one(self, node: Node, user_id: int, *, of: int) -> User:
        async def read(database: Reader) -> User:
            return await _user(database, user_id)

        return await self._database.read(node, read, of=of)


def _must_administrate(caller: Principal) -> None:
    if caller.role is not Role.ADMIN:
        raise ForbiddenError("People are for administrators.")


def _chosen(wanted: Wanted) -> ColumnElement[bool]:
    conditions: list[ColumnElement[bool]] = [true()]
    if wanted.text is not None:
        conditions.append(
            or_(
                model.User.name.icontains(wanted.text, autoescape=True),
                model.User.email.icontains(wanted.text, autoescape=True),
            )
        )
    if wanted.role is not None:
        conditions.append(model.User.role == wanted.role)
    if wanted.is_active is not None:
        conditions.append(model.User.is_active.is_(wanted.is_active))
    return and_(*conditions)


async def _user(database: Reader, user_id: int) -> User:
    row = (await database.execute(_ONE, {"person": user_id})).one_or_none()
    if row is None:
        raise NotFoundError("user", user_id)
    return User(*row)


async def _locked(database: Writer, caller: Principal, user_id: int) -> User:
    """Both in one order, so that two who change each other do not wait for each other."""
    found = await database.execute(
        select(*_COLUMNS)
        .where(model.User.id.in_({caller.id, user_id}))
        .order_by(model.User.id)
        # Orders may refer to them meanwhile.
        .with_for_update(key_share=True)
    )
    people = {row.id: User(*row) for row in found}
    if caller.id not in people or not people[caller.id].is_active:
        raise ForbiddenError("This account is not active.")
    if user_id not in people:
        raise NotFoundError("user", user_id)
    return people[user_id]


async def _must_have_a_counter(database: Writer, before: User, to: Mapping[str, Any]) -> None:
    """Staff have one that there is."""
    cafeteria_id = to.get("cafeteria_id", before.cafeteria_id)
    if to.get("role", before.role) is Role.STAFF and cafeteria_id is None:
        raise InvalidError("Staff have a cafeteria.")
    if to.get("cafeteria_id") is None:
        return
    there = select(model.Cafeteria.id).where(
        model.Cafeteria.id == cafeteria_id, model.Cafeteria.withdrawn_at.is_(None)
    )
    if await database.scalar(there.with_for_update(read=True)) is None:
        raise InvalidError(f"There is no cafeteria {cafeteria_id}.")
