"""The menu: categories, products and the facts of their pictures."""

from typing import Any

from msgspec import Struct
from sqlalchemy import func, select

from domain import model
from domain.database import Cluster, Role
from domain.model.paging import Page, Window


class Picture(Struct, frozen=True):
    """The facts of a product's original: its content's version and its size in pixels."""

    version: str
    width: int
    height: int


class Category(Struct, frozen=True):
    """A section of the menu."""

    id: int
    slug: str
    name: str
    description: str


class Product(Struct, frozen=True):
    """A dish as it stands on the menu; the price is in minor units."""

    id: int
    cafeteria_id: int
    category_id: int
    name: str
    description: str
    price_minor: int
    stock: int
    is_available: bool
    picture: Picture | None


_picture_columns: tuple[Any, ...] = (
    model.Product.picture_version,
    model.Product.picture_width,
    model.Product.picture_height,
)
_product_columns: tuple[Any, ...] = (
    model.Product.id,
    model.Product.cafeteria_id,
    model.Product.category_id,
    model.Product.name,
    model.Product.description,
    model.Product.price_minor,
    model.Product.stock,
    model.Product.is_available,
)


def _picture(version: str | None, width: int, height: int) -> Picture | None:
    return None if version is None else Picture(version, width, height)


class Catalogue:
    """Reads of the menu, from the replica that serves it."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def categories(self) -> list[Category]:
        """Every category in the order of the menu."""
        columns = (
            model.Category.id,
            model.Category.slug,
            model.Category.name,
            model.Category.description,
        )
        statement = select(*columns).order_by(model.Category.position, model.Category.id)
        async with self._cluster.read(Role.MENU) as database:
            return [Category(*row) for row in await database.execute(statement)]

    async def products(self, window: Window, category_id: int | None = None) -> Page[Product]:
        """The products of one category, or of all; an unknown category has none."""
        counted = select(func.count()).select_from(model.Product)
        listed = (
            select(*_product_columns, *_picture_columns)
            .order_by(model.Product.id)
            .limit(window.limit)
            .offset(window.offset)
        )
        if category_id is not None:
            chosen = model.Product.category_id == category_id
            counted, listed = counted.where(chosen), listed.where(chosen)
        facts = len(_product_columns)
        async with self._cluster.read(Role.MENU) as database:
            total = await database.scalar(counted)
            rows = await database.execute(listed)
            products = [Product(*(*row[:facts], _picture(*row[facts:]))) for row in rows]
        return Page(products, total or 0)

    async def picture(self, product_id: int) -> Picture | None:
        """The facts of a product's picture; None without product or without picture."""
        statement = select(*_picture_columns).where(model.Product.id == product_id)
        async with self._cluster.read(Role.MENU) as database:
            row = (await database.execute(statement)).one_or_none()
        return None if row is None else _picture(*row)
