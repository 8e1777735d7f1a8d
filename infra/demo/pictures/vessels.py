"""Crockery, pans and boards, and the liquids that stand in them."""

import math
import random
from functools import lru_cache

from PIL import Image, ImageChops

from infra.demo.pictures import noise
from infra.demo.pictures.curves import Colour, Stops, clip, dye, gain, mix, ramp, smooth
from infra.demo.pictures.relief import (
    Piece,
    Profile,
    Relief,
    disc,
    dome,
    lathe,
    mould,
    tube,
    turned,
)
from infra.demo.pictures.shapes import Point, Sketch, arc, band, box_outline, centred, room, spin

Glaze = tuple[Colour, Colour]
"""The body's colour and the one it shades into."""

_WHITEWARE: Glaze = ((252, 250, 245), (232, 229, 222))
GLAZES: tuple[Glaze, ...] = (
    _WHITEWARE,
    _WHITEWARE,
    _WHITEWARE,
    ((240, 232, 216), (206, 192, 168)),
    ((178, 190, 192), (120, 136, 142)),
    ((72, 84, 98), (40, 48, 60)),
    ((196, 126, 88), (150, 84, 52)),
    ((208, 216, 206), (160, 174, 162)),
)
_STEEL: Stops = ((36, 34, 34), (78, 76, 74), (138, 136, 132))
_BOARD: Stops = ((112, 68, 34), (180, 126, 74), (216, 168, 112))
_SLATE: Stops = ((24, 26, 29), (52, 55, 58), (78, 80, 84))


@lru_cache(maxsize=8)
def plate_profile(well: float, rim: float) -> Profile:
    """A flat well out to `well` (0..1), a slope, a rim `rim` pixels high, a rounded lip."""

    def height(r: float) -> float:
        slope = 0.72 * smooth((r - well) / 0.13) + 0.28 * smooth((r - well) / (1 - well))
        lip = smooth((r - 0.955) / 0.02) * (1 - smooth((r - 0.982) / 0.02))
        return 8 + (rim - 12) * slope + 3 * lip - 12 * smooth((r - 0.985) / 0.015)

    return height


@lru_cache(maxsize=16)
def bowl_profile(rim: float, curve: float, wall: float) -> Profile:
    """A hollow `rim` pixels deep with a rounded edge, `wall` (0..1) of its radius thick."""

    def height(r: float) -> float:
        inside = min(1.0, r / (1 - wall))
        edge = min(1.0, max(-1.0, (r - 1 + wall / 2) / (wall / 2)))
        lip = math.sqrt(1 - edge * edge) if r > 1 - wall else 0.0
        return 6 + (rim - 12) * math.pow(inside, curve) + 6 * lip

    return height


def glazed(rng: random.Random, glaze: Glaze | None = None) -> Image.Image:
    """A glazed face: nearly even, often with a line at its edge, sometimes speckled."""
    body, shade = glaze or rng.choice(GLAZES)
    side = 480
    tone = noise.fractal((side, side), side // 3, rng, 3)
    albedo = dye(tone, mix(body, shade, 0.18), body)
    if sum(body) < 700 and rng.random() < 0.7:
        specks = noise.swatch((side, side), "fine", rng).point(ramp(236, 252))
        albedo.paste(mix(shade, (30, 22, 16), 0.6), (0, 0), specks)
    if rng.random() < 0.45:
        half, width = side / 2, rng.choice((0.03, 0.06))
        line = Sketch((side, side)).oval(0, 0, half, half, 220)
        line.oval(0, 0, half * (1 - width), half * (1 - width), 0)
        brown = mix(shade, (40, 30, 20), 0.5)
        colour = rng.choice(((44, 74, 122), brown, brown, (150, 52, 40)))
        albedo.paste(colour, (0, 0), line.done())
    return albedo


def plate(relief: Relief, rng: random.Random, radius: int, well: float = 0.8) -> None:
    """A dinner plate under the dish."""
    rim = 26
    piece = turned(plate_profile(well, rim), radius, glazed(rng), 120)
    relief.add(piece, 0, -rim / 2 * relief.rise, 0)


def bowl(
    relief: Relief,
    rng: random.Random,
    radius: int,
    rim: int,
    at: Point = (0.0, 0.0),
    curve: float = 2.4,
) -> None:
    """A bowl `rim` pixels high, steeper inside the greater its `curve`."""
    face = glazed(rng)
    _wall(relief, at, radius * 0.62, radius * 0.99, rim, face.crop((160, 160, 320, 320)))
    piece = turned(bowl_profile(rim, curve, 0.05), radius, face, 130)
    relief.add(piece, at[0], at[1] - rim * relief.rise, 0)


def _wall(
    relief: Relief, at: Point, foot: float, rim: float, height: float, albedo: Image.Image
) -> None:
    """The outside of a vessel, from its foot to its rim, as a camera that is aslant sees it."""
    up = height * relief.rise
    if up < 2:
        return
    size = (round(2 * rim) + 4, round(2 * rim + up) + 4)
    low, high = up / 2 + (rim - foot) * 0.2, -up / 2
    sketch = Sketch(size, fine=2).oval(0, low, foot, foot, 255).oval(0, high, rim, rim, 255)
    sketch.fill([(-foot, low), (-rim, high), (rim, high), (foot, low)], 255)
    across = Image.linear_gradient("L").rotate(90).resize(size).point(_cylinder())
    down, level, gloss = (Image.new("L", size, v) for v in (190, round(height / 2), 120))
    form = Image.merge("CMYK", (across, down, level, gloss))
    relief.add(Piece(sketch.done(), albedo.resize(size), form), at[0], at[1] - up / 2, 0)


@lru_cache(maxsize=1)
def _cylinder() -> list[int]:
    """Normals across a cylinder: flat in the middle, turning faster towards both sides."""
    turns = ((v - 128) / 128 for v in range(256))
    return [clip(128 + 118 * abs(t) ** 1.6 * (1 if t > 0 else -1)) for t in turns]


def liquid(
    relief: Relief,
    rng: random.Random,
    face: Image.Image,
    radius: int,
    level: int,
    opening: tuple[int, int],
    gloss: int = 150,
    ripple: float = 3.0,
    at: Point = (0.0, 0.0),
) -> None:
    """Soup or coffee, `face` its look from above, filling a vessel up to `level`.

    `opening` is the vessel's inner radius and height at the rim: seen aslant, the near rim
    hides a part of what is lower.
    """
    mask, (mouth, rim) = disc(radius), opening
    side = mask.size
    banks = ImageChops.invert(
        Sketch(side, fine=1).oval(0, 0, radius, radius, 255).done(radius / 50)
    )
    height = ImageChops.subtract(noise.swatch(side, "broad", rng), banks)
    piece = mould(mask, face.resize(side, Image.Resampling.BICUBIC), height, ripple, gloss)
    piece.albedo.paste((255, 254, 250), (0, 0), _mirrored(rng, radius).point(gain(gloss / 900)))
    shown = Image.new("L", side)
    shown.paste(disc(mouth), (radius - mouth, radius - mouth - round((rim - level) * relief.rise)))
    shown = ImageChops.multiply(mask, shown)
    relief.add(Piece(shown, piece.albedo, piece.form), *at, level)


def _mirrored(rng: random.Random, radius: int) -> Image.Image:
    """Four panes of a window, mirrored in a liquid, as a soft mask."""
    sketch = Sketch((2 * radius, 2 * radius), fine=1)
    x, y, turn = rng.uniform(-0.35, 0.35), rng.uniform(-0.5, -0.2), rng.uniform(-25, 25)
    pane = radius * rng.uniform(0.26, 0.36)
    for dx in (-0.54, 0.54):
        for dy in (-0.54, 0.54):
            corners = [(dx * pane + px, dy * pane + py) for px, py in box_outline(pane, pane, 2)]
            sketch.fill(spin(corners, turn, x * radius, y * radius), 255)
    return sketch.done(radius * 0.05)


def shaded_rim(face: Image.Image, colour: Colour, share: float = 0.9) -> Image.Image:
    """The face of a liquid, darker along the wall from `share` of the radius outwards."""
    ring = Image.radial_gradient("L").resize(face.size).point(ramp(round(150 * share), 190))
    shaded = face.copy()
    shaded.paste(colour, (0, 0), ring.point(gain(0.6)))
    return shaded


def paella_pan(relief: Relief, rng: random.Random, radius: int) -> None:
    """Steel gone dark, with two handles."""
    turn, widths = rng.uniform(-30, 30), (18.0, 20.0, 18.0)
    paint: Colour = (150, 30, 24) if rng.random() < 0.5 else (92, 90, 88)
    for side in (turn, turn + 180):
        ear, middle = centred([(x * 0.9 + radius - 8, y) for x, y in arc(70, -90, 90, 14)])
        ear = spin(ear, side)
        size = room(ear, 14)
        mask = Sketch(size).fill(band(ear, widths), 255).done()
        albedo = dye(noise.swatch(size, "soft", rng), mix(paint, (20, 16, 14), 0.3), paint)
        relief.add(
            mould(mask, albedo, tube(ear, widths, size), 16, 200), *spin([middle], side)[0], 26
        )
    tone = noise.fractal((480, 480), 60, rng, 3)
    pan = turned(bowl_profile(46, 7.0, 0.035), radius, dye(tone, *_STEEL), 150)
    relief.add(pan, 0, -30 * relief.rise, 0)


def board(relief: Relief, rng: random.Random, width: int, height: int, slate: bool) -> None:
    """A cutting board of wood, or a slab of slate, laid not quite straight."""
    outline = box_outline(width, height, 5 if slate else 26)
    size = room(outline, 5)
    mask = Sketch(size, fine=2).fill(outline, 255).done()
    if slate:
        texture = noise.fractal(size, 120, rng, 6)
        albedo = dye(texture, *_SLATE)
    else:
        texture = noise.clouds(size, (size[0] // 240, size[1] // 3), rng)
        bands = noise.clouds(size, (3, size[1] // 40), rng)
        albedo = dye(Image.blend(texture, bands, 0.5), *_BOARD)
    level = ImageChops.multiply(dome(mask, 5), texture.point(gain(0.10, 229)))
    relief.add(mould(mask, albedo, level, 24, 46, rng.uniform(-6, 6)), 0, 0, 0)


def cup(
    relief: Relief,
    rng: random.Random,
    face: Image.Image,
    radius: int,
    depth: int,
    at: Point = (0.0, 0.0),
) -> None:
    """Saucer, cup, handle, and what is drunk: `face` is its look from above."""
    glaze = rng.choice(GLAZES)
    saucer = turned(plate_profile(0.42, 20), round(radius * 1.72), glazed(rng, glaze), 130)
    relief.add(saucer, *at, 0)
    body = dye(noise.swatch((160, 160), "broad", rng), mix(*glaze, 0.3), glaze[0])
    handle, reach = _handle(rng, radius, body)
    relief.add(handle, at[0] + reach[0], at[1] + reach[1], depth * 0.62)
    _wall(relief, at, radius * 0.66, radius * 0.99, depth, body)
    inside = glazed(rng, _WHITEWARE if rng.random() < 0.6 else glaze)
    form = lathe(bowl_profile(depth, 3.4, 0.085), radius, 150)
    rim = Piece(disc(radius), inside.resize(form.size), form)
    relief.add(rim, at[0], at[1] - depth * relief.rise, 0)
    opening = (round(radius * 0.93), depth)
    liquid(relief, rng, face, round(radius * 0.9), cup_level(depth), opening, 90, 2.0, at)


def cup_level(depth: int) -> int:
    """How high a cup of this depth is filled."""
    return round(depth * 0.84)


def _handle(rng: random.Random, radius: int, body: Image.Image) -> tuple[Piece, Point]:
    """The ear of a cup, and where it belongs."""
    turn = rng.uniform(-50, 40)
    ear = spin([(x * 0.62, y * 0.5) for x, y in arc(radius * 0.52, -100, 100, 16)], turn)
    widths = (radius * 0.13, radius * 0.15, radius * 0.13)
    size = room(ear, 16)
    mask = Sketch(size).fill(band(ear, widths), 255).done()
    piece = mould(mask, body.resize(size), tube(ear, widths, size), radius * 0.14, 150)
    return piece, spin([(radius * 0.98, 0)], turn)[0]
