"""A picture's URL names one variant, and only as many variants as the ladder has."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdn.address import LADDER, Format, ParameterError, Recipe, recipe


@pytest.mark.parametrize(
    ("query", "canonical"),
    [
        ({"w": "300", "h": "300", "q": "80"}, Recipe(300, 300, 80, Format.JPEG)),
        ({"w": "301"}, Recipe(320, None, 80, Format.JPEG)),
        ({"h": "1"}, Recipe(None, 32, 80, Format.JPEG)),
        ({"w": "9999", "q": "100"}, Recipe(2400, None, 90, Format.JPEG)),
        ({"q": "1"}, Recipe(None, None, 40, Format.JPEG)),
        ({"w": "300", "utm_source": "mail"}, Recipe(300, None, 80, Format.JPEG)),
        ({}, Recipe(None, None, 80, Format.JPEG)),
    ],
)
def test_what_is_asked_goes_up_to_the_next_rung(query: dict[str, str], canonical: Recipe) -> None:
    assert recipe(query, "") == canonical


@pytest.mark.parametrize(
    ("accept", "answer"),
    [
        ("", Format.JPEG),
        ("*/*", Format.JPEG),
        ("image/webp", Format.WEBP),
        ("image/avif,image/webp,image/apng,*/*;q=0.8", Format.WEBP),
        ("IMAGE/WEBP;Q=0.5", Format.WEBP),
        ("image/webp;q=0", Format.JPEG),
        ("image/webp; q=0.000, image/*", Format.JPEG),
        ("text/image/webp", Format.JPEG),
    ],
)
def test_webp_is_for_those_who_accept_it(accept: str, answer: Format) -> None:
    assert recipe({}, accept).format is answer


@pytest.mark.parametrize("name", ["w", "h", "q"])
@pytest.mark.parametrize("value", ["", "0", "-1", "1.5", "abc", "10001", "1e3", "٣", "9" * 5000])
def test_nonsense_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(ParameterError) as refused:
        recipe({name: value}, "")
    assert refused.value.parameter == name
    assert len(str(refused.value)) < 200


@given(w=st.integers(1, 10_000), h=st.integers(1, 10_000), q=st.integers(1, 100))
def test_a_product_has_a_bounded_number_of_variants(w: int, h: int, q: int) -> None:
    asked = recipe({"w": str(w), "h": str(h), "q": str(q)}, "image/webp")
    assert asked.width in LADDER.sizes
    assert asked.height in LADDER.sizes
    assert asked.quality in LADDER.qualities


def test_every_variant_has_a_key_of_its_own_that_changes_with_the_picture() -> None:
    recipes = [
        Recipe(width, height, quality, format_)
        for width in (None, 300, 320)
        for height in (None, 300, 320)
        for quality in (70, 80)
        for format_ in Format
    ]
    keys = {each.key(7, version) for each in recipes for version in ("one", "two")}
    assert len(keys) == 2 * len(recipes)
    assert Recipe(300, 300, 80, Format.WEBP).key(7, "one") == "products/7/one/300x300-q80.webp"
