"""Cold drinks in a tall glass, with the fruit they taste of."""

import random

from infra.demo.pictures import side_view
from infra.demo.pictures.curves import flat, gain
from infra.demo.pictures.dish import front
from infra.demo.pictures.food import fruit, leaves
from infra.demo.pictures.relief import Relief
from infra.demo.pictures.shapes import Sketch
from infra.demo.pictures.tumbler import Drink, Tumbler, pour

_ORANGE = Drink(((252, 172, 30), (246, 140, 14), (236, 112, 8)), 0.97, ice=2, head=0.03)
_COLA = Drink(((120, 52, 20), (58, 22, 10), (26, 10, 6)), 0.95, ice=5, head=0.035, bubbles=60)
_LEMONADE = Drink(((250, 240, 176), (244, 232, 150), (236, 222, 128)), 0.66, ice=5, bubbles=30)
_TEA = Drink(((222, 132, 40), (186, 88, 20), (140, 54, 10)), 0.82, ice=5)
_STRAWBERRY = Drink(((240, 130, 140), (226, 92, 108), (206, 66, 88)), 1.0, head=0.05)
_WATER = Drink(((228, 240, 242), (214, 230, 234), (200, 220, 226)), 0.34, ice=5, bubbles=90)


def _served(
    relief: Relief, rng: random.Random, drink: Drink, citrus: str = "", mint: bool = False
) -> None:
    """Shadow and coloured light on the table, the glass, the fruit on its rim and round it."""
    # A glass is tall: its foot stands nearer than a plate would.
    relief.origin = (relief.origin[0], relief.size[1] * rng.uniform(0.86, 0.9))
    glass = Tumbler.any(rng)
    side_view.shadow(relief, 24, 8, glass.foot * 1.3, glass.foot * 0.3, 0.7)
    light = Sketch((520, 130), fine=1).oval(30, 0, 150, 22, 255).done(16).point(gain(0.5))
    relief.stain(flat(light.size, drink.paler(0.25)), light, glass.foot * 1.2, 16)
    _beside(relief, rng, citrus, glass, behind=True)
    pour(relief, rng, drink, glass)
    if citrus:
        wheel = fruit.citrus_slice(rng, 66, citrus).shallow(0.15)
        relief.add(wheel, -glass.top * 0.86, -glass.height - 6, 4)
    if mint:
        for k in range(-3, 3):
            sprig = leaves.leaf(rng, "mint", rng.uniform(64, 92), 34 * k - 73).shallow(0.2)
            relief.add(sprig, 15 * k + 7, -glass.height - 37 + 6 * abs(k + 0.5), 6)
    _beside(relief, rng, citrus, glass, behind=False)


def _beside(relief: Relief, rng: random.Random, citrus: str, glass: Tumbler, behind: bool) -> None:
    """Fruit on the table: whole, behind the glass; whole and cut, before it."""
    side, y = (-1, -26.0) if behind else (1, 30.0)
    x = side * (glass.top + rng.uniform(110, 170))
    if citrus:
        radius = 92 if citrus == "orange" else 64
        whole = fruit.whole_citrus(rng, citrus, radius)
        side_view.put(relief, whole, x, y, (radius * 0.9, radius * 0.9))
        if not behind:
            cut = fruit.citrus_slice(rng, radius * 0.94, citrus)
            at = (x + radius * 1.1, y + radius * 0.35)
            side_view.put(relief, cut, *at, (radius * 0.8, radius * 0.8))
        return
    for _ in range(4):
        at = (x + rng.uniform(-70, 70), y + rng.uniform(-6, 26))
        side_view.put(relief, fruit.whole_strawberry(rng, rng.uniform(74, 90)), *at, (34, 32))


def zumo(relief: Relief, rng: random.Random) -> None:
    """Orange juice."""
    _served(relief, rng, _ORANGE, "orange")


def cola(relief: Relief, rng: random.Random) -> None:
    """With ice and lemon."""
    _served(relief, rng, _COLA, "lemon")


def limonada(relief: Relief, rng: random.Random) -> None:
    """Cloudy, with mint."""
    _served(relief, rng, _LEMONADE, "lemon", mint=True)


def te_helado(relief: Relief, rng: random.Random) -> None:
    """Iced tea."""
    _served(relief, rng, _TEA, "lemon", mint=True)


def batido(relief: Relief, rng: random.Random) -> None:
    """Strawberry shake."""
    _served(relief, rng, _STRAWBERRY, mint=True)


def agua(relief: Relief, rng: random.Random) -> None:
    """Sparkling water with lime."""
    _served(relief, rng, _WATER, "lime")


DISHES = front(zumo, cola, limonada, te_helado, batido, agua)
