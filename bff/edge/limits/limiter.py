"""Who counts a request: Redis for all processes, or while it is away each of them alone."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from redis.exceptions import ResponseError

from bff.edge.limits.alone import Alone
from bff.edge.limits.leases import Leases
from bff.edge.limits.policies import Decision, Window, Windows
from bff.edge.limits.shared import Shared, several
from domain.database import Fence, Fences
from domain.redis import AwayError, Nodes

log = logging.getLogger(__name__)

_AWAY: Final = (AwayError, ResponseError)
_NOBODY: Final = AwayError("there is no connection to it")
Tell = Callable[[Decision | None], None]


class Limiter:
    """Counts requests; while Redis is away, in this process, so that a limit is never off."""

    def __init__(self, nodes: Nodes, fences: Fences) -> None:
        self._shared = Shared(nodes, fences)
        self._alone = Alone()
        self._leases = Leases(self.hand_back, self._ask_ahead)
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_away = False
        self.decisions: Counter[tuple[str, str, str]] = Counter()
        """By policy, whether it was allowed, and who counted it."""

    def at_once(self, windows: Windows) -> Decision | None:
        """Count a request, if that takes no call of Redis."""
        decision = self._leases.take(windows) if windows.are_by_grain else None
        return None if decision is None else self._decided(decision, "redis")

    async def take(self, windows: Windows) -> Decision:
        """Count a request of nobody in particular, in windows of one subject."""
        if (decision := self.at_once(windows)) is not None:
            return decision
        if self._shared.is_away(windows):
            return self._decide_alone(windows, _NOBODY)
        many, began = self._wanted(windows), time.monotonic()
        try:
            decision, taken = await self._shared.take_several(windows, many)
        except _AWAY as error:
            return self._decide_alone(windows, error)
        finally:
            self._leases.answered(windows, many)
        return self._counted(windows, decision, taken, began)

    def ask(self, windows: Windows, tell: Tell) -> None:
        """Count a request for somebody who goes on meanwhile. Of a refusal, and where Redis is away
        or elsewhere, nothing is told but None: `take` knows what to do."""
        many, began = self._wanted(windows), time.monotonic()

        def told(reply: asyncio.Future[Any]) -> None:
            self._leases.answered(windows, many)
            if reply.cancelled() or reply.exception() is not None:
                tell(None)
                return
            decision, taken = several(windows, reply.result())
            is_allowed = decision.refused_by is None
            tell(self._counted(windows, decision, taken, began) if is_allowed else None)

        self._shared.ask(windows, many).add_done_callback(told)

    def _ask_ahead(self, windows: Windows) -> None:
        """Have more counted before it comes, if nobody does so already."""
        many, began = self._wanted(windows), time.monotonic()
        if many == 1:
            return

        def told(reply: asyncio.Future[Any]) -> None:
            self._leases.answered(windows, many)
            if reply.cancelled() or reply.exception() is not None:
                # Whoever comes then will see.
                return
            decision, taken = several(windows, reply.result())
            if decision.refused_by is None:
                self._leases.keep(windows, decision, taken, began)

        self._shared.ask(windows, many).add_done_callback(told)

    async def take_of(self, person: int, windows: Windows) -> tuple[Decision, Fence | None]:
        """Count a request of `person`'s; their last fence comes along, where Redis answers."""
        if self._shared.is_away(windows):
            return self._decide_alone(windows, _NOBODY), None
        try:
            decision, fence = await self._shared.take_of(person, windows)
        except _AWAY as error:
            return self._decide_alone(windows, error), None
        return self._decided(decision, "redis"), fence

    async def give_back(self, windows: Sequence[Window], moment: int) -> None:
        """What was counted at that moment, by whomever, does not count."""
        if not self._is_leased(windows, moment):
            self._alone.give_back(windows, moment)
            await self._unless_away(self._shared.give_back(windows, moment))

    def hand_back(self, windows: Sequence[Window], moment: int, many: int = 1) -> None:
        """The same of so many requests, for who does not wait."""
        if not self._is_leased(windows, moment):
            self._alone.give_back(windows, moment)
            work = self._unless_away(self._shared.give_back(windows, moment, many))
            task = asyncio.create_task(work)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def clear(self, window: Window) -> None:
        """Nothing in it counts any more."""
        self._alone.clear(window)
        await self._unless_away(self._shared.clear(window))

    def _is_leased(self, windows: Sequence[Window], moment: int) -> bool:
        """Whether what was given back is somebody else's to use."""
        return (
            isinstance(windows, Windows)
            and windows.are_by_grain
            and self._leases.give_back(windows, moment)
        )

    def _wanted(self, windows: Windows) -> int:
        return self._leases.ask(windows) if windows.are_by_grain else 1

    def _counted(self, windows: Windows, decision: Decision, taken: int, began: float) -> Decision:
        if windows.are_by_grain and decision.refused_by is None:
            decision = self._leases.begin(windows, decision, taken, began)
        return self._decided(decision, "redis")

    async def _unless_away(self, work: Awaitable[None]) -> None:
        try:
            await work
        except _AWAY as error:
            # Then it counts for as long as a window is.
            self._tell(error)

    def _decide_alone(self, windows: Windows, error: Exception) -> Decision:
        self._tell(error)
        return self._decided(self._alone.take(windows), "process")

    def _decided(self, decision: Decision, by: str) -> Decision:
        if by == "redis":
            self._is_away = False
        for window in decision.windows:
            if decision.refused_by is None:
                self.decisions[window.policy.name, "allowed", by] += 1
        if decision.refused_by is not None:
            self.decisions[decision.refused_by.name, "refused", by] += 1
        return decision

    def _tell(self, error: Exception) -> None:
        if not self._is_away:
            log.warning("limits: Redis does not answer, each process counts alone: %s", error)
        self._is_away = True
