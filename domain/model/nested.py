"""Rows, and what belongs to them, as JSON of PostgreSQL: the same text as msgspec makes of them."""

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
from sqlalchemy.dialects.postgresql import aggregate_order_by

from domain.model.money import MINOR_DIGITS
from domain.model.selection import Chosen

Columns = Mapping[str, ColumnElement[Any]]
_UTC: Final[ColumnElement[Any]] = literal_column("'UTC'")
_SECOND: Final[ColumnElement[Any]] = literal_column("'second'")
_Z: Final[ColumnElement[Any]] = literal_column("'Z'")
_NULL: Final[ColumnElement[Any]] = literal_column("'null'")
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


def json_text(chosen: Sequence[Chosen], columns: Columns) -> ColumnElement[str]:
    """The same as it is sent, without blanks; what belongs to the thing is such a text already."""
    parts: list[ColumnElement[Any]] = []
    for each in chosen:
        before = "," if parts else "{"
        column = columns[each.column]
        parts += (
            literal_column(f"""'{before}"{each.name}":'"""),
            column if each.of else func.coalesce(cast(func.to_json(column), Text), _NULL),
        )
    return func.concat(*parts, literal_column("'}'"), type_=Text)


def json_list(text: ColumnElement[str], by: ColumnElement[Any]) -> ColumnElement[str]:
    """All of a group, in an order."""
    joined = func.string_agg(text, aggregate_order_by(literal_column("','"), by))
    return func.concat(literal_column("'['"), joined, literal_column("']'"), type_=Text)
