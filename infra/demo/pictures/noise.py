"""Noise is what makes a drawing look photographed; it is made once and cut to size."""

import random
from functools import lru_cache
from typing import Literal

from PIL import Image, ImageChops

from infra.demo.pictures.curves import Size, gain, stretch

Grit = Literal["fine", "soft", "broad"]

_BICUBIC = Image.Resampling.BICUBIC
_TILE = 640
# The cells of a tile divide its side, so that it joins itself.
_CELLS: dict[Grit, tuple[int, int, int]] = {
    "fine": (2, 4, 5),
    "soft": (10, 16, 32),
    "broad": (40, 64, 128),
}


def white(size: Size, rng: random.Random) -> Image.Image:
    """Uniform white noise, mode L."""
    return Image.frombytes("L", size, rng.randbytes(size[0] * size[1]))


def clouds(size: Size, cells: Size, rng: random.Random) -> Image.Image:
    """Smooth value noise, mode L: a grid of `cells` random values stretched over `size`."""
    grid = (max(2, cells[0]), max(2, cells[1]))
    return white(grid, rng).resize(size, _BICUBIC)


def fractal(size: Size, cell: int, rng: random.Random, octaves: int = 3) -> Image.Image:
    """Value noise of several octaves, the coarsest `cell` pixels wide, spread over 0..255."""
    total = clouds(size, (size[0] // cell, size[1] // cell), rng)
    for octave in range(1, octaves):
        finer = max(1, cell >> octave)
        layer = clouds(size, (size[0] // finer, size[1] // finer), rng)
        total = Image.blend(total, layer, 0.5 ** (octave + 0.4))
    return stretch(total)


def tiled(tile: Image.Image, size: Size) -> Image.Image:
    """`tile` laid side by side until it covers `size`."""
    sheet = Image.new(tile.mode, size)
    for down in range(0, size[1], tile.height):
        for across in range(0, size[0], tile.width):
            sheet.paste(tile, (across, down))
    return sheet


@lru_cache(maxsize=3)
def _tile(grit: Grit) -> Image.Image:
    rng = random.Random(f"tile {grit}")
    first, second, third = (_endless(cell, rng) for cell in _CELLS[grit])
    return stretch(Image.blend(Image.blend(first, second, 0.45), third, 0.35))


def _endless(cell: int, rng: random.Random) -> Image.Image:
    """A square of value noise that joins itself on every side."""
    count, edge = _TILE // cell, 3
    grid = tiled(white((count, count), rng), (3 * count, 3 * count))
    start, end = count - edge, 2 * count + edge
    side = (count + 2 * edge) * cell
    grown = grid.crop((start, start, end, end)).resize((side, side), _BICUBIC)
    return grown.crop((edge * cell, edge * cell, edge * cell + _TILE, edge * cell + _TILE))


def swatch(size: Size, grit: Grit, rng: random.Random) -> Image.Image:
    """Noise of this size, mode L, cut from a random place of a shared tile."""
    tile = _tile(grit)
    left, up = rng.randrange(_TILE), rng.randrange(_TILE)
    if left + size[0] <= _TILE and up + size[1] <= _TILE:
        return tile.crop((left, up, left + size[0], up + size[1]))
    return tiled(ImageChops.offset(tile, left, up), size)


def weave(size: Size, rng: random.Random) -> Image.Image:
    """Woven threads, mode L: fine and uneven, one set over and under the other."""
    side, run = 512, 26
    weft = clouds((side, side), (run, side // 2), rng)
    warp = clouds((side, side), (side // 2, run), rng)
    over, under = ImageChops.lighter(weft, warp), ImageChops.darker(weft, warp)
    return tiled(stretch(Image.blend(over, under, 0.36)), size)


def rough(
    height: Image.Image, rng: random.Random, amount: float, grit: Grit = "soft"
) -> Image.Image:
    """A height map with a texture taking away up to `amount` (0..1) of it."""
    texture = swatch(height.size, grit, rng)
    return ImageChops.multiply(height, texture.point(gain(amount, 255 * (1 - amount))))


def mottled(
    albedo: Image.Image, rng: random.Random, amount: float, grit: Grit = "soft"
) -> Image.Image:
    """Colours unsettled by a texture: up to `amount` (0..1) of the light is lost."""
    texture = swatch(albedo.size, grit, rng).point(gain(amount, 255 * (1 - amount)))
    return ImageChops.multiply(albedo, Image.merge("RGB", (texture, texture, texture)))
