"""A client that has the picture gets no second copy, and one that wants a part gets that part."""

from datetime import UTC, datetime, timedelta

import pytest

from cdn.conditions import (
    ByteRange,
    UnsatisfiableRangeError,
    byte_range,
    range_applies,
    unchanged,
)

TAG = '"42/ab12/w300_q80.webp"'
# A moment between two seconds, as a database has it.
MODIFIED = datetime(1994, 11, 6, 8, 49, 37, 500_000, tzinfo=UTC)
DATE = "Sun, 06 Nov 1994 08:49:37 GMT"


@pytest.mark.parametrize(
    ("if_none_match", "has_it"),
    [
        (TAG, True),
        (f"W/{TAG}", True),
        (f'"a", {TAG}, "b"', True),
        (f'"a",W/{TAG}', True),
        (f'"a,b" , {TAG}', True),
        ("*", True),
        (" * ", True),
        ("", False),
        ('"a"', False),
        (TAG.strip('"'), False),
        (f"w/{TAG[:-1]}", False),
        (f'"a{TAG[1:]}', False),
        (TAG[1:], False),
        (TAG.upper(), False),
        (f'"*", {TAG[:-2]}"', False),
        ("**", False),
        ('"' * 8000, False),
        (f"{TAG}{', ' * 5000}", False),
    ],
)
def test_if_none_match_is_compared_weakly(if_none_match: str, has_it: bool) -> None:
    asked = unchanged(TAG, MODIFIED, if_none_match=if_none_match, if_modified_since=None)
    assert asked is has_it


@pytest.mark.parametrize(
    ("if_modified_since", "has_it"),
    [
        (DATE, True),
        ("Sunday, 06-Nov-94 08:49:37 GMT", True),
        ("Sun Nov  6 08:49:37 1994", True),
        ("Sun, 06 Nov 1994 08:49:38 GMT", True),
        ("Tue, 24 Nov 2026 00:00:00 GMT", True),
        ("Sun, 06 Nov 1994 08:49:36 GMT", False),
        ("Thu, 01 Jan 1970 00:00:00 GMT", False),
        ("", False),
        ("yesterday", False),
        ("Sun, 99 Nov 1994 08:49:37 GMT", False),
        ("Sun, 06 Nov 99999 08:49:37 GMT", False),
        ("0", False),
        (DATE * 1000, False),
        (None, False),
    ],
)
def test_if_modified_since_goes_by_whole_seconds(
    if_modified_since: str | None, has_it: bool
) -> None:
    asked = unchanged(TAG, MODIFIED, if_none_match=None, if_modified_since=if_modified_since)
    assert asked is has_it


def test_a_tag_says_more_than_a_date() -> None:
    for other in ('"old"', ""):
        assert not unchanged(TAG, MODIFIED, if_none_match=other, if_modified_since=DATE)
    assert unchanged(
        TAG, MODIFIED, if_none_match=TAG, if_modified_since="Thu, 01 Jan 1970 00:00:00 GMT"
    )


@pytest.mark.parametrize(
    ("header", "part"),
    [
        ("bytes=0-0", (0, 0)),
        ("bytes=0-99", (0, 99)),
        ("bytes=10-", (10, 99)),
        ("bytes=99-", (99, 99)),
        ("bytes=-1", (99, 99)),
        ("bytes=-100", (0, 99)),
        ("bytes=-1000", (0, 99)),
        ("bytes=50-1000", (50, 99)),
        ("bytes=50-999999999999999999", (50, 99)),
        ("BYTES=0-1", (0, 1)),
        ("bytes= 0-1 ", (0, 1)),
    ],
)
def test_one_range_is_a_part(header: str, part: tuple[int, int]) -> None:
    asked = byte_range(header, 100)
    assert asked == ByteRange(*part, 100)
    assert asked.content_range == f"bytes {part[0]}-{part[1]}/100"
    assert bytes(range(100))[asked.slice] == bytes(range(part[0], part[1] + 1))


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "bytes",
        "bytes=",
        "bytes=-",
        "bytes=a-b",
        "bytes=5-2",
        "bytes=-5-2",
        "bytes=1--2",
        "bytes=0-1,5-6",
        "bytes=0-,0-,0-,0-,0-",
        "bytes=٣-",
        "bytes=1-" + "9" * 19,
        "bits=0-1",
        "bytes 0-1",
        "bytes=0-1/100",
    ],
)
def test_several_ranges_and_nonsense_are_the_whole(header: str | None) -> None:
    assert byte_range(header, 100) is None


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=100-200", "bytes=-0", "bytes=5000-"])
def test_a_range_behind_the_end_is_told_the_length(header: str) -> None:
    with pytest.raises(UnsatisfiableRangeError) as refused:
        byte_range(header, 100)
    assert refused.value.content_range == "bytes */100"


def test_nothing_has_no_part() -> None:
    for header in ("bytes=0-", "bytes=-1"):
        with pytest.raises(UnsatisfiableRangeError):
            byte_range(header, 0)


@pytest.mark.parametrize(
    ("if_range", "applies"),
    [
        (None, True),
        (TAG, True),
        (DATE, False),
        (f"W/{TAG}", False),
        ('"old"', False),
        ("", False),
        ("*", False),
    ],
)
def test_a_range_counts_for_the_same_representation_only(
    if_range: str | None, applies: bool
) -> None:
    assert range_applies(if_range, TAG) is applies


def test_dates_of_other_zones_are_moments_all_the_same() -> None:
    later = MODIFIED + timedelta(hours=1)
    assert not unchanged(TAG, later, if_none_match=None, if_modified_since=DATE)
