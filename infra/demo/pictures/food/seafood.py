"""Fish and shellfish."""

import math
import random
from dataclasses import dataclass

from PIL import Image, ImageChops

from infra.demo.pictures import noise
from infra.demo.pictures.curves import Size, Stops, dye, gain, ramp
from infra.demo.pictures.food.vegetables import scorched
from infra.demo.pictures.relief import Piece, dome, mould, mound, tube
from infra.demo.pictures.shapes import (
    Point,
    Points,
    Sketch,
    arc,
    band,
    box_outline,
    leaf_outline,
    path,
    room,
    round_outline,
    scaled,
    silhouette,
    spin,
)

_BREAM: Stops = ((92, 74, 56), (164, 146, 120), (214, 200, 172))


def prawn(rng: random.Random, length: float, turn: float) -> Piece:
    """Curled, in its shell: head, rings, fan."""
    radius = length * 0.4
    curl = arc(radius, 200, 430, 26)
    spine = spin(curl, turn)
    widths = [length * w for w in (0.10, 0.27, 0.31, 0.27, 0.25, 0.22, 0.18, 0.13, 0.09)]
    size = room(band(spine, widths), int(length * 0.3))
    shape = Sketch(size).fill(band(spine, widths), 255)
    tail, (head_x, head_y) = curl[-1], curl[0]
    for swing in (-24, 0, 24):
        fan = leaf_outline(length * 0.26, length * 0.12, 0.62)
        spread = (tail[0] - length * 0.09, tail[1] + swing * length * 0.002)
        shape.fill(spin(spin(fan, 160 + swing, *spread), turn), 255)
    for reach in (0.0, 0.55):
        bend: Point = (head_x + length * 0.1, head_y + length * 0.26)
        feeler = [(head_x, head_y), bend, (head_x + length * reach, head_y + length * 0.42)]
        shape.line(spin(path(feeler), turn), 255, 2.2)
    mask, body = shape.done(), tube(spine, widths, size)
    rings = Sketch(size, fine=2)
    for place in curl[7:26:3]:
        across = [
            scaled([place], 1 - 0.17 * length / radius)[0],
            scaled([place], 1 + 0.17 * length / radius)[0],
        ]
        rings.line(spin(across, turn), 255, length * 0.022)
    joints = rings.done(1.2)
    tone = Image.blend(noise.swatch(size, "soft", rng), body, 0.4)
    albedo = dye(tone, (176, 48, 14), (226, 100, 46), (246, 168, 116))
    albedo.paste((176, 44, 20), (0, 0), joints.point(gain(0.7)))
    eye = spin([(head_x * 0.94 + length * 0.03, head_y - length * 0.02)], turn)[0]
    dot = Sketch(size).oval(*eye, length * 0.026, length * 0.026, 255).done()
    albedo.paste((16, 10, 8), (0, 0), dot)
    height = ImageChops.subtract(body, joints.point(gain(0.28)))
    height = ImageChops.lighter(height, mask.point(gain(0.14)))
    return mould(mask, albedo, height, length * 0.17, 180)


def mussel(rng: random.Random, length: float, turn: float) -> Piece:
    """Half a shell with the meat in it."""
    drop = leaf_outline(length, length * 0.52, 0.62, 0.75)
    size = room(spin(drop, turn), 6)
    mask = Sketch(size).fill(spin(drop, turn), 255).done()
    shell = dye(noise.swatch(size, "broad", rng), (22, 22, 36), (48, 50, 72), (110, 112, 134))
    pearl = dye(noise.swatch(size, "broad", rng), (150, 152, 172), (206, 206, 214))
    lining = Sketch(size).fill(spin(scaled(drop, 0.86, 0.82), turn), 255)
    inner = lining.done()
    albedo = Image.composite(pearl, shell, inner)
    body = round_outline(rng, length * 0.31, length * 0.15, 0.1, 5)
    body = spin([(x + length * 0.04, y) for x, y in body], turn)
    meat = Sketch(size).fill(body, 255).done()
    flesh = dye(noise.swatch(size, "soft", rng), (176, 82, 20), (230, 140, 50), (246, 186, 104))
    albedo.paste(flesh, (0, 0), meat)
    hollow = lining.done(length * 0.05).point(gain(0.55))
    height = ImageChops.subtract(dome(mask, length * 0.1), hollow)
    height = ImageChops.add(height, dome(meat, length * 0.07).point(gain(0.5)))
    return mould(mask, albedo, height, length * 0.3, 170)


def squid_ring(rng: random.Random, radius: float) -> Piece:
    """Battered and fried."""
    points = round_outline(rng, radius, radius * rng.uniform(0.62, 1), 0.1, 5)
    girth = radius * rng.uniform(0.2, 0.26)
    size = room(points, round(girth) + 8)
    ring, round_height = Sketch(size), Sketch(size, fine=2)
    for share, level in ((1.0, 90), (0.86, 150), (0.68, 200), (0.46, 235), (0.22, 255)):
        for i, (x, y) in enumerate(points):
            thick = girth * share * (1 + 0.14 * math.sin(i * 0.9))
            round_height.oval(x, y, thick, thick, level)
            if share == 1.0:
                ring.oval(x, y, thick, thick, 255)
    batter = noise.rough(noise.rough(round_height.done(2), rng, 0.35), rng, 0.3, "fine")
    tone = Image.blend(noise.swatch(size, "soft", rng), batter, 0.4)
    albedo = dye(tone, (150, 88, 26), (220, 160, 68), (246, 210, 132))
    return mould(ring.done(), albedo, batter, radius * 0.42, 50, rng.uniform(0, 360))


def _flakes(
    rng: random.Random,
    size: Size,
    length: float,
    width: float,
    gap: tuple[float, float],
    thick: float,
) -> Image.Image:
    """The bowed lines between the muscles of a fillet, every `gap` of its length, as a mask."""
    lines, x = Sketch(size, fine=2), -length * 0.7
    while x < length * 0.7:
        bend = width * rng.uniform(0.32, 0.42)
        bow = [(x - bend, -width * 0.62), (x + bend * 0.4, 0), (x - bend, width * 0.62)]
        lines.line(path(bow, 16), 255, rng.uniform(0.5, 1) * thick)
        x += length * rng.uniform(*gap)
    return lines.done(1.4)


def salmon(rng: random.Random, length: float, width: float, angle: float) -> Piece:
    """A fillet with its white lines, a little seared."""
    box = box_outline(length, width, width * 0.3, rng)
    mask = silhouette([(x, y * (1 - 0.2 * x / length)) for x, y in box], 6)
    size = mask.size
    seams = _flakes(rng, size, length, width, (0.058, 0.08), 5)
    swell = dome(mask, width * 0.16, 2.2)
    tone = Image.blend(noise.swatch(size, "soft", rng), noise.swatch(size, "broad", rng), 0.5)
    albedo = dye(tone, (206, 88, 42), (238, 132, 78), (248, 172, 124))
    albedo.paste((252, 208, 172), (0, 0), seams.point(gain(0.75)))
    patches = noise.swatch(size, "broad", rng).point(ramp(110, 240))
    sear = ImageChops.multiply(patches, noise.swatch(size, "soft", rng).point(gain(1, 40)))
    edge = ImageChops.invert(swell).point(gain(0.55))
    albedo.paste((150, 74, 24), (0, 0), ImageChops.lighter(sear.point(gain(0.7)), edge))
    height = ImageChops.subtract(noise.rough(swell, rng, 0.14), seams.point(gain(0.16)))
    return mould(mask, albedo, height, width * 0.26, 130, angle)


def white_fillet(rng: random.Random, length: float, width: float, angle: float) -> Piece:
    """Hake or cod: thick flakes, golden where the pan was."""
    spine = path([(-length / 2, 0), (0, width * 0.08), (length / 2, -width * 0.05)])
    outline = band(spine, [width * w for w in (0.55, 1, 0.95, 0.6)])
    mask = silhouette([(x + rng.uniform(-2, 2), y + rng.uniform(-2, 2)) for x, y in outline], 6)
    size = mask.size
    cracks = _flakes(rng, size, length, width, (0.08, 0.13), 6)
    swell = dome(mask, width * 0.2, 2.2)
    tone = Image.blend(noise.swatch(size, "broad", rng), noise.swatch(size, "soft", rng), 0.3)
    albedo = dye(tone, (206, 160, 92), (238, 214, 166), (252, 244, 222), (255, 250, 236))
    albedo.paste((196, 158, 104), (0, 0), cracks.point(gain(0.45)))
    gold = noise.swatch(size, "broad", rng).point(ramp(130, 235)).point(gain(0.75))
    albedo.paste((198, 122, 40), (0, 0), gold)
    height = ImageChops.subtract(noise.rough(swell, rng, 0.16), cracks.point(gain(0.16)))
    return mould(mask, albedo, height, width * 0.3, 110, angle)


@dataclass(frozen=True, slots=True)
class _Anatomy:
    """The outlines of a fish, head to the left; a unit is half its length."""

    body: Points
    fins: tuple[Points, ...]

    @classmethod
    def bream(cls, half: float) -> "_Anatomy":
        """Gilthead."""
        back: list[Point] = [(-1, 0), (-0.78, -0.2), (-0.25, -0.36), (0.3, -0.2), (0.66, -0.06)]
        belly: list[Point] = [(0.66, 0.07), (0.3, 0.2), (-0.3, 0.32), (-0.8, 0.16), (-1, 0)]
        tail: list[Point] = [(0.6, 0), (0.98, -0.27), (0.86, 0), (1, 0.27)]
        dorsal: list[Point] = [(-0.45, -0.31), (-0.2, -0.47), (0.3, -0.3), (0.36, -0.17)]
        anal: list[Point] = [(0.02, 0.26), (0.12, 0.4), (0.36, 0.18)]
        body = [*path(back, 28), *path(belly, 28)]
        return cls(scaled(body, half), tuple(scaled(fin, half) for fin in (tail, dorsal, anal)))


def whole_fish(rng: random.Random, length: float, angle: float) -> Piece:
    """A bream off the grill: head with eye and gill, scales, fins, two cuts across the flank."""
    half = length / 2
    fish = _Anatomy.bream(half)
    size = room([*fish.body, *(point for fin in fish.fins for point in fin)], 8)
    shape = Sketch(size).fill(fish.body, 255)
    trunk = shape.done()
    for fin in fish.fins:
        shape.fill(fin, 255)
    mask, height = shape.done(), mound(fish.body, size, 18)
    tone = Image.blend(noise.swatch(size, "broad", rng), height, 0.4)
    albedo = dye(tone, *_BREAM)
    scales = _scales(size, half)
    albedo.paste((63, 50, 38), (0, 0), scales.point(gain(0.3)))
    fins = ImageChops.subtract(mask, trunk)
    albedo.paste((76, 52, 34), (0, 0), fins.point(gain(0.5)))
    albedo, height = scorched(albedo, height, rng, 0.55, length * 0.075, 64)
    face = _face(albedo, half)
    cuts = _cuts(albedo, half)
    rays = ImageChops.multiply(_rays(size, half), fins)
    for groove, depth in ((face, 0.2), (cuts, 0.25), (scales, 0.05)):
        height = ImageChops.subtract(height, groove.point(gain(depth)))
    thin = ImageChops.subtract(fins.point(gain(0.22)), rays.point(gain(0.12)))
    return mould(mask, albedo, ImageChops.lighter(height, thin), length * 0.13, 150, angle)


def _scales(size: Size, half: float) -> Image.Image:
    sketch, step = Sketch(size, fine=2), half * 0.048
    for row in range(-16, 17):
        for column in range(-10, 17):
            x, y = (column + 0.5 * (row % 2)) * step, row * step * 0.72
            sketch.line([(x + px, y + py) for px, py in arc(step * 0.5, -75, 75, 5)], 200, 1.6)
    return sketch.done(0.6)


def _rays(size: Size, half: float) -> Image.Image:
    sketch = Sketch(size, fine=2)
    for i in range(9):
        sketch.line([(half * 0.6, (i - 4) * 2), (half * 0.97, (i - 4) * half * 0.066)], 170, 2)
    for i in range(14):
        x = half * (0.055 * i - 0.42)
        sketch.line([(x, -half * 0.2), (x + half * 0.06, -half * 0.46)], 150, 2)
    return sketch.done()


def _face(albedo: Image.Image, half: float) -> Image.Image:
    """Draw gill, mouth and eye; answer the grooves of the first two."""
    sketch = Sketch(albedo.size, fine=2)
    gill: list[Point] = [(-0.56, -0.24), (-0.46, 0), (-0.56, 0.22)]
    sketch.line(path(scaled(gill, half), 12), 255, half * 0.018)
    sketch.line([(-half * 0.97, half * 0.01), (-half * 0.84, half * 0.045)], 230, half * 0.012)
    lines = sketch.done(1.2)
    albedo.paste((46, 30, 20), (0, 0), lines.point(gain(0.75)))
    at: Point = (-half * 0.76, -half * 0.045)
    for radius, colour in ((0.048, (226, 214, 190)), (0.026, (14, 12, 12))):
        disc = Sketch(albedo.size).oval(*at, half * radius, half * radius, 255).done()
        albedo.paste(colour, (0, 0), disc)
    return lines


def _cuts(albedo: Image.Image, half: float) -> Image.Image:
    """Draw two knife cuts across the flank; answer their mask."""
    sketch = Sketch(albedo.size, fine=2)
    for x in (-half * 0.2, half * 0.08):
        sketch.fill(spin(leaf_outline(half * 0.44, half * 0.05, 0.5), 66, x, -half * 0.02), 255)
    gashes = sketch.done(1.4)
    albedo.paste((240, 214, 174), (0, 0), gashes)
    return gashes


def tuna(rng: random.Random, length: float) -> Piece:
    """A flake from the tin."""
    mask = silhouette(
        round_outline(rng, length / 2, length * rng.uniform(0.2, 0.34), 0.22, 6, 40), 5
    )
    fibre = noise.clouds(mask.size, (3, mask.height // 4), rng)
    tone = Image.blend(fibre, noise.swatch(mask.size, "soft", rng), 0.4)
    albedo = dye(tone, (156, 108, 78), (208, 168, 136), (236, 208, 182))
    height = ImageChops.multiply(dome(mask, length * 0.1), fibre.point(gain(0.5, 127)))
    return mould(mask, albedo, height, length * 0.3, 70, rng.uniform(0, 360))
