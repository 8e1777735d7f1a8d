"""Pasta, in a nest or in a heap."""

import random

from infra.demo.pictures import props, vessels
from infra.demo.pictures.arrange import batch, heap, ring, strew
from infra.demo.pictures.curves import Stops
from infra.demo.pictures.dish import above
from infra.demo.pictures.food import dairy, leaves, meat, sauces, starch, vegetables
from infra.demo.pictures.relief import Relief

_SIDES = (props.glass, props.bread, props.herbs, props.side_bowl, props.tomatoes)
_PINE_NUT: Stops = ((200, 150, 80), (238, 208, 150))


def _nest(relief: Relief, rng: random.Random, stops: Stops) -> None:
    props.surround(relief, rng, props.cutlery, _SIDES)
    vessels.bowl(relief, rng, 350, 66, curve=3.6)
    relief.add(starch.strands(rng, (280, 268), 11, 110, stops), 0, 0, 16)
    crown = starch.strands(rng, (150, 144), 11, 46, stops)
    relief.add(crown, rng.uniform(-16, 16), rng.uniform(-16, 10), 44)


def _finish(relief: Relief, rng: random.Random) -> None:
    """Parmesan, and basil in the middle."""
    strew(relief, rng, lambda: dairy.gratings(rng), 12, (80, 70))
    for x, y, _ in ring(3, 26, rng.uniform(0, 120)):
        relief.add(leaves.leaf(rng, "basil", rng.uniform(74, 96)), x, y - 10)


def bolognesa(relief: Relief, rng: random.Random) -> None:
    """Spaghetti with meat sauce, sometimes with meatballs."""
    _nest(relief, rng, starch.WHEAT)
    relief.add(sauces.sauce(rng, 150, sauces.BOLOGNESE, 34), 0, -6, 60)
    strew(relief, rng, lambda: meat.meatball(rng, rng.uniform(9, 15)), 60, (130, 118))
    if rng.random() < 0.5:
        strew(relief, rng, lambda: meat.meatball(rng, rng.uniform(42, 50)), 5, (100, 90))
    _finish(relief, rng)


def pesto(relief: Relief, rng: random.Random) -> None:
    """Green strands, pine nuts, cherry tomatoes."""
    _nest(relief, rng, starch.PESTO_PASTA)
    relief.add(sauces.sauce(rng, 96, sauces.PESTO, 22), 0, -6, 62)
    strew(
        relief,
        rng,
        lambda: vegetables.berry(rng, 13, *_PINE_NUT, squeeze=0.55, gloss=60),
        24,
        (190, 180),
    )
    strew(relief, rng, lambda: vegetables.cherry_tomato(rng), 8, (200, 190))
    _finish(relief, rng)


def carbonara(relief: Relief, rng: random.Random) -> None:
    """Bacon, cream, an egg yolk in the middle, pepper."""
    _nest(relief, rng, starch.EGG_NOODLE)
    relief.add(sauces.sauce(rng, 110, sauces.CREAM, 14), 0, 0, 58)
    strew(relief, rng, lambda: meat.meat_cube(rng, rng.uniform(26, 36), meat.PORK), 34, (200, 190))
    relief.add(dairy.yolk(rng, 46), 0, -8, 52)
    strew(relief, rng, lambda: dairy.gratings(rng), 12, (170, 160))
    strew(relief, rng, lambda: leaves.chopped(rng, rng.uniform(5, 8)), 26, (210, 200))
    strew(relief, rng, lambda: vegetables.peppercorn(rng), 60, (230, 220))


def macarrones(relief: Relief, rng: random.Random) -> None:
    """With tomato and chorizo, cheese browned on top."""
    props.surround(relief, rng, props.cutlery, _SIDES)
    vessels.bowl(relief, rng, 355, 80)
    relief.add(sauces.sauce(rng, 290, sauces.TOMATO, 20), 0, 0, 20)
    quills = batch(lambda: starch.penne(rng, rng.uniform(104, 124), 34, starch.TOMATO_PASTA), 12)
    heap(relief, rng, quills, 120, (258, 248), 30, 60)
    strew(relief, rng, lambda: meat.chorizo_slice(rng, rng.uniform(28, 36)), 12, (210, 200))
    strew(
        relief,
        rng,
        lambda: sauces.sauce(rng, rng.uniform(50, 90), sauces.MELTED, 14),
        5,
        (150, 140),
    )
    strew(relief, rng, lambda: dairy.gratings(rng), 27, (170, 160))
    strew(relief, rng, lambda: leaves.chopped(rng, rng.uniform(6, 9)), 30, (230, 220))


def ravioli(relief: Relief, rng: random.Random) -> None:
    """Pillows in sauce."""
    props.surround(relief, rng, props.cutlery, _SIDES)
    vessels.plate(relief, rng, 350)
    stops = rng.choice((sauces.BOLOGNESE, sauces.CREAM, sauces.PESTO))
    relief.add(sauces.sauce(rng, 255, stops, 12), 0, 0, 10)
    pillows = batch(lambda: starch.ravioli(rng, rng.uniform(112, 124)), 8)
    heap(relief, rng, pillows, 19, (205, 190), 20, 40)
    strew(relief, rng, lambda: sauces.sauce(rng, rng.uniform(24, 60), stops, 12), 7, (170, 160))
    _finish(relief, rng)


DISHES = above(bolognesa, pesto, macarrones, carbonara, ravioli)
