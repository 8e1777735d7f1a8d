"""A picture's public URL -> the canonical variant it names -> the key it is stored under."""

from bisect import bisect_left
from collections.abc import Mapping
from enum import StrEnum
from importlib.resources import files
from typing import Final

import msgspec

MOST_ASKED = 10_000
MOST_ACCEPT = 1024


class Format(StrEnum):
    """An encoding a variant can have; the value is its file extension too."""

    WEBP = "webp"
    JPEG = "jpeg"

    @property
    def media_type(self) -> str:
        """The media type of RFC 9649 (WebP) and RFC 2046 (JPEG)."""
        return f"image/{self.value}"


class Ladder(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The only sizes (pixels), qualities (percent) and formats that are ever rendered."""

    sizes: tuple[int, ...]
    qualities: tuple[int, ...]
    default_quality: int
    formats: tuple[Format, ...]

    def snap(self, value: int, rungs: tuple[int, ...]) -> int:
        """The lowest rung that is not below `value`, else the highest."""
        return rungs[min(bisect_left(rungs, value), len(rungs) - 1)]


LADDER: Final = msgspec.json.decode(files("cdn").joinpath("ladder.json").read_bytes(), type=Ladder)


class ParameterError(ValueError):
    """A parameter of a picture's URL that is no sensible number; `parameter` names it."""

    def __init__(self, parameter: str, value: str, lowest: int, highest: int) -> None:
        super().__init__(
            f"{parameter}={value[:32]!r} is not a whole number from {lowest} to {highest}"
        )
        self.parameter = parameter


class Recipe(msgspec.Struct, frozen=True):
    """A canonical variant: a box in pixels that the picture covers, a quality and a format.

    With both sides the picture fills the box and is cropped; with one it keeps its aspect;
    with none it keeps its size. Every value is on the ladder.
    """

    width: int | None
    height: int | None
    quality: int
    format: Format

    def key(self, product_id: int, version: str) -> str:
        """The variant's key in S3; it changes with the picture, so it is never stale."""
        box = f"{self.width or ''}x{self.height or ''}"
        return f"products/{product_id}/{version}/{box}-q{self.quality}.{self.format}"


def original_key(product_id: int, version: str) -> str:
    """The key of an original in S3."""
    return f"products/{product_id}/{version}"


def recipe(query: Mapping[str, str], accept: str) -> Recipe:
    """The canonical variant that a query (`w`, `h`, `q`) and an Accept header ask for.

    Values between two rungs go up to the next, so a product has a bounded number of variants.
    Unknown parameters are dropped. Raises ParameterError for what is not a number in range.
    """
    width = _number(query, "w", MOST_ASKED)
    height = _number(query, "h", MOST_ASKED)
    quality = _number(query, "q", 100) or LADDER.default_quality
    return Recipe(
        width=width and LADDER.snap(width, LADDER.sizes),
        height=height and LADDER.snap(height, LADDER.sizes),
        quality=LADDER.snap(quality, LADDER.qualities),
        format=_preferred(accept),
    )


def _number(query: Mapping[str, str], name: str, highest: int) -> int | None:
    text = query.get(name)
    if text is None:
        return None
    # isdecimal alone would let other scripts' digits through.
    if not (text.isascii() and text.isdecimal() and len(text) <= 6 and 1 <= int(text) <= highest):
        raise ParameterError(name, text, 1, highest)
    return int(text)


def _preferred(accept: str) -> Format:
    """WebP for those who name it with a weight above zero (RFC 9110, 12.5.1), JPEG for all."""
    # No honest header is longer; what lies behind counts as not said.
    for element in accept[:MOST_ACCEPT].split(","):
        media_type, *parameters = (part.strip().lower() for part in element.split(";"))
        if media_type == Format.WEBP.media_type:
            weight = next((p[2:] for p in parameters if p.startswith("q=")), "1")
            return Format.WEBP if weight.strip("0.") else Format.JPEG
    return Format.JPEG
