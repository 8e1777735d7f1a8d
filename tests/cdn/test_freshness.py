"""How long anybody may keep a picture, and that S3 says the same as the application."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from cdn import freshness
from cdn.address import KeyRing, Variant, parse, resolve, sign

MODIFIED = datetime(2026, 11, 24, 9, 30, 15, 999_999, tzinfo=timezone(timedelta(hours=1)))
VARIANT = resolve(42, "w=300&q=80&fm=webp").at("ab12")


def directives(headers: dict[str, str]) -> dict[str, int | None]:
    """Cache-Control by name; a directive without a number has None."""
    named = (part.strip().partition("=") for part in headers["Cache-Control"].split(","))
    return {name: int(seconds) if seconds else None for name, _, seconds in named}


def test_a_url_with_a_version_is_kept_for_a_year() -> None:
    headers = freshness.picture(VARIANT, pinned=True, modified=MODIFIED)
    assert directives(headers) == {"public": None, "max-age": 31_536_000, "immutable": None}


def test_a_url_without_a_version_is_asked_for_again() -> None:
    told = directives(freshness.picture(VARIANT, pinned=False, modified=MODIFIED))
    assert "immutable" not in told
    # What cannot be purged keeps it shorter than what can; both may go on while we are down.
    assert (told["max-age"] or 0) < (told["s-maxage"] or 0) <= 3600
    assert (told["stale-if-error"] or 0) > 86_400
    assert "stale-while-revalidate" in told


@pytest.mark.parametrize("pinned", [False, True])
def test_what_may_have_been_purged_already_is_kept_by_nobody(pinned: bool) -> None:
    headers = freshness.picture(VARIANT, pinned=pinned, modified=MODIFIED, sure=False)
    assert directives(headers) == {
        "public": None,
        "max-age": 0,
        "s-maxage": 1,
        "must-revalidate": None,
    }


def test_what_stands_in_is_kept_by_nobody() -> None:
    stand_in = VARIANT.instead(parse("/v/42/ab12/w300_q80.jpeg").recipe.format)
    headers = freshness.stand_in(stand_in)
    told = directives(headers)
    assert told["max-age"] == 0
    assert (told["s-maxage"] or 0) <= 1
    # Nothing may stretch it.
    assert not {"immutable", "stale-while-revalidate", "stale-if-error"} & set(told)
    assert headers["Content-Type"] == "image/jpeg"
    assert headers["ETag"] != freshness.etag(VARIANT)
    # By a date alone the right one would be taken for it.
    assert "Last-Modified" not in headers


def test_a_picture_says_what_it_is() -> None:
    headers = freshness.picture(VARIANT, pinned=False, modified=MODIFIED)
    del headers["Cache-Control"]
    assert headers == {
        "Content-Type": "image/webp",
        "ETag": '"42/ab12/w300_q80.webp"',
        "Last-Modified": "Tue, 24 Nov 2026 08:30:15 GMT",
        "Accept-Ranges": "bytes",
        "Cache-Tag": "product-42",
        "X-Amz-Meta-Cache-Tag": "product-42",
        "Vary": "Accept, Save-Data",
        "Cross-Origin-Resource-Policy": "cross-origin",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",
    }


def test_every_representation_has_a_tag_of_its_own(keys: KeyRing) -> None:
    queries = ["w=300", "w=320", "h=300", "w=300&q=60", "w=300&fm=webp", "w=300&fm=png"]
    variants = [resolve(42, query).at("ab12") for query in queries]
    variants += [variants[0].at("ab13"), resolve(43, "w=300").at("ab12")]
    signed = sign(42, "v=ab12&w=300", keys).partition("?")[2]
    variants.append(resolve(42, signed, keys=keys))
    assert len({freshness.etag(variant) for variant in variants}) == len(variants)


def test_a_variant_without_a_version_has_no_tag() -> None:
    with pytest.raises(ValueError, match="of which version"):
        freshness.etag(resolve(42, "w=300"))


def test_s3_and_cloudfronts_policy_say_what_the_application_says() -> None:
    put = freshness.stored(VARIANT)
    as_s3_answers = {
        "Content-Type": put["ContentType"],
        "Cache-Control": put["CacheControl"],
        **{f"x-amz-meta-{name}": value for name, value in put["Metadata"].items()},
    }
    from_the_application = freshness.picture(VARIANT, pinned=True, modified=MODIFIED)
    # S3 has these of its own, and the plain tag is for other CDNs.
    for name in ("ETag", "Last-Modified", "Accept-Ranges", "Cache-Tag"):
        del from_the_application[name]
    told = {**as_s3_answers, **freshness.STATIC}
    assert {name.lower(): value for name, value in told.items()} == {
        name.lower(): value for name, value in from_the_application.items()
    }


def test_a_304_repeats_what_a_cache_has_to_renew() -> None:
    whole = freshness.picture(VARIANT, pinned=True, modified=MODIFIED)
    short = freshness.not_modified(whole)
    assert short.items() <= whole.items()
    assert {"Cache-Control", "ETag", "Vary", "Cache-Tag", "X-Amz-Meta-Cache-Tag"} == set(short)


def test_a_missing_picture_is_missed_for_a_minute_at_most_and_can_be_purged() -> None:
    headers = freshness.missing(42)
    told = directives(headers)
    assert (told["max-age"] or 0) <= (told["s-maxage"] or 0) <= 60
    assert headers["X-Amz-Meta-Cache-Tag"] == "product-42"


@pytest.mark.parametrize("headers", [freshness.refused(), freshness.unavailable(2)])
def test_nonsense_and_overload_are_kept_by_nobody(headers: dict[str, str]) -> None:
    assert headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(("seconds", "told"), [(0, "1"), (1, "1"), (30, "30")])
def test_overload_says_when_to_come_again(seconds: int, told: str) -> None:
    assert freshness.unavailable(seconds)["Retry-After"] == told


def all_headers() -> list[dict[str, str]]:
    return [
        freshness.picture(VARIANT, pinned=True, modified=MODIFIED),
        freshness.picture(VARIANT, pinned=False, modified=MODIFIED),
        freshness.stand_in(VARIANT),
        freshness.missing(42),
        freshness.refused(),
        freshness.unavailable(1),
    ]


@pytest.mark.parametrize("headers", all_headers())
def test_every_answer_is_embeddable_inert_and_without_cookies(headers: dict[str, str]) -> None:
    assert freshness.STATIC.items() <= headers.items()
    assert "set-cookie" not in {name.lower() for name in headers}
    assert all(value.isascii() and value.isprintable() for value in headers.values())


def test_a_date_is_told_in_gmt() -> None:
    moment = datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)
    assert freshness.http_date(moment) == "Sun, 06 Nov 1994 08:49:37 GMT"


def test_headers_are_each_answers_own() -> None:
    mine: Variant = VARIANT
    freshness.picture(mine, pinned=True, modified=MODIFIED)["Vary"] = "*"
    assert freshness.picture(mine, pinned=True, modified=MODIFIED)["Vary"] != "*"
