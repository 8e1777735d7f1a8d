"""Sweets: cake, flan, fruit, ice cream, custard."""

import random

from PIL import Image, ImageChops

from infra.demo.pictures import noise, props, side_view, vessels
from infra.demo.pictures.arrange import batch, heap, ring, strew
from infra.demo.pictures.curves import Stops, dye, flat, gain, mix, ramp
from infra.demo.pictures.dish import above, front
from infra.demo.pictures.food import bakery, dairy, fruit, leaves, sauces, sweets, vegetables
from infra.demo.pictures.relief import Relief
from infra.demo.pictures.shapes import polar, spin

_SIDES = (props.glass, props.herbs)
_FLAVOURS: tuple[Stops, ...] = (
    ((214, 180, 126), (246, 228, 186), (253, 243, 214)),  # vanilla
    ((66, 34, 22), (104, 62, 42), (142, 94, 68)),  # chocolate
    ((206, 90, 104), (238, 142, 150), (250, 186, 188)),  # strawberry
    ((120, 160, 112), (166, 200, 150), (204, 224, 186)),  # pistachio
    ((214, 160, 60), (244, 206, 110), (252, 228, 156)),  # mango
)
_CUSTARD: Stops = ((226, 170, 70), (246, 208, 112), (250, 220, 140))
_MILK_RICE: Stops = ((226, 212, 180), (250, 242, 220), (254, 250, 238))
_GRAIN: Stops = ((226, 214, 190), (252, 246, 230))


def tarta(relief: Relief, rng: random.Random) -> None:
    """A slice of cheesecake, chocolate, carrot, or sponge with cream."""
    side_view.plate(relief, rng, 400)
    side_view.shadow(relief, 20, 30, 260, 46, 0.6)
    kind = rng.choice(sorted(sweets.CAKES))
    wedge = sweets.Wedge((-250, 22), (190, 74), (230, -66), rng.uniform(190, 220))
    for k, face in enumerate(sweets.cake_faces(rng, sweets.CAKES[kind], wedge)):
        relief.add(face, 0, 0, 2 + 2 * k)
    x, y = wedge.crown
    decorate = {"chocolate": _shavings, "carrot": _nuts}.get(kind, _coulis)
    decorate(relief, rng, x, y)
    for k in range(2):
        leaf = leaves.leaf(rng, "mint", 84, -60 - 60 * k).shallow(0.25)
        relief.add(leaf, x + 16 - 30 * k, y - 44, 14)


def _coulis(relief: Relief, rng: random.Random, x: float, y: float) -> None:
    """Red sauce running over the edge, berries in it."""
    pool = sauces.sauce(rng, 120, sauces.BERRIES, 16)
    relief.add(pool.squeezed(0.34, 0.3), x - 20, y, 6)
    for k in range(3):
        length = rng.uniform(50, 100)
        relief.add(
            sweets.drip(rng, length, sauces.BERRIES), x - 119 + 76 * k, y + 24 + length / 2, 8
        )
    for _ in range(7):
        one = fruit.strawberry(rng, rng.uniform(60, 74))
        if rng.random() < 0.5:
            one = fruit.blueberry(rng, rng.uniform(20, 25))
        at = (x + rng.uniform(-84, 84), y - 12 + rng.uniform(-20, 16))
        relief.add(one.shallow(0.25), *at, 10)


def _shavings(relief: Relief, rng: random.Random, x: float, y: float) -> None:
    curls = batch(lambda: dairy.shaving(rng, rng.uniform(40, 70), dairy.CHOCOLATE), 6)
    for _ in range(26):
        curl = rng.choice(curls).squeezed(0.6, 0.3)
        relief.add(curl, x + rng.gauss(0, 54), y + rng.gauss(0, 14), 8)
    for k in (-1, 1):
        berry = fruit.whole_strawberry(rng, 84).shallow(0.25)
        relief.add(berry, x + 40 * k, y - 30, 12)


def _nuts(relief: Relief, rng: random.Random, x: float, y: float) -> None:
    nuts = batch(lambda: vegetables.potato(rng, 22).lit(0.62), 5)
    for _ in range(16):
        nut = rng.choice(nuts).squeezed(0.7, 0.3)
        relief.add(nut, x + rng.gauss(0, 60), y + rng.gauss(0, 14), 8)


def flan(relief: Relief, rng: random.Random) -> None:
    """Turned out of its mould, caramel running down; cream and a strawberry."""
    side_view.plate(relief, rng, 360)
    puddle = sauces.sauce(rng, 250, sauces.CARAMEL, 9)
    relief.add(puddle.squeezed(0.36, 0.3), 0, 22, 3)
    side_view.shadow(relief, 0, 26, 190, 50, 0.5)
    body, lid = sweets.flan(rng, 146, 190, 200)
    relief.add(body, 0, -108, 4)
    relief.add(lid, 0, -208, 10)
    for k in range(5):
        x = 250 + polar(109 * k, 30)[0]
        relief.add(dairy.whipped(rng, 44 - 4 * k).shallow(0.2), x, 20 - 16 * k, 6)
    relief.add(leaves.leaf(rng, "mint", 90, -50).shallow(0.2), 262, -62, 10)
    relief.add(fruit.whole_strawberry(rng, 92).shallow(0.2), 216, 30, 12)


def macedonia(relief: Relief, rng: random.Random) -> None:
    """Fruit salad."""
    props.surround(relief, rng, props.spoon_and_napkin, _SIDES)
    vessels.bowl(relief, rng, 310, 100)
    pieces = [
        *batch(lambda: fruit.strawberry(rng, rng.uniform(92, 112)), 12),
        *batch(lambda: fruit.kiwi_slice(rng, rng.uniform(56, 66)), 8),
        *batch(lambda: fruit.citrus_slice(rng, rng.uniform(62, 72), "orange"), 6),
        *batch(lambda: fruit.banana_slice(rng, rng.uniform(40, 46)), 9),
        *batch(lambda: fruit.cube(rng, rng.uniform(54, 66), fruit.MELON), 9),
        *batch(lambda: fruit.cube(rng, rng.uniform(54, 66), fruit.GREEN_MELON), 7),
    ]
    heap(relief, rng, pieces, 86, (236, 228), 40, 70)
    strew(relief, rng, lambda: fruit.blueberry(rng, rng.uniform(22, 27)), 24, (240, 230))
    strew(relief, rng, lambda: leaves.leaf(rng, "mint", rng.uniform(70, 96)), 7, (190, 180))


def helado(relief: Relief, rng: random.Random) -> None:
    """Three scoops, wafers, sauce."""
    props.surround(relief, rng, props.spoon_and_napkin, _SIDES)
    vessels.bowl(relief, rng, 285, 90)
    start = rng.uniform(0, 360)
    for (x, y, _), stops in zip(ring(3, 122, start), rng.sample(_FLAVOURS, 3), strict=True):
        relief.add(dairy.scoop(rng, rng.uniform(138, 148), stops), x, y, 26)
        if rng.random() < 0.7:
            poured = rng.choice((sauces.FUDGE, sauces.BERRIES, sauces.CARAMEL))
            syrup = sauces.sauce(rng, rng.uniform(70, 90), poured, 12)
            relief.add(syrup, x + rng.uniform(-14, 14), y + rng.uniform(-14, 14), 128)
    for k in range(2):
        wafer = bakery.wafer(rng, -(start + 60 + 14 * k))
        relief.add(wafer, *polar(start + 60, 170), 96 + 12 * k, (20, 10))
    strew(relief, rng, lambda: vegetables.potato(rng, rng.uniform(8, 13)).lit(0.7), 40, (200, 190))
    strew(relief, rng, lambda: fruit.strawberry(rng, 96), 3, (180, 180))
    strew(relief, rng, lambda: leaves.leaf(rng, "mint", 86), 4, (90, 90))


def natillas(relief: Relief, rng: random.Random) -> None:
    """Custard with a biscuit, or rice pudding; cinnamon on both."""
    props.surround(relief, rng, props.spoon_and_napkin, _SIDES)
    vessels.bowl(relief, rng, 310, 96, curve=3.4)
    rice, level = rng.random() < 0.4, 74
    stops = _MILK_RICE if rice else _CUSTARD
    face = dye(noise.fractal((400, 400), 130, rng, 3).point(gain(0.5, 60)), *stops)
    face = vessels.shaded_rim(face, mix(stops[0], (120, 70, 20), 0.3))
    vessels.liquid(relief, rng, face, 284, level, (295, 96), 110, 5)
    if rice:
        strew(
            relief,
            rng,
            lambda: vegetables.berry(rng, 9, *_GRAIN, squeeze=0.5, gloss=90),
            240,
            (250, 244),
            sink=3,
        )
    _cinnamon_dust(relief, rng, level)
    if not rice:
        at = (rng.uniform(-50, 50), rng.uniform(-50, 50))
        relief.add(bakery.biscuit(rng, 118), *at, level - 2)
    turn = rng.uniform(0, 360)
    for k in (-1, 1):
        at = spin([(0, k * 17)], turn, *polar(turn + 90, 150))[0]
        relief.add(sweets.cinnamon(rng, turn + 4 * k), *at, level + 2)
    relief.add(leaves.leaf(rng, "mint", 86), rng.uniform(-150, 150), rng.uniform(-120, 120))


def _cinnamon_dust(relief: Relief, rng: random.Random, level: int) -> None:
    size = (400, 400)
    dust = noise.white(size, rng).point(ramp(110, 230))
    dust = ImageChops.multiply(dust, noise.swatch(size, "broad", rng))
    middle = Image.radial_gradient("L").resize(size).point(ramp(140, 20))
    mask = ImageChops.multiply(dust, middle).point(gain(1.2))
    relief.stain(flat(size, (124, 64, 22)), mask, 0, -level * relief.rise)


DISHES = (*front(tarta, flan), *above(macedonia, helado, natillas))
