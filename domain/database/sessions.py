"""What a unit of work is given: a reader, which takes no statement but SELECT, or a writer."""

from collections.abc import Awaitable, Iterable, Sequence
from datetime import datetime
from time import perf_counter
from typing import Any, Final, TypeAlias, TypeVar, overload

import asyncpg
from sqlalchemy import ClauseElement, Select, case, func, insert, select
from sqlalchemy.sql.selectable import CompoundSelect, TextualSelect

from domain.database.statements import Rows, Ts, Values, run, run_many
from domain.durations import Durations
from domain.model import OutboxEvent
from domain.trace import traceparent

T = TypeVar("T")

Query: TypeAlias = Select[*tuple[Any, ...]] | CompoundSelect[*tuple[Any, ...]] | TextualSelect
_AS_OF: Final = select(
    case(
        (~func.pg_is_in_recovery(), func.now()),
        (func.pg_last_wal_receive_lsn() == func.pg_last_wal_replay_lsn(), func.now()),
        else_=func.pg_last_xact_replay_timestamp(),
    )
)
# Built once, for building takes longer than running.
_ANNOUNCED: Final = insert(OutboxEvent).returning(OutboxEvent.id, OutboxEvent.transaction)
_RECORDED: Final = _ANNOUNCED.values(delivered_at=func.now())


class Reader:
    """A connection that reads; the server refuses whatever else finds its way into a SELECT."""

    def __init__(self, connection: asyncpg.Connection, durations: Durations) -> None:
        self._connection = connection
        self._durations = durations

    @overload
    async def execute(self, statement: Select[*Ts], values: Values | None = None) -> Rows[*Ts]: ...
    @overload
    async def execute(
        self, statement: Query, values: Values | None = None
    ) -> Rows[*tuple[Any, ...]]: ...
    async def execute(
        self, statement: Query, values: Values | None = None
    ) -> Rows[*tuple[Any, ...]]:
        """The rows of a SELECT, all of them fetched."""
        return await self._timed(run(self._connection, statement, values))

    async def scalar(self, statement: Query, values: Values | None = None) -> Any:
        """The first column of the first row, or None."""
        return (await self.execute(statement, values)).scalar()

    async def as_of(self) -> datetime | None:
        """A moment of which all is seen that was committed by then; None if the node cannot tell.

        A replica that has replayed all it was sent is taken to be at the present, for it serves
        nobody when it is further behind the primary than the cluster's limit.
        """
        moment: datetime | None = await self.scalar(_AS_OF)
        return moment

    async def _timed(self, running: Awaitable[T]) -> T:
        began = perf_counter()
        try:
            return await running
        finally:
            self._durations.note(perf_counter() - began)


class Writer(Reader):
    """A transaction on the primary; what it announces is kept with what it changes, or neither."""

    def __init__(self, connection: asyncpg.Connection, durations: Durations) -> None:
        super().__init__(connection, durations)
        self.tags: set[str] = set()
        """Of the cache, that are void with it;"""
        self.transaction: int | None = None
        """and its number, once it has announced something."""

    async def change(
        self, statement: ClauseElement, values: Values | None = None
    ) -> Rows[*tuple[Any, ...]]:
        """Run an INSERT, UPDATE or DELETE."""
        return await self._timed(run(self._connection, statement, values))

    async def change_each(self, statement: ClauseElement, several: Sequence[Values]) -> None:
        """Run one that returns nothing, once for each of several values."""
        await self._timed(run_many(self._connection, statement, several))

    async def announce(self, kind: str, payload: dict[str, Any], *, is_record: bool = False) -> int:
        """Write an event into the outbox; its id.

        It is its writer's for a while. A record has nobody to see to it: it is for whoever asks
        afterwards who did what.
        """
        announced = _RECORDED if is_record else _ANNOUNCED
        values = {"kind": kind, "payload": payload, "traceparent": traceparent.get()}
        written = await self.change(announced, values)
        event: int
        event, self.transaction = written.one()
        return event

    def void(self, tags: Iterable[str]) -> None:
        """Have every process hear at once of tags that the database will tell them of anyway."""
        self.tags.update(tags)
