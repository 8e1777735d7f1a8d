"""Eggs, cheese, cream, and chocolate."""

import math
import random
from itertools import pairwise

from PIL import Image, ImageChops

from infra.demo.pictures import noise
from infra.demo.pictures.curves import Size, Stops, dye, flat, gain
from infra.demo.pictures.food.vegetables import berry
from infra.demo.pictures.relief import Piece, dome, mould, mound
from infra.demo.pictures.shapes import (
    Points,
    Sketch,
    path,
    room,
    round_outline,
    silhouette,
    spin,
)

PARMESAN: Stops = ((222, 192, 120), (244, 224, 166), (252, 240, 204))
CHOCOLATE: Stops = ((44, 22, 14), (76, 40, 24), (120, 72, 46))
_YOLK: Stops = ((226, 132, 8), (246, 170, 22), (250, 194, 60))
_EGG_WHITE: Stops = ((176, 124, 62), (238, 226, 200), (254, 251, 242), (254, 251, 244))
_WHIPPED: Stops = ((232, 220, 198), (250, 244, 230), (255, 252, 244))


def fried_egg(rng: random.Random, radius: float) -> Piece:
    """White with a lacy brown edge; a round yolk that shines."""
    outline = round_outline(rng, radius, radius * rng.uniform(0.82, 0.95), 0.2, 8, 90)
    mask = silhouette(outline, 8)
    size = mask.size
    swell = dome(mask, radius * 0.2, 1.8)
    round_yolk = round_outline(rng, radius * 0.36, radius * 0.35, 0.03, 3)
    ball = mound(round_yolk, size)
    shift = (rng.randint(-8, 8), rng.randint(-8, 8))
    ball = ImageChops.offset(ball, *shift)
    yolk = ImageChops.offset(Sketch(size).fill(round_yolk, 255).done(), *shift)
    white = dye(Image.blend(swell, noise.swatch(size, "soft", rng), 0.25), *_EGG_WHITE)
    albedo = Image.composite(dye(ball, *_YOLK), white, yolk)
    height = noise.rough(swell, rng, 0.35).point(gain(0.32))
    height = ImageChops.add(height, ball.point(gain(0.68)))
    return mould(
        mask, albedo, height, radius * 0.32, yolk.point(gain(0.45, 100)), rng.uniform(0, 360)
    )


def yolk(rng: random.Random, radius: float) -> Piece:
    """Raw, on its own."""
    return berry(rng, radius, *_YOLK, gloss=200)


def boiled_egg(rng: random.Random, length: float) -> Piece:
    """Half of one, cut side up."""
    half = length / 2
    outline = []
    for i in range(48):
        x, y = math.cos(math.tau * i / 48), math.sin(math.tau * i / 48)
        outline.append((half * x * (1 + 0.1 * x), half * 0.8 * y * (1 - 0.07 * x)))
    mask = silhouette(outline)
    middle = Sketch(mask.size).oval(-half * 0.08, 0, half * 0.5, half * 0.48, 255).done(0.8)
    grain = noise.swatch(mask.size, "soft", rng)
    yellow = dye(grain, (228, 150, 24), (246, 184, 48), (250, 206, 92))
    albedo = Image.composite(yellow, flat(mask.size, (252, 250, 242)), middle)
    crumbly = ImageChops.multiply(middle, grain).point(gain(0.3))
    height = ImageChops.subtract(dome(mask, length * 0.09), crumbly)
    return mould(mask, albedo, height, length * 0.2, 110, rng.uniform(0, 360))


def mozzarella(rng: random.Random, radius: float) -> Piece:
    """A wet slice."""
    mask = silhouette(round_outline(rng, radius, radius * rng.uniform(0.85, 1), 0.06, 5))
    tone = noise.swatch(mask.size, "broad", rng)
    albedo = dye(tone, (232, 228, 214), (250, 247, 236), (255, 253, 246))
    height = noise.rough(dome(mask, radius * 0.2), rng, 0.18)
    return mould(mask, albedo, height, radius * 0.26, 120)


def shaving(rng: random.Random, length: float, stops: Stops) -> Piece:
    """A curl of hard cheese, or of chocolate."""
    outline = round_outline(rng, length / 2, length * rng.uniform(0.16, 0.26), 0.22, 5, 30)
    mask = silhouette(outline)
    albedo = dye(noise.swatch(mask.size, "soft", rng), *stops)
    height = ImageChops.multiply(noise.clouds(mask.size, (5, 2), rng), dome(mask, 4))
    return mould(mask, albedo, height, length * 0.2, 60, rng.uniform(0, 360))


def gratings(rng: random.Random, stops: Stops = PARMESAN) -> Piece:
    """A pinch of grated cheese: many short threads as one piece."""
    size = (72, 72)
    shape, depth = Sketch(size), Sketch(size, fine=2)
    for _ in range(16):
        bent = [(-9.0, 0.0), (0.0, rng.uniform(-3, 3)), (9.0, 0.0)]
        thread = spin(bent, rng.uniform(0, 360), rng.gauss(0, 10), rng.gauss(0, 10))
        shape.line(thread, 255, 4)
        depth.line(thread, 150, 4).line(thread, rng.randint(190, 255), 2)
    height = depth.done(0.6)
    albedo = dye(Image.blend(height, noise.swatch(size, "soft", rng), 0.5), *stops)
    return mould(shape.done(), albedo, height, 9, 40)


def ribbon(size: Size, points: Points, width: float) -> Image.Image:
    """A poured line, thick and thin, as a soft mask: cream on soup."""
    sketch, curve = Sketch(size, fine=2), path(points, 60)
    for i, (start, end) in enumerate(pairwise(curve)):
        swell = width * (0.6 + 0.4 * math.sin(i * 0.37))
        sketch.line([start, end], 255, swell).oval(*start, swell / 2, swell / 2, 255)
    return sketch.done(width * 0.12)


def whipped(rng: random.Random, radius: float) -> Piece:
    """A puff of cream."""
    return berry(rng, radius, *_WHIPPED, gloss=40)


def scoop(rng: random.Random, radius: float, stops: Stops) -> Piece:
    """A ball of ice cream with its torn skirt."""
    outline = round_outline(rng, radius, radius * 0.97, 0.05, 9, 80)
    size = room(outline, 6)
    mask = Sketch(size).fill(outline, 255).done()
    streaks = noise.clouds(size, (5, size[1] // 5), rng).rotate(rng.uniform(-30, 30))
    height = ImageChops.multiply(mound(outline, size), streaks.point(gain(0.10, 230)))
    height = ImageChops.lighter(noise.rough(height, rng, 0.10), mask.point(gain(0.12)))
    tone = Image.blend(noise.swatch(size, "soft", rng), height, 0.45)
    return mould(mask, dye(tone, *stops), height, radius * 1.05, 46)
