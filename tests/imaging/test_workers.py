"""Whatever a job does to its process, it costs one answer and never the pool."""

import asyncio
import contextlib
import gc
import os
import random
import signal
import subprocess
import sys
import time
import weakref
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import pytest
import uvloop

from imaging.jobs import JOBS
from imaging.picture import Kind, PictureError
from imaging.wire import contract
from imaging.workers import (
    Job,
    JobFailedError,
    Limits,
    OverloadedError,
    Priority,
    WorkerCrashedError,
    WorkerError,
    WorkerMemoryError,
    Workers,
    WorkersUnavailableError,
    WorkerTimeoutError,
)
from tests.imaging import jobs

REGISTRY = "tests.imaging.jobs"
ROOT = Path(__file__).parents[2]


@asynccontextmanager
async def started(registry: str = REGISTRY, /, **limits: Any) -> AsyncIterator[Workers]:
    workers = Workers(Limits(**({"processes": 2, "patience": 60.0} | limits)), registry)
    await workers.start()
    try:
        yield workers
    finally:
        await workers.close()


@pytest.fixture
async def pool() -> AsyncIterator[Workers]:
    """Two processes."""
    async with started() as workers:
        yield workers


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - what is waited for happens in other processes
            await asyncio.sleep(0.005)


async def whole(workers: Workers, processes: int = 2) -> None:
    """Every process is there, and does something: on as many at once as there are."""
    await until(lambda: workers.metrics.alive == processes)
    naps = (workers.run(Job(jobs.sleep, 0.2), 1) for _ in range(processes))
    assert len(set(await asyncio.gather(*naps))) == processes
    assert workers.metrics.running == workers.metrics.waiting == workers.metrics.pixels == 0


class Held:
    """A job that runs until it is let go."""

    def __init__(self, workers: Workers, marker: Path, pixels: int = 1, **place: Any) -> None:
        self._marker = marker
        self.task = asyncio.create_task(workers.run(Job(jobs.hold, str(marker)), pixels, **place))

    async def runs(self) -> "Held":
        await until(self._marker.exists)
        return self

    async def let_go(self) -> int:
        self._marker.unlink()
        return await self.task


# --- results and refusals ----------------------------------------------------------------


async def test_a_result_crosses_with_its_type_and_the_arguments_with_theirs(pool: Workers) -> None:
    body, tail = b"\x89PNG" + bytes(8_000_000), b"\x00\xff"
    measured = await pool.run(Job(jobs.measure, body, 5, tail), 1)
    assert measured == jobs.Measured(measured.pid, 8_000_006, b"\x89PNG\x00\x00\xff")
    assert measured.pid != os.getpid()


@pytest.mark.parametrize("size", [0, 1, 70_000, 41_000_000])
async def test_a_picture_of_any_size_arrives_whole(pool: Workers, size: int) -> None:
    body = random.Random(size).randbytes(size)
    assert await pool.run(Job(jobs.echo, body), 1) == body


async def test_a_picture_is_let_go_with_its_answer(pool: Workers) -> None:
    job = Job(jobs.echo, bytes(1_000_000))
    kept = weakref.ref(job)
    await pool.run(job, 1)
    await asyncio.sleep(0)
    del job
    assert kept() is None


async def test_a_parameter_with_a_default_may_be_left_out(pool: Workers) -> None:
    assert await pool.run(Job(jobs.defaulted, b"ab"), 1) == 2
    assert await pool.run(Job(jobs.defaulted, b"ab", 10), 1) == 20


async def test_a_refusal_is_the_callers_and_costs_no_process(pool: Workers) -> None:
    before = await pool.run(Job(jobs.pid), 1)
    with pytest.raises(PictureError, match="seven scans") as refused:
        await pool.run(Job(jobs.refuse, Kind.BROKEN, "It has seven scans."), 1)
    assert refused.value.kind is Kind.BROKEN
    assert await pool.run(Job(jobs.pid), 1) == before
    assert pool.metrics.refused == 1


async def test_a_bug_is_named_and_logged_and_costs_no_process(
    pool: Workers, caplog: pytest.LogCaptureFixture
) -> None:
    whose: ContextVar[str] = ContextVar("whose", default="nobody's")
    logged = []

    def note(_: object) -> bool:
        logged.append(whose.get())
        return True

    caplog.handler.addFilter(note)
    before = await pool.run(Job(jobs.pid), 1)
    whose.set("the caller's")
    with pytest.raises(JobFailedError, match="KeyError: 'nobody thought of this'"):
        await pool.run(Job(jobs.blunder), 1)
    assert "in blunder" in caplog.text
    # It carries the id of the request, and not of the one that had the process started.
    assert logged == ["the caller's"]
    assert await pool.run(Job(jobs.pid), 1) == before


async def test_only_what_is_registered_can_be_asked_for(pool: Workers) -> None:
    with pytest.raises(JobFailedError, match="KeyError: 'unregistered'"):
        await pool.run(Job(jobs.unregistered), 1)


def test_every_job_of_production_can_cross_and_has_a_name_of_its_own() -> None:
    assert len({job.__name__ for job in JOBS}) == len(JOBS)
    for job in JOBS:
        contract(job)


# --- processes that do not come back --------------------------------------------------------


@pytest.mark.parametrize("job", [Job(jobs.spin), Job(jobs.sleep, 3600.0)], ids=lambda job: job.name)
async def test_a_job_that_does_not_end_is_killed_and_the_pool_goes_on(job: Job[Any]) -> None:
    async with started(time_limit=0.5) as workers:
        with pytest.raises(WorkerTimeoutError, match=job.name):
            await workers.run(job, 1)
        await whole(workers)
        assert workers.metrics.timed_out == 1
        assert workers.metrics.started == 3


@pytest.mark.parametrize(
    ("job", "error", "words"),
    [
        (Job(jobs.crash), WorkerCrashedError, "killed by signal 11"),
        (Job(jobs.leave, 3), WorkerCrashedError, "exited with status 3"),
        (Job(jobs.leave, 0), WorkerCrashedError, "exited with status 0"),
        (Job(jobs.devour), WorkerMemoryError, "more memory"),
        (Job(jobs.devour_natively), WorkerCrashedError, "killed by signal 6"),
        (Job(jobs.close), WorkerCrashedError, "closed its socket"),
        (Job(jobs.announce, 2**32 - 1), WorkerCrashedError, "announced a reply"),
        (Job(jobs.announce, 5), WorkerCrashedError, "not understood"),
        (Job(jobs.mistype), WorkerCrashedError, "returned nonsense"),
    ],
    ids=lambda value: value.name if isinstance(value, Job) else "",
)
async def test_a_lost_process_costs_one_request(
    tmp_path: Path, job: Job[Any], error: type[WorkerError], words: str
) -> None:
    async with started(memory_limit=200 << 20) as workers:
        other = await Held(workers, tmp_path / "other").runs()
        queued = asyncio.create_task(workers.run(Job(jobs.pid), 1))
        with pytest.raises(error, match=words):
            await asyncio.gather(workers.run(job, 1), queued)
        assert await queued > 0
        assert await other.let_go() > 0
        await whole(workers)
        assert workers.metrics.started == 3


async def test_an_idle_process_that_is_killed_costs_nothing(pool: Workers) -> None:
    pids = await asyncio.gather(*(pool.run(Job(jobs.sleep, 0.2), 1) for _ in range(2)))
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    await until(lambda: pool.metrics.started == 4)
    await whole(pool)
    assert pool.metrics.crashed == 0
    assert pool.metrics.start_failures == 0


async def test_a_busy_process_that_is_killed_costs_its_request(
    pool: Workers, tmp_path: Path
) -> None:
    pid = await pool.run(Job(jobs.pid), 1)
    held = await Held(pool, tmp_path / "held").runs()
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(WorkerCrashedError, match="killed by signal 9"):
        await held.task
    await whole(pool)


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
async def test_what_a_terminal_or_a_supervisor_sends_to_all_ends_no_job(
    pool: Workers, tmp_path: Path, sent: signal.Signals
) -> None:
    pid = await pool.run(Job(jobs.pid), 1)
    held = await Held(pool, tmp_path / "held").runs()
    os.kill(pid, sent)
    assert await held.let_go() == pid


async def test_two_hundred_jobs_survive_a_killer(pool: Workers) -> None:
    chance = random.Random(7)
    pids: set[int] = set()
    killed = 0

    async def job(number: int) -> str:
        try:
            with pool.admit(1) as place:
                pids.add(await place.run(Job(jobs.pid)))
                await place.run(Job(jobs.measure, bytes(chance.randrange(300_000)), 1, b""))
                await place.run(Job(jobs.sleep, 0.005))
        except (WorkerCrashedError, WorkersUnavailableError) as error:
            return type(error).__name__
        return "done"

    async def kill_at_random() -> None:
        nonlocal killed
        while True:
            await asyncio.sleep(chance.random() / 10)
            with contextlib.suppress(ProcessLookupError):
                pid = chance.choice(sorted(pids)) if pids else 0
                if pid and parent_of(pid) == os.getpid():
                    os.kill(pid, signal.SIGKILL)
                    killed += 1

    killer = asyncio.create_task(kill_at_random())
    ended = []
    async with asyncio.timeout(120):
        for start in range(0, 200, 20):
            ended += await asyncio.gather(*(job(start + each) for each in range(20)))
            await until(lambda: pool.metrics.alive > 0)
    killer.cancel()
    assert len(ended) == 200
    assert ended.count("done") > 100
    assert killed >= 3
    await whole(pool)


def parent_of(pid: int) -> int:
    """The process whose child `pid` is; 0 when there is none such."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


async def test_a_process_is_replaced_after_so_many_jobs() -> None:
    async with started(processes=1, recycle_after=3) as workers:
        pids = [await workers.run(Job(jobs.pid), 1) for _ in range(9)]
        assert [pids.count(pid) for pid in dict.fromkeys(pids)] == [3, 3, 3]
        await until(lambda: workers.metrics.recycled == 3)


async def test_a_process_that_keeps_memory_is_replaced() -> None:
    async with started(processes=1, recycle_above=100 << 20) as workers:
        pids = [await workers.run(Job(jobs.grow, 30 << 20), 1) for _ in range(6)]
        assert 2 <= len(set(pids)) < 6


async def test_nothing_stays_open_after_many_processes() -> None:
    async with started() as workers:
        before = open_descriptors()
        for _ in range(15):
            with pytest.raises(WorkerCrashedError):
                await workers.run(Job(jobs.leave, 1), 1)
        await whole(workers)
        assert open_descriptors() == before
    assert open_descriptors() == before - 4  # a socket and a pidfd for each process


def open_descriptors() -> int:
    gc.collect()  # of tests before
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize("moment", [0.0, 0.01, 0.05, 0.2])
async def test_closing_at_any_moment_leaves_no_process(moment: float) -> None:
    """While they start, while one ends and while one is replaced."""
    before = open_descriptors()
    workers = Workers(Limits(processes=2, recycle_after=1), REGISTRY)
    starting = asyncio.create_task(workers.start())
    await asyncio.sleep(moment)
    tasks = [asyncio.create_task(workers.run(Job(jobs.pid), 1)) for _ in range(8)]
    await asyncio.sleep(moment)
    await workers.close()
    await starting
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(each, int | WorkersUnavailableError) for each in outcomes)
    assert open_descriptors() == before


async def test_a_process_knows_no_secret_and_holds_nothing_of_the_servers(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("COMANDA_TOKEN_SECRET", "hush")
    with (tmp_path / "open").open("w") as ours:
        os.set_inheritable(ours.fileno(), True)
        async with started() as workers:
            environment = await workers.run(Job(jobs.environment), 1)
            assert await workers.run(Job(jobs.descriptors), 1) == [0, 1, 2]
    assert "hush" not in environment.values()
    assert not [name for name in environment if name.startswith("COMANDA")]


# --- the life of the pool ----------------------------------------------------------------


async def test_two_jobs_run_at_once_in_two_processes(pool: Workers, tmp_path: Path) -> None:
    one = await Held(pool, tmp_path / "one").runs()
    other = await Held(pool, tmp_path / "other").runs()
    assert await one.let_go() != await other.let_go()


async def test_without_a_process_every_request_is_refused_and_none_hangs(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with started("tests.imaging.no_such_module") as workers:
        assert workers.metrics.alive == 0
        with pytest.raises(WorkersUnavailableError) as refused:
            await workers.run(Job(jobs.pid), 1)
        assert refused.value.retry_after >= 1
    assert "exited with status 1" in caplog.text


async def test_a_job_that_waits_for_the_first_process_is_refused_when_that_fails() -> None:
    workers = Workers(Limits(processes=1), "tests.imaging.no_such_module")
    starting = asyncio.create_task(workers.start())
    await asyncio.sleep(0)
    with pytest.raises(WorkersUnavailableError):
        await workers.run(Job(jobs.pid), 1)
    await starting
    await workers.close()


async def test_a_pool_recovers_when_its_processes_can_start_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    async with started("late_jobs") as workers:
        assert workers.metrics.alive == 0
        (tmp_path / "late_jobs.py").write_text("from tests.imaging.jobs import JOBS\n")
        await whole(workers)
        assert workers.metrics.start_failures >= 2


async def test_starts_that_fail_are_further_and_further_apart() -> None:
    async with started("tests.imaging.no_such_module", processes=1) as workers:
        first = workers._pause
        await until(lambda: workers.metrics.start_failures == 3)
        assert workers._pause == 4 * first
    workers._failed_starts = 10_000
    assert workers._pause == 30


async def test_a_process_that_ends_before_it_has_a_job_has_failed_to_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "fleeting_jobs.py").write_text(
        "import os, threading; threading.Timer(0.02, os._exit, (7,)).start(); JOBS = ()"
    )
    async with started("fleeting_jobs", processes=1) as workers:
        await until(lambda: workers.metrics.start_failures == 2)
        assert workers.metrics.started == 2
        with pytest.raises(WorkersUnavailableError):
            await workers.run(Job(jobs.pid), 1)


async def test_a_process_that_is_not_ready_in_time_is_given_up(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with started(processes=1, start_limit=0.001) as workers:
        with pytest.raises(WorkersUnavailableError):
            await workers.run(Job(jobs.pid), 1)
    assert "not ready in 0.001 s" in caplog.text


async def test_closing_ends_what_waits_and_what_runs_and_leaves_no_process(tmp_path: Path) -> None:
    async with started(processes=1) as workers:
        pid = await workers.run(Job(jobs.pid), 1)
        held = await Held(workers, tmp_path / "held").runs()
        queued = asyncio.create_task(workers.run(Job(jobs.pid), 1))
        await asyncio.sleep(0)
    for task in (held.task, queued):
        with pytest.raises(WorkersUnavailableError):
            await task
    assert parent_of(pid) != os.getpid()
    with pytest.raises(WorkersUnavailableError):
        await workers.run(Job(jobs.pid), 1)


PARENT = """
import asyncio
from imaging.wire import Job
from imaging.workers import Limits, Workers
from tests.imaging import jobs

async def main():
    workers = Workers(Limits(processes=2, time_limit=3600.0), "tests.imaging.jobs")
    await workers.start()
    pids = await asyncio.gather(*(workers.run(Job(jobs.sleep, 0.2), 1) for _ in range(2)))
    asyncio.create_task(workers.run(Job(jobs.spin), 1))
    await asyncio.sleep(0.1)
    print(*pids, flush=True)
    await asyncio.sleep(3600)

asyncio.run(main())
"""


def test_a_server_that_is_killed_leaves_no_process_behind() -> None:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True, env=environment
    ) as parent:
        assert parent.stdout is not None
        idle_and_busy = [int(pid) for pid in parent.stdout.readline().split()]
        parent.kill()
    assert len(set(idle_and_busy)) == 2
    deadline = time.monotonic() + 30
    while any(lives(pid) for pid in idle_and_busy):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def lives(pid: int) -> bool:
    """Whether it runs; one that has ended may stay a zombie where nobody adopts orphans."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_the_pool_keeps_its_promises_on_uvloop_too(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with started(time_limit=0.5, queue_pixels=100) as workers:
            assert (await workers.run(Job(jobs.measure, bytes(50), 1, b""), 1)).length == 50
            for job in (Job(jobs.spin), Job(jobs.crash), Job(jobs.leave, 1)):
                with pytest.raises(WorkerError):
                    await workers.run(job, 1)
            await whole(workers)
            with workers.admit(100), pytest.raises(OverloadedError):
                await workers.run(Job(jobs.pid), 1)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(scenario())


# --- who is let in ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limits", "inside", "another"),
    [
        ({"queue_pixels": 100}, [60, 40], 1),
        ({"queue_pixels": 100}, [60], 41),
        ({"queue_pixels": 100}, [1_000], 1),
        ({"queue_jobs": 3}, [1, 1, 1], 1),
    ],
)
async def test_what_exceeds_the_room_is_refused_while_the_others_still_work(
    tmp_path: Path, limits: dict[str, Any], inside: list[int], another: int
) -> None:
    async with started(processes=1, **limits) as workers:
        first = await Held(workers, tmp_path / "0", inside[0]).runs()
        rest = [asyncio.create_task(workers.run(Job(jobs.pid), pixels)) for pixels in inside[1:]]
        await asyncio.sleep(0)
        with pytest.raises(OverloadedError) as refused:
            await workers.run(Job(jobs.pid), another)
        assert 1 <= refused.value.retry_after <= 30
        assert not first.task.done()
        assert workers.metrics.overloaded == 1
        assert {await first.let_go()} | set(await asyncio.gather(*rest))
        assert await workers.run(Job(jobs.pid), another)


async def test_a_file_of_more_bytes_than_pixels_counts_by_its_bytes() -> None:
    async with started(queue_pixels=1_000_000) as workers:
        with workers.admit(1), pytest.raises(OverloadedError):
            await workers.run(Job(jobs.echo, bytes(1_000_000)), 1)
        assert workers.metrics.pixels == 0
        assert len(await workers.run(Job(jobs.echo, bytes(1_000_000)), 1)) == 1_000_000


async def test_who_waits_too_long_is_refused_and_never_runs(tmp_path: Path) -> None:
    async with started(processes=1, patience=0.15) as workers:
        first = await Held(workers, tmp_path / "first").runs()
        late = Held(workers, tmp_path / "late")
        with pytest.raises(OverloadedError, match="within"):
            await late.task
        await first.let_go()
        await workers.run(Job(jobs.pid), 1)
        assert not (tmp_path / "late").exists()
        assert workers.metrics.overloaded == 1


async def test_who_goes_away_while_waiting_is_dropped_and_never_runs(tmp_path: Path) -> None:
    async with started(processes=1, queue_jobs=2) as workers:
        first = await Held(workers, tmp_path / "first").runs()
        gone = Held(workers, tmp_path / "gone")
        await until(lambda: workers.metrics.waiting == 1)
        gone.task.cancel()
        await asyncio.wait({gone.task})
        assert (workers.metrics.waiting, workers.metrics.abandoned) == (0, 1)
        after = asyncio.create_task(workers.run(Job(jobs.pid), 1))  # there is room again
        await first.let_go()
        await after
        assert not (tmp_path / "gone").exists()


async def test_who_goes_away_at_the_moment_a_process_is_free_is_dropped_too() -> None:
    workers = Workers(Limits(processes=1))
    gone = asyncio.create_task(workers.run(Job(jobs.pid), 1))
    await asyncio.sleep(0)
    gone.cancel()
    idle = asyncio.get_running_loop().create_future()
    workers._idle.append(idle)
    workers._dispatch()
    assert not idle.done()
    await asyncio.wait({gone})


async def test_who_goes_away_while_it_runs_leaves_the_process_whole(tmp_path: Path) -> None:
    async with started(processes=1, queue_jobs=1) as workers:
        pid = await workers.run(Job(jobs.pid), 1)
        gone = await Held(workers, tmp_path / "gone", 7).runs()
        gone.task.cancel()
        await asyncio.wait({gone.task})
        assert workers.metrics.pixels == 7  # still worked on, so still counted
        with pytest.raises(OverloadedError):
            await workers.run(Job(jobs.pid), 1)
        (tmp_path / "gone").unlink()
        await until(lambda: workers.metrics.pixels == 0)
        assert await workers.run(Job(jobs.pid), 1) == pid


async def test_a_place_is_held_while_the_picture_is_fetched_and_tells_the_times(
    tmp_path: Path,
) -> None:
    async with started(processes=1, queue_jobs=1) as workers:
        with workers.admit(50) as place:
            with pytest.raises(OverloadedError), workers.admit(1):
                pass
            assert workers.metrics.pixels == 50
            await place.run(Job(jobs.sleep, 0.1))
            assert place.ran >= 0.1
            assert place.waited >= 0
        with workers.admit(1):
            assert workers.metrics.pixels == 1


async def test_people_are_served_before_the_background(tmp_path: Path) -> None:
    served: list[str] = []

    async def job(name: str, priority: Priority) -> None:
        await workers.run(Job(jobs.pid), 1, priority)
        served.append(name)

    async with started(processes=1) as workers:
        first = await Held(workers, tmp_path / "first").runs()
        queued = [
            asyncio.create_task(job(name, priority))
            for name, priority in (
                ("background 1", Priority.BACKGROUND),
                ("background 2", Priority.BACKGROUND),
                ("person 1", Priority.INTERACTIVE),
                ("person 2", Priority.INTERACTIVE),
            )
        ]
        await until(lambda: workers.metrics.waiting == 4)
        await first.let_go()
        await asyncio.gather(*queued)
    assert served == ["person 1", "person 2", "background 1", "background 2"]


async def test_the_background_never_has_all_processes(pool: Workers, tmp_path: Path) -> None:
    background = [
        Held(pool, tmp_path / name, priority=Priority.BACKGROUND) for name in ("one", "two")
    ]
    await background[0].runs()
    assert await pool.run(Job(jobs.pid), 1) > 0  # by the process that is kept for people
    assert (pool.metrics.running, pool.metrics.waiting) == (1, 1)
    await background[0].let_go()
    await (await background[1].runs()).let_go()


async def test_the_background_goes_on_by_another_process_when_its_own_is_lost(
    pool: Workers, tmp_path: Path
) -> None:
    last = await (await Held(pool, tmp_path / "first").runs()).let_go()
    background = [
        asyncio.create_task(pool.run(job, 1, Priority.BACKGROUND))
        for job in (Job(jobs.leave, 1), Job(jobs.pid))
    ]
    lost, done = await asyncio.gather(*background, return_exceptions=True)
    assert isinstance(lost, WorkerCrashedError)
    assert done != last
    assert pool.metrics.started == 2  # it did not wait for the replacement


@pytest.mark.parametrize("limits", [{"queue_jobs": 4}, {"queue_pixels": 40}])
async def test_the_background_fills_at_most_half_of_the_room(limits: dict[str, Any]) -> None:
    async with started(**limits) as workers:
        with workers.admit(10, Priority.BACKGROUND), workers.admit(10, Priority.BACKGROUND):
            with pytest.raises(OverloadedError), workers.admit(10, Priority.BACKGROUND):
                pass
            with workers.admit(10), workers.admit(10):
                assert workers.metrics.pixels == 40


@pytest.mark.parametrize("name", ["processes", "time_limit", "memory_limit", "queue_pixels"])
def test_a_limit_that_allows_nothing_is_a_mistake(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        Limits(**{name: 0})
