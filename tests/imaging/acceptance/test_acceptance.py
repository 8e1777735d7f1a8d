"""Each of Pillow's test pictures is rendered as libvips renders it, or cleanly refused."""

from collections import Counter
from collections.abc import Callable
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from cdn.address import CENTRE, WHITE, Fit, Format, Recipe
from imaging.picture import Container, Kind, PictureError
from imaging.probe import parse
from imaging.render import render
from tests.imaging.acceptance.likeness import luma, ssim
from tests.imaging.acceptance.pillow_images import (
    UnavailableError,
    pictures,
    source_distribution,
)
from tests.imaging.acceptance.reference import Pixels, on, opaque, reference

LEAST_LIKE = 0.95
MOST_SHIFTED = 3.0
"""Of the mean colour, in each channel of 255."""
QUALITY = 90
"""The highest of the ladder."""
BLOCK = 8
"""Pixels of the side of a picture whose lossy variants are compared at quality 100: so few are
one block to a codec, whose rounding says nothing of how we treat colour."""
LONGEST = 320
# Larger ones are compared shrunk only: the comparison is what takes the time.
COMPARED_WHOLE = 300_000

# How many there are of each format, so that none is ever lost sight of.
EXPECTED = {
    Container.JPEG: 62,
    Container.PNG: 422,
    Container.WEBP: 14,
    Container.GIF: 39,
    Container.AVIF: 16,
}

REFUSED = {
    "apng/syntax_num_frames_zero.png": Kind.BROKEN,  # has frames, but no still picture
    "broken.png": Kind.BROKEN,  # begins with another chunk than its header
    "broken_data_stream.png": Kind.BROKEN,  # the compressed data are damaged
    "decompression_bomb.gif": Kind.TOO_MANY_PIXELS,  # 4,364 million of them
    "truncated_image.png": Kind.BROKEN,  # ends before its first pixel
    "truncated_jpeg.jpg": Kind.BROKEN,  # ends among its pixels
    "ultrahdr.jpg": Kind.BROKEN,  # was cut where its pixels begin
    "zero_width.gif": Kind.BROKEN,  # of 0 x 1 pixels
}

# By how much the mean colour of lossy WebP is off, which has half the resolution of colour at any
# quality (RFC 9649) and clips what thin lines and single pixels in pure colours lose by it.
CLIPPED_BY_WEBP = {
    "bc5_unorm.png": 4.7,
    "bitmap_font_stroke_basic.png": 7.2,
    "bitmap_font_stroke_raqm.png": 7.0,
    "blp/blp2_dxt1a.png": 3.7,
    "color_snakes.png": 5.3,
    "colr_bungee_older.png": 3.7,
    "ignore_frame_size.mpo": 3.4,
    "imagedraw_arc_width_fill.png": 3.5,
    "imagedraw_chord_width.png": 4.6,
    "imagedraw_chord_width_fill.png": 3.9,
    "imagedraw_pieslice_wide.png": 3.4,
    "imagedraw_stroke_descender.png": 3.2,
    "imagedraw_stroke_different.png": 3.7,
    "imagedraw_stroke_multiline.png": 4.8,
    "uncompressed_rgb.png": 4.0,
    "xmp_tags_orientation_exiftool.png": 5.3,
}


@pytest.fixture(scope="module")
def by_format(request: pytest.FixtureRequest) -> dict[Container, dict[str, bytes]]:
    cache = request.config.cache
    assert cache is not None
    try:
        archive = source_distribution(cache.mkdir("pillow-images"))
    except UnavailableError as error:
        pytest.skip(str(error))
    found: dict[Container, dict[str, bytes]] = {container: {} for container in Container}
    for name, body in pictures(archive):
        container = told_by_content(body)
        if container is not None:
            found[container][name] = body
    return found


def told_by_content(body: bytes) -> Container | None:
    if body.startswith(b"\xff\xd8\xff"):
        return Container.JPEG
    if body.startswith(b"\x89PNG\r\n\x1a\n"):
        return Container.PNG
    if body[:4] == b"RIFF" and body[8:12] == b"WEBP":
        return Container.WEBP
    if body.startswith((b"GIF87a", b"GIF89a")):
        return Container.GIF
    if body[4:8] == b"ftyp" and body[8:12] in (b"avif", b"avis", b"mif1"):
        return Container.AVIF
    return None


def recipe(width: int | None, format_: Format = Format.PNG, quality: int = QUALITY) -> Recipe:
    return Recipe(width, None, Fit.COVER, CENTRE, quality, format_, WHITE)


def rendered(body: bytes, asked: Recipe) -> Pixels:
    variant = render(body, asked)
    with Image.open(BytesIO(variant.body)) as picture:
        assert picture.format == asked.format.name
        assert picture.size == (variant.width, variant.height)
        return np.asarray(picture.convert("RGBA"), np.float32)


def differences(
    one: Pixels, other: Pixels, least_like: float = LEAST_LIKE, most_shifted: float = MOST_SHIFTED
) -> list[str]:
    """In what they differ as seen on black and on white, which shows any difference of alpha."""
    if one.shape != other.shape:
        return [f"is {one.shape[1]} x {one.shape[0]} and not {other.shape[1]} x {other.shape[0]}"]
    found = []
    for ground in (255,) if opaque(one) and opaque(other) else (0, 255):
        ours, theirs = on(one, ground), on(other, ground)
        alike = ssim(luma(ours), luma(theirs))
        if alike < least_like:
            found.append(f"on {ground} is like it by {alike:.3f}")
        if (off := shift(ours, theirs)) > most_shifted:
            found.append(f"on {ground} has its mean colour off by {off:.1f}")
    return found


def shift(ours: Pixels, theirs: Pixels) -> float:
    """By how much the mean colour of RGB pixels is off, in the channel where it is most."""
    return float(np.abs(ours.mean((0, 1)) - theirs.mean((0, 1))).max())


def formula(body: bytes, size: tuple[int, int] | None) -> Pixels:
    """A picture in CMYK, by the textbook."""
    with Image.open(BytesIO(body)) as picture:
        inks = picture if size is None else picture.resize(size, Image.Resampling.LANCZOS)
        light = 255 - np.asarray(inks, np.float32)
    rgb = light[..., :3] * light[..., 3:] / 255
    return np.dstack((rgb, np.full(rgb.shape[:2], 255, np.float32)))


@pytest.mark.parametrize("container", list(Container))
def test_every_picture_is_rendered_right_or_cleanly_refused(
    container: Container,
    by_format: dict[Container, dict[str, bytes]],
    record_property: Callable[[str, object], None],
) -> None:
    counts: Counter[str] = Counter()
    wrong: list[str] = []
    for name, body in by_format[container].items():
        try:
            problems = _judged(name, body, by_format, counts)
        except PictureError as refusal:
            counts["refused"] += 1
            if REFUSED.get(name) != refusal.kind:
                wrong.append(f"{name} is refused: {refusal}")
            continue
        counts["rendered"] += 1
        if name in REFUSED:
            wrong.append(f"{name} is rendered, though it should be refused")
        wrong += [f"{name} {problem}" for problem in problems]
    record_property("counts", f"{dict(counts)} of {len(by_format[container])}")
    assert not wrong, "\n".join(wrong)
    assert len(by_format[container]) == EXPECTED[container]


def _judged(
    name: str, body: bytes, of: dict[Container, dict[str, bytes]], counts: Counter[str]
) -> list[str]:
    """What is wrong with the variants of a picture. Raises PictureError."""
    # libvips supposes a press where inks have no profile, we the formula, as browsers do; and it
    # reads no sequence of pictures: the same star in a PNG is a somewhat smaller one.
    truth, model, bounds = reference, body, (LEAST_LIKE, MOST_SHIFTED)
    if name == "pil_sample_cmyk.jpg":
        truth = formula
    elif name == "avif/star.avifs":
        model, bounds = of[Container.PNG]["avif/star.png"], (0.9, 5.0)
    problems = []
    width, height = parse(body).header.upright
    if width * height <= COMPARED_WHOLE:
        problems += differences(rendered(body, recipe(None)), truth(model, None), *bounds)
        counts["compared"] += 1
    half = min(LONGEST, max(1, width // 2))
    shrunk = rendered(body, recipe(half))
    size = shrunk.shape[1], shrunk.shape[0]
    problems += differences(shrunk, truth(model, size), *bounds)
    counts["compared"] += 1
    quality = 100 if max(size) <= BLOCK else QUALITY
    for format_ in (Format.JPEG, Format.WEBP, Format.AVIF):
        variant = rendered(body, recipe(half, format_, quality))
        most = CLIPPED_BY_WEBP.get(name, 0) if format_ is Format.WEBP else 0
        if variant.shape != shrunk.shape:
            problems.append(f"has another size as {format_}")
        elif (off := shift(on(variant, 255), on(shrunk, 255))) > max(most, MOST_SHIFTED):
            problems.append(f"as {format_} has its mean colour off by {off:.1f}")
        counts["encoded"] += 1
    return problems
