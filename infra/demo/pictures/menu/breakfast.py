"""Breakfast: toast with tomato, croissants, eggs, churros; and a cup beside it."""

import random

from PIL import Image

from infra.demo.pictures import noise, props, vessels
from infra.demo.pictures.arrange import strew
from infra.demo.pictures.curves import Stops, dye
from infra.demo.pictures.dish import above
from infra.demo.pictures.food import bakery, dairy, drinks, leaves, meat, vegetables
from infra.demo.pictures.relief import Piece, Relief, dome, mould
from infra.demo.pictures.shapes import Points, polar, silhouette, spin

_OIL: Stops = ((190, 150, 30), (214, 176, 60))
_PULP: Stops = ((150, 30, 12), (208, 66, 34), (236, 128, 84))


def _coffee(relief: Relief, rng: random.Random, x: float, y: float) -> None:
    vessels.cup(relief, rng, drinks.coffee(rng), 98, 104, (x, y))


def _chocolate(relief: Relief, rng: random.Random, x: float, y: float) -> None:
    vessels.cup(relief, rng, drinks.chocolate(rng), 104, 104, (x * 0.98, y))


def _laid(relief: Relief, rng: random.Random, drink: props.Prop, board: float) -> None:
    """Cutlery, the drink, and a plate; as often as `board` (0..1) a board instead."""
    props.surround(relief, rng, props.cutlery, (drink,))
    if rng.random() < board:
        vessels.board(relief, rng, 640, 500, slate=False)
    else:
        vessels.plate(relief, rng, 325)


def tostada(relief: Relief, rng: random.Random) -> None:
    """Toast with grated tomato and oil, mostly with ham."""
    _laid(relief, rng, _coffee, 0.4)
    turn, cured = rng.uniform(-24, 24), rng.random() < 0.7
    for side in (-1, 1):
        outline = bakery.roll_outline(rng, 430, 200)
        x, y = spin([(rng.uniform(-20, 20), side * 116)], turn)[0]
        relief.add(bakery.slice_of_bread(rng, outline, 0.55, -turn), x, y, 22)
        relief.add(_tomato(rng, outline, -turn), x, y, 40)
        if cured and side > 0:
            for k in range(-2, 3):
                at = spin([(70 * k, rng.uniform(-16, 16))], turn, x, y)[0]
                relief.add(meat.ham(rng, rng.uniform(150, 190)), *at, 52)
    strew(
        relief,
        rng,
        lambda: vegetables.berry(rng, rng.uniform(4, 9), *_OIL, gloss=230),
        10,
        (170, 130),
    )
    strew(relief, rng, lambda: leaves.chopped(rng, 6), 16, (190, 170))


def _tomato(rng: random.Random, outline: Points, angle: float) -> Piece:
    """Wet pulp that stops short of the crust."""
    edge = [(x * rng.uniform(0.84, 0.93), y * rng.uniform(0.76, 0.88)) for x, y in outline]
    mask = silhouette(edge)
    pulp = noise.swatch(mask.size, "soft", rng)
    albedo = dye(Image.blend(pulp, noise.swatch(mask.size, "fine", rng), 0.35), *_PULP)
    height = noise.rough(noise.rough(dome(mask, 14), rng, 0.4), rng, 0.3, "fine")
    return mould(mask, albedo, height, 14, 170, angle)


def croissants(relief: Relief, rng: random.Random) -> None:
    """Two croissants and their crumbs."""
    _laid(relief, rng, _coffee, 0.3)
    turn = rng.uniform(0, 360)
    for side in (0, 180):
        at = polar(turn + side, 128)
        bakery.croissant(relief, rng, at, 330, rng.uniform(0, 360))
    strew(relief, rng, lambda: dairy.shaving(rng, rng.uniform(9, 18), bakery.CRUST), 20, (240, 220))


def huevos(relief: Relief, rng: random.Random) -> None:
    """Fried eggs, bacon, toast, tomatoes."""
    _laid(relief, rng, _coffee, 0.0)
    turn, lie = rng.uniform(0, 360), rng.uniform(-40, 40)
    for k in range(2):
        outline = bakery.tin_loaf_outline(170)
        slice_ = bakery.slice_of_bread(rng, outline, 0.8, rng.uniform(-40, 40))
        relief.add(slice_, *polar(turn + 200 + 26 * k, 150), 18 + 16 * k)
    for k in (-1, 0, 1):
        at = spin([(0, k * 46)], lie, *polar(turn + 110, 130))[0]
        relief.add(meat.rasher(rng, rng.uniform(240, 270), 50, lie + rng.uniform(-6, 6)), *at, 18)
    for k in (-1, 1):
        relief.add(dairy.fried_egg(rng, rng.uniform(118, 130)), *polar(turn - 18 + k * 44, 120), 26)
    tomatoes, eggs = polar(turn + 160, 190), polar(turn - 18, 120)
    strew(relief, rng, lambda: vegetables.cherry_tomato(rng), 5, (60, 56), tomatoes)
    strew(relief, rng, lambda: vegetables.peppercorn(rng), 60, (140, 130), eggs)
    strew(relief, rng, lambda: leaves.chopped(rng, 6), 14, (140, 130), eggs)


def churros(relief: Relief, rng: random.Random) -> None:
    """With thick chocolate."""
    _laid(relief, rng, _chocolate, 0.15)
    turn = rng.uniform(-30, 30)
    for i in range(9):
        lie = turn + rng.uniform(-20, 20) + (58 if i > 5 else 0)
        x, y = spin([(rng.uniform(-30, 30), -100 + 40 * (i % 6))], turn)[0]
        stick = bakery.churro(rng, rng.uniform(290, 340), lie, rng.uniform(-0.1, 0.16))
        relief.add(stick, x, y, 18 + 6 * i)


DISHES = above(tostada, croissants, huevos, churros)
