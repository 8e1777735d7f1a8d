"""The one table of sizes, qualities and formats, which the edge function carries a copy of."""

from bisect import bisect_left
from enum import StrEnum
from importlib.resources import files
from math import floor
from typing import Final

import msgspec


class Format(StrEnum):
    """An encoding a variant can have; the value is its file extension too."""

    AVIF = "avif"
    WEBP = "webp"
    JPEG = "jpeg"
    PNG = "png"

    @property
    def media_type(self) -> str:
        """The registered media type, such as `image/webp`."""
        return f"image/{self.value}"


class Fit(StrEnum):
    """How a picture meets a box of two sides."""

    COVER = "cover"
    CONTAIN = "contain"
    INSIDE = "inside"
    FILL = "fill"


Focus = tuple[int, int]
"""The point that stays in view, in percent of the width and of the height."""

CENTRE: Final[Focus] = (50, 50)
WHITE: Final = "ffffff"


class Limits(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The bounds of what may be asked: pixels, pixel ratios, bytes."""

    side: int
    """Largest `w` and `h` that are answered at all, before `dpr`."""
    signed_side: int
    """Largest side in pixels, `dpr` counted in, that a signature can ask for."""
    dpr: tuple[int, int]
    dpr_steps: int
    """A pixel ratio goes up to the next of so many steps in each whole one."""
    accept_bytes: int
    """A longer Accept header is disregarded: no browser's is a quarter of it."""


class Ladder(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The only sizes (pixels) and qualities (percent) that are rendered without a signature."""

    sizes: tuple[int, ...]
    qualities: tuple[int, ...]
    auto_quality: dict[Format, tuple[int, int]]
    """What q=auto is for each format: normally, and with Save-Data. Calibrated on photographs."""
    formats: tuple[Format, ...]
    """The formats that fm=auto chooses from, the best first."""
    animated: tuple[Format, ...]
    """The formats that keep an animation; in the others it is its first frame."""
    fits: tuple[Fit, ...]
    gravities: dict[str, Focus]
    focus_step: int
    """A focus goes to the nearest point of a grid with lines every so many percent."""
    background_step: int
    """Each channel of a background goes to the nearest multiple, so colours are countable."""
    presets: dict[str, dict[str, str]]
    """Parameters by name, for `p`; what the URL says itself wins over them."""
    srcset: tuple[int, ...]
    """The widths of `sizes` that a page is offered to choose from."""
    limits: Limits

    def size(self, pixels: int) -> int:
        """The lowest size that is not below `pixels`, else the highest."""
        return _snapped(pixels, self.sizes)

    def quality(self, percent: int, *, save_data: bool = False) -> int:
        """The lowest quality not below `percent`, else the highest; a rung lower for Save-Data."""
        rung = self.qualities.index(_snapped(percent, self.qualities))
        return self.qualities[max(0, rung - save_data)]

    def background(self, colour: str) -> str:
        """The countable colour nearest to `rrggbb`."""
        channels = (int(colour[at : at + 2], 16) for at in (0, 2, 4))
        return "".join(f"{self._level(channel):02x}" for channel in channels)

    def focus(self, fraction: float) -> int:
        """The line of the grid, in percent, nearest to a fraction of a side."""
        return floor(fraction * (100 / self.focus_step) + 0.5) * self.focus_step

    def _level(self, channel: int) -> int:
        step = self.background_step
        return (channel + step // 2) // step * step

    def possible_qualities(self, format_: Format) -> frozenset[int]:
        """Every quality a variant of this format can have."""
        if format_ not in self.auto_quality:
            return frozenset({LOSSLESS})
        return frozenset(self.qualities) | frozenset(self.auto_quality[format_])

    def variants(self) -> int:
        """How many variants one version of a picture can have at most, without a signature.

        The product of everything a URL can say; what a page of ours asks for is `srcset`
        in one or two formats.
        """
        return sum(self._variants(each) for each in Format)

    def _variants(self, format_: Format) -> int:
        colours = (255 // self.background_step + 1) ** 3
        # A background shows wherever there is padding, and through every transparent JPEG.
        flat = colours if format_ is Format.JPEG else 1
        focuses = (100 // self.focus_step + 1) ** 2
        one_side = 1 + 2 * len(self.sizes)
        two_sides = len(self.sizes) ** 2
        # cover, contain, then inside and fill
        shapes = one_side * flat + two_sides * (focuses * flat + colours + 2 * flat)
        stills_or_not = 2 if format_ in self.animated else 1
        return shapes * len(self.possible_qualities(format_)) * stills_or_not


LOSSLESS: Final = 100


def _snapped(value: int, rungs: tuple[int, ...]) -> int:
    return rungs[min(bisect_left(rungs, value), len(rungs) - 1)]


SOURCE: Final = files("cdn").joinpath("ladder.json")
LADDER: Final = msgspec.json.decode(SOURCE.read_bytes(), type=Ladder)
