"""What no picture should do to a worker process, as jobs that only tests can ask for."""

import ctypes
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from imaging import jobs
from imaging.picture import Kind, PictureError


class Measured(msgspec.Struct):
    """A result with a type of its own."""

    pid: int
    length: int
    head: bytes


def pid() -> int:
    """Who did it."""
    return os.getpid()


def measure(body: bytes, prefix: int, tail: bytes) -> Measured:
    """Raw and other arguments together."""
    return Measured(os.getpid(), len(body) + len(tail), body[:prefix] + tail[:prefix])


def echo(body: bytes) -> bytes:
    """The same again."""
    return body


def defaulted(body: bytes, factor: int = 1) -> int:
    """A parameter that may be left out."""
    return len(body) * factor


def sleep(seconds: float) -> int:
    """Be busy for some time."""
    time.sleep(seconds)
    return os.getpid()


def spin() -> None:
    """Never end, in the interpreter."""
    while True:
        pass


def hold(marker: str) -> int:
    """Say that it runs, by a file, and go on until that is removed."""
    path = Path(marker)
    path.touch()
    while path.exists():
        time.sleep(0.005)
    return os.getpid()


def crash() -> None:
    """What a decoder's overflow may end in."""
    os.kill(os.getpid(), signal.SIGSEGV)


def leave(status: int) -> None:
    """Go without a word."""
    os._exit(status)


def devour() -> None:
    """Allocate without a bound, as a bomb does."""
    eaten = []
    while True:
        eaten.append(bytearray(16 << 20))


def devour_natively() -> None:
    """The same in C, where no MemoryError comes of it."""
    libc = ctypes.CDLL(None)
    libc.malloc.restype = ctypes.c_void_p
    while libc.malloc(ctypes.c_size_t(16 << 20)):
        pass
    os.abort()


def refuse(kind: Kind, words: str) -> None:
    """Find fault with the picture."""
    raise PictureError(kind, words)


def blunder() -> None:
    """Have a bug."""
    raise KeyError("nobody thought of this")


def close() -> None:
    """Hang up, and stay."""
    os.close(0)
    time.sleep(3600)


def announce(length: int) -> None:
    """Say that so many bytes follow, and send five that are no message."""
    os.write(0, length.to_bytes(4, "big") + b"\xc1" * 5)
    time.sleep(3600)


def mistype() -> int:
    """Return another type than promised."""
    return "not a number"  # type: ignore[return-value]


def unregistered() -> None:
    """What no process may be asked for."""


def environment() -> dict[str, str]:
    """What a decoder that was taken over would find."""
    return dict(os.environ)


def descriptors() -> list[int]:
    """What is open."""
    return sorted(int(name) for name in os.listdir("/proc/self/fd"))[:-1]


def grow(size: int) -> int:
    """Keep memory for ever."""
    _kept.append(bytearray(os.urandom(1) * size))
    return os.getpid()


_kept: list[bytearray] = []

JOBS: tuple[Callable[..., Any], ...] = (
    *jobs.JOBS,
    pid,
    measure,
    echo,
    defaulted,
    sleep,
    spin,
    hold,
    crash,
    leave,
    devour,
    devour_natively,
    refuse,
    blunder,
    close,
    announce,
    mistype,
    environment,
    descriptors,
    grow,
)
