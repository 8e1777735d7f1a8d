"""What only others know: the size of the database, Redis's memory, how many pods there are."""

import asyncio
import logging
import socket
from collections.abc import Awaitable
from typing import Final, TypeVar

from redis.exceptions import ResponseError

from domain.background import Background
from domain.condition import Condition, condition
from domain.database import Cluster
from domain.errors import UnavailableError
from domain.redis import AwayError, Nodes

T = TypeVar("T")

log = logging.getLogger(__name__)

# Seconds between two looks, and that each of them has.
PAUSE: Final = 10.0
PATIENCE: Final = 3.0
_MISSING: Final = (UnavailableError, AwayError, ResponseError, OSError, TimeoutError)


class Surroundings(Background):
    """As of the last look; None where nobody could tell."""

    def __init__(self, cluster: Cluster, nodes: Nodes, pods_host: str | None) -> None:
        self.database: Condition | None = None
        self.redis_bytes: int | None = None
        """Of all masters."""
        self.pods: int | None = None
        """Addresses of the name that stands for all of them; None without one."""
        self._cluster = cluster
        self._nodes = nodes
        self._pods_host = pods_host

    async def look(self) -> None:
        """Ask everybody at once."""
        self.database, self.redis_bytes, self.pods = await asyncio.gather(
            _had(condition(self._cluster)),
            _had(self._nodes.told("used_memory")),
            _had(_addresses(self._pods_host)),
        )

    async def _run(self) -> None:
        while True:
            try:
                await self.look()
            except Exception:
                log.exception("the surroundings were not looked at")
            await asyncio.sleep(PAUSE)


async def _had(asked: Awaitable[T]) -> T | None:
    try:
        async with asyncio.timeout(PATIENCE):
            return await asked
    except _MISSING:
        return None


async def _addresses(host: str | None) -> int | None:
    """Of a headless service: each pod that is ready has one there."""
    if host is None:
        return None
    found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return len({address for *_, address in found})
