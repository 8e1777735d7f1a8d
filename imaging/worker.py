"""One worker process, as the server sees it: a socket to write to, and an end to watch for."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack
from typing import Any, Final, Self, TypeVar

import msgspec

from imaging import wire
from imaging.picture import PictureError
from imaging.wire import Job

R = TypeVar("R")

_MALLOC: Final = {
    # What is given back to the kernel after each job has to be faulted in again for the next,
    # which costs a small job half as much time again. So up to 128 MiB are kept between jobs,
    # and given back in a pause (`worker_process`).
    "MALLOC_ARENA_MAX": "2",
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(128 << 20),
}
_INHERITED: Final = ("LD_LIBRARY_PATH", "LD_PRELOAD")
_SECONDS_TO_DIE: Final = 1.0


class WorkerError(Exception):
    """A job has no result, and nobody knows whether that is the picture's fault."""


class WorkerTimeoutError(WorkerError):
    """The job took longer than it may."""


class WorkerCrashedError(WorkerError):
    """The process ended in the middle of the job."""


class WorkerMemoryError(WorkerCrashedError):
    """The job wanted more memory than its process may have."""


class JobFailedError(WorkerError):
    """The job raised what it should not have: a bug, of which `trace` is the traceback."""

    def __init__(self, name: str, trace: str) -> None:
        super().__init__(f"{name} failed: {trace.splitlines()[-1]}")
        self.trace = trace


class StartError(Exception):
    """A process did not become ready."""


class _LostError(Exception):
    """The process ended, or said what nobody understands, where its reply was due."""


class Worker:
    """A process that does one job at a time."""

    def __init__(self, process: subprocess.Popen[bytes], ours: socket.socket, pidfd: int) -> None:
        self._loop = asyncio.get_running_loop()
        self.gone: asyncio.Future[None] = self._loop.create_future()
        """Done when the process has ended, by whosever hand."""
        self.asked = 0
        """Jobs that it was given."""
        self.resident = 0
        """Bytes of memory that it held after the last job."""
        self.spent = False
        """Whether it must not be given another job, but be ended."""
        self._process = process
        self._socket = ours
        # Readable when the process ends, so no thread and no SIGCHLD handler has to wait for it.
        self._pidfd = pidfd
        self._loop.add_reader(pidfd, self._on_end)

    @property
    def epitaph(self) -> str:
        """How it ended, in words."""
        status = self._process.returncode
        if status is None:
            return "it closed its socket"
        if status < 0:
            return f"it was killed by signal {-status} ({signal.strsignal(-status)})"
        return f"it exited with status {status}"

    @classmethod
    async def start(cls, registry: str, memory_limit: int, time_limit: float) -> Self:
        """A process that has imported all that the jobs in `registry` need. Raises StartError."""
        try:
            worker = cls(*_spawn(registry, memory_limit))
        except OSError as error:
            raise StartError(str(error)) from error
        try:
            async with asyncio.timeout(time_limit):
                await worker._reply()
        except (TimeoutError, _LostError) as error:
            await worker.end()
            raise StartError(str(error) or f"it was not ready in {time_limit:g} s") from None
        except asyncio.CancelledError:
            await worker.end()
            raise
        return worker

    async def do(self, job: Job[R], time_limit: float) -> R:
        """The result of a job. Raises PictureError as the job did, or WorkerError.

        If the process is not fit for another job then, it is `spent`; so it is when cancelled.
        """
        self.asked += 1
        self.spent = True
        try:
            async with asyncio.timeout(time_limit):
                await self._send(job)
                reply = await self._reply()
        except TimeoutError:
            raise WorkerTimeoutError(f"{job.name} took longer than {time_limit:g} s.") from None
        except _LostError as error:
            raise WorkerCrashedError(f"The process of {job.name} was lost: {error}.") from None
        if isinstance(reply, wire.Exhausted):
            raise WorkerMemoryError(f"{job.name} wanted more memory than it may have.")
        self.spent = False
        return self._result(job, reply)

    async def end(self) -> None:
        """Kill the process if it lives, and let go of it."""
        self._process.kill()
        self._socket.close()
        try:
            await asyncio.shield(self.gone)
        except asyncio.CancelledError:
            # It takes milliseconds, and nobody would reap it if the event loop closed now.
            await asyncio.shield(self.gone)
            raise

    async def _send(self, job: Job[Any]) -> None:
        try:
            for part in job.message:
                await self._loop.sock_sendall(self._socket, part)
        except OSError:
            raise _LostError(await self._last_words()) from None

    async def _reply(self) -> wire.Reply:
        try:
            (size,) = wire.LENGTH.unpack(await self._receive(wire.LENGTH.size))
            # Whoever took over a decoder can say anything here, so it is bounded and checked.
            if size > wire.MOST_REPLY_BYTES:
                raise _LostError(f"it announced a reply of {size:,} bytes")
            return wire.decode_reply(await self._receive(size))
        except (EOFError, OSError):
            raise _LostError(await self._last_words()) from None
        except msgspec.MsgspecError as error:
            raise _LostError(f"its reply was not understood: {error}") from None

    async def _receive(self, size: int) -> bytearray:
        received = bytearray(size)
        left = memoryview(received)
        while left:
            count = await self._loop.sock_recv_into(self._socket, left)
            if not count:
                raise EOFError
            left = left[count:]
        return received

    def _result(self, job: Job[R], reply: wire.Reply) -> R:
        match reply:
            case wire.Done(value, resident):
                self.resident = resident
                try:
                    return job.result(value)
                except msgspec.MsgspecError as error:
                    self.spent = True
                    raise WorkerCrashedError(f"{job.name} returned nonsense: {error}") from None
            case wire.Refused(kind, words):
                raise PictureError(kind, words)
            case wire.Failed(trace):
                raise JobFailedError(job.name, trace)
            case _:
                self.spent = True
                raise WorkerCrashedError(f"{job.name} was answered out of turn.")

    async def _last_words(self) -> str:
        # From the end of its socket to its own may take a moment.
        await asyncio.wait({self.gone}, timeout=_SECONDS_TO_DIE)
        return self.epitaph

    def _on_end(self) -> None:
        self._loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        self._process.wait()  # returns at once: it only has to be reaped
        self.gone.set_result(None)


def _spawn(registry: str, memory_limit: int) -> tuple[subprocess.Popen[bytes], socket.socket, int]:
    command = [sys.executable, "-P", "-m", "imaging.worker_process", registry, str(memory_limit)]
    ours, theirs = socket.socketpair()
    with theirs, ExitStack() as undo:
        undo.callback(ours.close)
        process = subprocess.Popen(
            command, stdin=theirs.fileno(), stdout=subprocess.DEVNULL, env=_environment(), cwd="/"
        )
        undo.callback(process.wait)
        undo.callback(process.kill)
        pidfd = os.pidfd_open(process.pid)
        ours.setblocking(False)
        undo.pop_all()
    return process, ours, pidfd


def _environment() -> dict[str, str]:
    """Our modules and none of our secrets: whoever takes over a decoder reads what it holds."""
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    modules = os.pathsep.join(map(os.path.abspath, sys.path))
    return inherited | _MALLOC | {"PYTHONPATH": modules, "LC_ALL": "C.UTF-8"}
