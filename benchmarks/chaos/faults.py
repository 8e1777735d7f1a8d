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

from benchmarks.chaos.guests import WATCHED, Guests
from benchmarks.chaos.place import PRIMARY, REPLICAS, Place

Act = Callable[[Place], None]

LATE: Final = 0.2
"""Seconds that each answer takes longer."""

_DISK_BYTES: Final = 400_000_000
_LEFT_BYTES: Final = 4096
# A third is free at first; then it is less, four times a second.
_FREE_SHARE: Final = 1 / 3
_GRAIN: Final = 100_000
_BALLAST: Final = "ballast"
# Seconds until a process that renders has begun to.
_YOUNG: Final = 2.0
# Tags of one change that are told one by one (migration 0012).
_OF_A_CHANGE: Final = 200
_CHANGES: Final = 10
_TELL: Final = (
    "SELECT tell_cache(ARRAY(SELECT 'product-' || each FROM generate_series({}, {}) each), '{{}}')"
)
# Of what Redis holds, what it may hold.
_MEMORY_SHARE: Final = 0.98
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


def _freeze_renderers(place: Place) -> None:
    """All that have begun: who comes in their place is to get a picture, too."""
    for several in place.renderers():
        for pid in several:
            with suppress(OSError):
                if place.age(pid) > _YOUNG:
                    os.kill(pid, signal.SIGSTOP)


def _thaw_renderers(place: Place) -> None:
    for several in place.renderers():
        for pid in several:
            with suppress(OSError):
                os.kill(pid, signal.SIGCONT)


# ---- the database ---------------------------------------------------------------------------


def _change_unseen(place: Place) -> None:
    """Without the triggers that tell the cache."""
    change = "UPDATE products SET description = description || ' '"
    place.sql(PRIMARY, "SET session_replication_role = replica", change)


def _change_back(place: Place) -> None:
    """And tell."""
    place.sql(PRIMARY, "UPDATE products SET description = rtrim(description)")


def _change_much(place: Place) -> None:
    """As far as anybody is told: one more of a change would have all dishes be another."""
    firsts = range(WATCHED, WATCHED + _CHANGES * _OF_A_CHANGE, _OF_A_CHANGE)
    place.sql(PRIMARY, *(_TELL.format(first, first + _OF_A_CHANGE - 1) for first in firsts))


def _archive(place: Place) -> None:
    """Have WAL archived, every few seconds, to nowhere; that begins with a start only."""
    _configure(place, archive_mode="on", archive_command="true", archive_timeout="3s")
    place.restart(PRIMARY)


def _archive_no_more(place: Place) -> None:
    settings = "archive_mode", "archive_command", "archive_timeout"
    # Or it would be told for ever how long ago something was archived.
    forget = "SELECT pg_stat_reset_shared('archiver')"
    place.sql(PRIMARY, *(f"ALTER SYSTEM RESET {each}" for each in settings), forget)
    place.restart(PRIMARY)


def _configure(place: Place, **settings: str) -> None:
    changed = (f"ALTER SYSTEM SET {name} = '{value}'" for name, value in settings.items())
    place.sql(PRIMARY, *changed, "SELECT pg_reload_conf()")


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
    """It has room again; where it never came to the small one, it is as it was."""
    home = _small_disk(place)
    moved = home.with_suffix(".moved")
    if os.path.ismount(home):
        place.end(REPLICAS[-1])
        if not moved.exists():
            _run("cp", "-a", str(home), str(moved))
        _run("umount", str(home))
    if moved.exists():
        shutil.rmtree(home, ignore_errors=True)
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


def _begin_to_fill_disk(place: Place) -> None:
    disk = shutil.disk_usage(_small_disk(place))
    _lay(place, max(_GRAIN, disk.free - round(disk.total * _FREE_SHARE)))


def _fill_disk_further(place: Place) -> None:
    _lay(place, _GRAIN)


def _lay(place: Place, more: int) -> None:
    with (_small_disk(place) / _BALLAST).open("ab") as ballast, suppress(OSError):
        # Where there is no room any more, it is full.
        os.posix_fallocate(ballast.fileno(), ballast.tell(), more)


def _free_disk(place: Place) -> None:
    (_small_disk(place) / _BALLAST).unlink(missing_ok=True)


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


def _bind_memory(place: Place) -> None:
    """Of one master, to less than it holds."""
    master = next(
        port for port in place.redis.ports if place.redis.ask(port, "ROLE")[0] == "master"
    )
    held = int(place.redis.ask(master, "INFO", "memory")["used_memory"])
    place.redis.ask(master, "CONFIG", "SET", "maxmemory", round(held * _MEMORY_SHARE))


def _free_memory(place: Place) -> None:
    """To what the others may hold."""
    bounds = [
        int(place.redis.ask(port, "CONFIG", "GET", "maxmemory")["maxmemory"])
        for port in place.redis.ports
    ]
    for port in place.redis.ports:
        place.redis.ask(port, "CONFIG", "SET", "maxmemory", max(bounds))


# ---- who comes besides ----------------------------------------------------------------------

_ASKERS: Final = Guests("ask")
_SPECTATORS: Final = Guests("look")
_SITTERS: Final = Guests("sit")
_SLEEPERS: Final = Guests("sleep")
_CONNECTED: Final = Guests("connect")


FAULTS: Final = (
    Fault(
        "latency",
        "every answer of PostgreSQL, Redis and S3 comes 200 ms later",
        lambda place: place.lanes.last(LATE),
        ("LatencyBurn", "StatementsSlow", "CacheMisses", "FramesBurn"),
        mend=lambda place: place.lanes.last(0),
        before=lambda place: place.serve(through_lanes=True),
        after=lambda place: place.serve(),
        # Three requests in ten have to be slow, of all there were in six hours.
        seconds=120.0,
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
        "frozen-renderers",
        "all that render stand still, and whoever comes in their place, while 40 pictures a second "
        "are asked for that nobody has seen",
        _SPECTATORS.come,
        ("RenderersCrash", "PictureQueueFull", "PicturesBurn"),
        meanwhile=_freeze_renderers,
        mend=_thaw_renderers,
        after=_SPECTATORS.leave,
        # Seven pictures in ten have to be slow, of all there were in an hour.
        seconds=75.0,
    ),
    Fault(
        "crowd",
        "2,500 more ask at once, and again as soon as they are answered",
        _ASKERS.come,
        ("RequestsRefused",),
        mend=_ASKERS.leave,
    ),
    Fault(
        "sleepers",
        "four phones a second come to watch dishes, do not read, and 8,000 dishes a second change",
        _SLEEPERS.come,
        ("SocketsSlow",),
        meanwhile=_change_much,
        mend=_SLEEPERS.leave,
        seconds=40.0,
    ),
    Fault(
        "sockets",
        "17,400 sockets more come to the one process that serves",
        _SITTERS.come,
        ("SocketsFull",),
        mend=_SITTERS.leave,
        before=lambda place: place.serve(processes=1),
        after=lambda place: place.serve(),
        # Who has not said what it wants after 45 s has to go.
        seconds=30.0,
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
        "filling-disk",
        "the disk of a replica fills slowly",
        _begin_to_fill_disk,
        ("DiskFills",),
        meanwhile=_fill_disk_further,
        mend=_free_disk,
        before=_on_small_disk,
        after=_off_small_disk,
        seconds=80.0,
        by_root=True,
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
        ("RedisDown", "RedisNodeDown", "OutboxStuck"),
        mend=lambda place: place.redis.bring_back(),
        # An event has to wait for ten of them.
        seconds=25.0,
    ),
    Fault(
        "full-redis",
        "a master of Redis may hold no more than it does",
        _bind_memory,
        ("RedisFull",),
        mend=_free_memory,
        seconds=20.0,
    ),
    Fault(
        "unseen",
        "all dishes are changed by somebody who tells the cache nothing",
        _change_unseen,
        ("CacheStale",),
        mend=_change_back,
        seconds=20.0,
    ),
    Fault(
        "connections",
        "somebody takes 130 of the 200 connections to the primary",
        _CONNECTED.come,
        ("ConnectionsExhausted",),
        mend=_CONNECTED.leave,
    ),
    Fault(
        "archive",
        "WAL is archived no more",
        lambda place: _configure(place, archive_command="false"),
        ("ArchiveBehind",),
        mend=lambda place: _configure(place, archive_command="true"),
        before=_archive,
        after=_archive_no_more,
        seconds=20.0,
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
    "Watchdog": "fires always, and did before the first fault",
    "DrillOverdue": "a Kubernetes whose job of recovery has not run for weeks",
}


def _ask_first(place: Place, statement: str) -> None:
    place.sql(REPLICAS[0], statement)
