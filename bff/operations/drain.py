"""An end that nobody notices: first it is told, so that no more come; then it ends."""

import asyncio
import signal
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from types import FrameType


class Drain:
    """Whether this process takes leave."""

    def __init__(self) -> None:
        self.has_begun = False

    @contextmanager
    def at_sigterm(self, seconds: float, leave: Callable[[], Awaitable[None]]) -> Iterator[None]:
        """For so many `seconds` after a SIGTERM serve as ever, while `/ready` says no; then those
        `leave` who would stay for ever, and whoever would have had the signal gets it. A second
        one is handed on at once.
        """
        # No other thread is asked for signals, or may ask for them.
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        loop = asyncio.get_running_loop()
        before = signal.getsignal(signal.SIGTERM)
        ending: list[asyncio.Task[None]] = []

        def end(number: int, frame: FrameType | None) -> None:
            if callable(before):
                before(number, frame)

        async def depart() -> None:
            await asyncio.sleep(seconds)
            await leave()
            end(signal.SIGTERM, None)

        def begin(number: int, frame: FrameType | None) -> None:
            if self.has_begun:
                end(number, frame)
                return
            self.has_begun = True
            loop.call_soon_threadsafe(lambda: ending.append(loop.create_task(depart())))

        signal.signal(signal.SIGTERM, begin)
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, before)
