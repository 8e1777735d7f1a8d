"""The tags by which a change announces what it makes void in the cache."""

from typing import Final

MENU: Final = "menu"
"""Which products there are, and in which categories."""
CATEGORIES: Final = "categories"
HOURS: Final = "hours"


def product(product_id: int) -> str:
    """Of one product: its price, its stock, its picture."""
    return f"product-{product_id}"


def configuration(key: str) -> str:
    """Of one value of the configuration."""
    return f"configuration-{key}"
