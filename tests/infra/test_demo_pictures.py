"""The demo's pictures: there for every category, the same every time, worth resizing."""

import io
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from itertools import combinations
from multiprocessing import get_context

import pytest
from PIL import Image, ImageChops, ImageStat

from infra.demo.pictures import CATEGORIES, draw, draw_jpeg, subject

SMALL = (320, 240)
PHOTO = (2400, 1800)


def difference(one: Image.Image, other: Image.Image) -> float:
    """Mean absolute difference of two pictures, 0..255."""
    return sum(ImageStat.Stat(ImageChops.difference(one, other)).mean) / 3


def dishes(category: str) -> list[str]:
    """The subjects of a category, in the order of the seeds that show them."""
    names: list[str] = []
    while (name := subject(category, len(names))) not in names:
        names.append(name)
    return names


@cache
def thumbnail(category: str, seed: int) -> Image.Image:
    """A small picture, drawn once for all tests: drawing costs nearly the same at any size."""
    return draw(category, seed, SMALL)


# Drawing is what takes the time: what no dish has of its own is tested on some of the menu, of
# which one is seen from the front and the others from above.
SOME = CATEGORIES[2::3]


def test_the_categories_are_those_of_the_menu() -> None:
    assert CATEGORIES == (
        "breakfast",
        "sandwiches",
        "salads",
        "soups",
        "rice",
        "pasta",
        "grill",
        "fish",
        "vegetarian",
        "desserts",
        "hot-drinks",
        "cold-drinks",
    )


@pytest.mark.parametrize("category", CATEGORIES)
def test_every_dish_can_be_drawn_and_looks_like_no_other(category: str) -> None:
    # The category's dishes, and one of them twice.
    seeds = range(len(dishes(category)) + (category in SOME))
    pictures = [thumbnail(category, seed) for seed in seeds]
    for seed, picture in enumerate(pictures):
        assert (picture.size, picture.mode) == (SMALL, "RGB"), seed
        # Neither a black frame nor a burnt one, and something is on the table.
        light = ImageStat.Stat(picture.convert("L"))
        assert 40 < light.mean[0] < 215, seed
        assert light.stddev[0] > 20, seed
    for one, other in combinations(pictures, 2):
        assert difference(one, other) > 8


@pytest.mark.parametrize(
    ("category", "size"),
    [
        ("salads", (1800, 2400)),
        ("salads", (1600, 900)),
        ("cold-drinks", (1000, 1000)),
        ("cold-drinks", (64, 48)),
    ],
)
def test_a_picture_has_the_size_that_was_asked_for(category: str, size: tuple[int, int]) -> None:
    assert draw(category, 1, size).size == size


def test_another_process_that_drew_other_things_before_draws_the_same() -> None:
    here = [thumbnail(category, 0).tobytes() for category in SOME]
    # A piece kept for the next picture must not be changed by this one.
    backwards = SOME[::-1]
    count = len(backwards)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as other:
        there = list(other.map(draw, backwards, [0] * count, [SMALL] * count))
    assert [picture.tobytes() for picture in there][::-1] == here


def test_one_seed_in_two_sizes_shows_the_same_table() -> None:
    large = draw("fish", 2, (1600, 1200))
    shrunk = large.resize(SMALL, Image.Resampling.LANCZOS)
    assert difference(shrunk, thumbnail("fish", 2)) < 8


@pytest.mark.parametrize("category", SOME)
def test_a_jpeg_is_as_heavy_and_as_detailed_as_a_photograph(category: str) -> None:
    body = draw_jpeg(category, 11, PHOTO)
    assert 400_000 < len(body) < 1_500_000
    with Image.open(io.BytesIO(body)) as picture:
        assert (picture.format, picture.mode, picture.size) == ("JPEG", "RGB", PHOTO)
        assert "icc_profile" not in picture.info  # sRGB is what no profile means
        # Grain, edges, shapes: each halving of the width takes something away.
        for divisor, least in ((2, 1.0), (4, 2.0), (16, 4.0)):
            reduced = picture.resize((PHOTO[0] // divisor, PHOTO[1] // divisor))
            assert difference(reduced.resize(PHOTO), picture) > least


def test_an_unknown_category_is_refused() -> None:
    with pytest.raises(KeyError):
        draw("tapas", 1, SMALL)


@pytest.mark.parametrize("size", [(0, 100), (100, 15), (70_000, 100), (9_000, 9_000)])
def test_a_size_no_picture_can_have_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="megapixels"):
        draw("soups", 1, size)
