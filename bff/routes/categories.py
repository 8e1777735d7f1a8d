"""One section of the menu: as everybody sees it, and as administrators change it."""

from typing import Annotated, Any, cast

from litestar import Request, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import JSONBody
from msgspec import UNSET, Meta, Struct, UnsetType

from bff.edge import kinds
from bff.representation import views
from bff.representation.answers import Answer
from bff.representation.fields import Fields
from bff.representation.shared import Made, Shared
from bff.routes.idempotency import IdempotencyKey, keyed
from bff.routes.inputs import LINE, TEXT, PathId, Slug, given
from bff.routes.versions import (
    IfMatch,
    adding,
    alone,
    changing,
    expected,
    removing,
    showing,
    versioned,
)
from domain.accounts import Principal
from domain.menu import Menu
from domain.menu_changes import (
    MOST_CATEGORY_NAME,
    MOST_DESCRIPTION,
    MOST_POSITION,
    CategoryChange,
    MenuChanges,
    NewCategory,
)

Name = Annotated[str, Meta(max_length=MOST_CATEGORY_NAME, pattern=LINE)]
Description = Annotated[str, Meta(max_length=MOST_DESCRIPTION, pattern=TEXT)]
Position = Annotated[
    int, Meta(ge=0, le=MOST_POSITION, description="the menu begins with the lowest")
]


class CategoryBody(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A section that the menu is to have."""

    slug: Slug
    name: Name
    description: Description = ""
    position: Position = 0


class CategoryPatch(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """What of a section becomes another (RFC 7396); what is not named stays, and null is nothing
    that any of it could be."""

    slug: Slug | UnsetType = UNSET
    name: Name | UnsetType = UNSET
    description: Description | UnsetType = UNSET
    position: Position | UnsetType = UNSET


@get(
    "/api/categories/{category_id:int}",
    summary="A section of the menu",
    tags=["menu"],
    **showing(views.CATEGORIES),
)
async def show_category(
    request: Request[Any, Any, Any],
    category_id: PathId,
    menu: NamedDependency[Menu],
    shared: NamedDependency[Shared],
    fields: Fields = None,
) -> Answer[Any]:
    """The same for everybody; 404 for one that was withdrawn."""
    chosen = views.CATEGORIES.select_of_one(fields)

    async def make() -> Made:
        return alone(views.category(await menu.category(category_id)), chosen)

    return await shared.answer(request, f"/api/categories/{category_id}#{chosen.key}", make)


@post(
    "/api/categories",
    summary="Add a section to the menu",
    tags=["menu"],
    **adding(kinds.CONFLICT),
)
async def add_category(
    data: JSONBody[CategoryBody],
    idempotency_key: IdempotencyKey,
    principal: NamedDependency[Principal],
    menu_changes: NamedDependency[MenuChanges],
) -> Answer[views.CategoryView]:
    """By administrators; 409 where there is one of that slug."""
    new = NewCategory(
        slug=data.slug, name=data.name, description=data.description, position=data.position
    )
    request = keyed(principal, idempotency_key, "category", data)
    category = await menu_changes.add_category(principal, new, request)
    return versioned(views.category(category), at=f"/api/categories/{category.id}")


@patch(
    "/api/categories/{category_id:int}",
    summary="Change a section of the menu",
    tags=["menu"],
    **changing(kinds.CONFLICT),
)
async def change_category(
    category_id: PathId,
    data: JSONBody[CategoryPatch],
    principal: NamedDependency[Principal],
    menu_changes: NamedDependency[MenuChanges],
    if_match: IfMatch = None,
) -> Answer[views.CategoryView]:
    """By administrators; 409 where there is another one of that slug."""
    category = await menu_changes.change_category(
        principal, category_id, cast("CategoryChange", given(data)), expected(if_match)
    )
    return versioned(views.category(category))


@delete(
    "/api/categories/{category_id:int}",
    summary="Withdraw a section of the menu",
    tags=["menu"],
    **removing(kinds.CONFLICT),
)
async def withdraw_category(
    category_id: PathId,
    principal: NamedDependency[Principal],
    menu_changes: NamedDependency[MenuChanges],
    if_match: IfMatch = None,
) -> None:
    """By administrators; 409 while there are products in it. Reports go on to name it."""
    await menu_changes.withdraw_category(principal, category_id, expected(if_match))
