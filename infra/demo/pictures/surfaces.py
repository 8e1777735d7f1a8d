"""What the plate stands on: wood, marble, linen, slate or a painted board."""

import math
import random
from collections.abc import Callable

from PIL import Image, ImageChops, ImageDraw, ImageFilter

from infra.demo.pictures import noise
from infra.demo.pictures.curves import Colour, Size, Stops, clip, dye, gain, mix, stretch
from infra.demo.pictures.relief import Relief, normals

WOODS: tuple[Stops, ...] = (
    ((58, 35, 22), (112, 72, 44), (158, 112, 72)),  # walnut
    ((132, 88, 52), (186, 138, 90), (220, 180, 132)),  # oak
    ((150, 128, 106), (196, 178, 156), (228, 214, 196)),  # limed
    ((44, 36, 32), (74, 62, 54), (108, 94, 82)),  # smoked
    ((120, 62, 32), (170, 98, 54), (208, 142, 88)),  # cherry
    ((96, 92, 86), (142, 138, 130), (184, 180, 172)),  # weathered
)
CLOTHS: tuple[tuple[Colour, Colour], ...] = (  # the cloth, and what is woven into it
    ((214, 205, 190), (150, 40, 36)),
    ((226, 222, 214), (62, 92, 130)),
    ((196, 186, 168), (120, 104, 84)),
    ((232, 226, 214), (190, 150, 70)),
    ((124, 136, 128), (70, 84, 78)),
    ((92, 104, 122), (214, 208, 196)),
)
STONES: tuple[Colour, ...] = ((26, 28, 31), (34, 34, 33), (30, 36, 40))
PAINTS: tuple[Colour, ...] = (
    (222, 214, 200),
    (188, 200, 196),
    (214, 176, 150),
    (150, 172, 186),
    (226, 196, 130),
    (104, 124, 116),
    (236, 230, 222),
)
_BICUBIC = Image.Resampling.BICUBIC
_PALE_MARBLE: Stops = ((104, 102, 104), (196, 193, 190), (253, 250, 246))
_DARK_MARBLE: Stops = ((136, 132, 126), (74, 76, 78), (36, 39, 42), (30, 32, 36))


def _surface(albedo: Image.Image, height: Image.Image, depth: float, gloss: int) -> Relief:
    """Lying at height 0, its own `depth` only in its normals."""
    across, down = normals(height, depth)
    zero = Image.new("L", albedo.size)
    return Relief(albedo, Image.merge("CMYK", (across, down, zero, zero.point(gain(0, gloss)))))


def wood(size: Size, rng: random.Random) -> Relief:
    """Planks, along or across the picture."""
    along = rng.random() < 0.6
    w, h = size if along else (size[1], size[0])
    grain, sheet = Image.new("L", (w, h)), _fibres((w, h), rng)
    seams, down = [], -rng.randint(0, 160)
    while down < h:
        width, shade = rng.randint(170, 260), rng.uniform(-14, 38)
        strip = ImageChops.offset(sheet, 0, rng.randrange(h)).crop((0, 0, w, width))
        if rng.random() < 0.5:
            strip = strip.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        grain.paste(strip.point(gain(0.9, round(shade))), (0, down))
        down += width
        seams.append(down)
    height = grain.copy()
    for y in seams:
        ImageDraw.Draw(grain).line((0, y, w, y), fill=0, width=3)
        ImageDraw.Draw(height).line((0, y, w, y), fill=0, width=5)
    if not along:
        grain, height = (i.transpose(Image.Transpose.ROTATE_90) for i in (grain, height))
    return _surface(dye(grain, *rng.choice(WOODS)), height, 3.2, rng.randint(30, 70))


def _fibres(size: Size, rng: random.Random) -> Image.Image:
    """Wood grain running left to right: rings cut lengthwise, threads and pores."""
    w, h = size
    bend = noise.clouds(size, (4, h // 60), rng)
    rings = Image.blend(bend, noise.clouds(size, (3, h // 9), rng), 0.22)
    turns = rng.uniform(4, 8) / 255
    waves = rings.point([clip(128 + 72 * _triangle(v * turns)) for v in range(256)])
    threads = noise.clouds(size, (w // 260, h // 4), rng)
    pores = noise.clouds(size, (w // 70, h // 2), rng)
    return stretch(Image.blend(Image.blend(waves, threads, 0.36), pores, 0.22))


def _triangle(t: float) -> float:
    return abs((t % 1.0) * 2 - 1) * 2 - 1


def marble(size: Size, rng: random.Random) -> Relief:
    """A polished slab, pale or dark, with veins that all run one way."""
    base = noise.fractal(size, 260, rng, 4)
    run = Image.linear_gradient("L").rotate(rng.choice((28, 40, -35, -50)), _BICUBIC)
    # The corners of a rotated gradient are empty; its middle is not.
    run = run.crop((48, 48, 208, 208)).resize(size, _BICUBIC)
    drift = Image.blend(run, noise.fractal(size, 340, rng, 4), rng.uniform(0.16, 0.26))
    veins = [
        (rng.uniform(50, 205), rng.uniform(1.1, 2.2), rng.uniform(0.2, 0.55)) for _ in range(5)
    ]

    def vein(v: int, spread: float) -> int:
        hits = (dark * math.exp(-(((v - at) / (width * spread)) ** 2)) for at, width, dark in veins)
        return clip(255 * (1 - min(0.85, sum(hits))))

    sharp = drift.point([vein(v, 1) for v in range(256)]).filter(ImageFilter.GaussianBlur(1.4))
    cloud = drift.point([vein(v, 6) for v in range(256)]).point(gain(0.4, 153))
    tone = ImageChops.multiply(base.point(gain(0.26, 188)), ImageChops.multiply(cloud, sharp))
    stops = _DARK_MARBLE if rng.random() < 0.2 else _PALE_MARBLE
    return _surface(dye(stretch(tone), *stops), Image.new("L", size, 128), 1, 110)


def linen(size: Size, rng: random.Random) -> Relief:
    """A tablecloth: weave, stripes or checks, and soft folds."""
    cloth, mark = rng.choice(CLOTHS)
    weave = noise.weave(size, rng)
    albedo = dye(weave, mix(cloth, (40, 34, 30), 0.3), cloth, mix(cloth, (255, 252, 246), 0.4))
    dyed = dye(weave, mix(mark, (20, 16, 14), 0.45), mark, mix(mark, (255, 255, 255), 0.3))
    pattern = rng.choice((_plain, _stripes, _checks))(size, rng)
    pattern = pattern.filter(ImageFilter.GaussianBlur(0.8))
    albedo.paste(dyed, (0, 0), ImageChops.multiply(pattern, weave.point(gain(0.35, 166))))
    folds = noise.fractal(size, 420, rng, 2)
    return _surface(albedo, Image.blend(weave, folds, 0.84), 22, 6)


def _plain(size: Size, _rng: random.Random) -> Image.Image:
    return Image.new("L", size)


def _stripes(size: Size, rng: random.Random) -> Image.Image:
    sheet, step = Image.new("L", size), rng.choice((64, 88, 110))
    draw = ImageDraw.Draw(sheet)
    for x in range(-rng.randrange(step), size[0], 3 * step):
        draw.rectangle((x, 0, x + step // 3, size[1]), fill=230)
        draw.rectangle((x + step // 2, 0, x + step // 2 + 5, size[1]), fill=230)
    return sheet


def _checks(size: Size, rng: random.Random) -> Image.Image:
    rows, columns, step = Image.new("L", size), Image.new("L", size), rng.choice((64, 88, 110))
    for x in range(-rng.randrange(step), size[0], 2 * step):
        ImageDraw.Draw(columns).rectangle((x, 0, x + step, size[1]), fill=125)
    for y in range(-rng.randrange(step), size[1], 2 * step):
        ImageDraw.Draw(rows).rectangle((0, y, size[0], y + step), fill=125)
    return ImageChops.add(rows, columns)


def slate(size: Size, rng: random.Random) -> Relief:
    """Split stone: dark, dull, in shallow layers."""
    rock = Image.blend(noise.fractal(size, 150, rng, 6), noise.fractal(size, 22, rng, 4), 0.45)
    layers = rock.point([clip((v // 36) * 36 + (v % 36) * 0.25) for v in range(256)])
    height = Image.blend(layers.filter(ImageFilter.GaussianBlur(0.8)), rock, 0.5)
    stone = rng.choice(STONES)
    stops = stone, mix(stone, (120, 122, 124), 0.25), mix(stone, (140, 142, 146), 0.5)
    return _surface(dye(rock, *stops), height, 7, 40)


def plaster(size: Size, rng: random.Random) -> Relief:
    """A painted, brushed board: the photographer's plain background."""
    paint = rng.choice(PAINTS)
    strokes = noise.clouds(size, (size[0] // 12, size[1] // 90), rng)
    tone = Image.blend(noise.fractal(size, 300, rng, 5), strokes, 0.28)
    albedo = dye(tone, mix(paint, (60, 52, 46), 0.26), paint, mix(paint, (255, 255, 255), 0.35))
    return _surface(albedo, tone, 5, 18)


TABLES: tuple[Callable[[Size, random.Random], Relief], ...] = (
    wood,
    wood,
    marble,
    linen,
    slate,
    plaster,
)


def table_top(size: Size, rng: random.Random) -> Relief:
    """Any of them."""
    return rng.choice(TABLES)(size, rng)
