"""The menu as everybody reads it: from the cache, or from the replica that serves it."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import select

from domain import kinds, model
from domain.cache import Cache
from domain.database import Database, Fence, Reader, Role
from domain.model.menu import Category, Picture, Product
from domain.model.paging import Page, Window

PICTURE_COLUMNS: Final[tuple[Any, ...]] = (
    model.Product.picture_version,
    model.Product.picture_original,
    model.Product.picture_width,
    model.Product.picture_height,
    model.Product.picture_color,
    model.Product.picture_thumbhash,
    model.Product.picture_levels,
    model.Product.picture_uploaded_at,
)
_COLUMNS: Final[tuple[Any, ...]] = (
    model.Product.id,
    model.Product.cafeteria_id,
    model.Product.category_id,
    model.Product.name,
    model.Product.description,
    model.Product.price_minor,
    model.Product.stock,
    model.Product.is_available,
)


def picture(version: str | None, *facts: Any) -> Picture | None:
    if version is None:
        return None
    original, width, height, color, thumbhash, levels, uploaded_at = facts
    sizes = tuple((level[0], level[1]) for level in levels)
    return Picture(version, original, width, height, color, thumbhash, sizes, uploaded_at)


class Menu:
    """Categories and products; what has no id has no place on it."""

    def __init__(self, database: Database, cache: Cache) -> None:
        self._database = database
        self._cache = cache

    async def categories(self) -> list[Category]:
        """Every category in the order of the menu."""
        return await self._cache.get(kinds.CATEGORIES, None, self._read_categories) or []

    async def products(self, window: Window, category_id: int | None = None) -> Page[Product]:
        """The products of one category, or of all; an unknown category has none."""
        ids = await self._cache.get(kinds.MENU, category_id, self._read_menus) or []
        chosen = ids[window.offset : window.offset + window.limit]
        products = await self._cache.get_many(kinds.PRODUCTS, chosen, self._read_products)
        return Page([product for product in products if product is not None], len(ids))

    async def product(self, product_id: int) -> Product | None:
        """One product, or None."""
        return await self._cache.get(kinds.PRODUCTS, product_id, self._read_products)

    async def _read_categories(
        self, keys: Sequence[None], fence: Fence
    ) -> tuple[dict[None, list[Category]], Fence]:
        columns = (
            model.Category.id,
            model.Category.slug,
            model.Category.name,
            model.Category.description,
        )
        statement = select(*columns).order_by(model.Category.position, model.Category.id)

        async def read(database: Reader) -> dict[None, list[Category]]:
            found = [Category(*row) for row in await database.execute(statement)]
            return dict.fromkeys(keys, found)

        return await self._database.snapshot(Role.MENU, read, fence)

    async def _read_menus(
        self, keys: Sequence[int | None], fence: Fence
    ) -> tuple[dict[int | None, list[int]], Fence]:
        async def read(database: Reader) -> dict[int | None, list[int]]:
            return {key: await _menu(database, key) for key in keys}

        return await self._database.snapshot(Role.MENU, read, fence)

    async def _read_products(
        self, keys: Sequence[int], fence: Fence
    ) -> tuple[dict[int, Product], Fence]:
        statement = select(*_COLUMNS, *PICTURE_COLUMNS).where(model.Product.id.in_(keys))
        own = len(_COLUMNS)

        async def read(database: Reader) -> dict[int, Product]:
            rows = await database.execute(statement)
            return {row[0]: Product(*(*row[:own], picture(*row[own:]))) for row in rows}

        return await self._database.snapshot(Role.MENU, read, fence)


async def _menu(database: Reader, category_id: int | None) -> list[int]:
    statement = select(model.Product.id).order_by(model.Product.id)
    if category_id is not None:
        statement = statement.where(model.Product.category_id == category_id)
    return [row[0] for row in await database.execute(statement)]
