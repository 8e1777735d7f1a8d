"""Where in Redis a key lies: one node has them all, or each master of a cluster its slots."""

import asyncio
import logging
import random
import re
from collections.abc import Callable, Iterable
from typing import Any, Final

from redis.asyncio.connection import AbstractConnection
from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot
from redis.exceptions import (
    AskError,
    ClusterDownError,
    MovedError,
    ReadOnlyError,
    ResponseError,
    TryAgainError,
)

from domain.background import Background
from domain.redis.address import Address, Place, RedisAddressError
from domain.redis.wire import AwayError, Wire, Word

log = logging.getLogger(__name__)

# Seconds between two tries to reach a node, and between two looks at the map of a cluster.
PAUSE: Final = 0.25
LOOK: Final = 10.0
# The slot is not where it was thought to be.
_ELSEWHERE: Final = (MovedError, ClusterDownError)
# Half of what a command needs has gone to another node already.
_UNDER_WAY: Final = (AskError, ClusterDownError, TryAgainError)


class Nodes(Background):
    """A wire to each master, opened again whenever it is lost; nobody waits for that."""

    def __init__(
        self,
        url: str,
        *,
        is_cluster: bool = False,
        wire: Callable[[AbstractConnection], Wire] = Wire,
    ) -> None:
        """Raises RedisAddressError."""
        self._wire = wire
        self.address = Address(url)
        if is_cluster and self.address.database:
            raise RedisAddressError("a cluster has no database but 0")
        if len(self.address.seeds) > 1 and not is_cluster:
            raise RedisAddressError("it names several hosts, which only a cluster has")
        self.is_cluster = is_cluster
        self.masters: tuple[Place, ...] = ()
        """Each with slots of its own, as last seen."""
        self._wires: dict[Place, Wire] = {}
        self._places: list[Place | None] = []
        self._known = self.address.seeds
        # Why a node could not be reached, as was told last.
        self._told: dict[Place, str] = {}
        self._looking: asyncio.Task[None] | None = None

    async def close(self) -> None:
        """Hang up everywhere."""
        await super().close()
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)
        await asyncio.gather(*(wire.close() for wire in self._wires.values()))

    async def call(self, key: bytes, *command: Word) -> Any:
        """The reply of the master that has `key`. Raises AwayError, ResponseError."""
        slot = key_slot(key)
        try:
            return await self._asked(slot, *command)
        except _ELSEWHERE as error:
            await self.look()
            if isinstance(error, MovedError):
                self._correct(slot, Place(error.host, error.port))
        try:
            return await self._asked(slot, *command)
        except _ELSEWHERE as error:
            raise AwayError(str(error)) from error

    def ask(self, slot: int, *command: Word) -> asyncio.Future[Any]:
        """The reply of the master that was last seen to have a slot, where `call` may ask again.
        Raises AwayError, ResponseError."""
        place = self.of(slot)
        if place is not None:
            return self._wires[place].call(*command)
        unknown = asyncio.get_running_loop().create_future()
        unknown.set_exception(AwayError("no Redis is known to have it"))
        return unknown

    async def answer(self) -> bool:
        """Whether there is a master for every slot, and all of them answer."""
        if not self.masters or self._lost():
            # It may just be on its way.
            await self.look()
        try:
            await asyncio.gather(*(self._wires[place].call("PING") for place in self.masters))
        except (AwayError, ResponseError):
            return False
        return bool(self._places) and None not in self._places

    async def told(self, field: str) -> int:
        """The sum of a number that each master tells in INFO. Raises AwayError, ResponseError."""
        asked = (self._wires[place].call("INFO", "everything") for place in self.masters)
        found = re.compile(rb"^%b:(\d+)" % field.encode(), re.MULTILINE)
        return sum(
            int(number) for told in await asyncio.gather(*asked) for number in found.findall(told)
        )

    def of(self, slot: int) -> Place | None:
        """The master of a slot, if that is known."""
        return self._places[slot] if self._places else None

    def wire(self, place: Place) -> Wire | None:
        """The wire to a master, if it is open; another one after each loss."""
        wire = self._wires.get(place)
        return wire if wire is not None and wire.is_open else None

    async def look(self) -> None:
        """See which master has which slots; whoever looks at the same moment looks together."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        await asyncio.shield(self._looking)

    def _correct(self, slot: int, place: Place) -> None:
        """Who had the slot knows best; the node that was looked at may not have heard of it."""
        if self._places and place in self._wires:
            self._places[slot] = place

    async def _asked(self, slot: int, *command: Word) -> Any:
        place = self.of(slot)
        if place is None:
            raise AwayError("no Redis is known to have it")
        wire = self._wires[place]
        try:
            return await wire.call(*command)
        except MovedError:
            raise
        except AskError as error:
            return await self._asked_there(error, *command)
        except TryAgainError as error:
            raise AwayError(str(error)) from error
        except ReadOnlyError as error:
            # Its name may lead to another node by now.
            wire.lose(error)
            raise AwayError(str(error)) from error

    async def _asked_there(self, asked: AskError, *command: Word) -> Any:
        """The reply of the node that a slot is on its way to."""
        wire = self._wires.get(Place(asked.host, asked.port))
        if wire is None:
            # It has no slot yet; with the first one it is known.
            raise AwayError(str(asked)) from asked
        # It is of the very next command, and nobody's can come between.
        wire.call("ASKING").add_done_callback(asyncio.Future.exception)
        try:
            return await wire.call(*command)
        except _UNDER_WAY as error:
            raise AwayError(str(error)) from error

    async def _run(self) -> None:
        looked = 0.0
        while True:
            now = asyncio.get_running_loop().time()
            try:
                if not self._places or (self.is_cluster and (self._lost() or now - looked > LOOK)):
                    looked = now
                    await self.look()
                await asyncio.gather(*map(self._open, self._lost()))
            except Exception:
                log.exception("Redis was not looked at")
            await asyncio.sleep(PAUSE * random.uniform(0.8, 1.2))

    def _lost(self) -> list[Place]:
        return [place for place in self.masters if not self._wires[place].is_open]

    async def _open(self, place: Place) -> None:
        wire = self._wire(self.address.connection(place))
        try:
            await wire.open()
        except AwayError as error:
            self._tell(place, error)
            return
        if place in self._wires and not self._wires[place].is_open:
            self._wires[place] = wire
            self._told.pop(place, None)
            log.info("Redis %s is there", place)
        else:
            await wire.close()

    def _tell(self, place: Place, error: Exception) -> None:
        """Say why a node is not reached, once."""
        if self._told.get(place) != str(error):
            self._told[place] = str(error)
            log.warning("Redis %s is away: %s", place, error)

    async def _look(self) -> None:
        if not self.is_cluster:
            await self._settle([self.address.seeds[0]] * REDIS_CLUSTER_HASH_SLOTS)
            return
        for place in self._informants():
            try:
                ranges = await self._told_by(place)
            except (AwayError, ResponseError) as error:
                self._tell(place, error)
                continue
            places: list[Place | None] = [None] * REDIS_CLUSTER_HASH_SLOTS
            known = dict.fromkeys(self.address.seeds)
            for first, last, *nodes in ranges:
                # A node that does not know its own address says none.
                members = [
                    Place((host or b"").decode() or place.host, at) for host, at, *_ in nodes
                ]
                known.update(dict.fromkeys(members))
                places[first : last + 1] = members[:1] * (last + 1 - first)
            if any(places):
                self._known = list(known)
                await self._settle(places)
                return

    def _informants(self) -> list[Place]:
        """Whom to ask for the map, those first to whom there is a wire."""
        known = random.sample(self._known, len(self._known))
        return sorted(known, key=lambda place: self.wire(place) is None)

    async def _told_by(self, place: Place) -> Iterable[Any]:
        shared = self.wire(place)
        if shared is not None:
            return list(await shared.call("CLUSTER", "SLOTS"))
        wire = Wire(self.address.connection(place))
        await wire.open()
        try:
            return list(await wire.call("CLUSTER", "SLOTS"))
        finally:
            await wire.close()

    async def _settle(self, places: list[Place | None]) -> None:
        """Have a wire to each master, and to nobody else."""
        masters = tuple(dict.fromkeys(place for place in places if place is not None))
        new = [place for place in masters if place not in self._wires]
        for place in new:
            self._wires[place] = self._wire(self.address.connection(place))
        self.masters, self._places = masters, places
        # Those that were lost are opened by and by: who waits here was sent elsewhere.
        await asyncio.gather(*map(self._open, new))
        for place in [place for place in self._wires if place not in masters]:
            await self._wires.pop(place).close()
