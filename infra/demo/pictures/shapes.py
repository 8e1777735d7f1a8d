"""Outlines of food as points round (0, 0), and the canvas that fills them smoothly."""

import math
import random
from collections.abc import Sequence
from typing import Self

from PIL import Image, ImageDraw, ImageFilter

from infra.demo.pictures.curves import Colour, Size

Point = tuple[float, float]
Points = Sequence[Point]


class Sketch:
    """A canvas whose (0, 0) is its centre, drawn `fine` times enlarged so that edges are smooth."""

    def __init__(
        self, size: Size, mode: str = "L", fill: int | Colour = 0, fine: int = 3, lift: float = 0.0
    ) -> None:
        """`lift` moves (0, 0) down from the centre, for things measured from their foot."""
        self._fine = fine
        self._image = Image.new(mode, (size[0] * fine, size[1] * fine), fill)
        self._draw = ImageDraw.Draw(self._image)
        self._cx, self._cy = size[0] * fine / 2, (size[1] / 2 + lift) * fine

    def _at(self, points: Points) -> list[Point]:
        return [(self._cx + x * self._fine, self._cy + y * self._fine) for x, y in points]

    def fill(self, points: Points, fill: int | Colour) -> Self:
        """A polygon."""
        self._draw.polygon(self._at(points), fill=fill)
        return self

    def line(self, points: Points, fill: int | Colour, width: float) -> Self:
        """A line through the points; its bends are not rounded, so bend it gently."""
        self._draw.line(self._at(points), fill=fill, width=max(1, round(width * self._fine)))
        return self

    def oval(self, x: float, y: float, rx: float, ry: float, fill: int | Colour) -> Self:
        """An ellipse about (x, y)."""
        (left, up), (right, low) = self._at([(x - rx, y - ry), (x + rx, y + ry)])
        self._draw.ellipse((left, up, right, low), fill=fill)
        return self

    def done(self, blur: float = 0.0) -> Image.Image:
        """The canvas at its real size, blurred by so many pixels."""
        image = self._image.reduce(self._fine) if self._fine > 1 else self._image
        return image.filter(ImageFilter.GaussianBlur(blur)) if blur else image


def room(points: Points, margin: int = 4) -> Size:
    """The size of a canvas that holds these points and a margin."""
    reach_x = max(abs(x) for x, _ in points)
    reach_y = max(abs(y) for _, y in points)
    return 2 * (int(reach_x) + margin), 2 * (int(reach_y) + margin)


def silhouette(points: Points, margin: int = 4) -> Image.Image:
    """The filled outline as a mask."""
    return Sketch(room(points, margin)).fill(points, 255).done()


def spin(points: Points, degrees: float, dx: float = 0.0, dy: float = 0.0) -> list[Point]:
    """The points turned about (0, 0), then moved."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return [(x * c - y * s + dx, x * s + y * c + dy) for x, y in points]


def polar(degrees: float, reach: float, squeeze: float = 1.0) -> Point:
    """The point at this angle and distance; `squeeze` makes the circle an ellipse."""
    turn = math.radians(degrees)
    return reach * math.cos(turn), reach * squeeze * math.sin(turn)


def scaled(points: Points, x: float, y: float | None = None) -> list[Point]:
    """The points nearer to (0, 0), or farther from it."""
    return [(px * x, py * (x if y is None else y)) for px, py in points]


def centred(points: Points) -> tuple[list[Point], Point]:
    """The points moved to lie about (0, 0), and where their middle was."""
    cx = sum(x for x, _ in points) / len(points)
    cy = sum(y for _, y in points) / len(points)
    return [(x - cx, y - cy) for x, y in points], (cx, cy)


def round_outline(
    rng: random.Random, rx: float, ry: float, wobble: float = 0.06, waves: int = 5, steps: int = 56
) -> list[Point]:
    """An ellipse that no machine has cut."""
    terms = [
        (k, rng.uniform(-1, 1) * wobble / (k - 1), rng.uniform(0, math.tau))
        for k in range(2, waves + 2)
    ]
    points = []
    for i in range(steps):
        t = math.tau * i / steps
        r = 1 + sum(a * math.cos(k * t + phase) for k, a, phase in terms)
        points.append((rx * r * math.cos(t), ry * r * math.sin(t)))
    return points


def ruffled(points: Points, rng: random.Random, depth: float, waves: float) -> list[Point]:
    """An outline frilled outwards, as lettuce is; `waves` frills along the whole."""
    dense: list[Point] = []
    for i, (x0, y0) in enumerate(points):
        x1, y1 = points[(i + 1) % len(points)]
        dense += [(x0 + (x1 - x0) * k / 4, y0 + (y1 - y0) * k / 4) for k in range(4)]
    phase, drift = rng.uniform(0, math.tau), rng.uniform(2, 5)
    out = []
    for i, (x, y) in enumerate(dense):
        t = math.tau * i / len(dense)
        wave = math.sin(waves * t + phase + math.sin(drift * t))
        swell = 1 + depth * wave * rng.uniform(0.6, 1.2)
        out.append((x * swell, y * swell))
    return out


def leaf_outline(length: float, width: float, waist: float = 0.55, tip: float = 1.0) -> list[Point]:
    """A leaf along the x axis, stalk at the left, widest at `waist` (0..1) of its length."""
    steps, bend = 22, math.log(0.5) / math.log(waist)
    upper = []
    for i in range(steps + 1):
        t = i / steps
        bulge = math.sin(math.pi * t**bend) ** tip if 0 < i < steps else 0.0
        upper.append((length * (t - 0.5), width / 2 * bulge))
    return [*upper, *((x, -y) for x, y in reversed(upper[1:-1]))]


def path(points: Points, steps: int = 24) -> list[Point]:
    """A smooth curve through the points (Catmull-Rom)."""
    full = [points[0], *points, points[-1]]
    each = max(2, steps // (len(points) - 1))
    out: list[Point] = []
    for a, b, c, d in zip(full, full[1:], full[2:], full[3:], strict=False):
        for k in range(each):
            t = k / each
            x, y = (_spline(*axis, t) for axis in zip(a, b, c, d, strict=True))
            out.append((x, y))
    return [*out, points[-1]]


def _spline(a: float, b: float, c: float, d: float, t: float) -> float:
    return b + t / 2 * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))


def arc(radius: float, start: float, end: float, steps: int = 20) -> list[Point]:
    """Part of a circle, angles in degrees."""
    return [polar(start + (end - start) * i / steps, radius) for i in range(steps + 1)]


def sides(spine: Points) -> list[Point]:
    """The unit vector to the left of a path at each of its points."""
    out = []
    last = len(spine) - 1
    for i in range(len(spine)):
        (ax, ay), (bx, by) = spine[max(0, i - 1)], spine[min(last, i + 1)]
        length = math.hypot(bx - ax, by - ay) or 1.0
        out.append((-(by - ay) / length, (bx - ax) / length))
    return out


def band(spine: Points, widths: Sequence[float]) -> list[Point]:
    """The outline of a strip along `spine`; its widths are spread evenly, its ends round."""
    left, right = [], []
    for i, ((x, y), (nx, ny)) in enumerate(zip(spine, sides(spine), strict=True)):
        at = i / (len(spine) - 1) * (len(widths) - 1)
        k = min(len(widths) - 2, int(at))
        half = (widths[k] + (widths[k + 1] - widths[k]) * (at - k)) / 2
        left.append((x + nx * half, y + ny * half))
        right.append((x - nx * half, y - ny * half))
    return [*left, *_cap(left[-1], right[-1]), *reversed(right), *_cap(right[0], left[0])]


def _cap(a: Point, b: Point) -> list[Point]:
    """A half circle from `a` to `b`, bulging to the side a strip ends at."""
    cx, cy = (a[0] + b[0]) / 2, (a[1] + b[1]) / 2
    radius = math.hypot(a[0] - cx, a[1] - cy)
    start = math.degrees(math.atan2(a[1] - cy, a[0] - cx))
    return [(cx + x, cy + y) for x, y in arc(radius, start - 30, start - 150, 4)]


def box_outline(
    width: float, height: float, corner: float, rng: random.Random | None = None
) -> list[Point]:
    """A rectangle with round corners, a little irregular if `rng` is given."""
    points: list[Point] = []
    for sx, sy, start in ((1, 1, 0), (-1, 1, 90), (-1, -1, 180), (1, -1, 270)):
        cx, cy = sx * (width / 2 - corner), sy * (height / 2 - corner)
        if rng:
            cx, cy = cx + rng.uniform(-0.03, 0.03) * width, cy + rng.uniform(-0.03, 0.03) * height
        points += [(cx + x, cy + y) for x, y in arc(corner, start, start + 90, 7)]
    return points
