"""Vegetables and pulses, raw or cooked."""

import math
import random

from PIL import Image, ImageChops

from infra.demo.pictures import noise
from infra.demo.pictures.curves import WHITE, Colour, Stops, dye, flat, gain, jitter, mix, ramp
from infra.demo.pictures.relief import Piece, dome, mould, mound, sphere, tube
from infra.demo.pictures.shapes import (
    Point,
    Sketch,
    arc,
    band,
    leaf_outline,
    path,
    polar,
    room,
    round_outline,
    scaled,
    silhouette,
    spin,
)

RED_PEPPER: Stops = ((132, 14, 6), (194, 36, 14), (226, 92, 44))
GREEN_PEPPER: Stops = ((34, 74, 14), (74, 122, 30), (128, 164, 66))
YELLOW_PEPPER: Stops = ((196, 132, 10), (232, 180, 26), (248, 214, 92))
CARROT: Stops = ((190, 80, 12), (230, 118, 24), (246, 160, 70))
GREEN_BEAN: Stops = ((40, 86, 24), (86, 136, 50), (140, 180, 92))
CABBAGE: Stops = ((70, 18, 60), (122, 40, 104), (196, 140, 186))
_TOMATO: Stops = ((140, 12, 6), (202, 30, 16), (226, 70, 36))
_PEA: Stops = ((60, 104, 24), (106, 150, 50), (150, 184, 90))
_CHICKPEA: Stops = ((176, 124, 58), (214, 170, 98), (236, 204, 142))
_GREEN_OLIVE: Stops = ((78, 88, 24), (124, 132, 48), (170, 172, 84))
_BLACK_OLIVE: Stops = ((16, 12, 14), (38, 30, 34), (74, 62, 64))


def berry(
    rng: random.Random,
    radius: float,
    *stops: Colour,
    gloss: int = 150,
    squeeze: float = 1.0,
    grit: noise.Grit = "broad",
) -> Piece:
    """Anything round: `squeeze` is its smaller over its larger radius."""
    side = max(6, int(2 * radius))
    rx, ry = radius, radius * squeeze * rng.uniform(0.94, 1.04)
    if rng.random() < 0.5:
        rx, ry = ry, rx
    return sphere(rx, ry, dye(noise.swatch((side, side), grit, rng), *stops), gloss)


def pea(rng: random.Random) -> Piece:
    """Green."""
    return berry(rng, rng.uniform(9, 11), *_PEA, gloss=90)


def peppercorn(rng: random.Random) -> Piece:
    """Ground coarsely."""
    return berry(rng, rng.uniform(2.2, 3.2), (20, 16, 12), (50, 40, 32), gloss=20)


def chickpea(rng: random.Random) -> Piece:
    """With its cleft."""
    radius = rng.uniform(17, 22)
    whole = berry(rng, radius, *_CHICKPEA, gloss=70, grit="soft")
    cleft = Sketch(whole.size).line([(-radius * 0.1, -radius * 0.6), (0, radius * 0.2)], 120, 1.6)
    whole.albedo.paste((120, 78, 34), (0, 0), cleft.done().rotate(rng.uniform(0, 360)))
    return whole


def tomato(rng: random.Random, radius: float) -> Piece:
    """A small one, whole."""
    return berry(rng, radius, *_TOMATO, gloss=230)


def cherry_tomato(rng: random.Random, radius: float = 34) -> Piece:
    """Whole or halved."""
    return tomato(rng, radius) if rng.random() < 0.55 else tomato_slice(rng, radius)


def tomato_slice(rng: random.Random, radius: float) -> Piece:
    """Skin, flesh, and chambers of jelly with seeds."""
    outline = round_outline(rng, radius, radius * rng.uniform(0.92, 1), 0.045, 4)
    mask = silhouette(outline)
    skin, flesh = jitter((176, 26, 16), rng), jitter((216, 66, 44), rng)
    picture, cells = Sketch(mask.size, "RGB", skin), Sketch(mask.size)
    picture.fill(scaled(outline, 0.93), flesh).fill(scaled(outline, 0.2), mix(flesh, WHITE, 0.3))
    count, start = rng.randint(4, 6), rng.uniform(0, 360)
    for c in range(count):
        middle, half = start + 360 * c / count + rng.uniform(-8, 8), 360 / count * 0.34
        outer = arc(radius * 0.78, middle - half, middle + half, 8)
        cell = [*outer, *arc(radius * 0.34, middle + half * 0.8, middle - half * 0.8, 5)]
        picture.fill(cell, jitter((178, 46, 16), rng, 0.2))
        cells.fill(cell, 150)
        for _ in range(rng.randint(4, 7)):
            seed = polar(middle + rng.uniform(-half, half) * 0.75, radius * rng.uniform(0.42, 0.72))
            picture.oval(*seed, radius * 0.05, radius * 0.036, (232, 190, 104))
    height = ImageChops.subtract(dome(mask, radius * 0.12), cells.done(radius * 0.05), 1.6, 96)
    albedo = noise.mottled(picture.done(), rng, 0.2)
    return mould(mask, albedo, ImageChops.multiply(height, mask), radius * 0.16, 130)


def cucumber_slice(rng: random.Random, radius: float) -> Piece:
    """Dark rind, pale flesh, a ring of seeds."""
    outline = round_outline(rng, radius, radius * rng.uniform(0.9, 1), 0.03, 4)
    mask, flesh = silhouette(outline), jitter((206, 222, 160), rng, 0.08)
    picture = Sketch(mask.size, "RGB", jitter((34, 80, 32), rng))
    picture.fill(scaled(outline, 0.92), (150, 190, 98)).fill(scaled(outline, 0.85), flesh)
    picture.fill(scaled(outline, 0.56), mix(flesh, (172, 196, 110), 0.5))
    for i in range(14):
        x, y = polar(360 * i / 14 + rng.uniform(-7, 7), radius * 0.42)
        picture.line([(x, y), (x * 1.24, y * 1.24)], (232, 236, 196), radius * 0.06)
    albedo = noise.mottled(picture.done(), rng, 0.14)
    return mould(mask, albedo, dome(mask, radius * 0.12), radius * 0.13, 105)


def onion_ring(rng: random.Random, radius: float) -> Piece:
    """One ring of a red onion."""
    outer = round_outline(rng, radius, radius * rng.uniform(0.7, 1), 0.08, 4)
    wall, size = rng.uniform(0.78, 0.85), room(outer)
    mask = Sketch(size).fill(outer, 255).fill(scaled(outer, wall), 0).done()
    skin = Sketch(size).fill(outer, 255).fill(scaled(outer, wall + 0.1), 0).done(1)
    albedo = Image.composite(flat(size, (150, 40, 96)), flat(size, (240, 226, 236)), skin)
    return mould(mask, albedo, dome(mask, radius * 0.07), radius * 0.18, 130, rng.uniform(0, 360))


def olive(rng: random.Random, radius: float, green: bool) -> Piece:
    """Stoned, now and then stuffed."""
    stops = _GREEN_OLIVE if green else _BLACK_OLIVE
    whole = berry(rng, radius, *stops, gloss=200, squeeze=0.82)
    if rng.random() < 0.6:
        hole = Sketch(whole.size).oval(radius * 0.3, 0, radius * 0.3, radius * 0.3, 230)
        stuffed = green and rng.random() < 0.5
        whole.albedo.paste((170, 40, 20) if stuffed else (20, 16, 10), (0, 0), hole.done(1))
    return whole


def strip(
    rng: random.Random, length: float, width: float, stops: Stops, bend: float = 0.2
) -> Piece:
    """A cut stick or a cooked strip: pepper, carrot, green bean."""
    bow = rng.uniform(-bend, bend) * length
    spine = path([(-length / 2, 0), (0, bow), (length / 2, 0)], 12)
    spine = spin(spine, rng.uniform(0, 360))
    widths = [width * rng.uniform(0.75, 1), width, width * rng.uniform(0.75, 1)]
    outline = band(spine, widths)
    size = room(outline)
    mask = Sketch(size).fill(outline, 255).done()
    height = noise.rough(tube(spine, widths, size), rng, 0.2)
    return mould(mask, dye(noise.swatch(size, "soft", rng), *stops), height, width * 0.36, 90)


def disc_slice(
    rng: random.Random, radius: float, skin: Colour, flesh: Colour, char: float = 0.0
) -> Piece:
    """A round of courgette, carrot or potato; `char` (0..1) leaves the marks of a grill."""
    outline = round_outline(rng, radius, radius * rng.uniform(0.82, 1), 0.05, 4)
    mask = silhouette(outline)
    core = Sketch(mask.size).fill(scaled(outline, 0.91), 255).done()
    tone, shade = noise.swatch(mask.size, "soft", rng), mix(flesh, (70, 50, 20), 0.35)
    inner = dye(tone, shade, flesh, mix(flesh, WHITE, 0.35))
    albedo = Image.composite(inner, flat(mask.size, skin), core)
    height = dome(mask, radius * 0.14)
    if char:
        albedo, height = scorched(albedo, height, rng, char, radius * 0.42, rng.uniform(20, 70))
    return mould(mask, albedo, height, radius * 0.17, 100)


def carrot_slice(rng: random.Random, radius: float) -> Piece:
    """Boiled or roast."""
    return disc_slice(rng, radius, (196, 86, 16), (232, 128, 40))


def scorched(
    albedo: Image.Image,
    height: Image.Image,
    rng: random.Random,
    strength: float,
    gap: float,
    angle: float,
) -> tuple[Image.Image, Image.Image]:
    """Parallel marks of a grill, `gap` pixels apart, burnt in and pressed down."""
    size = albedo.size
    reach = math.hypot(*size) / 2
    sketch, at = Sketch(size, fine=2), -reach + rng.uniform(0, gap)
    while at < reach:
        sketch.line(spin([(-reach, at), (reach, at)], angle), 255, gap * 0.3)
        at += gap * rng.uniform(0.92, 1.08)
    uneven = noise.swatch(size, "soft", rng).point(gain(0.9, 120))
    marks = ImageChops.multiply(sketch.done(gap * 0.07), uneven)
    burnt = albedo.copy()
    burnt.paste((38, 20, 10), (0, 0), marks.point(gain(strength * 0.86)))
    halo = ImageChops.multiply(sketch.done(gap * 0.2), uneven)
    burnt.paste((96, 50, 18), (0, 0), halo.point(gain(strength * 0.34)))
    return burnt, ImageChops.subtract(height, marks.point(gain(0.22)))


def grilled_pepper(rng: random.Random, length: float, green: bool) -> Piece:
    """A piece of roast pepper, or a small green one whole, blistered."""
    turn, bow = rng.uniform(0, 360), rng.uniform(-0.12, 0.12) * length
    spine = spin(path([(-length / 2, 0), (0, bow), (length / 2, 0)]), turn)
    widths = [length * w for w in (0.10, 0.3, 0.27, 0.06)]
    outline = band(spine, widths)
    size = room(outline, 10)
    mask = Sketch(size).fill(outline, 255).done()
    stops = GREEN_PEPPER if green else RED_PEPPER
    albedo = dye(noise.swatch(size, "soft", rng), *stops)
    blisters = noise.swatch(size, "soft", rng).point(ramp(150, 235)).point(gain(0.8))
    albedo.paste(mix(stops[0], (30, 18, 8), 0.75), (0, 0), blisters)
    if green:
        stalk = [spine[0], *spin([(-length * 0.6, 0)], turn)]
        stalk_mask = Sketch(size).line(stalk, 255, length * 0.04).done()
        mask = ImageChops.lighter(mask, stalk_mask)
        albedo.paste((104, 116, 54), (0, 0), stalk_mask)
    height = noise.rough(tube(spine, widths, size), rng, 0.35)
    return mould(mask, albedo, height, length * 0.13, 190)


def broccoli(rng: random.Random, radius: float) -> Piece:
    """A floret from above: a cloud of buds."""
    side = (int(radius * 2.7), int(radius * 2.7))
    shape, buds = Sketch(side), Sketch(side, fine=2)
    places = [(rng.gauss(0, 0.36) * radius, rng.gauss(0, 0.36) * radius) for _ in range(30)]
    for x, y in sorted(places, key=lambda place: -math.hypot(*place)):
        r, base = radius * rng.uniform(0.26, 0.38), 255 - 120 * math.hypot(x, y) / radius
        shape.oval(x, y, r, r, 255)
        for k in range(4):
            near = r * (1 - k / 4.5)
            buds.oval(x, y, near, near, max(0, int(base * (0.45 + 0.18 * k))))
    mask, height = shape.done(), buds.done(1.2)
    grain = noise.swatch(side, "fine", rng)
    albedo = dye(Image.blend(height, grain, 0.35), (26, 56, 18), (66, 112, 40), (132, 168, 78))
    return mould(mask, albedo, Image.blend(height, grain, 0.16), radius * 0.9, 30)


def mushroom_slice(rng: random.Random, width: float) -> Piece:
    """A champignon cut through its stalk."""
    half = width / 2
    right: list[Point] = [(0.9, 0.3), (0.3, 0.2), (0.28, 0.75)]
    left = [(-x, y) for x, y in reversed(right)]
    outline = [*arc(half, 180, 360, 16), *scaled(right, half), *scaled(left, half)]
    mask = silhouette(outline)
    picture = Sketch(mask.size, "RGB", (150, 112, 72)).fill(scaled(outline, 0.9), (226, 204, 164))
    for side in (-half, half):
        gills = [(side * 0.3, half * 0.1), (side * 0.78, half * 0.16)]
        picture.line(gills, (112, 76, 48), half * 0.14)
    albedo = noise.mottled(picture.done(), rng, 0.3)
    return mould(mask, albedo, dome(mask, width * 0.06), width * 0.1, 70, rng.uniform(0, 360))


def avocado_slice(rng: random.Random, length: float, turn: float) -> Piece:
    """A crescent with its green edge."""
    spine = [(x - length * 0.56, y) for x, y in arc(length * 0.62, -48, 48, 14)]
    outline = band(spin(spine, turn), [length * w for w in (0.08, 0.25, 0.28, 0.1)])
    size = room(outline)
    mask = Sketch(size).fill(outline, 255).done()
    depth = dome(mask, length * 0.1)
    albedo = dye(depth, (60, 92, 24), (150, 176, 66), (212, 212, 116), (232, 222, 138))
    return mould(mask, noise.mottled(albedo, rng, 0.12), depth, length * 0.09, 80)


def chip(rng: random.Random, length: float, width: float) -> Piece:
    """A fried potato stick with sharp edges and browned ends."""
    turn, half, r = rng.uniform(0, 360), length / 2, width / 2
    skew = rng.uniform(-0.25, 0.25) * width
    corners: list[Point] = [(-half, -r + skew), (half, -r), (half + skew, r), (-half, r)]
    outline = spin(corners, turn)
    size = room(outline, 6)
    mask = Sketch(size).fill(outline, 255).done()
    upper = [(x * 0.99, y * 0.5 - width * 0.12) for x, y in corners]
    faces = Sketch(size, fine=2).fill(outline, 120).fill(spin(upper, turn), 255).done(1.6)
    gold = jitter((240, 190, 84), rng, 0.08)
    stops = mix(gold, (170, 98, 20), 0.35), gold, mix(gold, WHITE, 0.3)
    albedo = dye(noise.swatch(size, "soft", rng), *stops)
    ends = Sketch(size, fine=2)
    for x in (-half, half):
        ends.line(spin([(x, -width), (x, width)], turn), 190, width * 0.5)
    albedo.paste((170, 98, 30), (0, 0), ends.done(width * 0.25))
    return mould(mask, albedo, noise.rough(faces, rng, 0.08, "fine"), width * 0.4, 60)


def potato(rng: random.Random, radius: float) -> Piece:
    """A roast chunk."""
    outline = round_outline(rng, radius, radius * rng.uniform(0.65, 0.85), 0.16, 5)
    mask = silhouette(outline, 5)
    height = noise.rough(mound(outline, mask.size, 10), rng, 0.3)
    tone = noise.swatch(mask.size, "soft", rng)
    albedo = dye(tone, (150, 88, 28), (214, 158, 70), (240, 206, 126))
    return mould(mask, albedo, height, radius * 0.8, 80, rng.uniform(0, 360))


def asparagus(rng: random.Random, length: float, turn: float) -> Piece:
    """A green spear, its tip at the end `turn` points to."""
    spine = spin(path([(-length / 2, 0), (0, rng.uniform(-6, 6)), (length / 2, 0)], 16), turn)
    widths = [length * w for w in (0.075, 0.078, 0.07, 0.09, 0.02)]
    outline = band(spine, widths)
    size = room(outline, 6)
    mask = Sketch(size).fill(outline, 255).done()
    albedo = dye(noise.swatch(size, "broad", rng), (52, 92, 28), (104, 142, 52), (156, 180, 92))
    scales = Sketch(size, fine=2)
    for t in (0.2, 0.36, 0.52, 0.64, 0.74, 0.8, 0.86, 0.91):
        spike = leaf_outline(length * 0.07, length * 0.034, 0.4)
        placed = spin(spike, 0, length * (t - 0.5), rng.uniform(-2, 2))
        scales.fill(spin(placed, turn), 220)
    tips = scales.done(1)
    albedo.paste((84, 70, 66), (0, 0), tips.point(gain(0.7)))
    height = ImageChops.add(tube(spine, widths, size), tips.point(gain(0.2)))
    return mould(mask, albedo, height, length * 0.045, 110)
