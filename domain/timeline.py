"""A person's rows of a table by time, the newest first: a part of them in one statement."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, TypeAlias

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    DateTime,
    Integer,
    Select,
    bindparam,
    func,
    literal_column,
    select,
    true,
    tuple_,
)

from domain.database import Reader
from domain.model.nested import Columns
from domain.model.paging import MOST_COUNTED, Following, Position, Stretch, Window
from domain.model.selection import Chosen, Selection

Part: TypeAlias = Window | Following[Position]
Conditions: TypeAlias = Mapping[str, ColumnElement[bool]]
_LIMIT: Final = bindparam("limit", type_=Integer)
_OFFSET: Final = bindparam("offset", type_=Integer)
_AT: Final = bindparam("at", type_=DateTime(timezone=True))
_ID: Final = bindparam("id", type_=BigInteger)


class Timeline:
    """The rows of a table that has `created_at` and `id` among its columns, as far as some of
    `conditions`, each with its parameter, let them by."""

    def __init__(self, columns: Columns, conditions: Conditions) -> None:
        self._columns = columns
        self._conditions = conditions
        # Built once, for building takes longer than running.
        self._built = lru_cache(maxsize=256)(self._build)

    async def read(
        self, reader: Reader, selection: Selection, part: Part, given: Mapping[str, Any]
    ) -> Stretch[Sequence[Any], Position]:
        """Each a row of what is selected; `given` are the conditions, with their parameters. They
        are counted for a window only."""
        is_counted = isinstance(part, Window)
        statement = self._built(tuple(selection), tuple(sorted(given)), is_counted=is_counted)
        # One more, which tells that there are more.
        parameters = {**given, "limit": part.limit + 1, **_from(part)}
        found = (await reader.execute(statement, parameters)).all()
        total = found[0][0] if is_counted else None
        # The empty list, too, has one row: its total.
        rows = [row for row in found if row[1] is not None]
        last = Position(*rows[part.limit - 1][1:3]) if len(rows) > part.limit else None
        return Stretch([row[3:] for row in rows[: part.limit]], last, total)

    def _build(
        self, selection: tuple[Chosen, ...], given: tuple[str, ...], *, is_counted: bool
    ) -> Select[*tuple[Any, ...]]:
        chosen = [self._conditions[name] for name in given]
        key = self._columns["created_at"], self._columns["id"]
        page = (
            select(
                key[0].label("at"),
                key[1].label("key"),
                *(self._columns[each.column].label(f"of_{each.column}") for each in selection),
            )
            .where(*chosen)
            # The id settles ties, or a page could show a row twice.
            .order_by(*(column.desc() for column in key))
            .limit(_LIMIT)
        )
        page = page.offset(_OFFSET) if is_counted else page.where(tuple_(*key) < tuple_(_AT, _ID))
        rows = page.cte("page")
        some = select(literal_column("1", Integer)).select_from(key[1].table).where(*chosen)
        counted = select(func.count().label("total")).select_from(
            some.limit(MOST_COUNTED).subquery()
        )
        nothing = select(literal_column("NULL", Integer).label("total"))
        total = (counted if is_counted else nothing).subquery("counted")
        return (
            select(
                total.c.total,
                rows.c.at,
                rows.c.key,
                *(rows.c[f"of_{each.column}"] for each in selection),
            )
            .select_from(total.outerjoin(rows, true()))
            .order_by(rows.c.at.desc(), rows.c.key.desc())
        )


def _from(part: Part) -> dict[str, Any]:
    if isinstance(part, Window):
        return {"offset": part.offset}
    return {"at": part.after.created_at, "id": part.after.id}
