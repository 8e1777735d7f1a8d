"""Bread and what is made of dough."""

import random

from PIL import Image, ImageChops

from infra.demo.pictures import noise
from infra.demo.pictures.curves import Size, Stops, dye, gain, ramp
from infra.demo.pictures.relief import Piece, Relief, dome, mould, mound, tube
from infra.demo.pictures.shapes import (
    Point,
    Points,
    Sketch,
    arc,
    band,
    box_outline,
    path,
    polar,
    room,
    round_outline,
    sides,
    silhouette,
    spin,
)

CRUST: Stops = ((104, 50, 16), (178, 104, 40), (224, 168, 94))
_CRUMB: Stops = ((196, 158, 104), (236, 210, 164), (250, 236, 206))


def crumb(size: Size, rng: random.Random, toast: float) -> tuple[Image.Image, Image.Image]:
    """Colour and height of a cut face: holes of all sizes, browned by `toast` (0..1)."""
    fine, coarse = noise.swatch(size, "fine", rng), noise.swatch(size, "soft", rng)
    pores = fine.point(ramp(228, 255)).point(gain(0.7))
    holes = ImageChops.lighter(coarse.point(ramp(205, 245)), pores)
    albedo = dye(Image.blend(fine, coarse, 0.5), *_CRUMB)
    brown = noise.swatch(size, "broad", rng).point(gain(toast, 90 * toast))
    albedo.paste((176, 104, 40), (0, 0), brown)
    albedo.paste((150, 100, 52), (0, 0), holes.point(gain(0.6)))
    level = ImageChops.subtract(fine.point(gain(0.28, 184)), holes, 2.2, 40)
    return albedo, level


def crust(height: Image.Image, rng: random.Random, flour: float = 0.0) -> Image.Image:
    """The colours of a baked height map: darkest on top, speckled, floured by `flour` (0..1)."""
    size = height.size
    tone = ImageChops.invert(height).point(gain(0.55, 20))
    tone = Image.blend(tone, noise.swatch(size, "soft", rng), 0.34)
    tone = Image.blend(tone, noise.swatch(size, "fine", rng), 0.16)
    albedo = dye(tone, *CRUST)
    patches = noise.swatch(size, "broad", rng).point(ramp(70, 200))
    dust = ImageChops.multiply(patches, noise.swatch(size, "fine", rng).point(gain(1, 60)))
    albedo.paste((250, 240, 222), (0, 0), dust.point(gain(flour)))
    return albedo


def slice_of_bread(rng: random.Random, outline: Points, toast: float, angle: float) -> Piece:
    """Cut bread of this outline, crust round the crumb."""
    mask = silhouette(outline, 6)
    albedo, height = crumb(mask.size, rng, toast)
    inside = dome(mask, 9)
    rind = dye(noise.swatch(mask.size, "soft", rng), *CRUST)
    albedo = Image.composite(albedo, rind, inside.point(ramp(70, 190)))
    return mould(mask, albedo, ImageChops.multiply(height, inside), 16, 22, angle)


def roll_outline(rng: random.Random, length: float, width: float) -> list[Point]:
    """Half a small loaf, cut lengthwise."""
    points = box_outline(length, width, width * 0.46)
    return [(x * rng.uniform(0.985, 1.015), y * rng.uniform(0.97, 1.03)) for x, y in points]


def tin_loaf_outline(width: float) -> list[Point]:
    """A slice of tin loaf with its two ears."""
    half = width / 2
    left = [(x - half * 0.7, y - half * 0.66) for x, y in arc(half * 0.34, 180, 330, 8)]
    right = [(-x, y) for x, y in reversed(left)]
    low: list[Point] = [(half * 0.94, half * 0.9), (half * 0.84, half)]
    return [*left, *right, *low, *((-x, y) for x, y in reversed(low))]


def bread_slices(relief: Relief, rng: random.Random, x: float, y: float) -> None:
    """Two or three slices, leaning on one another."""
    for i in range(rng.randint(2, 3)):
        piece = slice_of_bread(rng, roll_outline(rng, 210, 128), 0.12, rng.uniform(20, 70))
        relief.add(piece, x + 42 * i - 40, y + 26 * i - 20, 4 + 12 * i)


def croissant(relief: Relief, rng: random.Random, at: Point, span: float, turn: float) -> None:
    """Built from its rolls, the tips first and the thick middle last."""
    half = 4
    for i in sorted(range(-half, half + 1), key=lambda i: -abs(i)):
        out = abs(i) / half
        angle, radius = 90 + 112 * i / half, span * (0.30 + 0.05 * out)
        x, y = polar(angle, radius, 0.9)
        place = spin([(x, y - span * 0.2)], turn, *at)[0]
        shape = round_outline(
            rng, span * (0.18 - 0.06 * out), span * (0.23 - 0.17 * out**1.5), 0.04, 4
        )
        relief.add(_roll(rng, shape, span * 0.2, 90 - angle - turn), *place, 8 + 16 * (1 - out))


def _roll(rng: random.Random, outline: Points, thick: float, angle: float) -> Piece:
    mask = silhouette(outline, 5)
    size = mask.size
    height, layers = mound(outline, size), noise.clouds(size, (size[0] // 3, 3), rng)
    tone = Image.blend(ImageChops.invert(height), layers, 0.3)
    tone = Image.blend(tone, noise.swatch(size, "soft", rng), 0.25)
    albedo = dye(tone, (122, 58, 14), (186, 104, 34), (230, 168, 84), (246, 206, 130))
    height = ImageChops.multiply(height, layers.point(gain(0.08, 235)))
    return mould(mask, albedo, height, thick, rng.randint(90, 130), angle)


def churro(rng: random.Random, length: float, turn: float, bend: float) -> Piece:
    """A ridged stick, sugared; `bend` is its bow over its length."""
    half, bow, width = length / 2, bend * length, 40.0
    curve: list[Point] = [(-half, 0), (-half / 3, bow), (half / 3, bow), (half, 0)]
    spine = spin(path(curve, 24), turn)
    outline = band(spine, [width, width])
    size = room(outline)
    mask = Sketch(size).fill(outline, 255).done()
    ridges = Sketch(size, fine=2).fill(outline, 90)
    for offset, value in ((-0.34, 190), (0.34, 190), (0.0, 255)):
        off = offset * width
        beside = [
            (x + nx * off, y + ny * off)
            for (x, y), (nx, ny) in zip(spine, sides(spine), strict=True)
        ]
        ridges.line(beside, value, width * 0.2)
    height = Image.blend(ridges.done(3), tube(spine, [width, width], size), 0.4)
    tone = Image.blend(height, noise.swatch(size, "soft", rng), 0.4)
    albedo = dye(tone, (128, 66, 18), (204, 136, 58), (238, 192, 116))
    sugar = noise.swatch(size, "fine", rng).point(ramp(196, 235)).point(gain(0.8))
    albedo.paste((255, 250, 240), (0, 0), sugar)
    return mould(mask, albedo, height, width * 0.62, 60)


def crouton(rng: random.Random, edge: float) -> Piece:
    """A toasted dice."""
    mask = silhouette(box_outline(edge, edge * rng.uniform(0.8, 1.1), edge * 0.14, rng), 5)
    albedo, height = crumb(mask.size, rng, 0.75)
    height = ImageChops.multiply(height, dome(mask, edge * 0.12))
    return mould(mask, albedo, height, edge * 0.5, 18, rng.uniform(0, 360))


def biscuit(rng: random.Random, radius: float) -> Piece:
    """A round María: pricked, with a beaded edge."""
    mask = silhouette(round_outline(rng, radius, radius, 0.004, 3))
    marks = Sketch(mask.size, fine=2)
    for share, count, dot in ((0.9, 30, radius * 0.05), (0.6, 12, 2.4), (0.3, 6, 2.4)):
        for i in range(count):
            marks.oval(*polar(360 * i / count, radius * share), dot, dot, 220)
    tone = Image.blend(dome(mask, radius * 0.3), noise.swatch(mask.size, "soft", rng), 0.35)
    albedo = dye(tone, (168, 100, 40), (222, 170, 96), (238, 200, 136))
    height = ImageChops.subtract(dome(mask, radius * 0.08), marks.done(0.8), 2.4, 30)
    return mould(mask, albedo, height, radius * 0.14, 30)


def wafer(rng: random.Random, turn: float) -> Piece:
    """A long one with a waffled face."""
    mask = silhouette(box_outline(300, 74, 6), 5)
    size = mask.size
    grid = Sketch(size, fine=2)
    for k in range(-10, 11):
        for lean in (-40, 40):
            grid.line([(k * 22 - 40, -lean), (k * 22 + 40, lean)], 255, 3.4)
    lines = grid.done(1)
    tone = Image.blend(noise.swatch(size, "soft", rng), lines, 0.3)
    albedo = dye(tone, (186, 118, 48), (226, 168, 90), (240, 194, 122))
    height = ImageChops.multiply(lines.point(gain(0.4, 150)), dome(mask, 3))
    return mould(mask, albedo, height, 13, 40, turn)
