"""A variant has the asked size, the right way up, in the right colours, and nothing else."""

import re
import struct
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from cdn.address import CENTRE, LADDER, WHITE, Fit, Focus, Format, Recipe
from imaging.geometry import plan
from imaging.picture import Kind, PictureError
from imaging.render import render
from tests.imaging import profiles
from tests.imaging.samples import (
    Colour,
    decoded,
    encoded,
    exif,
    gif,
    looks_like,
    near,
    noise,
    oriented,
    png,
    png_chunk,
    quarter_colors,
    quarters,
    scene,
)


def recipe(
    width: int | None = None,
    height: int | None = None,
    fit: Fit = Fit.COVER,
    format_: Format = Format.PNG,
    *,
    focus: Focus = CENTRE,
    quality: int = 90,
    background: str = WHITE,
    animated: bool = False,
) -> Recipe:
    return Recipe(width, height, fit, focus, quality, format_, background, animated)


def rendered(body: bytes, asked: Recipe) -> Image.Image:
    variant = render(body, asked)
    picture = decoded(variant.body)
    assert picture.size == (variant.width, variant.height)
    assert picture.format == asked.format.name
    return picture


def pixel(picture: Image.Image, x: int, y: int) -> tuple[int, ...]:
    value = picture.getpixel((x, y))
    assert isinstance(value, tuple)
    return tuple(int(band) for band in value)


SIZES = [
    # original, box, fit, size
    ((1200, 900), (300, 300), Fit.COVER, (300, 300)),
    ((1200, 900), (600, 200), Fit.COVER, (600, 200)),
    ((1200, 900), (300, None), Fit.COVER, (300, 225)),
    ((1200, 900), (None, 300), Fit.COVER, (400, 300)),
    ((1200, 900), (None, None), Fit.COVER, (1200, 900)),
    ((900, 1200), (300, 300), Fit.COVER, (300, 300)),
    # Never enlarged: the box shrinks and keeps its shape.
    ((200, 100), (300, 300), Fit.COVER, (100, 100)),
    ((200, 100), (400, None), Fit.COVER, (200, 100)),
    ((200, 100), (None, 400), Fit.COVER, (200, 100)),
    ((5, 3), (32, 32), Fit.COVER, (3, 3)),
    ((1, 2000), (32, None), Fit.COVER, (1, 2000)),
    ((1, 2000), (None, 32), Fit.COVER, (1, 32)),
    ((1200, 900), (300, 300), Fit.INSIDE, (300, 225)),
    ((900, 1200), (300, 300), Fit.INSIDE, (225, 300)),
    ((200, 100), (300, 300), Fit.INSIDE, (200, 100)),
    ((1200, 900), (300, 300), Fit.CONTAIN, (300, 300)),
    # The box need not be smaller than the picture, only the picture as large as its own.
    ((200, 100), (300, 300), Fit.CONTAIN, (200, 200)),
    ((200, 100), (300, 50), Fit.CONTAIN, (300, 50)),
    ((1200, 900), (300, 300), Fit.FILL, (300, 300)),
    ((200, 100), (300, 50), Fit.FILL, (200, 33)),
    ((5000, 40), (None, None), Fit.COVER, (4096, 33)),
]


@pytest.mark.parametrize("format_", [Format.JPEG, Format.WEBP, Format.PNG])
@pytest.mark.parametrize(("original", "box", "fit", "size"), SIZES)
def test_a_variant_has_the_asked_size_and_format(
    original: tuple[int, int],
    box: tuple[int | None, int | None],
    fit: Fit,
    size: tuple[int, int],
    format_: Format,
) -> None:
    assert rendered(encoded(quarters(*original)), recipe(*box, fit, format_)).size == size


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (63, 63), (301, 203)])
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA"])
def test_any_picture_can_become_avif(mode: str, size: tuple[int, int]) -> None:
    body = encoded(scene(*size).convert(mode), "PNG")
    picture = rendered(body, recipe(format_=Format.AVIF))
    assert picture.size == size
    assert near(
        (*map(round, _mean(picture)),),  # type: ignore[arg-type]
        (*map(round, _mean(decoded(body))),),  # type: ignore[arg-type]
        within=5,
    )


def _mean(picture: Image.Image) -> list[float]:
    return [
        sum(value * count for value, count in enumerate(channel.histogram()))
        / (picture.width * picture.height)
        for channel in picture.convert("RGB").split()
    ]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "AVIF"])
@pytest.mark.parametrize("width", [400, None])
def test_a_picture_is_upright_whatever_its_exif_says(
    orientation: int, format_: str, width: int | None
) -> None:
    upright = quarters(800, 600)
    body = encoded(oriented(upright, orientation), format_, exif=exif(orientation), quality=95)
    picture = rendered(body, recipe(width))
    assert picture.size == (width or 800, (width or 800) * 3 // 4)
    assert looks_like(picture, upright)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(("focus", "corner"), [((0, 0), 0), ((100, 0), 1), ((0, 100), 2)])
def test_the_focus_is_on_the_upright_picture(orientation: int, focus: Focus, corner: int) -> None:
    upright = quarters(800, 600)
    body = encoded(oriented(upright, orientation), "PNG", exif=exif(orientation))
    expected = quarter_colors(upright)[corner]
    across = rendered(body, recipe(100, 300, focus=focus))
    along = rendered(body, recipe(300, 20, focus=focus))
    assert near(quarter_colors(across)[0 if focus[1] == 0 else 2], expected)
    assert near(quarter_colors(along)[0 if focus[0] == 0 else 1], expected)


def test_a_focus_that_needs_no_moving_is_in_the_middle() -> None:
    stripes = Image.new("RGB", (1000, 100))
    for percent in range(100):
        stripes.paste((percent, 0, 0), (percent * 10, 0, percent * 10 + 10, 100))
    for percent, middle in ((10, 10), (30, 30), (0, 5), (100, 95)):
        cut = rendered(encoded(stripes, "PNG"), recipe(100, 100, focus=(percent, 50)))
        assert abs(pixel(cut, 50, 50)[0] - middle) <= 1


KINDS = [
    ("JPEG", "RGB"), ("JPEG", "CMYK"), ("PNG", "RGB"), ("PNG", "RGBA"), ("PNG", "P"),
    ("WEBP", "RGB"), ("WEBP", "RGBA"), ("GIF", "P"), ("AVIF", "RGB"),
]  # fmt: skip


@pytest.mark.parametrize(("format_", "mode"), KINDS)
@pytest.mark.parametrize("to", list(Format))
def test_every_kind_of_picture_keeps_its_colours(format_: str, mode: str, to: Format) -> None:
    body = encoded(quarters(400, 300, mode), format_)
    for width in (200, None):
        assert looks_like(rendered(body, recipe(width, format_=to)), quarters(400, 300))


@pytest.mark.parametrize(
    ("bits", "colour_type", "row", "expected"),
    [
        # Everything above 255 in white is what PIL's own conversion of 16 bits makes.
        (16, 0, struct.pack(">2H", 0x8000, 0x0180), [(128,) * 3, (1,) * 3]),
        (16, 2, struct.pack(">6H", 0x8000, 0, 0xFFFF, 0, 0x4000, 0), [(128, 0, 255), (0, 64, 0)]),
        (8, 0, bytes((200, 7)), [(200,) * 3, (7,) * 3]),
        (4, 0, bytes((0xF5,)), [(255,) * 3, (85,) * 3]),
        (1, 0, bytes((0x80,)), [(255,) * 3, (0,) * 3]),
    ],
    ids=["grey 16", "true colour 16", "grey 8", "grey 4", "grey 1"],
)
def test_every_depth_keeps_its_values(
    bits: int, colour_type: int, row: bytes, expected: list[Colour]
) -> None:
    picture = rendered(png(2, 1, bits, colour_type, row), recipe()).convert("RGB")
    assert [pixel(picture, x, 0) for x in (0, 1)] == expected


@pytest.mark.parametrize(
    ("bits", "colour_type", "row", "key"),
    [
        (16, 0, struct.pack(">2H", 0x8001, 0x8002), struct.pack(">H", 0x8001)),
        (16, 2, struct.pack(">6H", 0x8001, 1, 2, 0x9000, 1, 2), struct.pack(">3H", 0x8001, 1, 2)),
        (8, 0, bytes((200, 7)), struct.pack(">H", 200)),
        (8, 2, bytes((9, 8, 7, 9, 8, 6)), struct.pack(">3H", 9, 8, 7)),
        (4, 0, bytes((0x54,)), struct.pack(">H", 5)),
        (2, 0, bytes((0x90,)), struct.pack(">H", 2)),
        (1, 0, bytes((0x80,)), struct.pack(">H", 1)),
        # Of the 16 bits only as many count as a sample has.
        (4, 0, bytes((0x0F,)), struct.pack(">H", 0xFFF0)),
        (1, 0, bytes((0x40,)), struct.pack(">H", 0xFFFE)),
    ],
    ids=[
        "grey 16",
        "true colour 16",
        "grey 8",
        "true colour 8",
        "grey 4",
        "grey 2",
        "grey 1",
        "grey 4, more bits",
        "grey 1, more bits",
    ],
)
def test_the_colour_that_stands_for_transparency_is_transparent(
    bits: int, colour_type: int, row: bytes, key: bytes
) -> None:
    body = png(2, 1, bits, colour_type, row, png_chunk(b"tRNS", key))
    picture = rendered(body, recipe()).convert("RGBA")
    assert [pixel(picture, x, 0)[3] for x in (0, 1)] == [0, 255]


@pytest.mark.parametrize("how", ["alpha of each colour", "one colour"])
def test_a_palette_may_have_transparent_colours(how: str) -> None:
    picture = Image.new("P", (40, 40), 1)
    picture.putpalette((0, 0, 0, 200, 30, 30, 30, 180, 30))
    picture.paste(2, (20, 0, 40, 40))
    key: bytes | int = b"\xff\x80\x00" if how == "alpha of each colour" else 2
    result = rendered(encoded(picture, "PNG", transparency=key), recipe(20)).convert("RGBA")
    assert pixel(result, 15, 10)[3] == 0
    left = pixel(result, 4, 10)
    assert near((left[0], left[1], left[2]), (200, 30, 30))
    assert left[3] == (128 if how == "alpha of each colour" else 255)


def _badge() -> bytes:
    """An opaque red disc, and beneath the transparency around it the colour green."""
    picture = Image.new("RGBA", (200, 200), (0, 255, 0, 0))
    disc = Image.radial_gradient("L").resize((200, 200)).point(lambda value: 255 * (value < 128))
    picture.paste((255, 0, 0, 255), mask=disc)
    return encoded(picture, "PNG")


@pytest.mark.parametrize("format_", [Format.WEBP, Format.PNG, Format.AVIF])
def test_transparent_colour_does_not_bleed_into_what_is_seen(format_: Format) -> None:
    small = rendered(_badge(), recipe(40, format_=format_)).convert("RGBA")
    seen = [pixel(small, x, y) for x in range(40) for y in range(40)]
    assert {alpha for *_, alpha in seen} >= {0, 255}
    assert all(green < 60 for _, green, _, alpha in seen if alpha > 20)


def test_grey_with_transparency_does_not_bleed() -> None:
    picture = Image.new("LA", (200, 200), (255, 0))
    picture.paste((0, 255), (0, 0, 100, 200))
    small = rendered(encoded(picture, "PNG"), recipe(20)).convert("RGBA")
    assert all(pixel(small, x, 10)[0] < 8 for x in range(20) if pixel(small, x, 10)[3] > 8)


@pytest.mark.parametrize(("fit", "format_"), [(Fit.COVER, Format.JPEG), (Fit.CONTAIN, Format.WEBP)])
def test_transparency_is_filled_with_the_background(fit: Fit, format_: Format) -> None:
    small = rendered(_badge(), recipe(40, 40, fit, format_, background="3366cc"))
    assert small.mode == "RGB"
    corner, middle = pixel(small, 1, 1), pixel(small, 20, 20)
    assert near((corner[0], corner[1], corner[2]), (0x33, 0x66, 0xCC))
    assert near((middle[0], middle[1], middle[2]), (255, 0, 0), within=20)


def test_a_contained_picture_lies_in_the_middle_of_its_box() -> None:
    boxed = rendered(
        encoded(quarters(400, 200), "PNG"), recipe(100, 100, Fit.CONTAIN, background="3366cc")
    )
    assert {pixel(boxed, 50, y) for y in (0, 24, 75, 99)} == {(0x33, 0x66, 0xCC)}
    assert looks_like(boxed.crop((0, 25, 100, 75)), quarters(400, 200))


@pytest.mark.parametrize(("quality", "kept"), [(80, False), (90, True)])
@pytest.mark.parametrize("format_", [Format.JPEG, Format.AVIF])
def test_colour_keeps_its_whole_resolution_from_quality_90(
    format_: Format, quality: int, kept: bool
) -> None:
    stripes = Image.new("RGB", (32, 32), (200, 40, 40))
    for column in range(0, 32, 2):
        stripes.paste((40, 40, 200), (column, 0, column + 1, 32))
    picture = rendered(encoded(stripes, "PNG"), recipe(format_=format_, quality=quality))
    one, next_to_it = pixel(picture, 15, 16), pixel(picture, 16, 16)
    assert (one[0] - next_to_it[0] > 120) is kept


@pytest.mark.parametrize(("height", "progressive"), [(749, False), (750, True)])
def test_a_jpeg_is_shown_coarse_at_first_from_750_000_pixels(
    height: int, progressive: bool
) -> None:
    body = encoded(Image.new("RGB", (1000, height), (90, 120, 60)), "PNG")
    picture = rendered(body, recipe(format_=Format.JPEG))
    assert bool(picture.info.get("progressive")) is progressive


def test_alpha_that_hides_nothing_is_not_encoded() -> None:
    body = encoded(quarters(40, 30, "RGBA"), "PNG")
    assert rendered(body, recipe(20)).mode == "RGB"


@pytest.mark.parametrize(
    ("profile", "stored", "seen"),
    [
        (profiles.display_p3(), (234, 51, 35), (255, 0, 0)),
        # Outside sRGB: as red as it gets.
        (profiles.display_p3(), (241, 0, 0), (255, 0, 0)),
        (profiles.adobe_rgb(), (144, 255, 60), (0, 255, 0)),
        (profiles.adobe_rgb(), (128, 128, 128), (128, 128, 128)),
    ],
    ids=["P3", "P3, out of gamut", "Adobe RGB", "Adobe RGB, grey"],
)
@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_colours_of_a_profile_become_srgb(
    profile: bytes, stored: Colour, seen: Colour, format_: str
) -> None:
    options = {"lossless": True} if format_ == "WEBP" else {"quality": 100}
    body = encoded(Image.new("RGB", (64, 64), stored), format_, icc_profile=profile, **options)
    colour = pixel(rendered(body, recipe(32)).convert("RGB"), 16, 16)
    assert near((colour[0], colour[1], colour[2]), seen, within=6)


P3_BY_NUMBER = {
    "PNG": png(2, 1, 8, 2, bytes((234, 51, 35) * 2), png_chunk(b"cICP", bytes((12, 13, 0, 1)))),
    "AVIF": encoded(Image.new("RGB", (64, 64), (234, 51, 35)), "AVIF", quality=100).replace(
        b"nclx\0\x01\0\r", b"nclx\0\x0c\0\r"
    ),
}


@pytest.mark.parametrize("format_", P3_BY_NUMBER)
def test_colours_told_by_number_become_srgb(format_: str) -> None:
    colour = pixel(rendered(P3_BY_NUMBER[format_], recipe()).convert("RGB"), 0, 0)
    assert near((colour[0], colour[1], colour[2]), (255, 0, 0), within=6)


def test_alpha_goes_through_a_profile_untouched() -> None:
    body = encoded(
        Image.new("RGBA", (8, 8), (234, 51, 35, 77)), "PNG", icc_profile=profiles.display_p3()
    )
    *colour, alpha = pixel(rendered(body, recipe(4)), 2, 2)
    assert alpha == 77
    assert near((colour[0], colour[1], colour[2]), (255, 0, 0), within=4)


@pytest.mark.parametrize(
    ("light", "stored", "seen"),
    [
        (lambda value: value, 128, 188),
        # The darkest ink there is shines a little, and is black nevertheless.
        (lambda value: 0.03 + 0.97 * value, 0, 0),
        (lambda value: 0.03 + 0.97 * value, 255, 255),
    ],
    ids=["linear", "black", "white"],
)
def test_grey_has_profiles_too(light: Callable[[float], float], stored: int, seen: int) -> None:
    body = encoded(Image.new("L", (8, 8), stored), "PNG", icc_profile=profiles.grey(light))
    assert near(pixel(rendered(body, recipe(4)).convert("RGB"), 2, 2), (seen,) * 3, 1)  # type: ignore[arg-type]


def _inks(cmyk: tuple[int, ...]) -> tuple[float, float, float]:
    """The colours (Lab) of a press whose inks are duller than the formula has them."""
    match cmyk:
        case (0, 0, 0, 0):
            return (100, 0, 0)
        case (1, 0, 0, 0):
            return (60, -20, -25)
        case (_, _, _, 1):
            return (0, 0, 0)
        case _:
            return (40, 0, 0)


@pytest.mark.parametrize(
    ("profile", "cyan"),
    [
        (profiles.press(_inks), (67, 156, 188)),
        (None, (0, 255, 255)),
        (profiles.display_p3(), (0, 255, 255)),  # that of another kind of picture
        (profiles.press(_inks)[:200], (0, 255, 255)),  # damaged
    ],
    ids=["profile", "none", "wrong kind", "damaged"],
)
def test_inks_are_what_their_profile_says(profile: bytes | None, cyan: Colour) -> None:
    body = encoded(Image.new("CMYK", (64, 64), (255, 0, 0, 0)), icc_profile=profile, quality=100)
    colour = pixel(rendered(body, recipe(32)), 16, 16)
    assert near((colour[0], colour[1], colour[2]), cyan, within=6)


def test_a_damaged_profile_is_as_good_as_none() -> None:
    for damage in (b"x" * 300, profiles.display_p3()[:140], b"\0" * 16 + b"RGB "):
        body = encoded(quarters(40, 30), "PNG", icc_profile=damage)
        assert looks_like(rendered(body, recipe(20)), quarters(40, 30))


@pytest.mark.parametrize("to", list(Format))
@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "GIF", "AVIF"])
def test_no_metadata_leaves(format_: str, to: Format) -> None:
    options: dict[str, object] = {"comment": b"private remark"}
    if format_ != "GIF":
        options |= {"exif": exif(1), "icc_profile": profiles.display_p3(), "xmp": b"<x:private/>"}
    body = encoded(quarters(400, 300), format_, **options)
    for width in (200, None):
        variant = render(body, recipe(width, format_=to)).body
        info = decoded(variant).info
        assert not {"exif", "icc_profile", "xmp", "comment", "dpi"} & set(info)
        assert not any(word in variant for word in (b"camera", b"private", b"acsp", b"Exif\0"))


@pytest.mark.parametrize("side", [400, 1000])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_noise_becomes_a_jpeg_of_any_quality(mode: str, side: int) -> None:
    body = encoded(noise(mode, side), "PNG")
    for quality in (*LADDER.qualities, 100):
        rendered(body, recipe(format_=Format.JPEG, quality=quality))


ANIMATED = recipe(20, format_=Format.WEBP, animated=True)


@pytest.mark.parametrize(("repeats", "plays"), [(None, 1), (0, 0), (3, 4), (65_535, 65_535)])
@pytest.mark.parametrize("width", [20, 40])
def test_an_animation_keeps_its_frames_durations_and_repetitions(
    repeats: int | None, plays: int, width: int
) -> None:
    asked = recipe(width, format_=Format.WEBP, animated=True)
    variant = decoded(render(_traffic_light(repeats), asked).body)
    assert (getattr(variant, "n_frames", 1), variant.size) == (3, (width, width // 2))
    assert variant.info["loop"] == plays
    seen = []
    for number in range(3):
        variant.seek(number)
        colour = variant.convert("RGB").getpixel((10, 5))
        assert isinstance(colour, tuple)
        seen.append((max(range(2), key=lambda band: colour[band]), variant.info["duration"]))
    # A frame of no time is shown for a tenth of a second by every browser.
    assert seen == [(0, 300), (1, 100), (0, 500)]


def _traffic_light(repeats: int | None) -> bytes:
    colours = ((220, 0, 0), (0, 200, 0), (200, 90, 0))
    first, *others = (Image.new("RGB", (40, 20), colour) for colour in colours)
    options: dict[str, object] = {} if repeats is None else {"loop": repeats}
    return encoded(
        first, "GIF", save_all=True, append_images=others, duration=[300, 0, 500], **options
    )


@pytest.mark.parametrize("width", [20, 40])
def test_an_animated_webp_stays_one(width: int) -> None:
    levels = (250, 100, 20)
    first, *others = (Image.new("RGB", (40, 20), (level, 0, 0)) for level in levels)
    body = encoded(first, "WEBP", save_all=True, append_images=others, duration=80, loop=2)
    variant = decoded(render(body, recipe(width, format_=Format.WEBP, animated=True)).body)
    assert (getattr(variant, "n_frames", 1), variant.info["loop"]) == (3, 2)
    assert variant.info["duration"] == 80
    for number, level in enumerate(levels):
        variant.seek(number)
        assert abs(pixel(variant.convert("RGB"), 10, 5)[0] - level) < 12


def test_no_animation_lasts_longer_than_an_encoder_can_count() -> None:
    body = bytearray(_noisy_webp(135))
    for at in _places(b"ANMF", body):
        body[at + 20 : at + 23] = b"\xff\xff\xff"  # milliseconds
    assert render(bytes(body), ANIMATED).body.count(b"ANMF") == 135


def _noisy_webp(frames: int) -> bytes:
    first, *others = (noise("RGB", 20, seed) for seed in range(frames))
    return encoded(first, "WEBP", save_all=True, append_images=others, lossless=True)


def _places(mark: bytes, body: bytes | bytearray) -> list[int]:
    return [found.start() for found in re.finditer(re.escape(mark), body)]


def _cut_off_gif(whole: int) -> bytes:
    body = gif(40, 20, 5)
    return body[: _places(b"\x21\xf9\x04", body)[whole] + 22]


def _changed_gif(whole: int) -> bytes:
    body = bytearray(gif(40, 20, 5))
    body[_places(b"\x21\xf9\x04", body)[whole] + 18] = 32  # bits of a code, at most 8
    return bytes(body)


def _changed_webp(whole: int) -> bytes:
    body = bytearray(_noisy_webp(5))
    at = _places(b"ANMF", body)[whole]
    body[at + 60 : at + 360] = bytes(300)
    return bytes(body)


DAMAGED = pytest.mark.parametrize("damaged", [_cut_off_gif, _changed_gif, _changed_webp])


@DAMAGED
@pytest.mark.parametrize("whole", [2, 4])
def test_an_animation_ends_before_a_damaged_frame(
    damaged: Callable[[int], bytes], whole: int
) -> None:
    assert render(damaged(whole), ANIMATED).body.count(b"ANMF") == whole


@DAMAGED
def test_an_animation_of_one_whole_frame_is_its_still_picture(
    damaged: Callable[[int], bytes],
) -> None:
    still = render(damaged(1), recipe(20, format_=Format.WEBP))
    assert render(damaged(1), ANIMATED).body == still.body


def test_an_animation_ends_before_a_frame_that_leaves_the_screen() -> None:
    body = gif(40, 20, 5)
    fourth = [at for at in range(len(body)) if body[at : at + 5] == b"\x2c\0\0\0\0"][3]
    larger = body[: fourth + 5] + b"\xff\xff\xff\xff" + body[fourth + 9 :]
    assert render(larger, ANIMATED).body.count(b"ANMF") == 3


@pytest.mark.parametrize(
    ("asked", "size", "frames", "seen"),
    [
        (ANIMATED, (40, 20), 200, 200),
        (recipe(20, format_=Format.WEBP), (40, 20), 200, 0),  # nobody asked
        (recipe(20, format_=Format.JPEG, animated=True), (40, 20), 200, 0),  # cannot move
        (ANIMATED, (40, 20), 301, 0),  # too long
        (ANIMATED, (2000, 2000), 38, 0),  # too large
        (recipe(1500, format_=Format.WEBP, animated=True), (1500, 300), 90, 0),  # and so is this
    ],
)
def test_an_animation_out_of_bounds_is_its_first_frame(
    asked: Recipe, size: tuple[int, int], frames: int, seen: int
) -> None:
    variant = render(gif(*size, frames), asked).body
    assert variant.count(b"ANMF") == seen
    first = decoded(variant).convert("RGB").getpixel((10, 5))
    assert isinstance(first, tuple)
    assert first[0] > 150


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", Kind.NOT_A_PICTURE),
        (b"not a picture", Kind.NOT_A_PICTURE),
        (encoded(quarters(400, 300))[:2000], Kind.BROKEN),
        (encoded(quarters(40, 30), "BMP"), Kind.UNSUPPORTED_FORMAT),
        (encoded(Image.new("L", (8000, 8000)), "PNG"), Kind.TOO_MANY_PIXELS),
    ],
    ids=["empty", "text", "truncated", "bmp", "bomb"],
)
def test_what_is_no_picture_is_refused(body: bytes, kind: Kind) -> None:
    with pytest.raises(PictureError) as refusal:
        render(body, recipe(32, 32))
    assert refusal.value.kind == kind
    assert str(refusal.value).endswith(".")


def test_a_small_variant_is_as_sharp_as_the_filter_of_lanczos_makes_it() -> None:
    detail = noise("RGB", 640)
    small = rendered(encoded(detail, "PNG"), recipe(160))
    for ours, whole in zip(small.split(), detail.split(), strict=True):
        exact = whole.convert("F").resize((160, 160), Image.Resampling.LANCZOS)
        # Rounding is a quarter of it; a bicubic filter is off by two.
        assert np.abs(np.asarray(ours, np.float32) - np.asarray(exact)).mean() < 0.5


def test_it_is_told_where_the_time_went() -> None:
    timings = render(encoded(scene(800, 600)), recipe(200, format_=Format.WEBP)).timings
    assert min(timings.decode, timings.transform, timings.encode) > 0


@pytest.mark.parametrize("original", [(2400, 1800), (1800, 2400), (1601, 1067), (4000, 3000)])
def test_no_box_of_the_ladder_reaches_a_hair_outside_the_picture(original: tuple[int, int]) -> None:
    for width in LADDER.sizes:
        for height in LADDER.sizes:
            wish = Recipe(width, height, Fit.COVER, (30, 70), 80, Format.JPEG, WHITE)
            left, top, right, bottom = plan(wish, original).crop
            assert 0 <= left < right <= 1
            assert 0 <= top < bottom <= 1
