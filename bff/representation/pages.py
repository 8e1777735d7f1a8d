"""Lists by page: `?page=&limit=` in, `{"data": [...], "pagination": {...}}` out."""

from typing import Annotated, Generic, TypeVar

from litestar.exceptions import ValidationException
from litestar.params import QueryParameter
from msgspec import Struct

from domain.model.paging import Window

T = TypeVar("T")

MOST_ROWS = 100
# An OFFSET reads all that it skips: what lies deeper is no page that anybody turns to.
DEEPEST_ROW = 10_000

PageNumber = Annotated[
    int, QueryParameter(ge=1, le=DEEPEST_ROW, description="which page, from 1 on")
]
PageLimit = Annotated[int, QueryParameter(ge=1, le=MOST_ROWS, description="rows a page")]


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


def window(page: int, limit: int) -> Window:
    """The rows of a page; ValidationException for one that lies too deep."""
    if page * limit > DEEPEST_ROW:
        message = f"page x limit is {page * limit}, at most {DEEPEST_ROW} can be read by page"
        wrong = {"key": "page", "message": message, "source": "query"}
        raise ValidationException(extra=[wrong])
    return Window(limit=limit, offset=(page - 1) * limit)


def listing(data: list[T], total: int, page: int, limit: int) -> Listing[T]:
    """A page with its place; an empty list has no pages."""
    return Listing(data, Pagination(total, page, limit, -(-total // limit)))
