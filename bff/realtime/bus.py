"""What is told in one process is heard in all: a stream in Redis, which keeps it for who was away.

Every process reads the whole stream, so that all tell their clients the same in the same order. A
Redis that comes back, or another one in its place, is asked what it still has.
"""

import asyncio
import logging
import random
import re
import time
from collections import deque
from collections.abc import Callable, Sequence
from datetime import timedelta
from itertools import takewhile
from typing import Final

import msgspec
from msgspec import Struct
from redis.crc import key_slot
from redis.exceptions import ResponseError

from domain.database import Fence
from domain.redis import AwayError, Nodes, Place, Wire

log = logging.getLogger(__name__)

KEY: Final = b"sockets:notices"
# Events that Redis keeps, some half a kilobyte each; a lunch hour has about as many.
KEPT: Final = 20_000
# And each process, for whoever comes in while they are on their way.
RECENT: Final = 2_000
# Events that somebody who was away is sent one by one; who missed more reads anew.
MOST_MISSED: Final = 1_000
# Milliseconds that Redis keeps a reader waiting: one that says nothing for longer is gone.
BLOCK: Final = 1_000
_PATIENCE: Final = 2.5
# Events that are told in one turn of the loop; what is for one client is copied together.
BATCH: Final = 128
# Seconds between two tries to reach it.
PAUSE: Final = 0.25
# What a master that was lost may have acknowledged without its successor, or its disk, knowing.
UNCERTAIN: Final = timedelta(seconds=5)
_RUN: Final = re.compile(rb"run_id:(\w+)")
# All of them or none, in their order.
_PUBLISH: Final = """
for at = 2, #ARGV do
  redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', 'n', ARGV[at])
end
"""

Offset = tuple[int, int]
"""Where an entry stands in the stream: milliseconds, and a number for ties."""


class Notice(Struct, frozen=True, array_like=True, gc=False):
    """An event for some rooms: its arguments as JSON, when what it tells of was changed (seconds
    since 1970), and a fence behind that."""

    rooms: tuple[str, ...]
    body: bytes
    at: float
    fence: Fence


_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(Notice).decode


class Heard(Struct, frozen=True, gc=False):
    """A notice, and where it stands in the stream, as Redis writes it."""

    name: bytes
    notice: Notice

    @property
    def offset(self) -> Offset:
        """Where it stands."""
        return _offset(self.name)


class Bus:
    """Notices to and from all processes, in one order for all."""

    def __init__(self, nodes: Nodes) -> None:
        self.fence: Fence = 0
        """Behind every change that was heard of."""
        self.last: Offset = (0, 0)
        """Where this process stands."""
        self.listeners: list[Callable[[Sequence[Heard]], None]] = []
        """Are given the notices, at most BATCH at once."""
        self.doubters: list[Callable[[timedelta], None]] = []
        """Are told how long ago notices may have been lost from the stream."""
        self._nodes = nodes
        self._recent: deque[Heard] = deque(maxlen=RECENT)
        self._moved = asyncio.Event()
        self.run: bytes | None = None
        """The server that was read from;"""
        # until then nothing can be missing.
        self._whole_at = time.monotonic()
        self._is_away = False
        self._running: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Listen from now on; a Redis that is away is waited for."""
        self._running = asyncio.create_task(self._listen())

    async def close(self) -> None:
        """Listen no more."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)

    async def publish(self, notices: Sequence[Notice]) -> None:
        """Tell all processes, in this order. Raises AwayError, ResponseError; then they may have
        been told or not."""
        if notices:
            words = map(_encode, notices)
            await self._nodes.call(KEY, "EVAL", _PUBLISH, 1, KEY, KEPT, *words)

    def recent(self, after: Offset) -> list[Heard] | None:
        """What has been heard since this process stood there; None if that is not known."""
        if after != self.last and (not self._recent or self._recent[0].offset > after):
            return None
        later = [*takewhile(lambda each: each.offset > after, reversed(self._recent))]
        return later[::-1]

    async def missed(self, offset: Offset, until: Offset) -> list[Heard] | None:
        """What came after `offset`, up to `until`; None if Redis does not have it all, or if it is
        more than MOST_MISSED. Raises AwayError, ResponseError."""
        most = MOST_MISSED + 2
        found = await self._nodes.call(
            KEY, "XRANGE", KEY, written(offset), written(until), "COUNT", most
        )
        if not found or len(found) == most or _offset(found[0][0]) != offset:
            return None
        return [_read(*each) for each in found[1:]]

    async def reach(self, offset: Offset) -> None:
        """Returns when this process has come as far as another one."""
        while self.last < offset:
            self._moved.clear()
            await self._moved.wait()

    async def _listen(self) -> None:
        while True:
            try:
                await self._follow()
            except (AwayError, ResponseError) as error:
                if not self._is_away:
                    log.warning("sockets: the stream is away: %s", error)
                self._is_away = True
            except Exception:
                log.exception("sockets: the stream was not read")
            await asyncio.sleep(PAUSE * random.uniform(0.5, 1.5))

    async def _follow(self) -> None:
        """Read the stream where it is now, until that is lost."""
        if self._is_away or not self._nodes.masters:
            # What was lost may have moved.
            await self._nodes.look()
        place = self._nodes.of(key_slot(KEY))
        if place is None:
            raise AwayError("no Redis is known to have it")
        wire = Wire(self._nodes.address.connection(place), patience=_PATIENCE)
        await wire.open()
        try:
            await self._begin(wire, place)
            self._is_away = False
            while True:
                began = time.monotonic()
                words = "COUNT", BATCH, "BLOCK", BLOCK, "STREAMS", KEY, written(self.last)
                found = await wire.call("XREAD", *words)
                if found:
                    self._take([_read(*entry) for entry in found[KEY]])
                self._whole_at = began
        finally:
            await wire.close()

    async def _begin(self, wire: Wire, place: Place) -> None:
        """See whether it is the stream that was read before."""
        about, newest, ours = await asyncio.gather(
            wire.call("INFO", "server"),
            wire.call("XREVRANGE", KEY, "+", "-", "COUNT", 1),
            wire.call("XRANGE", KEY, written(self.last), written(self.last)),
        )
        (run,) = _RUN.findall(about)
        end = _read(*newest[0]) if newest else None
        if self.run is None:
            if end is not None:
                self.last, self.fence = end.offset, end.notice.fence
        elif run != self.run or (not ours and self.last > (0, 0)):
            away = timedelta(seconds=time.monotonic() - self._whole_at) + UNCERTAIN
            log.warning("sockets: %s may lack events of %.1f s", place, away.total_seconds())
            # Its clock may be behind that of the one before.
            self.last = min(self.last, end.offset if end else (0, 0))
            self._recent.clear()
            for doubter in self.doubters:
                doubter(away)
        self.run = run

    def _take(self, batch: Sequence[Heard]) -> None:
        self.last = batch[-1].offset
        self.fence = max(self.fence, *(each.notice.fence for each in batch))
        self._recent.extend(batch)
        self._moved.set()
        for listener in self.listeners:
            listener(batch)


def written(offset: Offset) -> str:
    """An offset as Redis, and a client, has it."""
    milliseconds, number = offset
    return f"{milliseconds}-{number}"


def understood(text: object) -> Offset | None:
    """The offset that a client has sent, or None if it is none."""
    if not isinstance(text, str) or not _OFFSET.fullmatch(text):
        return None
    return _offset(text.encode())


_OFFSET: Final = re.compile(r"[0-9]{1,15}-[0-9]{1,15}")


def _offset(text: bytes) -> Offset:
    milliseconds, _, number = text.partition(b"-")
    return int(milliseconds), int(number)


def _read(name: bytes, fields: list[bytes]) -> Heard:
    return Heard(name, _decode(fields[1]))
