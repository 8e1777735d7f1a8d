"""What is done to the servers, and which alerts are to tell somebody of it."""

import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.chaos.place import PRIMARY, REPLICAS, Place

Act = Callable[[Place], None]

LATE: Final = 0.2
"""Seconds that each answer takes longer."""

_DISK_BYTES: Final = 400_000_000
_LEFT_BYTES: Final = 4096
_BALLAST: Final = "ballast"
# Segments of WAL: what a standby has at hand, it goes on writing into.
_SEGMENTS: Final = 12
_CHANGE: Final = "SELECT pg_logical_emit_message(true, 'chaos', 'a change')"
_SWITCH: Final = "SELECT pg_switch_wal()"


def _nothing(_: Place) -> None:
    """Nobody does anything."""


@dataclass(frozen=True)
class Fault:
    """It begins with `strike`, goes on for `seconds`, and ends with what somebody does about it."""

    name: str
    words: str
    strike: Act
    alerts: tuple[str, ...]
    """All of them are to fire."""
    meanwhile: Act = _nothing
    """Four times a second."""
    mend: Act = _nothing
    """What the application's process manager, or somebody, does; servers of the stack that are
    missing are started again by it then, whatever this is."""
    before: Act = _nothing
    """So that it can be done, while all is well,"""
    after: Act = _nothing
    """and so that all is as it was before that."""
    seconds: float = 15.0
    by_root: bool = False
    """Whether nobody else can do it."""


# ---- the application ------------------------------------------------------------------------


def _kill_worker(place: Place) -> None:
    os.kill(place.workers()[0], signal.SIGKILL)


def _freeze_worker(place: Place) -> None:
    os.kill(place.workers()[0], signal.SIGSTOP)


def _thaw_worker(place: Place) -> None:
    os.kill(place.workers()[0], signal.SIGCONT)


def _kill_renderers(place: Place) -> None:
    """All but the oldest of each process that serves, whatever they do."""
    for several in place.renderers():
        for pid in several[1:]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


# ---- the database ---------------------------------------------------------------------------


def _on_small_disk(place: Place) -> None:
    """Give the last replica a disk of its own, which is a file."""
    place.end(REPLICAS[-1])
    home = _small_disk(place)
    owner = home.stat()
    moved, image = home.with_suffix(".moved"), place.data.parent / "small-disk"
    home.rename(moved)
    with image.open("wb") as file:
        file.truncate(_DISK_BYTES)
    # Nothing is kept back for root.
    _run("mkfs.ext4", "-q", "-m", "0", str(image))
    home.mkdir(mode=0o700)
    _run("mount", "-o", "loop", str(image), str(home))
    os.chown(home, owner.st_uid, owner.st_gid)
    home.chmod(0o700)
    shutil.rmtree(home / "lost+found")
    _run("cp", "-a", f"{moved}/.", str(home))
    shutil.rmtree(moved)


def _off_small_disk(place: Place) -> None:
    """It has room again."""
    place.end(REPLICAS[-1])
    home = _small_disk(place)
    moved = home.with_suffix(".moved")
    _run("cp", "-a", str(home), str(moved))
    _run("umount", str(home))
    home.rmdir()
    moved.rename(home)


def _fill_disk(place: Place) -> None:
    """And go on changing things."""
    home = _small_disk(place)
    size, more = 0, shutil.disk_usage(home).free
    with (home / _BALLAST).open("wb") as ballast:
        while more > _LEFT_BYTES:
            try:
                os.posix_fallocate(ballast.fileno(), size, more)
                size += more
            except OSError:
                # What says where it lies takes some, too.
                more //= 2
    place.sql(PRIMARY, *[_CHANGE, _SWITCH] * _SEGMENTS)


def _free_disk(place: Place) -> None:
    (_small_disk(place) / _BALLAST).unlink()


def _small_disk(place: Place) -> Path:
    return (place.data / "postgres" / REPLICAS[-1]).resolve()


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=60)


# ---- Redis ----------------------------------------------------------------------------------


def _kill_master(place: Place) -> None:
    redis = place.redis
    place.redis.kill(next(port for port in redis.ports if redis.ask(port, "ROLE")[0] == "master"))


def _kill_redis(place: Place) -> None:
    for port in place.redis.ports:
        place.redis.kill(port)


FAULTS: Final = (
    Fault(
        "latency",
        "every answer of PostgreSQL, Redis and S3 comes 200 ms later",
        lambda place: place.lanes.last(LATE),
        ("LatencyBurn", "StatementsSlow"),
        mend=lambda place: place.lanes.last(0),
        before=lambda place: place.serve(through_lanes=True),
        after=lambda place: place.serve(through_lanes=False),
        # Three requests in ten have to be slow, of all there were in six hours.
        seconds=100.0,
    ),
    Fault("worker", "one of two processes that serve is killed", _kill_worker, ("ProcessLost",)),
    Fault(
        "frozen-worker",
        "one of two processes that serve stands still",
        _freeze_worker,
        ("LoopBlocked",),
        mend=_thaw_worker,
        seconds=8.0,
    ),
    Fault(
        "application",
        "all processes of the application are killed",
        lambda place: place.application.kill(),
        ("ApplicationDown", "InstanceDown"),
        mend=lambda place: place.application.start(),
        seconds=10.0,
    ),
    Fault(
        "renderers",
        "half of the processes that render are killed, again and again",
        _kill_renderers,
        ("RenderersMissing",),
        meanwhile=_kill_renderers,
        seconds=20.0,
    ),
    Fault(
        "replica",
        "a replica is killed",
        lambda place: place.kill(REPLICAS[0]),
        ("ReplicaDown",),
        seconds=20.0,
    ),
    Fault(
        "replicas",
        "all replicas are killed",
        lambda place: place.kill(*REPLICAS),
        ("ReplicaDown",),
        seconds=20.0,
    ),
    Fault(
        "lagging-replica",
        "a replica replays nothing",
        lambda place: _ask_first(place, "SELECT pg_wal_replay_pause()"),
        ("ReplicaLag",),
        mend=lambda place: _ask_first(place, "SELECT pg_wal_replay_resume()"),
    ),
    Fault(
        "full-disk",
        "the disk of a replica is full",
        _fill_disk,
        ("DiskFull", "ReplicaLag"),
        mend=_free_disk,
        before=_on_small_disk,
        after=_off_small_disk,
        seconds=25.0,
        by_root=True,
    ),
    Fault(
        "redis-master",
        "a master of Redis is killed",
        _kill_master,
        ("RedisNodeDown",),
        mend=lambda place: place.redis.bring_back(),
    ),
    Fault(
        "redis",
        "all of Redis is killed",
        _kill_redis,
        ("RedisDown", "RedisNodeDown"),
        mend=lambda place: place.redis.bring_back(),
    ),
    Fault("s3", "S3 is killed", lambda place: place.kill("s3"), ("ObjectStoreDown",)),
    # Of the old one there is nothing left, so it comes last.
    Fault(
        "primary",
        "the primary is killed; the standby is promoted ten seconds later",
        lambda place: place.kill(PRIMARY),
        ("PrimaryDown", "AvailabilityBurn"),
        mend=lambda place: place.promote(),
        seconds=10.0,
    ),
)

# Alerts of what no fault here brings about: why not.
ELSEWHERE: Final = {
    "Watchdog": "fires always",
    "RenderersCrash": "pictures that end whoever draws them, and not us",
    "PicturesBurn": "pictures that are slow, and not away",
    "FramesBurn": "changes that are told late, and not only to those who were cut off",
    "RequestsRefused": "more at once than these people are",
    "ConnectionsExhausted": "more processes than one machine has",
    "ArchiveBehind": "WAL is archived by the drill of recovery, and not here",
    "DrillOverdue": "weeks without a drill of recovery",
    "OutboxStuck": "an event whose handler fails for ten minutes",
    "RedisFull": "more keys than these people have",
    "CacheMisses": "a quarter of an hour without a cache",
    "CacheStale": "somebody who writes past the application",
    "PictureQueueFull": "more pictures at once than these people look at",
    "SocketsFull": "17,000 sockets for each process",
    "SocketsSlow": "phones that do not read",
    "DiskFills": "a disk that fills within a day, and not at once",
}


def _ask_first(place: Place, statement: str) -> None:
    place.sql(REPLICAS[0], statement)
