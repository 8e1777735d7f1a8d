"""The layered cache: memory, then Redis, then PostgreSQL; nothing older than its fences is served.

Every value carries the position of the log that it has seen everything of (asof). It is kept and
served if and only if that is not before the fence of any of its tags, nor before the horizon that
the request asks for; whichever layer it comes from, and whoever put it there.
"""

import asyncio
import logging
import math
import random
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
from typing import Any, Final, Generic, TypeVar

import msgspec
from redis.exceptions import ResponseError

from domain.cache.bus import Bus, Change
from domain.cache.changes import TRUST, Changes
from domain.cache.figures import Figures
from domain.cache.kinds import Kind
from domain.cache.memory import Entry, Memory
from domain.cache.shared import Found, Shared, Slot, slot
from domain.database import UNKNOWN, Cluster, Fence, Sources, horizon
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


class Flight(Generic[K]):
    """One reading of a value, for all who ask meanwhile and need no later one."""

    def __init__(self, key: K, tags: tuple[str, ...], needs: Fence, place: Slot) -> None:
        self.key = key
        self.tags = tags
        self.needs = needs
        self.place = place
        self.token = b""
        # Of the value; before everything, where it is not told.
        self.asof: Fence = -1
        self.landed: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        # Whoever asked may have gone.
        self.landed.add_done_callback(lambda landed: landed.exception())


class Cache:
    """Values by kind and id."""

    def __init__(self, cluster: Cluster, nodes: Nodes) -> None:
        self.changes = Changes(cluster)
        self._shared = Shared(nodes)
        self._bus = Bus(nodes, self.changes.hear, self._wake)
        self._memories: dict[Kind[Any, Any], Memory] = {}
        self._flights: dict[tuple[str, Hashable], Flight[Any]] = {}
        self._naps: dict[bytes, asyncio.Event] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._generation = ""

    def start(self) -> None:
        """Hear of changes from now on."""
        self.changes.start()
        self._bus.start()

    async def close(self) -> None:
        """End what is under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._bus.close()
        await self.changes.close()

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
        entry = self._remembered(kind, key)
        if entry is not None:
            if time.monotonic() >= entry.renew_at:
                self._renew(kind, key, entry, load)
            value: V | None = entry.value
            return value
        return (await self._fetch(kind, [key], load))[0]

    async def get_many(
        self, kind: Kind[K, V], keys: Sequence[K], load: Load[K, V]
    ) -> list[V | None]:
        """The values of several keys; those that have to be read are read together."""
        entries = [self._remembered(kind, key) for key in keys]
        missing = [key for key, entry in zip(keys, entries, strict=True) if entry is None]
        fetched = iter(await self._fetch(kind, missing, load) if missing else ())
        return [next(fetched) if entry is None else entry.value for entry in entries]

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
        revision = self.changes.revision
        tags = () if sources.held == revision else sources.tags
        if not self._is_good(tags, sources.asof, -math.inf, time.monotonic()):
            return False
        sources.held = revision
        return True

    def _remembered(self, kind: Kind[K, V], key: K) -> Entry | None:
        memory = self._memories.get(kind)
        if memory is None:
            return None
        entry = memory.entries.get(key)
        if entry is None:
            return None
        now = time.monotonic()
        if now >= entry.expires or not self._is_good(
            entry.tags, entry.asof, entry.fresh_until, now
        ):
            return None
        entry.visited = True
        memory.figures.memory_hits += 1
        _note(entry.tags, entry.asof)
        return entry

    def _memory(self, kind: Kind[K, V]) -> Memory:
        memory = self._memories.get(kind)
        if memory is None:
            memory = self._memories[kind] = Memory(kind.bytes)
        return memory

    def _is_good(self, tags: Iterable[str], asof: Fence, fresh_until: float, now: float) -> bool:
        changes = self.changes
        if now >= changes.trusted_until and now >= fresh_until:
            changes.vouch(self._bus.unbroken_since, self._bus.proved_at)
            if now >= changes.trusted_until:
                return False
        if changes.generation != self._generation:
            return False
        fences = changes.fences
        for tag in tags:
            if fences.get(tag, 0) > asof:
                return False
        seen = horizon.get()
        if seen is not None and changes.horizon < seen.fence > asof:
            return False
        return asof >= changes.floor

    async def _fetch(self, kind: Kind[K, V], keys: Sequence[K], load: Load[K, V]) -> list[V | None]:
        asked: Fence = 0
        seen = horizon.get()
        if seen is not None and not await self.changes.reach(seen.fence):
            asked = seen.fence
        if self.changes.generation != self._generation:
            self._begin_anew()
        flights, mine = [], []
        for key in keys:
            tags = (*kind.tags(key), kind.tag)
            needs = max(asked, self.changes.of(tags))
            flight = self._flights.get((kind.name, key))
            if flight is None or flight.needs < needs:
                flight = Flight(key, tags, needs, slot(self._generation, kind.shape, key))
                self._flights[kind.name, key] = flight
                mine.append(flight)
            flights.append(flight)
        if mine:
            self._run(self._fly(kind, mine, load))
        landed = await asyncio.gather(*(asyncio.shield(flight.landed) for flight in flights))
        for flight in flights:
            _note(flight.tags, flight.asof)
        return list(landed)

    async def _fly(self, kind: Kind[K, V], flights: Sequence[Flight[K]], load: Load[K, V]) -> None:
        try:
            if self.changes.is_trusted:
                await asyncio.gather(*(self._ask(kind, flight, load) for flight in flights))
            left = [flight for flight in flights if not flight.landed.done()]
            if left:
                await self._read(kind, left, load)
        except BaseException as error:
            await self._fail(kind, flights, error)
            if not isinstance(error, Exception):
                raise
        finally:
            for flight in flights:
                self._end(kind, flight)

    async def _ask(self, kind: Kind[K, V], flight: Flight[K], load: Load[K, V]) -> None:
        """Take the value from Redis, or the lease to read it; neither where Redis is away."""
        flight.token = self._shared.token()
        deadline = time.monotonic() + WAIT
        try:
            while time.monotonic() < deadline:
                napping = self._naps.setdefault(flight.place.value, asyncio.Event())
                found = await self._shared.get(flight.place, flight.needs, flight.token)
                if isinstance(found, Found):
                    self._memory(kind).figures.redis_hits += 1
                    self._land(
                        kind, flight, self._decoded(kind, found), found.asof, len(found.body)
                    )
                    if found.is_ours:
                        again = Flight(flight.key, flight.tags, flight.needs, flight.place)
                        again.token = flight.token
                        self._run(self._read_again(kind, again, load))
                    return
                if found:
                    return
                self._memory(kind).figures.waits += 1
                try:
                    async with asyncio.timeout(NAP):
                        await napping.wait()
                except TimeoutError:
                    pass
        except _AWAY as error:
            log.debug("%s is not asked of Redis: %s", flight.place.value, error)
        except msgspec.DecodeError as error:
            log.warning("%s is not understood, and read anew: %s", flight.place.value, error)
        finally:
            self._naps.pop(flight.place.value, None)

    async def _read(self, kind: Kind[K, V], flights: Sequence[Flight[K]], load: Load[K, V]) -> None:
        """Read values from their source, and keep them."""
        generation = self._generation
        began = time.monotonic()
        needs = max(flight.needs for flight in flights)
        values, asof = await load([flight.key for flight in flights], needs)
        took = time.monotonic() - began
        figures = self._memory(kind).figures
        fills = []
        for flight in flights:
            value = values.get(flight.key)
            body = msgspec.msgpack.encode(value)
            figures.loads += 1
            figures.encoded += len(body)
            if generation == self.changes.generation:
                self._land(kind, flight, value, asof, len(body), began)
                fills.append(self._fill(kind, flight, asof, body, took))
            elif not flight.landed.done():
                # Of another primary: it is nothing that could be kept.
                flight.landed.set_result(value)
        await asyncio.gather(*fills)

    async def _fill(
        self, kind: Kind[K, V], flight: Flight[K], asof: Fence, body: bytes, took: float
    ) -> None:
        if len(body) > MOST_BYTES:
            await self._release(flight)
            return
        figures = self._memory(kind).figures
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
            log.debug("%s is not kept in Redis: %s", flight.place.value, error)

    async def _read_again(self, kind: Kind[K, V], flight: Flight[K], load: Load[K, V]) -> None:
        try:
            await self._read(kind, [flight], load)
        except Exception as error:
            log.warning("%s is not renewed: %r", flight.place.value, error)
            await self._release(flight)

    def _renew(self, kind: Kind[K, V], key: K, entry: Entry, load: Load[K, V]) -> None:
        entry.renew_at = math.inf
        flight = Flight(
            key, entry.tags, self.changes.of(entry.tags), slot(self._generation, kind.shape, key)
        )
        self._run(self._fly(kind, [flight], load))

    def _land(
        self,
        kind: Kind[K, V],
        flight: Flight[K],
        value: Any,
        asof: Fence,
        size: int,
        read_at: float = -math.inf,
    ) -> None:
        """Remember the value, and hand it to all who wait for it."""
        lasts = (kind.absent if value is None else kind.memory) * (1 - JITTER * random.random())
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
        memory = self._memory(kind)
        known = memory.entries.get(flight.key)
        if known is None or known.asof <= asof:
            memory.put(flight.key, entry)
        if not flight.landed.done():
            flight.asof = asof
            flight.landed.set_result(value)

    async def _fail(
        self, kind: Kind[K, V], flights: Iterable[Flight[K]], error: BaseException
    ) -> None:
        if isinstance(error, asyncio.CancelledError):
            # Nobody has cancelled those who wait.
            error = UnavailableError("The process ends.")
        failed = [flight for flight in flights if not flight.landed.done()]
        for flight in failed:
            old = self._old(kind, flight) if isinstance(error, UnavailableError) else None
            if old is not None:
                flight.asof = old.asof
                flight.landed.set_result(old.value)
            else:
                flight.landed.set_exception(error)
        await asyncio.gather(*map(self._release, failed))

    def _old(self, kind: Kind[K, V], flight: Flight[K]) -> Entry | None:
        """What may be served while nobody can tell whether it is still true."""
        memory = self._memories.get(kind)
        entry = memory.entries.get(flight.key) if memory else None
        if entry is None or time.monotonic() >= entry.expires + kind.outage or not kind.outage:
            return None
        return entry if entry.asof >= flight.needs else None

    async def _release(self, flight: Flight[K]) -> None:
        try:
            await self._shared.release(flight.place, flight.token)
        except _AWAY as error:
            log.debug("%s keeps its lease until it ends: %s", flight.place.value, error)

    def _end(self, kind: Kind[K, V], flight: Flight[K]) -> None:
        key = (kind.name, flight.key)
        if self._flights.get(key) is not flight:
            return
        if flight.landed.done() and not flight.landed.cancelled() and flight.landed.exception():
            # A source that fails is asked once in a while, not once a request.
            asyncio.get_running_loop().call_later(HELD, self._drop, key, flight)
        else:
            del self._flights[key]

    def _drop(self, key: tuple[str, Hashable], flight: Flight[K]) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]

    def _decoded(self, kind: Kind[K, V], found: Found) -> Any:
        return msgspec.msgpack.decode(found.body, type=kind.type | None)

    def _wake(self, value: bytes) -> None:
        napping = self._naps.pop(value, None)
        if napping is not None:
            napping.set()

    def _begin_anew(self) -> None:
        self._generation = self.changes.generation
        for memory in self._memories.values():
            memory.clear()

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _note(tags: Iterable[str], asof: Fence) -> None:
    """Tell whoever wants to know what the present request has read."""
    seen = horizon.get()
    if seen is not None and seen.sources is not None:
        seen.sources.add(tags, asof)
