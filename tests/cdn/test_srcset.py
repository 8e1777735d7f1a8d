"""A page is offered what the picture has, by URLs that never go stale."""

import pytest

from cdn.address import LADDER, parse, resolve
from cdn.srcset import srcset


@pytest.mark.parametrize(
    ("width", "descriptors"),
    [
        (12_000, [160, 320, 480, 640, 800, 1080, 1600, 2400]),
        (2400, [160, 320, 480, 640, 800, 1080, 1600, 2400]),
        (2399, [160, 320, 480, 640, 800, 1080, 1600, 2399]),
        (1000, [160, 320, 480, 640, 800, 1000]),
        (161, [160, 161]),
        (160, [160]),
        (7, [7]),
    ],
)
def test_the_descriptors_are_the_widths_that_really_come(
    width: int, descriptors: list[int]
) -> None:
    sources = srcset(42, "ab12", width, 9)
    candidates = [candidate.split(" ") for candidate in sources.srcset.split(", ")]
    assert [int(descriptor.rstrip("w")) for _, descriptor in candidates] == descriptors
    for url, descriptor in candidates:
        asked = resolve(42, url.partition("?")[2]).recipe.width
        # Never enlarged, so the picture is as wide as it can be and no wider.
        assert asked is not None
        assert min(asked, width) == int(descriptor.rstrip("w"))


def test_a_tall_picture_is_offered_as_wide_as_it_really_comes() -> None:
    sources = srcset(42, "ab12", 1000, 5000)
    assert sources.srcset.endswith("w=1080 819w")
    assert (sources.width, sources.height) == (1000, 5000)


def test_the_urls_carry_the_version_and_leave_the_format_open() -> None:
    sources = srcset(42, "ab12", 4000, 3000, sizes="50vw", base="https://img.example")
    assert sources.url == "https://img.example/products/42?v=ab12&w=640"
    assert sources.srcset.startswith("https://img.example/products/42?v=ab12&w=160 160w, ")
    assert (sources.width, sources.height, sources.sizes) == (4000, 3000, "50vw")
    for accept, format_ in (("image/avif", "avif"), ("*/*", "jpeg")):
        variant = resolve(42, sources.url.partition("?")[2], accept=accept)
        assert variant.version == "ab12"
        assert variant.recipe.format == format_
        assert parse(variant.path) == variant


def test_what_is_shown_until_it_comes_is_told_with_it() -> None:
    sources = srcset(42, "ab12", 4, 3, thumbhash="1QcSHQRn", color="#c9a227")
    assert (sources.thumbhash, sources.color) == ("1QcSHQRn", "#c9a227")


def test_a_small_picture_has_a_url_too() -> None:
    assert srcset(42, "ab12", 300, 200).url.endswith("&w=320")


def test_every_url_of_a_page_is_another_variant() -> None:
    urls = [each.split(" ")[0] for each in srcset(42, "ab12", 12_000, 9).srcset.split(", ")]
    assert len({resolve(42, url.partition("?")[2]).path for url in urls}) == len(LADDER.srcset)


def test_a_picture_without_pixels_has_no_sources() -> None:
    with pytest.raises(ValueError, match="0 x 9"):
        srcset(42, "ab12", 0, 9)
