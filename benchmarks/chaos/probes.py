"""A few who ask all the time, so that a gap is seen to the tenth of a second."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import cycle
from typing import Any, Final, NamedTuple

import httpx

# As the app on a phone: later, nobody waits any more.
PATIENCE: Final = 20.0


class Asked(NamedTuple):
    """A request: when it began and when it was over, in seconds since 1970; what came of it: a
    status, or 0 where no answer came; and why not."""

    began: float
    ended: float
    status: int
    words: str = ""

    @property
    def is_well(self) -> bool:
        """Whether somebody was served."""
        return 200 <= self.status < 400


class Question(NamedTuple):
    """What is asked: method, path, and a body."""

    method: str
    path: str
    body: Any = None


class Probe:
    """Asks one question after the other, each over a connection that may have been cut."""

    def __init__(
        self,
        url: str,
        questions: Sequence[Question],
        headers: Callable[[], Mapping[str, str]],
        pause: float,
    ) -> None:
        self.asked: list[Asked] = []
        self._url = url
        self._questions: Iterator[Question] = cycle(questions)
        self._headers = headers
        self._pause = pause
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True)

    def __enter__(self) -> "Probe":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _ask(self) -> None:
        with httpx.Client(base_url=self._url, timeout=PATIENCE, trust_env=False) as client:
            while not self._ended.wait(self._pause):
                method, path, body = next(self._questions)
                began = time.time()
                try:
                    answer = client.request(method, path, json=body, headers=self._headers())
                    told = answer.status_code, answer.text[:200] if answer.is_error else ""
                except httpx.TransportError as error:
                    told = 0, repr(error)
                self.asked.append(Asked(began, time.time(), *told))
