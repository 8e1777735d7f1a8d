"""Locust's processes: what they are told, and what they tell."""

import hashlib
import os
import subprocess
import sys
import threading
import venv
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Final

import msgspec

from benchmarks.load.figures import Second
from infra.local.ports import Ports

_ROOT: Final = Path(__file__).parents[2]
_HOME: Final = _ROOT / ".tools" / "locust"
_LOCK: Final = _ROOT / "requirements" / "load.lock"
_END_SECONDS: Final = 120.0
# A process of it has one thread, and so at most one core.
PROCESSES: Final = max(1, (os.cpu_count() or 1))


def install() -> Path:
    """The Python that has Locust, fetched if it is missing or the lock is another one."""
    key = hashlib.sha256(_LOCK.read_bytes() + sys.version.encode()).hexdigest()
    python, fetched = _HOME / "bin" / "python", _HOME / "fetched"
    if not fetched.exists() or fetched.read_text() != key:
        print("Setting up Locust in .tools/locust", file=sys.stderr, flush=True)
        venv.create(_HOME, clear=True, with_pip=True)
        pip = [str(python), "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
        subprocess.run([*pip, "--require-hashes", "--no-deps", "-r", str(_LOCK)], check=True)
        fetched.write_text(key)
    return python


class Generator:
    """A crowd of phones, and `counters` people behind counters; `directory` has who they are
    (campus), and gets what they were told (journal). With a `pace` below 1 they are in a hurry."""

    def __init__(
        self,
        python: Path,
        directory: Path,
        url: str,
        counters: int,
        *,
        processes: int = PROCESSES,
        pace: float = 1.0,
    ) -> None:
        self._counters = counters
        self.seconds: list[Second] = []
        """What happened, the newest last."""
        port = str(Ports(directory / "ports.json").take("locust"))
        swarm = [str(python), "-m", "benchmarks.load.swarm"]
        self._lead = self._started(
            [*swarm, "lead", port, str(processes), str(counters)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        follow = [*swarm, "follow", port, str(directory), url, str(pace)]
        self._followers = [self._started(follow) for _ in range(processes)]
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    def __enter__(self) -> "Generator":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for process in self._processes:
            if process.poll() is None:
                process.kill()
            process.wait()
        self._reading.join(_END_SECONDS)
        for pipe in (self._lead.stdin, self._lead.stdout):
            if pipe is not None:
                pipe.close()

    @property
    def pids(self) -> Sequence[int]:
        """Its processes."""
        return [process.pid for process in self._processes]

    @property
    def is_running(self) -> bool:
        """Whether none of it has ended."""
        return all(process.poll() is None for process in self._processes)

    def people(self, phones: int, rate: float) -> None:
        """So many phones, so many more a second; counters come first."""
        self._say(f"people {phones + self._counters} {rate}")

    def close(self) -> None:
        """Nobody orders any more; counters hurry with what is left."""
        self._say("closing")

    def stop(self) -> None:
        """All leave, and what they were told is written down."""
        self._say("quit")
        for process in self._processes:
            process.wait(_END_SECONDS)
        self._reading.join(_END_SECONDS)

    @property
    def _processes(self) -> list["subprocess.Popen[bytes]"]:
        return [self._lead, *self._followers]

    def _started(self, command: list[str], **pipes: int) -> "subprocess.Popen[bytes]":
        environment = {**os.environ, "PYTHONPATH": str(_ROOT)}
        return subprocess.Popen(command, env=environment, **pipes)  # type: ignore[call-overload,no-any-return]

    def _say(self, line: str) -> None:
        if self._lead.stdin is not None:
            self._lead.stdin.write(f"{line}\n".encode())
            self._lead.stdin.flush()

    def _read(self) -> None:
        if self._lead.stdout is not None:
            for line in self._lead.stdout:
                self.seconds.append(msgspec.json.decode(line, type=Second))
