"""Which tags were void when: what every value of the cache is held against, whoever kept it.

The outbox is the truth: triggers write the tags of what is changed in the same transaction, so that
no crash, no loss in Redis and no forgetful writer parts the two. Each process reads what is new
there four times a second; the bus only makes it faster.
"""

import asyncio
import logging
import math
import random
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import BigInteger, ColumnClause, Text, column, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.sql.selectable import TextualSelect

from domain.background import Background
from domain.cache.bus import Change
from domain.database import Cluster, Fence, Reader, Role
from domain.errors import UnavailableError

log = logging.getLogger(__name__)

# Seconds between two looks into the outbox.
POLL: Final = 0.25
# Seconds that a process goes on with what it knows when nothing new can reach it.
TRUST: Final = 1.0
# Longer than any value is kept, and than a transaction may take.
KEPT: Final = timedelta(hours=8)
# Between two times that the tags of older changes are forgotten.
TIDIED: Final = 3600.0
# Changes that are looked at one by one; of more, everything is void.
MOST: Final = 20_000
# Seconds that a transaction is known by its number, against hearing of it twice.
_REMEMBERED: Final = 600.0

# The snapshot is taken before the position: what it shows was committed before there.
_LOOK: Final = """
SELECT pg_current_snapshot()::text AS snapshot,
       (pg_current_wal_insert_lsn() - '0/0')::bigint AS position,
       concat_ws('-', (pg_control_system()).system_identifier, current_database(),
                 left(pg_walfile_name(pg_current_wal_insert_lsn()), 8)) AS generation,
       (SELECT coalesce(jsonb_agg(jsonb_build_array(transaction, cache_tags)), '[]')
        FROM (SELECT {} FROM outbox{} WHERE cache_tags <> '{{}}' AND {}
              LIMIT :most) AS recent) AS events
"""
_COLUMNS: Final[list[ColumnClause[Any]]] = [
    column("snapshot", Text),
    column("position", BigInteger),
    column("generation", Text),
    column("events", JSONB),
]
# What was not over when it was looked last, however long it takes.
_NEW_ONLY: Final = (
    "transaction, cache_tags",
    "",
    "(transaction >= :since OR transaction = ANY(:open))",
)
# Each tag once, however often it was void.
_RECENT: Final = (
    "DISTINCT 0 AS transaction, ARRAY[tag] AS cache_tags",
    ", unnest(cache_tags) AS tag",
    "created_at > now() - CAST(:kept AS interval)",
)


def _looked(look: str, which: tuple[str, str, str]) -> TextualSelect:
    return text(look.format(*which)).columns(*_COLUMNS)


_NEW: Final = _looked(_LOOK, _NEW_ONLY)
_KNOWN: Final = _looked(_LOOK, _RECENT)


class Seen(Struct, frozen=True):
    """One look into the outbox: events are (number of the transaction, tags)."""

    snapshot: str
    position: Fence
    generation: str
    events: Sequence[tuple[int, list[str]]]

    @property
    def since(self) -> int:
        """No transaction from here on had begun to write,"""
        return int(self.snapshot.split(":")[1])

    @property
    def open(self) -> list[int]:
        """and these were not over."""
        return [int(each) for each in self.snapshot.split(":")[2].split(",") if each]


EVERYTHING: Final = "*"
"""The tag that listeners are told where any value may be void."""
Listener = Callable[[Sequence[str], Fence], None]
"""Is told of the tags that are void from before a fence: at once, in the loop, and so it only notes
them. Who asks for such a value with this fence is given no older one."""


class Changes(Background):
    """The fence of each tag that was void lately, and how much of the log that takes in."""

    def __init__(self, cluster: Cluster) -> None:
        self.fences: dict[str, Fence] = {}
        self.floor: Fence = 0
        """No value from before it is good, whatever its tags."""
        self.horizon: Fence = 0
        """Every change before it is known."""
        self.version = 0
        """Another one as soon as a fence, the floor or the generation is."""
        self.trusted_until = -math.inf
        """What is held against the fences may be served until then (monotonic clock)."""
        self.generation = ""
        """Positions are compared within one: the system, the database, and the timeline, which is
        another one when a standby is promoted or a backup restored."""
        self.count = 0
        """Transactions that were heard of."""
        self.replayed = 0
        """Of these, that the outbox told and the bus had not."""
        self.lapses = 0
        """Times that nobody could be sure any more of hearing of changes."""
        self.listeners: list[Listener] = []
        """Told of each transaction once, or twice where it is heard of in parts."""
        self._cluster = cluster
        self._is_sure = False
        self._last: Seen | None = None
        self._looked_at = -math.inf
        self._tidied_at = -math.inf
        # When, and of which tags: the oldest first.
        self._heard: OrderedDict[int, tuple[float, set[str]]] = OrderedDict()
        self._looking: asyncio.Task[None] | None = None

    async def close(self) -> None:
        """Look no more."""
        await super().close()
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)

    def of(self, tags: Iterable[str], asked: Fence = 0) -> Fence:
        """The position, not before `asked`, from which on a value with these tags is good."""
        fence = asked if asked > self.floor else self.floor
        for tag in tags:
            at = self.fences.get(tag, 0)
            if at > fence:
                fence = at
        return fence

    def are_after(self, tags: Mapping[str, Fence]) -> bool:
        """Whether values with these tags are good that have seen so much each."""
        floor, fences = self.floor, self.fences
        return all(asof >= max(floor, fences.get(tag, 0)) for tag, asof in tags.items())

    @property
    def is_trusted(self) -> bool:
        """Whether nothing older than TRUST can be unknown."""
        return time.monotonic() < self.trusted_until

    def hear(self, change: Change) -> None:
        """Take in what a process, perhaps this one, tells of its transaction."""
        if change.generation != self.generation:
            # Of a primary that we do not know, or not any more; the outbox has it.
            return
        self._void(change.transaction, change.tags, change.fence)

    def vouch(self, unbroken_since: float, proved_at: float) -> bool:
        """The bus has been heard without a gap between two moments of the monotonic clock; whether
        that, or the last look, will do."""
        if unbroken_since <= self._looked_at < proved_at:
            self.trusted_until = max(self.trusted_until, proved_at + TRUST)
        is_sure = self.is_trusted
        self.lapses += self._is_sure and not is_sure
        self._is_sure = is_sure
        return is_sure

    async def catch_up(self) -> bool:
        """Know every change of before TRUST ago, now; whether that was to be had in TRUST."""
        now = time.monotonic()
        with suppress(TimeoutError):
            async with asyncio.timeout(TRUST):
                # Twice: the look that somebody else began may have come too early.
                for _ in range(2):
                    if self.trusted_until <= now:
                        await self.look()
        return self.trusted_until > now

    async def reach(self, fence: Fence) -> bool:
        """Know every change before `fence`; whether that is so now."""
        if self.horizon < fence:
            await self.look()
        return self.horizon >= fence

    async def look(self) -> None:
        """Look into the outbox; whoever does at the same moment looks together."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        await asyncio.shield(self._looking)

    async def _run(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(POLL * random.uniform(0.8, 1.2))

    async def _look(self) -> None:
        began = time.monotonic()
        try:
            if self._last is None:
                await self._begin()
            else:
                await self._read_new(self._last)
            if began - self._tidied_at > TIDIED:
                await self._tidy(began)
        except UnavailableError as error:
            log.info("the outbox was not looked into: %s", error)
        except Exception:
            log.exception("the outbox was not looked into")
        else:
            self._looked_at = began
            self.trusted_until = max(self.trusted_until, began + TRUST)
            self._is_sure = True

    async def _begin(self) -> None:
        """Take what was changed lately for changed just now: when it was, nobody tells."""
        horizon = await self._cluster.look()
        seen = await self._ask(_KNOWN, kept=KEPT)
        self.generation, self.floor, self.horizon = seen.generation, 0, 0
        self.fences = {tag: seen.position + 1 for _, tags in seen.events for tag in tags}
        self.version += 1
        self._settle(seen, horizon)

    async def _read_new(self, last: Seen) -> None:
        horizon = await self._cluster.look()
        seen = await self._ask(_NEW, since=last.since, open=last.open)
        if seen.generation != self.generation:
            log.warning("another primary: the cache begins anew")
            await self._begin()
            self._tell((EVERYTHING,), self.horizon)
            return
        for transaction, tags in seen.events:
            heard = self._heard.get(transaction)
            if heard is None or not heard[1].issuperset(tags):
                self.replayed += heard is None
                self._void(transaction, tags, seen.position + 1)
        self._settle(seen, horizon)

    async def _tidy(self, began: float) -> None:
        """Forget the tags that no value can be kept from before. It is not a look: what is new is
        left to the next one."""
        horizon = self.horizon
        seen = await self._ask(_KNOWN, kept=KEPT)
        if len(seen.events) <= MOST:
            known = {tag for _, tags in seen.events for tag in tags}
            self.fences = {
                tag: at for tag, at in self.fences.items() if tag in known or at > horizon
            }
        self._tidied_at = began

    def _settle(self, seen: Seen, horizon: Fence) -> None:
        self._last = seen
        self.horizon = max(self.horizon, horizon)
        if len(seen.events) > MOST:
            self.floor = seen.position + 1
            self.version += 1
            self._tell((EVERYTHING,), self.floor)
        since = time.monotonic() - _REMEMBERED
        while self._heard and next(iter(self._heard.values()))[0] < since:
            self._heard.popitem(last=False)

    def _void(self, transaction: int, tags: Sequence[str], fence: Fence) -> None:
        self.count += transaction not in self._heard
        _, known = self._heard.setdefault(transaction, (time.monotonic(), set()))
        known.update(tags)
        for tag in tags:
            self.fences[tag] = max(fence, self.fences.get(tag, 0))
        self.version += 1
        self._tell(tags, fence)

    def _tell(self, tags: Sequence[str], fence: Fence) -> None:
        for listener in self.listeners:
            try:
                listener(tags, fence)
            except Exception:
                # The bus, and whoever has changed something, have no part in it.
                log.exception("a change of %s was not taken in", tags)

    async def _ask(self, statement: Any, **values: Any) -> Seen:
        async def read(reader: Reader) -> Seen:
            row = (await reader.execute(statement, {"most": MOST + 1, **values})).one()
            return Seen(*row)

        return await self._cluster.read(Role.PRIMARY, read)
