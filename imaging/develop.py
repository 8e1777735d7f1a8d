"""From stored pixels to the picture as it is seen: its part, its size, its colours, upright."""

from PIL import Image

from imaging.color import to_srgb
from imaging.decode import decoded
from imaging.geometry import Box, Plan, stored
from imaging.picture import Parsed
from imaging.resize import resized

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def developed(parsed: Parsed, plan: Plan) -> Image.Image:
    """The first frame as `plan` shows it, in L, LA, RGB or RGBA. Raises PictureError."""
    return finished(*exposed(parsed, plan), parsed, plan)


def exposed(parsed: Parsed, plan: Plan) -> tuple[Image.Image, Box]:
    """The first frame as stored, and which part of it is shown. Raises PictureError."""
    crop = stored(plan.crop, parsed.header.orientation)
    return decoded(parsed, crop, _lying(plan, parsed))


def finished(picture: Image.Image, part: Box, parsed: Parsed, plan: Plan) -> Image.Image:
    """A frame as stored, made what is seen of it.

    Turned and converted last, when there are the fewest pixels.
    """
    small = resized(picture, part, _lying(plan, parsed))
    converted = to_srgb(small, parsed.profile)
    turn = _TURNS.get(parsed.header.orientation)
    return _without_unused_alpha(converted if turn is None else converted.transpose(turn))


def _without_unused_alpha(picture: Image.Image) -> Image.Image:
    if picture.mode in ("LA", "RGBA") and picture.getchannel("A").getextrema() == (255, 255):
        return picture.convert(picture.mode.removesuffix("A"))
    return picture


def _lying(plan: Plan, parsed: Parsed) -> tuple[int, int]:
    """The size of the outcome before it is turned."""
    width, height = plan.size
    return (height, width) if parsed.header.orientation > 4 else (width, height)
