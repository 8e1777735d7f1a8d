"""A variant for whoever asks: from memory, from the shelf, or rendered once and put there."""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from math import inf
from typing import Any, Final, NamedTuple

from cdn.address import Variant, original_key, variants_prefix
from imaging.flights import Flights
from imaging.memory import Memory
from imaging.picture import PictureError
from imaging.pictures import PictureFacts, Pictures
from imaging.pyramid import source
from imaging.ready import Answers
from imaging.render import Rendered, render, render_level
from imaging.shelves import READERS, ShelfError, Shelves, level_key
from imaging.workers import Job, OverloadedError, Place, Priority, WorkerError, Workers

log = logging.getLogger(__name__)

# Pictures that are asked for in the catalogue, and variants that are looked for on the shelf, in
# this process. Whoever comes then is refused at once: all of those are answered within a fraction
# of a second, and a longer queue would only make every answer late, the refusals too.
MOST_LOOKUPS: Final = 128
MOST_READS: Final = 6 * READERS
# Variants that are looked for, rendered or stored; what is read and what is rendered is bounded
# already, so this ends only what hangs.
MOST_FLIGHTS: Final = 256
# Upgrades to AVIF that wait for their turn; more are left to a later request.
MOST_UPGRADES: Final = 32
# So long, in seconds, what a URL says of its version is believed without asking the catalogue
# again: another process may have taken that picture down meanwhile.
TRUST: Final = 5.0
# And so long where the catalogue has no time to be asked: better than to refuse what is in memory.
# By then the last purge of what was taken down is over, so nobody may keep what is given.
STORM_TRUST: Final = 60.0
MOST_TRUSTED: Final = 4096
# Variants that are being stored behind their answers; more are left to who renders them again.
MOST_STORING: Final = 256
# Who has something to give in its place waits so long for the shelf: hanging, it takes seconds.
STAND_IN_PATIENCE: Final = 0.3
# An answer waits so long for the shelf to take the variant; then it is stored behind it.
STORE_PATIENCE: Final = 0.25


class NoPictureError(Exception):
    """There is no such product, or it has no picture."""

    def __init__(self, product_id: int) -> None:
        super().__init__(f"There is no picture of product {product_id}.")
        self.product_id = product_id


class DamagedError(Exception):
    """The stored original cannot be rendered any more."""


@dataclass(slots=True)
class Served:
    """A variant, where it came from (`memory`, `shelf`, `render`), the seconds of each step, and
    whether the shelf has taken what was rendered."""

    variant: Variant
    body: bytes
    origin: str
    timings: dict[str, float] = field(default_factory=dict)
    stored: bool = False


class Known(NamedTuple):
    """The facts of a product's picture, and until when (monotonic clock) they are believed; not
    `sure`, if it may be taken down and purged already, so that nothing is to be kept of it."""

    facts: PictureFacts
    until: float
    sure: bool = True


class Origin:
    """One flight a variant in this process; between processes the conditional PUT decides."""

    def __init__(
        self,
        pictures: Pictures,
        shelves: Shelves,
        workers: Workers,
        memory: Memory,
        most_lookups: int = MOST_LOOKUPS,
    ) -> None:
        self._most_lookups = most_lookups
        self._pictures = pictures
        self._shelves = shelves
        self._workers = workers
        self._memory = memory
        self.answers = Answers(memory)
        self._known: OrderedDict[int, Known] = OrderedDict()
        self._forgotten = 0
        self._flights: Flights[tuple[str, Priority], Served] = Flights(MOST_FLIGHTS)
        self._lookups: Flights[int, PictureFacts | None] = Flights(most_lookups)
        self._reads: Flights[str, bytes | None] = Flights(MOST_READS)
        self._behind: set[asyncio.Task[None]] = set()
        self._upgrading: set[str] = set()

    async def facts(self, product_id: int, version: str | None) -> Known:
        """The facts of a product's picture; a crowd that asks for it at once asks once.

        Who names its version is told what was known a moment ago, for a version never changes, and
        a while ago if too many ask; who does not is told what is so now, unless too many ask.
        Raises NoPictureError, OverloadedError.
        """
        began, forgotten = time.monotonic(), self._forgotten
        known = self._known.get(product_id)
        trusted = known if known and began < known.until else None
        if trusted and trusted.facts.version == version:
            return trusted
        try:
            found = await self._lookups.fly(
                product_id,
                lambda: self._pictures.picture(product_id),
                # What was shown before is likely to be in memory, and goes before the rest.
                spare=0 if known else self._most_lookups // 2,
            )
        except OverloadedError:
            if trusted:
                return trusted
            if known and known.facts.version == version and began < known.until + STORM_TRUST:
                return known._replace(sure=False)
            raise
        if found is None:
            self._known.pop(product_id, None)
            raise NoPictureError(product_id)
        if forgotten != self._forgotten:
            # What was taken down meanwhile may be this.
            return Known(found, began, sure=False)
        known = self._known[product_id] = Known(found, began + TRUST)
        self._known.move_to_end(product_id)
        if len(self._known) > MOST_TRUSTED:
            self._known.popitem(last=False)
        return known

    def at_hand(self, variant: Variant) -> Served | None:
        """The variant if it is in memory."""
        body = self._memory.get(variant.key)
        return None if body is None else Served(variant, body, "memory")

    def check_room(self, variants: Sequence[Variant]) -> None:
        """Raises OverloadedError if nothing but that could become of a request for the variants.

        To be called before anything is begun: in a crowd, each turn of the event loop is long.
        """
        for each in variants:
            coming = each.key in self._reads or (each.key, Priority.INTERACTIVE) in self._flights
            if coming or self.at_hand(each):
                return
        self._reads.check_room()

    async def serve(self, variant: Variant, known: Known) -> Served:
        """The encoded variant of the picture's present version.

        Raises NoPictureError, DamagedError, OverloadedError, WorkerError, ShelfError.
        """
        return self.at_hand(variant) or await self._fly(variant, known, Priority.INTERACTIVE)

    async def serve_ready(
        self, variant: Variant, stand_ins: Sequence[Variant], known: Known
    ) -> Served:
        """The variant if it is ready, else it in another format at once; then it is made behind.

        `stand_ins` are the best first; the first one that is ready does, and where none is, the
        first is rendered. Raises as `serve` does.
        """
        wanted = [variant, *stand_ins]
        at_hand = next(filter(None, map(self.at_hand, wanted)), None)
        try:
            async with asyncio.timeout(STAND_IN_PATIENCE if at_hand else None):
                ready = await self._first_ready(wanted)
            ready = ready or await self.serve(stand_ins[0], known)
        except (ShelfError, OverloadedError, TimeoutError):
            # The store is away, or has no time; what is in memory is there.
            if at_hand is None:
                raise
            return at_hand
        if ready.variant != variant and known.sure:
            self._upgrade(variant, known.facts)
        return ready

    async def make(self, variant: Variant, facts: PictureFacts) -> None:
        """Have a variant on the shelf, behind everybody who waits for one. Raises as `serve`."""
        await self._fly(variant, Known(facts, inf), Priority.BACKGROUND)

    def forget(self, product_id: int, version: str) -> None:
        """Drop from memory what is no longer to be served."""
        self._forgotten += 1
        self._known.pop(product_id, None)
        self._memory.forget(variants_prefix(product_id, version))

    async def close(self) -> None:
        """Give what is being stored a moment, and drop the rest."""
        if self._behind:
            await asyncio.wait(self._behind, timeout=1.0)
        for task in self._behind:
            task.cancel()
        await asyncio.gather(*self._behind, return_exceptions=True)

    async def _fly(self, variant: Variant, known: Known, priority: Priority) -> Served:
        # A person never joins a flight that lets everybody else go first.
        return await self._flights.fly(
            (variant.key, priority), lambda: self._fetch(variant, known, priority)
        )

    async def _first_ready(self, variants: list[Variant]) -> Served | None:
        for each in variants:
            if (ready := await self._ready(each, Priority.INTERACTIVE)) is not None:
                return ready
        return None

    async def _ready(self, variant: Variant, priority: Priority) -> Served | None:
        if (at_hand := self.at_hand(variant)) is not None:
            return at_hand
        began = time.perf_counter()
        body = await self._reads.fly(
            variant.key,
            lambda: self._shelves.variant(variant.key),
            spare=MOST_READS // 2 if priority is Priority.BACKGROUND else 0,
        )
        if body is None:
            # A read that others began may have missed what was stored since.
            return self.at_hand(variant)
        self._remember(variant, body)
        return Served(variant, body, "shelf", {"fetch": time.perf_counter() - began})

    async def _fetch(self, variant: Variant, known: Known, priority: Priority) -> Served:
        # Inside the flight: who looked before the shelf was filled, and came back after the
        # flight had landed, would render once more.
        ready = await self._ready(variant, priority)
        return ready or await self._make(variant, known, priority)

    async def _make(self, variant: Variant, known: Known, priority: Priority) -> Served:
        facts = known.facts
        level = source(variant.recipe, (facts.width, facts.height), facts.levels)
        width, height = level or (facts.width, facts.height)
        timings: dict[str, float] = {}
        try:
            # Before the fetch, so that who cannot be served is told at once.
            with self._workers.admit(width * height, priority) as place:
                rendered = await self._rendered(place, variant, facts, level, timings)
                timings["queue"] = place.waited
        except PictureError as error:
            raise DamagedError(f"{variant.path}: {error}") from error
        for step in ("decode", "transform", "encode"):
            timings[step] = getattr(rendered.timings, step) / 1e9
        self._remember(variant, rendered.body)
        served = Served(variant, rendered.body, "render", timings)
        if known.sure:
            async with _timed(timings, "store"):
                await self._store(served)
        return served

    async def _rendered(
        self,
        place: Place,
        variant: Variant,
        facts: PictureFacts,
        level: tuple[int, int] | None,
        timings: dict[str, float],
    ) -> Rendered:
        """From the level if it is there and sound, else from the original."""
        if level is not None:
            key = level_key(variant.product_id, facts.original, level)
            async with _timed(timings, "fetch"):
                copy = await self._shelves.original(key)
            if copy is not None:
                try:
                    return await place.run(
                        Job(render_level, copy, facts.width, facts.height, variant.recipe)
                    )
                except PictureError as error:
                    log.error("level %s cannot be rendered: %s", key, error)
            place.weigh(facts.width * facts.height)
        key = original_key(variant.product_id, facts.original)
        async with _timed(timings, "fetch"):
            original = await self._shelves.original(key)
        if original is None:
            # Another process may have hung another one.
            self._known.pop(variant.product_id, None)
            raise ShelfError(f"the original {key} is missing, though the catalogue names it")
        return await place.run(Job(render, original, variant.recipe))

    def _remember(self, variant: Variant, body: bytes) -> None:
        """Unless its picture was taken down while this was read or rendered."""
        known = self._known.get(variant.product_id)
        if known is not None and known.facts.version == variant.version:
            self._memory.keep(variant.key, body)

    async def _store(self, served: Served) -> None:
        """Put it on the shelf; a slow or broken shelf keeps nobody from the answer."""
        if len(self._behind) >= MOST_STORING + MOST_UPGRADES:
            log.warning("variant %s was not stored: too many are waiting", served.variant.key)
            return
        storing = self._run_behind(self._keep(served))
        await asyncio.wait({storing}, timeout=STORE_PATIENCE)

    async def _keep(self, served: Served) -> None:
        key = served.variant.key
        try:
            served.stored = await self._shelves.keep_variant(served.variant, served.body)
        except ShelfError as error:
            log.warning("variant %s was not stored: %s", key, error)
        else:
            if not served.stored:
                # Another host's is the one from now on: its encoder may have made other bytes,
                # and of two pictures under one entity tag no part fits the other.
                self._memory.forget(key)

    def _upgrade(self, variant: Variant, facts: PictureFacts) -> None:
        if variant.key in self._upgrading or len(self._upgrading) >= MOST_UPGRADES:
            return
        self._upgrading.add(variant.key)
        self._run_behind(self._make_behind(variant, facts))

    async def _make_behind(self, variant: Variant, facts: PictureFacts) -> None:
        try:
            await self.make(variant, facts)
        except (OverloadedError, WorkerError, ShelfError, DamagedError, NoPictureError) as error:
            # The next request for it tries again.
            log.info("variant %s was not made behind: %s", variant.key, error)
        finally:
            self._upgrading.discard(variant.key)

    def _run_behind(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._behind.add(task)
        task.add_done_callback(self._behind.discard)
        return task


@asynccontextmanager
async def _timed(timings: dict[str, float], step: str) -> AsyncIterator[None]:
    began = time.perf_counter()
    try:
        yield
    finally:
        timings[step] = timings.get(step, 0.0) + time.perf_counter() - began
