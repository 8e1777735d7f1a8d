"""The outbox, and the relay that sees to what a crash or a failure left in it."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import (
    CTE,
    BigInteger,
    Double,
    Select,
    Text,
    Update,
    bindparam,
    func,
    insert,
    literal_column,
    select,
    union_all,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY

from domain.background import Background
from domain.database import Database, Fence, Writer
from domain.errors import UnavailableError
from domain.model import OutboxEvent
from domain.redis import AwayError
from domain.sweeper import Kept
from domain.trace import Spans, untold

log = logging.getLogger(__name__)

# Events that one process sees to at once.
BATCH: Final = 8
# Seconds until a process looks for what another one, or an earlier one, has left.
POLL: Final = 5.0
# Seconds that a handler has.
PATIENCE: Final = 50.0
# Longer than that, so that nobody else takes up what is in hand; doubled each time it failed.
PAUSE: Final = 60.0
MOST_DOUBLINGS: Final = 4
# Events that are told of at once, in their order.
MOST_TOLD: Final = 500
# Seconds until a process looks for what the one that wrote it has not told; and after a failure.
LOOK: Final = 1.0
AGAIN: Final = 0.25
# As many times as long as a round took nobody is told anything, but no longer than so many seconds:
# what comes meanwhile is told in one, and a round is five ways to the database.
REST: Final = 2.0
LONGEST_REST: Final = 0.05
# What is older is no news: whoever was away asks for it (docs/realtime.md).
NEWS: Final = timedelta(minutes=30)
# For whoever asks afterwards what became of an event.
KEPT: Final = Kept(OutboxEvent.delivered_at, timedelta(days=7))


# One process at a time, and for no longer than that if it is frozen meanwhile.
_ALONE: Final = select(
    func.pg_advisory_xact_lock(func.hashtext("comanda: who tells")),
    func.set_config("idle_in_transaction_session_timeout", "2000", True),
)
# The snapshot is taken before the position: what it shows was committed before there.
_UNTOLD: Final = (
    select(
        OutboxEvent.id,
        OutboxEvent.kind,
        OutboxEvent.payload,
        OutboxEvent.created_at,
        literal_column("(pg_current_wal_insert_lsn() - '0/0')::bigint", BigInteger),
        OutboxEvent.traceparent,
    )
    .where(
        OutboxEvent.kind == func.any(bindparam("kinds", type_=ARRAY(Text))),
        OutboxEvent.delivered_at.is_(None),
    )
    .order_by(OutboxEvent.id)
    .limit(MOST_TOLD)
)
# As one list: an IN is another statement for each length of it, to build here and to plan there.
_TOLD: Final = (
    update(OutboxEvent)
    .where(OutboxEvent.id == func.any(bindparam("ids", type_=ARRAY(BigInteger))))
    .values(delivered_at=func.now())
)
_SECONDS: Final = PAUSE * func.power(2, func.least(OutboxEvent.attempts, MOST_DOUBLINGS))
_DUE: Final = (
    select(OutboxEvent.id)
    .where(
        OutboxEvent.kind == func.any(bindparam("kinds", type_=ARRAY(Text))),
        OutboxEvent.delivered_at.is_(None),
        OutboxEvent.due_at <= func.now(),
    )
    .order_by(OutboxEvent.due_at)
    .limit(BATCH)
    .with_for_update(skip_locked=True)
    .cte("due")
)
_TAKEN: Final = (
    update(OutboxEvent)
    .where(OutboxEvent.id.in_(select(_DUE.c.id)))
    .values(
        attempts=OutboxEvent.attempts + 1,
        due_at=func.now() + func.make_interval(0, 0, 0, 0, 0, 0, _SECONDS),
    )
    .returning(
        OutboxEvent.id,
        OutboxEvent.kind,
        OutboxEvent.payload,
        OutboxEvent.attempts,
        OutboxEvent.traceparent,
    )
)
_NOTED: Final = update(OutboxEvent).where(
    OutboxEvent.id == func.any(bindparam("events", type_=ARRAY(BigInteger))),
    OutboxEvent.delivered_at.is_(None),
)
_DELIVERED: Final = _NOTED.values(delivered_at=func.now())
_POSTPONED: Final = _NOTED.values(
    due_at=func.now() + func.make_interval(0, 0, 0, 0, 0, 0, bindparam("seconds", type_=Double))
)


def announced(*events: Select[str, Any]) -> CTE:
    """A part of the statement that makes them so: events in the outbox, in that order, of each the
    kind and the payload; the parameter `traceparent` is that of what makes them.

    A feed tells of them when it comes to them, and what a relay sees to is anybody's at once.
    """
    several = union_all(*events).subquery("several")
    kind, payload = several.c
    return (
        insert(OutboxEvent)
        .from_select(
            ["kind", "payload", "due_at", "traceparent"],
            select(kind, payload, func.now(), bindparam("traceparent", type_=Text)),
        )
        .returning(OutboxEvent.transaction)
        .cte("event")
    )


class Event(Struct, frozen=True):
    """A change that others must hear of; `attempt` counts from 1, and `traceparent` is that of what
    made it, where that was traced."""

    id: int
    kind: str
    payload: dict[str, Any]
    attempt: int
    traceparent: str | None = None


class Told(Struct, frozen=True):
    """A change, when it was made, and a fence: whoever has read so far has seen it."""

    id: int
    kind: str
    payload: dict[str, Any]
    at: datetime
    fence: Fence
    traceparent: str | None = None


Tell = Callable[[Sequence[Told]], Awaitable[None]]
"""Tells of events, the oldest first; what it raises leaves all of them for later."""

Handler = Callable[[Event], Awaitable[None]]
"""Sees to an event, which may come twice; what it raises leaves the event for later."""


class NotYetError(Exception):
    """What a handler raises that was told when to come again: in so many `seconds`."""

    def __init__(self, message: str, seconds: float) -> None:
        super().__init__(message)
        self.seconds = seconds


class Outbox:
    """Events by the row. Whoever writes one sees to it at once, and has until `due_at` for that;
    then it is anybody's, and taking it moves `due_at` on: grace, lease and back-off in one."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def take(self, kinds: Iterable[str]) -> list[Event]:
        """At most BATCH events that are due, and nobody else's for a while.

        Raises UnavailableError.
        """
        values = {"kinds": list(kinds)}

        async def take(database: Writer) -> list[Event]:
            return [Event(*row) for row in await database.change(_TAKEN, values)]

        return await self._database.write(take, is_single=True)

    async def tell(self, kinds: Sequence[str], tell: Tell) -> int:
        """Have the oldest events be told of that nobody was told of, in the order in which they
        were written, and by one process at a time: of two about the same thing, the later one
        never comes first. How many those were, at most MOST_TOLD.

        They may come again, if that cannot be noted. Raises UnavailableError, and what `tell` does.
        """

        async def work(database: Writer) -> int:
            await database.execute(_ALONE)
            # A snapshot of its own: the one that told before this has noted it by now.
            rows = await database.execute(_UNTOLD, {"kinds": list(kinds)})
            events = [Told(*row) for row in rows]
            if events:
                await tell([each for each in events if each.at > _now() - NEWS])
                await database.change(_TOLD, {"ids": [each.id for each in events]})
            return len(events)

        return await self._database.write(work)

    async def tell_again(self, kinds: Sequence[str], since: timedelta) -> None:
        """What was told of so lately is told of once more: it may have been lost on its way.

        Raises UnavailableError.
        """
        lately = (
            update(OutboxEvent)
            .where(OutboxEvent.kind.in_(kinds), OutboxEvent.delivered_at > func.now() - since)
            .values(delivered_at=None)
        )

        async def work(database: Writer) -> None:
            await database.execute(_ALONE)
            await database.change(lately)

        await self._database.write(work)

    async def delivered(self, *event_ids: int) -> None:
        """They need no seeing to any more; where that cannot be noted, they are seen to again."""
        try:
            await self._note(_DELIVERED, {"events": event_ids})
        except UnavailableError as error:
            log.warning("events %s will be seen to once more: %s", event_ids, error)

    async def postpone(self, event_id: int, seconds: float) -> None:
        """It is due in so many seconds; where that cannot be noted, after its pause."""
        try:
            await self._note(_POSTPONED, {"events": [event_id], "seconds": seconds})
        except UnavailableError as error:
            log.warning("event %d will be due after its pause: %s", event_id, error)

    async def _note(self, noted: Update, values: Mapping[str, Any]) -> None:
        async def note(database: Writer) -> None:
            await database.change(noted, values)

        await self._database.write(note, is_single=True)


class Relay(Background):
    """Hands every due event to the handler of its kind, until one comes through; what is in hand
    when it is closed is due again after its pause."""

    def __init__(
        self, outbox: Outbox, handlers: Mapping[str, Handler], spans: Spans = untold
    ) -> None:
        self._outbox = outbox
        self._handlers = handlers
        self._spans = spans

    async def round(self) -> int:
        """See to one batch; how many those were. Raises UnavailableError."""
        events = await self._outbox.take(self._handlers)
        through: list[int] = []
        try:
            await asyncio.gather(*(self._see_to(event, through) for event in events))
        finally:
            # In one transaction: they were due together, and are not due again before the last is
            # over. Also of a batch that is broken off.
            if through:
                await self._outbox.delivered(*through)
        return len(events)

    async def _run(self) -> None:
        while True:
            try:
                while await self.round() == BATCH:
                    pass
            except UnavailableError as error:
                log.warning("the outbox waits: %s", error)
            except Exception:
                log.exception("the outbox was not looked through")
            await asyncio.sleep(POLL)

    async def _see_to(self, event: Event, through: list[int]) -> None:
        """See to it, and add it to those that have come `through` if it has."""
        with self._spans(event.kind, event.traceparent) as span:
            try:
                async with asyncio.timeout(PATIENCE):
                    await self._handlers[event.kind](event)
            except NotYetError as error:
                span.failed(error)
                log.info("event %d, attempt %d: %s", event.id, event.attempt, error)
                await self._outbox.postpone(event.id, error.seconds)
            except Exception as error:
                span.failed(error)
                # Whatever it is, it is due again; what never comes through is to be looked at.
                level = logging.WARNING if event.attempt <= MOST_DOUBLINGS else logging.ERROR
                told = event.id, event.kind, event.attempt
                log.log(level, "event %d, %s, attempt %d", *told, exc_info=error)
            else:
                through.append(event.id)


class Feed(Background):
    """Tells of every event of some kinds in its order: at once where the process that wrote it
    says so, and from any process a moment later. When it is closed another one tells the rest."""

    def __init__(self, outbox: Outbox, kinds: Sequence[str], tell: Tell) -> None:
        self._outbox = outbox
        self._kinds = kinds
        self._tell = tell
        self._news = asyncio.Event()
        self._lost = timedelta(0)
        self._is_held_up = False

    def hurry(self) -> None:
        """Something has been written."""
        self._news.set()

    def again(self, since: timedelta) -> None:
        """Tell once more of what was told of so lately."""
        self._lost = max(self._lost, since)
        self._news.set()

    async def round(self) -> int:
        """Tell of some; how many those were. Raises UnavailableError, and what telling does."""
        if self._lost:
            lost, self._lost = self._lost, timedelta(0)
            try:
                await self._outbox.tell_again(self._kinds, lost)
            except UnavailableError:
                self._lost = max(self._lost, lost)
                raise
        return await self._outbox.tell(self._kinds, self._tell)

    async def _run(self) -> None:
        while True:
            self._news.clear()
            began = time.monotonic()
            try:
                while await self.round() == MOST_TOLD:
                    pass
                self._is_held_up = False
            except Exception as error:
                if not self._is_held_up:
                    log.warning("events wait to be told of: %s", error, exc_info=_unforeseen(error))
                self._is_held_up = True
                await asyncio.sleep(AGAIN)
                continue
            await asyncio.sleep(min(REST * (time.monotonic() - began), LONGEST_REST))
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK):
                    await self._news.wait()


def _now() -> datetime:
    return datetime.now(UTC)


def _unforeseen(error: Exception) -> Exception | None:
    return None if isinstance(error, UnavailableError | AwayError) else error
