"""Whose time it is that py-spy saw a server spend."""

from benchmarks.profile.__main__ import Profile, table
from benchmarks.profile.attribute import COLLECTOR, RECEIVE, REST, SEND, shared

_LOOP = "run (uvicorn/main.py:632);run_forever (loop.c:33397);uv_run (core.c:464)"
_ASKED = f"{_LOOP};BoundedProtocol.data_received (bff/edge/protocol.py:108)"
# As py-spy told of a server that answered some requests, shortened.
STACKS = f"""\
{_LOOP};uv__io_poll (linux.c:1452);epoll_pwait (libc.so.6) 211
{_LOOP};uv__io_poll (linux.c:1380) 3
{_LOOP};uv__read (stream.c:1043);read (libc.so.6) 7
{_ASKED};write (libc.so.6) 40
{_ASKED};Cache.holds (domain/cache/cache.py:178) 2
{_ASKED};run (domain/events.py:158);property.__get__ (enum.py:196) 1
{_ASKED};fetch (asyncpg/connection.py:2003);decode (protocol.c:65752);malloc (libc.so.6) 5
{_ASKED};<lambda> (<string>:1);Py_DECREF (object.h:537) 4
{_ASKED};gc_collect_main (gcmodule.c:1250);visit_decref (gcmodule.c:460) 6
_bootstrap (threading.py:1002);_worker (concurrent/futures/thread.py:81);\
PyThread_acquire_lock_timed (libpython3.11.so.1.0);0x7f1f4249af16 (libc.so.6) 199
main (imaging/worker_process.py:53);resize (PIL/Image.py:2323);ImagingResample (Resample.c:651) 8
main (imaging/worker_process.py:53);load (PIL/ImageFile.py:389);0x7ff4cd381208 (libjpeg.so.62.3.0) 9
_start (python3.11) 1
"""


def test_each_look_counts_for_the_innermost_who_is_somebody_and_none_for_who_waits() -> None:
    assert shared(STACKS) == {
        SEND: 40,
        RECEIVE: 7,
        COLLECTOR: 6,
        "uvloop": 3,
        "asyncpg": 5,
        "bff.edge": 4,
        "domain.cache": 2,
        "domain": 1,
        "Pillow": 8,
        "libjpeg": 9,
        REST: 1,
    }


def test_the_parts_of_a_path_come_to_the_whole_of_it() -> None:
    profiles = {"a path": Profile(86e-6, shared(STACKS)), "idle": Profile(1e-6, shared("a 1"))}
    text = table(profiles, {"a path": 35.0})
    rows = [line.strip("| ").split(" | ") for line in text.splitlines()]
    assert rows[0] == ["CPU µs", "a path", "idle"]
    assert rows[2] == ["all", "86", "1.0"]
    assert [SEND, "40", "0.0"] in rows
    assert text.splitlines()[3] == "| the floor | 35 |  |"
    assert sum(float(row[1]) for row in rows[4:]) == 86
    # What is little everywhere is told together.
    assert "| domain |" not in text
