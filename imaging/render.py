"""A picture in, a variant out: parsed, decoded, transformed, encoded, without any I/O."""

from time import perf_counter_ns

import msgspec
from PIL import Image

from cdn.address import Fit, Format, Recipe
from imaging import animation
from imaging.develop import exposed, finished
from imaging.encode import animated_webp, encoded
from imaging.geometry import Plan, plan
from imaging.picture import Parsed, broken
from imaging.probe import parse
from imaging.pyramid import in_level


class Timings(msgspec.Struct, frozen=True):
    """Where the time went, in nanoseconds; it began at so many of the machine's monotonic clock,
    which all of its processes read alike."""

    began: int
    decode: int
    transform: int
    encode: int


class Rendered(msgspec.Struct, frozen=True):
    """A variant, with the size in pixels that it came to have."""

    body: bytes
    width: int
    height: int
    timings: Timings


def render(original: bytes, recipe: Recipe) -> Rendered:
    """The variant of `original` that `recipe` asks for, without any metadata. Raises PictureError.

    A picture is never enlarged: a box larger than the picture shrinks, keeping its shape.
    """
    began = perf_counter_ns()
    parsed = parse(original)
    return _rendered(original, parsed, plan(recipe, parsed.header.upright), recipe, began)


def render_level(level: bytes, width: int, height: int, recipe: Recipe) -> Rendered:
    """The same variant from a level of the pyramid of an original that is, upright, `width` x
    `height` pixels. Raises PictureError.
    """
    began = perf_counter_ns()
    parsed, original = parse(level), (width, height)
    shown = in_level(plan(recipe, original), parsed.header.upright, original)
    if shown is None:
        raise broken("the level does not have all of what is to be seen")
    return _rendered(level, parsed, shown, recipe, began)


def _rendered(body: bytes, parsed: Parsed, shown: Plan, recipe: Recipe, began: int) -> Rendered:
    moves = recipe.animated and recipe.format is Format.WEBP
    if moves and animation.may_move(parsed.header, shown):
        return _moving(body, parsed, shown, recipe) or _still(parsed, shown, recipe, began)
    return _still(parsed, shown, recipe, began)


def _still(parsed: Parsed, shown: Plan, recipe: Recipe, began: int) -> Rendered:
    picture, part = exposed(parsed, shown)
    decoded_at = perf_counter_ns()
    outcome = laid_out(finished(picture, part, parsed, shown), shown, recipe)
    del picture  # as large as the original, and encoders take memory too
    transformed_at = perf_counter_ns()
    variant = encoded(outcome, recipe.format, recipe.quality)
    timings = Timings(
        began=began,
        decode=decoded_at - began,
        transform=transformed_at - decoded_at,
        encode=perf_counter_ns() - transformed_at,
    )
    return Rendered(variant, *outcome.size, timings)


def _moving(body: bytes, parsed: Parsed, shown: Plan, recipe: Recipe) -> Rendered | None:
    """None where nothing is left to move: a frame behind the first is damaged."""
    began = perf_counter_ns()
    pictures, durations = [], []
    for frame, milliseconds in animation.frames(body, parsed, shown):
        # WebP's encoder wants the same bands of all of them.
        pictures.append(laid_out(frame, shown, recipe).convert("RGBA"))
        durations.append(milliseconds)
    if len(pictures) < 2:
        return None
    transformed_at = perf_counter_ns()
    variant = animated_webp(pictures, durations, parsed.header.plays, recipe.quality)
    timings = Timings(
        began=began,
        # Frames are decoded and transformed by turns.
        decode=transformed_at - began,
        transform=0,
        encode=perf_counter_ns() - transformed_at,
    )
    return Rendered(variant, *shown.canvas, timings)


def laid_out(picture: Image.Image, shown: Plan, recipe: Recipe) -> Image.Image:
    """On the background, where the format has no transparency or the box is to be filled."""
    has_alpha = picture.mode in ("LA", "RGBA")
    filled = recipe.format is Format.JPEG or recipe.fit is Fit.CONTAIN
    if shown.canvas == shown.size and not (has_alpha and filled):
        return picture
    ground = Image.new("RGB", shown.canvas, f"#{recipe.background}")
    left = (shown.canvas[0] - shown.size[0]) // 2
    top = (shown.canvas[1] - shown.size[1]) // 2
    mask = picture.getchannel("A") if has_alpha else None
    ground.paste(picture.convert("RGB"), (left, top), mask)
    return ground
