"""Smaller copies of an original, made once, so that small variants need not decode all of it."""

from collections.abc import Iterable
from math import ceil, prod

import msgspec

from cdn.address import CENTRE, WHITE, Fit, Format, Recipe
from imaging.develop import exposed, finished
from imaging.encode import encoded_level
from imaging.geometry import (
    LEVEL_ROOM,
    WHOLE,
    Plan,
    Size,
    in_pixels,
    plan,
    stored,
    within,
)
from imaging.picture import Container, Header
from imaging.probe import parse

# What the ladder's 1080, 800, 480 and 400 want.
_SIDES = (1728, 1280, 768, 640)
# What tiles of 800 and 400 want, which of a level of the whole would use three quarters or less;
_SQUARES = (1280, 640)
# where there is so much to cut off, and it is a level of the whole if there is not.
_LONG = 1.25
# Up to it a variant's own loss hides that of a level, which keeps colour at half resolution.
_MOST_QUALITY = 80
# A baseline JPEG is decoded small for little more than a copy; all else is decoded whole.
_WORTH_BASELINE, _WORTH = 1.75, 1.25


class Level(msgspec.Struct, frozen=True):
    """A copy of an original, or of the square in its middle: upright, sRGB, without metadata;
    JPEG, or WebP if transparent."""

    body: bytes
    width: int
    height: int
    format: Format


def level_sizes(header: Header) -> list[Size]:
    """The sizes of the levels an original has, squares last; none if it is small itself."""
    return [level.size for level in _plans(header)]


def levels(original: bytes) -> list[Level]:
    """The levels of an original, in the order of `level_sizes`. Raises PictureError."""
    parsed = parse(original)
    plans = _plans(parsed.header)
    if not plans:
        return []
    picture, (_, _, width, height) = exposed(parsed, _enough(plans))
    made = []
    for level in plans:
        part = in_pixels(stored(level.crop, parsed.header.orientation), width, height)
        body, format_ = encoded_level(finished(picture, part, parsed, level))
        made.append(Level(body, *level.size, format_))
    return made


def source(recipe: Recipe, original: Size, sizes: Iterable[Size]) -> Size | None:
    """The smallest level that makes a variant as well as the original does, or None.

    `original` is its size as seen, `sizes` are those of the levels that there are.
    """
    if recipe.quality > _MOST_QUALITY:
        return None
    wanted = plan(recipe, original)
    fitting = (size for size in sizes if _has_room(in_level(wanted, size, original), size))
    return min(fitting, key=prod, default=None)


def in_level(wanted: Plan, level: Size, original: Size) -> Plan | None:
    """What is wanted of an original, of a level of that size; None if it is not all in it."""
    is_square = level[0] == level[1] and _is_long(original)
    shown = plan(_recipe(level, Fit.COVER), original).crop if is_square else WHOLE
    crop = within(wanted.crop, shown)
    return None if crop is None else Plan(crop, wanted.size, wanted.canvas)


def _has_room(wanted: Plan | None, level: Size) -> bool:
    if wanted is None:
        return False
    left, top, right, bottom = wanted.crop
    return (
        level[0] * (right - left) >= wanted.size[0] * LEVEL_ROOM
        and level[1] * (bottom - top) >= wanted.size[1] * LEVEL_ROOM
    )


def _plans(header: Header) -> list[Plan]:
    if header.animated:
        return []
    original = header.upright
    baseline = header.container is Container.JPEG and not header.progressive
    worth = _WORTH_BASELINE if baseline else _WORTH
    wholes = [side for side in _SIDES if max(original) >= side * worth]
    squares = [side for side in _SQUARES if _is_long(original) and min(original) >= side * worth]
    return [
        plan(_recipe((side, side), fit), original)
        for fit, sides in ((Fit.INSIDE, wholes), (Fit.COVER, squares))
        for side in sides
    ]


def _enough(plans: list[Plan]) -> Plan:
    """The whole, as large as any of them needs it."""
    sizes = [
        (each.size[0] / (each.crop[2] - each.crop[0]), each.size[1] / (each.crop[3] - each.crop[1]))
        for each in plans
    ]
    size = ceil(max(width for width, _ in sizes)), ceil(max(height for _, height in sizes))
    return Plan(WHOLE, size, size)


def _is_long(original: Size) -> bool:
    return max(original) >= min(original) * _LONG


def _recipe(size: Size, fit: Fit) -> Recipe:
    return Recipe(*size, fit, CENTRE, 1, Format.JPEG, WHITE)
