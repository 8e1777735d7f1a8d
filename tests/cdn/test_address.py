"""A variant has one path, and only what canonicalisation makes is a path."""

from collections.abc import Callable
from itertools import product

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdn.address import (
    CURRENT,
    LADDER,
    AddressError,
    Fit,
    Format,
    KeyRing,
    ParameterError,
    Recipe,
    SignatureError,
    Variant,
    of_key,
    original_key,
    parse,
    product_in,
    resolve,
    sign,
    variants_prefix,
)
from cdn.ladder import CENTRE, LOSSLESS, WHITE
from cdn.parameters import MOST_QUERY_BYTES
from cdn.recipe import canonical

SIGNATURE = "k1." + "A" * 43
OTHER = KeyRing({"k1": b"x" * 32}, current="k1")

sides = st.none() | st.integers(1, 10_000)
wishes = st.builds(
    Recipe,
    width=sides,
    height=sides,
    fit=st.sampled_from(Fit),
    focus=st.tuples(*[st.sampled_from(range(0, 101, LADDER.focus_step))] * 2),
    quality=st.sampled_from(LADDER.qualities),
    format=st.sampled_from(Format),
    background=st.integers(0, 0xFFFFFF).map("{:06x}".format),
    animated=st.booleans(),
)


@given(
    wishes, st.integers(1, 2**63 - 1), st.none() | st.from_regex(r"[a-z0-9]{1,64}", fullmatch=True)
)
def test_every_canonical_path_leads_back_to_its_variant(
    wish: Recipe, product_id: int, version: str | None
) -> None:
    variant = Variant(product_id, None if version == CURRENT else version, canonical(wish))
    assert parse(variant.path) == variant
    assert canonical(variant.recipe) == variant.recipe
    if variant.version:
        assert of_key(variant.key) == variant


@given(st.text("/v42curentw30h_qgb5x.-aJsjpewavif0" + "٣", max_size=40))
def test_what_parses_is_spelt_as_it_would_be_written(path: str) -> None:
    for candidate in (path, f"/v/42/current/{path}", f"/v/42/current/{path}.jpeg"):
        try:
            variant = parse(candidate)
        except AddressError:
            continue
        assert variant.path == candidate


@pytest.mark.parametrize(
    "file",
    [
        "w301_q80.jpeg",  # off the ladder
        "w4096_q80.jpeg",
        "w0_q80.jpeg",
        "w0300_q80.jpeg",  # other spellings
        "w300__q80.jpeg",
        "W300_q80.jpeg",
        "h300_w300_q80.jpeg",
        "w300h300_q80.jpeg",
        "_q80.jpeg",
        "q80.jpeg",
        "full_w300_q80.jpeg",
        "w300_q080.jpeg",
        "w300_q80.jpg",
        "w300_q80.JPEG",
        "w300_q80.gif",
        "w300_q81.jpeg",  # no rung, and no q=auto
        "w300_q0.jpeg",
        "w300.jpeg",  # no quality where there is one, and one where there is none
        "w300_q80.png",
        "w300_q100.png",
        "w300_contain_q80.jpeg",  # what has no effect
        "w300_g0-0_q80.jpeg",
        "w300_h300_cover_q80.jpeg",
        "w300_h300_g50-50_q80.jpeg",
        "w300_h300_contain_g0-0_q80.jpeg",
        "w300_bgffffff_q80.jpeg",
        "w300_bg000000_q80.webp",
        "w300_h300_bg000000_q80.avif",
        "w300_a_q80.jpeg",
        "w300_a_q80.avif",
        "w300_bg123456_q80.jpeg",  # a colour that is not countable
        "w300_bgFF0000_q80.jpeg",
        "w300_h300_g25-70_q80.jpeg",  # a point off the grid
        "w300_h300_g110-0_q80.jpeg",
        "w300_h300_g00-0_q80.jpeg",
        "w300_q80.jpeg\n",
        "w300_q80.jpeg/",
        "",
    ],
)
def test_a_path_that_canonicalisation_cannot_make_is_refused(file: str) -> None:
    with pytest.raises(AddressError):
        parse(f"/v/42/current/{file}")


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/products/42",
        "v/42/current/w300_q80.jpeg",
        "/v/042/current/w300_q80.jpeg",
        "/v/0/current/w300_q80.jpeg",
        "/v/9223372036854775808/current/w300_q80.jpeg",
        "/v/٤٢/current/w300_q80.jpeg",
        "/v/42//w300_q80.jpeg",
        "/v/42/../w300_q80.jpeg",
        "/v/42/a.b/w300_q80.jpeg",
        f"/v/42/{'a' * 65}/w300_q80.jpeg",
        "/v/42/current/x/w300_q80.jpeg",
        f"/v/42/current/{SIGNATURE}",
        f"/v/42/current/{SIGNATURE}/",
        f"/v/42/current/{SIGNATURE}/w5000_q80.jpeg",
        f"/v/42/current/{SIGNATURE}/w0_q80.jpeg",
        f"/v/42/current/{SIGNATURE}x/w300_q80.jpeg",
    ],
)
def test_a_path_of_another_form_is_refused(path: str, keys: KeyRing) -> None:
    with pytest.raises(AddressError):
        parse(path, keys)


def test_only_a_variant_of_a_version_is_stored() -> None:
    variant = resolve(42, "w=300&q=80")
    with pytest.raises(ValueError, match="not stored"):
        _ = variant.key
    stored = variant.at("ab12")
    assert stored.key == "v/42/ab12/w300_q80.jpeg"
    assert stored.key.startswith(variants_prefix(42, "ab12"))
    assert original_key(42, "ab12") == "products/42/ab12"
    with pytest.raises(AddressError):
        of_key("v/42/current/w300_q80.jpeg")
    with pytest.raises(AddressError):
        of_key(original_key(42, "ab12"))


@pytest.mark.parametrize(
    ("query", "accept", "instead", "path"),
    [
        ("w=300", "image/avif", Format.WEBP, "w300_q{webp}.webp"),
        ("w=300", "image/avif", Format.JPEG, "w300_q{jpeg}.jpeg"),
        ("w=300&q=60", "image/avif", Format.JPEG, "w300_q60.jpeg"),
        ("w=300&fm=png", "", Format.JPEG, "w300_q{jpeg}.jpeg"),
        ("w=300&bg=000", "", Format.WEBP, "w300_q{webp}.webp"),
        ("w=300&anim=1", "image/webp", Format.JPEG, "w300_q{jpeg}.jpeg"),
    ],
)
def test_what_stands_in_is_as_good_and_canonical_too(
    query: str, accept: str, instead: Format, path: str
) -> None:
    auto = {format_.value: LADDER.auto_quality[format_][0] for format_ in LADDER.auto_quality}
    stand_in = resolve(42, query, accept=accept).instead(instead)
    assert stand_in.path == f"/v/42/current/{path.format(**auto)}"
    assert parse(stand_in.path) == stand_in


@pytest.mark.parametrize(
    ("path", "product_id"),
    [("/products/42", 42), ("/products/042", None), ("/products/42/", None), ("/", None)],
)
def test_a_public_path_names_a_product(path: str, product_id: int | None) -> None:
    assert product_in(path) == product_id


def test_a_query_is_bounded_and_takes_any_byte() -> None:
    with pytest.raises(ParameterError) as refused:
        resolve(42, "x=" + "1" * MOST_QUERY_BYTES)
    assert refused.value.parameter == "query"
    with pytest.raises(ParameterError, match=r'w="\?3" is not'):
        resolve(42, b"w=\xff\xfe\x003")
    assert resolve(42, b"w=300&x=\xff&q=80").path == "/v/42/current/w300_q80.jpeg"


def test_the_number_of_variants_is_counted() -> None:
    """Every wish there is, on a ladder small enough to go through them all."""
    small = msgspec.structs.replace(
        LADDER,
        sizes=(100, 200),
        qualities=(50,),
        auto_quality=dict.fromkeys(LADDER.auto_quality, (50, 50)),
        focus_step=50,
    )
    shades = [f"{red:02x}{green:02x}{blue:02x}" for red, green, blue in product((0, 255), repeat=3)]
    some_side = (None, 1, 150)
    lines = (0, 50, 100)
    names = {
        canonical(
            Recipe(width, height, fit, focus, 50, format_, background, animated), ladder=small
        ).file_name
        for width, height in product(some_side, repeat=2)
        for fit in Fit
        for focus in (product(lines, lines) if fit is Fit.COVER else [CENTRE])
        for format_ in Format
        for background in shades
        for animated in (False, True)
    }
    assert len(names) == small.variants()
    # Most of them are crops around every point on every background, as JPEG.
    assert LADDER.variants() == 1_043_311


def test_the_ladder_is_sound() -> None:
    for rungs in (LADDER.sizes, LADDER.qualities, LADDER.srcset):
        assert list(rungs) == sorted(set(rungs))
    assert set(LADDER.srcset) <= set(LADDER.sizes)
    assert LADDER.sizes[-1] <= LADDER.limits.signed_side < 10_000
    assert set(LADDER.fits) == set(Fit)
    assert set(LADDER.auto_quality) == set(LADDER.formats) == set(Format) - {Format.PNG}
    for usual, frugal in LADDER.auto_quality.values():
        assert 1 <= frugal < usual < LOSSLESS
    assert LADDER.background(WHITE) == WHITE
    for name, preset in LADDER.presets.items():
        assert "p" not in preset
        sizes = {int(preset[side]) for side in "wh" if side in preset}
        assert sizes <= set(LADDER.sizes), f"{name} would be answered larger than it says"
        resolve(42, f"p={name}")


def test_a_signed_size_is_served_to_those_who_hold_a_signature(keys: KeyRing) -> None:
    url = sign(42, "v=ab12&w=333&h=222&bg=123456&q=80", keys)
    path, _, query = url.partition("?")
    assert path == "/products/42"
    variant = resolve(42, query, keys=keys)
    assert (variant.recipe.width, variant.recipe.height) == (333, 222)
    assert variant.recipe.background == "123456"
    assert parse(variant.path, keys) == variant
    # Accept and Save-Data are the client's, so they are not what is signed.
    frugal = resolve(42, query, keys=keys, accept="image/avif", save_data="on")
    assert frugal.recipe.format is Format.AVIF
    assert parse(frugal.path, keys) == frugal


@pytest.mark.parametrize(
    "change",
    [
        lambda url: url.replace("w=333", "w=334"),
        lambda url: url.replace("h=222", "h=223"),
        lambda url: url.replace("bg=123456", "bg=123457"),
        lambda url: url.replace("v=ab12", "v=ab13"),
        lambda url: url.replace("v=ab12&", ""),
        lambda url: url + "&fit=contain",
        lambda url: url + "&dpr=2",
        lambda url: url.replace("s=k1.", "s=k2."),
        lambda url: url[:-1] + ("A" if url[-1] != "A" else "B"),
        lambda url: url.partition("&s=")[0] + f"&s={SIGNATURE}",
    ],
)
def test_a_signature_is_for_one_picture_and_one_geometry(
    change: Callable[[str], str], keys: KeyRing
) -> None:
    query = sign(42, "v=ab12&w=333&h=222&bg=123456&q=80", keys).partition("?")[2]
    assert resolve(42, query, keys=keys)
    with pytest.raises(SignatureError):
        resolve(42, change(query), keys=keys)
    with pytest.raises(SignatureError):
        resolve(43, query, keys=keys)


def test_another_spelling_of_a_right_signature_is_wrong(keys: KeyRing) -> None:
    # The last of 43 characters has two bits that no byte needs: four spellings, one signature.
    query = sign(42, "w=333", keys).partition("?")[2]
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    last = alphabet.index(query[-1])
    for spelling in {last // 4 * 4 + low for low in range(4)} - {last}:
        with pytest.raises(SignatureError):
            resolve(42, query[:-1] + alphabet[spelling], keys=keys)


def test_without_keys_or_with_others_nothing_signed_is_served(keys: KeyRing) -> None:
    query = sign(42, "w=333", keys).partition("?")[2]
    path = resolve(42, query, keys=keys).path
    for ring in (None, OTHER):
        with pytest.raises(SignatureError):
            resolve(42, query, keys=ring)
        with pytest.raises(SignatureError):
            parse(path, ring)


def test_keys_are_rotated_without_a_broken_picture() -> None:
    old, new = b"o" * 32, b"n" * 32
    before = KeyRing({"a": old}, current="a")
    during = KeyRing({"a": old, "b": new}, current="b")
    after = KeyRing({"b": new}, current="b")
    signed_before = sign(42, "w=333", before).partition("?")[2]
    signed_during = sign(42, "w=333", during).partition("?")[2]
    assert resolve(42, signed_before, keys=during)
    assert resolve(42, signed_during, keys=after)
    with pytest.raises(SignatureError, match="not in use"):
        resolve(42, signed_before, keys=after)


@pytest.mark.parametrize(
    ("secrets", "current", "said"),
    [
        ({"k1": b"short"}, "k1", "32 bytes"),
        ({"K1": b"k" * 32}, "K1", "lower-case"),
        ({"a.b": b"k" * 32}, "a.b", "lower-case"),
        ({"k1": b"k" * 32}, "k2", "not on the ring"),
        ({}, "", "not on the ring"),
    ],
)
def test_a_ring_that_would_not_work_is_refused(
    secrets: dict[str, bytes], current: str, said: str
) -> None:
    with pytest.raises(ValueError, match=said) as refused:
        KeyRing(secrets, current)
    assert "short" not in str(refused.value)


def test_a_ring_shows_no_secret(keys: KeyRing, secret: bytes) -> None:
    assert "k1" in repr(keys)
    assert secret.decode() not in repr(keys)
