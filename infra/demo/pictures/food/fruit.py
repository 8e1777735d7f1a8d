"""Fruit, cut and whole."""

import random

from PIL import ImageChops

from infra.demo.pictures import noise
from infra.demo.pictures.curves import WHITE, Colour, Stops, dye, gain, jitter, mix
from infra.demo.pictures.food.vegetables import berry
from infra.demo.pictures.relief import Piece, dome, mould, mound, sphere
from infra.demo.pictures.shapes import (
    Point,
    Sketch,
    arc,
    box_outline,
    leaf_outline,
    polar,
    room,
    round_outline,
    scaled,
    silhouette,
    spin,
)

CITRUS: dict[str, tuple[Colour, Colour]] = {  # peel and pulp
    "lemon": ((238, 192, 20), (244, 212, 84)),
    "lime": ((84, 146, 34), (186, 212, 108)),
    "orange": ((236, 120, 12), (248, 160, 40)),
}
MELON: Stops = ((230, 120, 40), (248, 168, 78), (252, 200, 130))
GREEN_MELON: Stops = ((170, 196, 110), (206, 220, 150), (230, 236, 190))
_PITH: Colour = (252, 242, 208)


def citrus_slice(rng: random.Random, radius: float, kind: str) -> Piece:
    """A wheel: peel, pith, segments of juice cells."""
    peel, pulp = CITRUS[kind]
    mask = silhouette(round_outline(rng, radius, radius, 0.02, 4))
    picture, cells = Sketch(mask.size, "RGB", peel), Sketch(mask.size)
    picture.oval(0, 0, radius * 0.93, radius * 0.93, _PITH)
    count, start = rng.randint(8, 10), rng.uniform(0, 360)
    for i in range(count):
        middle, half = start + 360 * i / count, 360 / count * 0.42
        segment = [
            *arc(radius * 0.83, middle - half, middle + half, 6),
            polar(middle, radius * 0.1),
        ]
        picture.fill(segment, jitter(pulp, rng, 0.08))
        cells.fill(segment, 255)
        for _ in range(10):
            turn = middle + rng.uniform(-0.8, 0.8) * half
            near, far = radius * rng.uniform(0.25, 0.5), radius * rng.uniform(0.5, 0.8)
            colour = mix(pulp, rng.choice((WHITE, peel)), 0.4)
            picture.line([polar(turn, near), polar(turn, far)], colour, radius * 0.025)
    wet = cells.done(radius * 0.03)
    height = ImageChops.subtract(dome(mask, radius * 0.1), noise.rough(wet, rng, 0.7), 3.4, 70)
    height, albedo = ImageChops.multiply(height, mask), noise.mottled(picture.done(), rng, 0.1)
    return mould(mask, albedo, height, radius * 0.16, wet.point(gain(0.5, 50)))


def lemon_wedge(rng: random.Random, length: float) -> Piece:
    """A quarter, its cut side up."""
    peel, pulp = CITRUS["lemon"]
    half = length / 2
    outline: list[Point] = [(x, y + half * 0.72) for x, y in arc(half * 1.18, -148, -32, 18)]
    outline += [(x, y - half * 1.22) for x, y in arc(half * 1.6, 52, 128, 14)]
    size = room(outline, 6)
    mask = Sketch(size).fill(outline, 255).done()
    picture = Sketch(size, "RGB", peel).fill(scaled(outline, 0.9, 0.86), _PITH)
    picture.fill(scaled(outline, 0.82, 0.74), pulp)
    for i in range(18):
        x = half * (i - 9) / 11 + rng.uniform(-3, 3)
        ray = [(x * 0.3, -half * 0.2), (x, half * 0.2)]
        picture.line(ray, mix(pulp, rng.choice((WHITE, peel)), 0.4), 2)
    picture.line([(-half * 0.75, 0), (half * 0.75, 0)], (252, 244, 214), 2.4)
    ridge = Sketch(size, fine=2).fill(outline, 90).fill(scaled(outline, 1, 0.45), 255)
    height = ImageChops.multiply(noise.rough(ridge.done(length * 0.05), rng, 0.2), mask)
    albedo = noise.mottled(picture.done(), rng, 0.12)
    return mould(mask, albedo, height, length * 0.28, 110, rng.uniform(0, 360))


def whole_citrus(rng: random.Random, kind: str, radius: int) -> Piece:
    """Its peel full of pores."""
    peel = CITRUS[kind][0]
    pores = noise.swatch((2 * radius, 2 * radius), "fine", rng)
    skin = dye(pores, mix(peel, (120, 60, 0), 0.12), peel)
    return sphere(radius, radius * (1 if kind == "orange" else 0.86), skin, 120)


def kiwi_slice(rng: random.Random, radius: float) -> Piece:
    """Green rays, a white heart and a wreath of seeds."""
    outline = round_outline(rng, radius, radius * rng.uniform(0.88, 1), 0.03, 4)
    mask = silhouette(outline)
    picture = Sketch(mask.size, "RGB", (96, 132, 30))
    picture.fill(scaled(outline, 0.94), jitter((124, 172, 40), rng, 0.1))
    for i in range(44):
        tip = polar(360 * i / 44 + rng.uniform(-3, 3), radius * rng.uniform(0.7, 0.92))
        picture.line([(0, 0), tip], (166, 202, 82), radius * 0.03)
    picture.fill(scaled(outline, 0.3), (228, 232, 176))
    for i in range(30):
        seed = polar(12 * i + rng.uniform(-5, 5), radius * rng.uniform(0.36, 0.5))
        picture.oval(*seed, radius * 0.035, radius * 0.03, (28, 24, 16))
    albedo = noise.mottled(picture.done(0.8), rng, 0.12)
    return mould(mask, albedo, dome(mask, radius * 0.13), radius * 0.2, 150)


def strawberry(rng: random.Random, length: float) -> Piece:
    """Halved, with its pale heart, or whole."""
    return _half_strawberry(rng, length) if rng.random() < 0.5 else whole_strawberry(rng, length)


def _strawberry_outline(length: float) -> list[Point]:
    return [(-y, x) for x, y in leaf_outline(length, length * 0.86, 0.36, 0.62)]


def _half_strawberry(rng: random.Random, length: float) -> Piece:
    outline = _strawberry_outline(length)
    mask = silhouette(outline, 5)
    picture = Sketch(mask.size, "RGB", jitter((196, 22, 22), rng, 0.1))
    for share, colour in ((0.8, (226, 66, 50)), (0.55, (238, 128, 104)), (0.3, (250, 204, 184))):
        picture.fill(scaled(outline, share, share * 1.1), colour)
    albedo = noise.mottled(picture.done(length * 0.03), rng, 0.15)
    return mould(mask, albedo, dome(mask, length * 0.08), length * 0.2, 130, rng.uniform(0, 360))


def whole_strawberry(rng: random.Random, length: float) -> Piece:
    """Seeds in their dents, and the green star."""
    outline = _strawberry_outline(length)
    size = room(outline, 5)
    mask = Sketch(size).fill(outline, 255).done()
    picture, pits = Sketch(size, "RGB", jitter((196, 22, 22), rng, 0.1)), Sketch(size, fine=2)
    for row in range(9):
        for column in range(-4, 5):
            x, y = length * 0.11 * (column + 0.5 * (row % 2)), length * (row / 10 - 0.4)
            picture.oval(x, y, length * 0.012, length * 0.02, (236, 176, 84))
            pits.oval(x, y, length * 0.026, length * 0.03, 60)
    star = Sketch(size, fine=2)
    for sway in (-70, -35, 0, 35, 70):
        sepal = [(x + length * 0.14, y) for x, y in leaf_outline(length * 0.34, length * 0.13, 0.4)]
        star.fill(spin(sepal, 90 + sway, 0, -length * 0.46), 255)
    green, albedo = star.done(), picture.done()
    leafy = dye(noise.swatch(size, "soft", rng), (40, 84, 26), (96, 148, 56))
    albedo.paste(leafy, (0, 0), green)
    height = ImageChops.subtract(mound(outline, size), pits.done(1), 2)
    height = ImageChops.lighter(height, green.point(gain(0.6)))
    mask = ImageChops.lighter(mask, green)
    return mould(mask, albedo, height, length * 0.4, 170, rng.uniform(0, 360))


def banana_slice(rng: random.Random, radius: float) -> Piece:
    """A coin with a starry middle."""
    outline = round_outline(rng, radius, radius, 0.04, 5)
    mask = silhouette(outline)
    picture = Sketch(mask.size, "RGB", (228, 204, 130)).fill(scaled(outline, 0.92), (248, 234, 186))
    for turn in (0, 120, 240):
        picture.line([(0, 0), polar(turn, radius * 0.42)], (222, 196, 130), radius * 0.09)
        for k in range(4):
            picture.oval(*polar(turn + 17, radius * (0.14 + 0.08 * k)), 1.5, 1.5, (110, 80, 40))
    albedo = noise.mottled(picture.done(0.7), rng, 0.08)
    return mould(mask, albedo, dome(mask, radius * 0.15), radius * 0.25, 90, rng.uniform(0, 360))


def blueberry(rng: random.Random, radius: float) -> Piece:
    """With its crown."""
    stops = (24, 26, 56), (48, 56, 104), (122, 134, 176)
    fruit = berry(rng, radius, *stops, gloss=70, grit="soft")
    x, y = polar(rng.uniform(0, 360), radius * 0.35)
    crown = Sketch(fruit.size).oval(x, y, radius * 0.3, radius * 0.3, 210)
    crown.oval(x, y, radius * 0.16, radius * 0.16, 60)
    fruit.albedo.paste((14, 14, 30), (0, 0), crown.done(0.8))
    return fruit


def cube(rng: random.Random, edge: float, stops: Stops, gloss: int = 120) -> Piece:
    """A dice of anything: melon, cucumber, tofu, sugar, salt."""
    outline = box_outline(edge, edge * rng.uniform(0.8, 1), edge * 0.16, rng)
    mask = silhouette(outline, 5)
    height = noise.rough(dome(mask, edge * 0.13), rng, 0.15)
    albedo = dye(noise.swatch(mask.size, "soft", rng), *stops)
    return mould(mask, albedo, height, edge * 0.42, gloss, rng.uniform(0, 360))
