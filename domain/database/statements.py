"""Statements as SQLAlchemy has them, run by the driver: each shape of them is compiled once."""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Generic, TypeAlias, TypeVarTuple
from weakref import WeakKeyDictionary

import asyncpg
import msgspec
from sqlalchemy import JSON, ClauseElement, Dialect, Enum, Row, UpdateBase
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.engine.result import SimpleResultMetaData
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.util import LRUCache

Ts = TypeVarTuple("Ts")
Values: TypeAlias = Mapping[str, Any]

log = logging.getLogger(__name__)

# Some 60 KiB each. The list of orders alone has hundreds, by the fields that are asked for.
MOST_SHAPES: Final = 300
_DIALECT: Final[Dialect] = PGDialect_asyncpg()  # type: ignore[no-untyped-call]
# Of numeric(p, s). A type that asks for what came wants to hear of a number.
_NUMERIC: Final = 1700


class Rows(Generic[*Ts]):
    """The rows of a statement, all of them fetched; `rowcount` is how many it returned, or how
    many it changed."""

    def __init__(self, rows: Sequence[Row[*Ts]], rowcount: int) -> None:
        self._rows = rows
        self.rowcount = rowcount

    def __iter__(self) -> Iterator[Row[*Ts]]:
        return iter(self._rows)

    def all(self) -> Sequence[Row[*Ts]]:
        """Every row."""
        return self._rows

    def one(self) -> Row[*Ts]:
        """The only row. Raises ValueError where there is none, or another."""
        (row,) = self._rows
        return row

    def one_or_none(self) -> Row[*Ts] | None:
        """The only row, or None. Raises ValueError where there is another."""
        return self.one() if self._rows else None

    def scalar(self) -> Any:
        """The first column of the first row, or None."""
        return next(iter(self._rows[0])) if self._rows else None

    def scalar_one(self) -> Any:
        """The first column of the only row. Raises as `one` does."""
        return next(iter(self.one()))


class _Shape:
    """What PostgreSQL is sent for statements that differ in their values only."""

    def __init__(self, compiled: SQLCompiler) -> None:
        if compiled.insert_prefetch or compiled.update_prefetch:
            raise TypeError("a default of Python's, which nobody would run: make it the server's")
        self.compiled = compiled
        self.sql = compiled.string
        self.order = compiled.positiontup or ()
        self.written: Mapping[str, Any] = compiled._bind_processors
        # An IN has as many parameters as it is given values.
        self.expands = bool(compiled.post_compile_params)
        columns = compiled._result_columns
        self.returns = bool(columns)
        self._columns = SimpleResultMetaData([column.keyname for column in columns])
        readers = ((place, _reader(column.type)) for place, column in enumerate(columns))
        self._read = [(place, reader) for place, reader in readers if reader is not None]

    def rows(self, records: Sequence[asyncpg.Record]) -> Sequence[Row[*tuple[Any, ...]]]:
        """What was fetched, in Python's types."""
        columns, places = self._columns, self._columns._key_to_index
        if not self._read:
            return [Row(columns, None, places, record) for record in records]
        found: list[Row[*tuple[Any, ...]]] = []
        for record in records:
            values = list(record)
            for place, reader in self._read:
                values[place] = reader(values[place])
            found.append(Row(columns, None, places, values))
        return found


class _Kept:
    """A statement that its maker keeps, with names of parameters: its shape, and where what it is
    sent with comes from. To find that out anew takes longer than all else here."""

    def __init__(self, shape: _Shape, own: Values, names: tuple[str, ...]) -> None:
        self.shape = shape
        self._places = [
            (name if name in names else None, own[name], shape.written.get(name))
            for name in shape.order
        ]

    def arguments(self, values: Values) -> list[Any]:
        """What is sent."""
        given = []
        for name, own, written in self._places:
            value = own if name is None else values[name]
            given.append(value if written is None else written(value))
        return given


_shapes: Final[LRUCache[Any, _Shape]] = LRUCache(MOST_SHAPES)
_kept: Final[WeakKeyDictionary[ClauseElement, dict[tuple[str, ...], _Kept]]] = WeakKeyDictionary()


async def run(
    connection: asyncpg.Connection, statement: ClauseElement, values: Values | None = None
) -> Rows[*tuple[Any, ...]]:
    """What a statement returns. Raises what the driver does."""
    shape, sql, arguments = _put(statement, values)
    log.debug("%s", sql)
    if shape.returns:
        rows = shape.rows(await connection.fetch(sql, *arguments))
        return Rows(rows, len(rows))
    return Rows((), _count(await connection.execute(sql, *arguments)))


async def run_many(
    connection: asyncpg.Connection, statement: ClauseElement, several: Sequence[Values]
) -> None:
    """Run a statement that returns nothing once for each of several values, all or none."""
    shape, extracted = _shaped(statement, tuple(several[0]), many=True)
    log.debug("%s", shape.sql)
    await connection.executemany(
        shape.sql, [_arguments(shape, extracted, values)[1] for values in several]
    )


def _put(statement: ClauseElement, values: Values | None) -> tuple[_Shape, str, Sequence[Any]]:
    """Its shape, what is sent, and with what."""
    if not values:
        shape, extracted = _shaped(statement, ())
        return shape, *_arguments(shape, extracted, values)
    names = tuple(values)
    known = _kept.get(statement)
    kept = None if known is None else known.get(names)
    if kept is not None:
        return kept.shape, kept.shape.sql, kept.arguments(values)
    shape, extracted = _shaped(statement, names)
    sql, arguments = _arguments(shape, extracted, values)
    if not shape.expands:
        own = shape.compiled.construct_params(
            values, extracted_parameters=extracted, escape_names=False
        )
        _kept.setdefault(statement, {})[names] = _Kept(shape, own, names)
    return shape, sql, arguments


def _shaped(
    statement: ClauseElement, names: tuple[str, ...], *, many: bool = False
) -> tuple[_Shape, Sequence[Any] | None]:
    """Its shape, and the values that are part of it."""
    # As SQLAlchemy's own connections do it; a statement that is kept keeps its key.
    key = statement._generate_cache_key()
    known = None if key is None else (key.key, names, many)
    shape = _shapes.get(known)
    if shape is None:
        # Of a SELECT they are no columns, though there may be an INSERT among what it is made of.
        columns = list(names) if isinstance(statement, UpdateBase) else None
        compiled = statement.compile(
            dialect=_DIALECT, column_keys=columns, for_executemany=many, cache_key=key
        )
        shape = _Shape(compiled)  # type: ignore[arg-type]
        if known is not None:
            _shapes[known] = shape
    return shape, None if key is None else key.bindparams


def _arguments(
    shape: _Shape, extracted: Sequence[Any] | None, values: Values | None
) -> tuple[str, Sequence[Any]]:
    """What is sent, and with what."""
    compiled = shape.compiled
    given = compiled.construct_params(
        values,
        extracted_parameters=extracted,
        escape_names=False,
        _no_postcompile=True,
    )
    if shape.expands:
        state = compiled._process_parameters_for_postcompile(given)
        written = {**shape.written, **state.processors}
        return state.statement, _written(state.parameters, state.positiontup or (), written)
    return shape.sql, _written(given, shape.order, shape.written)


def _written(given: Values, order: Iterable[str], written: Mapping[str, Any]) -> list[Any]:
    if not written:
        return [given[name] for name in order]
    return [written[name](given[name]) if name in written else given[name] for name in order]


def _reader(kind: Any) -> Any:
    if isinstance(kind, JSON):
        # SQLAlchemy leaves it to its driver, which hands out the text.
        return _decoded
    if isinstance(kind, Enum) and kind.enum_class is not None:
        # By their values, as `model.base.words` has them kept.
        return {None: None, **{each.value: each for each in kind.enum_class}}.__getitem__
    return kind.dialect_impl(_DIALECT).result_processor(_DIALECT, _NUMERIC)


def _decoded(text: str | None) -> Any:
    return None if text is None else msgspec.json.decode(text)


def _count(status: str) -> int:
    """Of "UPDATE 3" or "INSERT 0 1"; 0 of "SET"."""
    number = status.rpartition(" ")[2]
    return int(number) if number.isdecimal() else 0
