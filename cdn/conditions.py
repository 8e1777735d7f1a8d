"""Whether a client's copy will do, and which bytes it wants: RFC 9110 13 and 14, as functions."""

import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

import msgspec

# More than a thousand tags, and cheap to look through; a longer one is as good as none.
_MOST_HEADER_BYTES: Final = 8192
_MOST_DATE_BYTES: Final = 64
_TAGS: Final = re.compile(r'(?:W/)?("[^"]*")')
_RANGE: Final = re.compile(r"bytes=[ \t]*([0-9]{0,18})-([0-9]{0,18})[ \t]*", re.IGNORECASE)
_A_SECOND: Final = timedelta(seconds=1)


def unchanged(
    etag: str, modified: datetime, *, if_none_match: str | None, if_modified_since: str | None
) -> bool:
    """Whether a GET or HEAD is answered by 304, because the client has this representation.

    `etag` is the current strong tag, quotes included. If-None-Match takes precedence over
    If-Modified-Since, whatever it says (RFC 9110 13.2.2).
    """
    if if_none_match is not None:
        return matches(etag, if_none_match)
    since = _date(if_modified_since)
    # HTTP dates are whole seconds, and so is what we said.
    return since is not None and modified - since < _A_SECOND


def matches(etag: str, if_none_match: str) -> bool:
    """Whether If-None-Match names the current strong tag, or any.

    Weak comparison (8.8.3.2): a cache may have weakened our tag when it compressed.
    """
    if len(if_none_match) > _MOST_HEADER_BYTES:
        return False
    return if_none_match.strip() == "*" or etag in _TAGS.findall(if_none_match)


def _date(header: str | None) -> datetime | None:
    """The moment, in any of HTTP's three spellings; None if it is not exactly one."""
    if header is None or len(header) > _MOST_DATE_BYTES:
        return None
    try:
        moment = parsedate_to_datetime(header)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    # One of the obsolete spellings has no zone; HTTP's is always UTC.
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


class ByteRange(msgspec.Struct, frozen=True):
    """The bytes from `first` to `last`, both included, of `length`."""

    first: int
    last: int
    length: int

    @property
    def content_range(self) -> str:
        """The Content-Range of a 206."""
        return f"bytes {self.first}-{self.last}/{self.length}"

    @property
    def slice(self) -> slice:
        """The same for a bytes object."""
        return slice(self.first, self.last + 1)


class UnsatisfiableRangeError(ValueError):
    """A range begins behind the end: 416 with this Content-Range."""

    def __init__(self, length: int) -> None:
        super().__init__(f"The picture has {length} bytes.")
        self.content_range = f"bytes */{length}"


def byte_range(header: str | None, length: int) -> ByteRange | None:
    """The range of a GET's Range header in a body of `length` bytes; None for the whole body.

    Several ranges are answered by the whole body, which RFC 9110 14.2 leaves to the server:
    no client asks a picture for two, and many tiny ones are an attack. So is a header that is
    malformed or in another unit. Raises UnsatisfiableRangeError.
    """
    asked = _RANGE.fullmatch(header) if header is not None else None
    if asked is None or not (asked[1] or asked[2]):
        return None
    first, last = asked[1], asked[2]
    if not first:
        return _suffix(int(last), length)
    if last and int(last) < int(first):
        return None
    if int(first) >= length:
        raise UnsatisfiableRangeError(length)
    return ByteRange(int(first), min(int(last or length), length - 1), length)


def _suffix(size: int, length: int) -> ByteRange:
    if size == 0 or length == 0:
        raise UnsatisfiableRangeError(length)
    return ByteRange(max(0, length - size), length - 1, length)


def range_applies(if_range: str | None, etag: str) -> bool:
    """Whether a Range header counts: without If-Range, or if it names this representation.

    Comparison is strong (RFC 9110 13.1.5): two halves of different pictures are worth less than
    one whole. A date names none, for all formats have the same one.
    """
    return if_range is None or if_range == etag
