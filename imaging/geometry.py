"""Which part of a picture a recipe shows, and how large: arithmetic without a pixel."""

from dataclasses import dataclass

from cdn.address import Fit, Recipe

# No screen shows more, and what is asked for beyond it would only tie up a worker. (WebP ends
# at 16,383 pixels anyway: RFC 9649.)
LONGEST_SIDE = 4096

# How many times as large as the outcome a JPEG has to be that is decoded small. Measured over
# photographs (docs/pictures.md): with less, fine detail turns into patterns.
ROOM = 1.75
# And a copy, which was made small by a better filter.
LEVEL_ROOM = 1.6

Size = tuple[int, int]
Box = tuple[float, float, float, float]
"""Left, top, right, bottom."""

WHOLE: Box = (0.0, 0.0, 1.0, 1.0)

# What is beyond these decimals of a fraction is the arithmetic's, and no picture's.
_DECIMALS = 9


@dataclass(frozen=True, slots=True)
class Plan:
    """What becomes of an upright picture."""

    crop: Box
    """What is shown of it, in fractions of its sides, so it holds for a copy of any size too."""
    size: Size
    """That, in pixels of the variant."""
    canvas: Size
    """The whole variant; where it is larger, the picture lies in its middle."""


def plan(recipe: Recipe, original: Size) -> Plan:
    """How `recipe` shows an upright original of that size, which it never enlarges."""
    width, height = original
    box_width, box_height = recipe.width, recipe.height
    if box_width is None or box_height is None:
        scale = min(1.0, (box_width or width) / width, (box_height or height) / height)
        return _whole(_scaled(original, _bounded(original, scale)))
    shrink = _bounded((box_width, box_height), min(1.0, width / box_width, height / box_height))
    match recipe.fit:
        case Fit.COVER:
            size = _scaled((box_width, box_height), shrink)
            return Plan(_crop(original, size, recipe.focus), size, size)
        case Fit.FILL:
            return _whole(_scaled((box_width, box_height), shrink))
        case Fit.INSIDE:
            scale = min(1.0, box_width / width, box_height / height)
            return _whole(_scaled(original, _bounded(original, scale)))
        case Fit.CONTAIN:
            # The box shrinks no further than to where the picture has its own size.
            scale = min(box_width / width, box_height / height)
            shrink = _bounded((box_width, box_height), min(1.0, 1 / scale))
            canvas = _scaled((box_width, box_height), shrink)
            size = _scaled(original, scale * shrink)
            return Plan(WHOLE, (min(size[0], canvas[0]), min(size[1], canvas[1])), canvas)


def _whole(size: Size) -> Plan:
    return Plan(WHOLE, size, size)


def _scaled(size: Size, factor: float) -> Size:
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))


def _bounded(size: Size, factor: float) -> float:
    return min(factor, LONGEST_SIDE / max(size))


def _crop(original: Size, size: Size, focus: tuple[int, int]) -> Box:
    """The largest part with the shape of `size` that has the focus as near its middle as it can."""
    width, height = original
    scale = min(width / size[0], height / size[1])
    # A side may round to a hair more than the whole of it, and an end to a hair beyond.
    part = min(1.0, size[0] * scale / width), min(1.0, size[1] * scale / height)
    left, top = (
        min(max(percent / 100 - side / 2, 0.0), 1.0 - side)
        for percent, side in zip(focus, part, strict=True)
    )
    return left, top, min(1.0, left + part[0]), min(1.0, top + part[1])


def stored(crop: Box, orientation: int) -> Box:
    """A part of the upright picture, as the part of the stored one that it has to be cut from."""
    left, top, right, bottom = crop
    if orientation in (2, 3):
        left, right = 1 - right, 1 - left
    if orientation in (3, 4):
        top, bottom = 1 - bottom, 1 - top
    if orientation in (5, 6, 7, 8):
        left, top, right, bottom = top, left, bottom, right
    if orientation in (7, 8):
        left, right = 1 - right, 1 - left
    if orientation in (6, 7):
        top, bottom = 1 - bottom, 1 - top
    return left, top, right, bottom


def within(crop: Box, part: Box) -> Box | None:
    """A part of a picture in fractions of another part; None if it is not all in that."""
    starts, ends = part[:2] * 2, part[2:] * 2
    left, top, right, bottom = (
        round((at - start) / (end - start), _DECIMALS)
        for at, start, end in zip(crop, starts, ends, strict=True)
    )
    inside = left >= 0 and top >= 0 and right <= 1 and bottom <= 1
    return (left, top, right, bottom) if inside else None


def in_pixels(crop: Box, width: float, height: float) -> Box:
    """A part of a picture of that size."""
    left, top, right, bottom = crop
    return left * width, top * height, right * width, bottom * height
