"""What administrators may set while the system runs, each with its type and its default."""

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Final, Generic, TypeVar, cast

import msgspec
from msgspec import Meta, Struct
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert

from domain import kinds, model, tags
from domain.accounts import Principal
from domain.cache import Cache
from domain.database import Database, Fence, Reader, Writer
from domain.database import Role as Node
from domain.errors import ForbiddenError, InvalidError, NotFoundError
from domain.model import Role
from domain.people import must_be_active
from domain.records import record
from domain.versions import Expected, require

T = TypeVar("T")

log = logging.getLogger(__name__)


class Setting(Struct, Generic[T], frozen=True):
    """A value by its name; `type` is what it may be, for msgspec."""

    key: str
    type: Any
    default: T
    meaning: str


NOTICE: Final = Setting[str | None](
    "home.notice",
    Annotated[str, Meta(min_length=1, max_length=280, pattern=r"^[^\x00]*$(?!\n)")] | None,
    None,
    "what everybody reads at the head of the first screen; null for nothing",
)
BESTSELLERS: Final = Setting[int](
    "home.bestsellers",
    Annotated[int, Meta(ge=0, le=24)],
    8,
    "how many of the products sold most are on the first screen",
)
SETTINGS: Final[Mapping[str, Setting[Any]]] = {each.key: each for each in (NOTICE, BESTSELLERS)}


class Held(Struct, frozen=True):
    """A setting with its value; version 0 is the default, which nobody has changed yet."""

    setting: Setting[Any]
    value: Any
    version: int
    updated_at: datetime | None


class Configuration:
    """Settings as they are now; who may see all and change them is an administrator."""

    def __init__(self, database: Database, cache: Cache) -> None:
        self._database = database
        self._cache = cache

    async def value(self, setting: Setting[T]) -> T:
        """Of the cache, so it may be of a moment ago. What an older release has left there and
        this one does not take is the default."""
        found = await self._cache.get(kinds.CONFIGURATION, setting.key, self._read)
        return setting.default if found is None else _taken(setting, found)

    async def listed(self, caller: Principal) -> list[Held]:
        """Every setting, by its name. Raises ForbiddenError."""
        _must_administrate(caller)

        async def read(database: Reader) -> list[Held]:
            return [await _held(database, each) for _, each in sorted(SETTINGS.items())]

        return await self._database.read(Node.PRIMARY, read)

    async def one(self, caller: Principal, key: str) -> Held:
        """One of them. Raises ForbiddenError, NotFoundError."""
        _must_administrate(caller)
        setting = _named(key)
        return await self._database.read(Node.PRIMARY, lambda database: _held(database, setting))

    async def put(self, caller: Principal, key: str, value: Any, expected: Expected) -> Held:
        """Set it. Raises ForbiddenError, NotFoundError, ChangedError, and InvalidError for what it
        cannot be."""
        _must_administrate(caller)
        setting = _named(key)
        try:
            msgspec.convert(value, setting.type)
        except msgspec.ValidationError as error:
            raise InvalidError(f"{key}: {error}") from error
        new = insert(model.Configuration).values(key=key, value=value, updated_at=func.now())
        kept = new.on_conflict_do_update(
            index_elements=[model.Configuration.key],
            set_={"value": new.excluded.value, "updated_at": func.now()},
        )

        async def change(database: Writer) -> Held:
            await must_be_active(database, caller.id)
            # A row that is not there yet cannot be locked.
            await database.scalar(select(func.pg_advisory_xact_lock(_SETTINGS)))
            require(expected, (await _held(database, setting)).version)
            await database.change(kept)
            held = await _held(database, setting)
            await record(database, caller, tags.configuration(key), held.version, ["value"])
            database.void([tags.configuration(key)])
            return held

        return await self._database.write(change, by=[caller.id])

    async def _read(self, keys: Sequence[str], fence: Fence) -> tuple[dict[str, Any], Fence]:
        statement = select(model.Configuration.key, model.Configuration.value).where(
            model.Configuration.key.in_(keys)
        )

        async def read(database: Reader) -> dict[str, Any]:
            return {row.key: row.value for row in await database.execute(statement)}

        return await self._database.snapshot(Node.MENU, read, fence)


# Any constant will do: "settings" in hexadecimal.
_SETTINGS: Final = 0x73657474696E6773


def _must_administrate(caller: Principal) -> None:
    if caller.role is not Role.ADMIN:
        raise ForbiddenError("The configuration is for administrators.")


def _named(key: str) -> Setting[Any]:
    try:
        return SETTINGS[key]
    except KeyError:
        raise NotFoundError("setting", key) from None


def _taken(setting: Setting[T], found: Any) -> T:
    try:
        return cast("T", msgspec.convert(found, setting.type))
    except msgspec.ValidationError as error:
        log.warning("%s is %r, and taken for its default: %s", setting.key, found, error)
        return setting.default


async def _held(database: Reader, setting: Setting[Any]) -> Held:
    table = model.Configuration
    statement = select(table.value, table.version, table.updated_at)
    row = (await database.execute(statement.where(table.key == setting.key))).one_or_none()
    if row is None:
        return Held(setting, setting.default, 0, None)
    return Held(setting, _taken(setting, row.value), row.version, row.updated_at)
