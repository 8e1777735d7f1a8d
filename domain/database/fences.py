"""How far one must have read to know of a write, and what is remembered of that for each person."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Iterable
from contextvars import ContextVar
from typing import Any, Final
from uuid import uuid4

from redis.asyncio import Redis
from redis.exceptions import RedisError

log = logging.getLogger(__name__)

Fence = int
"""A position in the primary's write-ahead log (bytes): who has replayed it knows of the write."""

# No replica ever gets there, so whatever waits for it is read from the primary.
UNKNOWN: Final[Fence] = 2**63 - 1
# Seconds that a person's last fence is kept: by then a replica has it, or is taken out for its lag.
STICKY: Final = 30.0
# Seconds that Redis has to answer; then it counts as away, and nobody waits for it any more.
PATIENCE: Final = 1.0
PAUSE: Final = 0.5
_MARKED: Final = 600_000
# The greater one stays: two writes of one person may end in either order.
_KEEP: Final = """
local known = redis.call('GET', KEYS[1])
if known and tonumber(known) >= tonumber(ARGV[1]) then
  return redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
"""


class Horizon:
    """How far one request has to see, and how far it has written."""

    def __init__(self, asked: Fence = 0) -> None:
        self.asked = asked
        self.written: Fence = 0

    @property
    def fence(self) -> Fence:
        return max(self.asked, self.written)


horizon: ContextVar[Horizon | None] = ContextVar("horizon", default=None)
"""Of the request that is being answered; tasks that it starts share it."""


class Fences:
    """The last fence of each person, in Redis for all processes."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        # Until then, by the monotonic clock, Redis may lack what was written while it was away.
        self._doubted_until = 0.0
        self._away = False
        # This process's own: it is gone when Redis was emptied, as by a restart that takes less
        # time than passes between two questions.
        self._mark = f"fences:{uuid4().hex}"
        self._is_marked = False
        self._watching: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Notice, without being asked, that Redis is away."""
        self._watching = asyncio.create_task(self._watch())

    async def close(self) -> None:
        """Stop watching."""
        while self._watching is not None and not self._watching.done():
            # Again, for redis-py swallows one that comes while it connects.
            self._watching.cancel()
            await asyncio.wait({self._watching}, timeout=0.1)

    async def keep(self, people: Iterable[int], fence: Fence) -> bool:
        """Nobody of `people` is to be shown the world before `fence` any more; whether every
        process knows of that."""
        if self._away:
            return False
        return all(await asyncio.gather(*(self._keep(person, fence) for person in people)))

    async def _keep(self, person: int, fence: Fence) -> bool:
        window = int(STICKY * 1000)
        kept = self._redis.eval(_KEEP, 1, _key(person), str(fence), str(window))
        return bool(await self._asked(kept) != UNKNOWN)

    async def of(self, person: int) -> Fence:
        """How far a read for `person` has to see; 0 if that does not matter, UNKNOWN if nobody
        can tell."""
        if self._away or time.monotonic() < self._doubted_until:
            return UNKNOWN
        found = await self._asked(self._redis.mget(_key(person), self._mark))
        if found == UNKNOWN:
            return UNKNOWN
        fence, mark = found
        if self._is_marked and mark is None:
            self._doubt_what_was()
            return UNKNOWN
        return int(fence or 0)

    async def _asked(self, call: Awaitable[Any]) -> Any:
        """What Redis answers; UNKNOWN if it does not."""
        try:
            async with asyncio.timeout(PATIENCE):
                return await call
        except (RedisError, OSError, TimeoutError) as error:
            self._doubt(error)
            return UNKNOWN

    def _doubt_what_was(self) -> None:
        """Redis is there, and knows nothing of a moment ago: whose write was kept, it may lack."""
        self._doubted_until = time.monotonic() + STICKY
        log.warning("fences: Redis is back, own reads go to the primary for a while yet")

    def _doubt(self, error: Exception) -> None:
        if not self._away:
            log.warning("fences: Redis does not answer, own reads go to the primary: %r", error)
        self._away = True

    async def _watch(self) -> None:
        while True:
            try:
                async with asyncio.timeout(PATIENCE):
                    await self._look()
            except (RedisError, OSError, TimeoutError) as error:
                self._doubt(error)
            await asyncio.sleep(PAUSE)

    async def _look(self) -> None:
        is_there = await self._redis.set(self._mark, 1, px=_MARKED, xx=True)
        if self._away or (self._is_marked and not is_there):
            self._doubt_what_was()
        if not is_there:
            # Doubted first: whoever finds the mark believes the rest.
            await self._redis.set(self._mark, 1, px=_MARKED)
        self._away, self._is_marked = False, True


def _key(person: int) -> str:
    # Braces: whatever is kept of a person lies in one slot of a cluster.
    return f"{{user:{person}}}:fence"
