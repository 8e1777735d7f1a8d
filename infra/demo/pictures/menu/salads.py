"""Salads: leaves first, then what people pick out."""

import random

from infra.demo.pictures import props, vessels
from infra.demo.pictures.arrange import heap, ring, strew
from infra.demo.pictures.dish import above
from infra.demo.pictures.food import bakery, dairy, leaves, meat, seafood, vegetables
from infra.demo.pictures.relief import Relief
from infra.demo.pictures.shapes import polar

_SIDES = (props.side_bowl, props.bread, props.glass, props.herbs, props.tomatoes)


def _bed(relief: Relief, rng: random.Random, kinds: tuple[str, ...], radius: float) -> None:
    """As many leaves as the plate holds, heaped."""
    pieces = [leaves.leaf(rng, kind, rng.uniform(140, 220)) for kind in kinds * 4]
    pieces = [piece.lit(rng.uniform(0.85, 1.12)) for piece in pieces]
    heap(relief, rng, pieces, 78, (radius, radius * 0.96), 24, 74, tip=26)


def mixta(relief: Relief, rng: random.Random) -> None:
    """Tomato, cucumber, onion, olives, egg, tuna."""
    props.surround(relief, rng, props.cutlery, _SIDES)
    vessels.bowl(relief, rng, 370, 84)
    _bed(relief, rng, ("lettuce", "lettuce", "romaine", "oak"), 285)
    for make, count, reach in (
        (lambda: vegetables.tomato_slice(rng, rng.uniform(46, 58)), 8, 210),
        (lambda: vegetables.cucumber_slice(rng, rng.uniform(40, 50)), 7, 220),
        (lambda: dairy.boiled_egg(rng, rng.uniform(92, 106)), 4, 190),
        (lambda: seafood.tuna(rng, rng.uniform(60, 96)), 9, 90),
        (lambda: vegetables.onion_ring(rng, rng.uniform(32, 52)), 8, 200),
        (lambda: vegetables.olive(rng, rng.uniform(18, 23), True), 9, 230),
    ):
        strew(relief, rng, make, count, (reach, reach))


def caesar(relief: Relief, rng: random.Random) -> None:
    """Romaine, chicken strips, croutons, parmesan."""
    props.surround(relief, rng, props.cutlery, _SIDES)
    vessels.bowl(relief, rng, 370, 84)
    _bed(relief, rng, ("romaine", "romaine", "lettuce"), 285)
    for make, count, reach in (
        (lambda: meat.chicken_strip(rng, rng.uniform(120, 150)), 10, 180),
        (lambda: bakery.crouton(rng, rng.uniform(36, 46)), 15, 230),
        (lambda: dairy.shaving(rng, rng.uniform(70, 110), dairy.PARMESAN), 14, 220),
        (lambda: vegetables.cherry_tomato(rng, 32), 6, 220),
    ):
        strew(relief, rng, make, count, (reach, reach * 0.96))


def caprese(relief: Relief, rng: random.Random) -> None:
    """Tomato and mozzarella by turns in a wreath, basil in between."""
    props.surround(relief, rng, props.cutlery, _SIDES)
    vessels.plate(relief, rng, 360)
    for count, radius in ((14, 215), (7, 96)):
        for i, (x, y, turn) in enumerate(ring(count, radius, rng.uniform(0, 90))):
            make = vegetables.tomato_slice if i % 2 else dairy.mozzarella
            # Each leans on the one before it.
            relief.add(make(rng, rng.uniform(66, 74)), x, y, 22 + 4 * (i % 3), polar(turn - 90, 22))
    strew(relief, rng, lambda: leaves.leaf(rng, "basil", rng.uniform(60, 100)), 14, (250, 240))
    strew(relief, rng, lambda: vegetables.olive(rng, 18, False), 7, (230, 220))


def brotes(relief: Relief, rng: random.Random) -> None:
    """Spinach, rocket and radicchio with goat's cheese, nuts and tomatoes."""
    props.surround(relief, rng, props.cutlery, _SIDES)
    vessels.plate(relief, rng, 360, 0.78)
    _bed(relief, rng, ("spinach", "rocket", "rocket", "radicchio", "oak"), 265)
    for make, count, reach in (
        (lambda: vegetables.cherry_tomato(rng, rng.uniform(30, 36)), 11, 210),
        (lambda: vegetables.strip(rng, 90, 9, vegetables.CARROT), 26, 220),
        (lambda: dairy.mozzarella(rng, rng.uniform(24, 36)), 12, 200),
        (lambda: vegetables.potato(rng, 24).lit(0.62), 9, 210),
    ):
        strew(relief, rng, make, count, (reach, reach * 0.96))


DISHES = above(mixta, caesar, caprese, brotes)
