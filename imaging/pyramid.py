"""Smaller copies of an original, made once, so that small variants need not decode all of it."""

from collections.abc import Iterable

import msgspec

from cdn.address import CENTRE, WHITE, Fit, Format, Recipe
from imaging.develop import exposed, finished
from imaging.encode import encoded_level
from imaging.geometry import LEVEL_ROOM, Plan, Size, plan
from imaging.picture import Container, Header
from imaging.probe import parse

# What the ladder's 1080, 800, 480 and 400 want, the first as a square of 800 x 800 of 4:3, too.
_SIDES = (1728, 1280, 864, 640)
# Up to it a variant's own loss hides that of a level, which keeps colour at half resolution.
_MOST_QUALITY = 80
# A baseline JPEG is decoded small for little more than a copy; all else is decoded whole.
_WORTH_BASELINE, _WORTH = 1.75, 1.25


class Level(msgspec.Struct, frozen=True):
    """A copy of an original: upright, sRGB, without metadata; JPEG, or WebP if transparent."""

    body: bytes
    width: int
    height: int
    format: Format


def level_sizes(header: Header) -> list[Size]:
    """The sizes of the levels an original has, the largest first; none if it is small itself."""
    return [level.size for level in _plans(header)]


def levels(original: bytes) -> list[Level]:
    """The levels of an original, the largest first. Raises PictureError."""
    parsed = parse(original)
    plans = _plans(parsed.header)
    if not plans:
        return []
    picture, part = exposed(parsed, plans[0])
    made = []
    for level in plans:
        body, format_ = encoded_level(finished(picture, part, parsed, level))
        made.append(Level(body, *level.size, format_))
    return made


def source(recipe: Recipe, original: Size, sizes: Iterable[Size]) -> Size | None:
    """The smallest level that makes a variant as well as the original does, or None.

    `original` is its size as seen, `sizes` are those of the levels that there are.
    """
    if recipe.quality > _MOST_QUALITY:
        return None
    shown = plan(recipe, original)
    left, top, right, bottom = shown.crop
    fitting = [
        (width, height)
        for width, height in sizes
        if width * (right - left) >= shown.size[0] * LEVEL_ROOM
        and height * (bottom - top) >= shown.size[1] * LEVEL_ROOM
    ]
    return min(fitting, default=None)


def _plans(header: Header) -> list[Plan]:
    if header.animated:
        return []
    baseline = header.container is Container.JPEG and not header.progressive
    worth = _WORTH_BASELINE if baseline else _WORTH
    return [
        plan(Recipe(side, side, Fit.INSIDE, CENTRE, 1, Format.JPEG, WHITE), header.upright)
        for side in _SIDES
        if max(header.upright) >= side * worth
    ]
