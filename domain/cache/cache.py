"""The layered cache: memory, then Redis, then PostgreSQL; nothing older than its fences is served.

Every value carries the position of the log that it has seen everything of (asof). It is kept and
served if and only if that is not before the fence of any of its tags, nor before the horizon that
the request asks for; whichever layer it comes from, and whoever put it there.
"""

import asyncio
import logging
import math
import random
import struct
import time
from collections.abc import (
    Awaitable,
    Callable,
    Collection,
    Coroutine,
    Hashable,
    Iterable,
    Mapping,
    Sequence,
)
from contextlib import suppress
from contextvars import Context
from functools import cached_property, partial
from itertools import groupby
from typing import Any, Final, TypeVar

import msgspec
from redis.exceptions import ResponseError

from domain.cache.auditor import ONE_IN, Auditor
from domain.cache.bus import Bus, Change
from domain.cache.changes import TRUST, Changes
from domain.cache.figures import Figures
from domain.cache.flights import Flight, Party
from domain.cache.kinds import Kind
from domain.cache.memory import Entry, Memories, Memory
from domain.cache.shared import Found, Shared, read
from domain.database import UNKNOWN, Cluster, Fence, Horizon, Sources, horizon
from domain.errors import UnavailableError
from domain.redis import AwayError, Nodes

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
Load = Callable[[Sequence[K], Fence], Awaitable[tuple[Mapping[K, V], Fence]]]
"""Reads values by id from a moment not before a fence, and tells of which position; an id that it
does not tell of has no value."""

log = logging.getLogger(__name__)

# Seconds after which a process that waits for another one's reading looks by itself.
NAP: Final = 0.05
# Seconds after which it reads, too, whoever has the lease.
WAIT: Final = 5.0
# Seconds for which the failure of a source is everybody's answer.
HELD: Final = 0.25
# Times are shortened by up to this share, so that not everything is read anew at once.
JITTER: Final = 0.1
# Of a value in Redis: a larger one would hold up all others on its wire.
MOST_BYTES: Final = 1024 * 1024
# What is not there, encoded.
NOTHING: Final = msgspec.msgpack.encode(None)
_AWAY: Final = (AwayError, ResponseError)
_STRANGE: Final = (msgspec.DecodeError, struct.error)


class Cache:
    """Values by kind and id."""

    def __init__(self, cluster: Cluster, nodes: Nodes) -> None:
        self.changes = Changes(cluster)
        self._shared = Shared(nodes)
        self._bus = Bus(nodes, self.changes.hear, self._wake)
        self._auditor = Auditor()
        self._memories = Memories()
        self._boarding: list[Flight[Any]] = []
        self._naps: dict[bytes, asyncio.Event] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Hear of changes from now on."""
        self.changes.start()
        self._bus.start()

    async def close(self) -> None:
        """End what is under way."""
        self._boarding.clear()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for memory in self._memories.values():
            for flight in memory.flights.values():
                flight.fail(UnavailableError("The process ends."))
        await self._auditor.close()
        await self._bus.close()
        await self.changes.close()

    @cached_property
    def _loop(self) -> asyncio.AbstractEventLoop:
        # To ask for it takes a system call each time (Python 3.11).
        return asyncio.get_running_loop()

    @property
    def is_heard(self) -> bool:
        """Whether changes come over the bus, within milliseconds."""
        return self._bus.unbroken_since < math.inf

    @property
    def figures(self) -> dict[str, Figures]:
        """By the names of kinds that were asked for."""
        return {kind.name: memory.figures for kind, memory in self._memories.items()}

    async def get(self, kind: Kind[K, V], key: K, load: Load[K, V]) -> V | None:
        """The value of a key, or None where there is none; `load` reads it where it has to be.

        Raises UnavailableError.
        """
        value: V | None
        entry = self._remembered(kind, key, load)
        if entry is not None:
            value = entry.value
        else:
            seen = horizon.get()
            asked = 0 if seen is None else await self._asked(seen)
            memory = self._memories[kind]
            flight = self._flight(kind, memory, key, asked)
            if flight.party is None:
                flight.party = Party(kind, memory, load)
                self._set_out((flight,))
            if not flight.has_landed:
                await flight.landing(self._loop)
            value = flight.result()
            if seen is not None:
                seen.note(flight.tags, flight.asof)
        return value

    async def get_many(
        self, kind: Kind[K, V], keys: Sequence[K], load: Load[K, V]
    ) -> list[V | None]:
        """The values of several keys; those that have to be read are read together."""
        entries = [self._remembered(kind, key, load) for key in keys]
        missing = [key for key, entry in zip(keys, entries, strict=True) if entry is None]
        if not missing:
            return [entry.value for entry in entries if entry is not None]
        seen = horizon.get()
        asked = 0 if seen is None else await self._asked(seen)
        memory = self._memories[kind]
        flights = [self._flight(kind, memory, key, asked) for key in missing]
        mine = [flight for flight in dict.fromkeys(flights) if flight.party is None]
        if mine:
            party = Party(kind, memory, load, len(mine))
            for flight in mine:
                flight.party = party
            self._set_out(mine)
        for flight in flights:
            if not flight.has_landed:
                await flight.landing(self._loop)
        values = iter([flight.result() for flight in flights])
        if seen is not None:
            for flight in flights:
                seen.note(flight.tags, flight.asof)
        return [next(values) if entry is None else entry.value for entry in entries]

    def void(self, tags: Collection[str], fence: Fence, transaction: int) -> None:
        """Nothing with these tags, from before the fence, is good any more, in any process."""
        if fence == UNKNOWN:
            # It is found in the outbox.
            return
        change = Change(list(tags), fence, self.changes.generation, transaction)
        self.changes.hear(change)
        self._bus.tell(change)

    def holds(self, sources: Sources) -> bool:
        """Whether what was made of these would be made the same way now, as far as the present
        request has to see: by the very rule that a value of the cache is served by."""
        seen = horizon.get()
        if seen is not None and sources.asof < seen.fence > self.changes.horizon:
            return False
        if not self._is_sure():
            return False
        changes, version = self.changes, self.changes.version
        if sources.held != version:
            if not (self._is_ours and changes.are_after(sources.tags)):
                return False
            sources.held = version
        return True

    def _remembered(self, kind: Kind[K, V], key: K, load: Load[K, V]) -> Entry | None:
        memory = self._memories[kind]
        entry = memory.entries.get(key)
        if entry is None:
            return None
        now, changes = time.monotonic(), self.changes
        if now >= entry.expires:
            return None
        is_known = entry.checked == changes.version and now < changes.trusted_until
        if not is_known and not self._is_good(entry, now):
            return None
        seen = horizon.get()
        if seen is not None:
            if entry.asof < seen.fence > changes.horizon:
                return None
            seen.note(entry.tags, entry.asof)
        entry.visited = True
        figures = memory.figures
        figures.memory_hits += 1
        if now >= entry.renew_at:
            entry.renew_at = entry.expires
            needs, place = changes.of(entry.tags), memory.slots.of(key)
            again = Flight(key, entry.tags, needs, self._memories.generation, place)
            again.party = Party(kind, memory, load)
            self._set_out((again,))
        if figures.memory_hits % ONE_IN == 0 and kind.is_exact:
            self._audit(kind, key, entry, load)
        return entry

    def _is_good(self, entry: Entry, now: float) -> bool:
        changes = self.changes
        if now >= changes.trusted_until and now >= entry.fresh_until and not self._is_sure():
            return False
        if entry.checked != changes.version:
            if not self._is_current(entry.tags, entry.asof):
                return False
            entry.checked = changes.version
        return True

    @property
    def _is_ours(self) -> bool:
        """Whether the fences are those of the database that all of it was read from."""
        return self.changes.generation == self._memories.generation

    def _is_current(self, tags: Iterable[str], asof: Fence) -> bool:
        """Whether nothing that is known has made it void."""
        return self._is_ours and asof >= self.changes.of(tags)

    def _is_sure(self) -> bool:
        """Whether nothing that is older than TRUST can be unknown."""
        changes, bus = self.changes, self._bus
        return time.monotonic() < changes.trusted_until or changes.vouch(
            bus.unbroken_since, bus.proved_at
        )

    def _audit(self, kind: Kind[K, V], key: K, entry: Entry, load: Load[K, V]) -> None:
        memory = self._memories[kind]

        def serves(entry: Entry) -> bool:
            now = time.monotonic()
            is_there = memory.entries.get(key) is entry and now < entry.expires
            return is_there and self._is_good(entry, now)

        self._auditor.take(kind.name, key, entry, load, serves, memory.figures)

    async def _asked(self, seen: Horizon) -> Fence:
        """What the request asks for beyond all changes that are known."""
        return 0 if await self.changes.reach(seen.fence) else seen.fence

    def _flight(self, kind: Kind[K, V], memory: Memory, key: K, asked: Fence) -> Flight[K]:
        """The reading of a value: one that is under way and late enough, or a new one."""
        if self.changes.generation != self._memories.generation:
            self._memories.begin_anew(self.changes.generation)
        tags = kind.tags(key) + kind.own
        needs = self.changes.of(tags, asked)
        flight: Flight[K] | None = memory.flights.get(key)
        if flight is not None and flight.needs >= needs:
            memory.figures.joined += 1
            return flight
        place = memory.slots.of(key)
        flight = memory.flights[key] = Flight(key, tags, needs, self._memories.generation, place)
        return flight

    def _set_out(self, flights: Sequence[Flight[Any]]) -> None:
        """Take the values from Redis; those of a party that it has not are read together."""
        # What is there takes no task of its own, which would be most of what it costs.
        if not self._boarding:
            self._loop.call_soon(self._take_off)
        self._boarding += flights

    def _take_off(self) -> None:
        """Ask Redis for all that was asked for in one turn of the loop."""
        boarding, self._boarding = self._boarding, []
        if not self._is_sure():
            for party, theirs in groupby(boarding, lambda flight: flight.party):
                self._run(self._fly(party, list(theirs)), party.context)
            return
        for flights in self._shared.together(boarding):
            reply = self._shared.peek([flight.place for flight in flights])
            reply.add_done_callback(partial(self._answered, flights))

    def _answered(
        self, flights: Sequence[Flight[Any]], reply: asyncio.Future[list[bytes | None]]
    ) -> None:
        is_away = reply.cancelled() or reply.exception() is not None
        frames = [None] * len(flights) if is_away else reply.result()
        now = time.time()
        for flight, frame in zip(flights, frames, strict=True):
            party = flight.party
            assert party is not None
            if not flight.has_landed and not self._is_there(party, flight, frame, now):
                party.missing.append(flight)
            party.left -= 1
            if party.missing and not party.left:
                self._run(self._fly(party, party.missing), party.context)

    def _is_there(self, party: Party, flight: Flight[Any], frame: bytes | None, now: float) -> bool:
        """Whether that was the value."""
        if frame is None:
            return False
        try:
            asof, renew_at, body = read(frame)
            if asof < flight.needs:
                return False
            self._take(party, flight, asof, body)
        except _STRANGE:
            return False
        _drop(party.memory.flights, flight)
        if now >= renew_at:
            self._run(self._renew(party, flight), party.context)
        return True

    async def _fly(self, party: Party, flights: Sequence[Flight[Any]]) -> None:
        try:
            left, waits = list(flights), []
            if await self._catch_up(flights):
                naps = await asyncio.gather(*(self._ask(party, each) for each in flights))
                for flight, napping in zip(flights, naps, strict=True):
                    if flight.has_landed or napping is not None:
                        left.remove(flight)
                    if napping is not None:
                        waits.append(self._wait(party, flight, napping))
            # What is ours to read waits for nobody: others may wait for it.
            await asyncio.gather(self._read_first(party, left), *waits)
        except BaseException as error:
            await self._fail(party, flights, error)
            if not isinstance(error, Exception):
                raise
        finally:
            for flight in flights:
                _end(party, flight)

    async def _read_first(self, party: Party, flights: Sequence[Flight[Any]]) -> None:
        """Read values; those who wait for others do not fail with them."""
        if not flights:
            return
        try:
            await self._read(party, flights)
        except Exception as error:
            await self._fail(party, flights, error)
        finally:
            for flight in flights:
                _end(party, flight)

    async def _catch_up(self, flights: Sequence[Flight[Any]]) -> bool:
        """Whether enough is known for a value of Redis to be held against it."""
        if self._is_sure():
            return True
        # A busy process may just not have got round to it.
        is_known = await self.changes.catch_up()
        for flight in flights:
            flight.needs = max(flight.needs, self.changes.of(flight.tags))
        return is_known and self.changes.generation == flights[0].generation

    async def _ask(self, party: Party, flight: Flight[Any]) -> asyncio.Event | None:
        """Take the value from Redis, or the lease to read it; where another process has that, the
        event that it has read. None of it is to be had where Redis is away."""
        flight.token = flight.token or self._shared.token()
        napping = self._naps.setdefault(flight.place, asyncio.Event())
        try:
            found = await self._shared.get(flight.place, flight.needs, flight.token)
            if found is False:
                return napping
            if isinstance(found, Found):
                self._take(party, flight, found.asof, found.body)
                if found.is_ours:
                    self._run(self._read_again(party, flight.again(flight.token)))
        except _AWAY as error:
            log.debug("%r is not asked of Redis: %s", flight.place, error)
        except _STRANGE as error:
            log.warning("%r is not understood, and read anew: %s", flight.place, error)
        self._naps.pop(flight.place, None)
        return None

    async def _wait(self, party: Party, flight: Flight[Any], napping: asyncio.Event | None) -> None:
        """Take the value as soon as another process has read it; read it where that has not."""
        deadline = time.monotonic() + WAIT
        while napping is not None and time.monotonic() < deadline:
            party.memory.figures.waits += 1
            with suppress(TimeoutError):
                async with asyncio.timeout(NAP):
                    await napping.wait()
            napping = await self._ask(party, flight)
        self._naps.pop(flight.place, None)
        if not flight.has_landed:
            await self._read_first(party, [flight])

    def _take(self, party: Party, flight: Flight[Any], asof: Fence, body: bytes) -> None:
        kind, figures = party.kind, party.memory.figures
        value = kind.decoder.decode(body)
        figures.redis_hits += 1
        self._land(party, flight, value, asof, len(body))
        if figures.redis_hits % ONE_IN == 0 and kind.is_exact:
            entry = party.memory.entries.get(flight.key)
            if entry is not None:
                self._audit(kind, flight.key, entry, party.load)

    async def _read(self, party: Party, flights: Sequence[Flight[Any]]) -> None:
        """Read values from their source, and keep them."""
        began = time.monotonic()
        needs = max(flight.needs for flight in flights)
        values, asof = await party.load([flight.key for flight in flights], needs)
        took = time.monotonic() - began
        figures, fills = party.memory.figures, []
        for flight in flights:
            value = values.get(flight.key)
            body = msgspec.msgpack.encode(value)
            figures.loads += 1
            figures.encoded += len(body)
            self._land(party, flight, value, asof, len(body), began)
            if flight.generation == self.changes.generation:
                fills.append(self._fill(party, flight, asof, body, took))
        await asyncio.gather(*fills)

    async def _fill(
        self, party: Party, flight: Flight[Any], asof: Fence, body: bytes, took: float
    ) -> None:
        if len(body) > MOST_BYTES:
            await self._release(flight)
            return
        kind, figures = party.kind, party.memory.figures
        lasts = kind.absent if body == NOTHING else kind.shared
        seconds = lasts * (1 - JITTER * random.random())
        if kind.renewed is not None:
            renew_in = kind.renewed
        else:
            # XFetch (Vattani, Chierichetti, Lowenstein, 2015), beta 1.
            renew_in = seconds + took * math.log(1 - random.random())
        try:
            is_kept = await self._shared.fill(
                flight.place, flight.token, asof, body, seconds=seconds, renew_in=renew_in
            )
            figures.fills += is_kept
            figures.refused += not is_kept
        except _AWAY as error:
            log.debug("%r is not kept in Redis: %s", flight.place, error)

    async def _read_again(self, party: Party, flight: Flight[Any]) -> None:
        try:
            await self._read(party, [flight])
        except Exception as error:
            log.warning("%r is not renewed: %r", flight.place, error)
            await self._release(flight)

    async def _renew(self, party: Party, flight: Flight[Any]) -> None:
        """Read a value anew, if nobody else does."""
        again = flight.again(self._shared.token())
        try:
            found = await self._shared.get(again.place, again.needs, again.token)
        except _AWAY as error:
            log.debug("%r is not renewed: %s", again.place, error)
            return
        if found is True or (isinstance(found, Found) and found.is_ours):
            await self._read_again(party, again)

    def _land(
        self,
        party: Party,
        flight: Flight[Any],
        value: Any,
        asof: Fence,
        size: int,
        read_at: float = -math.inf,
    ) -> None:
        """Remember the value, and hand it to all who wait for it."""
        kind, memory = party.kind, party.memory
        lasts = kind.absent if value is None else kind.memory
        # Of another primary the positions say nothing here.
        is_ours = flight.generation == self._memories.generation
        flight.land(value, asof if is_ours else -1)
        if not is_ours or not (lasts or kind.outage):
            return
        lasts *= 1 - JITTER * random.random()
        expires = time.monotonic() + lasts
        entry = Entry(
            value,
            asof,
            flight.tags,
            size=size,
            expires=expires,
            renew_at=expires - 0.05 * lasts * random.random(),
            fresh_until=read_at + TRUST,
        )
        known = memory.entries.get(flight.key)
        if known is None or known.asof <= asof:
            memory.put(flight.key, entry)

    async def _fail(
        self, party: Party, flights: Iterable[Flight[Any]], error: BaseException
    ) -> None:
        if isinstance(error, asyncio.CancelledError):
            # Nobody has cancelled those who wait.
            error = UnavailableError("The process ends.")
        failed = [flight for flight in flights if not flight.has_landed]
        for flight in failed:
            old = _old(party, flight) if isinstance(error, UnavailableError) else None
            if old is not None:
                flight.land(old.value, old.asof)
            else:
                flight.fail(error)
        await asyncio.gather(*map(self._release, failed))

    async def _release(self, flight: Flight[Any]) -> None:
        try:
            await self._shared.release(flight.place, flight.token)
        except _AWAY as error:
            log.debug("%r keeps its lease until it ends: %s", flight.place, error)

    def _wake(self, value: bytes) -> None:
        napping = self._naps.pop(value, None)
        if napping is not None:
            napping.set()

    def _run(self, work: Coroutine[Any, Any, None], context: Context | None = None) -> None:
        task = asyncio.create_task(work, context=context)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _drop(flights: dict[Hashable, Flight[Any]], flight: Flight[Any]) -> None:
    if flights.get(flight.key) is flight:
        del flights[flight.key]


def _end(party: Party, flight: Flight[Any]) -> None:
    flights = party.memory.flights
    if flight.has_failed:
        # A source that fails is asked once in a while, not once a request.
        asyncio.get_running_loop().call_later(HELD, _drop, flights, flight)
    else:
        _drop(flights, flight)


def _old(party: Party, flight: Flight[Any]) -> Entry | None:
    """What may be served while nobody can tell whether it is still true."""
    outage, entry = party.kind.outage, party.memory.entries.get(flight.key)
    if entry is None or not outage or time.monotonic() >= entry.expires + outage:
        return None
    return entry if entry.asof >= flight.needs else None
