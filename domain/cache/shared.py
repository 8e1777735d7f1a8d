"""What all processes remember together, in Redis: values, and who is reading one anew."""

import os
import time
import zlib
from functools import partial
from typing import Any, Final, NamedTuple

from domain.database import Fence
from domain.redis import Nodes, Script

BUCKETS: Final = 64
# Seconds that one process has to read a value; then it is another one's turn. It may be gone by
# then, so this is what the others wait at most for nothing.
LEASE: Final = 1.0
# asof, and when it is to be renewed (milliseconds since 1970): eight bytes each, before the value.
_HEAD: Final = 16
# Bytes at the beginning of a token by which a process knows its own.
_NAME: Final = 8


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


class Found(NamedTuple):
    """A value of Redis, encoded; and whether it is ours to renew."""

    asof: Fence
    body: bytes
    is_ours: bool


class Kept(NamedTuple):
    """What is in Redis of a value: its asof, bytes, seconds left, and whether it is being read."""

    asof: Fence
    size: int
    seconds: float
    is_leased: bool


class Slot(NamedTuple):
    """Where a value lies, and its lease; all of a bucket is in one slot of a cluster."""

    value: bytes
    lease: bytes
    channel: bytes


def slot(generation: str, kind: str, key: object) -> Slot:
    """The place of a value; another generation of the database has other places."""
    name = f"{generation}:{kind}:{key}".encode()
    tag = b"{%02x}" % (zlib.crc32(name) % BUCKETS)
    return Slot(b"c:%b:%b" % (tag, name), b"l:%b:%b" % (tag, name), channel(zlib.crc32(name)))


def channel(number: int) -> bytes:
    """Of the bucket that a number falls into."""
    return b"c:{%02x}" % (number % BUCKETS)


class Shared:
    """Values in Redis. Nothing of this is trusted: what is served is held against the fences."""

    def __init__(self, nodes: Nodes) -> None:
        self._nodes = nodes
        self._name = os.urandom(_NAME)

    def token(self) -> bytes:
        """For a lease: whose it is, and which of that process's."""
        return self._name + os.urandom(_NAME)

    async def get(self, place: Slot, needed: Fence, token: bytes) -> Found | bool:
        """The value, of no moment before `needed`; else whether `token` has the lease now.

        Raises AwayError, ResponseError.
        """
        answer = await self._run(
            _GET,
            (place.value, place.lease),
            needed,
            token,
            int(LEASE * 1000),
            int(time.time() * 1000),
        )
        if isinstance(answer, int):
            return answer == 1
        value, leased = (answer, 0) if isinstance(answer, bytes) else answer
        return Found(int.from_bytes(value[:8], "big"), value[_HEAD:], leased == 1)

    async def kept(self, place: Slot) -> Kept | None:
        """What is there, without asking for it. Raises AwayError, ResponseError."""
        value = await self._nodes.call(place.value, "GET", place.value)
        if value is None:
            return None
        left = await self._nodes.call(place.value, "PTTL", place.value)
        leased = await self._nodes.call(place.lease, "EXISTS", place.lease)
        asof = int.from_bytes(value[:8], "big")
        return Kept(asof, len(value) - _HEAD, left / 1000, leased == 1)

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
        frame = asof.to_bytes(8, "big") + renew_at.to_bytes(8, "big") + body
        kept = await self._run(
            _FILL,
            (place.value, place.lease),
            token,
            asof,
            frame,
            max(1, int(seconds * 1000)),
            place.channel,
            woken(place),
        )
        return bool(kept == 1)

    async def release(self, place: Slot, token: bytes) -> None:
        """End the lease without a value; the next one that waits gets it."""
        await self._run(_RELEASE, (place.lease,), token, place.channel, woken(place))

    async def _run(self, script: Script, keys: tuple[bytes, ...], *arguments: Any) -> Any:
        return await script.run(partial(self._nodes.call, keys[0]), keys, *arguments)


def woken(place: Slot) -> bytes:
    """The message to those who wait for a value."""
    return b"F" + place.value
