"""The bus: every process hears of a change within milliseconds, and knows whether it would have."""

import asyncio
import logging
import math
import random
import time
import zlib
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct
from redis.exceptions import ResponseError

from domain.background import Background
from domain.cache.shared import SLOTS, channel
from domain.database import Fence
from domain.redis import AwayError, Nodes, Place, Wire

log = logging.getLogger(__name__)

# Seconds between two heartbeats, and between two tries to subscribe.
BEAT: Final = 0.25
PAUSE: Final = 0.25


class Change(Struct, frozen=True, array_like=True):
    """Tags that a transaction made void, and its fence, in a generation of the database."""

    tags: list[str]
    fence: Fence
    generation: str
    transaction: int


class Bus(Background):
    """Changes and wake-ups over sharded publish and subscribe, a connection to each master.

    `heard` is given each change, `woken` the key of each value that somebody has filled.
    """

    def __init__(
        self, nodes: Nodes, heard: Callable[[Change], None], woken: Callable[[bytes], None]
    ) -> None:
        self._nodes = nodes
        self._heard = heard
        self._woken = woken
        self._decoder = msgspec.msgpack.Decoder(Change)
        self._encoder = msgspec.msgpack.Encoder()
        self._ears: dict[Place, Ear] = {}

    async def close(self) -> None:
        """Listen no more."""
        await super().close()
        await asyncio.gather(*(ear.close() for ear in self._ears.values()))

    def tell(self, change: Change) -> None:
        """Tell every process; where that fails they find it in the outbox."""
        place = channel(zlib.crc32(change.tags[0].encode()))
        telling = asyncio.ensure_future(
            self._nodes.call(place, "SPUBLISH", place, b"V" + self._encoder.encode(change))
        )
        telling.add_done_callback(_noted)

    @property
    def unbroken_since(self) -> float:
        """Since when nothing can have been missed (monotonic clock); infinity if it can now."""
        if not self._ears or self._ears.keys() != set(self._nodes.masters):
            return math.inf
        return max(ear.since for ear in self._ears.values())

    @property
    def proved_at(self) -> float:
        """All that was told before then has been heard."""
        return min((ear.proved_at for ear in self._ears.values()), default=-math.inf)

    async def _run(self) -> None:
        while True:
            # Whoever is new is listened to, and nobody else.
            masters = set(self._nodes.masters)
            for place in masters - self._ears.keys():
                self._ears[place] = Ear(self._nodes, place, self._pushed)
            for place in self._ears.keys() - masters:
                await self._ears.pop(place).close()
            await asyncio.sleep(PAUSE)

    def _pushed(self, message: bytes) -> None:
        try:
            if message[:1] == b"F":
                self._woken(message[1:])
            else:
                self._heard(self._decoder.decode(message[1:]))
        except msgspec.DecodeError as error:
            log.warning("what the bus says is not understood: %s", error)


class Ear:
    """The subscription at one master, taken up again whenever it is lost."""

    def __init__(self, nodes: Nodes, place: Place, pushed: Callable[[bytes], None]) -> None:
        self.since = math.inf
        self.proved_at = -math.inf
        self._nodes = nodes
        self._place = place
        self._pushed = pushed
        self._left: set[bytes] = set()
        self._running = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Unsubscribe."""
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            wire = self._wire = Wire(self._nodes.address.connection(self._place), self._take)
            try:
                if self._nodes.is_cluster:
                    # What was lost may have moved.
                    await self._nodes.look()
                await self._listen(wire)
            except (AwayError, ResponseError) as error:
                log.info("the bus at %s:%d is lost: %s", *self._place, error)
            except Exception:
                log.exception("the bus at %s:%d is lost", *self._place)
            finally:
                self.since = math.inf
                await wire.close()
            await asyncio.sleep(PAUSE * random.uniform(0.5, 1.5))

    async def _listen(self, wire: Wire) -> None:
        ours = self._ours()
        self._left = set(ours)
        await wire.open()
        for each in ours:
            # One command a slot, or a cluster refuses it.
            wire.send("SSUBSCRIBE", each)
        await wire.call("PING")
        if self._left:
            raise AwayError("not all subscriptions were confirmed")
        self.since = time.monotonic()
        while self._ours() == ours:
            asked_at = time.monotonic()
            await wire.call("PING")
            # What was pushed before the answer has been taken before it.
            self.proved_at = asked_at
            await asyncio.sleep(BEAT)

    def _ours(self) -> list[bytes]:
        return [name for name, slot in SLOTS.items() if self._nodes.of(slot) == self._place]

    def _take(self, push: Sequence[Any]) -> None:
        if push[0] == b"smessage":
            self._pushed(push[2])
        elif push[0] == b"ssubscribe":
            self._left.discard(push[1])
        elif push[0] == b"sunsubscribe":
            self._wire.lose("a slot has moved")


def _noted(telling: "asyncio.Future[Any]") -> None:
    if not telling.cancelled() and (error := telling.exception()) is not None:
        log.debug("a change was not told: %s", error)
