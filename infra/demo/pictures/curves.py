"""Eight-bit look-up tables and colours: every tone, profile and threshold is one of them."""

import random
from collections.abc import Callable
from functools import lru_cache

from PIL import Image

Size = tuple[int, int]
Colour = tuple[int, int, int]
Stops = tuple[Colour, ...]
"""Colours at even steps of a tone, dark to light."""

BLACK: Colour = (14, 10, 8)
WHITE: Colour = (255, 252, 244)


def clip(value: float) -> int:
    """The nearest byte."""
    return 0 if value <= 0 else 255 if value >= 255 else int(value + 0.5)


def table(curve: Callable[[float], float]) -> list[int]:
    """A curve over 0..1 as 256 bytes."""
    return [clip(255 * curve(v / 255)) for v in range(256)]


def smooth(t: float) -> float:
    """0 below 0, 1 above 1, an S between."""
    t = min(1.0, max(0.0, t))
    return t * t * (3 - 2 * t)


@lru_cache(maxsize=2048)
def gain(factor: float, offset: float = 0.0) -> list[int]:
    """v -> v * factor + offset, in bytes."""
    return [clip(v * factor + offset) for v in range(256)]


@lru_cache(maxsize=256)
def ramp(low: int, high: int) -> list[int]:
    """0 below `low`, 255 above `high`; `low` > `high` falls instead of rising."""
    return [clip(255 * smooth((v - low) / (high - low))) for v in range(256)]


def top(image: Image.Image) -> int:
    """The greatest value of an L image."""
    greatest = image.getextrema()[1]
    assert not isinstance(greatest, tuple)
    return int(greatest)


def stretch(image: Image.Image) -> Image.Image:
    """An L image spread over the full range, a little clipped at both ends."""
    low, high = image.getextrema()
    assert not isinstance(low, tuple)
    assert not isinstance(high, tuple)
    margin = (high - low) * 0.12
    span = max(1.0, high - low - 2 * margin)
    return image.point([clip((v - low - margin) * 255 / span) for v in range(256)])


def mix(a: Colour, b: Colour, t: float) -> Colour:
    """The colour `t` (0..1) of the way from `a` to `b`."""
    red, green, blue = (clip(x + (y - x) * t) for x, y in zip(a, b, strict=True))
    return red, green, blue


def jitter(colour: Colour, rng: random.Random, spread: float = 0.12) -> Colour:
    """Nearly this colour."""
    return mix(colour, rng.choice((BLACK, WHITE)), rng.uniform(0, spread))


def flat(size: Size, colour: Colour) -> Image.Image:
    """One colour."""
    return Image.new("RGB", size, colour)


@lru_cache(maxsize=512)
def _dye_tables(stops: Stops) -> tuple[list[int], list[int], list[int]]:
    steps = len(stops) - 1
    tables: tuple[list[int], list[int], list[int]] = ([], [], [])
    for v in range(256):
        left = min(steps - 1, v * steps // 255)
        colour = mix(stops[left], stops[left + 1], v / 255 * steps - left)
        for lut, value in zip(tables, colour, strict=True):
            lut.append(value)
    return tables


def dye(tone: Image.Image, *stops: Colour) -> Image.Image:
    """An L image painted through colour stops, dark to light; mode RGB."""
    return Image.merge("RGB", [tone.point(lut) for lut in _dye_tables(stops)])
