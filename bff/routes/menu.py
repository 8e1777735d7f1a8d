"""What everyone may see: products, categories and cafeterias."""

from datetime import UTC, datetime
from typing import Annotated, Any, Final

from litestar import Request, get
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from bff.edge import kinds
from bff.edge.problems import declared as problems
from bff.representation import views
from bff.representation.answers import Answer
from bff.representation.fields import Fields
from bff.representation.pages import (
    Cursor,
    Cursors,
    Page,
    PageLimit,
    PageNumber,
    asked,
    declared,
    listing,
)
from bff.representation.shared import Made, Shared
from bff.routes.inputs import MOST_ID
from domain.cafeterias import Cafeterias, first_turn
from domain.menu import Menu, ProductOrder, Wanted
from domain.model.paging import Rank

CategoryId = Annotated[
    int | None,
    QueryParameter(name="categoryId", ge=1, le=MOST_ID, description="of this category only"),
]
CafeteriaId = Annotated[
    int | None,
    QueryParameter(name="cafeteriaId", ge=1, le=MOST_ID, description="of this cafeteria only"),
]
Sort = Annotated[ProductOrder, QueryParameter(description="a minus turns it round")]
PROBLEMS: Final = problems(kinds.INVALID_PARAMETER, kinds.UNAVAILABLE)


@get(
    "/api/products",
    summary="The products of the menu",
    tags=["menu"],
    responses=PROBLEMS | declared(views.PRODUCTS),
)
async def list_products(
    request: Request[Any, Any, Any],
    menu: NamedDependency[Menu],
    shared: NamedDependency[Shared],
    cursors: NamedDependency[Cursors],
    category_id: CategoryId = None,
    cafeteria_id: CafeteriaId = None,
    available: Annotated[
        bool | None, QueryParameter(description="only what can be had now, or only what cannot")
    ] = None,
    q: Annotated[
        str | None,
        QueryParameter(
            max_length=64,
            description="words of the name or the description, whatever their case and accents",
        ),
    ] = None,
    sort: Sort = ProductOrder.ID,
    page: PageNumber = 1,
    limit: PageLimit = 20,
    cursor: Cursor = None,
    fields: Fields = None,
) -> Answer[Page[Any]]:
    """Products, as they are filtered and sorted; the same for everybody."""
    chosen = views.PRODUCTS.select(fields)
    wanted = Wanted(category_id, cafeteria_id, available, q, sort)
    of = listing(
        "/api/products",
        fields and chosen.key,
        categoryId=category_id,
        cafeteriaId=cafeteria_id,
        available=available,
        q=q,
        sort=sort,
    )
    part = cursors.asked(of, Rank, page=page, limit=limit, cursor=cursor)

    async def make() -> Made:
        found = await menu.products(part.part, wanted)
        return Made(*part.shown(chosen.shown(map(views.product, found.rows)), found))

    return await shared.answer(request, f"{part.key}#{chosen.key}", make)


@get(
    "/api/categories",
    summary="The sections of the menu",
    tags=["menu"],
    responses=PROBLEMS | declared(views.CATEGORIES),
)
async def list_categories(
    request: Request[Any, Any, Any],
    menu: NamedDependency[Menu],
    shared: NamedDependency[Shared],
    page: PageNumber = 1,
    limit: PageLimit = 100,
    fields: Fields = None,
) -> Answer[Page[Any]]:
    """Every category in the order of the menu."""
    chosen = views.CATEGORIES.select(fields)
    part = asked(listing("/api/categories", fields and chosen.key), page, limit)

    async def make() -> Made:
        found = part.cut(await menu.categories())
        return Made(*part.shown(chosen.shown(map(views.category, found.rows)), found))

    return await shared.answer(request, f"{part.key}#{chosen.key}", make)


@get(
    "/api/cafeterias",
    summary="The cafeterias and whether they are open",
    tags=["menu"],
    responses=PROBLEMS | declared(views.CAFETERIAS),
)
async def list_cafeterias(
    request: Request[Any, Any, Any],
    cafeterias: NamedDependency[Cafeterias],
    shared: NamedDependency[Shared],
    page: PageNumber = 1,
    limit: PageLimit = 100,
    fields: Fields = None,
) -> Answer[Page[Any]]:
    """Every cafeteria by name, with its hours and its status at this instant."""
    chosen = views.CAFETERIAS.select(fields)
    part = asked(listing("/api/cafeterias", fields and chosen.key), page, limit)

    async def make() -> Made:
        every = await cafeterias.listed(datetime.now(UTC))
        found = part.cut(every)
        shown = part.shown(chosen.shown(map(views.cafeteria, found.rows)), found)
        return Made(*shown, until=first_turn(every))

    return await shared.answer(request, f"{part.key}#{chosen.key}", make)
