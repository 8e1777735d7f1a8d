"""What sandwiches are built of, each seen from its edge."""

import math
import random
from collections.abc import Callable

from PIL import Image, ImageChops

from infra.demo.pictures import noise
from infra.demo.pictures.arrange import batch
from infra.demo.pictures.curves import Colour, Stops, dye, gain, mix, ramp
from infra.demo.pictures.food import bakery, leaves, meat, seafood
from infra.demo.pictures.relief import Piece, Relief, dome, mould, mound
from infra.demo.pictures.shapes import (
    Point,
    Sketch,
    box_outline,
    leaf_outline,
    room,
    scaled,
    silhouette,
    spin,
)

Layer = Callable[[Relief, random.Random, float, float, float], float]
"""Laid upon (x, y) as wide as given; answers how much higher the next one lies."""

_CHEESES: tuple[Stops, ...] = (
    ((226, 150, 20), (246, 184, 50), (252, 208, 96)),
    ((228, 200, 130), (248, 228, 170), (252, 240, 200)),
)
_YORK: Stops = ((190, 104, 100), (226, 152, 144), (246, 196, 186))
_OMELETTE: Stops = ((214, 150, 40), (242, 196, 84), (250, 222, 140))
_BATTER: Stops = ((150, 88, 26), (214, 150, 64), (240, 196, 116))


def half_loaf(
    rng: random.Random,
    size: tuple[float, float],
    square: float,
    upper: bool,
    cuts: int = 0,
    flour: float = 0.0,
) -> Piece:
    """Half a loaf from its long side, crumb where it was opened.

    `square` above 2 makes it boxier than an ellipse; `cuts` are the baker's.
    """
    (width, height), way = size, 1 if upper else -1
    outline = _half_outline(width, height, square, way)
    spot = room(outline, 8)
    mask = Sketch(spot, fine=2).fill(outline, 255).done()
    body = mound([(x, y - way * height * 0.1) for x, y in outline], spot, 20)
    albedo, slashes = bakery.crust(body, rng, flour), Sketch(spot, fine=2)
    for k in range(cuts):
        lens = leaf_outline(width / cuts * 0.8, height * 0.2, 0.5)
        x = width * ((k + 0.5) / cuts - 0.5) * 0.8
        slashes.fill(spin(lens, -18, x, -height * 0.16 + rng.uniform(-6, 6)), 255)
    opened = slashes.done(2.5)
    albedo.paste(
        dye(noise.swatch(spot, "soft", rng), (206, 150, 84), (240, 206, 148)), (0, 0), opened
    )
    lip = height / 2 * way
    strip: list[Point] = [(-width, lip - 9 * way), (width, lip - 9 * way)]
    strip += [(width, lip + 60 * way), (-width, lip + 60 * way)]
    inside = Sketch(spot, fine=2).fill(strip, 217).done(1.5)
    albedo.paste(bakery.crumb(spot, rng, 0.3)[0], (0, 0), inside)
    level = ImageChops.subtract(body, opened.point(gain(0.12)))
    level = noise.rough(noise.rough(level, rng, 0.05), rng, 0.05, "fine")
    return mould(mask, albedo, level, height * 0.75, 40).shallow(0.2)


def _half_outline(width: float, height: float, square: float, way: int) -> list[Point]:
    points: list[Point] = []
    for i in range(49):
        c, s = math.cos(math.pi * i / 48), math.sin(math.pi * i / 48)
        x = math.copysign(abs(c) ** (2 / square), c) * width / 2
        points.append((x, height / 2 - abs(s) ** (2 / square) * height))
    points += [(4 - width / 2, height * 0.6), (width / 2 - 4, height * 0.6)]
    return scaled(points, 1, way)


def _folds(
    rng: random.Random, width: float, drop: float, waves: float, stops: Stops, edge: float
) -> Piece:
    """A soft layer hanging over in folds: lettuce, ham; `edge` (0..1) makes its rim paler."""
    phase, other = rng.uniform(0, 6), rng.uniform(0, 6)
    hem: list[Point] = []
    for i in range(121):
        t = i / 120
        turn = math.tau * waves * t
        wave = math.sin(turn + phase) + 0.5 * math.sin(2.3 * turn + other)
        fall = (0.55 + 0.28 * wave) * (0.7 + 0.3 * math.sin(math.pi * t)) - 0.2
        hem.append((width * (t - 0.5), drop * fall))
    mask = silhouette([(-width / 2, -drop / 2), *hem, (width / 2, -drop / 2)], 6)
    size = mask.size
    pleats = noise.clouds(size, (round(waves * 5), 2), rng)
    crinkle = noise.swatch(size, "soft", rng)
    height = ImageChops.multiply(Image.blend(pleats, crinkle, 0.25), dome(mask, 6))
    tone = Image.blend(pleats, crinkle, 0.4)
    albedo = dye(Image.blend(tone, noise.swatch(size, "broad", rng), 0.2), *stops)
    rim = ImageChops.invert(dome(mask, 10)).point(ramp(60, 220)).point(gain(edge))
    albedo.paste(mix(stops[-1], (255, 250, 230), 0.5), (0, 0), rim)
    return mould(mask, albedo, height, 40, 90).shallow(0.35)


def lettuce(relief: Relief, rng: random.Random, x: float, y: float, width: float) -> float:
    """Two frills, the back one in shade."""
    for k in range(2):
        waves, wide = rng.uniform(6, 9), width * rng.uniform(1.0, 1.06)
        frill = _folds(rng, wide, 74, waves, leaves.TINTS["lettuce"], 0.5)
        relief.add(frill.lit(0.85 + 0.15 * k), x + rng.uniform(-8, 8), y + 4 - 10 * k, 6 + 6 * k)
    return 20


def _ham(stops: Stops) -> Layer:
    def lay(relief: Relief, rng: random.Random, x: float, y: float, width: float) -> float:
        for k in range(3):
            slice_ = _folds(rng, width * rng.uniform(0.92, 1), 56, rng.uniform(3, 5), stops, 0.35)
            relief.add(slice_, x + rng.uniform(-10, 10), y - 9 * k + 4, 8 + 6 * k)
        return 30

    return lay


def cheese(relief: Relief, rng: random.Random, x: float, y: float, width: float) -> float:
    """Slices whose corners hang down, gone soft."""
    half = width / 2
    hem: list[Point] = [(-half, -14), (-half, 0)]
    for k in (-1, 0, 1):
        middle, drop = width * k / 3 + rng.uniform(-20, 20), rng.uniform(30, 52)
        hem += [(middle - width * 0.15, 8), (middle, drop), (middle + width * 0.15, 8)]
    hem += [(half, 0), (half, -14)]
    mask = Sketch(room(hem, 6), fine=2).fill(hem, 255).done(1.6).point(ramp(90, 170))
    albedo = dye(noise.swatch(mask.size, "broad", rng), *rng.choice(_CHEESES))
    relief.add(mould(mask, albedo, noise.rough(dome(mask, 8), rng, 0.12), 14, 110), x, y, 10)
    return 12


def _slices(width: float, thick: float, count: int, skin: Colour, stops: Stops) -> Layer:
    """Round slices on edge, side by side and overlapping: skin round a wet middle."""

    def one(rng: random.Random) -> Piece:
        outline = box_outline(width * rng.uniform(0.9, 1.1), thick, thick * 0.46)
        mask = silhouette(outline, 5)
        albedo = dye(noise.swatch(mask.size, "soft", rng), *stops)
        rim = Sketch(mask.size).fill(outline, 255).fill(scaled(outline, 0.98, 0.5), 0).done(1.5)
        albedo.paste(skin, (0, 0), rim)
        height = mound(outline, mask.size, 8)
        return mould(mask, albedo, height, thick * 0.5, 160, rng.uniform(-5, 5)).shallow(0.4)

    def lay(relief: Relief, rng: random.Random, x: float, y: float, whole: float) -> float:
        for k in rng.sample(range(count), count):
            at = x + whole * ((k + 0.5) / count - 0.5) * 0.94
            relief.add(one(rng), at, y - thick * 0.36 + rng.uniform(-4, 4), 8)
        return thick * 0.88

    return lay


def _slab(thick: float, stops: Stops, sear: Colour, share: float, gloss: int) -> Layer:
    """One thick piece: an omelette, a burger, a breaded fillet."""

    def lay(relief: Relief, rng: random.Random, x: float, y: float, width: float) -> float:
        box = box_outline(width * share, thick, thick * 0.42)
        outline = [(px + rng.uniform(-3, 3), py + rng.uniform(-2, 2)) for px, py in box]
        mask = silhouette(outline, 6)
        body = mound(outline, mask.size, 12)
        fine, soft = (noise.swatch(mask.size, grit, rng) for grit in ("fine", "soft"))
        albedo = dye(Image.blend(soft, fine, 0.35), *stops)
        brown = ImageChops.invert(body).point(ramp(90, 230)).point(gain(0.6))
        albedo.paste(sear, (0, 0), brown)
        height = noise.rough(noise.rough(body, rng, 0.28), rng, 0.2, "fine")
        piece = mould(mask, albedo, height, thick * 0.5, gloss).shallow(0.3)
        relief.add(piece, x, y - thick * 0.4, 8)
        return thick * 0.86

    return lay


def squid(relief: Relief, rng: random.Random, x: float, y: float, width: float) -> float:
    """Rings in batter, piled."""
    rings = batch(lambda: seafood.squid_ring(rng, rng.uniform(46, 60)).squeezed(0.62, 0.4), 6)
    for k in range(14):
        at = x + width * rng.uniform(-0.44, 0.44)
        relief.add(rng.choice(rings), at, y - rng.uniform(0, 44), 6 + k % 4)
    return 56


def tuna(relief: Relief, rng: random.Random, x: float, y: float, width: float) -> float:
    """Flakes, piled."""
    flakes = batch(lambda: seafood.tuna(rng, rng.uniform(60, 96)).shallow(0.3), 6)
    for k in range(22):
        at = x + width * rng.uniform(-0.45, 0.45)
        relief.add(rng.choice(flakes), at, y - rng.uniform(-6, 26), 6 + k % 4)
    return 30


def toast(relief: Relief, rng: random.Random, x: float, y: float, width: float) -> float:
    """A toasted slice, cut through: crumb between two thin brown lines."""
    thick, box = 46, box_outline(width, 46, 9)
    outline = [(px + rng.uniform(-2, 2), py + rng.uniform(-2, 2)) for px, py in box]
    mask = silhouette(outline, 6)
    albedo, height = bakery.crumb(mask.size, rng, 0.1)
    brown = Sketch(mask.size).fill(outline, 255).fill(scaled(outline, 0.985, 0.68), 0).done(2)
    albedo.paste((158, 92, 36), (0, 0), brown)
    height = ImageChops.multiply(height, dome(mask, 6))
    relief.add(mould(mask, albedo, height, 20, 20).shallow(0.5), x, y - thick * 0.4, 8)
    return thick * 0.88


SERRANO = _ham(meat.SERRANO)
YORK = _ham(_YORK)
TOMATO = _slices(150, 27, 5, (176, 24, 14), ((196, 50, 30), (226, 90, 60)))
CUCUMBER = _slices(110, 19, 6, (40, 92, 34), ((196, 214, 150), (222, 234, 186)))
ONION = _slices(120, 12, 5, (140, 40, 92), ((230, 214, 226), (248, 240, 246)))
EGG = _slices(104, 30, 5, (252, 250, 242), ((244, 188, 60), (250, 210, 100)))
OMELETTE = _slab(78, _OMELETTE, (150, 84, 24), 0.95, 60)
BEEF = _slab(66, meat.BEEF, (30, 16, 8), 1.0, 110)
CRISPY = _slab(56, _BATTER, (120, 64, 18), 1.02, 40)
