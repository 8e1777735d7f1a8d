"""The scene as a relief: colour, normal, height and gloss of every pixel, so one lamp fits all."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from PIL import Image, ImageChops, ImageFilter, ImageMath

from infra.demo.pictures.curves import Size, clip, gain, top
from infra.demo.pictures.shapes import Point, Points, Sketch, band, scaled

# A form holds four raw bytes a pixel: normal x, normal y, height, gloss. Its mode is CMYK
# because Pillow would premultiply RGBA by its "alpha" whenever it resizes or rotates.

Profile = Callable[[float], float]
"""A cross-section: 0 (middle) to 1 (edge) -> height in pixels."""

_SAME = list(range(256))
_BILINEAR, _BICUBIC = Image.Resampling.BILINEAR, Image.Resampling.BICUBIC


@dataclass(frozen=True, slots=True)
class Piece:
    """Something that can be laid down: mask (L), albedo (RGB) and form (CMYK), all of one size."""

    mask: Image.Image
    albedo: Image.Image
    form: Image.Image

    @property
    def size(self) -> Size:
        return self.mask.size

    def lit(self, factor: float) -> "Piece":
        """The same piece, paler or darker."""
        return Piece(self.mask, self.albedo.point(gain(round(factor, 2)) * 3), self.form)

    def shallow(self, depth: float) -> "Piece":
        """The same piece with its heights scaled, so that it throws a shorter shadow."""
        form = self.form.point([*_SAME, *_SAME, *gain(depth), *_SAME])
        return Piece(self.mask, self.albedo, form)

    def squeezed(self, ratio: float, depth: float) -> "Piece":
        """The same piece made for a view from above, lower by `ratio` for a view from the side."""
        size = (self.size[0], max(1, round(self.size[1] * ratio)))
        mask, albedo, form = (
            image.resize(size, _BICUBIC) for image in (self.mask, self.albedo, self.form)
        )
        return Piece(mask, albedo, form).shallow(depth)

    def rolled(self, angle: float) -> "Piece":
        """The same piece turned; only for small round ones, as the normals turn along unchanged."""
        mask, albedo, form = (
            image.rotate(angle, _BILINEAR, expand=True)
            for image in (self.mask, self.albedo, self.form)
        )
        return Piece(mask, albedo, form)


@lru_cache(maxsize=512)
def _slope_table(thick: int, reach: int) -> list[int]:
    def component(v: int) -> float:
        slope = (v - 128) * thick / 255 / (2 * reach)
        return 128 + 127 * slope / math.hypot(1, slope)

    return [clip(component(v)) for v in range(256)]


def normals(height: Image.Image, thick: float, reach: int = 1) -> tuple[Image.Image, Image.Image]:
    """The x and y components of the normals, 128 = flat, of a height map `thick` pixels deep.

    `reach` is the distance of the differences: larger on large pieces, where neighbouring
    bytes are too alike to tell a slope from a rounding error.
    """
    lut = _slope_table(max(1, round(thick)), reach)
    w, h = height.size
    west, east = height.crop((-reach, 0, w - reach, h)), height.crop((reach, 0, w + reach, h))
    north, south = height.crop((0, -reach, w, h - reach)), height.crop((0, reach, w, h + reach))
    # Where the ground falls to the east, the normal leans east.
    across = ImageChops.subtract(west, east, 1, 128).point(lut)
    down = ImageChops.subtract(north, south, 1, 128).point(lut)
    return across, down


def dome(mask: Image.Image, radius: float, roundness: float = 2.0) -> Image.Image:
    """The height map of something cut flat: it swells from the edge of `mask` over `radius`."""
    soft = mask.filter(ImageFilter.GaussianBlur(radius))
    high = top(soft)
    low = 0.40 * high

    def swell(v: int) -> float:
        t = min(1.0, max(0.0, (v - low) / max(1.0, high - low)))
        return float(255 * (1 - (1 - t) ** roundness) ** (1 / roundness))

    return ImageChops.multiply(soft.point([clip(swell(v)) for v in range(256)]), mask)


def _half_circle(share: float) -> int:
    """The height of a half circle, 0..255, `share` of the way from its edge to its middle."""
    return clip(255 * math.sqrt(1 - (1 - share) ** 2))


def mound(points: Points, size: Size, steps: int = 14) -> Image.Image:
    """The height map of something round all over, whose outline is `points`."""
    sketch = Sketch(size, fine=2)
    for i in range(steps):
        share = (i + 0.5) / steps
        sketch.fill(scaled(points, 1 - share), _half_circle(share))
    return sketch.done(max(*size) / steps / 5)


def tube(spine: Points, widths: Sequence[float], size: Size, steps: int = 7) -> Image.Image:
    """The height map of something round along `spine`: a sausage, a strand, a stick."""
    sketch = Sketch(size, fine=2)
    for i in range(steps):
        share = (i + 0.5) / steps
        sketch.fill(band(spine, [w * (1 - share) for w in widths]), _half_circle(share))
    return sketch.done(max(widths) / steps / 3)


def mould(
    mask: Image.Image,
    albedo: Image.Image,
    height: Image.Image,
    thick: float,
    gloss: int | Image.Image = 50,
    angle: float = 0.0,
) -> Piece:
    """A piece from its silhouette, colours and height map (0..255 = `thick` pixels).

    It is turned by `angle` degrees before its normals are taken, so the lamp still fits.
    """
    shine = Image.new("L", mask.size, gloss) if isinstance(gloss, int) else gloss
    if angle:
        mask, albedo, height, shine = (
            image.rotate(angle, _BILINEAR, expand=True) for image in (mask, albedo, height, shine)
        )
    across, down = normals(height, thick, reach=1 + max(mask.size) // 150)
    level = height.point(gain(round(thick) / 255))
    return Piece(mask, albedo, Image.merge("CMYK", (across, down, level, shine)))


@lru_cache(maxsize=4096)
def _laying(lift: int, lean_x: int, lean_y: int) -> list[int]:
    return [*gain(1, lean_x), *gain(1, lean_y), *gain(1, lift), *_SAME]


@dataclass(slots=True)
class Relief:
    """A growing scene. Places are pixels from `origin`, the middle of the dish.

    `rise` says how far a pixel of height moves up the picture: 0 when seen from straight above.
    `touches` are what cannot be said before the lamp is lit, such as steam.
    """

    albedo: Image.Image
    form: Image.Image
    rise: float = 0.0
    origin: Point = (0.0, 0.0)
    touches: list[Callable[[Image.Image], Image.Image]] = field(default_factory=list)

    @property
    def size(self) -> Size:
        return self.albedo.size

    def ground(self, x: float, y: float) -> int:
        """The height at a point of the picture; 0 outside of it."""
        w, h = self.size
        at_x, at_y = int(x + self.origin[0]), int(y + self.origin[1])
        if not (0 <= at_x < w and 0 <= at_y < h):
            return 0
        pixel = self.form.getpixel((at_x, at_y))
        assert isinstance(pixel, tuple)
        return int(pixel[2])

    def add(
        self,
        piece: Piece,
        x: float,
        y: float,
        lift: float | None = None,
        lean: tuple[float, float] = (0, 0),
    ) -> None:
        """Lay `piece` with its centre over (x, y), `lift` pixels high or upon what lies there.

        `lean` tips it towards x and y (bytes of its normals), as pieces in a heap lie.
        """
        if lift is None:
            lift = self.ground(x, y - self.ground(x, y) * self.rise)
        box = self._corner(piece.size, x, y - lift * self.rise)
        self.albedo.paste(piece.albedo, box, piece.mask)
        lut = _laying(round(lift), round(lean[0]), round(lean[1]))
        self.form.paste(piece.form.point(lut), box, piece.mask)

    def stain(self, colour: Image.Image, mask: Image.Image, x: float, y: float) -> None:
        """Change the colour and nothing else, as a splash or a shadow does."""
        self.albedo.paste(colour, self._corner(mask.size, x, y), mask)

    def _corner(self, size: Size, x: float, y: float) -> tuple[int, int]:
        cx, cy = round(x + self.origin[0]), round(y + self.origin[1])
        return cx - size[0] // 2, cy - size[1] // 2


@lru_cache(maxsize=2)
def _compass(side: int) -> tuple[Image.Image, Image.Image, Image.Image]:
    """Distance from the centre (L, 255 = the edge), and cosine and sine of the angle (F)."""
    row = Image.new("F", (side, 1))
    row.putdata([(2 * i + 1) / side - 1 for i in range(side)])
    x = row.resize((side, side), Image.Resampling.NEAREST)
    y = x.transpose(Image.Transpose.ROTATE_270)
    r = ImageMath.lambda_eval(lambda a: (a["x"] * a["x"] + a["y"] * a["y"]) ** 0.5, x=x, y=y)
    far = ImageMath.lambda_eval(lambda a: a["convert"](a["min"](a["r"] * 255 + 0.5, 255), "L"), r=r)
    cosine = ImageMath.lambda_eval(lambda a: a["x"] / a["r"], x=x, r=r)
    sine = ImageMath.lambda_eval(lambda a: a["y"] / a["r"], y=y, r=r)
    return far, cosine, sine


@lru_cache(maxsize=24)
def lathe(profile: Profile, radius: int, gloss: int, side: int = 480) -> Image.Image:
    """The form of a surface of revolution. Cached: a profile must be the same object each time."""
    far, cosine, sine = _compass(side)
    step = 1 / 256

    def lean(v: int) -> float:
        rise = profile(min(1.0, v / 255 + step)) - profile(max(0.0, v / 255 - step))
        slope = rise / (2 * step * radius)
        return 128 - 127 * slope / math.hypot(1, slope)

    outward = far.point([clip(lean(v)) for v in range(256)]).convert("F")

    def component(part: Image.Image) -> Image.Image:
        image = ImageMath.lambda_eval(
            lambda a: a["convert"]((a["out"] - 128) * a["part"] + 128.5, "L"),
            out=outward,
            part=part,
        )
        assert isinstance(image, Image.Image)
        return image

    level = far.point([clip(profile(v / 255)) for v in range(256)])
    shine = Image.new("L", far.size, gloss)
    form = Image.merge("CMYK", (component(cosine), component(sine), level, shine))
    return form.resize((2 * radius, 2 * radius), _BICUBIC)


@lru_cache(maxsize=64)
def disc(radius: int) -> Image.Image:
    """The mask of a circle."""
    return Sketch((2 * radius, 2 * radius)).oval(0, 0, radius, radius, 255).done()


def turned(profile: Profile, radius: int, albedo: Image.Image, gloss: int) -> Piece:
    """A round piece of crockery; `albedo` is resized to fit."""
    form = lathe(profile, radius, gloss)
    return Piece(disc(radius), albedo.resize(form.size, _BICUBIC), form)


def _ball(r: float) -> float:
    return 100 * math.sqrt(max(0.0, 1 - r * r))


def sphere(rx: float, ry: float, albedo: Image.Image, gloss: int, flat: float = 1.0) -> Piece:
    """A ball, or an ellipsoid `flat` times as high as it is wide; `albedo` is resized to fit."""
    size = (max(2, round(2 * rx)), max(2, round(2 * ry)))
    level = gain(round(min(rx, ry) * flat) / 100)
    form = lathe(_ball, 100, 0, 200).resize(size, _BILINEAR)
    form = form.point([*_SAME, *_SAME, *level, *[gloss] * 256])
    mask = disc(100).resize(size, _BILINEAR)
    return Piece(mask, albedo.resize(size, _BILINEAR), form)
