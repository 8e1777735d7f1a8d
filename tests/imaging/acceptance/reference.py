"""What libvips makes of a picture: full decode, one colour conversion, Lanczos. It shares no
line with PIL but the codecs' libraries."""

import numpy as np
import pyvips
from numpy.typing import NDArray

Pixels = NDArray[np.float32]
"""Height x width x RGBA, 0 to 255, alpha not multiplied in."""

_SMALL = 32
"""Pixels of the longer side."""

pyvips.cache_set_max(0)


class UnreadableError(Exception):
    """libvips cannot decode the picture."""


def reference(body: bytes, size: tuple[int, int] | None) -> Pixels:
    """The first frame, upright, in sRGB, in `size` pixels or its own. Raises UnreadableError."""
    try:
        picture = pyvips.Image.new_from_buffer(body, "", fail_on="error").autorot()
        if picture.get_typeof("icc-profile-data"):
            picture = picture.icc_transform(
                "srgb", embedded=True, intent="relative", black_point_compensation=True
            )
        picture = picture.colourspace("srgb")
        if not picture.hasalpha():
            picture = picture.bandjoin(255)
        if size is not None and size != (picture.width, picture.height):
            picture = _resized(picture.premultiply(), size).unpremultiply()
        memory = picture.cast("float").write_to_memory()
    except pyvips.Error as error:
        raise UnreadableError(str(error).strip()) from error
    shape = (picture.height, picture.width, 4)
    return np.frombuffer(memory, np.float32).reshape(shape).clip(0, 255)


def _resized(picture: pyvips.Image, size: tuple[int, int]) -> pyvips.Image:
    across, down = size[0] / picture.width, size[1] / picture.height
    small = max(picture.width, picture.height) <= _SMALL
    if small:
        # Beyond a border libvips repeats the last pixel, where PIL reckons with those that there
        # are. In a small picture most of it is near one, so here nothing is added there either:
        # a band of ones between margins of nothing says how much of the filter had pixels.
        wide, high = picture.width, picture.height
        picture = picture.bandjoin(255).embed(wide, high, 3 * wide, 3 * high)
    # No shortcut: a gap of 0 keeps it from shrinking by whole factors first.
    picture = picture.resize(across, vscale=down, kernel="lanczos3", gap=0)
    if not small:
        return picture
    picture = picture.crop(*size, *size)
    return (picture[:4] * 255 / picture[4]).copy(interpretation="srgb")


def opaque(pixels: Pixels) -> bool:
    """Whether nothing of it can be seen through."""
    return bool(pixels[..., 3].min() == 255)


def on(pixels: Pixels, ground: int) -> Pixels:
    """As seen on black (0), white (255) or any grey between."""
    if opaque(pixels):
        return pixels[..., :3]
    alpha = pixels[..., 3:] / 255
    return np.asarray(pixels[..., :3] * alpha + ground * (1 - alpha))
