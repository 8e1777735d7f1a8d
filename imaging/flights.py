"""One flight a key: whoever wants what is being made already waits for it, and makes no other."""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

from imaging.admission import OverloadedError

K = TypeVar("K", bound=Hashable)
R = TypeVar("R")


class _Flight(Generic[R]):
    def __init__(self, task: asyncio.Task[R]) -> None:
        self.task = task
        self.waiting = 0


class Flights(Generic[K, R]):
    """What is being made in this process, at most `most` at once.

    A flight belongs to all who wait for it alike: it is cancelled when the last of them is, and
    not when the first is. Its error is given to each of them, and then forgotten.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._flights: dict[K, _Flight[R]] = {}

    def __len__(self) -> int:
        return len(self._flights)

    def __contains__(self, key: K) -> bool:
        return key in self._flights

    def check_room(self, spare: int = 0) -> None:
        """Raises OverloadedError when no more than `spare` flights could join those in the air."""
        if len(self._flights) >= self._most - spare:
            raise OverloadedError(
                f"{len(self._flights)} pictures are being seen to already.", retry_after=1
            )

    async def fly(self, key: K, make: Callable[[], Coroutine[Any, Any, R]], *, spare: int = 0) -> R:
        """What `make` returns or raises; it is called unless a flight of `key` is in the air.

        Raises OverloadedError as `check_room`.
        """
        flight = self._flights.get(key) or self._take_off(key, make, spare)
        flight.waiting += 1
        try:
            # Waiting for a task, unlike awaiting it, does not cancel it along with the caller.
            await asyncio.wait({flight.task})
        finally:
            flight.waiting -= 1
            if not flight.waiting and flight.task.cancel():
                self._forget(key, flight)  # at once: nobody may join what is going down
        return flight.task.result()

    def _take_off(
        self, key: K, make: Callable[[], Coroutine[Any, Any, R]], spare: int
    ) -> _Flight[R]:
        self.check_room(spare)
        flight = self._flights[key] = _Flight(asyncio.create_task(make()))
        flight.task.add_done_callback(lambda _: self._forget(key, flight))
        return flight

    def _forget(self, key: K, flight: _Flight[R]) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]
