"""What several ask for at one moment, each in their own name, in one statement."""

import asyncio
from collections.abc import Callable, Hashable, Sequence
from contextlib import AbstractAsyncContextManager
from contextvars import Context
from functools import lru_cache
from typing import Any, Final, NamedTuple, TypeAlias

import asyncpg
from sqlalchemy import (
    ARRAY,
    BindParameter,
    Row,
    Select,
    bindparam,
    column,
    func,
    literal_column,
    select,
    true,
)
from sqlalchemy.sql import visitors

from domain.database.node import LaterError, LostError, PassedError
from domain.database.sessions import Reader
from domain.database.statements import Values
from domain.durations import Durations
from domain.trace import traceparent

# By then a statement takes all there is of a round trip's savings; others have a connection, too.
MOST: Final = 16
# Statements that are kept for several; each is some list, by the fields that are asked for.
_MOST_KNOWN: Final = 256
# What the node has done, to all who have asked alike.
_OF_THE_NODE: Final = (LostError, PassedError, LaterError)

Found: TypeAlias = Row[*tuple[Any, ...]]
Connect: TypeAlias = Callable[[], AbstractAsyncContextManager[asyncpg.Connection]]


class Question(NamedTuple):
    """A statement that finds one row at most, with its values; `own` are the names of those that
    differ from one who asks to the next, whom an index leads to what is theirs."""

    statement: Select[*tuple[Any, ...]]
    values: Values
    own: tuple[str, ...]


class _Asked(NamedTuple):
    question: Question
    told: asyncio.Future[Found | None]


class Together:
    """Questions to one node. Those that came in one turn of the loop, and differ in nothing but
    whose they are, are one statement of it, so that nobody waits for anybody.

    Each is told their own row and no other, or what is wrong with their own values; and may leave
    before that.
    """

    def __init__(self, connect: Connect, durations: Durations) -> None:
        self._connect = connect
        self._durations = durations
        self._gathering: dict[Hashable, list[_Asked]] = {}
        self._asking: set[asyncio.Task[None]] = set()

    async def row(self, question: Question) -> Found | None:
        """The row, if there is one. Raises as a reader of the node does."""
        if traceparent.get() is not None:
            # Its statement is told of in its own trace.
            return (await self._rows([question]))[0]
        loop = asyncio.get_running_loop()
        statement, values, own = question
        key = statement, own, *(value for name, value in values.items() if name not in own)
        gathering = self._gathering.get(key)
        if gathering is None or len(gathering) == MOST:
            gathering = self._gathering[key] = []
            loop.call_soon(self._begin, key, gathering)
        told = loop.create_future()
        gathering.append(_Asked(question, told))
        found: Found | None = await told
        return found

    def _begin(self, key: Hashable, several: list[_Asked]) -> None:
        if self._gathering.get(key) is several:
            del self._gathering[key]
        # It is none of their requests'.
        loop = asyncio.get_running_loop()
        task = loop.create_task(self._answer(several), context=Context())
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)

    async def _answer(self, several: Sequence[_Asked]) -> None:
        left = [each for each in several if not each.told.done()]
        if not left:
            return
        try:
            rows = await self._rows([each.question for each in left])
        except _OF_THE_NODE as error:
            _refuse(left, error)
        except Exception as error:
            if len(left) == 1:
                _refuse(left, error)
            else:
                await asyncio.gather(*(self._answer([each]) for each in left))
        else:
            for (_, told), row in zip(left, rows, strict=True):
                if not told.done():
                    told.set_result(row)

    async def _rows(self, questions: Sequence[Question]) -> Sequence[Found | None]:
        statement, values, own = questions[0]
        async with self._connect() as connection:
            reader = Reader(connection, self._durations)
            if len(questions) == 1:
                return [(await reader.execute(statement, values)).one_or_none()]
            several = {name: [each.values[name] for each in questions] for name in own}
            found = await reader.execute(_of_several(statement, own), {**values, **several})
        rows: list[Found | None] = [None] * len(questions)
        for row in found:
            rows[row[-1] - 1] = row
        return rows


def _refuse(several: Sequence[_Asked], error: Exception) -> None:
    for _, told in several:
        if not told.done():
            told.set_exception(error)


@lru_cache(_MOST_KNOWN)
def _of_several(
    statement: Select[*tuple[Any, ...]], own: tuple[str, ...]
) -> Select[*tuple[Any, ...]]:
    """The rows of each of several, and last the place (from 1) of whose it is; the values that are
    their own are lists."""
    kinds = {
        each.key: each.type
        for each in visitors.iterate(statement)
        if isinstance(each, BindParameter) and each.key in own
    }
    asked = (
        func.unnest(*(bindparam(name, type_=ARRAY(kind)) for name, kind in kinds.items()))
        .table_valued(*(column(name, kind) for name, kind in kinds.items()), with_ordinality="nth")
        .render_derived(name="asked")
    )

    def theirs(element: Any, **_: Any) -> Any:
        if not isinstance(element, BindParameter) or element.key not in kinds:
            return None
        # A column of its own would have `asked` read wherever it stands, once more.
        return literal_column(f"asked.{element.key}", element.type)

    put: Any = visitors.replacement_traverse(statement, {}, theirs)
    one = put.lateral("one")
    return select(*one.c, asked.c.nth).select_from(asked.join(one, true()))
