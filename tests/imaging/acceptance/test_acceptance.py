"""Each of Pillow's test pictures is rendered as libvips renders it, or cleanly refused."""

from collections import Counter
from collections.abc import Callable
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from cdn.address import CENTRE, WHITE, Fit, Format, Recipe
from imaging.picture import Container, Kind, PictureError
from imaging.render import render
from tests.imaging.acceptance.likeness import luma, ssim
from tests.imaging.acceptance.pillow_images import (
    UnavailableError,
    pictures,
    source_distribution,
)
from tests.imaging.acceptance.reference import Pixels, on, reference

LEAST_LIKE = 0.95
MOST_SHIFTED = 3.0
"""Of the mean colour, in each channel of 255."""
MOST_SHIFTED_BY_CODEC = 8.0
"""The same for lossy formats: they keep colour at half resolution, and thin lines lose some."""
LONGEST = 400
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

# Of their halves, of 3 x 6 and 1 x 1 pixels, each lies at a border, beyond which libvips repeats
# the last pixel, where PIL reckons with those that there are.
NOT_HALVED = ("7x13.png", "imagedraw_polygon_1px_high.png", "transparent_dispose.gif")


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


def recipe(width: int | None, format_: Format = Format.PNG) -> Recipe:
    return Recipe(width, None, Fit.COVER, CENTRE, 90, format_, WHITE)


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
    for ground in (0, 255):
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
    whole = render(body, recipe(None))
    if whole.width * whole.height <= COMPARED_WHOLE:
        problems += differences(rendered(body, recipe(None)), truth(model, None), *bounds)
        counts["compared"] += 1
    width = min(LONGEST, max(1, whole.width // 2))
    shrunk = rendered(body, recipe(width))
    if name not in NOT_HALVED:
        size = shrunk.shape[1], shrunk.shape[0]
        problems += differences(shrunk, truth(model, size), *bounds)
        counts["compared"] += 1
    for format_ in (Format.JPEG, Format.WEBP, Format.AVIF):
        variant = rendered(body, recipe(width, format_))
        if variant.shape != shrunk.shape:
            problems.append(f"has another size as {format_}")
        elif (off := shift(on(variant, 255), on(shrunk, 255))) > MOST_SHIFTED_BY_CODEC:
            problems.append(f"as {format_} has its mean colour off by {off:.1f}")
        counts["encoded"] += 1
    return problems
