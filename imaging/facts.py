"""What a page wants to know of a picture before it comes: its size, a blur and a colour of it."""

import base64
import math
from collections.abc import Iterator, Sequence

import msgspec
from PIL import Image

from cdn.address import CENTRE, WHITE, Fit, Format, Recipe
from imaging.develop import developed
from imaging.geometry import plan
from imaging.picture import Header
from imaging.probe import parse

_SIDE = 64
"""Of the small copy that all is told from; ThumbHash keeps no more than seven waves of it."""
_SHADES = 6
_OPAQUE = 128
_NOTHING = 1e-9
"""A flat plane has waves of this size from rounding."""


class Facts(msgspec.Struct, frozen=True):
    """Width and height as seen, in pixels; `color` as #rrggbb; and what its header says."""

    width: int
    height: int
    thumbhash: str
    color: str
    header: Header


def facts(original: bytes) -> Facts:
    """The facts of a picture; for them it is decoded, small. Raises PictureError."""
    parsed = parse(original)
    width, height = parsed.header.upright
    inside = Recipe(_SIDE, _SIDE, Fit.INSIDE, CENTRE, 1, Format.PNG, WHITE)
    small = developed(parsed, plan(inside, (width, height))).convert("RGBA")
    return Facts(width, height, thumbhash(small), dominant_color(small), parsed.header)


def dominant_color(picture: Image.Image) -> str:
    """The colour that most of an RGBA picture has, more or less, as #rrggbb.

    The colours are gathered in a few groups (median cut); the largest group's mean is told.
    """
    pixels = picture.tobytes()
    seen = b"".join(
        pixels[at : at + 3] for at in range(0, len(pixels), 4) if pixels[at + 3] >= _OPAQUE
    )
    if not seen:
        return f"#{WHITE}"
    groups = Image.frombytes("RGB", (len(seen) // 3, 1), seen).quantize(
        _SHADES, Image.Quantize.MEDIANCUT
    )
    counts, palette = groups.histogram(), groups.getpalette() or []
    largest = max(range(_SHADES), key=lambda index: counts[index])
    return "#" + bytes(palette[3 * largest : 3 * largest + 3]).hex()


def thumbhash(picture: Image.Image) -> str:
    """The ThumbHash (https://evanw.github.io/thumbhash/) of an RGBA picture, in base64.

    Some 25 bytes: the lowest frequencies of brightness, of two differences of colour and of
    alpha, and the aspect. No side of the picture may have more than 100 pixels.
    """
    width, height = picture.size
    if max(picture.size) > 100:
        raise ValueError("a ThumbHash is made of a picture of at most 100 x 100 pixels")
    planes = _planes(picture.tobytes())
    has_alpha = min(planes[3]) < 1
    # With transparency there is less room for brightness.
    most = 5 if has_alpha else 7
    across, down = (max(1, _round(most * side / max(picture.size))) for side in picture.size)
    brightness = _waves(planes[0], width, height, max(3, across), max(3, down))
    yellow_blue, red_green = (_waves(plane, width, height, 3, 3) for plane in planes[1:3])
    alpha = _waves(planes[3], width, height, 5, 5)
    landscape = width > height
    bits = _Bits()
    bits.add(_round(63 * brightness.mean), 6)
    bits.add(_round(31.5 + 31.5 * yellow_blue.mean), 6)
    bits.add(_round(31.5 + 31.5 * red_green.mean), 6)
    bits.add(_round(31 * brightness.scale), 5)
    bits.add(has_alpha, 1)
    bits.add(down if landscape else across, 3)
    bits.add(_round(63 * yellow_blue.scale), 6)
    bits.add(_round(63 * red_green.scale), 6)
    bits.add(landscape, 1)
    if has_alpha:
        bits.add(_round(15 * alpha.mean), 4)
        bits.add(_round(15 * alpha.scale), 4)
    for waves in (brightness, yellow_blue, red_green, *([alpha] if has_alpha else [])):
        for factor in waves.factors:
            bits.add(_round(15 * factor), 4)
    return base64.b64encode(bits.packed()).decode()


def _planes(pixels: bytes) -> tuple[list[float], list[float], list[float], list[float]]:
    """Brightness, yellow against blue, red against green, alpha; transparency is filled with
    the mean colour, so that it adds nothing."""
    channels = [[value / 255 for value in pixels[start::4]] for start in range(4)]
    alpha = channels.pop()
    total = sum(alpha)
    red, green, blue = (_filled(channel, alpha, total) for channel in channels)
    return (
        [(r + g + b) / 3 for r, g, b in zip(red, green, blue, strict=True)],
        [(r + g) / 2 - b for r, g, b in zip(red, green, blue, strict=True)],
        [r - g for r, g in zip(red, green, strict=True)],
        alpha,
    )


def _filled(channel: Sequence[float], alpha: Sequence[float], total: float) -> list[float]:
    weighted = [value * share for value, share in zip(channel, alpha, strict=True)]
    mean = sum(weighted) / total if total else 0.0
    return [value + mean * (1 - share) for value, share in zip(weighted, alpha, strict=True)]


class _Waves(msgspec.Struct, frozen=True):
    """A plane as its mean, and the lowest frequencies of its cosine transform as factors from
    0 to 1 of the strongest of them."""

    mean: float
    scale: float
    factors: list[float]


def _waves(plane: Sequence[float], width: int, height: int, across: int, down: int) -> _Waves:
    horizontal = _cosines(width, across)
    vertical = _cosines(height, down)
    # First along the rows, then along the columns of what that leaves: a tenth of the work.
    rows = [
        [_dot(plane[start : start + width], wave) for start in range(0, width * height, width)]
        for wave in horizontal
    ]
    mean, *varying = (
        _dot(rows[x], vertical[y]) / (width * height) for x, y in _triangle(across, down)
    )
    scale = max(map(abs, varying))
    if scale < _NOTHING:
        return _Waves(mean, 0.0, [0.0] * len(varying))
    return _Waves(mean, scale, [0.5 + 0.5 * factor / scale for factor in varying])


def _triangle(across: int, down: int) -> Iterator[tuple[int, int]]:
    """The pairs of frequencies below the diagonal, which is where the eye looks."""
    return ((x, y) for y in range(down) for x in range(across) if x * down < across * (down - y))


def _cosines(length: int, count: int) -> list[list[float]]:
    return [
        [math.cos(math.pi / length * wave * (place + 0.5)) for place in range(length)]
        for wave in range(count)
    ]


def _dot(one: Sequence[float], other: Sequence[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


def _round(value: float) -> int:
    """Halves go up, as in the reference; Python's go to the even."""
    return math.floor(value + 0.5)


class _Bits:
    """Numbers behind each other, the lowest bits first."""

    def __init__(self) -> None:
        self._value = 0
        self._length = 0

    def add(self, number: int, bits: int) -> None:
        self._value |= number << self._length
        self._length += bits

    def packed(self) -> bytes:
        return self._value.to_bytes((self._length + 7) // 8, "little")
