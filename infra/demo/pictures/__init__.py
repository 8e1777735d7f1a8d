"""Pictures of food that nobody has to license: drawn from a seed, of a photograph's size."""

import io
import random

from PIL import Image

from infra.demo.pictures.curves import Size
from infra.demo.pictures.menu import (
    breakfast,
    cold_drinks,
    desserts,
    fish,
    grill,
    hot_drinks,
    pasta,
    rice,
    salads,
    sandwiches,
    soups,
    vegetarian,
)
from infra.demo.pictures.studio import photograph

__all__ = ["CATEGORIES", "draw", "draw_jpeg", "subject"]

_MENU = {
    "breakfast": breakfast.DISHES,
    "sandwiches": sandwiches.DISHES,
    "salads": salads.DISHES,
    "soups": soups.DISHES,
    "rice": rice.DISHES,
    "pasta": pasta.DISHES,
    "grill": grill.DISHES,
    "fish": fish.DISHES,
    "vegetarian": vegetarian.DISHES,
    "desserts": desserts.DISHES,
    "hot-drinks": hot_drinks.DISHES,
    "cold-drinks": cold_drinks.DISHES,
}
CATEGORIES = tuple(_MENU)

# What a JPEG can hold, and a bound on the memory one picture takes.
_SHORTEST = 16
_LONGEST = 65_500
_MOST_PIXELS = 50_000_000


def subject(category: str, seed: int) -> str:
    """What the picture shows: seeds take the category's dishes in turn.

    Raises KeyError for a category that is not one of CATEGORIES.
    """
    dishes = _MENU[category]
    return dishes[seed % len(dishes)].name


def draw(category: str, seed: int, size: Size) -> Image.Image:
    """A picture of this size (width, height), mode RGB, the same each time on one Pillow version.

    Two sizes of one shape show the same table. Raises KeyError for a category that is not one
    of CATEGORIES, ValueError for a size no picture can have.
    """
    dishes = _MENU[category]
    if min(size) < _SHORTEST or max(size) > _LONGEST or size[0] * size[1] > _MOST_PIXELS:
        raise ValueError(
            f"a picture of {size[0]}x{size[1]} pixels: ask for sides of at least {_SHORTEST}, "
            f"and for at most {_MOST_PIXELS // 1_000_000} megapixels"
        )
    return photograph(dishes[seed % len(dishes)], random.Random(f"{category} {seed}"), size)


def draw_jpeg(category: str, seed: int, size: Size) -> bytes:
    """The same as a JPEG: baseline, quality 88, 4:2:0; sRGB, which is what no profile means."""
    buffer = io.BytesIO()
    draw(category, seed, size).save(buffer, "JPEG", quality=88, subsampling="4:2:0")
    return buffer.getvalue()
