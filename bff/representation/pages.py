"""Lists by page or cursor: `?page=&limit=` or `?cursor=&limit=` in, `{"data": [...],
"pagination": {...}}` out."""

import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, Generic, TypeVar

from litestar.exceptions import ValidationException
from litestar.params import QueryParameter
from msgspec import UNSET, Struct, UnsetType

from domain.model.paging import Following, Position, Stretch, Window

T = TypeVar("T")

MOST_ROWS = 100
# An OFFSET reads all that it skips: what lies deeper is no page that anybody turns to.
DEEPEST_ROW = 10_000

PageNumber = Annotated[
    int, QueryParameter(ge=1, le=DEEPEST_ROW, description="which page, from 1 on")
]
PageLimit = Annotated[int, QueryParameter(ge=1, le=MOST_ROWS, description="rows a page")]
# Microseconds since 1970 and an id, eight bytes each.
_POSITION: Final = struct.Struct(">qq")
_CURSOR_CHARACTERS: Final = 22
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
Cursor = Annotated[
    str | None,
    QueryParameter(
        max_length=_CURSOR_CHARACTERS,
        description="the nextCursor of an answer, for what follows it at any depth; no page then",
    ),
]


class Pagination(Struct, frozen=True, rename="camel"):
    """Where in the whole list a page lies."""

    total: int
    page: int
    limit: int
    total_pages: int


class Listing(Struct, Generic[T], frozen=True):
    """A page of a list."""

    data: list[T]
    pagination: Pagination


class Progress(Struct, frozen=True, rename="camel"):
    """Where in the whole list a part of it lies, and the cursor of what follows, null at the end.

    It is counted, up to 10,001, which means "more than 10,000", unless asked for by cursor.
    """

    limit: int
    next_cursor: str | None
    total: int | UnsetType = UNSET
    page: int | UnsetType = UNSET
    total_pages: int | UnsetType = UNSET


class Part(Struct, Generic[T], frozen=True):
    """A part of a long list."""

    data: list[T]
    pagination: Progress


def window(page: int, limit: int) -> Window:
    """The rows of a page; ValidationException for one that lies too deep."""
    if page * limit > DEEPEST_ROW:
        raise _refusal(
            "page", f"page x limit is {page * limit}, at most {DEEPEST_ROW} can be read by page"
        )
    return Window(limit=limit, offset=(page - 1) * limit)


def listing(data: list[T], total: int, page: int, limit: int) -> Listing[T]:
    """A page with its place; an empty list has no pages."""
    return Listing(data, Pagination(total, page, limit, -(-total // limit)))


def window_or_following(cursor: str | None, page: int, limit: int) -> Window | Following:
    """The rows of a page, or those behind a cursor; ValidationException for both, or a bad one."""
    if cursor is None:
        return window(page, limit)
    if page != 1:
        raise _refusal("page", "either a page or a cursor")
    return Following(limit, _position(cursor))


def part(data: list[T], of: Stretch[Any], page: int, limit: int) -> Part[T]:
    """Part of a list with its place; it tells of no page that cannot be turned to."""
    following = None if of.last is None else _cursor(of.last)
    if of.total is None:
        return Part(data, Progress(limit, following))
    pages = min(-(-of.total // limit), DEEPEST_ROW // limit)
    return Part(data, Progress(limit, following, of.total, page, pages))


def _cursor(position: Position) -> str:
    at = (position.created_at - _EPOCH) // _MICROSECOND
    return urlsafe_b64encode(_POSITION.pack(at, position.id)).decode().rstrip("=")


def _position(cursor: str) -> Position:
    try:
        at, key = _POSITION.unpack(urlsafe_b64decode(f"{cursor}=="))
        position = Position(_EPOCH + at * _MICROSECOND, key)
    except (ValueError, OverflowError, struct.error) as error:
        raise _refusal("cursor", "it is none that was given out") from error
    # Base64 has several spellings for the same bytes, and forgives what is not of its alphabet.
    if key < 1 or _cursor(position) != cursor:
        raise _refusal("cursor", "it is none that was given out")
    return position


def _refusal(parameter: str, message: str) -> ValidationException:
    wrong = {"key": parameter, "message": message, "source": "query"}
    return ValidationException(extra=[wrong])
