"""From the parts of a file to pixels, decoded no larger than they are needed."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO

from PIL import Image, ImageChops, ImageFile

from imaging import engine  # noqa: F401  (brings AVIF)
from imaging.geometry import ROOM, Box, Size
from imaging.picture import Container, Header, Parsed, PictureError, broken

_SHRINKS = (8, 4, 2)
"""Factors by which libjpeg can decode smaller, which spares most of the work."""


@contextmanager
def decoder_errors() -> Iterator[None]:
    """PictureError for whatever PIL raises over a damaged file: it raises nearly anything.

    What it warns of is of no use to anybody here.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (PictureError, MemoryError):
        raise
    except Exception as error:
        ended = "truncated" in str(error).lower()
        raise broken("it ends too early" if ended else "it cannot be decoded") from error


def decoded(parsed: Parsed, crop: Box, wanted: Size) -> tuple[Image.Image, Box]:
    """The first frame, and where in it `crop` (fractions of the stored picture) lies, in pixels.

    A JPEG comes smaller where enough is left to make `wanted` pixels of the part.
    Raises PictureError.
    """
    header = parsed.header
    width, height = header.width, header.height
    is_jpeg = header.container is Container.JPEG
    shrink = _shrink((width, height), crop, wanted) if is_jpeg else 1
    with decoder_errors():
        contents = b"".join(parsed.essence)
        file = opened(header, contents)
        if is_jpeg:
            # PIL chooses a factor by the size it is asked for: exactly this one.
            file.draft(None, (width // shrink, height // shrink))
            # Given it in pieces, libjpeg goes back at the end of each.
            file.decodermaxblock = len(contents)
        file.load()
        picture = uniform(file)
    # libjpeg rounds sizes up, while what is in the pixels still ends at the fraction.
    sides = (width / shrink, height / shrink) * 2
    left, top, right, bottom = (
        min(fraction * side, pixels)
        for fraction, side, pixels in zip(crop, sides, picture.size * 2, strict=True)
    )
    return picture, (left, top, right, bottom)


def opened(header: Header, contents: bytes) -> ImageFile.ImageFile:
    """A PIL picture of the size that was judged, none of whose pixels is decoded yet."""
    picture = Image.open(BytesIO(contents), formats=(header.container.value,))
    if picture.size != (header.width, header.height):
        raise broken("its parts disagree about its size")
    return picture


def _shrink(stored: Size, crop: Box, wanted: Size) -> int:
    """The largest factor that leaves enough of the part for its new size."""
    part = (crop[2] - crop[0]) * stored[0], (crop[3] - crop[1]) * stored[1]
    ratio = min(part[0] / wanted[0], part[1] / wanted[1])
    fitting = (n for n in _SHRINKS if ratio >= n * ROOM and min(stored) >= n)
    return next(fitting, 1)


def uniform(picture: Image.Image) -> Image.Image:
    """In L, LA, RGB, RGBA or CMYK: what can be resized without further thought."""
    match picture.mode:
        case "L" | "RGB" if "transparency" in picture.info:
            return picture.convert("LA" if picture.mode == "L" else "RGBA")
        case "L" | "LA" | "RGB" | "RGBA" | "CMYK":
            return picture
        case "1":
            return picture.convert("LA" if "transparency" in picture.info else "L")
        case "P" | "PA":
            # Resized, the numbers of colours would be mixed, so it is by nearest neighbour.
            return picture.convert("RGBA" if "transparency" in picture.info else "RGB")
        case "I;16" if "transparency" in picture.info:
            return _keyed(picture, picture.info["transparency"])
        case "I" | "I;16" | "I;16B" | "I;16L" | "I;16N":
            # PIL's own conversion makes everything above 255 white.
            return picture.point(lambda value: value / 256).convert("L")
        case _:
            return picture.convert("RGB")


def _keyed(picture: Image.Image, transparent: int) -> Image.Image:
    """16 bits of grey, of which one value is transparent, as LA."""
    pairs = Image.frombytes("LA", picture.size, picture.tobytes())
    low, high = pairs.split()
    differs = ImageChops.lighter(
        low.point([value != transparent & 0xFF and 255 for value in range(256)]),
        high.point([value != transparent >> 8 and 255 for value in range(256)]),
    )
    return Image.merge("LA", (high, differs))
