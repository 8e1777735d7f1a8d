"""Every kind of value that is cached: how long, by which tags it is void, what in an outage.

Times in seconds. What is not here is read from PostgreSQL each time: a person's orders, wallet
and notices are by their own keys in one statement, and are changed about as often as they are read.
"""

from typing import Any, Final

from domain import tags
from domain.cache import Kind
from domain.model.hours import Place
from domain.model.menu import Category, Product

HOUR: Final = 3600.0

PRODUCTS: Final = Kind[int, Product](
    "products",
    Product,
    tags=lambda key: (tags.product(key),),
    bytes=32 * 1024 * 1024,
)
"""By id, with price and stock: of a moment ago at most, or none at all."""

MENU: Final = Kind[int | None, list[int]](
    "menu",
    list[int],
    tags=lambda _: (tags.MENU,),
    outage=HOUR,
)
"""The ids of the products of a category, or of all."""

CATEGORIES: Final = Kind[None, list[Category]](
    "categories",
    list[Category],
    tags=lambda _: (tags.CATEGORIES,),
    shared=HOUR,
    outage=6 * HOUR,
)

HOURS: Final = Kind[None, list[Place]](
    "hours",
    list[Place],
    tags=lambda _: (tags.HOURS,),
    shared=6 * HOUR,
    is_exact=False,
    outage=6 * HOUR,
)
"""The cafeterias and when they open; whether one is open now is no matter of the cache."""

CONFIGURATION: Final = Kind[str, Any](
    "configuration",
    Any,
    tags=lambda key: (tags.configuration(key),),
    shared=6 * HOUR,
    outage=6 * HOUR,
)

BESTSELLERS: Final = Kind[None, list[int]](
    "bestsellers",
    list[int],
    tags=lambda _: (),
    shared=6 * HOUR,
    renewed=HOUR,
    is_exact=False,
    outage=6 * HOUR,
)
"""The ids of what was sold most, the most first: reckoned anew every hour by one process, while all
others go on with what there is."""

KINDS: Final[tuple[Kind[Any, Any], ...]] = (
    PRODUCTS,
    MENU,
    CATEGORIES,
    HOURS,
    CONFIGURATION,
    BESTSELLERS,
)


def named(name: str) -> Kind[Any, Any]:
    """The kind of that name."""
    return next(kind for kind in KINDS if kind.name == name)
