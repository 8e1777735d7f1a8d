"""What a process has of one kind: what it remembers, bounded in bytes, and what it reads."""

from collections.abc import Hashable
from typing import Any, Final

from domain.cache.figures import Figures
from domain.cache.flights import Flight
from domain.cache.kinds import Kind
from domain.cache.shared import Slots
from domain.database import Fence

# Bytes of memory that a decoded value takes for each byte of it encoded, and beside them.
_EACH: Final = 4
_BESIDE: Final = 400


class Entry:
    """A value, as of a position of the log; times are of the monotonic clock."""

    __slots__ = (
        "asof",
        "checked",
        "expires",
        "fresh_until",
        "renew_at",
        "size",
        "tags",
        "value",
        "visited",
    )

    def __init__(
        self,
        value: Any,
        asof: Fence,
        tags: tuple[str, ...],
        *,
        size: int,
        expires: float,
        renew_at: float,
        fresh_until: float,
    ) -> None:
        self.value = value
        self.asof = asof
        self.tags = tags
        self.size = _EACH * size + _BESIDE
        self.expires = expires
        self.renew_at = renew_at
        # It was read so lately that nobody has to vouch for it.
        self.fresh_until = fresh_until
        self.visited = False
        self.checked = -1
        """How much was known when it was good."""


class Memory:
    """Entries by id, of at most `limit` bytes together (SIEVE: a FIFO that spares the visited)."""

    def __init__(self, limit: int, slots: Slots) -> None:
        self.slots = slots
        self.entries: dict[Hashable, Entry] = {}
        self.flights: dict[Hashable, Flight[Any]] = {}
        self.size = 0
        self.figures = Figures()
        self._limit = limit

    def put(self, key: Hashable, entry: Entry) -> None:
        """Remember an entry in place of an older one."""
        self.forget(key)
        if entry.size > self._limit:
            return
        self.entries[key] = entry
        self.size += entry.size
        while self.size > self._limit:
            oldest = next(iter(self.entries))
            spared = self.entries[oldest]
            self.forget(oldest)
            if spared.visited:
                spared.visited = False
                self.entries[oldest] = spared
                self.size += spared.size
            else:
                self.figures.evicted += 1

    def forget(self, key: Hashable) -> None:
        """Remember nothing of it."""
        entry = self.entries.pop(key, None)
        if entry is not None:
            self.size -= entry.size

    def begin_anew(self, slots: Slots) -> None:
        """Remember nothing at all; nobody joins what is read now."""
        self.slots = slots
        self.entries.clear()
        self.flights.clear()
        self.size = 0


class Memories(dict[Kind[Any, Any], Memory]):
    """By kind, each as soon as it is asked for."""

    generation = ""
    """Of the database, that all of it was read from."""

    def __missing__(self, kind: Kind[Any, Any]) -> Memory:
        memory = self[kind] = Memory(kind.bytes, Slots(self.generation, kind.shape))
        return memory

    def begin_anew(self, generation: str) -> None:
        """Go on with another one, of which nothing is known."""
        self.generation = generation
        for kind, memory in self.items():
            memory.begin_anew(Slots(generation, kind.shape))
