"""One lamp, its shadows and its glints: from a relief to a lit picture."""

import math
import random
from dataclasses import dataclass

from PIL import Image, ImageChops, ImageFilter

from infra.demo.pictures.curves import Colour, clip, gain, ramp, table
from infra.demo.pictures.relief import Relief

_BILINEAR = Image.Resampling.BILINEAR
_TALLEST = 120
"""Pixels of height beyond which nothing throws a longer shadow."""


@dataclass(frozen=True, slots=True)
class Light:
    """A window: where it stands (degrees), how steeply it shines, how warm and how hard it is."""

    azimuth: float
    slope: float  # height of the lamp over its distance
    sun: Colour
    sky: Colour
    hardness: float  # 0 overcast .. 1 direct sun

    @classmethod
    def any(cls, rng: random.Random) -> "Light":
        """Daylight from behind the dish, left or right, as food is lit."""
        warm = rng.random()
        return cls(
            azimuth=rng.uniform(200, 250) if rng.random() < 0.5 else rng.uniform(290, 340),
            slope=rng.uniform(0.75, 1.15),
            sun=(255, round(250 - 12 * warm), round(240 - 34 * warm)),
            sky=(round(92 - 8 * warm), 96, round(104 + 4 * warm)),
            hardness=rng.uniform(0.45, 0.95),
        )

    @property
    def towards(self) -> tuple[float, float, float]:
        """The unit vector to the lamp; y grows down the picture, z up to the camera."""
        turn, level = math.radians(self.azimuth), 1 / math.hypot(1, self.slope)
        return math.cos(turn) * level, math.sin(turn) * level, self.slope * level


def shine(relief: Relief, light: Light) -> Image.Image:
    """The relief as the lamp shows it, mode RGB."""
    across, down, level, gloss = relief.form.split()
    normal = _unit(across, down)
    shadow = _shadow(level, light)
    picture = ImageChops.multiply(relief.albedo, _daylight(normal, level, shadow, light))
    spark = ImageChops.multiply(_glints(normal, light), gloss)
    spark = ImageChops.multiply(spark, shadow.point(gain(-0.9, 255)))
    return ImageChops.screen(picture, Image.merge("RGB", (spark, spark, spark)))


def _unit(across: Image.Image, down: Image.Image) -> Image.Image:
    """The normals as one RGB image: x and y about 128, z from 0."""
    square = [clip((v - 128) ** 2 * 255 / 127**2) for v in range(256)]
    flat = ImageChops.add(across.point(square), down.point(square))
    upward = flat.point(table(lambda t: (1 - t) ** 0.5))
    # Masks are smooth at their edges but normals jump there; the blur hides the steps.
    return Image.merge("RGB", (across, down, upward)).filter(ImageFilter.GaussianBlur(0.6))


def _facing(normal: Image.Image, x: float, y: float, z: float, offset: float = 0.0) -> Image.Image:
    """The scalar product of each normal and a vector, plus `offset`, 0..1 as a byte."""
    return normal.convert("L", (2 * x, 2 * y, z, 255 * offset - 256 * (x + y)))


def _daylight(
    normal: Image.Image, level: Image.Image, shadow: Image.Image, light: Light
) -> Image.Image:
    """What light falls on each pixel: the sun where it reaches, the sky where it is open."""
    x, y, z = light.towards
    # Half-Lambert: food lets light through, so its dark side is never black.
    facing = _facing(normal, x / 2, y / 2, z / 2, 0.5).point(table(lambda t: t**1.35))
    dark = 0.34 + 0.34 * light.hardness
    direct = ImageChops.multiply(facing, shadow.point(gain(-dark, 255)))
    open_sky = _crevices(level)
    bands = []
    for sun, sky in zip(light.sun, light.sky, strict=True):
        glow = sky * 0.55
        bands.append(ImageChops.multiply(direct.point(gain((sun - glow) / 255, glow)), open_sky))
    return Image.merge("RGB", bands)


def _glints(normal: Image.Image, light: Light) -> Image.Image:
    """Blinn's highlight: a sharp one and a broad sheen, for a camera straight above."""
    x, y, z = light.towards
    length = math.sqrt(x * x + y * y + (z + 1) ** 2)
    half = _facing(normal, x / length, y / length, (z + 1) / length)
    return half.point(table(lambda t: t**46 + 0.24 * t**10))


def _shadow(level: Image.Image, light: Light) -> Image.Image:
    """What stands between each pixel and the lamp, 0 = nothing; marched over the height map."""
    half = level.reduce(2)
    w, h = half.size
    turn = math.radians(light.azimuth)
    x, y = math.cos(turn), math.sin(turn)
    blocked, distance = Image.new("L", half.size), 1.0
    while (drop := distance * 2 * light.slope) < _TALLEST:
        dx, dy = round(x * distance), round(y * distance)
        seen = half.crop((dx, dy, w + dx, h + dy)).point([clip(v - drop) for v in range(256)])
        blocked = ImageChops.lighter(blocked, seen)
        distance += 1.5 if distance < 12 else 3
    over = ImageChops.subtract(blocked, half).point(ramp(0, round(26 - 16 * light.hardness)))
    return over.filter(ImageFilter.GaussianBlur(2.2)).resize(level.size, _BILINEAR)


def _crevices(level: Image.Image) -> Image.Image:
    """Ambient occlusion: dark where the surroundings stand higher, mode L, 255 = open."""
    quarter = level.reduce(4)
    wide = ImageChops.subtract(quarter, quarter.filter(ImageFilter.GaussianBlur(7)), 1, 128)
    wide = wide.filter(ImageFilter.GaussianBlur(1))
    wide = wide.point(table(lambda t: 1 + 3.2 * min(0.0, t - 0.502)))
    half = level.reduce(2)
    tight = ImageChops.subtract(half, half.filter(ImageFilter.GaussianBlur(4)), 1, 128)
    tight = tight.filter(ImageFilter.GaussianBlur(0.7))
    tight = tight.point(table(lambda t: 0.97 + 6 * min(0.005, t - 0.502)))
    both = ImageChops.multiply(wide.resize(half.size, _BILINEAR), tight)
    return both.resize(level.size, _BILINEAR)
