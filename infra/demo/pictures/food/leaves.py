"""Salad leaves and herbs."""

import random

from PIL import Image, ImageChops

from infra.demo.pictures import noise
from infra.demo.pictures.curves import Size, Stops, dye, flat, gain, jitter
from infra.demo.pictures.relief import Piece, dome, mould
from infra.demo.pictures.shapes import (
    Point,
    Sketch,
    leaf_outline,
    path,
    polar,
    room,
    round_outline,
    ruffled,
    spin,
)

TINTS: dict[str, Stops] = {
    "lettuce": ((62, 104, 24), (126, 168, 48), (206, 222, 120)),
    "romaine": ((56, 104, 36), (120, 164, 70), (216, 226, 160)),
    "spinach": ((20, 58, 20), (46, 102, 38), (104, 152, 70)),
    "rocket": ((32, 78, 26), (72, 126, 46), (140, 178, 86)),
    "radicchio": ((66, 12, 36), (128, 28, 62), (216, 130, 160)),
    "oak": ((92, 30, 24), (116, 92, 38), (150, 170, 66)),
    "basil": ((24, 80, 24), (56, 130, 38), (124, 182, 70)),
    "mint": ((22, 86, 40), (56, 140, 66), (130, 196, 112)),
    "bay": ((48, 60, 26), (88, 98, 46), (128, 134, 76)),
}
_BREADTHS = {"lettuce": 0.78, "radicchio": 0.8, "oak": 0.7, "rocket": 0.4, "bay": 0.34}
_FRILLS = {  # how deep, and how many
    "lettuce": (0.055, 11.0),
    "oak": (0.055, 12.0),
    "radicchio": (0.055, 10.0),
    "romaine": (0.03, 9.0),
    "rocket": (0.24, 6.0),
    "mint": (0.035, 20.0),
}


def leaf(rng: random.Random, kind: str, length: float, angle: float | None = None) -> Piece:
    """A leaf of one of the TINTS: crinkled, veined, paler along the middle."""
    turn = rng.uniform(0, 360) if angle is None else angle
    breadth = length * _BREADTHS.get(kind, 0.6) * rng.uniform(0.85, 1.1)
    outline = leaf_outline(length, breadth, rng.uniform(0.55, 0.66), 0.8)
    if kind in _FRILLS:
        depth, frills = _FRILLS[kind]
        outline = ruffled(outline, rng, depth, frills * rng.uniform(0.8, 1.2))
    outline = spin(outline, turn)
    size = room(outline, 5)
    mask = Sketch(size).fill(outline, 255).done()
    veins = _veins(rng, length, breadth, turn, size)
    edge = dome(mask, length * 0.16, 1.6)
    crinkle = Image.blend(edge, noise.swatch(size, "soft", rng), 0.5)
    height = ImageChops.add(ImageChops.multiply(crinkle, mask), veins, 2.2)
    tone = Image.blend(noise.swatch(size, "broad", rng), ImageChops.invert(edge), 0.3)
    tone = ImageChops.add(tone.point(gain(0.85)), veins.point(gain(0.7)))
    return mould(mask, dye(tone, *TINTS[kind]), height, length * 0.15, 66)


def _veins(
    rng: random.Random, length: float, breadth: float, turn: float, size: Size
) -> Image.Image:
    sketch = Sketch(size, fine=2)
    bow = rng.uniform(-0.06, 0.06) * length
    spine = path([(-length / 2, 0), (0, bow), (length / 2, 0)], 16)
    sketch.line(spin(spine, turn), 180, length * 0.035)
    for x, y in spine[2:14:2]:
        for side in (-breadth, breadth):
            middle, tip = (x + length * 0.12, y + side * 0.2), (x + length * 0.16, y + side * 0.42)
            sketch.line(spin([(x, y), middle, tip], turn), 95, length * 0.014)
    return sketch.done(max(0.6, length * 0.008))


def chopped(rng: random.Random, size: float) -> Piece:
    """A scrap of parsley or chive."""
    outline = round_outline(rng, size, size * rng.uniform(0.5, 0.9), 0.3, 5, 24)
    spot = room(outline, 2)
    mask = Sketch(spot).fill(outline, 255).done()
    green = flat(spot, jitter((46, 96, 26), rng, 0.25))
    return mould(mask, green, dome(mask, size * 0.4), size * 0.5, 60)


def parsley(rng: random.Random, span: float) -> Piece:
    """A flat sprig: a stalk and lobed leaflets."""
    side = (int(span * 1.3), int(span * 1.3))
    shape, ribs, turn = Sketch(side), Sketch(side, fine=2), rng.uniform(0, 360)
    for sway, reach in ((-58, 0.33), (0, 0.42), (58, 0.33), (-28, 0.26), (28, 0.26)):
        lobe = ruffled(leaf_outline(span * 0.44, span * 0.34, 0.62), rng, 0.2, 5)
        x, y = polar(turn + sway, span * reach)
        shape.fill(spin(lobe, turn + sway, x, y), 255)
        ribs.line([(0, 0), (x * 1.5, y * 1.5)], 140, span * 0.016)
    shape.line(spin([(0, 0), (-span * 0.6, span * 0.06)], turn), 255, span * 0.035)
    mask = shape.done()
    tone = Image.blend(noise.swatch(side, "soft", rng), ribs.done(0.8), 0.4)
    height = Image.blend(dome(mask, span * 0.07), noise.swatch(side, "soft", rng), 0.4)
    albedo = dye(tone, (26, 76, 22), (68, 130, 44), (130, 180, 84))
    return mould(mask, albedo, ImageChops.multiply(height, mask), span * 0.14, 60)


def dill(rng: random.Random, span: float) -> Piece:
    """A feathery frond, of dill or rosemary."""
    side = (int(span * 1.3), int(span * 1.3))
    sketch, turn = Sketch(side), rng.uniform(0, 360)
    spine = path([(-span / 2, 0), (0, rng.uniform(-0.2, 0.2) * span), (span / 2, 0)], 18)
    sketch.line(spin(spine, turn), 255, 2.2)
    for i, (x, y) in enumerate(spine[3:], 3):
        reach = span * 0.3 * polar(180 * i / len(spine), 1)[1] + 4
        for way in (-reach, reach):
            tip: Point = (x + reach * 0.75, y + way * rng.uniform(0.7, 1))
            fork: Point = ((x + tip[0]) / 2, (y + tip[1]) / 2)
            sketch.line(spin([(x, y), tip], turn), 255, 1.6)
            sketch.line(spin([fork, (fork[0] + reach * 0.5, fork[1])], turn), 255, 1.4)
    mask = sketch.done()
    albedo = dye(noise.swatch(side, "soft", rng), (40, 88, 34), (96, 146, 66))
    return mould(mask, albedo, mask, 5, 40)
