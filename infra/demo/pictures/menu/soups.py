"""Soups: a bowl, a level, and what floats on it."""

import random

from infra.demo.pictures import noise, props, vessels
from infra.demo.pictures.arrange import strew
from infra.demo.pictures.curves import Colour, Stops, dye, flat, gain
from infra.demo.pictures.dish import above
from infra.demo.pictures.food import bakery, dairy, fruit, leaves, meat, starch, vegetables
from infra.demo.pictures.relief import Relief
from infra.demo.pictures.shapes import Sketch, polar

_SIDES = (props.bread, props.side_bowl, props.herbs, props.glass)
_RADIUS, _RIM, _LEVEL = 370, 110, 84
_CUCUMBER: Stops = ((96, 140, 60), (190, 212, 140), (222, 234, 186))
_CREAMS: tuple[Stops, ...] = (
    ((206, 112, 18), (236, 146, 40), (246, 172, 76)),  # pumpkin
    ((92, 116, 40), (138, 160, 72), (170, 186, 104)),  # courgette
    ((150, 112, 70), (196, 162, 118), (218, 190, 148)),  # mushroom
)
_SEEDS: tuple[Stops, ...] = (((60, 80, 34), (108, 128, 66)), ((120, 70, 20), (190, 130, 60)))


def _served(
    relief: Relief, rng: random.Random, stops: Stops, gloss: int, ripple: float, cell: int = 90
) -> None:
    """Napkin and spoon, the bowl, the soup in it."""
    props.surround(relief, rng, props.spoon_and_napkin, _SIDES)
    vessels.bowl(relief, rng, _RADIUS, _RIM)
    tone = noise.fractal((480, 480), cell, rng, 6).point(gain(0.6, 52))
    face, opening = vessels.shaded_rim(dye(tone, *stops), stops[0]), (round(_RADIUS * 0.95), _RIM)
    vessels.liquid(relief, rng, face, round(_RADIUS * 0.9), _LEVEL, opening, gloss, ripple)


def _poured(relief: Relief, rng: random.Random, colour: Colour, reach: float) -> None:
    """A spiral of cream on the surface."""
    turns, start = rng.uniform(430, 720), rng.uniform(0, 360)
    points = []
    for i in range(16):
        far = reach * (0.2 + 0.8 * i / 15) + rng.uniform(-8, 8)
        points.append(polar(start + turns * i / 15, far))
    side = round(2.6 * reach)
    mask = dairy.ribbon((side, side), points, 17).point(gain(0.9))
    relief.stain(flat(mask.size, colour), mask, 0, -_LEVEL * relief.rise)


def _oil(relief: Relief, rng: random.Random, count: int, reach: float) -> None:
    """Drops of oil: golden lenses with a dark edge and a bright spot."""
    side = round(2 * reach) + 60
    film, edge, spot = (Sketch((side, side), fine=2) for _ in range(3))
    for _ in range(count):
        x, y = polar(rng.uniform(0, 360), reach * rng.random() ** 0.5)
        size = rng.uniform(5, 19)
        film.oval(x, y, size, size, 150)
        edge.oval(x, y, size, size, 130).oval(x, y, size * 0.84, size * 0.84, 0)
        spot.oval(x - size * 0.35, y - size * 0.35, size * 0.2, size * 0.2, 230)
    colours: Stops = ((226, 172, 40), (110, 60, 10), (255, 250, 230))
    for sketch, colour in zip((film, edge, spot), colours, strict=True):
        mask = sketch.done(0.8)
        relief.stain(flat(mask.size, colour), mask, 0, -_LEVEL * relief.rise)


def gazpacho(relief: Relief, rng: random.Random) -> None:
    """Cold tomato soup with diced vegetables, croutons and oil."""
    _served(relief, rng, ((164, 34, 14), (208, 62, 26), (226, 96, 48)), 110, 7)
    _oil(relief, rng, 26, 260)
    dice = [
        fruit.cube(rng, rng.uniform(24, 34), stops)
        for stops in (_CUCUMBER, vegetables.RED_PEPPER, vegetables.GREEN_PEPPER) * 6
    ]
    strew(relief, rng, lambda: rng.choice(dice), 54, (150, 140))
    strew(relief, rng, lambda: bakery.crouton(rng, rng.uniform(34, 44)), 9, (130, 120))
    strew(relief, rng, lambda: leaves.leaf(rng, "basil", 60), 3, (60, 60))


def crema(relief: Relief, rng: random.Random) -> None:
    """Cream of pumpkin, courgette or mushroom, swirled."""
    _served(relief, rng, rng.choice(_CREAMS), 100, 6)
    _poured(relief, rng, (252, 246, 230), 165)
    seed = rng.choice(_SEEDS)
    strew(
        relief, rng, lambda: vegetables.berry(rng, 10, *seed, squeeze=0.6, gloss=80), 26, (120, 110)
    )
    strew(relief, rng, lambda: bakery.crouton(rng, rng.uniform(34, 44)), 7, (90, 80))
    relief.add(leaves.parsley(rng, 90), rng.uniform(-30, 30), rng.uniform(-30, 30), _LEVEL + 14)
    _oil(relief, rng, 12, 230)


def cuchara(relief: Relief, rng: random.Random) -> None:
    """Lentils or chickpeas with chorizo, carrot and potato."""
    _served(relief, rng, ((92, 44, 16), (140, 76, 30), (176, 108, 50)), 140, 12, cell=40)
    if rng.random() < 0.45:
        strew(relief, rng, lambda: vegetables.chickpea(rng), 330, (292, 285), sink=20)
    else:
        strew(relief, rng, lambda: starch.lentil(rng), 620, (292, 285), sink=8)
    for make, count, reach in (
        (lambda: vegetables.carrot_slice(rng, rng.uniform(26, 34)), 10, 230),
        (lambda: vegetables.potato(rng, rng.uniform(36, 46)), 5, 210),
        (lambda: meat.chorizo_slice(rng, rng.uniform(40, 48)), 7, 200),
        (lambda: leaves.chopped(rng, rng.uniform(5, 9)), 34, 250),
    ):
        strew(relief, rng, make, count, (reach, reach * 0.95))
    relief.add(leaves.leaf(rng, "bay", 130), rng.uniform(-90, 90), rng.uniform(-90, 90))


def fideos(relief: Relief, rng: random.Random) -> None:
    """Clear broth, fine noodles, egg, carrot, chicken."""
    _served(relief, rng, ((150, 92, 22), (206, 150, 54), (228, 184, 96)), 170, 5)
    nest = starch.strands(rng, (215, 205), 8, 64, starch.EGG_NOODLE)
    relief.add(nest, rng.uniform(-20, 20), rng.uniform(-10, 10), _LEVEL - 16)
    strew(relief, rng, lambda: vegetables.carrot_slice(rng, rng.uniform(26, 34)), 9, (220, 210))
    strew(relief, rng, lambda: meat.chicken_strip(rng, rng.uniform(90, 120)), 7, (170, 160))
    strew(relief, rng, lambda: dairy.boiled_egg(rng, 112), 2, (120, 110))
    strew(relief, rng, lambda: leaves.chopped(rng, rng.uniform(5, 9)), 44, (250, 240))
    _oil(relief, rng, 22, 270)


DISHES = above(gazpacho, crema, cuchara, fideos)
