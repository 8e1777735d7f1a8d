"""Coffee, tea and chocolate, and the steam over them."""

import random

from PIL import Image, ImageChops

from infra.demo.pictures import noise, props, vessels
from infra.demo.pictures.arrange import ring, strew
from infra.demo.pictures.curves import Stops, dye
from infra.demo.pictures.dish import above
from infra.demo.pictures.food import bakery, dairy, drinks, fruit, leaves
from infra.demo.pictures.relief import Piece, Relief, sphere
from infra.demo.pictures.shapes import Point, Sketch, path, polar

_SUGARS: tuple[Stops, ...] = (
    ((226, 222, 214), (252, 250, 246)),
    ((150, 100, 50), (196, 146, 84)),
)
_BEAN: Stops = ((36, 18, 8), (74, 40, 20), (112, 68, 38))


def _served(relief: Relief, rng: random.Random, face: Image.Image, radius: int) -> int:
    """The cup and what lies round it; answers the height the drink stands at."""
    places, extras = props.corners(relief), (_biscuits, _sugar, _beans, props.glass)
    rng.shuffle(places)
    for extra, place in zip(rng.sample(extras, rng.randint(2, 3)), places, strict=False):
        extra(relief, rng, *place)
    if rng.random() < 0.6:
        cloth = props.napkin(rng, 760, 560, rng.uniform(0, 180))
        relief.add(cloth, rng.uniform(-40, 40), rng.uniform(-30, 30), 0)
    depth, lie = round(radius * 0.72), rng.uniform(0, 360)
    vessels.cup(relief, rng, face, radius, depth)
    spoon = props.spoon(rng, 330, 90 - lie + rng.uniform(-20, 20))
    relief.add(spoon, *polar(lie, radius * 1.32), 24)
    if rng.random() < 0.8:
        _steam(relief, rng)
    return vessels.cup_level(depth)


def _steam(relief: Relief, rng: random.Random) -> None:
    """Three wisps, added once the light is set."""
    (w, h), (x, y) = relief.size, relief.origin
    wisps = Sketch((w // 4, h // 4), fine=1)
    for _ in range(3):
        foot = (x - w / 2) / 4 + rng.uniform(-18, 18)
        drift: list[Point] = [(foot, (y - h / 2) / 4)]
        drift += [(foot + rng.uniform(-14, 14) * k, drift[0][1] - 26 * k) for k in range(1, 5)]
        wisps.line(path(drift, 30), rng.randint(60, 110), rng.uniform(5, 10))
    veil = wisps.done(7)

    def touch(picture: Image.Image) -> Image.Image:
        haze = veil.resize(picture.size, Image.Resampling.BICUBIC)
        return ImageChops.screen(picture, Image.merge("RGB", (haze, haze, haze)))

    relief.touches.append(touch)


def _biscuits(relief: Relief, rng: random.Random, x: float, y: float) -> None:
    for k in range(rng.randint(2, 3)):
        relief.add(bakery.biscuit(rng, 78), x + 50 * k - 40, y + 36 * k - 30, 4 + 9 * k)


def _sugar(relief: Relief, rng: random.Random, x: float, y: float) -> None:
    for _ in range(rng.randint(2, 4)):
        lump = fruit.cube(rng, 58, rng.choice(_SUGARS), 40)
        relief.add(lump, x + rng.uniform(-70, 70), y + rng.uniform(-60, 60))


def _beans(relief: Relief, rng: random.Random, x: float, y: float) -> None:
    strew(relief, rng, lambda: _bean(rng), 26, (150, 120), (x, y))


def _bean(rng: random.Random) -> Piece:
    bean = sphere(20, 14, dye(noise.swatch((40, 40), "soft", rng), *_BEAN), 130, 0.7)
    cleft = path([(-18, 1), (-6, -2), (6, 2), (18, -1)], 12)
    bean.albedo.paste((18, 8, 4), (0, 0), Sketch(bean.size).line(cleft, 220, 2.4).done())
    return bean.rolled(rng.uniform(0, 360))


def con_leche(relief: Relief, rng: random.Random) -> None:
    """Coffee with milk, drawn upon."""
    _served(relief, rng, drinks.latte(rng), 215)


def solo(relief: Relief, rng: random.Random) -> None:
    """Espresso."""
    _served(relief, rng, drinks.espresso(rng), 165)


def capuchino(relief: Relief, rng: random.Random) -> None:
    """Cappuccino with cocoa."""
    _served(relief, rng, drinks.cappuccino(rng), 215)


def te(relief: Relief, rng: random.Random) -> None:
    """Tea with lemon or mint."""
    level = _served(relief, rng, drinks.tea(rng), 220)
    if rng.random() < 0.6:
        wheel = fruit.citrus_slice(rng, 84, "lemon")
        relief.add(wheel, rng.uniform(-60, 60), rng.uniform(-50, 50), level)
        return
    for x, y, _ in ring(3, 50, rng.uniform(0, 120)):
        relief.add(leaves.leaf(rng, "mint", rng.uniform(90, 120)), x, y, level)


def chocolate(relief: Relief, rng: random.Random) -> None:
    """Hot chocolate with cream and shavings."""
    level = _served(relief, rng, drinks.chocolate(rng), 205)
    for x, y, _ in ring(6, 46):
        relief.add(dairy.whipped(rng, 42), x, y, level - 14)
    relief.add(dairy.whipped(rng, 48), 0, 0, level + 8)
    strew(
        relief, rng, lambda: dairy.shaving(rng, rng.uniform(26, 44), dairy.CHOCOLATE), 14, (70, 66)
    )


DISHES = above(con_leche, solo, te, capuchino, chocolate)
