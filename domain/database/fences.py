"""How far one must have read to know of a write, and what is remembered of that for each person."""

import asyncio
import logging
import re
import time
from collections.abc import Iterable
from contextvars import ContextVar
from functools import lru_cache
from itertools import count
from typing import Any, Final
from uuid import uuid4

from redis.crc import key_slot
from redis.exceptions import ResponseError

from domain.background import Background
from domain.redis import AwayError, Nodes, Place, Wire, Word

log = logging.getLogger(__name__)

Fence = int
"""A position in the primary's write-ahead log (bytes): who has replayed it knows of the write."""

# No replica ever gets there, so whatever waits for it is read from the primary.
UNKNOWN: Final[Fence] = 2**63 - 1
# Seconds that a person's last fence is kept: by then a replica has it, or is taken out for its lag.
STICKY: Final = 30.0
# Seconds between two looks at what Redis may lack.
PAUSE: Final = 0.5
_MARKED: Final = 600_000
# People whose slots need not be reckoned again.
_MOST_KNOWN: Final = 16_384
_RUN: Final = re.compile(rb"run_id:(\w+)")
_AWAY: Final = (AwayError, ResponseError)
# The greater one stays: two writes of one person may end in either order.
_KEEP: Final = """
local known = redis.call('GET', KEYS[1])
if known and tonumber(known) >= tonumber(ARGV[1]) then
  return redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
"""


class Sources:
    """What was read of the cache for something that is kept: the tags that make it void, each with
    how far the oldest value that has it has seen; and how far the oldest of all."""

    def __init__(self) -> None:
        self.tags: dict[str, Fence] = {}
        self.asof: Fence = UNKNOWN
        # The version of the fences that they were last held against.
        self.held = -1

    def add(self, tags: Iterable[str], asof: Fence) -> None:
        """A value of these tags was read, of that moment."""
        for tag in tags:
            self.tags[tag] = min(asof, self.tags.get(tag, UNKNOWN))
        self.asof = min(self.asof, asof)


class Horizon:
    """How far one request has to see, and how far it has written; and what it has read of the
    cache, where somebody wants to know."""

    def __init__(self, asked: Fence = 0, sources: Sources | None = None) -> None:
        self.asked = asked
        self.written: Fence = 0
        self.sources = sources
        self.own: tuple[int, Fence] | None = None
        """The person who asks, and the last fence of theirs as this request began, if it came
        along with something else."""

    @property
    def fence(self) -> Fence:
        return max(self.asked, self.written)

    def note(self, tags: Iterable[str], asof: Fence) -> None:
        """A value of the cache was read, for whoever wants to know."""
        if self.sources is not None:
            self.sources.add(tags, asof)


horizon: ContextVar[Horizon | None] = ContextVar("horizon", default=None)
"""Of the request that is being answered; tasks that it starts share it."""


class Standing:
    """How far one master is believed about what people wrote in the last STICKY seconds."""

    def __init__(self, mark: bytes, run: bytes | None) -> None:
        # This process's own: it is gone when the master was emptied.
        self.mark = mark
        # The server process that was looked at last; None before the first look, empty after one
        # in vain.
        self.run = run
        # What was seen over one connection tells nothing of who answers over the next.
        self.wire: Wire | None = None
        self.doubted_until = 0.0
        self._looking: asyncio.Future[Any] | None = None

    @property
    def is_doubted(self) -> bool:
        return time.monotonic() < self.doubted_until

    def is_marked(self, wire: Wire) -> asyncio.Future[Any]:
        """Whether the mark is there, after all that this turn of the loop asks of the master: who
        was emptied in between has none."""
        if self._looking is None:
            loop = asyncio.get_running_loop()
            self._looking = loop.create_future()
            # Whoever asked is told of a loss by what they asked.
            self._looking.add_done_callback(asyncio.Future.exception)
            loop.call_soon(self._look, wire, self._looking)
        return self._looking

    def _look(self, wire: Wire, told: asyncio.Future[Any]) -> None:
        self._looking = None
        wire.answer(told, "GET", self.mark)

    def doubt(self) -> None:
        """It is there, and may know nothing of a moment ago: whose write was kept, it may lack."""
        known = self.is_doubted
        self.doubted_until = time.monotonic() + STICKY
        if not known:
            log.warning("fences: Redis may lack some, own reads go to the primary for a while")


class Fences(Background):
    """The last fence of each person, in Redis for all processes."""

    def __init__(self, nodes: Nodes) -> None:
        self._nodes = nodes
        self._name = uuid4().hex.encode()
        self._standings: dict[Place, Standing] = {}
        self._has_begun = False
        self._away = False

    async def keep(self, people: Iterable[int], fence: Fence) -> bool:
        """Nobody of `people` is to be shown the world before `fence` any more; whether every
        process knows of that."""
        return all(await asyncio.gather(*(self._keep(person, fence) for person in people)))

    async def _keep(self, person: int, fence: Fence) -> bool:
        key = fence_key(person)
        try:
            await self._nodes.call(key, "EVAL", _KEEP, 1, key, fence, int(STICKY * 1000))
        except _AWAY as error:
            self._tell(error)
            return False
        return True

    async def of(self, person: int) -> Fence:
        """How far a read for `person` has to see; 0 if that does not matter, UNKNOWN if nobody
        can tell."""
        key = fence_key(person)
        if self._believed(person) is None:
            return UNKNOWN
        try:
            kept, is_whole = await self.beside(person, "GET", key)
        except _AWAY as error:
            self._tell(error)
            return UNKNOWN
        return int(kept or 0) if is_whole else UNKNOWN

    async def beside(self, person: int, *command: Word) -> tuple[Any, bool]:
        """The reply to a command about what lies with the fence of `person`; and whether all
        that was kept there of them is still there. Raises AwayError, ResponseError.
        """
        standing = self._believed(person)
        if standing is None or standing.wire is None:
            return await self._nodes.call(fence_key(person), *command), False
        wire = standing.wire
        # In this order both are one write, and the mark is looked for last.
        marked, asked = standing.is_marked(wire), wire.call(*command)
        try:
            reply = await asked
        except ResponseError:
            # It may have moved.
            return await self._nodes.call(fence_key(person), *command), False
        # Mostly it has come by then, with the reply. Others wait for it, too.
        if not marked.done():
            await asyncio.wait([marked])
        if marked.exception() is not None or not marked.result():
            standing.doubt()
        return reply, standing.wire is wire and wire.is_open and not standing.is_doubted

    def _believed(self, person: int) -> Standing | None:
        """Of the master that has what is kept of a person, if it lacks nothing."""
        place = self._nodes.of(_slot(person))
        standing = None if place is None else self._standings.get(place)
        if place is None or standing is None or standing.is_doubted:
            return None
        wire = self._nodes.wire(place)
        return standing if wire is not None and wire is standing.wire else None

    def _tell(self, error: Exception) -> None:
        if not self._away:
            log.warning("fences: Redis does not answer, own reads go to the primary: %s", error)
        self._away = True

    async def _run(self) -> None:
        while True:
            try:
                if not self._nodes.masters:
                    await self._nodes.look()
                await self._look()
            except Exception:
                log.exception("fences: Redis was not looked at")
            await asyncio.sleep(PAUSE)

    async def _look(self) -> None:
        # Who becomes a master later has followed one, and may not have heard the last of it.
        run = b"" if self._has_begun else None
        self._has_begun = True
        known, self._standings = self._standings, {}
        for place in self._nodes.masters:
            standing = known.get(place)
            if standing is None or self._nodes.of(key_slot(standing.mark)) != place:
                standing = Standing(self._mark(place), run)
            self._standings[place] = standing
        looks = [self._look_at(place, each) for place, each in self._standings.items()]
        if all(await asyncio.gather(*looks)) and looks:
            self._away = False

    async def _look_at(self, place: Place, standing: Standing) -> bool:
        """Whether it answers."""
        wire = self._nodes.wire(place)
        try:
            if wire is None:
                raise AwayError(f"{place} is away")
            is_there, about = await asyncio.gather(
                wire.call("SET", standing.mark, 1, "PX", _MARKED, "XX"), wire.call("INFO", "server")
            )
            (run,) = _RUN.findall(about)
            if standing.run is not None and (run != standing.run or not is_there):
                standing.doubt()
            if not is_there:
                # Doubted first: whoever finds the mark believes the rest.
                await wire.call("SET", standing.mark, 1, "PX", _MARKED)
        except _AWAY as error:
            standing.run = standing.run or b""
            self._tell(error)
            return False
        standing.run, standing.wire = run, wire
        return True

    def _mark(self, place: Place) -> bytes:
        """The name of a key that lies on this master."""
        names = (b"fences:%d:%b" % (number, self._name) for number in count())
        return next(name for name in names if self._nodes.of(key_slot(name)) == place)


@lru_cache(_MOST_KNOWN)
def _slot(person: int) -> int:
    return key_slot(fence_key(person))


def fence_key(person: int) -> bytes:
    """Where the fence of a person lies."""
    # Braces: whatever is kept of a person lies in one slot of a cluster.
    return b"{user:%d}:fence" % person
