"""The menu: categories, products and the facts of their pictures."""

from datetime import datetime
from typing import Any, Final, Protocol

from msgspec import Struct
from sqlalchemy import func, select, update

from domain import model
from domain.database import Database, Reader, Role, Writer
from domain.errors import NotFoundError
from domain.events import Event
from domain.model.paging import Page, Window

PICTURE_CHANGED: Final = "picture:changed"


class Picture(Struct, frozen=True):
    """The facts of a product's original, as seen: its content's version, and sizes in pixels.

    `original` is the name that it is stored under, another one for each upload; `levels` are the
    sizes of the copies beside it; `color` is #rrggbb, `thumbhash` base64.
    """

    version: str
    original: str
    width: int
    height: int
    color: str | None
    thumbhash: str | None
    levels: tuple[tuple[int, int], ...]
    uploaded_at: datetime


class PictureFacts(Protocol):
    """The facts of an upload, from wherever pictures are judged."""

    @property
    def version(self) -> str: ...
    @property
    def original(self) -> str: ...
    @property
    def width(self) -> int: ...
    @property
    def height(self) -> int: ...
    @property
    def color(self) -> str | None: ...
    @property
    def thumbhash(self) -> str | None: ...
    @property
    def levels(self) -> tuple[tuple[int, int], ...]: ...
    @property
    def uploaded_at(self) -> datetime: ...


class PictureChange(Struct, frozen=True):
    """A product was given a picture or lost one: the event's id, and what it had before."""

    id: int
    product_id: int
    replaced: str | None
    """Its version,"""
    original: str | None
    """and the name of its original."""

    @classmethod
    def of(cls, event: Event) -> "PictureChange":
        """The change that an event of PICTURE_CHANGED tells of."""
        told = event.payload
        return cls(event.id, told["productId"], told["replaced"], told.get("original"))


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
    model.Product.picture_original,
    model.Product.picture_width,
    model.Product.picture_height,
    model.Product.picture_color,
    model.Product.picture_thumbhash,
    model.Product.picture_levels,
    model.Product.picture_uploaded_at,
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


def _picture(version: str | None, *facts: Any) -> Picture | None:
    if version is None:
        return None
    original, width, height, color, thumbhash, levels, uploaded_at = facts
    sizes = tuple((level[0], level[1]) for level in levels)
    return Picture(version, original, width, height, color, thumbhash, sizes, uploaded_at)


class Catalogue:
    """The menu: reads from the replica that serves it, changes on the primary."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def categories(self) -> list[Category]:
        """Every category in the order of the menu."""
        columns = (
            model.Category.id,
            model.Category.slug,
            model.Category.name,
            model.Category.description,
        )
        statement = select(*columns).order_by(model.Category.position, model.Category.id)
        rows = await self._database.rows(Role.MENU, statement)
        return [Category(*row) for row in rows]

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

        async def read(database: Reader) -> Page[Product]:
            total = await database.scalar(counted)
            rows = await database.execute(listed)
            products = [Product(*(*row[:facts], _picture(*row[facts:]))) for row in rows]
            return Page(products, total or 0)

        return await self._database.read(Role.MENU, read)

    async def picture(self, product_id: int) -> Picture | None:
        """The facts of a product's picture; None without product or without picture.

        Of the primary: a replica that lags would tell a CDN of the old picture after the purge.
        """
        statement = select(*_picture_columns).where(model.Product.id == product_id)
        rows = await self._database.rows(Role.PRIMARY, statement)
        return _picture(*rows[0]) if rows else None

    async def cafeteria_of(self, product_id: int) -> int:
        """Whose product it is. Raises NotFoundError."""
        statement = select(model.Product.cafeteria_id).where(model.Product.id == product_id)
        rows = await self._database.rows(Role.PRIMARY, statement)
        if not rows:
            raise NotFoundError("product", product_id)
        return rows[0][0]

    async def hang(self, product_id: int, picture: PictureFacts | None) -> PictureChange:
        """Give a product a picture, or none.

        Its event stays in the outbox until somebody has seen to it. Raises NotFoundError.
        """
        values = dict.fromkeys(_PICTURE_FACTS) if picture is None else _facts(picture)
        levels = [] if picture is None else picture.levels
        product = model.Product.id == product_id
        columns = model.Product.picture_version, model.Product.picture_original

        async def change(database: Writer) -> PictureChange:
            # Locked, so that of two uploads each is told what it replaced.
            before = await database.execute(select(*columns).where(product).with_for_update())
            row = before.one_or_none()
            if row is None:
                raise NotFoundError("product", product_id)
            await database.change(
                update(model.Product)
                .where(product)
                .values(
                    **values,
                    picture_levels=levels,
                    version=model.Product.version + 1,
                    updated_at=func.now(),
                )
            )
            replaced, original = row
            event_id = await database.announce(
                PICTURE_CHANGED,
                {"productId": product_id, "replaced": replaced, "original": original},
                [f"product-{product_id}"],
            )
            return PictureChange(event_id, product_id, replaced, original)

        return await self._database.write(change)


_PICTURE_FACTS = (
    "picture_version",
    "picture_original",
    "picture_width",
    "picture_height",
    "picture_color",
    "picture_thumbhash",
    "picture_uploaded_at",
)


def _facts(picture: PictureFacts) -> dict[str, object]:
    return {name: getattr(picture, name.removeprefix("picture_")) for name in _PICTURE_FACTS}
