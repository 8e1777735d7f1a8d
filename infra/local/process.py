"""Child processes that never outlive us, and that nobody mistakes for somebody else's."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from signal import Signals
from typing import Any

from infra.local.account import Account
from infra.local.failure import StackError

_PR_SET_PDEATHSIG = 1
_LOG_LIMIT_BYTES = 8_000_000
_PAUSE = 0.01


# --- the leash -------------------------------------------------------------------------


@functools.cache
def _prctl() -> Callable[..., int] | None:
    """prctl(2), looked up before any fork: a child between fork and exec must do very little."""
    if not sys.platform.startswith("linux"):
        return None
    function = ctypes.CDLL(None, use_errno=True).prctl
    function.argtypes = (ctypes.c_int, *[ctypes.c_ulong] * 4)
    return function


def _leash(sent: Signals) -> Callable[[], None] | None:
    """What a child runs before exec, so that the kernel sends it `sent` when we are gone.

    Two traps: the signal fires when the *thread* that forked ends, not the process; and a
    change of credentials clears it, so it has to come after Popen's `user=` (it does:
    `preexec_fn` runs last). Elsewhere than on Linux there is no leash, only `state.json`.
    """
    prctl = _prctl()
    if prctl is None:
        return None
    parent = os.getpid()

    def hold() -> None:
        prctl(_PR_SET_PDEATHSIG, sent, 0, 0, 0)
        if os.getppid() != parent:  # we died before the leash was on
            os._exit(1)

    return hold


# --- who a process is ------------------------------------------------------------------


@dataclass(frozen=True)
class Identity:
    """A process id with the moment it began: a recycled id has another one."""

    pid: int
    began: str

    @classmethod
    def of(cls, pid: int) -> Identity | None:
        """The living process `pid`; None when there is none, or only its zombie."""
        began = _began(pid)
        return cls(pid, began) if began else None

    @classmethod
    def of_self(cls) -> Identity:
        return cls.of(os.getpid()) or cls(os.getpid(), "")

    def is_alive(self) -> bool:
        return self == Identity.of(self.pid)

    def send(self, sent: Signals) -> bool:
        """Signal this very process; False when it is gone.

        Raises PermissionError when it belongs to somebody else.
        """
        if not self.is_alive():
            return False
        try:
            os.kill(self.pid, sent)
        except ProcessLookupError:
            return False
        return True

    def wait(self, seconds: float) -> bool:
        """Whether it ended within `seconds`. It need not be a child of ours."""
        deadline = time.monotonic() + seconds
        while self.is_alive():
            if time.monotonic() > deadline:
                return False
            time.sleep(_PAUSE)
        return True


def _began(pid: int) -> str | None:
    if Path("/proc/self/stat").exists():
        try:
            stat = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
        except OSError:
            return None
        # proc(5): the name in brackets may hold anything; state is field 3, starttime field 22.
        fields = stat.rpartition(")")[2].split()
        return None if fields[0] in "ZX" else f"{boot()}:{fields[19]}"
    answer = subprocess.run(
        ["/bin/ps", "-o", "stat=,lstart=", "-p", str(pid)],
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    return None if not answer or answer.startswith("Z") else answer.split(maxsplit=1)[1]


@functools.cache
def boot() -> str:
    """Names this run of the machine, where the system can tell; else empty."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return ""


# --- starting and ending ---------------------------------------------------------------


@dataclass(frozen=True)
class Command:
    """A program to run: always an argument list, never a shell line."""

    argv: Sequence[str]
    environment: Mapping[str, str]
    log: Path | None = None  # None: it writes where we write
    account: Account | None = None  # None: it runs as ourselves
    directory: Path | None = None
    # How it is asked to end, politely first; SIGKILL comes after the last.
    endings: tuple[Signals, ...] = (signal.SIGTERM,)


class Child:
    """A running program that we started and that ends with us."""

    def __init__(self, role: str, command: Command) -> None:
        self.role = role
        self.log = command.log
        self.log_start = _rotate(command.log) if command.log else 0
        self.ending = command.endings[0]
        self._harder = command.endings[1:]
        self._asked = False
        self._process = _popen(command)
        self.identity = Identity.of(self._process.pid) or Identity(self._process.pid, "")

    @property
    def pid(self) -> int:
        return self._process.pid

    def exit_code(self) -> int | None:
        """None while it runs; negative when a signal ended it."""
        return self._process.poll()

    def ask_to_end(self) -> None:
        """Send the polite signal, once."""
        if not self._asked and self.exit_code() is None:
            self._asked = True
            self._process.send_signal(self.ending)
            # Somebody may have frozen it: a stopped process hears nothing else.
            self._process.send_signal(signal.SIGCONT)

    def end(self, seconds: float) -> bool:
        """Ask, insist, kill. False when it had to be killed, with all it had started."""
        self.ask_to_end()
        for harder in (*self._harder, None):
            if self.wait(seconds):
                return True
            if harder is not None:
                self._process.send_signal(harder)
        # Its own session, hence its own process group.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()
        return False

    def wait(self, seconds: float) -> bool:
        """Whether it ended within `seconds`."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True


def _popen(command: Command) -> subprocess.Popen[bytes]:
    log = None
    if command.log is not None:
        log = os.open(command.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        return subprocess.Popen(
            **_arguments(command), stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    except OSError as error:
        raise _not_started(command, error) from error
    finally:
        if log is not None:
            os.close(log)


def run(command: Command, seconds: float, text: str = "") -> subprocess.CompletedProcess[str]:
    """Run a short helper to its end and return what it wrote; it is leashed as well.

    Raises StackError when it cannot be started or does not end within `seconds`.
    """
    try:
        return subprocess.run(
            **_arguments(command),
            input=text,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise StackError(
            f"{Path(command.argv[0]).name} did not end within {seconds:.0f} s.",
            "The machine may be very busy: try again.",
        ) from error
    except OSError as error:
        raise _not_started(command, error) from error


def _arguments(command: Command) -> dict[str, Any]:
    account = command.account
    return {
        "args": [*(account.prefix if account else ()), *command.argv],
        "env": dict(command.environment),
        "cwd": command.directory,
        "start_new_session": True,  # Ctrl-C is for us; we end the others in order
        "umask": 0o077,
        "preexec_fn": _leash(command.endings[0]),
        **(account.popen_options() if account else {}),
    }


def _not_started(command: Command, error: OSError) -> StackError:
    return StackError(
        f"{command.argv[0]} cannot be started: {error.strerror}.",
        'If it is a server, install it again: pip install --force-reinstall "comanda[local]"',
    )


def _rotate(log: Path) -> int:
    """Keep a log bounded (one older file beside it); returns where the next line will go."""
    try:
        size = log.stat().st_size
    except FileNotFoundError:
        return 0
    if size < _LOG_LIMIT_BYTES:
        return size
    log.replace(log.with_name(f"{log.name}.1"))
    return 0


def clean_environment(*kept: str, **added: str) -> dict[str, str]:
    """PATH, the variables `kept`, and `added`: a developer's AWS_* or PG* must not leak in."""
    inherited = {name: os.environ[name] for name in ("PATH", *kept) if name in os.environ}
    return {**inherited, "LC_ALL": "C", **added}
