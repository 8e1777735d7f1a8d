"""The faces of hot drinks: what is seen looking into a cup."""

import random

from PIL import Image, ImageChops

from infra.demo.pictures import noise, vessels
from infra.demo.pictures.curves import Stops, dye, gain, ramp
from infra.demo.pictures.shapes import Point, Sketch, path, polar, scaled, spin

_SIDE = 400
_SIZE = (_SIDE, _SIDE)

_ESPRESSO: Stops = ((72, 34, 10), (146, 84, 34), (196, 134, 70))
_LATTE: Stops = ((92, 44, 14), (150, 86, 38), (186, 124, 66))
_CHOCOLATE: Stops = ((34, 14, 6), (66, 30, 16), (92, 48, 28))
_BLACK_TEA: Stops = ((84, 24, 4), (134, 52, 10), (172, 84, 24))
_GREEN_TEA: Stops = ((96, 84, 20), (150, 130, 40), (184, 168, 76))
_FOAM: Stops = ((222, 196, 156), (246, 232, 206), (253, 246, 230))
_MILK: Stops = ((240, 222, 190), (252, 242, 222))


def _bubbles(rng: random.Random, count: int) -> Image.Image:
    """Rings of tiny bubbles along the wall of the cup, as a mask."""
    sketch = Sketch(_SIZE, fine=2)
    for _ in range(count):
        x, y = polar(rng.uniform(0, 360), _SIDE / 2 * (1 - 0.16 * rng.random() ** 2))
        size = rng.uniform(1.5, 5)
        sketch.oval(x, y, size, size, 160).oval(x, y, size * 0.6, size * 0.6, 50)
    return sketch.done()


def _crema(rng: random.Random, stops: Stops) -> Image.Image:
    fine = noise.swatch(_SIZE, "fine", rng)
    tone = Image.blend(noise.fractal(_SIZE, 110, rng, 5), fine, 0.12)
    face = dye(tone.point(gain(0.7, 40)), *stops)
    face.paste(stops[-1], (0, 0), _bubbles(rng, 130))
    return vessels.shaded_rim(face, stops[0], 1.0)


def espresso(rng: random.Random) -> Image.Image:
    """Hazel crema, mottled."""
    return _crema(rng, _ESPRESSO)


def chocolate(rng: random.Random) -> Image.Image:
    """Thick enough for a spoon to stand in."""
    return _crema(rng, _CHOCOLATE)


def tea(rng: random.Random) -> Image.Image:
    """Clear, darker to the wall."""
    stops = rng.choice((_BLACK_TEA, _GREEN_TEA))
    return vessels.shaded_rim(dye(noise.fractal(_SIZE, 200, rng, 2), *stops), stops[0], 0.8)


def latte(rng: random.Random) -> Image.Image:
    """Milk foam drawn into a heart, a tulip or a fern."""
    coffee, sketch = _crema(rng, _LATTE), Sketch(_SIZE, fine=2)
    rng.choice((_draw_fern, _draw_heart, _draw_tulip))(sketch, rng.uniform(0, 360))
    thin = noise.swatch(_SIZE, "soft", rng).point(gain(0.18, 215))
    foam = ImageChops.multiply(sketch.done(2.4), thin)
    coffee.paste(dye(noise.swatch(_SIZE, "soft", rng), *_MILK), (0, 0), foam)
    return coffee


def _draw_fern(sketch: Sketch, turn: float) -> None:
    """Leaves one behind the other along a stem, a small heart on top."""
    upper: list[Point] = [(-1, -26), (-0.5, 18), (0, 40), (0.5, 18), (1, -26)]
    lower: list[Point] = [(0.5, -2), (0, 18), (-0.5, -2), (-1, -26)]
    for i in range(6):
        half, y = 104 - 9 * abs(i - 2), 92 - 34 * i
        wing = path([(x * half, dy + y) for x, dy in (*upper, *lower)], 40)
        sketch.fill(spin(wing, turn), 255)
    sketch.fill(spin(_heart(44, -112), turn), 255)
    sketch.line(spin([(0, -120), (0, 140)], turn), 40, 5)


def _draw_heart(sketch: Sketch, turn: float) -> None:
    for size, value in ((128, 255), (106, 70), (96, 255), (72, 80), (62, 255)):
        sketch.fill(spin(_heart(size, 6 + (128 - size) * 0.3), turn), value)


def _draw_tulip(sketch: Sketch, turn: float) -> None:
    for i, size in enumerate((112, 88, 62)):
        sketch.fill(spin(_heart(size + 10, 74 - 76 * i), turn), 50)
        sketch.fill(spin(_heart(size, 70 - 76 * i), turn), 255)


def _heart(size: float, y: float) -> list[Point]:
    """The usual heart curve, its half width `size`."""
    points = []
    for i in range(48):
        c, s = polar(7.5 * i, 1)
        c2, c3, c4 = (polar(7.5 * i * k, 1)[0] for k in (2, 3, 4))
        points.append((s**3, -(13 * c - 5 * c2 - 2 * c3 - c4) / 16))
    return spin(scaled(points, size), 0, 0, y)


def cappuccino(rng: random.Random) -> Image.Image:
    """White foam dusted with cocoa."""
    fine = noise.swatch(_SIZE, "fine", rng)
    face = dye(Image.blend(noise.swatch(_SIZE, "broad", rng), fine, 0.3), *_FOAM)
    dust = noise.white(_SIZE, rng).point(ramp(70, 200))
    dust = ImageChops.multiply(dust, noise.swatch(_SIZE, "broad", rng))
    face.paste((104, 58, 28), (0, 0), dust.point(gain(1.3)))
    face.paste((255, 250, 238), (0, 0), _bubbles(rng, 90))
    return vessels.shaded_rim(face, (140, 84, 42), 1.02)


def coffee(rng: random.Random) -> Image.Image:
    """Any of the coffees."""
    return rng.choice((latte, espresso, cappuccino))(rng)
