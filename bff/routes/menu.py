"""What everyone may see: products, categories and cafeterias."""

from datetime import UTC, datetime
from typing import Annotated

from litestar import get
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from bff.edge import kinds
from bff.edge.problems import declared
from bff.representation import views
from bff.representation.pages import Listing, PageLimit, PageNumber, listing, window
from domain.cafeterias import Cafeterias
from domain.menu import Menu

CategoryId = Annotated[
    int | None,
    QueryParameter(name="categoryId", ge=1, le=2**63 - 1, description="of this category only"),
]
PROBLEMS = declared(kinds.INVALID_PARAMETER, kinds.UNAVAILABLE)


@get("/api/products", summary="The products of the menu", tags=["menu"], responses=PROBLEMS)
async def list_products(
    menu: NamedDependency[Menu],
    category_id: CategoryId = None,
    page: PageNumber = 1,
    limit: PageLimit = 20,
) -> Listing[views.ProductView]:
    """Products by id, of one category or of all."""
    found = await menu.products(window(page, limit), category_id)
    return listing([views.product(row) for row in found.rows], found.total, page, limit)


@get("/api/categories", summary="The sections of the menu", tags=["menu"], responses=PROBLEMS)
async def list_categories(
    menu: NamedDependency[Menu], page: PageNumber = 1, limit: PageLimit = 100
) -> Listing[views.CategoryView]:
    """Every category in the order of the menu."""
    rows = await menu.categories()
    chosen = window(page, limit)
    shown = rows[chosen.offset : chosen.offset + chosen.limit]
    return listing([views.category(row) for row in shown], len(rows), page, limit)


@get(
    "/api/cafeterias",
    summary="The cafeterias and whether they are open",
    tags=["menu"],
    responses=PROBLEMS,
)
async def list_cafeterias(
    cafeterias: NamedDependency[Cafeterias], page: PageNumber = 1, limit: PageLimit = 100
) -> Listing[views.CafeteriaView]:
    """Every cafeteria by name, with its hours and its status at this instant."""
    rows = await cafeterias.listed(datetime.now(UTC))
    chosen = window(page, limit)
    shown = rows[chosen.offset : chosen.offset + chosen.limit]
    return listing([views.cafeteria(row) for row in shown], len(rows), page, limit)
