"""What all processes remember together, in Redis: values, and who is reading one anew."""

import os
import struct
import time
import zlib
from asyncio import Future
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, Final, Protocol, TypeVar

from msgspec import Struct
from redis.crc import key_slot

from domain.database import Fence
from domain.redis import Nodes, Script

BUCKETS: Final = 64
_TAGS: Final = [b"{%02x}" % number for number in range(BUCKETS)]
_HEADS: Final = [b"c:%b:" % tag for tag in _TAGS]
_CHANNELS: Final = [b"c:%b" % tag for tag in _TAGS]
SLOTS: Final = {channel: key_slot(channel) for channel in _CHANNELS}
"""Of a cluster, by the channels of all buckets."""
# Seconds that one process has to read a value; then it is another one's turn. It may be gone by
# then, so this is what the others wait at most for nothing.
LEASE: Final = 1.0
# asof, and when it is to be renewed (milliseconds since 1970), before the value.
_FRAME: Final = struct.Struct(">QQ")
_HEAD: Final = _FRAME.size
_unpacked: Final = _FRAME.unpack_from
# Values that are asked for in one command: of more, the others on the wire would wait.
_AT_ONCE: Final = 100
# Bytes at the beginning of a token by which a process knows its own.
_NAME: Final = 8


class Placed(Protocol):
    """Whatever has a place in Redis."""

    @property
    def place(self) -> bytes: ...


T = TypeVar("T", bound=Placed)


# The value, if it is not of before what is asked for. Whoever is told of none, or of one that is
# to be renewed, may get the lease with it: 1, and 0 where somebody else has it. A process takes it
# from itself: nothing that was under way there is late enough, or it would have waited for that; or
# it was given the lease and never knew.
_GET: Final = Script("""
local value = redis.call('GET', KEYS[1])
if value and struct.unpack('>I8', value) < tonumber(ARGV[1]) then value = false end
if value and struct.unpack('>I8', value, 9) > tonumber(ARGV[4]) then return value end
local holder = redis.call('GET', KEYS[2])
local is_free = not holder or not value and string.sub(holder, 1, 8) == string.sub(ARGV[2], 1, 8)
if is_free then redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3]) end
local leased = is_free and 1 or 0
if value then return {value, leased} end
return leased
""")
# Of two values the one that has seen more stays, whoever comes last.
_FILL: Final = Script("""
local head = redis.call('GETRANGE', KEYS[1], 0, 7)
local fresh = #head < 8 or struct.unpack('>I8', head) <= tonumber(ARGV[2])
if fresh then redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4]) end
if redis.call('GET', KEYS[2]) == ARGV[1] then redis.call('DEL', KEYS[2]) end
redis.call('SPUBLISH', ARGV[5], ARGV[6])
return fresh and 1 or 0
""")
_RELEASE: Final = Script("""
if redis.call('GET', KEYS[1]) == ARGV[1] then
  redis.call('DEL', KEYS[1])
  redis.call('SPUBLISH', ARGV[2], ARGV[3])
end
return 0
""")


class Found(Struct, frozen=True):
    """A value of Redis, encoded; and whether it is ours to renew."""

    asof: Fence
    body: bytes
    is_ours: bool


def read(frame: bytes) -> tuple[Fence, float, bytes]:
    """The asof of a value of Redis, when it is to be renewed (seconds since 1970), and what it is,
    encoded. Raises struct.error."""
    asof, renew_at = _unpacked(frame)
    return asof, renew_at / 1000, frame[_HEAD:]


class Kept(Struct, frozen=True):
    """What is in Redis of a value: its asof, bytes, seconds left, and whether it is being read."""

    asof: Fence
    size: int
    seconds: float
    is_leased: bool


Slot = bytes
"""Where a value lies: its key in Redis. All of a bucket is in one slot of a cluster."""


class Slots:
    """The places of a kind's values; another generation of the database has others."""

    def __init__(self, generation: str, shape: str) -> None:
        name = f"{generation}:{shape}:".encode()
        self._heads = [head + name for head in _HEADS]
        self._sum = zlib.crc32(name)

    def of(self, key: object) -> Slot:
        """The place of one."""
        name = str(key).encode()
        return self._heads[zlib.crc32(name, self._sum) % BUCKETS] + name


def _lease(place: Slot) -> bytes:
    """Of who reads a value anew."""
    return b"l" + place[1:]


def _channel(place: Slot) -> bytes:
    """Of its bucket."""
    return place[: len(_CHANNELS[0])]


def channel(number: int) -> bytes:
    """Of the bucket that a number falls into."""
    return _CHANNELS[number % BUCKETS]


class Shared:
    """Values in Redis. Nothing of this is trusted: what is served is held against the fences."""

    def __init__(self, nodes: Nodes) -> None:
        self._nodes = nodes
        self._name = os.urandom(_NAME)

    def token(self) -> bytes:
        """For a lease: whose it is, and which of that process's."""
        return self._name + os.urandom(_NAME)

    def together(self, asked: Sequence[T]) -> Iterator[Sequence[T]]:
        """What can be peeked at in one command each."""
        groups: dict[bytes, list[T]] = {}
        if self._nodes.is_cluster:
            for each in asked:
                groups.setdefault(_channel(each.place), []).append(each)
        for group in groups.values() or (asked,):
            for first in range(0, len(group), _AT_ONCE):
                yield group[first : first + _AT_ONCE]

    def peek(self, places: Sequence[Slot]) -> "Future[list[bytes | None]]":
        """What is at places of one bucket, or of any where Redis is no cluster: to be `read`, or to
        be asked for with `get`. Raises AwayError, ResponseError."""
        return self._nodes.ask(SLOTS[_channel(places[0])], "MGET", *places)

    async def get(self, place: Slot, needed: Fence, token: bytes) -> Found | bool:
        """The value, of no moment before `needed`; else whether `token` has the lease now.

        Raises AwayError, ResponseError.
        """
        answer = await self._run(
            _GET,
            (place, _lease(place)),
            needed,
            token,
            int(LEASE * 1000),
            int(time.time() * 1000),
        )
        if isinstance(answer, int):
            return answer == 1
        value, leased = (answer, 0) if isinstance(answer, bytes) else answer
        asof, _, body = read(value)
        return Found(asof, body, leased == 1)

    async def kept(self, place: Slot) -> Kept | None:
        """What is there, without asking for it. Raises AwayError, ResponseError."""
        value = await self._nodes.call(place, "GET", place)
        if value is None:
            return None
        left = await self._nodes.call(place, "PTTL", place)
        leased = await self._nodes.call(_lease(place), "EXISTS", _lease(place))
        asof, _, body = read(value)
        return Kept(asof, len(body), left / 1000, leased == 1)

    async def fill(
        self,
        place: Slot,
        token: bytes,
        asof: Fence,
        body: bytes,
        *,
        seconds: float,
        renew_in: float,
    ) -> bool:
        """Keep a value for so many `seconds`, end the lease, and wake who waits for it; whether
        nobody had a later one."""
        renew_at = int((time.time() + renew_in) * 1000)
        frame = _FRAME.pack(asof, renew_at) + body
        kept = await self._run(
            _FILL,
            (place, _lease(place)),
            token,
            asof,
            frame,
            max(1, int(seconds * 1000)),
            _channel(place),
            woken(place),
        )
        return bool(kept == 1)

    async def release(self, place: Slot, token: bytes) -> None:
        """End the lease without a value; the next one that waits gets it."""
        await self._run(_RELEASE, (_lease(place),), token, _channel(place), woken(place))

    async def _run(self, script: Script, keys: tuple[bytes, ...], *arguments: Any) -> Any:
        return await script.run(partial(self._nodes.call, keys[0]), keys, *arguments)


def woken(place: Slot) -> bytes:
    """The message to those who wait for a value."""
    return b"F" + place
