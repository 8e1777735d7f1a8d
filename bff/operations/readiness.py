"""Whether the process can serve, as of a moment ago: however many ask, no part is asked more."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from enum import StrEnum
from typing import Final

from msgspec import Struct

from bff.operations.drain import Drain
from domain.background import Background
from domain.database import Cluster
from domain.redis import Nodes
from imaging.shelves import Shelves

log = logging.getLogger(__name__)

# Seconds that a part has to answer, and between two looks.
PATIENCE: Final = 3.0
PAUSE: Final = 2.0
_PRIMARY: Final = "primary"

Look = Callable[[], Awaitable[dict[str, bool]]]
"""Whether parts answer, by name."""


class State(StrEnum):
    """Of a part."""

    UP = "up"
    DEGRADED = "degraded"
    """It did not answer once, or a replica is too far behind to be read from."""
    DOWN = "down"
    """It did not answer twice, or never yet."""


class Readiness(Struct, frozen=True):
    """`ready` when orders can be served; `degraded` where a part is not well that has a fallback;
    `draining` when the process is about to end; else `down`."""

    status: str
    dependencies: dict[str, State]

    @property
    def is_ready(self) -> bool:
        """Whether more may come."""
        return self.status in ("ready", "degraded")


class Probes(Background):
    """Looks at the parts again and again."""

    def __init__(self, cluster: Cluster, nodes: Nodes, shelves: Shelves, drain: Drain) -> None:
        self._cluster = cluster
        self._drain = drain
        self._looks: Sequence[Look] = (
            lambda: cluster.ping(PATIENCE),
            lambda: _one("redis", nodes.answer()),
            lambda: _one("object-store", shelves.ping()),
        )
        self._states: dict[str, State] = {}
        self._has_looked = asyncio.Event()

    async def readiness(self) -> Readiness:
        """What was seen last; the first look is waited for."""
        await self._has_looked.wait()
        states = dict(self._states)
        for name in self._cluster.behind:
            if states.get(name) is State.UP:
                states[name] = State.DEGRADED
        return Readiness(self._status(states), states)

    @property
    def answers(self) -> dict[str, bool]:
        """Whether each part answers, as far as was seen."""
        return {name: state is not State.DOWN for name, state in self._states.items()}

    def _status(self, states: dict[str, State]) -> str:
        if self._drain.has_begun:
            return "draining"
        if states.get(_PRIMARY, State.DOWN) is State.DOWN:
            return "down"
        return "ready" if set(states.values()) == {State.UP} else "degraded"

    async def _run(self) -> None:
        while True:
            try:
                found = await asyncio.gather(*(look() for look in self._looks))
            except Exception:
                log.exception("the parts were not looked at")
            else:
                for each in found:
                    for name, answers in each.items():
                        self._states[name] = _next(self._states.get(name), answers=answers)
                self._has_looked.set()
            await asyncio.sleep(PAUSE)


def _next(before: State | None, *, answers: bool) -> State:
    if answers:
        return State.UP
    return State.DEGRADED if before is State.UP else State.DOWN


async def _one(name: str, answer: Awaitable[bool]) -> dict[str, bool]:
    try:
        async with asyncio.timeout(PATIENCE):
            return {name: await answer}
    except TimeoutError:
        return {name: False}
