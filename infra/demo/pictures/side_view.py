"""What things stand on when they are looked at from the front, and the shadows under them."""

import random

from PIL import Image

from infra.demo.pictures import noise, vessels
from infra.demo.pictures.arrange import batch
from infra.demo.pictures.curves import Stops, dye, flat, gain, mix
from infra.demo.pictures.food import leaves, vegetables
from infra.demo.pictures.relief import Piece, Relief, mould, turned
from infra.demo.pictures.shapes import Point, Sketch, room

_FLATTENED = 0.34
"""The height over the width of a circle lying on the table."""

_PALE: Stops = ((120, 76, 38), (186, 134, 80), (222, 178, 122))
_DARK: Stops = ((52, 30, 18), (96, 60, 36), (138, 96, 62))


def shadow(
    relief: Relief, x: float, y: float, rx: float, ry: float, strength: float = 0.75
) -> None:
    """Darkness under something that stands: one close and sharp, one wide and soft."""
    for grow, soft, share in ((1.0, 0.28, 1.0), (1.5, 0.8, 0.6)):
        blur = ry * soft
        size = (round(2 * (rx * grow + 3 * blur)), round(2 * (ry * grow + 3 * blur)))
        mask = Sketch(size, fine=1).oval(0, 0, rx * grow, ry * grow, 255).done(blur)
        relief.stain(flat(size, (20, 13, 9)), mask.point(gain(strength * share)), x, y)


def plate(relief: Relief, rng: random.Random, radius: int) -> None:
    """A plate, lying."""
    shadow(relief, 0, 18, radius * 0.96, radius * _FLATTENED * 0.96)
    whole = turned(vessels.plate_profile(0.72, 30), radius, vessels.glazed(rng), 120)
    relief.add(whole.squeezed(_FLATTENED, 0.3), 0, 0, 2)


def board(relief: Relief, rng: random.Random, width: float) -> None:
    """A wooden board in perspective, with its front edge."""
    half, far, near, low = width / 2, -width * 0.11, width * 0.1, width * 0.1 + 30
    face: list[Point] = [(-half * 0.9, far), (half * 0.9, far), (half, near), (-half, near)]
    edge: list[Point] = [(-half, near), (half, near), (half, low), (-half, low)]
    size = room([*face, *edge], 6)
    mask = Sketch(size, fine=2).fill(face, 255).fill(edge, 255).done()
    lines = noise.clouds(size, (size[0] // 260, size[1] // 2), rng)
    grain = Image.blend(lines, noise.clouds(size, (3, size[1] // 14), rng), 0.5)
    stops = _DARK if rng.random() < 0.35 else _PALE
    albedo = dye(grain, *stops)
    shaded = dye(grain, *(mix(colour, (0, 0, 0), 0.5) for colour in stops))
    albedo.paste(shaded, (0, 0), Sketch(size, fine=2).fill(edge, 255).done())
    albedo.paste((240, 206, 156), (0, 0), Sketch(size, fine=2).line(face[2:], 100, 4).done())
    shadow(relief, 0, low - 12, half, 34)
    relief.add(mould(mask, albedo, lines.point(gain(0.1, 115)), 14, 40).shallow(0.2), 0, 0, 2)


def stand(relief: Relief, rng: random.Random, width: float) -> None:
    """A board or a plate."""
    if rng.random() < 0.55:
        board(relief, rng, width)
    else:
        plate(relief, rng, round(width * 0.52))


def put(
    relief: Relief, piece: Piece, x: float, y: float, foot: tuple[float, float], lift: float = 4
) -> None:
    """Something on the table with its shadow: `foot` is how wide it rests and how far below y."""
    shadow(relief, x, y + foot[1], foot[0], foot[0] * 0.28, 0.7)
    relief.add(piece.shallow(0.2), x, y, lift)


def trimmings(relief: Relief, rng: random.Random) -> None:
    """Tomatoes on one side in front, leaves on the other."""
    side = rng.choice((-1, 1))
    for k in range(rng.choice((0, 2, 2, 3))):
        radius = rng.uniform(36, 42)
        x, y = side * (250 + 74 * k + rng.uniform(-10, 10)), 56 + rng.uniform(-14, 26)
        put(relief, vegetables.tomato(rng, radius), x, y, (radius * 0.85, radius * 0.8))
    for _ in range(rng.randint(2, 4)):
        leaf = leaves.leaf(rng, rng.choice(("basil", "rocket")), rng.uniform(80, 110))
        x, y = -side * rng.uniform(180, 380), rng.uniform(60, 100)
        put(relief, leaf.squeezed(_FLATTENED + 0.12, 1), x, y, (34, 6))


def chips(relief: Relief, rng: random.Random, x: float) -> None:
    """A heap of chips beside a burger."""
    sticks = batch(lambda: vegetables.chip(rng, rng.uniform(120, 170), 26).squeezed(0.7, 0.3), 12)
    shadow(relief, x, 30, 130, 24)
    for k in range(26):
        high = 70 * k / 26
        spread = 110 - high
        place = (x + rng.uniform(-spread, spread), 24 - high + rng.uniform(-10, 10))
        relief.add(rng.choice(sticks), *place, 4 + k // 3)
