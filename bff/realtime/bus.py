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
from typing import Final

import msgspec
from msgspec import Struct
from redis.crc import key_slot
from redis.exceptions import ResponseError

from domain.background import Background
from domain.database import Fence
from domain.redis import AwayError, Nodes, Place, Wire

log = logging.getLogger(__name__)

KEY: Final = b"sockets:notices"
# Events that Redis keeps, some half a kilobyte each; a lunch hour has about as many.
KEPT: Final = 20_000
# And each process, for whoever was away, or comes in while they are on their way: some ten
# megabytes, and no crowd that comes back asks Redis for the same.
RECENT: Final = 10_000
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
_NAME: Final = re.compile(r"[0-9]{1,15}-[0-9]{1,15}")
# All of them or none, in their order.
_PUBLISH: Final = """
for at = 2, #ARGV do
  redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', 'n', ARGV[at])
end
"""

_NOTHING: Final = b"0-0"


class Notice(Struct, frozen=True, array_like=True, gc=False):
    """An event for some rooms: its arguments as JSON, when what it tells of was changed (seconds
    since 1970), a fence behind that, and where that is traced its `traceparent`."""

    rooms: tuple[str, ...]
    body: bytes
    at: float
    fence: Fence
    traceparent: str | None = None


_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(Notice).decode


class Heard(Struct, frozen=True, gc=False):
    """A notice, and where it stands in the stream, as Redis writes it."""

    name: bytes
    notice: Notice


class Bus(Background):
    """Notices to and from all processes, in one order for all."""

    def __init__(self, nodes: Nodes) -> None:
        self.fence: Fence = 0
        """Behind every change that was heard of."""
        self.last = _NOTHING
        """The name of the last notice, where this process stands."""
        self.listeners: list[Callable[[Sequence[Heard]], None]] = []
        """Are given the notices, at most BATCH at once."""
        self.doubters: list[Callable[[timedelta], None]] = []
        """Are told how long ago notices may have been lost from the stream."""
        self.laggards: list[Callable[[], None]] = []
        """Are told that this process has missed notices, and nobody else."""
        self._nodes = nodes
        self._recent: deque[Heard] = deque(maxlen=RECENT)
        self._moved = asyncio.Event()
        self.run: bytes | None = None
        """The server that was read from;"""
        # until then nothing can be missing.
        self._whole_at = time.monotonic()
        self._is_away = False

    async def publish(self, notices: Sequence[Notice]) -> None:
        """Tell all processes, in this order. Raises AwayError, ResponseError; then they may have
        been told or not."""
        if notices:
            words = map(_encode, notices)
            await self._nodes.call(KEY, "EVAL", _PUBLISH, 1, KEY, KEPT, *words)

    def since(self, name: bytes) -> list[Heard] | None:
        """What was heard after the notice of that name; None if that is not known any more."""
        if name == self.last:
            return []
        later: list[Heard] = []
        for heard in reversed(self._recent):
            if heard.name == name:
                return later[::-1]
            later.append(heard)
        return None

    async def reach(self, run: bytes, name: bytes) -> bool:
        """Come as far as another process that was told by the server `run`; whether this one is
        told by the same."""
        while self.run is None or (self.run == run and _stands(self.last) < _stands(name)):
            self._moved.clear()
            await self._moved.wait()
        return self.run == run

    async def _run(self) -> None:
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
                words = "COUNT", BATCH, "BLOCK", BLOCK, "STREAMS", KEY, self.last
                found = await wire.call("XREAD", *words)
                entries = found[KEY] if found else []
                if len(entries) == BATCH and not await self._stands_there(wire):
                    # The oldest went before they were read.
                    await self._begin(wire, place)
                    continue
                if entries:
                    self._take([_read(*entry) for entry in entries])
                self._whole_at = began
        finally:
            await wire.close()

    async def _stands_there(self, wire: Wire) -> bool:
        """Whether the last notice is in the stream still: then none behind it has gone."""
        return self.last == _NOTHING or bool(await wire.call("XRANGE", KEY, self.last, self.last))

    async def _begin(self, wire: Wire, place: Place) -> None:
        """See whether it is the stream that was read before."""
        most = RECENT if self.run is None else 1
        about, newest, is_ours = await asyncio.gather(
            wire.call("INFO", "server"),
            wire.call("XREVRANGE", KEY, "+", "-", "COUNT", most),
            self._stands_there(wire),
        )
        (run,) = _RUN.findall(about)
        before = [_read(*entry) for entry in reversed(newest)]
        if self.run is None:
            if before:
                self._note(before)
        elif run == self.run and not is_ours and before:
            log.warning("sockets: %s has more than %d events that were not read", place, KEPT)
            for laggard in self.laggards:
                laggard()
            self._recent.clear()
            self.run = None
            await self._begin(wire, place)
            return
        elif run != self.run or not is_ours:
            away = timedelta(seconds=time.monotonic() - self._whole_at) + UNCERTAIN
            log.warning("sockets: %s may lack events of %.1f s", place, away.total_seconds())
            # Its clock may be behind that of the one before.
            end = before[-1].name if before else _NOTHING
            self.last = min(self.last, end, key=_stands)
            self._recent.clear()
            for doubter in self.doubters:
                doubter(away)
        self.run = run
        self._moved.set()

    def _take(self, batch: Sequence[Heard]) -> None:
        self._note(batch)
        for listener in self.listeners:
            listener(batch)

    def _note(self, batch: Sequence[Heard]) -> None:
        self.last = batch[-1].name
        self.fence = max(self.fence, *(each.notice.fence for each in batch))
        self._recent.extend(batch)
        self._moved.set()


def understood(offset: str | None) -> bytes | None:
    """The name of a notice that a client has sent as its offset, or None if it is none."""
    return None if offset is None or not _NAME.fullmatch(offset) else offset.encode()


def _stands(name: bytes) -> tuple[int, int]:
    """Where a notice stands in the stream: milliseconds, and a number for ties."""
    milliseconds, _, number = name.partition(b"-")
    return int(milliseconds), int(number)


def _read(name: bytes, fields: list[bytes]) -> Heard:
    return Heard(name, _decode(fields[1]))
