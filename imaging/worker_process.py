"""The main of a worker process: take a call from the socket, make it, answer, until the end."""

import ctypes
import faulthandler
import importlib
import os
import resource
import select
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import msgspec

from imaging import wire
from imaging.picture import PictureError

Jobs = Mapping[str, Callable[..., Any]]

_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
_NICENESS = 5
_OOM_SCORE = 500
_OPEN_FILES = 64
# Memory that is kept between jobs spares a tenth of their time, and pictures that nobody has made
# yet are asked for every few seconds; after a longer pause it is given back.
_PAUSE_MILLISECONDS = 10_000

_libc = ctypes.CDLL(None)
_give_back = getattr(_libc, "malloc_trim", None)  # of glibc


def main(registry: str, memory_limit: int) -> None:
    """Serve the JOBS of the module `registry` on standard input, a socket, until that closes.

    What wants more than `memory_limit` bytes of private memory gets MemoryError.
    """
    _leash()
    _limit(memory_limit)
    # Only now, for what is imported here decodes what strangers sent.
    jobs = {job.__name__: job for job in importlib.import_module(registry).JOBS}
    # The server, which answers people, goes first; but somebody may wait for this to start.
    os.nice(_NICENESS)
    pool = socket.socket(fileno=sys.stdin.fileno())
    with suppress(EOFError, ConnectionError):
        pool.sendall(wire.framed(wire.Ready()))
        while True:
            _wait(pool)
            pool.sendall(wire.framed(_answer(jobs, *_call(pool))))


def _leash() -> None:
    """Die with the server, by the kernel's hand: a busy process would not see the socket close."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    # A terminal or a supervisor signals the whole group, while the server still has jobs to end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def _limit(memory: int) -> None:
    _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    # RLIMIT_DATA counts what can be written to, and not the address space that threads reserve.
    for what, most in (
        (resource.RLIMIT_DATA, memory),
        (resource.RLIMIT_NOFILE, _OPEN_FILES),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (most, most))
    # When memory runs out, the server shall not be the one that the kernel kills.
    with suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:
        score.write(str(_OOM_SCORE))
    faulthandler.enable()


def _wait(pool: socket.socket) -> None:
    incoming = select.poll()
    incoming.register(pool, select.POLLIN)
    if not incoming.poll(_PAUSE_MILLISECONDS) and _give_back:
        _give_back(0)


def _call(pool: socket.socket) -> tuple[wire.Call, list[bytes]]:
    (size,) = wire.LENGTH.unpack(_receive(pool, wire.LENGTH.size))
    call = wire.decode_call(_receive(pool, size))
    return call, [_receive(pool, size) for size in call.sizes]


def _receive(pool: socket.socket, size: int) -> bytes:
    received = pool.recv(size, socket.MSG_WAITALL) if size else b""
    if len(received) < size:
        raise EOFError
    return received


def _answer(jobs: Jobs, call: wire.Call, raw: list[bytes]) -> wire.Reply:
    try:
        job = jobs[call.function]
        result = job(*wire.contract(job).arguments(call, raw))
        return wire.Done(msgspec.Raw(wire.encode(result)), _resident_bytes())
    except PictureError as refusal:
        return wire.Refused(refusal.kind, wire.shortened(refusal.words))
    except MemoryError:
        return wire.Exhausted()
    except Exception:
        return wire.Failed(wire.shortened(traceback.format_exc()))


def _resident_bytes() -> int:
    with open("/proc/self/statm") as pages:
        return int(pages.read().split()[1]) * resource.getpagesize()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
