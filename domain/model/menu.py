"""What is on the menu, as it is read: categories, products and the facts of their pictures."""

from datetime import datetime

from msgspec import Struct


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


class Category(Struct, frozen=True):
    """A section of the menu."""

    id: int
    slug: str
    name: str
    description: str
    position: int
    version: int


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
    version: int
    picture: Picture | None
