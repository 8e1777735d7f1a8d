"""The menu as everybody reads it: from the cache, or from the replica that serves it."""

import unicodedata
from collections.abc import Sequence
from enum import StrEnum
from typing import Any, Final, TypeAlias

from msgspec import Struct
from sqlalchemy import BigInteger, bindparam, func, select
from sqlalchemy.dialects.postgresql import ARRAY

from domain import kinds, model
from domain.cache import Cache
from domain.database import Database, Fence, Reader, Role
from domain.errors import NotFoundError
from domain.model.menu import Category, Picture, Product
from domain.model.paging import Following, Rank, Stretch, Window

# Characters of a name by which it is sorted: where a list goes on has to fit into an address.
_MOST_SORTED: Final = 120
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
PRODUCT_COLUMNS: Final[tuple[Any, ...]] = (
    model.Product.id,
    model.Product.cafeteria_id,
    model.Product.category_id,
    model.Product.name,
    model.Product.description,
    model.Product.price_minor,
    model.Product.stock,
    model.Product.is_available,
    model.Product.version,
    *PICTURE_COLUMNS,
)
CATEGORY_COLUMNS: Final = (
    model.Category.id,
    model.Category.slug,
    model.Category.name,
    model.Category.description,
    model.Category.position,
    model.Category.version,
)
# Built once, for building takes longer than running, and with one list however many they are.
_SEVERAL: Final = select(*PRODUCT_COLUMNS).where(
    model.Product.id == func.any(bindparam("products", type_=ARRAY(BigInteger))),
    model.Product.withdrawn_at.is_(None),
)


def product(row: Sequence[Any]) -> Product:
    """The product of a row of PRODUCT_COLUMNS."""
    own = len(PRODUCT_COLUMNS) - len(PICTURE_COLUMNS)
    return Product(*(*row[:own], picture(*row[own:])))


def picture(version: str | None, *facts: Any) -> Picture | None:
    """The picture of a row of PICTURE_COLUMNS."""
    if version is None:
        return None
    original, width, height, color, thumbhash, levels, uploaded_at = facts
    sizes = tuple((level[0], level[1]) for level in levels)
    return Picture(version, original, width, height, color, thumbhash, sizes, uploaded_at)


class ProductOrder(StrEnum):
    """What products are sorted by; a minus turns it round. Ids settle ties."""

    ID = "id"
    NAME = "name"
    NAME_DOWN = "-name"
    PRICE = "price"
    PRICE_DOWN = "-price"


class Wanted(Struct, frozen=True):
    """Which products, and in which order; what is not said, any. `words` are looked for in the name
    and the description, whatever their case and accents."""

    category_id: int | None = None
    cafeteria_id: int | None = None
    available: bool | None = None
    words: str | None = None
    order: ProductOrder = ProductOrder.ID

    @property
    def is_plain(self) -> bool:
        """Whether the ids of the products tell which they are."""
        others = self.cafeteria_id, self.available, self.words
        return others == (None, None, None) and self.order is ProductOrder.ID

    @property
    def is_reversed(self) -> bool:
        """Whether the greatest comes first."""
        return self.order.startswith("-")


ANY: Final = Wanted()
Part: TypeAlias = Window | Following[Rank]


class Menu:
    """Categories and products; what has no id has no place on it."""

    def __init__(self, database: Database, cache: Cache) -> None:
        self._database = database
        self._cache = cache

    async def categories(self) -> list[Category]:
        """Every category in the order of the menu."""
        return await self._cache.get(kinds.CATEGORIES, None, self._read_categories) or []

    async def products(self, part: Part, wanted: Wanted = ANY) -> Stretch[Product, Rank]:
        """The products of one category, or of all; an unknown category has none.

        A part by id reads its own products. Any other is chosen from all of the menu, which is a
        few hundred.
        """
        ids = await self._cache.get(kinds.MENU, wanted.category_id, self._read_menus) or []
        if wanted.is_plain:
            ranks = [Rank(key, key) for key in ids]
        else:
            found = await self.several(ids)
            chosen = [product for product in found if _is_wanted(product, wanted)]
            ranks = [_rank(product, wanted.order) for product in chosen]
            ranks.sort(key=_key, reverse=wanted.is_reversed)
        shown = _part(ranks, part, is_reversed=wanted.is_reversed)
        some = shown[: part.limit]
        products = await self.several([rank.id for rank in some])
        last = some[-1] if len(shown) > part.limit else None
        return Stretch(products, last, len(ranks) if isinstance(part, Window) else None)

    async def category(self, category_id: int) -> Category:
        """One category. Raises NotFoundError."""
        for each in await self.categories():
            if each.id == category_id:
                return each
        raise NotFoundError("category", category_id)

    async def several(self, ids: Sequence[int]) -> list[Product]:
        """Those of some products that are on the menu, in the order of their ids as given."""
        found = await self._cache.get_many(kinds.PRODUCTS, ids, self._read_products)
        return [product for product in found if product is not None]

    async def product(self, product_id: int) -> Product:
        """One product. Raises NotFoundError."""
        found = await self._cache.get(kinds.PRODUCTS, product_id, self._read_products)
        if found is None:
            raise NotFoundError("product", product_id)
        return found

    async def _read_categories(
        self, keys: Sequence[None], fence: Fence
    ) -> tuple[dict[None, list[Category]], Fence]:
        statement = (
            select(*CATEGORY_COLUMNS)
            .where(model.Category.withdrawn_at.is_(None))
            .order_by(model.Category.position, model.Category.id)
        )

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
        async def read(database: Reader) -> dict[int, Product]:
            rows = await database.execute(_SEVERAL, {"products": list(keys)})
            return {row[0]: product(row) for row in rows}

        return await self._database.snapshot(Role.MENU, read, fence)


async def _menu(database: Reader, category_id: int | None) -> list[int]:
    statement = (
        select(model.Product.id)
        .where(model.Product.withdrawn_at.is_(None))
        .order_by(model.Product.id)
    )
    if category_id is not None:
        statement = statement.where(model.Product.category_id == category_id)
    return [row[0] for row in await database.execute(statement)]


def _is_wanted(product: Product, wanted: Wanted) -> bool:
    if wanted.cafeteria_id not in (None, product.cafeteria_id):
        return False
    if wanted.available is not None and wanted.available != _can_be_had(product):
        return False
    words = _folded(wanted.words or "").split()
    if not words:
        return True
    text = _folded(f"{product.name} {product.description}")
    return all(word in text for word in words)


def _can_be_had(product: Product) -> bool:
    return product.is_available and product.stock > 0


def _rank(product: Product, order: ProductOrder) -> Rank:
    match order.removeprefix("-"):
        case ProductOrder.NAME:
            return Rank(_folded(product.name)[:_MOST_SORTED], product.id)
        case ProductOrder.PRICE:
            return Rank(product.price_minor, product.id)
    return Rank(product.id, product.id)


def _part(ranks: Sequence[Rank], part: Part, *, is_reversed: bool) -> Sequence[Rank]:
    """The ranks of a part and one more, which tells that there are more."""
    if isinstance(part, Window):
        return ranks[part.offset : part.offset + part.limit + 1]
    after = _key(part.after)
    behind = [rank for rank in ranks if (_key(rank) < after if is_reversed else _key(rank) > after)]
    return behind[: part.limit + 1]


def _key(rank: Rank) -> Any:
    return rank.value, rank.id


def _folded(text: str) -> str:
    """Without case and accents: who types "cafe" means "Café"."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in plain if not unicodedata.combining(letter))
