"""Pictures to test with, drawn here, and the pieces of files that PIL does not write."""

import struct
import zlib
from io import BytesIO
from random import Random

from PIL import Image

from imaging import engine  # noqa: F401  (brings AVIF)

Colour = tuple[int, int, int]

# Where the picture is cut in four, so that a turn or a mirror image shows.
QUARTERS: dict[tuple[int, int], Colour] = {
    (0, 0): (200, 30, 30),
    (1, 0): (30, 180, 30),
    (0, 1): (30, 30, 200),
    (1, 1): (220, 220, 40),
}
UNDO_ORIENTATION = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def quarters(width: int, height: int, mode: str = "RGB") -> Image.Image:
    """Four rectangles of different colours."""
    picture = Image.new("RGB", (width, height))
    for (right, bottom), color in QUARTERS.items():
        left, top = right * width // 2, bottom * height // 2
        picture.paste(color, (left, top, left + -(-width // 2), top + -(-height // 2)))
    # PIL's own way to a palette is to its standard one, with a pattern of dots.
    return picture.quantize(8) if mode == "P" else picture.convert(mode)


def scene(width: int, height: int) -> Image.Image:
    """Something like a photograph: light and shade, and detail of every size down to grain."""
    random = Random(7)
    planes = []
    for _ in range(3):
        plane = Image.linear_gradient("L").resize((width, height))
        for halvings in range(9, -1, -1):
            size = -(-width >> halvings), -(-height >> halvings)
            size = max(1, size[0]), max(1, size[1])
            octave = Image.frombytes("L", size, random.randbytes(size[0] * size[1]))
            grown = octave.resize((width, height), Image.Resampling.BICUBIC)
            plane = Image.blend(plane, grown, 0.04 + 0.02 * halvings)
        planes.append(plane)
    return Image.merge("RGB", planes)


def noise(mode: str, side: int, seed: int = 7) -> Image.Image:
    """A square of which no encoder spares a byte."""
    samples = side * side * Image.getmodebands(mode)
    return Image.frombytes(mode, (side, side), Random(seed).randbytes(samples))


def encoded(picture: Image.Image, format_: str = "JPEG", **options: object) -> bytes:
    """The bytes of a file."""
    body = BytesIO()
    picture.save(body, format_, **options)
    return body.getvalue()


def decoded(body: bytes) -> Image.Image:
    """The picture in a file, loaded."""
    picture = Image.open(BytesIO(body))
    picture.load()
    return picture


def exif(orientation: int) -> bytes:
    """An EXIF block that says this and names a camera."""
    tags = Image.Exif()
    tags[0x0112] = orientation
    tags[0x010F] = "a camera that knows where it was"
    return tags.tobytes()


def oriented(upright: Image.Image, orientation: int) -> Image.Image:
    """What a camera stores that is held so."""
    undo = UNDO_ORIENTATION.get(orientation)
    return upright if undo is None else upright.transpose(undo)


def quarter_colors(picture: Image.Image) -> list[Colour]:
    """The colour in the middle of each quarter."""
    width, height = picture.size
    flat = picture.convert("RGB")
    colors = []
    for right, bottom in QUARTERS:
        pixel = flat.getpixel(
            ((width - 1) * (1 + 2 * right) // 4, (height - 1) * (1 + 2 * bottom) // 4)
        )
        assert isinstance(pixel, tuple)
        colors.append((int(pixel[0]), int(pixel[1]), int(pixel[2])))
    return colors


def near(one: Colour, other: Colour, within: int = 12) -> bool:
    """Whether two colours are about the same."""
    return all(abs(a - b) <= within for a, b in zip(one, other, strict=True))


def looks_like(picture: Image.Image, expected: Image.Image, within: int = 12) -> bool:
    """Whether two pictures of quarters show the same."""
    pairs = zip(quarter_colors(picture), quarter_colors(expected), strict=True)
    return all(near(one, other, within) for one, other in pairs)


def png_chunk(kind: bytes, content: bytes) -> bytes:
    """A chunk of a PNG."""
    checksum = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + checksum


def png(width: int, height: int, bits: int, colour_type: int, rows: bytes, *more: bytes) -> bytes:
    """A PNG of unfiltered rows, with more chunks before them."""
    header = struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0)
    length = len(rows) // height
    lines = b"".join(b"\0" + rows[at : at + length] for at in range(0, len(rows), length))
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            png_chunk(b"IHDR", header),
            *more,
            png_chunk(b"IDAT", zlib.compress(lines)),
            png_chunk(b"IEND", b""),
        )
    )


def gif(width: int, height: int, frames: int, *, repeats: int | None = 0) -> bytes:
    """An animation of flat frames of two colours by turns, each shown for 70 ms."""
    one, other = (
        encoded(Image.new("P", (width, height), index), "GIF", optimize=False) for index in (0, 1)
    )
    palette = bytes((220, 0, 0, 0, 0, 220))
    head = one[:10] + b"\x80\0\0" + palette
    control = b"\x21\xf9\x04\x04\x07\0\0\0"
    turns = [control + _image(one), control + _image(other)]
    repetition = b"" if repeats is None else struct.pack("<H", repeats)
    loop = b"\x21\xff\x0bNETSCAPE2.0\x03\x01" + repetition + b"\0" if repetition else b""
    return head + loop + b"".join(turns[number % 2] for number in range(frames)) + b";"


def _image(still: bytes) -> bytes:
    """The image block of a GIF that PIL wrote."""
    palette = 3 << (still[10] & 7) + 1 if still[10] & 0x80 else 0
    return still[still.index(b"\x2c", 13 + palette) : -1]
