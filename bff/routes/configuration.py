"""What administrators may set while the system runs."""

from datetime import datetime
from typing import Annotated, Any

import msgspec
from litestar import get, put
from litestar.di import NamedDependency
from litestar.params import JSONBody, PathParameter
from msgspec import Struct

from bff.edge import kinds
from bff.edge.problems import declared
from bff.representation.answers import Answer
from bff.representation.views import View
from bff.routes.auth import BEARER
from bff.routes.inputs import END
from bff.routes.versions import IfMatch, changing, expected, reading, versioned
from domain.accounts import Principal
from domain.configuration import Configuration, Held

Key = Annotated[
    str,
    PathParameter(
        max_length=64, pattern=r"^[a-z]+(\.[a-z-]+)*" + END, description="like home.notice"
    ),
]


class SettingView(View, frozen=True):
    """A setting: its value, and what it may be (JSON Schema). Of version 0 is the default."""

    key: str
    meaning: str
    value: Any
    default: Any
    json_schema: dict[str, Any]
    version: int
    updated_at: datetime | None


class SettingList(Struct, frozen=True):
    """All of them: there are few."""

    data: list[SettingView]


class SettingBody(Struct, frozen=True, forbid_unknown_fields=True):
    """What it is set to."""

    value: Any


@get(
    "/api/admin/configuration",
    summary="Settings",
    tags=["operations"],
    security=BEARER,
    responses=declared(kinds.UNAUTHENTICATED, kinds.FORBIDDEN, kinds.UNAVAILABLE),
)
async def list_settings(
    principal: NamedDependency[Principal], configuration: NamedDependency[Configuration]
) -> SettingList:
    """What can be set while the system runs, by key, for administrators."""
    return SettingList([_setting(held) for held in await configuration.listed(principal)])


@get(
    "/api/admin/configuration/{key:str}",
    summary="A setting",
    tags=["operations"],
    **reading(),
)
async def show_setting(
    key: Key,
    principal: NamedDependency[Principal],
    configuration: NamedDependency[Configuration],
) -> Answer[SettingView]:
    """For administrators."""
    return _shown(await configuration.one(principal, key))


@put(
    "/api/admin/configuration/{key:str}",
    summary="Set it",
    tags=["operations"],
    **changing(kinds.UNPROCESSABLE),
)
async def put_setting(
    key: Key,
    data: JSONBody[SettingBody],
    principal: NamedDependency[Principal],
    configuration: NamedDependency[Configuration],
    if_match: IfMatch = None,
) -> Answer[SettingView]:
    """Every process has it within a second. By administrators; 422 for what it cannot be."""
    return _shown(await configuration.put(principal, key, data.value, expected(if_match)))


def _shown(held: Held) -> Answer[SettingView]:
    return versioned(_setting(held))


def _setting(held: Held) -> SettingView:
    return SettingView(
        key=held.setting.key,
        meaning=held.setting.meaning,
        value=held.value,
        default=held.setting.default,
        json_schema=msgspec.json.schema(held.setting.type),
        version=held.version,
        updated_at=held.updated_at,
    )
