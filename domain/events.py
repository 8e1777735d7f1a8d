"""The outbox, and the relay that sees to what a crash or a failure left in it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import func, select, update

from domain.database import Database, Writer
from domain.errors import UnavailableError
from domain.model import OutboxEvent
from domain.sweeper import Kept

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
# For whoever asks afterwards what became of an event.
KEPT: Final = Kept(OutboxEvent.delivered_at, timedelta(days=7))


class Event(Struct, frozen=True):
    """A change that others must hear of; `attempt` counts from 1."""

    id: int
    kind: str
    payload: dict[str, Any]
    attempt: int


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
        due = (
            select(OutboxEvent.id)
            .where(
                OutboxEvent.kind.in_(kinds),
                OutboxEvent.delivered_at.is_(None),
                OutboxEvent.due_at <= func.now(),
            )
            .order_by(OutboxEvent.due_at)
            .limit(BATCH)
            .with_for_update(skip_locked=True)
            .cte("due")
        )
        seconds = PAUSE * func.power(2, func.least(OutboxEvent.attempts, MOST_DOUBLINGS))
        taken = (
            update(OutboxEvent)
            .where(OutboxEvent.id.in_(select(due.c.id)))
            .values(
                attempts=OutboxEvent.attempts + 1,
                due_at=func.now() + func.make_interval(0, 0, 0, 0, 0, 0, seconds),
            )
            .returning(OutboxEvent.id, OutboxEvent.kind, OutboxEvent.payload, OutboxEvent.attempts)
        )

        async def take(database: Writer) -> list[Event]:
            return [Event(*row) for row in await database.change(taken)]

        return await self._database.write(take)

    async def delivered(self, event_id: int) -> None:
        """It needs no seeing to any more; where that cannot be noted, it is seen to once more."""
        try:
            await self._note(event_id, {"delivered_at": func.now()})
        except UnavailableError as error:
            log.warning("event %d will be seen to once more: %s", event_id, error)

    async def postpone(self, event_id: int, seconds: float) -> None:
        """It is due in so many seconds; where that cannot be noted, after its pause."""
        due_at = func.now() + func.make_interval(0, 0, 0, 0, 0, 0, seconds)
        try:
            await self._note(event_id, {"due_at": due_at})
        except UnavailableError as error:
            log.warning("event %d will be due after its pause: %s", event_id, error)

    async def _note(self, event_id: int, values: Mapping[str, Any]) -> None:
        noted = (
            update(OutboxEvent)
            .where(OutboxEvent.id == event_id, OutboxEvent.delivered_at.is_(None))
            .values(values)
        )

        async def note(database: Writer) -> None:
            await database.change(noted)

        await self._database.write(note)


class Relay:
    """Hands every due event to the handler of its kind, until one comes through."""

    def __init__(self, outbox: Outbox, handlers: Mapping[str, Handler]) -> None:
        self._outbox = outbox
        self._handlers = handlers
        self._running: asyncio.Task[None] | None = None

    def start(self) -> None:
        """See to what is due, now and from now on; a database that is away is waited for."""
        self._running = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Stop; what was in hand is due again after its pause."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)

    async def round(self) -> int:
        """See to one batch; how many those were. Raises UnavailableError."""
        events = await self._outbox.take(self._handlers)
        await asyncio.gather(*map(self._see_to, events))
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

    async def _see_to(self, event: Event) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                await self._handlers[event.kind](event)
        except NotYetError as error:
            log.info("event %d, attempt %d: %s", event.id, event.attempt, error)
            await self._outbox.postpone(event.id, error.seconds)
        except Exception as error:
            # Whatever it is, it is due again; what never comes through is to be looked at.
            level = logging.WARNING if event.attempt <= MOST_DOUBLINGS else logging.ERROR
            told = event.id, event.kind, event.attempt
            log.log(level, "event %d, %s, attempt %d", *told, exc_info=error)
        else:
            await self._outbox.delivered(event.id)
