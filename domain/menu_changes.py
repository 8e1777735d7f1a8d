"""What those who run the counters change on the menu: products and categories.

What is deleted is withdrawn: it is on no menu and in no basket, and orders still know its name.
"""

from collections.abc import Mapping
from typing import Any, Final, TypedDict

from sqlalchemy import ColumnElement, Row, func, insert, select, update

from domain import model, tags
from domain.accounts import Principal
from domain.database import Database, Writer
from domain.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from domain.idempotency import Once, once
from domain.menu import CATEGORY_COLUMNS, PRODUCT_COLUMNS, product
from domain.model import Role
from domain.model.menu import Category, Product
from domain.people import must_be_active
from domain.records import record
from domain.versions import Expected, require

MOST_PRODUCT_NAME: Final = 160
MOST_CATEGORY_NAME: Final = 120
MOST_SLUG: Final = 64
MOST_DESCRIPTION: Final = 2000
MOST_PRICE_MINOR: Final = 100_000_000
MOST_STOCK: Final = 1_000_000
MOST_POSITION: Final = 32_767
# Any constant will do: "slugs" in hexadecimal.
_SLUGS: Final = 0x736C756773


class ProductChange(TypedDict, total=False):
    """What of a product becomes another; the price is in minor units."""

    category_id: int
    name: str
    description: str
    price_minor: int
    stock: int
    is_available: bool


class NewProduct(TypedDict):
    """A product that is not there yet."""

    cafeteria_id: int
    category_id: int
    name: str
    description: str
    price_minor: int
    stock: int
    is_available: bool


class CategoryChange(TypedDict, total=False):
    """What of a category becomes another."""

    slug: str
    name: str
    description: str
    position: int


class NewCategory(TypedDict):
    """A category that is not there yet."""

    slug: str
    name: str
    description: str
    position: int


class MenuChanges:
    """Changes of the menu, each in one transaction with a record of who made it.

    Every method raises ForbiddenError: products are changed by the staff of their cafeteria, and
    like everything else by administrators. Where versions are `expected` it raises ChangedError.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add_product(self, caller: Principal, new: NewProduct, request: Once) -> Product:
        """A product with the next free id. Raises InvalidError where there is no such category
        or cafeteria, and what `once` raises."""
        if not caller.runs(new["cafeteria_id"]):
            raise _NOT_THEIRS

        async def add(database: Writer) -> Product:
            await _must_be_there(database, model.Category, new["category_id"])
            await _must_be_there(database, model.Cafeteria, new["cafeteria_id"])
            added = await database.change(
                insert(model.Product).values(**new).returning(*PRODUCT_COLUMNS)
            )
            row = added.one()
            await record(database, caller, tags.product(row.id), row.version, new)
            database.void([tags.product(row.id), tags.MENU])
            return product(row)

        async def change(database: Writer) -> Product:
            await must_be_active(database, caller.id)
            return await once(database, request, Product, lambda: add(database))

        return await self._database.write(change, by=[caller.id])

    async def change_product(
        self, caller: Principal, product_id: int, to: ProductChange, expected: Expected
    ) -> Product:
        """The product as it is then. Raises NotFoundError, and InvalidError where there is no
        such category."""

        async def change(database: Writer) -> Product:
            await must_be_active(database, caller.id)
            if "category_id" in to:
                await _must_be_there(database, model.Category, to["category_id"])
            before = await _locked_product(database, caller, product_id, expected)
            if not to:
                return product(before)
            row = await _changed_product(database, product_id, to)
            await record(database, caller, tags.product(product_id), row.version, to)
            moved = row.category_id != before.category_id
            database.void([tags.product(product_id), *([tags.MENU] if moved else [])])
            return product(row)

        return await self._database.write(change, by=[caller.id])

    async def withdraw_product(
        self, caller: Principal, product_id: int, expected: Expected
    ) -> None:
        """Take it off the menu for good. Raises NotFoundError."""
        gone = {"withdrawn_at": func.now(), "is_available": False}

        async def change(database: Writer) -> None:
            await must_be_active(database, caller.id)
            await _locked_product(database, caller, product_id, expected)
            row = await _changed_product(database, product_id, gone)
            await record(database, caller, tags.product(product_id), row.version, gone)
            database.void([tags.product(product_id), tags.MENU])

        await self._database.write(change, by=[caller.id])

    async def add_category(self, caller: Principal, new: NewCategory, request: Once) -> Category:
        """A category without products. Raises ConflictError where there is one of that slug, and
        what `once` raises."""
        _must_administrate(caller)

        async def add(database: Writer) -> Category:
            await _must_be_free(database, new["slug"])
            added = await database.change(
                insert(model.Category).values(**new).returning(*CATEGORY_COLUMNS)
            )
            category = Category(*added.one())
            await record(database, caller, f"category-{category.id}", category.version, new)
            database.void([tags.CATEGORIES])
            return category

        async def change(database: Writer) -> Category:
            await must_be_active(database, caller.id)
            return await once(database, request, Category, lambda: add(database))

        return await self._database.write(change, by=[caller.id])

    async def change_category(
        self, caller: Principal, category_id: int, to: CategoryChange, expected: Expected
    ) -> Category:
        """The category as it is then. Raises NotFoundError, and ConflictError where there is
        another one of that slug."""
        _must_administrate(caller)

        async def change(database: Writer) -> Category:
            await must_be_active(database, caller.id)
            if "slug" in to:
                await _must_be_free(database, to["slug"], model.Category.id != category_id)
            before = await _locked_category(database, category_id, expected)
            if not to:
                return before
            category = await _changed_category(database, category_id, to)
            await record(database, caller, f"category-{category_id}", category.version, to)
            database.void([tags.CATEGORIES])
            return category

        return await self._database.write(change, by=[caller.id])

    async def withdraw_category(
        self, caller: Principal, category_id: int, expected: Expected
    ) -> None:
        """Take it off the menu for good. Raises NotFoundError, and ConflictError while there are
        products in it."""
        _must_administrate(caller)
        gone = {"withdrawn_at": func.now()}
        products = (
            select(func.count())
            .select_from(model.Product)
            .where(model.Product.category_id == category_id, model.Product.withdrawn_at.is_(None))
        )

        async def change(database: Writer) -> None:
            await must_be_active(database, caller.id)
            await _locked_category(database, category_id, expected)
            # Nobody adds one meanwhile: they would have to lock the category.
            left = await database.scalar(products)
            if left:
                raise ConflictError(f"There are {left} products in it; move or delete them first.")
            category = await _changed_category(database, category_id, gone)
            await record(database, caller, f"category-{category_id}", category.version, gone)
            database.void([tags.CATEGORIES])

        await self._database.write(change, by=[caller.id])


_NOT_THEIRS: Final = ForbiddenError("Products are changed by the staff of their cafeteria.")


def _must_administrate(caller: Principal) -> None:
    if caller.role is not Role.ADMIN:
        raise ForbiddenError("Categories are changed by administrators.")


async def _must_be_there(
    database: Writer, table: type[model.Category | model.Cafeteria], key: int
) -> None:
    """Keep a product's category or cafeteria until the transaction ends. Raises InvalidError."""
    there = (
        select(table.id)
        .where(table.id == key, table.withdrawn_at.is_(None))
        .with_for_update(read=True)
    )
    if await database.scalar(there) is None:
        raise InvalidError(f"There is no {table.__name__.lower()} {key}.")


async def _must_be_free(
    database: Writer, slug: str, among: ColumnElement[bool] | None = None
) -> None:
    """Raises ConflictError for the slug of a category that there is, or is about to be."""
    await database.scalar(select(func.pg_advisory_xact_lock(_SLUGS)))
    taken = select(model.Category.id).where(
        model.Category.slug == slug, model.Category.withdrawn_at.is_(None)
    )
    if await database.scalar(taken if among is None else taken.where(among)) is not None:
        raise ConflictError(f"There is a category {slug!r} already.")


async def _locked_product(
    database: Writer, caller: Principal, product_id: int, expected: Expected
) -> Row[*tuple[Any, ...]]:
    found = await database.execute(
        select(*PRODUCT_COLUMNS)
        .where(model.Product.id == product_id, model.Product.withdrawn_at.is_(None))
        # Orders may refer to it meanwhile.
        .with_for_update(key_share=True)
    )
    row = found.one_or_none()
    if row is None:
        raise NotFoundError("product", product_id)
    if not caller.runs(row.cafeteria_id):
        raise _NOT_THEIRS
    require(expected, row.version)
    return row


async def _changed_product(
    database: Writer, product_id: int, to: Mapping[str, Any] | ProductChange
) -> Row[*tuple[Any, ...]]:
    changed = await database.change(
        update(model.Product)
        .where(model.Product.id == product_id)
        .values(**to, updated_at=func.now())
        .returning(*PRODUCT_COLUMNS)
    )
    return changed.one()


async def _locked_category(database: Writer, category_id: int, expected: Expected) -> Category:
    found = await database.execute(
        select(*CATEGORY_COLUMNS)
        .where(model.Category.id == category_id, model.Category.withdrawn_at.is_(None))
        .with_for_update(key_share=True)
    )
    row = found.one_or_none()
    if row is None:
        raise NotFoundError("category", category_id)
    category = Category(*row)
    require(expected, category.version)
    return category


async def _changed_category(
    database: Writer, category_id: int, to: Mapping[str, Any] | CategoryChange
) -> Category:
    changed = await database.change(
        update(model.Category)
        .where(model.Category.id == category_id)
        .values(**to)
        .returning(*CATEGORY_COLUMNS)
    )
    return Category(*changed.one())
