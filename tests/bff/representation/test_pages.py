"""Pages and cursors: every place in a list, and none that was not given out."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from litestar.exceptions import ValidationException
from msgspec import Struct

from bff.representation.pages import (
    DEEPEST_ROW,
    MOST_CURSOR_CHARACTERS,
    Asked,
    Cursors,
    Listing,
    listing,
)
from domain.model.paging import MOST_COUNTED, Following, Position, Rank, Stretch, Window

CURSORS = Cursors("a secret of thirty-two characters")
ORDERS = listing("/api/orders", status=["ready"], sort="-createdAt")
HERE = Position(datetime(2026, 11, 24, 9, 30, 0, 123456, tzinfo=UTC), 7)
moments = st.datetimes(datetime(1900, 1, 1), datetime(2999, 1, 1), timezones=st.just(UTC))
keys = st.integers(1, 2**63 - 1)


def asked(
    of: Listing = ORDERS, page: int = 1, limit: int = 20, cursor: str | None = None
) -> Asked[Position]:
    return CURSORS.asked(of, Position, page=page, limit=limit, cursor=cursor)


def refused(**question: Any) -> tuple[str, str]:
    with pytest.raises(ValidationException) as refusal:
        asked(**question)
    told: Any = refusal.value.extra
    (wrong,) = told
    return wrong["key"], wrong["message"]


@given(st.builds(Position, moments, keys) | st.builds(Rank, st.text(max_size=120) | keys, keys))
def test_a_cursor_leads_to_where_it_was_given_out(position: Position | Rank) -> None:
    cursor = CURSORS.make(ORDERS, position)
    assert len(cursor) <= MOST_CURSOR_CHARACTERS
    found = CURSORS.asked(ORDERS, type(position), page=1, limit=3, cursor=cursor)
    assert found.part == Following(3, position)


@given(st.text(max_size=60) | st.binary(max_size=60).map(bytes.hex))
def test_what_was_never_given_out_is_refused(cursor: str) -> None:
    assert refused(cursor=cursor)[0] == "cursor"


@given(st.data())
def test_a_cursor_with_one_byte_changed_is_refused(data: st.DataObject) -> None:
    cursor = CURSORS.make(ORDERS, HERE)
    place = data.draw(st.integers(0, len(cursor) - 2))
    letter = data.draw(st.sampled_from(sorted({*"AZaz09-_"} - {cursor[place]})))
    assert refused(cursor=cursor[:place] + letter + cursor[place + 1 :])[0] == "cursor"


@pytest.mark.parametrize(
    "other",
    [
        listing("/api/wallet", status=["ready"], sort="-createdAt"),
        listing("/api/orders", status=["ready"], sort="createdAt"),
        listing("/api/orders", status=["ready", "created"], sort="-createdAt"),
        listing("/api/orders", sort="-createdAt"),
    ],
)
def test_a_cursor_is_of_its_own_list_filters_and_order(other: Listing) -> None:
    cursor = CURSORS.make(ORDERS, HERE)
    assert "for this list" in refused(of=other, cursor=cursor)[1]
    assert asked(of=ORDERS._replace(fields="id"), cursor=cursor).part == Following(20, HERE)


def test_a_cursor_of_another_release_is_refused() -> None:
    class Before(Struct):
        value: str
        id: int
        more: int

    cursor = CURSORS.make(ORDERS, Before("soup", 7, 1))
    assert refused(cursor=cursor)[0] == "cursor"


def test_a_cursor_of_another_secret_is_refused() -> None:
    cursor = Cursors("another secret of 32 characters..").make(ORDERS, HERE)
    assert refused(cursor=cursor)[0] == "cursor"


def test_a_list_is_the_same_in_whatever_order_its_filters_are_said() -> None:
    one = listing("/api/orders", status=["ready", "created"], mine=True, cafeteriaId=None)
    other = listing("/api/orders", cafeteriaId=None, mine=True, status=["created", "ready"])
    assert one.key == other.key == "/api/orders?mine=true&status=created&status=ready"


def test_what_lies_too_deep_for_pages_is_refused_with_the_way_that_leads_there() -> None:
    assert asked(page=DEEPEST_ROW // 100, limit=100).part == Window(100, DEEPEST_ROW - 100)
    parameter, message = refused(page=DEEPEST_ROW // 100 + 1, limit=100)
    assert parameter == "page"
    assert "cursor=" in message


def test_a_page_and_a_cursor_are_no_question() -> None:
    assert refused(page=2, cursor=CURSORS.make(ORDERS, HERE))[0] == "page"


def links(question: Asked[Position], total: int | None, last: Position | None) -> dict[str, str]:
    header = question.shown([], Stretch([], last, total)).headers.get("Link", "")
    found = (each.split("; rel=") for each in header.split(", ") if each)
    return {relation.strip('"'): target.strip("<>") for target, relation in found}


def test_links_lead_to_every_page_that_there_is() -> None:
    of = listing("/api/orders", "id,items.quantity", status=["ready"])
    query = "/api/orders?status=ready&fields=id,items.quantity&page={}&limit=20"
    middle = links(CURSORS.asked(of, Position, page=2, limit=20, cursor=None), 60, HERE)
    assert middle == {
        "first": query.format(1),
        "prev": query.format(1),
        "next": query.format(3),
        "last": query.format(3),
    }
    assert set(links(asked(), 60, HERE)) == {"first", "next", "last"}
    assert set(links(asked(page=3), 60, None)) == {"first", "prev", "last"}
    assert links(asked(), 0, None) == {}


def test_links_tell_of_no_page_that_cannot_be_turned_to() -> None:
    deepest = links(asked(page=500), MOST_COUNTED, HERE)
    assert "last" not in deepest
    # What follows the last page is there all the same.
    assert f"cursor={CURSORS.make(ORDERS, HERE)}" in deepest["next"]
    behind = links(asked(cursor=CURSORS.make(ORDERS, HERE)), None, HERE)
    assert set(behind) == {"first", "next"}
    assert set(links(asked(cursor=CURSORS.make(ORDERS, HERE)), None, None)) == {"first"}


def test_a_link_cannot_be_broken_out_of() -> None:
    of = listing("/api/products", q='>; rel="evil", <http://evil>\r\nx: y')
    header = (
        CURSORS.asked(of, Rank, page=1, limit=1, cursor=None)
        .shown([], Stretch([], None, 2))
        .headers["Link"]
    )
    assert header.count("<") == header.count(">") == 3
    assert "\r" not in header
    assert "\n" not in header
