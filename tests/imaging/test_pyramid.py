"""From a copy of the original, a variant is as good as from the original itself."""

from collections.abc import Callable
from io import BytesIO
from statistics import fmean

import numpy as np
import pytest
from PIL import Image

from cdn.address import CENTRE, LADDER, LOSSLESS, WHITE, Fit, Format, Recipe
from imaging.encode import encoded_level
from imaging.picture import Container, Header, PictureError
from imaging.pyramid import level_sizes, levels, source
from imaging.render import render, render_level
from tests.imaging import profiles
from tests.imaging.acceptance.likeness import Plane, luma, ssim
from tests.imaging.samples import (
    decoded,
    encoded,
    exif,
    looks_like,
    noise,
    oriented,
    quarters,
    scene,
)

MOST_LOST = 0.002
LEVELS = [(1728, 1296), (1280, 960), (768, 576), (640, 480), (1280, 1280), (640, 640)]


def recipe(width: int, height: int | None = None, format_: Format = Format.WEBP) -> Recipe:
    quality = LOSSLESS if format_ is Format.PNG else 80
    return Recipe(width, height, Fit.COVER, CENTRE, quality, format_, WHITE)


def exact(original: Plane, size: tuple[int, int], *, cropped: bool) -> Plane:
    """All pixels of the original by Lanczos' filter, never rounded in between."""
    height, width = original.shape
    scale = min(width / size[0], height / size[1])
    left = (width - size[0] * scale) / 2 if cropped else 0.0
    top = (height - size[1] * scale) / 2 if cropped else 0.0
    whole = Image.fromarray(original)
    box = (left, top, width - left, height - top)
    return np.asarray(whole.resize(size, Image.Resampling.LANCZOS, box=box)).clip(0, 255)


def seen(body: bytes) -> Plane:
    return luma(np.asarray(decoded(body).convert("RGB"), np.float32))


@pytest.fixture(scope="module")
def photograph() -> bytes:
    return encoded(scene(4000, 3000), quality=92)


@pytest.fixture(scope="module")
def pyramid(photograph: bytes) -> dict[tuple[int, int], bytes]:
    made = {(level.width, level.height): level.body for level in levels(photograph)}
    assert list(made) == LEVELS
    return made


@pytest.fixture(scope="module")
def original(photograph: bytes) -> Plane:
    return seen(photograph)


@pytest.fixture(scope="module")
def lost(
    photograph: bytes, original: Plane, pyramid: dict[tuple[int, int], bytes]
) -> Callable[[Recipe], float]:
    """What a variant as it is sent loses of its likeness by being made of a level."""

    def of(wanted: Recipe) -> float:
        size = source(wanted, (4000, 3000), pyramid)
        if size is None:
            return 0.0
        direct = render(photograph, wanted)
        copied = render_level(pyramid[size], 4000, 3000, wanted)
        assert (copied.width, copied.height) == (direct.width, direct.height)
        cropped = wanted.height is not None
        truth = exact(original, (direct.width, direct.height), cropped=cropped)
        return ssim(seen(direct.body), truth) - ssim(seen(copied.body), truth)

    return of


@pytest.mark.parametrize("width", LADDER.sizes)
def test_a_variant_of_a_level_loses_next_to_nothing(
    lost: Callable[[Recipe], float], width: int
) -> None:
    for height in (None, width):
        assert lost(recipe(width, height, Format.JPEG)) < MOST_LOST


@pytest.mark.parametrize("format_", [Format.WEBP, Format.AVIF])
def test_nor_does_it_in_formats_whose_encoders_scatter(
    lost: Callable[[Recipe], float], format_: Format
) -> None:
    # Of a picture as small as an icon either way may come out 0.006 better, by chance.
    found = [
        lost(recipe(width, height, format_)) for width in LADDER.sizes for height in (None, width)
    ]
    assert fmean(found) < MOST_LOST / 2


def test_a_part_of_a_square_is_the_part_that_the_original_shows(
    pyramid: dict[tuple[int, int], bytes], lost: Callable[[Recipe], float]
) -> None:
    tall = recipe(400, 700, Format.JPEG)
    assert source(tall, (4000, 3000), pyramid) == (1280, 1280)
    assert lost(tall) < MOST_LOST


HUGE = (6000, 4000)
SIZES = [(1440, 960), (720, 480)]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (recipe(32), SIZES[1]),
        (recipe(450), SIZES[1]),
        (recipe(451), SIZES[0]),
        (recipe(900), SIZES[0]),
        (recipe(901), None),
        (recipe(299, 299), SIZES[1]),
        (recipe(301, 301), SIZES[0]),
        (recipe(100, 1000), None),
        (Recipe(None, None, Fit.COVER, CENTRE, 80, Format.WEBP, WHITE), None),
        # Whoever asks for more quality than that is not given a copy of a copy.
        (recipe(32, None, Format.PNG), None),
        (Recipe(32, None, Fit.COVER, CENTRE, 90, Format.JPEG, WHITE), None),
        (Recipe(32, None, Fit.COVER, CENTRE, 90, Format.AVIF, WHITE), None),
        (Recipe(32, None, Fit.COVER, CENTRE, 90, Format.WEBP, WHITE), None),
    ],
)
def test_the_smallest_level_that_will_do_is_chosen(
    asked: Recipe, expected: tuple[int, int] | None
) -> None:
    assert source(asked, HUGE, SIZES) == expected
    assert source(asked, HUGE, []) is None


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (recipe(800, 800), (1280, 1280)),
        (recipe(400, 400), (640, 640)),
        # Small enough for a copy of the whole that is smaller still.
        (recipe(300, 300), (640, 480)),
        # Not all of it is in the middle, or it does not end there.
        (Recipe(400, 400, Fit.COVER, (100, 50), 80, Format.WEBP, WHITE), (1280, 960)),
        (Recipe(400, 700, Fit.COVER, (25, 50), 80, Format.WEBP, WHITE), (1728, 1296)),
        (Recipe(100, 700, Fit.COVER, (25, 50), 80, Format.WEBP, WHITE), (1280, 1280)),
        (Recipe(400, 400, Fit.CONTAIN, CENTRE, 80, Format.WEBP, WHITE), (640, 480)),
        (Recipe(400, 400, Fit.FILL, CENTRE, 80, Format.WEBP, WHITE), (1280, 960)),
        (recipe(800, 700), (1728, 1296)),
    ],
)
def test_a_square_stands_in_where_it_has_all_that_is_seen(
    asked: Recipe, expected: tuple[int, int]
) -> None:
    assert source(asked, (4000, 3000), LEVELS) == expected


def test_a_square_is_left_for_a_whole_of_fewer_pixels() -> None:
    assert source(recipe(270, 270), (4000, 2250), [(768, 432), (640, 640)]) == (768, 432)


def test_a_square_level_of_a_square_is_the_whole() -> None:
    assert source(recipe(400), (2001, 2000), [(640, 640)]) == (640, 640)
    assert source(recipe(400), (2000, 1000), [(640, 640)]) is None


@pytest.mark.parametrize(
    ("container", "width", "height", "changes", "expected"),
    [
        (
            Container.JPEG,
            2700,
            1800,
            {},
            [(1280, 853), (768, 512), (640, 427), (640, 640)],
        ),
        (
            Container.JPEG,
            2700,
            1800,
            {"orientation": 6},
            [(853, 1280), (512, 768), (427, 640), (640, 640)],
        ),
        (Container.JPEG, 1200, 900, {}, [(640, 480)]),
        (Container.JPEG, 1100, 825, {}, []),
        # What cannot be decoded small is worth a copy earlier.
        (Container.JPEG, 1000, 750, {"progressive": True}, [(768, 576), (640, 480)]),
        (Container.PNG, 1000, 750, {}, [(768, 576), (640, 480)]),
        (Container.PNG, 700, 525, {}, []),
        # A square of its own only where there is something to cut off.
        (Container.PNG, 1000, 800, {}, [(768, 614), (640, 512), (640, 640)]),
        (Container.PNG, 1000, 810, {}, [(768, 622), (640, 518)]),
        (Container.GIF, 4000, 3000, {"frames": 2}, []),
    ],
)
def test_only_what_spares_work_is_copied(
    container: Container,
    width: int,
    height: int,
    changes: dict[str, object],
    expected: list[tuple[int, int]],
) -> None:
    header = Header(container=container, width=width, height=height, **changes)  # type: ignore[arg-type]
    assert level_sizes(header) == expected


def test_a_level_is_upright_and_has_no_secrets() -> None:
    upright = quarters(1200, 720)
    body = encoded(oriented(upright, 6), exif=exif(6), icc_profile=profiles.display_p3())
    (level,) = levels(body)
    copy = decoded(level.body)
    assert (level.format, level.width, level.height) == (Format.JPEG, 640, 384)
    assert copy.size == (640, 384)
    assert not {"exif", "icc_profile"} & set(copy.info)
    lossless = recipe(300, 300, Format.PNG)
    from_level = decoded(render_level(level.body, 1200, 720, lossless).body)
    assert looks_like(from_level, decoded(render(body, lossless).body), within=3)


@pytest.mark.parametrize("turned", [1, 6, 7])
def test_a_square_is_cut_from_the_middle_of_what_is_seen(turned: int) -> None:
    upright = scene(1200, 800)
    body = encoded(oriented(upright, turned), "PNG", exif=exif(turned), compress_level=1)
    square = levels(body)[-1]
    assert (square.width, square.height) == (640, 640)
    middle = upright.crop((200, 0, 1000, 800)).resize((640, 640), Image.Resampling.LANCZOS)
    assert ssim(seen(square.body), luma(np.asarray(middle, np.float32))) > 0.95


def test_a_level_without_what_is_to_be_seen_is_refused() -> None:
    square = levels(encoded(quarters(1200, 800), "PNG"))[-1]
    assert render_level(square.body, 1200, 800, recipe(400, 400)).width == 400
    with pytest.raises(PictureError):
        render_level(square.body, 1200, 800, recipe(400))


def test_noise_can_be_a_level_too() -> None:
    dots = noise("RGB", 640).point([255 * (value > 127) for value in range(256)] * 3)
    body, format_ = encoded_level(dots)
    assert (format_, decoded(body).size) == (Format.JPEG, (640, 640))


def test_a_level_keeps_transparency() -> None:
    picture = Image.new("RGBA", (1000, 680), (0, 255, 0, 0))
    picture.paste((200, 30, 30, 128), (200, 140, 800, 540))
    *_, level = levels(encoded(picture, "PNG"))
    assert (level.width, level.height) == (640, 435)
    assert level.format is Format.WEBP
    variant = render_level(level.body, 1000, 680, recipe(150, None, Format.PNG))
    with Image.open(BytesIO(variant.body)) as seen_through:
        assert seen_through.getpixel((5, 5))[3] == 0  # type: ignore[index]
        assert seen_through.getpixel((75, 50)) in ((200, 30, 30, 128), (199, 29, 29, 128))


def test_a_small_picture_has_no_levels() -> None:
    assert levels(encoded(quarters(400, 300))) == []
