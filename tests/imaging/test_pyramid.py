"""From a copy of the original, a variant is as good as from the original itself."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from cdn.address import CENTRE, LADDER, WHITE, Fit, Format, Recipe
from imaging.picture import Container, Header
from imaging.pyramid import level_sizes, levels, source
from imaging.render import render, render_level
from tests.imaging import profiles
from tests.imaging.acceptance.likeness import Plane, luma, ssim
from tests.imaging.samples import decoded, encoded, exif, looks_like, oriented, quarters, scene

MOST_LOST = 0.002


def recipe(width: int, height: int | None = None, format_: Format = Format.WEBP) -> Recipe:
    return Recipe(width, height, Fit.COVER, CENTRE, 80, format_, WHITE)


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
    assert list(made) == [(1920, 1440), (1440, 1080), (960, 720), (720, 540)]
    return made


@pytest.fixture(scope="module")
def original(photograph: bytes) -> Plane:
    return seen(photograph)


@pytest.mark.parametrize("width", LADDER.sizes)
def test_a_variant_of_a_level_loses_next_to_nothing(
    photograph: bytes, original: Plane, pyramid: dict[tuple[int, int], bytes], width: int
) -> None:
    for height in (None, width):
        size = source(recipe(width, height), (4000, 3000), pyramid)
        if size is None:
            continue
        lossless = recipe(width, height, Format.PNG)
        direct = render(photograph, lossless)
        copied = render_level(pyramid[size], 4000, 3000, lossless)
        assert (copied.width, copied.height) == (direct.width, direct.height)
        truth = exact(original, (direct.width, direct.height), cropped=height is not None)
        lost = ssim(seen(direct.body), truth) - ssim(seen(copied.body), truth)
        assert lost < MOST_LOST


HUGE = (6000, 4000)
SIZES = [(1440, 960), (720, 480)]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (recipe(32), SIZES[1]),
        (recipe(411), SIZES[1]),
        (recipe(412), SIZES[0]),
        (recipe(822), SIZES[0]),
        (recipe(823), None),
        (recipe(274, 274), SIZES[1]),
        (recipe(275, 275), SIZES[0]),
        (recipe(100, 1000), None),
        (Recipe(None, None, Fit.COVER, CENTRE, 80, Format.WEBP, WHITE), None),
        # The levels keep colour at half resolution, these keep it whole.
        (recipe(32, None, Format.PNG), None),
        (Recipe(32, None, Fit.COVER, CENTRE, 90, Format.JPEG, WHITE), None),
        (Recipe(32, None, Fit.COVER, CENTRE, 90, Format.AVIF, WHITE), None),
    ],
)
def test_the_smallest_level_that_will_do_is_chosen(
    asked: Recipe, expected: tuple[int, int] | None
) -> None:
    assert source(asked, HUGE, SIZES) == expected
    assert source(asked, HUGE, []) is None


@pytest.mark.parametrize(
    ("container", "width", "height", "changes", "expected"),
    [
        (Container.JPEG, 2700, 1800, {}, [(1440, 960), (960, 640), (720, 480)]),
        (Container.JPEG, 2700, 1800, {"orientation": 6}, [(960, 1440), (640, 960), (480, 720)]),
        (Container.JPEG, 1600, 1200, {}, [(720, 540)]),
        (Container.JPEG, 1200, 900, {}, []),
        # What cannot be decoded small is worth a copy earlier.
        (Container.JPEG, 1100, 825, {"progressive": True}, [(720, 540)]),
        (Container.PNG, 1100, 825, {}, [(720, 540)]),
        (Container.PNG, 800, 600, {}, []),
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
    upright = quarters(1600, 960)
    body = encoded(oriented(upright, 6), exif=exif(6), icc_profile=profiles.display_p3())
    (level,) = levels(body)
    copy = decoded(level.body)
    assert (level.format, level.width, level.height) == (Format.JPEG, 720, 432)
    assert copy.size == (720, 432)
    assert not {"exif", "icc_profile"} & set(copy.info)
    lossless = recipe(300, 300, Format.PNG)
    from_level = decoded(render_level(level.body, 1600, 960, lossless).body)
    assert looks_like(from_level, decoded(render(body, lossless).body), within=3)


def test_a_level_keeps_transparency() -> None:
    picture = Image.new("RGBA", (1100, 740), (0, 255, 0, 0))
    picture.paste((200, 30, 30, 128), (220, 150, 880, 590))
    (level,) = levels(encoded(picture, "PNG"))
    assert level.format is Format.WEBP
    variant = render_level(level.body, 1100, 740, recipe(150, None, Format.PNG))
    with Image.open(BytesIO(variant.body)) as seen_through:
        assert seen_through.getpixel((5, 5))[3] == 0  # type: ignore[index]
        assert seen_through.getpixel((75, 50)) in ((200, 30, 30, 128), (199, 29, 29, 128))


def test_a_small_picture_has_no_levels() -> None:
    assert levels(encoded(quarters(400, 300))) == []
