"""What belongs to a row, as JSON made by PostgreSQL: the same text as msgspec makes of the row."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Numeric,
    Text,
    case,
    cast,
    func,
    literal_column,
)

from domain.model.money import MINOR_DIGITS
from domain.model.selection import Chosen

Columns = Mapping[str, ColumnElement[Any]]
_UTC: Final[ColumnElement[Any]] = literal_column("'UTC'")
_SECOND: Final[ColumnElement[Any]] = literal_column("'second'")
_Z: Final[ColumnElement[Any]] = literal_column("'Z'")
_SECONDS: Final[ColumnElement[Any]] = literal_column("""'YYYY-MM-DD"T"HH24:MI:SS'""")
_FRACTION: Final[ColumnElement[Any]] = literal_column("""'YYYY-MM-DD"T"HH24:MI:SS.US'""")


def decimal(minor: ColumnElement[Any]) -> ColumnElement[Any]:
    """An amount in minor units as `domain.model.money.to_decimal` writes it."""
    whole = cast(minor, Numeric) / 10**MINOR_DIGITS
    return cast(cast(whole, Numeric(20, MINOR_DIGITS)), Text)


def instant(moment: ColumnElement[Any]) -> ColumnElement[Any]:
    """A moment in UTC (RFC 3339), with microseconds where there are any."""
    utc = func.timezone(_UTC, moment)
    is_whole = func.date_trunc(_SECOND, utc) == utc
    return func.concat(
        case((is_whole, func.to_char(utc, _SECONDS)), else_=func.to_char(utc, _FRACTION)), _Z
    )


def json_object(chosen: Sequence[Chosen], columns: Columns) -> ColumnElement[Any]:
    """What is chosen of a thing, by the names that it is sent under."""
    pairs: list[Any] = []
    for each in chosen:
        # Names are of an allow-list; as parameters they would be sent with each question.
        pairs += literal_column(f"'{each.name}'"), columns[each.column]
    return func.json_build_object(*pairs)
