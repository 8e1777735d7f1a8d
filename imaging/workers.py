"""A pool of processes for pictures: any of them may be killed, which costs one picture."""

import asyncio
import logging
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import Context, copy_context
from dataclasses import dataclass, field, fields, replace
from math import ceil
from typing import Any, Final, TypeVar

from imaging.admission import Gate, Line, OverloadedError, Priority
from imaging.picture import PictureError
from imaging.wire import Job
from imaging.worker import (
    JobFailedError,
    Worker,
    WorkerCrashedError,
    WorkerError,
    WorkerMemoryError,
    WorkerTimeoutError,
)

__all__ = [
    "Job",
    "JobFailedError",
    "Limits",
    "Metrics",
    "OverloadedError",
    "Place",
    "Priority",
    "WorkerCrashedError",
    "WorkerError",
    "WorkerMemoryError",
    "WorkerTimeoutError",
    "Workers",
    "WorkersUnavailableError",
]

R = TypeVar("R")

log = logging.getLogger(__name__)

_MEBIBYTE: Final = 1 << 20
_FIRST_PAUSE: Final = 0.25
_LONGEST_PAUSE: Final = 30.0


class WorkersUnavailableError(WorkerError):
    """No process can be started, or the pool is closed; try again in `retry_after` seconds."""

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What the pool may use; times in seconds, memory in bytes."""

    processes: int = len(os.sched_getaffinity(0))
    time_limit: float = 10.0
    """For a job, from the moment a process gets it."""
    memory_limit: int = 1024 * _MEBIBYTE
    """Private memory of a process."""
    recycle_after: int = 500
    """A process is replaced after so many jobs, for decoders leak,"""
    recycle_above: int = 400 * _MEBIBYTE
    """or when it holds more memory than this after a job."""
    queue_jobs: int = 64
    """Jobs inside, running or waiting."""
    queue_pixels: int = 400_000_000
    """Pixels of their pictures."""
    patience: float = 3.0
    """How long a job waits for a process until it is refused."""
    background_patience: float = 60.0
    start_limit: float = 30.0
    """How long a process may take until it is ready."""

    def __post_init__(self) -> None:
        for limit in fields(self):
            if not getattr(self, limit.name) > 0:
                raise ValueError(f"{limit.name} has to be more than 0.")


@dataclass(kw_only=True, slots=True)
class Metrics:
    """Gauges of this moment (the first four), and counters since the start."""

    alive: int = 0
    """Processes that are ready or at work."""
    running: int = 0
    waiting: int = 0
    pixels: int = 0
    """Of what is inside: running, waiting, or still being fetched."""
    done: int = 0
    refused: int = 0
    """The picture was at fault."""
    failed: int = 0
    crashed: int = 0
    exhausted: int = 0
    timed_out: int = 0
    overloaded: int = 0
    abandoned: int = 0
    """The caller went away, before the job or during it."""
    started: int = 0
    start_failures: int = 0
    recycled: int = 0
    wait_seconds: float = 0.0
    run_seconds: float = 0.0


class Place:
    """Room in the pool for one picture, and for one job after another on it."""

    def __init__(self, workers: "Workers", weight: int, priority: Priority) -> None:
        self.waited = 0.0
        """Seconds that the last job stood in the line."""
        self.ran = 0.0
        """Seconds that a process then had it."""
        self.weight = weight
        self.priority = priority
        self.holders = 1
        """Whoever is in the block of `admit`, and the process that works."""
        self._workers = workers

    def weigh(self, pixels: int) -> None:
        """Count it as a picture of `pixels` from now on. Raises OverloadedError, and nothing
        changes."""
        self._workers._reweigh(self, pixels)

    async def run(self, job: Job[R]) -> R:
        """The result of a job.

        Raises PictureError as the job did, WorkerError, and OverloadedError after too long in the
        line. If the caller is cancelled, a job that waits is dropped; one that runs is let run,
        for a new process would cost more.
        """
        return await self._workers._queue(job, self)


@dataclass(eq=False, repr=False, slots=True)
class _Ticket:
    """A job in the line or at work. Who waits for its answer cancels it by going away."""

    job: Job[Any]
    place: Place
    answer: asyncio.Future[Any] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )
    since: float = field(default_factory=time.monotonic)
    """When it came into the line, and then when it came to a process."""
    context: Context = field(default_factory=copy_context)
    """Of whoever asked, who may be gone by the end."""

    def succeed(self, result: object) -> None:
        if not self.answer.done():
            self.answer.set_result(result)

    def fail(self, error: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)

    def log(self, level: int, words: str) -> None:
        """As a line of whoever asked."""
        self.context.run(log.log, level, "%s", words)


class Workers:
    """Worker processes with a bounded line before them; `registry` names the module of their JOBS.

    The limits are of one server process: a machine with two of them wants half as many each.
    """

    def __init__(self, limits: Limits | None = None, registry: str = "imaging.jobs") -> None:
        self._limits = limits = limits or Limits()
        self._registry = registry
        self._patience = {
            Priority.INTERACTIVE: limits.patience,
            Priority.BACKGROUND: limits.background_patience,
        }
        self._gate = Gate(limits.queue_jobs, limits.queue_pixels, limits.processes, self._patience)
        self._line: Line[_Ticket] = Line()
        # One process is kept for people, where there is more than one.
        self._most_in_background = max(1, limits.processes - 1)
        self._running: set[_Ticket] = set()
        # One for each process without a job, whose next job comes out of it, or None at its end.
        # The last to be idle is the first to work: its memory is warm, and the others trim theirs.
        self._idle: list[asyncio.Future[_Ticket | None]] = []
        self._seats: list[asyncio.Task[None]] = []
        self._alive = 0
        self._failed_starts = 0  # since a process was last given a job
        self._tried = asyncio.Event()
        self._closed = False
        self._counts = Metrics()

    @property
    def processes(self) -> int:
        """How many there should be."""
        return self._limits.processes

    @property
    def metrics(self) -> Metrics:
        """How the pool is, and what it has done."""
        return replace(
            self._counts,
            alive=self._alive,
            running=len(self._running),
            waiting=len(self._line),
            pixels=self._gate.pixels,
            overloaded=self._gate.refusals,
        )

    async def start(self) -> None:
        """Start the processes; returns when each is ready, or has failed, which is in the log."""
        self._seats = [
            asyncio.create_task(self._keep_seat()) for _ in range(self._limits.processes)
        ]
        await self._tried.wait()

    async def close(self) -> None:
        """Kill the processes; jobs that wait or run get WorkersUnavailableError."""
        self._closed = True
        self._tried.set()
        self._fail_unavailable([*self._line, *self._running])
        for seat in self._seats:
            seat.cancel()
        await asyncio.gather(*self._seats, return_exceptions=True)

    @contextmanager
    def admit(self, pixels: int, priority: Priority = Priority.INTERACTIVE) -> Iterator[Place]:
        """Room for a picture of `pixels`, until the block is left and its last job has ended.

        To be entered before the picture is fetched, so that who cannot be served is told at once.
        Raises OverloadedError, WorkersUnavailableError.
        """
        self._check_available()
        place = Place(self, max(1, pixels), priority)
        self._gate.enter(place.weight, priority)
        try:
            yield place
        finally:
            self._release(place)

    async def run(self, job: Job[R], pixels: int, priority: Priority = Priority.INTERACTIVE) -> R:
        """`admit` and `Place.run` in one, for a picture that is at hand."""
        with self.admit(pixels, priority) as place:
            return await place.run(job)

    async def _queue(self, job: Job[R], place: Place) -> R:
        self._check_available()
        # A file of more bytes than pixels counts by its bytes: it is they that fill memory.
        self._reweigh(place, max(place.weight, job.size))
        ticket = _Ticket(job, place)
        self._line.join(ticket, place.priority)
        patience = self._patience[place.priority]
        expiry = asyncio.get_running_loop().call_later(patience, self._expire, ticket)
        self._dispatch()
        try:
            result: R = await ticket.answer
        except asyncio.CancelledError:
            self._counts.abandoned += 1
            raise
        else:
            return result
        finally:
            expiry.cancel()
            self._line.leave(ticket, place.priority)

    def _check_available(self) -> None:
        if self._closed:
            raise WorkersUnavailableError("The processes for pictures have been stopped.", 1)
        if self._failed_starts and not self._alive:
            raise WorkersUnavailableError("No process for pictures starts.", ceil(self._pause))

    def _fail_unavailable(self, tickets: Iterable[_Ticket]) -> None:
        for ticket in tickets:
            try:
                self._check_available()
            except WorkersUnavailableError as error:
                ticket.fail(error)

    def _expire(self, ticket: _Ticket) -> None:
        if ticket in self._line and not ticket.answer.done():
            patience = self._patience[ticket.place.priority]
            ticket.fail(self._gate.refusal(f"No process was free within {patience:g} s."))

    def _reweigh(self, place: Place, weight: int) -> None:
        self._gate.reweigh(place.weight, weight, place.priority)
        place.weight = weight

    def _release(self, place: Place) -> None:
        place.holders -= 1
        if not place.holders:
            self._gate.leave(place.weight, place.priority)

    def _dispatch(self) -> None:
        """Bring jobs and processes together, while there are both."""
        while self._idle and (ticket := self._line.next(background=self._background_may_run())):
            if not ticket.answer.done():
                self._begin(ticket)
                self._idle.pop().set_result(ticket)

    def _background_may_run(self) -> bool:
        running = sum(each.place.priority is Priority.BACKGROUND for each in self._running)
        return running < self._most_in_background

    def _begin(self, ticket: _Ticket) -> None:
        now = time.monotonic()
        ticket.place.waited, ticket.since = now - ticket.since, now
        ticket.place.holders += 1
        self._counts.wait_seconds += ticket.place.waited
        self._running.add(ticket)
        self._failed_starts = 0

    def _end(self, ticket: _Ticket) -> None:
        ticket.place.ran = time.monotonic() - ticket.since
        self._counts.run_seconds += ticket.place.ran
        self._gate.learn(ticket.place.weight, ticket.place.ran, ticket.place.priority)
        self._running.remove(ticket)
        self._release(ticket.place)
        self._dispatch()  # the background may go on, by another process

    async def _keep_seat(self) -> None:
        """Have a process, and after it the next, for ever."""
        while True:
            worker = await self._hire()
            self._alive += 1
            try:
                await self._employ(worker)
            finally:
                self._alive -= 1
                await worker.end()
            if not worker.asked:
                self._note_failed_start("it ended before it was given a job")

    async def _hire(self) -> Worker:
        """A process that is ready, after as many tries as it takes."""
        while True:
            await asyncio.sleep(self._pause)
            try:
                worker = await Worker.start(
                    self._registry, self._limits.memory_limit, self._limits.start_limit
                )
            except Exception as error:  # whatever it is, a later try may succeed
                self._note_failed_start(error)
            else:
                self._counts.started += 1
                return worker
            finally:
                if self._counts.started + self._counts.start_failures >= self._limits.processes:
                    self._tried.set()

    def _note_failed_start(self, why: object) -> None:
        self._failed_starts += 1
        self._counts.start_failures += 1
        log.error("a process for pictures failed to start, next in %g s: %s", self._pause, why)
        self._fail_unavailable(self._line)

    @property
    def _pause(self) -> float:
        """Seconds before the next start, doubling with each in a row that failed."""
        if not self._failed_starts:
            return 0.0
        return min(_FIRST_PAUSE * 2.0 ** min(self._failed_starts - 1, 16), _LONGEST_PAUSE)

    async def _employ(self, worker: Worker) -> None:
        """Give jobs to a process, until it has ended or has to be replaced."""
        while await self._serve_next(worker):
            if worker.spent:
                return
            if self._is_worn(worker):
                self._counts.recycled += 1
                return
        log.warning("an idle process for pictures has ended: %s", worker.epitaph)

    async def _serve_next(self, worker: Worker) -> bool:
        """Have the next job done, and its answer given; False if the process ended before it."""
        ticket = await self._ticket_for(worker)
        if ticket is None:
            return False
        try:
            result = await worker.do(ticket.job, self._limits.time_limit)
        except Exception as error:  # a bug of ours, too, is for the caller and not for the seat
            self._count(error)
            ticket.fail(error)
            if isinstance(error, JobFailedError):
                ticket.log(
                    logging.ERROR, f"{ticket.job.name} failed in its process:\n{error.trace}"
                )
            if worker.spent:
                ticket.log(logging.WARNING, f"a process for pictures is replaced: {error}")
        else:
            self._counts.done += 1
            ticket.succeed(result)
        finally:
            self._end(ticket)
        return True

    async def _ticket_for(self, worker: Worker) -> _Ticket | None:
        """The next job for a process; None if it ended before there was one."""
        if worker.gone.done():
            return None
        turn: asyncio.Future[_Ticket | None] = asyncio.get_running_loop().create_future()

        def give_up(_: object) -> None:
            if turn in self._idle:
                self._idle.remove(turn)
                turn.set_result(None)

        worker.gone.add_done_callback(give_up)
        self._idle.append(turn)
        self._dispatch()
        try:
            return await turn
        finally:
            worker.gone.remove_done_callback(give_up)

    def _count(self, error: Exception) -> None:
        match error:
            case PictureError():
                self._counts.refused += 1
            case WorkerTimeoutError():
                self._counts.timed_out += 1
            case WorkerMemoryError():
                self._counts.exhausted += 1
            case WorkerCrashedError():
                self._counts.crashed += 1
            case _:
                self._counts.failed += 1

    def _is_worn(self, worker: Worker) -> bool:
        return (
            worker.asked >= self._limits.recycle_after
            or worker.resident > self._limits.recycle_above
        )
