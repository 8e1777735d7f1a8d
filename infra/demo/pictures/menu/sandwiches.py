"""Sandwiches, seen from the front because their layers are the point."""

import random
from collections.abc import Sequence

from infra.demo.pictures import side_view
from infra.demo.pictures.arrange import batch
from infra.demo.pictures.curves import Stops, flat
from infra.demo.pictures.dish import front
from infra.demo.pictures.food import layers, vegetables
from infra.demo.pictures.food.layers import Layer
from infra.demo.pictures.relief import Relief, mould
from infra.demo.pictures.shapes import Sketch

_SESAME: Stops = ((214, 184, 124), (248, 230, 184))


def _stacked(
    relief: Relief, rng: random.Random, filling: Sequence[Layer], x: float, y: float, width: float
) -> float:
    """Layers from the bottom up; answers where the next would lie."""
    for layer in filling:
        y -= layer(relief, rng, x, y, width)
    return y


def _bocadillo(relief: Relief, rng: random.Random, filling: Sequence[Layer]) -> None:
    """In half a baguette."""
    side_view.stand(relief, rng, 860)
    width, low, high = rng.uniform(660, 730), 86, 120 * rng.uniform(0.92, 1.1)
    side_view.shadow(relief, 0, -6, width * 0.56, 30)
    relief.add(layers.half_loaf(rng, (width, low), 2.7, upper=False), 0, -low * 0.5, 4)
    y = _stacked(relief, rng, filling, 0, -low * 0.86, width * 0.97)
    cuts, flour = rng.randint(3, 4), 0.5 * rng.random()
    lid = layers.half_loaf(rng, (width * 1.02, high), 2.7, True, cuts, flour)
    relief.add(lid, 0, y - high * 0.42, 10)
    side_view.trimmings(relief, rng)


def serrano(relief: Relief, rng: random.Random) -> None:
    """Ham, cheese, tomato."""
    green = [layers.lettuce] if rng.random() < 0.5 else []
    _bocadillo(relief, rng, [*green, layers.TOMATO, layers.cheese, layers.SERRANO])


def tortilla(relief: Relief, rng: random.Random) -> None:
    """Potato omelette."""
    under = rng.choice(([], [layers.TOMATO], [layers.lettuce]))
    _bocadillo(relief, rng, [*under, layers.OMELETTE])


def calamares(relief: Relief, rng: random.Random) -> None:
    """The one of Madrid."""
    _bocadillo(relief, rng, [layers.lettuce, layers.squid])


def vegetal(relief: Relief, rng: random.Random) -> None:
    """Lettuce, tomato, tuna, egg, onion."""
    filling = [layers.lettuce, layers.TOMATO, layers.tuna, layers.EGG, layers.ONION]
    _bocadillo(relief, rng, filling)


def hamburguesa(relief: Relief, rng: random.Random) -> None:
    """Beef or crispy chicken, or beef twice, in a sesame bun, with chips."""
    side_view.stand(relief, rng, 760)
    width, low, high = rng.uniform(430, 470), 84, 176
    filling = [layers.lettuce, layers.TOMATO, rng.choice((layers.BEEF, layers.CRISPY))]
    filling += [layers.cheese, layers.ONION, layers.CUCUMBER]
    if rng.random() < 0.4:
        twice = [layers.BEEF, layers.cheese]
        filling = [layers.lettuce, *twice, layers.TOMATO, *twice]
    side_view.shadow(relief, 0, -6, width * 0.56, 30)
    relief.add(layers.half_loaf(rng, (width, low), 2.25, upper=False), 0, -low * 0.5, 4)
    y = _stacked(relief, rng, filling, 0, -low * 0.86, width * 0.97)
    relief.add(
        layers.half_loaf(rng, (width * 1.02, high), 2.25, upper=True), 0, y - high * 0.42, 10
    )
    _sesame(relief, rng, y - high * 0.34, width, high)
    side_view.chips(relief, rng, rng.choice((-1, 1)) * 330)


def _sesame(relief: Relief, rng: random.Random, y: float, width: float, height: float) -> None:
    seeds = batch(lambda: vegetables.berry(rng, 6, *_SESAME, squeeze=0.58, gloss=60), 6)
    for _ in range(70):
        u, v = rng.uniform(-1, 1), rng.uniform(-1, 0.1)
        if u * u + v * v < 0.86:
            relief.add(rng.choice(seeds), u * width * 0.46, y + v * height * 0.5, 20)


def club(relief: Relief, rng: random.Random) -> None:
    """Three slices of toast, two floors, two halves held by picks."""
    side_view.stand(relief, rng, 860)
    low = [layers.toast, layers.lettuce, layers.TOMATO, layers.YORK]
    for x, extra in ((-188, layers.EGG), (188, layers.CRISPY)):
        side_view.shadow(relief, x, -6, 190, 26)
        high = [layers.toast, layers.cheese, extra, layers.lettuce, layers.toast]
        y = _stacked(relief, rng, [*low, *high], x, -16, 330)
        stick = Sketch((16, 120)).line([(0, -58), (0, 58)], 255, 5).done()
        pick = mould(stick, flat(stick.size, (214, 176, 116)), stick, 5, 40)
        relief.add(pick.shallow(0.4), x, y - 20, 8)
        relief.add(vegetables.olive(rng, 24, True), x, y - 64, 8)
    side_view.trimmings(relief, rng)


DISHES = front(serrano, hamburguesa, tortilla, club, calamares, vegetal)
