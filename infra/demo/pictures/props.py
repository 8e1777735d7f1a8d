"""What lies round a dish: cutlery, napkin, a glass, a little bowl, bread."""

import random
from collections.abc import Callable

from PIL import Image, ImageChops

from infra.demo.pictures import noise, vessels
from infra.demo.pictures.arrange import strew
from infra.demo.pictures.curves import Colour, Stops, dye, gain, mix
from infra.demo.pictures.food import bakery, fruit, leaves, vegetables
from infra.demo.pictures.relief import Piece, Relief, dome, mould
from infra.demo.pictures.shapes import (
    Point,
    Sketch,
    band,
    box_outline,
    leaf_outline,
    path,
    room,
    scaled,
    spin,
)

Prop = Callable[[Relief, random.Random, float, float], None]
"""Laid with its middle at (x, y)."""

_NAPKINS: tuple[Colour, ...] = (
    (226, 220, 208),
    (164, 60, 48),
    (76, 98, 124),
    (120, 132, 104),
    (206, 170, 104),
    (92, 88, 84),
)
# Polished steel mirrors a dark room and a bright window, so its tones go up and down.
_POLISHED: Stops = (
    (86, 86, 90),
    (128, 128, 130),
    (188, 187, 186),
    (150, 150, 152),
    (244, 243, 240),
)
_DIPS: tuple[Stops, ...] = (
    ((130, 24, 10), (178, 44, 20)),
    ((226, 206, 150), (246, 232, 190)),
    ((70, 90, 24), (120, 140, 50)),
)
_WATER: Colour = (150, 164, 168)
_JUICE: Colour = (240, 150, 20)


def _steel(mask: Image.Image, rng: random.Random, height: Image.Image, angle: float) -> Piece:
    tone = Image.blend(noise.clouds(mask.size, (4, 2), rng), height, 0.62)
    return mould(mask, dye(tone, *_POLISHED), height, 9, 200, angle)


def fork(rng: random.Random, length: float, angle: float) -> Piece:
    """Four tines."""
    half = length / 2
    grip = path([(-half * 0.32, 0), (half * 0.3, 0), (half, 0)])
    handle, neck = band(grip, [11, 10, 13, 20, 22]), path([(-half * 0.62, 0), (-half * 0.3, 0)])
    sketch = Sketch(room(handle, 30)).fill(handle, 255).fill(band(neck, [46, 40, 12]), 255)
    for y in (-18.0, -6.0, 6.0, 18.0):
        sketch.fill(band([(-half, y * 0.94), (-half * 0.56, y)], [5, 9]), 255)
    mask = sketch.done()
    return _steel(mask, rng, dome(mask, 5), angle)


def spoon(rng: random.Random, length: float, angle: float) -> Piece:
    """A hollow blade and a handle."""
    half = length / 2
    grip = path([(-half * 0.42, 0), (half * 0.2, 0), (half, 0)])
    handle = band(grip, [10, 9, 12, 18, 20])
    oval = leaf_outline(length * 0.34, length * 0.2, 0.46, 0.7)
    blade, dip = (spin(o, 0, -half * 0.68) for o in (oval, scaled(oval, 0.84, 0.8)))
    size = room(handle, 34)
    mask = Sketch(size).fill(handle, 255).fill(blade, 255).done()
    hollow = Sketch(size).fill(dip, 204).done(length * 0.03)
    return _steel(mask, rng, ImageChops.subtract(dome(mask, 5), hollow), angle)


def knife(rng: random.Random, length: float, angle: float) -> Piece:
    """A table knife."""
    half = length / 2
    handle = band(path([(half * 0.02, 0), (half * 0.5, 0), (half, 0)]), [15, 17, 21, 22])
    back: list[Point] = [(half * 0.04, -9), (-half * 0.8, -13), (-half, 6)]
    blade = [*back, (-half * 0.9, 12), (half * 0.04, 10)]
    mask = Sketch(room(handle, 20)).fill(handle, 255).fill(blade, 255).done()
    return _steel(mask, rng, dome(mask, 4), angle)


def napkin(rng: random.Random, width: float, height: float, angle: float) -> Piece:
    """Folded linen: weave, hem, perhaps a stripe, soft folds."""
    cloth, outline = rng.choice(_NAPKINS), box_outline(width, height, 9, rng)
    size = room(outline, 6)
    mask = Sketch(size, fine=2).fill(outline, 255).done()
    weave = noise.weave(size, rng)
    albedo = dye(weave, mix(cloth, (30, 24, 20), 0.28), cloth, mix(cloth, (255, 252, 246), 0.3))
    if rng.random() < 0.6:
        stripes = Sketch(size, fine=2)
        for y, thick in ((0.36, 9.0), (0.27, 4.0)):
            stripes.line([(-width / 2, height * y), (width / 2, height * y)], 220, thick)
        paint: Colour = (255, 255, 255) if sum(cloth) < 420 else (120, 40, 36)
        albedo.paste(mix(cloth, paint, 0.7), (0, 0), stripes.done())
    folds = Image.blend(weave, noise.fractal(size, 200, rng, 2), 0.82)
    seam = scaled([*outline, outline[0]], 0.9)
    hem = Sketch(size, fine=2).line(seam, 60, 2.5).done()
    level = ImageChops.subtract(ImageChops.multiply(folds, dome(mask, 5)), hem)
    return mould(mask, albedo, level, 17, 8, angle)


def cutlery(relief: Relief, rng: random.Random, x: float, y: float) -> None:
    """A fork, perhaps with a knife, perhaps upon a napkin."""
    lean = rng.choice((90, 90, 76, 104, 60)) + rng.uniform(-5, 5)
    if rng.random() < 0.7:
        relief.add(napkin(rng, rng.uniform(330, 420), 190, lean), x, y, 0)
    relief.add(fork(rng, 460, lean), x - 24, y, 16)
    if rng.random() < 0.6:
        relief.add(knife(rng, 480, lean), x + 34, y, 16)


def spoon_and_napkin(relief: Relief, rng: random.Random, x: float, y: float) -> None:
    """For soups and sweets."""
    lean = rng.choice((90, 70, 110)) + rng.uniform(-6, 6)
    if rng.random() < 0.8:
        relief.add(napkin(rng, rng.uniform(320, 400), 190, lean), x, y, 0)
    relief.add(spoon(rng, 420, lean), x, y, 16)


def glass(relief: Relief, rng: random.Random, x: float, y: float) -> None:
    """A tumbler from above: a thin bright rim, water or juice a finger below it."""
    radius, clear = rng.randint(88, 104), rng.random() < 0.75
    size = (2 * radius + 8, 2 * radius + 8)
    body, rim = Sketch(size), Sketch(size).oval(0, 0, radius, radius, 255)
    for share, opacity in ((1.0, 150), (0.93, 70), (0.86, 44)):
        body.oval(0, 0, radius * share, radius * share, opacity if clear else 255)
    rim.oval(0, 0, radius * 0.94, radius * 0.94, 0)
    edge = rim.done(1.4)
    drink = _WATER if clear else _JUICE
    albedo = dye(noise.swatch(size, "broad", rng), mix(drink, (20, 20, 24), 0.2), drink)
    albedo.paste((240, 244, 244), (0, 0), edge)
    meniscus = Sketch(size).oval(0, 0, radius * 0.9, radius * 0.9, 120).done(4)
    mask = ImageChops.lighter(body.done(), edge.point(gain(0.75)))
    relief.add(mould(mask, albedo, ImageChops.add(edge, meniscus), 24, 220), x, y, 70)


def side_bowl(relief: Relief, rng: random.Random, x: float, y: float) -> None:
    """A small bowl of olives, tomatoes or a dip."""
    radius, at = rng.randint(92, 112), (x, y)
    vessels.bowl(relief, rng, radius, 60, at)
    kind = rng.choice(("dip", "olives", "tomatoes"))
    if kind == "dip":
        face = dye(noise.fractal((160, 160), 50, rng), *rng.choice(_DIPS))
        opening = (round(radius * 0.92), 60)
        vessels.liquid(relief, rng, face, round(radius * 0.84), 42, opening, 170, 6, at)
        return
    green, spread = rng.random() < 0.6, (radius * 0.55, radius * 0.5)
    if kind == "olives":
        strew(relief, rng, lambda: vegetables.olive(rng, 21, green), 16, spread, at)
    else:
        strew(relief, rng, lambda: vegetables.cherry_tomato(rng, 30), 12, spread, at)


def herbs(relief: Relief, rng: random.Random, x: float, y: float) -> None:
    """A few leaves as if fallen there."""
    kind = rng.choice(("basil", "rocket", "mint", "bay"))
    count = rng.randint(3, 5)
    strew(
        relief, rng, lambda: leaves.leaf(rng, kind, rng.uniform(70, 110)), count, (80, 70), (x, y)
    )


def lemon(relief: Relief, rng: random.Random, x: float, y: float) -> None:
    """Cut lemon."""
    relief.add(fruit.citrus_slice(rng, 62, "lemon"), x, y, 4)
    relief.add(fruit.lemon_wedge(rng, 120), x + 70, y + 60, 4)


def tomatoes(relief: Relief, rng: random.Random, x: float, y: float) -> None:
    """Small tomatoes on the table."""
    for _ in range(rng.randint(2, 4)):
        place = (x + rng.uniform(-80, 80), y + rng.uniform(-80, 80))
        relief.add(vegetables.tomato(rng, rng.uniform(32, 40)), *place, 0)


bread: Prop = bakery.bread_slices


def corners(relief: Relief) -> list[Point]:
    """Places for props: left above, right above, left below, right below."""
    (w, h), (cx, cy) = relief.size, relief.origin
    inset_x, inset_y = (0.085, 0.2) if w >= h else (0.2, 0.1)
    xs, ys = (w * inset_x - cx, w - w * inset_x - cx), (h * inset_y - cy, h - h * inset_y - cy)
    return [(x, y) for y in ys for x in xs]


def surround(relief: Relief, rng: random.Random, main: Prop, others: tuple[Prop, ...]) -> None:
    """The main prop at one side of the dish, one or two others in corners that are left."""
    w, h = relief.size
    places = corners(relief)
    if w >= h:
        side = rng.choice((0, 1))
        main(relief, rng, places[side][0], rng.uniform(-60, 60))
        places = [places[1 - side], places[3 - side]]
    else:
        main(relief, rng, *places.pop(rng.randrange(4)))
    rng.shuffle(places)
    kinds = rng.sample(others, min(len(others), rng.randint(1, 2)))
    for kind, place in zip(kinds, places, strict=False):
        kind(relief, rng, *place)
