"""A tall glass with a drink in it, seen from the front and seen through."""

import math
import random
from dataclasses import dataclass, field

from PIL import Image, ImageChops, ImageFilter

from infra.demo.pictures import noise
from infra.demo.pictures.curves import WHITE, Colour, Size, Stops, clip, dye, gain, mix
from infra.demo.pictures.relief import Relief
from infra.demo.pictures.shapes import Point, Points, Sketch, box_outline, scaled, spin

_ROUND = 0.17
"""An ellipse's height over its width, at the angle a glass is looked at."""
_BASE = 34
"""Pixels of solid glass under the drink."""
_WALL = 9
_STRIPES: tuple[Colour, ...] = ((196, 46, 40), (44, 110, 120))


@dataclass(frozen=True, slots=True)
class Drink:
    """How a drink looks: its colours from top to bottom, and how little is seen through it."""

    colours: Stops
    opacity: float
    ice: int = 0
    head: float = 0.0  # height of the foam, as a share of the glass
    bubbles: int = 0

    def paler(self, share: float) -> Colour:
        """The colour of its top, mixed with light."""
        return mix(self.colours[0], WHITE, share)


@dataclass(frozen=True, slots=True)
class Tumbler:
    """The outline of a glass, its foot at (0, 0) and up negative; half widths and height."""

    top: float
    foot: float
    height: float

    @classmethod
    def any(cls, rng: random.Random) -> "Tumbler":
        """A long-drink glass."""
        return cls(rng.uniform(126, 142), rng.uniform(96, 112), rng.uniform(430, 470))

    def half(self, y: float) -> float:
        """Half its width at height `y`."""
        return self.foot + (self.top - self.foot) * min(1.0, max(0.0, -y / self.height))

    def front(self, y: float, inset: float, margin: float = 0.0) -> list[Point]:
        """The near half of the ellipse at height `y`, from right to left."""
        return _ellipse(self.half(y) - inset, y, margin, math.pi - margin)

    def between(self, high: float, low: float, inset: float = 0.0) -> list[Point]:
        """The region between two heights, with the round of the glass at both ends."""
        back = _ellipse(self.half(high) - inset, high, math.pi, math.tau)
        return [*back, *self.front(low, inset)]

    def edge(self, side: float, high: float, low: float, inset: float) -> list[Point]:
        """A line down one side (-1 left, 1 right)."""
        return [(side * (self.half(y) - inset), y) for y in (high, low)]


def _ellipse(half: float, y: float, start: float, end: float) -> list[Point]:
    turns = [start + (end - start) * i / 24 for i in range(25)]
    return [(half * math.cos(t), y + half * _ROUND * math.sin(t)) for t in turns]


@dataclass(slots=True)
class _Canvas:
    """The part of the scene the glass covers; (0, 0) is the glass's foot."""

    picture: Image.Image
    lift: float
    size: Size = field(init=False)

    def __post_init__(self) -> None:
        self.size = self.picture.size

    def sketch(self) -> Sketch:
        return Sketch(self.size, fine=2, lift=self.lift)

    def filled(self, points: Points, blur: float = 0.0) -> Image.Image:
        return self.sketch().fill(points, 255).done(blur)

    def paint(self, colour: Colour | Image.Image, mask: Image.Image, share: float = 1.0) -> None:
        self.picture.paste(colour, (0, 0), mask.point(gain(round(share, 3))))


def pour(relief: Relief, rng: random.Random, drink: Drink, glass: Tumbler) -> None:
    """Draw the full glass at the origin, straw and all.

    It goes into the colours of the scene with its own light in it: glass is all reflections,
    and a relief has none.
    """
    w, h = round(glass.top * 2) + 60, round(glass.height * 1.5)
    lift = glass.height / 2
    left, up = round(relief.origin[0] - w / 2), round(relief.origin[1] - lift - h / 2)
    canvas = _Canvas(relief.albedo.crop((left, up, left + w, up + h)), lift)
    level = -glass.height * rng.uniform(0.80, 0.86)
    straw = _Straw.any(rng, glass, level)
    _see_through(canvas, glass)
    _fill(canvas, rng, drink, glass, level)
    straw.draw(canvas, below=True, share=max(0.0, 0.75 - drink.opacity * 0.7))
    _ice(canvas, rng, drink, glass, level)
    _surface(canvas, rng, drink, glass, level)
    _bubbles(canvas, rng, drink, glass, level)
    straw.draw(canvas, below=False, share=1.0)
    _glassware(canvas, glass)
    _dew(canvas, rng, glass)
    relief.albedo.paste(canvas.picture, (left, up))


def _see_through(canvas: _Canvas, glass: Tumbler) -> None:
    """An empty glass turns what is behind it round."""
    behind = canvas.picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    seen = behind.filter(ImageFilter.GaussianBlur(7)).point(gain(0.94, 6) * 3)
    canvas.paint(seen, canvas.filled(glass.between(-glass.height, 0)))


def _fill(canvas: _Canvas, rng: random.Random, drink: Drink, glass: Tumbler, level: float) -> None:
    w, h = canvas.size
    fall = Image.linear_gradient("L").resize((w, round(glass.height)))
    tone = Image.new("L", canvas.size, 255)
    tone.paste(fall, (0, round(h / 2 + canvas.lift + level)))
    tone = Image.blend(tone, noise.swatch(canvas.size, "broad", rng), 0.12)
    shade = _across(canvas.size, glass.top * 2)
    body = ImageChops.multiply(dye(tone, *drink.colours), Image.merge("RGB", (shade,) * 3))
    canvas.paint(body, canvas.filled(glass.between(level, -_BASE, _WALL)), drink.opacity)


def _across(size: Size, width: float) -> Image.Image:
    """Dark at both sides, lightest left of the middle: how a full glass is shaded."""
    row = []
    for i in range(128):
        u = (i / 127 * 2 - 1) * size[0] / width
        edge = 1 - 0.62 * min(1.0, abs(u)) ** 3.2
        row.append(clip(255 * edge * (0.93 + 0.07 * math.cos(2.4 * (u + 0.35)))))
    return Image.frombytes("L", (128, 1), bytes(row)).resize(size, Image.Resampling.BILINEAR)


@dataclass(frozen=True, slots=True)
class _Straw:
    """A striped paper straw from `top` through the surface at `meet` to `bottom`."""

    top: Point
    meet: Point
    bottom: Point
    stripe: Colour

    @classmethod
    def any(cls, rng: random.Random, glass: Tumbler, level: float) -> "_Straw":
        top: Point = (glass.top * 0.75, -glass.height * 1.22)
        bottom: Point = (-glass.top * 0.28, -glass.height * 0.12)
        cut = (top[1] - level) / (top[1] - bottom[1])
        meet = (top[0] + (bottom[0] - top[0]) * cut, level)
        return cls(top, meet, bottom, rng.choice(_STRIPES))

    def draw(self, canvas: _Canvas, below: bool, share: float) -> None:
        """The part above the surface, or the part under it, which refraction has shifted."""
        ends = [self.top, self.meet]
        if below:
            ends = [(x - 9, y) for x, y in (self.meet, self.bottom)]
        (x0, y0), (x1, y1) = ends
        width = 19.0
        paper = Sketch(canvas.size, "RGB", (246, 242, 232), fine=2, lift=canvas.lift)
        count = max(1, int(math.dist(*ends) / 26))
        for k in range(count):
            x, y = x0 + (x1 - x0) * k / count, y0 + (y1 - y0) * k / count
            paper.line([(x - width, y - 9), (x + width, y + 9)], self.stripe, 9)
        colours = paper.done()
        shade = canvas.sketch().line([(x + 6, y) for x, y in ends], 120, width * 0.4).done(3)
        colours.paste((70, 50, 40), (0, 0), shade)
        canvas.paint(colours, canvas.sketch().line(ends, 255, width).done(), share)


def _ice(canvas: _Canvas, rng: random.Random, drink: Drink, glass: Tumbler, level: float) -> None:
    """Cubes under the surface: pale planes, bright edges, cloudy hearts."""
    for k in range(drink.ice):
        edge = glass.top * rng.uniform(0.52, 0.66)
        y = level + edge * 0.42 + (k // 2) * edge * 0.86 + rng.uniform(-8, 8)
        x = max(4.0, glass.half(y) - edge * 0.72) * rng.uniform(0.7, 1) * (1 if k % 2 else -1)
        turn, clear = rng.uniform(-28, 28), 0.55 - 0.3 * drink.opacity
        block = spin(box_outline(edge, edge * 0.9, edge * 0.16), turn, x, y)
        heart = box_outline(edge * 0.62, edge * 0.54, edge * 0.12)
        heart = spin(heart, turn + 8, x + edge * 0.05, y + edge * 0.05)
        canvas.paint(drink.paler(0.72), canvas.filled(block), clear)
        canvas.paint(drink.paler(0.4), canvas.filled(heart, 4), clear * 0.9)
        rim = canvas.sketch().line([*block, block[0]], 235, 4).done(1.2)
        canvas.paint((255, 255, 252), rim, 0.62)


def _surface(
    canvas: _Canvas, rng: random.Random, drink: Drink, glass: Tumbler, level: float
) -> None:
    """The ellipse of the drink's face, on a head of foam if it has one."""
    half, foam = glass.half(level) - _WALL, drink.head * glass.height
    if foam:
        head = canvas.filled(glass.between(level - foam * 0.4, level + foam, _WALL), 2)
        fine, soft = (noise.swatch(canvas.size, grit, rng) for grit in ("fine", "soft"))
        pale = drink.paler(0.72)
        froth = dye(Image.blend(fine, soft, 0.5), mix(pale, drink.colours[0], 0.4), pale, WHITE)
        canvas.paint(froth, head)
        level -= foam * 0.4
    face = canvas.sketch().oval(0, level, half, half * _ROUND, 255).done()
    canvas.paint(drink.paler(0.62 if foam else 0.3), face, 0.85 * max(0.4, drink.opacity))
    line = canvas.sketch().line(_ellipse(half, level, 0, math.pi), 200, 3).done(1)
    canvas.paint(drink.paler(0.75), line)


def _bubbles(
    canvas: _Canvas, rng: random.Random, drink: Drink, glass: Tumbler, level: float
) -> None:
    beads = canvas.sketch()
    for _ in range(drink.bubbles):
        y, r = rng.uniform(level + 8, -_BASE - 10), rng.uniform(1.2, 3.8)
        x = rng.uniform(-1, 1) * (glass.half(y) - 16)
        beads.oval(x, y, r, r, 150).oval(x + r * 0.2, y + r * 0.2, r * 0.6, r * 0.6, 30)
    canvas.paint((255, 255, 255), beads.done())


def _glassware(canvas: _Canvas, glass: Tumbler) -> None:
    """The glass itself: thick foot, dark and bright edges, long reflections, the rim."""
    high, white = -glass.height, (255, 255, 255)
    canvas.paint((236, 240, 240), canvas.filled(glass.between(-_BASE, 0, 2)), 0.22)
    foot, sides, gleam, rim = (canvas.sketch() for _ in range(4))
    for y, value, width in ((-30, 180, 5), (-18, 110, 4), (-7, 220, 4)):
        foot.line(glass.front(y, 6, 0.15), value, width)
    for side in (-1, 1):
        sides.line(glass.edge(side, high, 0, 2), 150, 4)
        gleam.line(glass.edge(side, high + 6, -20, 8), 150, 3)
    strip = scaled(glass.edge(-1, high * 0.94, high * 0.2, 0), 0.74, 1)
    gleam.line(strip, 215, glass.top * 0.13)
    gleam.line([(x + glass.top * 0.2, y) for x, y in strip], 90, glass.top * 0.05)
    gleam.line(scaled(strip, -1.12, 0.96), 120, glass.top * 0.05)
    rim.oval(0, high, glass.top, glass.top * _ROUND, 255)
    rim.oval(0, high, glass.top - 5, glass.top * _ROUND - 3.4, 0)
    canvas.paint(white, foot.done(1.6), 0.7)
    canvas.paint((40, 44, 46), sides.done(1), 0.7)
    canvas.paint(white, gleam.done(3), 0.52)
    canvas.paint((244, 248, 248), rim.done(0.8), 0.7)


def _dew(canvas: _Canvas, rng: random.Random, glass: Tumbler) -> None:
    """Condensation: drops dark above and bright below, each with a spark."""
    dark, pale, spark = (canvas.sketch() for _ in range(3))
    for _ in range(rng.randint(170, 300)):
        y, r = -glass.height * rng.uniform(0.05, 0.88), 1.5 + 5.5 * rng.random() ** 3
        x = rng.uniform(-1, 1) * (glass.half(y) - 8)
        dark.oval(x, y - r * 0.2, r, r * 1.1, 120)
        pale.oval(x, y + r * 0.3, r * 0.8, r * 0.8, 120)
        spark.oval(x - r * 0.3, y - r * 0.4, r * 0.3, r * 0.3, 255)
    canvas.paint((30, 24, 20), dark.done(0.7), 0.4)
    canvas.paint((255, 255, 255), pale.done(0.7), 0.45)
    canvas.paint((255, 255, 255), spark.done(0.7), 0.9)
