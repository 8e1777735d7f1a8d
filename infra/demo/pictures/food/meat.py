"""Meat, cured and cooked."""

import random

from PIL import Image, ImageChops

from infra.demo.pictures import noise
from infra.demo.pictures.curves import Stops, dye, gain, mix, ramp
from infra.demo.pictures.food.vegetables import scorched
from infra.demo.pictures.relief import Piece, dome, mould, mound, tube
from infra.demo.pictures.shapes import (
    Points,
    Sketch,
    band,
    box_outline,
    path,
    room,
    round_outline,
    scaled,
    silhouette,
    spin,
)

BEEF: Stops = ((44, 22, 12), (96, 54, 30), (150, 94, 56))
PORK: Stops = ((120, 70, 36), (186, 128, 84), (220, 176, 132))
SERRANO: Stops = ((96, 16, 20), (150, 36, 36), (190, 80, 70))
SAUSAGE: Stops = ((110, 44, 18), (172, 88, 42), (212, 140, 84))
CHORIZO: Stops = ((84, 16, 8), (146, 34, 16), (190, 74, 36))
_CHICKEN: Stops = ((150, 86, 28), (214, 156, 82), (240, 206, 144))


def _grilled(
    rng: random.Random, outline: Points, stops: Stops, marks: float, angle: float
) -> Piece:
    """Something flat off the grill: seared, with marks of the bars as strong as `marks` (0..1)."""
    mask = silhouette(outline, 6)
    size, reach = mask.size, min(mask.size) * 0.09
    height = noise.rough(dome(mask, reach, 2.2), rng, 0.18)
    height = noise.rough(height, rng, 0.12, "broad")
    tone = Image.blend(noise.swatch(size, "soft", rng), noise.swatch(size, "broad", rng), 0.5)
    albedo = dye(tone, *stops)
    rim = ImageChops.invert(dome(mask, reach * 1.3)).point(gain(0.6))
    albedo.paste(mix(stops[0], (30, 14, 6), 0.4), (0, 0), rim)
    lie = rng.uniform(20, 70)
    albedo, height = scorched(albedo, height, rng, marks, min(size) * 0.16, lie)
    juice = noise.swatch(size, "soft", rng).point(gain(0.7, 30))
    return mould(mask, albedo, height, min(size) * 0.13, juice, angle)


def steak(rng: random.Random, length: float) -> Piece:
    """An entrecôte with its edge of fat."""
    outline = round_outline(rng, length / 2, length * 0.32, 0.13, 5, 70)
    angle = rng.uniform(0, 360)
    piece = _grilled(rng, outline, BEEF, 0.9, angle)
    lean = [(x, y + 4) for x, y in scaled(outline, 0.94, 0.91)]
    rim = Sketch(room(outline, 6)).fill(outline, 255).fill(lean, 0).done(2)
    upper = rim.crop((0, 0, rim.width, rim.height // 2))
    fat = Image.new("L", rim.size)
    fat.paste(upper, (0, 0))
    fat = fat.rotate(angle, Image.Resampling.BILINEAR, expand=True)
    piece.albedo.paste((226, 178, 104), (0, 0), fat.point(gain(0.85)))
    return piece


def chicken_breast(rng: random.Random, length: float) -> Piece:
    """A fillet, pointed at one end."""
    spine = path([(-length / 2, 0), (0, length * 0.05), (length / 2, -length * 0.04)])
    outline = band(spine, [length * w for w in (0.2, 0.5, 0.44, 0.16)])
    return _grilled(rng, outline, _CHICKEN, 0.85, rng.uniform(-40, 40))


def chicken_strip(rng: random.Random, length: float) -> Piece:
    """A piece cut from the breast, for a salad or a broth."""
    bow = length * rng.uniform(-0.08, 0.08)
    spine = path([(-length / 2, 0), (0, bow), (length / 2, 0)], 12)
    outline = band(spine, [length * w for w in (0.22, 0.36, 0.28)])
    return _grilled(rng, outline, _CHICKEN, 0.55, rng.uniform(0, 360))


def roast(rng: random.Random, radius: float) -> Piece:
    """A browned piece of chicken or rabbit, as in a Valencian paella."""
    outline = round_outline(rng, radius, radius * rng.uniform(0.6, 0.8), 0.2, 6)
    mask = silhouette(outline, 5)
    height = noise.rough(mound(outline, mask.size), rng, 0.25)
    tone = Image.blend(
        noise.swatch(mask.size, "soft", rng), noise.swatch(mask.size, "broad", rng), 0.5
    )
    albedo = dye(tone, (92, 40, 10), (176, 96, 30), (226, 160, 78), (240, 196, 124))
    return mould(mask, albedo, height, radius * 0.6, 120, rng.uniform(0, 360))


def sausage(rng: random.Random, length: float, width: float, stops: Stops, turn: float) -> Piece:
    """Taut and shining, browned along the top."""
    bow = rng.uniform(0.04, 0.14) * length
    spine = spin(path([(-length / 2, 0), (0, bow), (length / 2, 0)], 24), turn)
    widths = [width * w for w in (0.72, 1, 1, 1, 0.72)]
    outline = band(spine, widths)
    size = room(outline, 5)
    mask = Sketch(size).fill(outline, 255).done()
    height = noise.rough(tube(spine, widths, size, 9), rng, 0.08)
    tone = Image.blend(noise.swatch(size, "soft", rng), ImageChops.invert(height), 0.35)
    albedo, height = scorched(dye(tone, *stops), height, rng, 0.75, width * 1.1, turn + 62)
    return mould(mask, albedo, height, width * 0.62, 190)


def chorizo_slice(rng: random.Random, radius: float) -> Piece:
    """Paprika red with specks of fat."""
    mask = silhouette(round_outline(rng, radius, radius * rng.uniform(0.85, 1), 0.06, 5))
    albedo = dye(noise.swatch(mask.size, "soft", rng), (104, 18, 8), (170, 44, 18), (206, 84, 40))
    fat = noise.swatch(mask.size, "soft", rng).point(ramp(196, 226)).point(gain(0.75))
    albedo.paste((240, 190, 144), (0, 0), fat)
    height = noise.rough(dome(mask, radius * 0.16), rng, 0.25)
    return mould(mask, albedo, height, radius * 0.26, 140)


def rasher(rng: random.Random, length: float, width: float, turn: float) -> Piece:
    """Bacon: wavy, striped with fat."""
    waves = [(-length / 2 + length * i / 6, width * 0.16 * (-1) ** i) for i in range(7)]
    spine = path(waves, 30)
    outline = spin(band(spine, [width * rng.uniform(0.85, 1.1) for _ in range(7)]), turn)
    size = room(outline, 5)
    mask = Sketch(size).fill(outline, 255).done()
    stripes = Sketch(size, fine=2)
    for offset, thick in ((-0.32, 0.2), (0.06, 0.12), (0.38, 0.16)):
        along = [(x, y + offset * width) for x, y in spine]
        stripes.line(spin(along, turn), 255, width * thick * rng.uniform(0.7, 1.3))
    lean = dye(noise.swatch(size, "soft", rng), (88, 22, 12), (150, 54, 32), (190, 92, 62))
    lard = dye(noise.swatch(size, "soft", rng), (196, 130, 64), (234, 188, 126))
    albedo = Image.composite(lard, lean, stripes.done(1.6))
    folds = noise.clouds(size, (size[0] // 34, size[1] // 34), rng).point(gain(0.55, 115))
    height = ImageChops.multiply(dome(mask, width * 0.08), folds)
    return mould(mask, albedo, height, width * 0.3, 150)


def ham(rng: random.Random, length: float) -> Piece:
    """A folded slice of serrano, dark, with white lines."""
    outline = round_outline(rng, length / 2, length * rng.uniform(0.2, 0.3), 0.24, 6, 70)
    mask = silhouette(outline, 5)
    size = mask.size
    folds = noise.clouds(size, (rng.randint(5, 7), 3), rng)
    height = ImageChops.multiply(dome(mask, length * 0.03), folds.point(gain(0.75, 64)))
    albedo = dye(Image.blend(noise.swatch(size, "soft", rng), folds, 0.35), *SERRANO)
    lines = noise.clouds(size, (4, size[1] // 10), rng).point(ramp(190, 225)).point(gain(0.6))
    edge = ImageChops.invert(dome(mask, length * 0.035)).point(ramp(90, 200)).point(gain(0.8))
    albedo.paste((244, 214, 190), (0, 0), ImageChops.lighter(lines, edge))
    return mould(mask, albedo, height, length * 0.16, 120, rng.uniform(0, 360))


def meat_cube(rng: random.Random, edge: float, stops: Stops) -> Piece:
    """For a skewer, or as diced bacon."""
    mask = silhouette(box_outline(edge, edge * rng.uniform(0.85, 1.1), edge * 0.24, rng), 5)
    height = noise.rough(dome(mask, edge * 0.2), rng, 0.3)
    albedo = dye(noise.swatch(mask.size, "soft", rng), *stops)
    char = noise.swatch(mask.size, "soft", rng).point(ramp(170, 235)).point(gain(0.7))
    albedo.paste((46, 22, 10), (0, 0), char)
    return mould(mask, albedo, height, edge * 0.5, 100, rng.uniform(-16, 16))


def meatball(rng: random.Random, radius: float) -> Piece:
    """Rolled by hand; small ones are mince."""
    outline = round_outline(rng, radius, radius, 0.05, 6)
    mask = silhouette(outline, 5)
    height = noise.rough(mound(outline, mask.size), rng, 0.2)
    albedo = dye(noise.swatch(mask.size, "soft", rng), (66, 34, 18), (116, 66, 38), (164, 108, 68))
    return mould(mask, albedo, height, radius * 0.9, 90)
