"""Files that are made to hurt: small to send, large to decode."""

import struct
import zlib
from collections.abc import Callable
from random import Random

from PIL import Image

from tests.imaging import profiles
from tests.imaging.samples import encoded, exif, gif, png, png_chunk, quarters, scene

_HUGE = 65_500


def huge_png() -> bytes:
    """4,290 million pixels in half a megabyte: the rows are all there."""
    header = struct.pack(">IIBBBBB", _HUGE, _HUGE, 1, 0, 0, 0, 0)
    row = bytes(1 + (_HUGE + 7) // 8)
    packer = zlib.compressobj(9)
    data = b"".join(packer.compress(row * 500) for _ in range(_HUGE // 500)) + packer.flush()
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            png_chunk(b"IHDR", header),
            png_chunk(b"IDAT", data),
            png_chunk(b"IEND", b""),
        )
    )


def largest_png() -> bytes:
    """As many white pixels as are just allowed, in RGBA, in 50 KB."""
    return encoded(Image.new("RGBA", (8000, 6250), (255, 255, 255, 254)), "PNG")


def thin_png() -> bytes:
    """40 million pixels in a row, for which a filter would want 2 GB."""
    return encoded(Image.new("LA", (40_000_000, 1), (255, 254)), "PNG")


def long_gif() -> bytes:
    """5,000 frames of 320 x 240."""
    return gif(320, 240, 5000)


def huge_progressive_jpeg() -> bytes:
    """100 megapixels that a decoder has to hold whole."""
    return encoded(Image.new("L", (10_000, 10_000), 128), progressive=True, quality=50)


def jpeg_of_many_scans() -> bytes:
    """12 megapixels, gone over 2,000 times more."""
    body = encoded(Image.new("RGB", (4000, 3000), (120, 130, 90)), progressive=True)
    last = body[body.rindex(b"\xff\xda") : -2]
    return body[:-2] + last * 2000 + b"\xff\xd9"


def jpeg_of_many_costly_scans() -> bytes:
    """As many pixels and scans as are just allowed."""
    body = encoded(Image.new("RGB", (8000, 6200), (120, 130, 90)), progressive=True)
    last = body[body.rindex(b"\xff\xda") : -2]
    return body[:-2] + last * 10 + b"\xff\xd9"


def text_bomb() -> bytes:
    """100 MB of text in 100 KB, three times."""
    text = zlib.compress(bytes(100_000_000))
    chunks = (
        png_chunk(b"zTXt", b"Comment\0\0" + text),
        png_chunk(b"iTXt", b"Comment\0\1\0\0\0" + text),
        png_chunk(b"zTXt", b"Raw profile type exif\0\0" + text),
    )
    return png(40, 30, 8, 0, bytes(1200), *chunks)


def profile_bomb() -> bytes:
    """A profile of 100 MB in a PNG."""
    head = profiles.display_p3()
    packed = zlib.compress(head + bytes(100_000_000))
    return png(40, 30, 8, 2, bytes(3600), png_chunk(b"iCCP", b"x\0\0" + packed))


def large_profile() -> bytes:
    """A profile of 16 MB in a JPEG, the most that fits."""
    return encoded(quarters(40, 30), icc_profile=profiles.display_p3() + bytes(16_000_000))


def segments() -> bytes:
    """A JPEG of nothing but ten million empty segments."""
    return b"\xff\xd8" + b"\xff\xe5\0\2" * 9_000_000


def crumbs() -> bytes:
    """A GIF whose comment comes byte by byte."""
    return gif(40, 30, 1)[:-1] + b"\x21\xfe" + b"\1x" * 19_000_000 + b"\0;"


BOMBS: tuple[Callable[[], bytes], ...] = (
    huge_png,
    largest_png,
    thin_png,
    long_gif,
    huge_progressive_jpeg,
    jpeg_of_many_scans,
    jpeg_of_many_costly_scans,
    text_bomb,
    profile_bomb,
    large_profile,
    segments,
    crumbs,
)


def seeds() -> list[bytes]:
    """Small whole files of every kind, to be damaged."""
    photograph, drawing = scene(24, 16), quarters(24, 16)
    see_through = photograph.convert("RGBA")
    see_through.putalpha(Image.linear_gradient("L").resize(see_through.size))
    first, *others = (Image.new("RGB", (16, 12), (60 * level, 0, 90)) for level in range(4))
    moving: dict[str, object] = {"save_all": True, "append_images": others, "duration": 80}
    profile = profiles.display_p3()
    return [
        encoded(photograph, quality=60),
        encoded(photograph, quality=60, progressive=True, exif=exif(6), icc_profile=profile),
        encoded(photograph.convert("CMYK"), quality=60),
        encoded(photograph.convert("L"), "PNG", exif=exif(3)),
        encoded(see_through, "PNG", icc_profile=profile),
        encoded(drawing.quantize(8), "PNG", transparency=b"\xff\x80\x00"),
        png(6, 4, 16, 2, bytes(range(144)), png_chunk(b"tRNS", b"\0\1\0\2\0\3")),
        encoded(photograph, "WEBP"),
        encoded(see_through, "WEBP", exif=exif(8), icc_profile=profile),
        encoded(see_through, "WEBP", lossless=True),
        encoded(first, "WEBP", **moving),
        encoded(drawing.quantize(8), "GIF"),
        encoded(first, "GIF", **moving),
        encoded(drawing, "AVIF", speed=10),
        encoded(see_through, "AVIF", speed=10, icc_profile=profile, exif=exif(5)),
    ]


def damaged(whole: list[bytes], number: int) -> bytes:
    """Damage number so much, always the same: bytes changed, cut out, repeated, or cut off."""
    random = Random(number)
    body = bytearray(whole[number % len(whole)])
    for _ in range(random.choice((1, 1, 2, 4, 16))):
        at = random.randrange(len(body))
        match random.randrange(6):
            case 0:
                body[at] = random.randrange(256)
            case 1:
                body[at] ^= 1 << random.randrange(8)
            case 2:
                body[at : at + 4] = random.choice(_EXTREMES)
            case 3:
                del body[at : at + random.randrange(1, 40)]
            case 4:
                body[at:at] = body[at : at + random.randrange(1, 40)]
            case 5 if at > 20:
                del body[at:]
        if not body:
            break
    return bytes(body)


_EXTREMES = (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\1", b"\x80\0\0\0")
