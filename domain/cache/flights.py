"""A reading that is under way, and those who wait for it."""

import asyncio
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from domain.cache.kinds import Kind
from domain.cache.shared import Slot
from domain.database import Fence

if TYPE_CHECKING:
    from domain.cache.memory import Memory

K = TypeVar("K")


class Party:
    """Flights that set out together: what Redis has not of them is read together."""

    __slots__ = ("context", "kind", "left", "load", "memory", "missing")

    def __init__(self, kind: Kind[Any, Any], memory: "Memory", load: Any, size: int = 1) -> None:
        self.kind = kind
        self.memory = memory
        self.load = load
        self.left = size
        """How many have no answer yet."""
        self.context = copy_context()
        """Of who asked: what is done for them knows whose request it is."""
        self.missing: list[Flight[Any]] = []


class Flight(Generic[K]):
    """One reading of a value, for all who ask meanwhile and need no later one."""

    __slots__ = (
        "_error",
        "_value",
        "_waiting",
        "asof",
        "generation",
        "has_landed",
        "key",
        "needs",
        "party",
        "place",
        "tags",
        "token",
    )

    def __init__(
        self, key: K, tags: tuple[str, ...], needs: Fence, generation: str, place: Slot
    ) -> None:
        self.key = key
        self.tags = tags
        self.needs = needs
        self.generation = generation
        self.place = place
        self.token = b""
        self.party: Party | None = None
        """As soon as it sets out."""
        self.has_landed = False
        self.asof: Fence
        """Of the value, as soon as there is one; -1 where that says nothing."""
        self._value: Any = None
        self._error: BaseException | None = None
        self._waiting: list[asyncio.Future[None]] = []

    @property
    def has_failed(self) -> bool:
        """Whether it has an error to tell, and no value."""
        return self._error is not None

    def landing(self, loop: asyncio.AbstractEventLoop) -> asyncio.Future[None]:
        """Over when it has landed, for one of those who wait: each of them may go without another's
        noticing, and takes much less than a shield."""
        waiting: asyncio.Future[None] = loop.create_future()
        self._waiting.append(waiting)
        return waiting

    def result(self) -> Any:
        """What it has brought."""
        if self._error is not None:
            # Not with the steps of all who were told before.
            raise self._error.with_traceback(None)
        return self._value

    def land(self, value: Any, asof: Fence) -> None:
        """Hand the value to all, if they have none."""
        if not self.has_landed:
            self.has_landed = True
            self._value = value
            self.asof = asof
            for waiting in self._waiting:
                if not waiting.done():
                    waiting.set_result(None)
            self._waiting.clear()

    def fail(self, error: BaseException) -> None:
        """Raise it in all, if they have no value."""
        if not self.has_landed:
            self._error = error
            self.land(None, -1)

    def again(self, token: bytes) -> "Flight[K]":
        """Another reading of the same, for nobody who waits."""
        other = Flight(self.key, self.tags, self.needs, self.generation, self.place)
        other.token = token
        return other
