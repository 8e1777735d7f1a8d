"""The room behind a table, so far out of focus that it is drawn very small."""

import random

from PIL import Image, ImageChops, ImageFilter

from infra.demo.pictures import noise
from infra.demo.pictures.curves import Colour, Size, dye, jitter, mix
from infra.demo.pictures.shapes import Sketch, box_outline

_WALLS: tuple[tuple[Colour, Colour], ...] = (
    ((96, 84, 72), (214, 200, 180)),
    ((60, 68, 66), (170, 184, 176)),
    ((110, 74, 50), (226, 190, 150)),
    ((44, 46, 52), (120, 124, 132)),
    ((120, 128, 132), (232, 234, 232)),
    ((70, 84, 60), (186, 198, 160)),
)
_THINGS: tuple[Colour, ...] = (
    (64, 92, 50),
    (150, 96, 54),
    (196, 150, 84),
    (70, 60, 56),
    (180, 70, 50),
    (220, 214, 200),
)
_LAMPS: tuple[Colour, ...] = ((255, 214, 150), (255, 240, 210), (255, 190, 120))
_NIGHT: Colour = (0, 0, 0)
_SMALL = 6


def room(size: Size, rng: random.Random) -> Image.Image:
    """Wall, a bright window, dim shapes and points of light; mode RGB."""
    small = (size[0] // _SMALL, size[1] // _SMALL)
    dark, pale = rng.choice(_WALLS)
    fall = Image.linear_gradient("L").rotate(rng.choice((90, 270))).resize(small)
    tone = Image.blend(fall, noise.fractal(small, 60, rng, 2), 0.35)
    wall = dye(tone, dark, mix(dark, pale, 0.55), pale)
    _window(wall, rng)
    for _ in range(rng.randint(4, 8)):
        _thing(wall, rng)
    wall = ImageChops.screen(wall.filter(ImageFilter.GaussianBlur(5)), _bokeh(small, rng))
    return wall.resize(size, Image.Resampling.BICUBIC)


def _window(wall: Image.Image, rng: random.Random) -> None:
    w, h = wall.size
    panes, x = Sketch((w, h), fine=1), rng.uniform(-0.45, 0.45) * w
    for dx in (-0.5, 0.5):
        pane = box_outline(w * 0.15, h * 0.36, 2)
        panes.fill([(px + x + dx * w * 0.17, py - h * 0.34) for px, py in pane], 215)
    wall.paste(jitter((255, 246, 226), rng, 0.04), (0, 0), panes.done(2))


def _thing(wall: Image.Image, rng: random.Random) -> None:
    """A jar, a plant, a bottle: only its blurred colour is left."""
    w, h = wall.size
    wide, tall = w * rng.uniform(0.03, 0.09), h * rng.uniform(0.08, 0.24)
    x, foot = rng.uniform(-0.5, 0.5) * w, h * rng.uniform(-0.2, -0.1)
    shape = [(px + x, py + foot - tall / 2) for px, py in box_outline(wide, tall, wide * 0.3)]
    mask = Sketch((w, h), fine=1).fill(shape, 200).done()
    wall.paste(jitter(rng.choice(_THINGS), rng, 0.2), (0, 0), mask)


def _bokeh(size: Size, rng: random.Random) -> Image.Image:
    """Lamps out of focus: even discs, a little brighter at the rim."""
    w, h = size
    lamps = Sketch(size, "RGB", _NIGHT, fine=2)
    for _ in range(rng.randint(0, 9)):
        x, y = rng.uniform(-0.5, 0.5) * w, rng.uniform(-0.5, -0.12) * h
        radius, glow = rng.uniform(5, 13), mix(_NIGHT, rng.choice(_LAMPS), rng.uniform(0.1, 0.34))
        lamps.oval(x, y, radius, radius, glow)
        lamps.oval(x, y, radius * 0.88, radius * 0.88, mix(_NIGHT, glow, 0.85))
    return lamps.done(0.7)
