"""Cake and flan, seen from the front."""

import random
from dataclasses import dataclass
from itertools import pairwise

from PIL import Image, ImageChops

from infra.demo.pictures import noise
from infra.demo.pictures.curves import WHITE, Colour, Stops, dye, gain, mix, ramp
from infra.demo.pictures.food import sauces
from infra.demo.pictures.relief import Piece, dome, mould, mound, tube
from infra.demo.pictures.shapes import (
    Point,
    Sketch,
    band,
    centred,
    polar,
    room,
    round_outline,
    silhouette,
    spin,
)

_CINNAMON: Stops = ((84, 40, 18), (136, 74, 36), (176, 110, 62))
_FLAN: Stops = ((216, 150, 50), (244, 206, 112), (250, 226, 150))
_SOOT: Colour = (40, 20, 10)


@dataclass(frozen=True, slots=True)
class Cake:
    """Layers from the bottom: each reaches up to a share of the height, in one colour."""

    layers: tuple[tuple[float, Colour], ...]
    icing: Colour
    crumb: float  # how coarse its cut face is, in pixels of depth


_SPONGE: Colour = (240, 206, 130)
_COCOA: Colour = (78, 42, 26)
_GANACHE: Colour = (150, 100, 70)
_CARROT: Colour = (190, 120, 54)
CAKES: dict[str, Cake] = {
    "cheese": Cake(((0.14, (176, 116, 58)), (1, (250, 234, 190))), (252, 238, 200), 16),
    "chocolate": Cake(
        ((0.3, _COCOA), (0.36, _GANACHE), (0.64, _COCOA), (0.7, _GANACHE), (1, _COCOA)),
        (64, 32, 20),
        30,
    ),
    "carrot": Cake(((0.44, _CARROT), (0.54, (252, 244, 226)), (1, _CARROT)), (253, 247, 232), 30),
    "cream": Cake(
        (
            (0.28, _SPONGE),
            (0.4, (254, 248, 236)),
            (0.66, _SPONGE),
            (0.76, (206, 50, 60)),
            (1, _SPONGE),
        ),
        (255, 250, 240),
        30,
    ),
}


@dataclass(frozen=True, slots=True)
class Wedge:
    """A slice standing: the three corners of its foot, and its height."""

    tip: Point
    near: Point
    far: Point
    tall: float

    def raised(self, share: float) -> tuple[Point, Point, Point]:
        """Its corners at a share of its height."""
        tip, near, far = ((x, y - self.tall * share) for x, y in (self.tip, self.near, self.far))
        return tip, near, far

    @property
    def crown(self) -> Point:
        """The place on top where a decoration goes, nearer to the broad end than the middle."""
        tip, near, far = self.raised(1)
        x, y = ((t + 1.4 * n + 1.4 * f) / 3.8 for t, n, f in zip(tip, near, far, strict=True))
        return x, y


def cake_faces(rng: random.Random, cake: Cake, wedge: Wedge) -> tuple[Piece, Piece, Piece]:
    """The outer side, the cut side with its layers, and the top, to be laid in this order."""
    foot, top = wedge.raised(0), wedge.raised(1)
    size = room([*foot, *top], 8)
    return (
        _outer_side(rng, cake, wedge, size),
        _cut_side(rng, cake, wedge, size),
        _top(rng, cake, wedge, size),
    )


def _outer_side(rng: random.Random, cake: Cake, wedge: Wedge, size: tuple[int, int]) -> Piece:
    (_, near, far), (_, near_up, far_up) = wedge.raised(0), wedge.raised(1)
    mask = Sketch(size, fine=2).fill([near, far, far_up, near_up], 255).done()
    dark, pale = mix(cake.icing, _SOOT, 0.42), mix(cake.icing, _SOOT, 0.26)
    albedo = dye(noise.swatch(size, "soft", rng), dark, pale)
    return mould(mask, albedo, dome(mask, 5), 8, 60).shallow(0.2)


def _cut_side(rng: random.Random, cake: Cake, wedge: Wedge, size: tuple[int, int]) -> Piece:
    (tip, near, _), (tip_up, near_up, _) = wedge.raised(0), wedge.raised(1)
    mask = Sketch(size, fine=2).fill([tip, near, near_up, tip_up], 255).done()
    picture = Sketch(size, "RGB", cake.icing, fine=2)
    bounds = pairwise((0.0, *(high for high, _ in cake.layers)))
    strips = [(*span, colour) for span, (_, colour) in zip(bounds, cake.layers, strict=True)]
    for low, high, colour in (*strips, (0.93, 1.0, cake.icing)):
        (a, b, _), (c, d, _) = wedge.raised(low), wedge.raised(high)
        wave = rng.uniform(-3, 3)
        picture.fill([a, b, (d[0], d[1] + wave), (c[0], c[1] - wave)], colour)
    fine, soft = (noise.swatch(size, grit, rng) for grit in ("fine", "soft"))
    crumb = Image.blend(fine, soft, 0.4)
    shade = dye(crumb, (176, 168, 160), (232, 228, 222), WHITE)
    albedo = ImageChops.multiply(picture.done(1.2), shade)
    height = ImageChops.multiply(crumb.point(gain(0.35, 165)), dome(mask, 4))
    return mould(mask, albedo, height, cake.crumb, 30).shallow(0.2)


def _top(rng: random.Random, cake: Cake, wedge: Wedge, size: tuple[int, int]) -> Piece:
    lid = list(wedge.raised(1))
    mask = Sketch(size, fine=2).fill(lid, 255).line([*lid, lid[0]], 255, 10).done()
    shade, glow = mix(cake.icing, (60, 40, 20), 0.14), mix(cake.icing, WHITE, 0.3)
    albedo = dye(noise.swatch(size, "broad", rng), shade, cake.icing, glow)
    height = noise.rough(dome(mask, 9), rng, 0.12)
    return mould(mask, albedo, height, 16, 110).shallow(0.3)


def drip(rng: random.Random, length: float, stops: Stops) -> Piece:
    """Sauce that has run down a side."""
    outline, _ = centred(band([(0, 0), (2, length)], [30, 22, 26]))
    mask = silhouette(outline)
    albedo = dye(noise.swatch(mask.size, "soft", rng), *stops)
    return mould(mask, albedo, mound(outline, mask.size, 8), 14, 190).shallow(0.3)


def flan(rng: random.Random, top: float, foot: float, tall: float) -> tuple[Piece, Piece]:
    """Body and caramel lid of a turned-out flan; half widths and height."""
    upper = [(x, y * 0.26 - tall / 2) for x, y in (polar(180 + 7.5 * i, top) for i in range(25))]
    lower = [(x, y * 0.26 + tall / 2) for x, y in (polar(7.5 * i, foot) for i in range(25))]
    mask = silhouette([*upper, *lower], 8)
    size = mask.size
    fall = Image.linear_gradient("L").resize(size)
    albedo = dye(Image.blend(fall, noise.swatch(size, "broad", rng), 0.2), *_FLAN)
    holes = noise.swatch(size, "fine", rng).point(ramp(226, 250)).point(gain(0.3))
    albedo.paste((206, 150, 70), (0, 0), holes)
    runs = Sketch(size, fine=2)
    for k in range(-3, 4):
        x, length = polar(90 - 26 * k, top * 0.92)[0], rng.uniform(30, 150)
        way = [
            (x, -tall / 2 - 20),
            (x * 1.06, length * 0.6 - tall / 2),
            (x * 1.12, length - tall / 2),
        ]
        runs.fill(band(way, [46, 30, 24]), 255)
    syrup = runs.done(3)
    albedo.paste(
        dye(noise.swatch(size, "broad", rng), *sauces.CARAMEL), (0, 0), syrup.point(gain(0.85))
    )
    round_body = tube([(0, -tall), (0, tall)], [2 * top, top + foot, 2 * foot], size, 20)
    height = ImageChops.add(round_body, syrup.point(gain(0.06)))
    body = mould(mask, albedo, height, foot * 1.2, syrup.point(gain(0.3, 90))).shallow(0.1)
    return body, _caramel(rng, top)


def _caramel(rng: random.Random, half: float) -> Piece:
    mask = silhouette(round_outline(rng, half * 0.99, half * 0.27, 0.01, 4))
    albedo = dye(noise.swatch(mask.size, "broad", rng), *sauces.CARAMEL)
    return mould(mask, albedo, noise.rough(dome(mask, 9), rng, 0.2), 16, 170).shallow(0.3)


def cinnamon(rng: random.Random, turn: float) -> Piece:
    """A stick of it."""
    spine, widths = spin([(-120, 0), (0, 0), (120, 0)], turn), (28.0, 29.0, 27.0)
    mask = silhouette(band(spine, widths))
    seam = Sketch(mask.size, fine=2).line(spine, 130, 5).done(1.4)
    height = ImageChops.subtract(tube(spine, widths, mask.size), seam)
    return mould(mask, dye(noise.swatch(mask.size, "soft", rng), *_CINNAMON), height, 15, 50)
