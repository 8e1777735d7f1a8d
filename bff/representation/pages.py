"""Lists by page or by cursor: `?page=&limit=` or `?cursor=&limit=` in, `{"data": [...],
"pagination": {...}}` and Link (RFC 8288) out."""

import binascii
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable
from datetime import datetime
from enum import Enum
from functools import lru_cache
from operator import getitem
from typing import Annotated, Any, Final, Generic, NamedTuple, TypeVar
from urllib.parse import urlencode

import msgspec
from litestar.exceptions import ValidationException
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import QueryParameter
from msgspec import UNSET, Struct, UnsetType

from bff.representation.fields import Resource, answered
from domain.model.paging import MOST_COUNTED, Following, Stretch, Window

T = TypeVar("T")
P = TypeVar("P")

MOST_ROWS: Final = 100
# An OFFSET reads all that it skips: what lies deeper is no page that anybody turns to.
DEEPEST_ROW: Final = 10_000
# Of 120 characters of a name, and what is around them.
MOST_CURSOR_CHARACTERS: Final = 768
_MAC_BYTES: Final = 12
_MOST_KNOWN: Final = 1024

PageNumber = Annotated[
    int, QueryParameter(ge=1, le=DEEPEST_ROW, description="which page, from 1 on")
]
PageLimit = Annotated[int, QueryParameter(ge=1, le=MOST_ROWS, description="rows a page")]
Cursor = Annotated[
    str | None,
    QueryParameter(
        max_length=MOST_CURSOR_CHARACTERS,
        # Base64 (RFC 4648 5). A dollar sign alone lets a line feed pass.
        pattern=r"^[A-Za-z0-9_-]+$(?!\n)",
        description="the nextCursor of an answer, for what follows it at any depth; no page then",
    ),
]


Moment = Annotated[datetime, msgspec.Meta(tz=True)]
"""A moment with its zone (RFC 3339)."""


class Pagination(Struct, frozen=True, rename="camel"):
    """Where in the whole list a part of it lies, and the cursor of what follows, null at the end.

    It is counted unless asked for by cursor; a long list up to 10,001, which means "more than
    10,000". A list that is short has no cursors.
    """

    limit: int
    total: int | UnsetType = UNSET
    page: int | UnsetType = UNSET
    total_pages: int | UnsetType = UNSET
    next_cursor: str | UnsetType | None = UNSET


class Page(Struct, Generic[T], frozen=True):
    """A part of a list."""

    data: list[T]
    pagination: Pagination


class Shown(NamedTuple):
    """A part of a list as it is sent, and the header that leads to others."""

    page: Page[Any]
    headers: dict[str, str]


class Listing(NamedTuple):
    """A list: where it is, by what it is filtered and sorted, and the fields that are asked for.
    Cursors are of one list; a page of it is the same whatever its fields."""

    path: str
    filters: tuple[tuple[str, str], ...]
    fields: str | None

    @property
    def key(self) -> str:
        """The list in one spelling, without its fields."""
        return _key(self)

    @property
    def address(self) -> str:
        """Where parts of it are found, with its fields, but for which part."""
        return _address(self)


# Most people ask for the same few lists, and to write one down takes as long as to read it.
@lru_cache(_MOST_KNOWN)
def _key(of: Listing) -> str:
    return f"{of.path}?{urlencode(of.filters)}"


@lru_cache(_MOST_KNOWN)
def _address(of: Listing) -> str:
    fields = [] if of.fields is None else [("fields", of.fields)]
    query = urlencode([*of.filters, *fields], safe=",:")
    return f"{of.path}?{query}&" if query else f"{of.path}?"


def listing(path: str, fields: str | None = None, **filters: Any) -> Listing:
    """The list at `path` with those of the filters, by their names on the wire, that say
    something."""
    given = [(name, text) for name, value in sorted(filters.items()) for text in _texts(value)]
    return Listing(path, tuple(given), fields)


class Asked(Struct, Generic[P], frozen=True):
    """The part of a list that somebody asks for."""

    of: Listing
    part: Window | Following[P]
    page: int
    cursors: "Cursors | None" = None

    @property
    def key(self) -> str:
        """All of the question in one spelling, but for its fields."""
        return f"{self.of.key}#{msgspec.json.encode(self.part).decode()}"

    def cut(self, rows: list[T]) -> Stretch[T, Any]:
        """The rows of the part, of a list that was read whole."""
        assert isinstance(self.part, Window)
        first = self.part.offset
        return Stretch(rows[first : first + self.part.limit], None, len(rows))

    def shown(self, data: list[Any], of: Stretch[Any, P]) -> Shown:
        """The part with its place; it tells of no page that cannot be turned to."""
        limit = self.part.limit
        cursor: str | UnsetType | None = UNSET
        if self.cursors is not None:
            cursor = None if of.last is None else self.cursors.make(self.of, of.last)
        if of.total is None:
            place = Pagination(limit, next_cursor=cursor)
        else:
            pages = min(-(-of.total // limit), DEEPEST_ROW // limit)
            place = Pagination(limit, of.total, self.page, pages, cursor)
        links = ", ".join(self._links(place))
        return Shown(Page(data, place), {"Link": links} if links else {})

    def _links(self, place: Pagination) -> Iterable[str]:
        address, limit = self.of.address, self.part.limit

        def link(relation: str, to: str) -> str:
            return f'<{address}{to}&limit={limit}>; rel="{relation}"'

        if not isinstance(place.total_pages, int):
            yield link("first", "page=1")
            if place.next_cursor:
                yield link("next", f"cursor={place.next_cursor}")
            return
        last = place.total_pages
        if last:
            yield link("first", "page=1")
        if 1 < self.page <= last:
            yield link("prev", f"page={self.page - 1}")
        if self.page < last:
            yield link("next", f"page={self.page + 1}")
        elif place.next_cursor:
            # The last page that can be turned to is not the end.
            yield link("next", f"cursor={place.next_cursor}")
        if last and isinstance(place.total, int) and place.total < MOST_COUNTED:
            yield link("last", f"page={last}")


class Cursors:
    """Positions in lists as clients carry them: signed, so that nobody makes one up, or takes one
    from a list to another."""

    def __init__(self, secret: str) -> None:
        # A key of their own: what was signed as a cursor is good for nothing else.
        self._key = hmac.digest(secret.encode(), b"comanda cursors", "sha256")

    def asked(
        self, of: Listing, position: type[P], *, page: int, limit: int, cursor: str | None
    ) -> Asked[P]:
        """The part of a list at a page, or behind a cursor. Raises ValidationException for both,
        for a page that lies too deep, and for a cursor that was not given out for this list."""
        if cursor is None:
            return Asked(of, window(page, limit), page, self)
        if page != 1:
            raise _refusal("page", "either a page or a cursor")
        return Asked(of, Following(limit, self._read(of, cursor, position)), page, self)

    def make(self, of: Listing, position: Any) -> str:
        """The cursor of what follows a position of the list."""
        told = msgspec.msgpack.encode(msgspec.structs.astuple(position))
        return urlsafe_b64encode(self._mac(of, told) + told).decode().rstrip("=")

    def _read(self, of: Listing, cursor: str, position: type[P]) -> P:
        try:
            raw = urlsafe_b64decode(f"{cursor}{'=' * (-len(cursor) % 4)}")
        except (binascii.Error, ValueError) as error:
            raise _refusal("cursor", "it is none that was given out") from error
        mac, told = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(of, told)):
            raise _refusal("cursor", "it is none that was given out for this list")
        try:
            return position(*msgspec.msgpack.decode(told))
        except TypeError as error:
            # Of a release in which positions were made of something else.
            raise _refusal("cursor", "it is none that is given out any more") from error

    def _mac(self, of: Listing, told: bytes) -> bytes:
        return hmac.digest(self._key, of.key.encode() + b"\0" + told, "sha256")[:_MAC_BYTES]


def declared(resource: Resource, of: Any = Page) -> dict[int, ResponseSpec]:
    """What the description of a list says of it: its fields, and that it may be known already."""
    words = "A part of the list; of each row what `fields` names"
    return answered(getitem(of, resource.shape), words)


def asked(of: Listing, page: int, limit: int) -> Asked[Any]:
    """A page of a list that is read whole, and has no cursors."""
    return Asked(of, window(page, limit), page)


def window(page: int, limit: int) -> Window:
    """The rows of a page; ValidationException for one that lies too deep."""
    if page * limit > DEEPEST_ROW:
        raise _refusal(
            "page",
            f"page x limit is {page * limit}, at most {DEEPEST_ROW} can be read by page; what lies"
            " deeper is read with cursor=, the nextCursor of the page before",
        )
    return Window(limit=limit, offset=(page - 1) * limit)


def _texts(value: Any) -> Iterable[str]:
    """A filter's value as in a query; nothing where it says nothing."""
    if value is None:
        return
    if isinstance(value, list | tuple | frozenset):
        yield from sorted(text for each in value for text in _texts(each))
    elif isinstance(value, bool):
        yield str(value).lower()
    elif isinstance(value, datetime):
        yield value.isoformat()
    else:
        yield str(value.value if isinstance(value, Enum) else value)


def _refusal(parameter: str, message: str) -> ValidationException:
    wrong = {"key": parameter, "message": message, "source": "query"}
    return ValidationException(extra=[wrong])
