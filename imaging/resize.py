"""A part of a picture, in another size."""

from PIL import Image

from imaging.geometry import Box, Size

# Shrinking by whole factors first, to no less than this much of the target, costs nothing that
# can be measured, and spares stock Pillow most of the work.
_REDUCING_GAP = 3.0


def resized(picture: Image.Image, box: Box, size: Size) -> Image.Image:
    """The part `box` (pixels) of `picture` in `size` pixels, by Lanczos' filter.

    Neither in linear light nor sharpened: see docs/pictures.md for what that was measured by.
    """
    whole = (0.0, 0.0, float(picture.width), float(picture.height))
    if box == whole and size == picture.size:
        return picture
    # PIL multiplies colour by alpha before and divides it after, so that nothing bleeds out of
    # what is transparent.
    return picture.resize(size, Image.Resampling.LANCZOS, box=box, reducing_gap=_REDUCING_GAP)
