"""From a laid table to a photograph: framing, focus, tone, grain."""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from PIL import Image, ImageChops, ImageEnhance, ImageFilter

from infra.demo.pictures import backdrop, noise, surfaces
from infra.demo.pictures.curves import Size, clip, gain, table
from infra.demo.pictures.dish import Dish
from infra.demo.pictures.light import Light, shine
from infra.demo.pictures.relief import Relief

SHORT_SIDE = 1000
"""Pixels of the shorter side while drawing; every length in the menus is in these pixels."""

_BICUBIC, _BILINEAR = Image.Resampling.BICUBIC, Image.Resampling.BILINEAR
_SHARPEN = ImageFilter.Kernel((3, 3), (0, -1, 0, -1, 10, -1, 0, -1, 0), 6)


@dataclass(frozen=True, slots=True)
class Camera:
    """Where the picture is taken from: degrees from straight above, and how near.

    Seen aslant, a table looks squeezed from top to bottom; so it is drawn unsqueezed on a
    taller canvas, and the last resize, which is needed anyway, brings the squeeze for nothing.
    """

    tilt: float
    zoom: float

    @classmethod
    def above(cls, rng: random.Random, size: Size) -> "Camera":
        """From straight above, or from a chair; nearer if the picture is not upright."""
        tilt = 0.0 if rng.random() < 0.3 else rng.uniform(10, 26)
        upright = size[0] <= size[1]
        return cls(tilt, rng.uniform(1.0, 1.14) if upright else rng.uniform(1.06, 1.26))

    @classmethod
    def level(cls, rng: random.Random, size: Size) -> "Camera":
        """From the front."""
        upright = size[0] <= size[1]
        return cls(0.0, rng.uniform(0.98, 1.08) if upright else rng.uniform(1.18, 1.36))

    def canvas(self, size: Size) -> Size:
        """The size to draw at for a picture of this size."""
        scale = SHORT_SIDE / self.zoom / min(size)
        return round(size[0] * scale), round(size[1] * scale / math.cos(math.radians(self.tilt)))

    @property
    def rise(self) -> float:
        return math.tan(math.radians(self.tilt))


def photograph(dish: Dish, rng: random.Random, size: Size) -> Image.Image:
    """The dish on a table of its own, mode RGB."""
    take = _from_above if dish.view == "above" else _from_the_front
    return _developed(take(dish, rng, size), rng, size)


def _from_above(dish: Dish, rng: random.Random, size: Size) -> Image.Image:
    camera = Camera.above(rng, size)
    relief = surfaces.table_top(camera.canvas(size), rng)
    w, h = relief.size
    relief.rise = camera.rise
    relief.origin = (w * rng.uniform(0.46, 0.54), h * rng.uniform(0.48, 0.56))
    dish.lay(relief, rng)
    picture = _lit(relief, rng)
    if camera.tilt:
        picture = _focused(picture, relief.origin[1] / h, (0.62, 0.7), camera.tilt / 6.5)
    return picture


def _from_the_front(dish: Dish, rng: random.Random, size: Size) -> Image.Image:
    w, h = Camera.level(rng, size).canvas(size)
    horizon = round(h * rng.uniform(0.30, 0.38))
    scene = backdrop.room((w, h), rng)
    table_top = _receding(shine(surfaces.table_top((w, h), rng), Light.any(rng)), (w, h - horizon))
    # It was lit once for its grain and will be lit again with the dish; so it starts brighter.
    scene.paste(table_top.point(gain(1.22) * 3), (0, horizon))
    scene = _focused(scene, 0.8, (1.0, 0.4), 11)
    relief = Relief(scene, Image.new("CMYK", (w, h), (128, 128, 0, 0)))
    relief.origin = (w * rng.uniform(0.46, 0.54), h * rng.uniform(0.74, 0.78))
    dish.lay(relief, rng)
    return _lit(relief, rng)


def _lit(relief: Relief, rng: random.Random) -> Image.Image:
    picture = shine(relief, Light.any(rng))
    for touch in relief.touches:
        picture = touch(picture)
    return picture


def _receding(surface: Image.Image, size: Size) -> Image.Image:
    """A flat surface laid in perspective: wide and shrunken far off, large close by."""
    w, h = size
    near = 1.9
    bend, stretch = (near - 1) / h, surface.height * near / h
    # Pillow maps each pixel of the output back to the surface it came from.
    back = (1, w / 2 * bend, 0, 0, stretch, 0, 0, bend)
    return surface.transform(size, Image.Transform.PERSPECTIVE, back, _BICUBIC)


def _focused(
    picture: Image.Image, sharp: float, reach: tuple[float, float], blur: float
) -> Image.Image:
    """Out of focus below and above the height `sharp` (0 = top, 1 = bottom).

    `reach`: how far below and above it, as a share of the height, the blur is full.
    """
    soft = picture.reduce(4).filter(ImageFilter.GaussianBlur(blur / 4))
    rows = []
    for y in range(128):
        away = y / 127 - sharp
        share = abs(away) / (reach[0] if away > 0 else reach[1])
        rows.append(clip(255 * 1.67 * (share - 0.4)))
    mask = Image.frombytes("L", (1, 128), bytes(rows)).resize(picture.size, _BILINEAR)
    return Image.composite(soft.resize(picture.size, _BICUBIC), picture, mask)


def _developed(picture: Image.Image, rng: random.Random, size: Size) -> Image.Image:
    """Bloom, corners, tone; then enlarged to `size`, with grain of that size."""
    picture = ImageChops.screen(picture, _bloom(picture))
    picture = ImageChops.multiply(picture, _vignette(picture.size, rng))
    picture = picture.point(_tone(rng))
    picture = ImageEnhance.Color(picture).enhance(rng.uniform(1.08, 1.2))
    large = picture.filter(_SHARPEN).resize(size, _BICUBIC)
    return ImageChops.soft_light(large, noise.tiled(_grain(), size))


def _bloom(picture: Image.Image) -> Image.Image:
    """The glow that highlights throw over their neighbours inside a lens."""
    bright = picture.reduce(4).point(gain(1.9, -1.9 * 168) * 3)
    glow = bright.filter(ImageFilter.GaussianBlur(9)).point(gain(0.34) * 3)
    return glow.resize(picture.size, _BILINEAR)


def _vignette(size: Size, rng: random.Random) -> Image.Image:
    """Darker corners, and light falling off away from the window."""
    strength = rng.uniform(0.5, 1.0)
    dark = Image.radial_gradient("L").point(
        table(lambda t: 1 - strength * max(0.0, t - 0.35) ** 1.5)
    )
    fall = Image.linear_gradient("L").rotate(rng.choice((0, 90, 270))).point(gain(-0.16, 255))
    both = ImageChops.multiply(dark, fall).reduce(4).resize(size, _BICUBIC)
    return Image.merge("RGB", (both, both, both))


def _tone(rng: random.Random) -> list[int]:
    """Exposure, a soft shoulder and some contrast, with warm lights and cool shadows."""
    exposure, warmth = 1.55 * rng.uniform(1.3, 1.46), rng.uniform(-0.01, 0.03)

    def band(scale: float, lift: float) -> Callable[[float], float]:
        def curve(t: float) -> float:
            v = (1 - math.exp(-t * exposure * scale)) / (1 - math.exp(-exposure))
            return 0.45 * v + 0.55 * v * v * (3 - 2 * v) + lift * (1 - v)

        return curve

    curves = band(1 + warmth, 0.008), band(1, 0.009), band(1 - warmth, 0.018)
    return [byte for curve in curves for byte in table(curve)]


@lru_cache(maxsize=1)
def _grain() -> Image.Image:
    """A tile of sensor noise about middle grey, mostly of light and a little of colour."""
    rng, side = random.Random("grain"), 512
    size = (side, side)
    luma = Image.blend(noise.white(size, rng), noise.white(size, rng), 0.5)
    luma = Image.blend(luma, noise.clouds(size, (side // 2, side // 2), rng), 0.5)
    bands = []
    for _ in range(3):
        chroma = noise.clouds(size, (side // 3, side // 3), rng)
        bands.append(Image.blend(luma, chroma, 0.22).point(gain(0.3, 0.7 * 128)))
    return Image.merge("RGB", bands)
