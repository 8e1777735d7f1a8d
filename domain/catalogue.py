"""The products' pictures: what the menu says of them, and how it is changed."""

from datetime import datetime
from typing import Final, Protocol

from msgspec import Struct
from sqlalchemy import BigInteger, bindparam, func, select, update

from domain import model, tags
from domain.database import Database, Role, Writer
from domain.errors import NotFoundError
from domain.events import Event
from domain.menu import PICTURE_COLUMNS, picture
from domain.model.menu import Picture

PICTURE_CHANGED: Final = "picture:changed"
# Built once, for building takes longer than running.
_PICTURE: Final = select(*PICTURE_COLUMNS).where(
    model.Product.id == bindparam("product", type_=BigInteger)
)


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


class Catalogue:
    """What is shown of a product, as the primary has it at this moment, and its changes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def picture(self, product_id: int) -> Picture | None:
        """The facts of a product's picture; None without product or without picture.

        Of the primary: a replica that lags would tell a CDN of the old picture after the purge.
        """
        rows = await self._database.rows(Role.PRIMARY, _PICTURE, {"product": product_id})
        return picture(*rows[0]) if rows else None

    async def cafeteria_of(self, product_id: int) -> int:
        """Whose product it is. Raises NotFoundError."""
        statement = select(model.Product.cafeteria_id).where(
            model.Product.id == product_id, model.Product.withdrawn_at.is_(None)
        )
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
            )
            database.void([tags.product(product_id)])
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
