"""Whose the time of a process is: each stack is its innermost frame's that belongs to somebody."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Final

SEND: Final = "kernel: send"
RECEIVE: Final = "kernel: receive"
COLLECTOR: Final = "Python's collector"
REST: Final = "the rest"

_FRAME: Final = re.compile(r"(.*) \(([^()]*?)(?::\d+)?\)")
# Nobody's time: a loop or a thread that waits. What the kernel takes to wake it is not seen, then.
_WAITS: Final = frozenset(
    {"epoll_pwait", "epoll_wait", "poll", "select", "PyThread_acquire_lock_timed"}
    | {"pthread_cond_wait", "pthread_cond_timedwait"}
)
_CALLS: Final = {
    **dict.fromkeys(("write", "writev", "send", "sendto", "sendmsg"), SEND),
    **dict.fromkeys(("read", "readv", "recv", "recvfrom", "recvmsg", "accept4"), RECEIVE),
}
# C by its source or its library, as far as it is told.
_SOURCES: Final = {
    "gcmodule.c": COLLECTOR,
    **dict.fromkeys(("loop.c", "core.c", "stream.c", "tcp.c", "linux.c", "timer.c"), "uvloop"),
    **dict.fromkeys(("loop-watcher.c", "queue.h", "heap-inl.h"), "uvloop"),
    **dict.fromkeys(("parser.c", "llhttp.c", "api.c", "http.c"), "uvicorn, httptools"),
    **dict.fromkeys(("protocol.c", "pgproto.c", "recordobj.c"), "asyncpg"),
    **dict.fromkeys(("reader.c", "read.c", "pack.c", "hiredis.c", "sds.c"), "hiredis"),
    "_asynciomodule.c": "asyncio",
}
_LIBRARIES: Final = ("libjpeg", "libwebp", "libsharpyuv", "libz", "libcrypto")
_PILLOW: Final = re.compile(r"(Resample|_imaging|Jpeg|Storage|Convert|Unpack|Pack|Copy|Crop)\w*\.c")
_PACKAGES: Final = {
    "uvicorn": "uvicorn, httptools",
    "asyncio": "asyncio",
    "asyncpg": "asyncpg",
    "redis": "hiredis",
    "msgspec": "msgspec",
    "litestar": "Litestar",
    "sqlalchemy": "SQLAlchemy",
    "PIL": "Pillow",
    **dict.fromkeys(("boto3", "botocore", "urllib3"), "boto3"),
}
# Ours that are told by their rooms, and not as a whole.
_HOUSES: Final = {"bff", "domain"}
_OURS: Final = {"bff", "domain", "imaging", "cdn"}


def shared(stacks: str) -> Counter[str]:
    """How often each part was seen at work, of stacks as py-spy folds them: frames from the
    outermost on, separated by semicolons, and a number."""
    parts: Counter[str] = Counter()
    for line in stacks.splitlines():
        frames, _, seen = line.rpartition(" ")
        part = _part(frames)
        if part is not None:
            parts[part] += int(seen)
    return parts


def _part(frames: str) -> str | None:
    """None for who waits."""
    inner = list(_inward(frames))
    if any(name in _WAITS for name, _ in inner[:3]):
        return None
    if inner and inner[0][0] in _CALLS:
        return _CALLS[inner[0][0]]
    return next((part for _, place in inner if (part := _of(place)) is not None), REST)


def _inward(frames: str) -> Iterator[tuple[str, str]]:
    """Functions and where they are, the innermost first."""
    for frame in reversed(frames.split(";")):
        found = _FRAME.fullmatch(frame)
        if found is not None:
            yield found[1], found[2]


def _of(place: str) -> str | None:
    """Whose a source is; None for what works for whoever calls it, as most of Python's own does."""
    if place in _SOURCES:
        return _SOURCES[place]
    for library in _LIBRARIES:
        if place.startswith(library):
            return library
    if _PILLOW.fullmatch(place):
        return "Pillow"
    package, _, within = place.partition("/")
    if package in _HOUSES:
        room = within.partition("/")[0].removesuffix(".py")
        return f"{package}.{room}" if "/" in within else package
    if package in _OURS:
        return package
    return _PACKAGES.get(package)
