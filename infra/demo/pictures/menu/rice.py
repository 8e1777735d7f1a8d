"""Rice, and above all paella in its pan."""

import random

from infra.demo.pictures import noise, props, vessels
from infra.demo.pictures.arrange import ring, strew
from infra.demo.pictures.curves import Stops, dye
from infra.demo.pictures.dish import above
from infra.demo.pictures.food import (
    dairy,
    fruit,
    leaves,
    meat,
    sauces,
    seafood,
    starch,
    vegetables,
)
from infra.demo.pictures.relief import Piece, Relief, disc, mould, mound
from infra.demo.pictures.shapes import polar, round_outline, silhouette

_SIDES = (props.glass, props.bread, props.lemon, props.side_bowl)
_PAN = 400
_ALIOLI: Stops = ((232, 214, 150), (250, 240, 196))
_SQUID: Stops = ((206, 170, 120), (240, 218, 180))
_BUTTER_BEAN: Stops = ((206, 186, 140), (238, 224, 186))


def _pan(relief: Relief, rng: random.Random, stops: Stops) -> None:
    props.surround(relief, rng, props.cutlery, _SIDES)
    vessels.paella_pan(relief, rng, _PAN)
    relief.add(starch.rice_bed(rng, disc(round(_PAN * 0.9)), stops), 0, 0, 10)


def _lemons(relief: Relief, rng: random.Random) -> None:
    for x, y, _ in ring(rng.choice((4, 5, 6)), 305, rng.uniform(0, 90)):
        relief.add(fruit.lemon_wedge(rng, rng.uniform(116, 132)), x, y)


def _prawns(relief: Relief, rng: random.Random, count: int, radius: float) -> None:
    for x, y, turn in ring(count, radius, rng.uniform(0, 60)):
        lie = turn + rng.uniform(60, 120)
        relief.add(seafood.prawn(rng, rng.uniform(140, 160), lie), x, y)


def _peppers(relief: Relief, rng: random.Random, count: int, reach: float) -> None:
    def strip() -> Piece:
        return vegetables.strip(rng, rng.uniform(110, 150), 26, vegetables.RED_PEPPER)

    strew(relief, rng, strip, count, (reach, reach * 0.97))


def marinera(relief: Relief, rng: random.Random) -> None:
    """Seafood paella: prawns and mussels in a star, pepper, peas, squid, lemon."""
    _pan(relief, rng, starch.SAFFRON_RICE)
    strew(relief, rng, lambda: vegetables.pea(rng), 56, (320, 310), sink=6)
    strew(
        relief, rng, lambda: vegetables.strip(rng, rng.uniform(40, 60), 17, _SQUID), 26, (300, 290)
    )
    _peppers(relief, rng, 10, 280)
    for x, y, turn in ring(8, 225, rng.uniform(0, 45)):
        lie = turn + rng.uniform(-14, 14)
        relief.add(seafood.mussel(rng, rng.uniform(112, 128), lie), x, y)
    _prawns(relief, rng, 6, 120)
    _lemons(relief, rng)
    relief.add(leaves.parsley(rng, 110), rng.uniform(-30, 30), rng.uniform(-30, 30))


def valenciana(relief: Relief, rng: random.Random) -> None:
    """Chicken, green beans, butter beans, rosemary."""
    _pan(relief, rng, starch.SAFFRON_RICE)
    for make, count, reach, sink in (
        (
            lambda: vegetables.strip(rng, rng.uniform(70, 110), 17, vegetables.GREEN_BEAN),
            26,
            310,
            0,
        ),
        (lambda: vegetables.berry(rng, 18, *_BUTTER_BEAN, squeeze=0.66, gloss=90), 20, 300, 6),
        (lambda: meat.roast(rng, rng.uniform(54, 70)), 10, 270, 12),
    ):
        strew(relief, rng, make, count, (reach, reach * 0.97), sink=sink)
    _peppers(relief, rng, 7, 260)
    _lemons(relief, rng)
    relief.add(leaves.dill(rng, 170), rng.uniform(-60, 60), rng.uniform(-60, 60))


def negro(relief: Relief, rng: random.Random) -> None:
    """Squid ink, prawns, alioli."""
    _pan(relief, rng, starch.BLACK_RICE)
    strew(relief, rng, lambda: seafood.squid_ring(rng, rng.uniform(30, 40)), 12, (280, 270))
    _prawns(relief, rng, 7, 210)
    _peppers(relief, rng, 7, 240)
    outline = round_outline(rng, 74, 70, 0.08, 5)
    mask = silhouette(outline)
    albedo = dye(noise.swatch(mask.size, "broad", rng), *_ALIOLI)
    relief.add(mould(mask, albedo, noise.rough(mound(outline, mask.size), rng, 0.3), 26, 120), 0, 0)
    relief.add(leaves.parsley(rng, 90), 0, -6)
    _lemons(relief, rng)


def cubana(relief: Relief, rng: random.Random) -> None:
    """White rice, tomato sauce, a fried egg, banana."""
    props.surround(relief, rng, props.cutlery, _SIDES)
    vessels.plate(relief, rng, 360, 0.78)
    outline = round_outline(rng, 200, 186, 0.05, 5)
    mask, turn = silhouette(outline), rng.uniform(0, 360)
    bed = starch.rice_bed(rng, mask, starch.WHITE_RICE)
    hill = mould(mask, bed.albedo, noise.rough(mound(outline, mask.size), rng, 0.1), 58, 60)
    relief.add(sauces.sauce(rng, 255, sauces.TOMATO, 9), *polar(turn + 180, 44), 10)
    relief.add(hill, *polar(turn + 180, 55), 12)
    relief.add(bed, *polar(turn + 180, 55), 44)
    relief.add(dairy.fried_egg(rng, 150), *polar(turn, 110, 0.82), 40)
    for k in (-1, 0, 1):
        relief.add(fruit.banana_slice(rng, 42), *polar(turn + 180 + 24 * k, 180), 26)
    strew(relief, rng, lambda: leaves.chopped(rng, 7), 20, (190, 180))


DISHES = above(marinera, valenciana, negro, cubana)
