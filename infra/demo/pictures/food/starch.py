"""Rice, pasta and pulses: the many small things a dish is a bed of."""

import math
import random
from functools import lru_cache

from PIL import Image, ImageChops

from infra.demo.pictures import noise
from infra.demo.pictures.curves import Stops, dye, gain
from infra.demo.pictures.relief import Piece, dome, mould, sphere, tube
from infra.demo.pictures.shapes import (
    Point,
    Points,
    Sketch,
    box_outline,
    path,
    polar,
    room,
    scaled,
    silhouette,
    spin,
)

SAFFRON_RICE: Stops = ((120, 58, 6), (204, 124, 16), (238, 180, 44), (252, 218, 110))
BLACK_RICE: Stops = ((8, 8, 10), (30, 28, 32), (70, 68, 74))
WHITE_RICE: Stops = ((190, 180, 158), (238, 232, 214), (254, 251, 242))
BROWN_RICE: Stops = ((110, 62, 24), (176, 116, 56), (222, 174, 112))

WHEAT: Stops = ((176, 112, 32), (228, 178, 84), (248, 218, 142))
TOMATO_PASTA: Stops = ((150, 44, 10), (218, 112, 38), (242, 172, 84))
PESTO_PASTA: Stops = ((84, 96, 22), (164, 166, 60), (222, 210, 122))
EGG_NOODLE: Stops = ((190, 142, 66), (236, 204, 132), (250, 234, 184))

_TILE = 256
_LONG, _WIDE = 17.0, 7.0  # one grain of rice


@lru_cache(maxsize=1)
def _grains() -> tuple[Image.Image, Image.Image]:
    """Height and tone of a tile of strewn grains; it joins itself on every side."""
    rng = random.Random("rice")
    depth, tones = Sketch((_TILE, _TILE), fine=2), Sketch((_TILE, _TILE), fine=2)
    count = int(_TILE * _TILE / (_LONG * _WIDE) * 2.6)
    for i in range(count):
        x, y = (rng.uniform(-0.5, 0.5) * _TILE for _ in range(2))
        axis = spin([(-_LONG * 0.34, 0), (_LONG * 0.34, 0)], rng.uniform(0, 180))
        base, tone = 70 + 150 * i // count, rng.randint(60, 235)
        for cx, cy in _copies(x, y):
            spine = [(cx + ax, cy + ay) for ax, ay in axis]
            _rod(tones, spine, _WIDE, tone)
            for share, high in ((1.0, -46), (0.72, 0), (0.4, 26)):
                _rod(depth, spine, _WIDE * share, max(0, base + high))
    return depth.done(0.7), tones.done()


def _copies(x: float, y: float) -> list[Point]:
    """A place on the tile, and where it shows again beyond an edge it touches."""
    reach = _TILE / 2 + _LONG
    around = [(x + dx, y + dy) for dx in (0, -_TILE, _TILE) for dy in (0, -_TILE, _TILE)]
    return [place for place in around if max(abs(place[0]), abs(place[1])) < reach]


def _rod(sketch: Sketch, spine: Points, width: float, value: int) -> None:
    sketch.line(spine, value, width)
    for end in spine:
        sketch.oval(*end, width / 2, width / 2, value)


def rice_bed(rng: random.Random, mask: Image.Image, stops: Stops) -> Piece:
    """A layer of rice as wide as `mask`."""
    at = (rng.randrange(_TILE), rng.randrange(_TILE))
    height, tone = (noise.tiled(ImageChops.offset(tile, *at), mask.size) for tile in _grains())
    tone = Image.blend(tone, height, 0.35)
    tone = Image.blend(tone, noise.swatch(mask.size, "broad", rng), 0.25)
    level = ImageChops.multiply(height.point(gain(0.4, 150)), dome(mask, 16))
    return mould(mask, dye(tone, *stops), level, 20, 90)


def strands(
    rng: random.Random, spread: tuple[float, float], width: float, count: int, stops: Stops
) -> Piece:
    """A nest of spaghetti: long curves laid over one another, each round, each with its tone."""
    size = (round(2.4 * spread[0]), round(2.4 * spread[1]))
    shape, depth, tones = Sketch(size, fine=1), Sketch(size, fine=2), Sketch(size, fine=1)
    for i in range(count):
        spine, base = _noodle(rng, spread, 1 - 0.35 * i / count), 60 + 130 * i // count
        shape.line(spine, 255, width + 2)
        tones.line(spine, rng.randint(70, 215), width + 1)
        for share, high in ((1.15, -34), (0.95, -4), (0.7, 22), (0.4, 42)):
            depth.line(spine, max(0, base + high), width * share)
    mask, height = shape.done(0.7), depth.done(0.7)
    tone = Image.blend(tones.done(), noise.swatch(size, "soft", rng), 0.25)
    albedo = dye(Image.blend(tone, height, 0.3), *stops)
    return mould(mask, albedo, height, 46, 130)


def _noodle(rng: random.Random, spread: tuple[float, float], share: float) -> list[Point]:
    """One strand curling about a place of its own in the nest."""
    outer = rng.random() < 0.5
    radius = rng.uniform(0.62, 0.9) if outer else rng.uniform(0.3, 0.62)
    lean, start = rng.uniform(0, 360), rng.uniform(0, 360)
    middle = polar(lean, (1 - radius) * 0.8 * rng.random() ** 0.5)
    sweep = rng.uniform(126, 286) * rng.choice((-1, 1))
    squeeze, drift = rng.uniform(0.65, 1), rng.uniform(-0.25, 0.25)
    points = []
    for k in range(28):
        t = k / 27
        wave = drift * t * (1 - t) * 2 + 0.04 * math.sin(9 * t + start)
        points.append(polar(start + sweep * t, share * (radius + wave), squeeze))
    return scaled(spin(points, lean, *middle), *spread)


def penne(rng: random.Random, length: float, width: float, stops: Stops) -> Piece:
    """A quill: a ridged tube, cut aslant, dark inside."""
    turn, half, r, slant = rng.uniform(0, 360), length / 2, width / 2, width * 0.55
    corners: list[Point] = [(-half, -r), (half - slant, -r), (half, r), (-half + slant, r)]
    size = room(spin(corners, turn), 6)
    mask = Sketch(size).fill(spin(corners, turn), 255).done()
    body = tube(spin([(-half, 0), (half, 0)], turn), [width, width], size)
    ridges = Sketch(size, fine=2)
    for k in range(-3, 4):
        y = r * math.sin(k * 0.42)
        ridges.line(spin([(-half, y), (half, y)], turn), 120, width * 0.05)
    mouth = [polar(22.5 * i, 1) for i in range(16)]
    mouth = spin(scaled(mouth, width * 0.2, r * 0.86), 26, half - slant * 0.5 + width * 0.04)
    dark = Sketch(size, fine=2).fill(spin(mouth, turn), 255).done(0.8)
    tone = Image.blend(noise.swatch(size, "broad", rng), body, 0.35)
    albedo = dye(tone, *stops)
    albedo.paste(stops[0], (0, 0), dark.point(gain(0.8)))
    height = ImageChops.subtract(body, ridges.done().point(gain(0.12)))
    height = ImageChops.subtract(height, dark.point(gain(0.5)))
    return mould(mask, albedo, ImageChops.multiply(height, mask), width * 0.55, 130)


def ravioli(rng: random.Random, edge: float) -> Piece:
    """A pillow with a pinked border."""
    square = box_outline(edge, edge * rng.uniform(0.92, 1), edge * 0.06)
    border = path([*square, square[0]], 100)
    pinked = [scaled([p], 1 + 0.018 * (-1) ** (i // 2))[0] for i, p in enumerate(border)]
    mask = silhouette(pinked, 6)
    filling = Sketch(mask.size).fill(scaled(square, 0.72), 255).done(edge * 0.03)
    swell = dome(filling, edge * 0.16)
    height = ImageChops.add(dome(mask, edge * 0.03).point(gain(0.2)), swell.point(gain(0.75)))
    tone = Image.blend(noise.swatch(mask.size, "soft", rng), swell, 0.35)
    height = noise.rough(height, rng, 0.08)
    return mould(mask, dye(tone, *WHEAT), height, edge * 0.24, 140, rng.uniform(0, 360))


def lentil(rng: random.Random) -> Piece:
    """One of many."""
    radius, tone = rng.uniform(11, 14), noise.swatch((12, 12), "soft", rng)
    skin = dye(tone, (58, 34, 16), (104, 68, 34), (148, 108, 64))
    return sphere(radius, radius * 0.92, skin, 90, 0.5)
