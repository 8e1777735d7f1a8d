"""Who counts a request: Redis for all processes, or while it is away each of them alone."""

import logging
from collections import Counter
from collections.abc import Awaitable, Sequence
from typing import Final

from redis.exceptions import ResponseError

from bff.edge.limits.alone import Alone
from bff.edge.limits.policies import Decision, Window, Windows
from bff.edge.limits.shared import Shared
from domain.database import Fence, Fences
from domain.redis import AwayError, Nodes

log = logging.getLogger(__name__)

_AWAY: Final = (AwayError, ResponseError)


class Limiter:
    """Counts requests; while Redis is away, in this process, so that a limit is never off."""

    def __init__(self, nodes: Nodes, fences: Fences) -> None:
        self._shared = Shared(nodes, fences)
        self._alone = Alone()
        self._is_away = False
        self.decisions: Counter[tuple[str, str, str]] = Counter()
        """By policy, whether it was allowed, and who counted it."""

    async def take(self, windows: Windows) -> Decision:
        """Count a request of nobody in particular, in windows of one subject."""
        try:
            decision = await self._shared.take(windows)
        except _AWAY as error:
            return self._decide_alone(windows, error)
        return self._decided(decision, "redis")

    async def take_of(self, person: int, windows: Windows) -> tuple[Decision, Fence | None]:
        """Count a request of `person`'s; their last fence comes along, where Redis answers."""
        try:
            decision, fence = await self._shared.take_of(person, windows)
        except _AWAY as error:
            return self._decide_alone(windows, error), None
        return self._decided(decision, "redis"), fence

    async def give_back(self, windows: Sequence[Window], moment: int) -> None:
        """What was counted at that moment, by whomever, does not count."""
        self._alone.give_back(windows, moment)
        await self._unless_away(self._shared.give_back(windows, moment))

    async def clear(self, window: Window) -> None:
        """Nothing in it counts any more."""
        self._alone.clear(window)
        await self._unless_away(self._shared.clear(window))

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
