"""An end that nobody notices: first it is told, so that no more come; then it ends."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Drain:
    """Whether this process takes leave."""

    def __init__(self) -> None:
        self.has_begun = False

    @contextmanager
    def at_sigterm(self, seconds: float) -> Iterator[None]:
        """For so many `seconds` after a SIGTERM serve as ever, while `/ready` says no; then whoever
        would have had the signal gets it. A second one is handed on at once.
        """
        if not seconds:
            yield
            return
        loop = asyncio.get_running_loop()
        before = signal.getsignal(signal.SIGTERM)

        def end(number: int, frame: FrameType | None) -> None:
            if callable(before):
                before(number, frame)

        def begin(number: int, frame: FrameType | None) -> None:
            if self.has_begun:
                end(number, frame)
                return
            self.has_begun = True
            loop.call_soon_threadsafe(loop.call_later, seconds, end, number, None)

        signal.signal(signal.SIGTERM, begin)
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, before)
