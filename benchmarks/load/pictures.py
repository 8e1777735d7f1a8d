"""What phones ask pictures for (docs/clients.md), for who warms the shelf and for the crowd."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

# Points of the layout: a dish on a list, and on a screen of its own.
THUMBNAIL: Final = 120
WHOLE_WIDTH: Final = 390
_QUALITY: Final = 80


class Device(NamedTuple):
    """A kind of phone: how many of the crowd have it, its pixels a point, the formats that it
    knows, and whether yesterday's crowd had it, too, so that its variants are on the shelf."""

    share: float
    pixels: float
    accept: str
    is_known: bool


DEVICES: Final = (
    Device(0.45, 3.0, "image/avif,image/webp,image/*;q=0.8", is_known=True),
    Device(0.5, 2.0, "image/webp,image/*;q=0.8", is_known=True),
    Device(0.05, 1.5, "image/jpeg,image/*;q=0.8", is_known=False),
)


def sized(picture: Mapping[str, Any], width: int, device: Device) -> str:
    """The URL of a product's picture in `width` points."""
    pixels = round(width * device.pixels)
    height = round(pixels * picture["height"] / picture["width"])
    base, _, _ = picture["url"].partition("w=")
    return f"{base}w={pixels}&h={height}&q={_QUALITY}"
