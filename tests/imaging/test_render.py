"""A variant has the asked size, the right way up, in the right colours, and nothing else."""

from io import BytesIO

import pytest
from PIL import Image

from cdn.address import LADDER, Format, Recipe
from imaging.render import UndecodableError, render

# Where the picture is cut in four, so that a turn or a mirror image shows.
CORNERS = {
    (0, 0): (200, 30, 30),
    (1, 0): (30, 180, 30),
    (0, 1): (30, 30, 200),
    (1, 1): (220, 220, 40),
}


def quarters(width: int, height: int, mode: str = "RGB") -> Image.Image:
    picture = Image.new("RGB", (width, height))
    for (right, bottom), color in CORNERS.items():
        left, top = right * width // 2, bottom * height // 2
        picture.paste(color, (left, top, left + -(-width // 2), top + -(-height // 2)))
    return picture.convert(mode)


def encoded(picture: Image.Image, format_: str = "JPEG", **options: object) -> bytes:
    body = BytesIO()
    picture.save(body, format_, **options)
    return body.getvalue()


def decoded(body: bytes) -> Image.Image:
    picture = Image.open(BytesIO(body))
    picture.load()
    return picture


def corner_colors(picture: Image.Image) -> list[tuple[int, int, int]]:
    width, height = picture.size
    colors = []
    for right, bottom in CORNERS:
        pixel = picture.convert("RGB").getpixel(
            ((width - 1) * (1 + 2 * right) // 4, (height - 1) * (1 + 2 * bottom) // 4)
        )
        assert isinstance(pixel, tuple)
        colors.append((int(pixel[0]), int(pixel[1]), int(pixel[2])))
    return colors


def looks_like(picture: Image.Image, expected: Image.Image) -> bool:
    pairs = zip(corner_colors(picture), corner_colors(expected), strict=True)
    return all(abs(a - b) < 12 for one, other in pairs for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("format_", list(Format))
@pytest.mark.parametrize(
    ("source", "box", "size"),
    [
        ((1200, 900), (300, 300), (300, 300)),
        ((1200, 900), (600, 200), (600, 200)),
        ((1200, 900), (300, None), (300, 225)),
        ((1200, 900), (None, 300), (400, 300)),
        ((1200, 900), (None, None), (1200, 900)),
        ((900, 1200), (300, 300), (300, 300)),
        # Never enlarged: the box shrinks and keeps its shape.
        ((200, 100), (300, 300), (100, 100)),
        ((200, 100), (400, None), (200, 100)),
        ((5, 3), (32, 32), (3, 3)),
        ((1, 2000), (32, None), (1, 2000)),
    ],
)
def test_a_variant_has_the_asked_size_and_format(
    source: tuple[int, int],
    box: tuple[int | None, int | None],
    size: tuple[int, int],
    format_: Format,
) -> None:
    body = render(encoded(quarters(*source)), Recipe(*box, 80, format_))
    picture = decoded(body)
    assert picture.size == size
    assert picture.format == format_.name


@pytest.mark.parametrize("source", [(2400, 1800), (1800, 2400), (1601, 1067)])
def test_no_box_of_the_ladder_is_refused_for_a_rounding_error(source: tuple[int, int]) -> None:
    body = encoded(quarters(*source))
    for width in LADDER.sizes[:-1:3]:
        for height in LADDER.sizes[::4]:
            picture = decoded(render(body, Recipe(width, height, 80, Format.JPEG)))
            assert abs(picture.width * height - picture.height * width) <= max(width, height)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_is_upright_whatever_its_exif_says(orientation: int) -> None:
    undo = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }[orientation]
    upright = quarters(800, 600)
    stored = upright if undo is None else upright.transpose(undo)
    exif = Image.Exif()
    exif[0x0112] = orientation
    body = render(encoded(stored, exif=exif.tobytes()), Recipe(400, None, 90, Format.JPEG))
    assert decoded(body).size == (400, 300)
    assert looks_like(decoded(body), upright)


@pytest.mark.parametrize(
    ("mode", "format_"),
    [("RGB", "PNG"), ("RGBA", "PNG"), ("P", "PNG"), ("RGB", "WEBP"), ("CMYK", "JPEG")],
)
def test_other_kinds_of_pictures_keep_their_colors(mode: str, format_: str) -> None:
    source = quarters(400, 300, mode)
    body = render(encoded(source, format_), Recipe(200, None, 90, Format.WEBP))
    assert looks_like(decoded(body), quarters(400, 300))


def test_no_metadata_leaves() -> None:
    exif = Image.Exif()
    exif[0x010F] = "a camera that knows where it was"
    source = encoded(quarters(400, 300), exif=exif.tobytes(), comment=b"private")
    for format_ in Format:
        body = render(source, Recipe(200, None, 80, format_))
        assert not decoded(body).getexif()
        assert b"camera" not in body
        assert b"private" not in body


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not a picture",
        encoded(quarters(400, 300))[:2000],
        encoded(quarters(40, 30), "BMP"),
        encoded(quarters(40, 30), "TIFF"),
        b"%PDF-1.7",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    ],
    ids=["empty", "text", "truncated", "bmp", "tiff", "pdf", "svg"],
)
def test_what_is_no_picture_is_refused(body: bytes) -> None:
    with pytest.raises(UndecodableError):
        render(body, Recipe(32, 32, 80, Format.JPEG))


def test_a_bomb_is_refused_by_its_header() -> None:
    # 49 million white pixels in a few kilobytes would pass; 64 million must not be decoded.
    bomb = encoded(Image.new("L", (8000, 8000)), "PNG")
    assert len(bomb) < 100_000
    with pytest.raises(UndecodableError, match="pixels"):
        render(bomb, Recipe(32, 32, 80, Format.JPEG))
