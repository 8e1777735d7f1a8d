"""From the grill, with chips and peppers."""

import random

from infra.demo.pictures import props, vessels
from infra.demo.pictures.arrange import batch, heap, strew
from infra.demo.pictures.curves import Stops, flat
from infra.demo.pictures.dish import above
from infra.demo.pictures.food import fruit, leaves, meat, vegetables
from infra.demo.pictures.relief import Piece, Relief, mould, tube
from infra.demo.pictures.shapes import Point, Sketch, band, polar, room, spin

_SIDES = (props.glass, props.bread, props.side_bowl, props.herbs, props.tomatoes)
_SALT: Stops = ((240, 238, 232), (255, 255, 252))
_PEPPERS = (vegetables.RED_PEPPER, vegetables.GREEN_PEPPER, vegetables.YELLOW_PEPPER)


def _served(relief: Relief, rng: random.Random) -> None:
    """On a plate, on wood or on slate."""
    props.surround(relief, rng, props.cutlery, _SIDES)
    if rng.random() < 0.62:
        vessels.plate(relief, rng, 370)
    else:
        vessels.board(relief, rng, 760, 560, slate=rng.random() < 0.5)


def _field(turn: float, reach: float) -> Point:
    """A place on the plate: what belongs together lies at one angle."""
    return polar(turn, reach, 0.9)


def _chips(relief: Relief, rng: random.Random, at: Point) -> None:
    sticks = batch(lambda: vegetables.chip(rng, rng.uniform(130, 190), rng.uniform(24, 30)), 14)
    heap(relief, rng, sticks, 46, (125, 115), 18, 46, at, tip=14)


def _greens(relief: Relief, rng: random.Random, at: Point) -> None:
    def leaf() -> Piece:
        kind = rng.choice(("lettuce", "rocket", "spinach"))
        return leaves.leaf(rng, kind, rng.uniform(100, 140))

    strew(relief, rng, leaf, 11, (76, 66), at)
    strew(relief, rng, lambda: vegetables.cherry_tomato(rng), 4, (56, 50), at)


def _padron(relief: Relief, rng: random.Random, at: Point) -> None:
    def pepper() -> Piece:
        return vegetables.grilled_pepper(rng, rng.uniform(110, 140), True)

    strew(relief, rng, pepper, 6, (80, 70), at)


def entrecot(relief: Relief, rng: random.Random) -> None:
    """Steak, chips, Padrón peppers, salt."""
    _served(relief, rng)
    turn = rng.uniform(0, 360)
    _chips(relief, rng, _field(turn, 165))
    _padron(relief, rng, _field(turn + 115, 200))
    relief.add(meat.steak(rng, 400), *_field(turn + 200, 90), 20)
    strew(relief, rng, lambda: fruit.cube(rng, rng.uniform(4, 7), _SALT, 160), 40, (200, 150))
    relief.add(leaves.dill(rng, 150), *_field(turn + 200, 60))


def pollo(relief: Relief, rng: random.Random) -> None:
    """Chicken breast with salad, lemon, and chips or potatoes."""
    _served(relief, rng)
    turn = rng.uniform(0, 360)
    _greens(relief, rng, _field(turn, 215))
    if rng.random() < 0.6:
        _chips(relief, rng, _field(turn + 125, 175))
    else:
        at = _field(turn + 125, 180)
        strew(relief, rng, lambda: vegetables.potato(rng, rng.uniform(44, 56)), 12, (110, 90), at)
    relief.add(meat.chicken_breast(rng, 330), *_field(turn + 190, 110), 22)
    relief.add(meat.chicken_breast(rng, 330), *_field(turn + 235, 110), 40)
    relief.add(fruit.lemon_wedge(rng, 130), *_field(turn + 60, 210))
    strew(relief, rng, lambda: leaves.chopped(rng, 7), 24, (170, 150), _field(turn + 210, 100))


def salchichas(relief: Relief, rng: random.Random) -> None:
    """Sausages and chorizo with roast peppers."""
    _served(relief, rng)
    turn, lie = rng.uniform(0, 360), rng.uniform(-50, 50)
    _chips(relief, rng, _field(turn, 185))

    def pepper() -> Piece:
        return vegetables.grilled_pepper(rng, rng.uniform(150, 180), rng.random() < 0.5)

    strew(relief, rng, pepper, 5, (90, 70), _field(turn + 110, 200))
    middle = _field(turn + 215, 70)
    for i, stops in enumerate((meat.SAUSAGE, meat.CHORIZO) * 2):
        at = spin([(0, (i - 1.5) * 62)], lie, *middle)[0]
        way = lie + rng.uniform(-6, 6)
        relief.add(meat.sausage(rng, rng.uniform(270, 300), 58, stops, way), *at, 20)
    strew(relief, rng, lambda: leaves.chopped(rng, 7), 20, (200, 150))


def pinchos(relief: Relief, rng: random.Random) -> None:
    """Pork, pepper and onion on skewers."""
    _served(relief, rng)
    turn, lie = rng.uniform(0, 360), rng.uniform(-30, 30)
    _greens(relief, rng, _field(turn, 215))
    _chips(relief, rng, _field(turn + 180, 190))
    for i in (-1, 0, 1):
        at = spin([(0, i * 106)], lie)[0]
        _skewer(relief, rng, at, lie + rng.uniform(-5, 5))
    relief.add(fruit.lemon_wedge(rng, 130), *_field(turn + 90, 250))


def _skewer(relief: Relief, rng: random.Random, at: Point, lie: float) -> None:
    spine, widths = spin([(-300, 0), (0, 0), (290, 0)], lie), (7.0, 7.0, 6.0)
    size = room(spine, 8)
    stick = Sketch(size).fill(band(spine, widths), 255).done()
    wood = flat(size, (206, 164, 104))
    relief.add(mould(stick, wood, tube(spine, widths, size), 6, 40), *at, 34)
    for k in range(-3, 4):
        place = spin([(k * 66, rng.uniform(-4, 4))], lie, *at)[0]
        pepper = k % 3 == 1
        stops = rng.choice(_PEPPERS) if pepper else meat.PORK
        edge = rng.uniform(62, 72) if pepper else rng.uniform(72, 82)
        relief.add(meat.meat_cube(rng, edge, stops), *place, 30)


DISHES = above(entrecot, pollo, salchichas, pinchos)
