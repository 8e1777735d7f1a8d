"""Who is let in and who is next: counted in pixels, for it is these that cost time and memory."""

from collections import deque
from collections.abc import Iterator, Mapping
from enum import Enum
from itertools import chain
from math import ceil, inf
from typing import Generic, TypeVar

T = TypeVar("T")

_LONGEST_RETRY_AFTER = 30
# What a pixel costs until jobs have been seen: 12 megapixels in 50 ms.
_SECONDS_PER_PIXEL = 4e-9
# And what a job does: a level made into a WebP.
_SECONDS_PER_JOB = 0.1
_SMOOTHING = 0.1


class Priority(Enum):
    """Whether somebody waits for the answer; the more urgent first."""

    INTERACTIVE = "interactive"
    BACKGROUND = "background"


_PATIENCE = dict.fromkeys(Priority, inf)


class OverloadedError(Exception):
    """No more can be taken on now; the same may succeed in `retry_after` seconds."""

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Gate:
    """Counts the jobs inside, running or not, and the pixels of their pictures.

    The background fills at most half of the room, so that it never keeps people out. Who would
    still be waiting when the `patience` of his kind (seconds) is over is refused at the door.
    """

    def __init__(
        self, jobs: int, pixels: int, processes: int, patience: Mapping[Priority, float] = _PATIENCE
    ) -> None:
        self.refusals = 0
        self._most_jobs = jobs
        self._most_pixels = pixels
        self._processes = processes
        self._jobs = dict.fromkeys(Priority, 0)
        self._pixels = dict.fromkeys(Priority, 0)
        self._seconds_per_pixel = _SECONDS_PER_PIXEL
        self._patience = patience
        # Of a job, as far as is known: a small picture takes longer than its pixels tell.
        self._seconds = dict.fromkeys(Priority, _SECONDS_PER_JOB)

    @property
    def jobs(self) -> int:
        """The jobs inside."""
        return sum(self._jobs.values())

    @property
    def pixels(self) -> int:
        """Their pixels."""
        return sum(self._pixels.values())

    def enter(self, weight: int, priority: Priority) -> None:
        """Let a job in. Raises OverloadedError."""
        wait = self._jobs[priority] * self._seconds[priority] / self._processes
        if wait > self._patience[priority]:
            raise self.refusal(f"Pictures for {wait:.1f} s are being made already.")
        self._take(weight, priority)

    def reweigh(self, weight: int, anew: int, priority: Priority) -> None:
        """Count a job inside differently. Raises OverloadedError, and it counts as before."""
        self.leave(weight, priority)
        try:
            self._take(anew, priority)
        except OverloadedError:
            self._count(1, weight, priority)
            raise

    def leave(self, weight: int, priority: Priority) -> None:
        """Let a job out."""
        self._count(-1, -weight, priority)

    def refusal(self, why: str) -> OverloadedError:
        """The error for a job that is not taken on, counted; it says when there may be room."""
        self.refusals += 1
        seconds = ceil(self.pixels * self._seconds_per_pixel / self._processes)
        return OverloadedError(why, min(max(1, seconds), _LONGEST_RETRY_AFTER))

    def learn(self, weight: int, seconds: float, priority: Priority) -> None:
        """Let a finished job tell what a pixel costs, and what one of its kind."""
        self._seconds[priority] += _SMOOTHING * (seconds - self._seconds[priority])
        self._seconds_per_pixel += _SMOOTHING * (seconds / weight - self._seconds_per_pixel)

    def _take(self, weight: int, priority: Priority) -> None:
        if priority is Priority.BACKGROUND:
            jobs, pixels, share = self._jobs[priority], self._pixels[priority], 2
        else:
            jobs, pixels, share = self.jobs, self.pixels, 1
        if jobs >= max(1, self._most_jobs // share):
            raise self.refusal(f"{jobs} pictures are being made already.")
        # Whoever comes to an empty room is let in, however large.
        if jobs and pixels + weight > self._most_pixels // share:
            raise self.refusal(f"Pictures of {pixels:,} pixels are being made already.")
        self._count(1, weight, priority)

    def _count(self, jobs: int, pixels: int, priority: Priority) -> None:
        self._jobs[priority] += jobs
        self._pixels[priority] += pixels


class Line(Generic[T]):
    """Those who wait: people before the background, and first come, first served among each."""

    def __init__(self) -> None:
        self._waiting: dict[Priority, deque[T]] = {priority: deque() for priority in Priority}

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    def __iter__(self) -> Iterator[T]:
        return chain.from_iterable(self._waiting.values())

    def join(self, ticket: T, priority: Priority) -> None:
        """Stand at the end."""
        self._waiting[priority].append(ticket)

    def next(self, *, background: bool) -> T | None:
        """Whose turn it is; nobody's of the background unless it may."""
        for priority, waiting in self._waiting.items():
            if waiting and (background or priority is not Priority.BACKGROUND):
                return waiting.popleft()
        return None

    def leave(self, ticket: T, priority: Priority) -> None:
        """Go away, if still there."""
        # Asked first, for the error of `remove` would spell out the ticket and its whole picture.
        if ticket in self._waiting[priority]:
            self._waiting[priority].remove(ticket)
