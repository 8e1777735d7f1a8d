"""Fish, always with lemon."""

import random

from infra.demo.pictures import noise, props, vessels
from infra.demo.pictures.arrange import batch, heap, strew
from infra.demo.pictures.curves import Stops, dye
from infra.demo.pictures.dish import above
from infra.demo.pictures.food import fruit, leaves, sauces, seafood, vegetables
from infra.demo.pictures.relief import Piece, Relief
from infra.demo.pictures.shapes import polar

_SIDES = (props.glass, props.bread, props.lemon, props.herbs, props.side_bowl)
_ALIOLI: Stops = ((234, 218, 164), (250, 242, 206))


def _served(relief: Relief, rng: random.Random, slate: float) -> None:
    """On a plate; as often as `slate` (0..1) on a slab."""
    props.surround(relief, rng, props.cutlery, _SIDES)
    if rng.random() < slate:
        vessels.board(relief, rng, 760, 500, slate=True)
    else:
        vessels.plate(relief, rng, 370)


def salmon(relief: Relief, rng: random.Random) -> None:
    """With asparagus, potatoes and dill."""
    _served(relief, rng, 0.2)
    lie, side = rng.uniform(-30, 30), rng.choice((-1, 1))
    for i in range(6):
        way = lie + rng.uniform(-9, 9) + (0 if side > 0 else 180)
        spear = vegetables.asparagus(rng, rng.uniform(330, 370), way)
        relief.add(spear, rng.uniform(-20, 20), side * (106 + 20 * i), 16 + 3 * (i % 3))
    at = (0, -side * 190)
    strew(relief, rng, lambda: vegetables.potato(rng, rng.uniform(40, 52)), 9, (150, 54), at)
    relief.add(seafood.salmon(rng, 400, 190, -lie), 0, -side * 24, 24)
    for k in (-1, 0, 1):
        wheel, x = fruit.citrus_slice(rng, 60, "lemon"), k * 84 + rng.uniform(-8, 8)
        relief.add(wheel, x, -side * 24 + x * lie / 60, 66, (k * 10, 0))
    relief.add(leaves.dill(rng, 170), rng.uniform(-60, 60), -side * 20)
    relief.add(leaves.dill(rng, 140), rng.uniform(-120, 120), -side * 60)


def dorada(relief: Relief, rng: random.Random) -> None:
    """A grilled bream on potatoes."""
    _served(relief, rng, 0.35)

    def round_of_potato() -> Piece:
        return vegetables.disc_slice(rng, rng.uniform(50, 62), (196, 130, 50), (236, 196, 110))

    strew(relief, rng, round_of_potato, 15, (270, 130))
    strew(relief, rng, lambda: vegetables.cherry_tomato(rng), 6, (250, 150))
    relief.add(seafood.whole_fish(rng, 640, rng.uniform(-22, 22)), 0, -10, 34)
    for x in (-150, 150):
        relief.add(fruit.citrus_slice(rng, 60, "lemon"), x, 155 + rng.uniform(-20, 20))
    relief.add(leaves.parsley(rng, 130), rng.uniform(-240, -150), -150)
    strew(relief, rng, lambda: leaves.chopped(rng, 7), 26, (240, 130))


def calamares(relief: Relief, rng: random.Random) -> None:
    """Rings in batter with lemon and alioli."""
    _served(relief, rng, 0.2)

    def leaf() -> Piece:
        return leaves.leaf(rng, rng.choice(("lettuce", "rocket")), rng.uniform(120, 170))

    strew(relief, rng, leaf, 16, (220, 190))
    rings = batch(lambda: seafood.squid_ring(rng, rng.uniform(52, 72)), 14)
    heap(relief, rng, rings, 42, (190, 170), 24, 70)
    turn = rng.uniform(0, 360)
    for sway in (0, 46):
        relief.add(fruit.lemon_wedge(rng, 140), *polar(turn + sway, 215, 0.9))
    at = polar(turn + 180, 200, 0.9)
    vessels.bowl(relief, rng, 82, 56, at)
    face = dye(noise.swatch((160, 160), "broad", rng), *_ALIOLI)
    vessels.liquid(relief, rng, face, 70, 44, (76, 56), 120, 8, at)
    relief.add(leaves.parsley(rng, 110), *polar(turn + 20, 150, 0.9))


def merluza(relief: Relief, rng: random.Random) -> None:
    """Hake in green sauce or a la americana, with peas and prawns."""
    _served(relief, rng, 0.0)
    stops = rng.choice((sauces.GREEN, sauces.AMERICANA))
    relief.add(sauces.sauce(rng, 270, stops, 10), 0, 0, 10)
    turn = rng.uniform(-25, 25)
    for k in (-1, 1):
        relief.add(seafood.white_fillet(rng, 350, 160, turn), k * 16, k * 84, 22 + 6 * k)
    strew(relief, rng, lambda: vegetables.pea(rng), 36, (250, 220))
    for _ in range(3):
        way = rng.uniform(0, 360)
        relief.add(seafood.prawn(rng, 130, way), *polar(way, 205, 0.9))
    for i in range(3):
        spear = vegetables.asparagus(rng, 260, turn + rng.uniform(-12, 12))
        relief.add(spear, rng.uniform(-60, 60), -170 + 20 * i)
    strew(relief, rng, lambda: leaves.chopped(rng, rng.uniform(6, 9)), 46, (220, 190))
    relief.add(fruit.citrus_slice(rng, 62, "lemon"), *polar(rng.uniform(20, 160), 235, 0.9))


DISHES = above(salmon, dorada, calamares, merluza)
