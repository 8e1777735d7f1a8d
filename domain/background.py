"""What goes on beside the requests, from the start of a process to its end."""

import asyncio
from abc import ABC, abstractmethod


class Background(ABC):
    """Work that has no end of its own, and sees itself to whatever fails in it."""

    _running: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; nobody waits for that."""
        self._running = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Stop, whatever is in hand."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)

    @abstractmethod
    async def _run(self) -> None:
        """Do it until cancelled."""
