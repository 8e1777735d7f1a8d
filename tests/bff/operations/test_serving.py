"""Processes as they are run: they tell when they are ready, and end when nobody needs them."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import msgspec
import pytest

from bff.operations import readiness
from bff.operations.figures import Snapshot
from bff.operations.readiness import State, _next
from bff.settings import Settings
from domain.database import Cluster
from domain.events import Relay
from domain.product_sales import ProductSales
from domain.redis import Nodes
from domain.sweeper import Sweeper
from imaging.shelves import Shelves
from tests.bff.edge.test_limits import Serve, redis_that_can_go
from tests.bff.operations.test_figures import COUNT, of, scraped
from tests.serving import command, environment, free_port, until_ended, until_healthy


@asynccontextmanager
async def served(
    settings: Settings, workers: int = 1, at: int | None = None, **given: str
) -> AsyncIterator[tuple[subprocess.Popen[bytes], str]]:
    """The application in processes of its own; the first of them, and where it answers."""
    port = at or free_port()
    url = f"http://127.0.0.1:{port}"
    process = subprocess.Popen(  # noqa: ASYNC220
        command(port, workers), env=environment(settings) | given, start_new_session=True
    )
    try:
        await until_healthy(url)
        yield process, url
    finally:
        if process.poll() is None:
            process.terminate()
        until_ended(process)


def children(process: int) -> list[int]:
    """Those that serve."""
    told = Path(f"/proc/{process}/task/{process}/children").read_text()
    names = {int(each): Path(f"/proc/{each}/cmdline").read_text() for each in told.split()}
    return [each for each, name in names.items() if "spawn_main" in name]


async def until(holds: Callable[[], Awaitable[bool]], wanted: bool = True) -> None:
    """Returns when it does, or does not any more; TimeoutError after half a minute."""
    async with asyncio.timeout(30):
        while await holds() is not wanted:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_a_sigterm_is_told_before_anybody_is_turned_away_and_what_came_is_answered(
    settings: Settings, shelves: Shelves
) -> None:
    async with (
        served(settings, COMANDA_DRAIN_SECONDS="4") as (process, url),
        httpx.AsyncClient() as client,
        httpx.AsyncClient() as patient,
    ):

        async def is_ready() -> bool:
            return (await client.get(f"{url}/ready")).status_code == 200

        await until(is_ready)
        has_begun, may_end = asyncio.Event(), asyncio.Event()

        async def body() -> AsyncIterator[bytes]:
            yield b'{"email": "student1@campus.example", '
            has_begun.set()
            await may_end.wait()
            yield b'"password": "comanda"}'

        json = {"content-type": "application/json"}
        login = patient.post(f"{url}/auth/login", content=body(), headers=json, timeout=60)
        waiting = asyncio.create_task(login)
        await has_begun.wait()
        process.send_signal(signal.SIGTERM)
        await until(is_ready, False)
        told = await client.get(f"{url}/ready")
        assert (told.status_code, told.json()["status"]) == (503, "draining")
        # It still serves who has not heard of that, on connections that end with the answer.
        menu = await client.get(f"{url}/api/categories")
        assert (menu.status_code, menu.headers["connection"]) == (200, "close")
        await until(lambda: answers(client, url), False)
        assert process.poll() is None
        may_end.set()
        assert (await waiting).status_code == 200
        assert process.wait(30) in (0, -signal.SIGTERM)


async def answers(client: httpx.AsyncClient, url: str) -> bool:
    try:
        await client.get(f"{url}/health")
    except httpx.TransportError:
        return False
    return True


async def test_several_processes_share_a_port_and_answer_for_each_other(
    settings: Settings, shelves: Shelves
) -> None:
    async with served(settings, workers=2) as (process, url):

        async def ask() -> int:
            # A connection of its own, for each of which the system chooses a process.
            async with httpx.AsyncClient() as client:
                return (await client.get(f"{url}/api/categories")).status_code

        async def have_told(processes: int, requests: float) -> bool:
            files = [*directory.glob("*.figures")]
            told = [msgspec.msgpack.decode(each.read_bytes(), type=Snapshot) for each in files]
            return (len(told), sum(map(asked_for_categories, told))) == (processes, requests)

        async def counted() -> float:
            async with httpx.AsyncClient(base_url=url) as client:
                return of(await scraped(client), COUNT, route="/api/categories")

        async def are_two() -> bool:
            return len(children(process.pid)) == 2

        await until(are_two)
        directory = figures(process.pid)
        await until(lambda: have_told(2, 0))
        assert set(await asyncio.gather(*(ask() for _ in range(60)))) == {200}
        await until(lambda: have_told(2, 60))
        assert {await counted() for _ in range(8)} == {60}
        killed = children(process.pid)[0]
        # Who hangs is waited for, and its end is seen all the same.
        os.kill(killed, signal.SIGSTOP)
        await asyncio.sleep(1.5)
        os.kill(killed, signal.SIGKILL)

        async def is_replaced() -> bool:
            return killed not in children(process.pid) and await have_told(3, 60)

        await until(is_replaced)
        # What it had served is not forgotten with it.
        assert {await counted() for _ in range(8)} == {60}
        workers = children(process.pid)
        # Without the first nobody looks after the others: they end.
        os.kill(process.pid, signal.SIGKILL)
        process.wait(60)

        async def are_running() -> bool:
            return any(map(is_running, workers))

        await until(are_running, False)
    shutil.rmtree(directory)


def asked_for_categories(snapshot: Snapshot) -> int:
    """How often, as one process has counted."""
    told = snapshot.served.items()
    return sum(sum(each.counts) for key, each in told if key.endswith(" /api/categories"))


def figures(process: int) -> Path:
    """Where the processes leave what they counted."""
    (worker, *_) = children(process)
    variables = Path(f"/proc/{worker}/environ").read_bytes().split(b"\0")
    named = dict(each.split(b"=", 1) for each in variables if b"=" in each)
    return Path(named[b"COMANDA_METRICS_DIRECTORY"].decode())


def is_running(process: int) -> bool:
    try:
        stat = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


CROWD = """
import gc
from bff.serve import application

app = application()
looks = []
gc.callbacks.append(lambda phase, told: phase == "start" and looks.append(told["generation"]))
crowd = [[] for _ in range(300_000)]
print(gc.get_freeze_count() > 50_000, 2 in looks)
for _ in range(30_000):
    cycle = []
    cycle.append(cycle)
print(len(gc.get_objects()) < 310_000)
"""


def test_a_crowd_has_nobody_wait_for_a_look_through_all_there_is_and_cycles_still_go(
    settings: Settings,
) -> None:
    told = subprocess.run(
        [sys.executable, "-c", CROWD], env=environment(settings), capture_output=True, check=True
    )
    assert told.stdout.split() == [b"True", b"False", b"True"]


# --- readiness -------------------------------------------------------------------------


async def test_a_storm_of_probes_asks_no_part_more_often(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await client.get("/ready")
    looks = Counter[str]()

    def counted(name: str, method: object) -> object:
        async def count(*_: object) -> object:
            looks[name] += 1
            return await method(*_)  # type: ignore[operator]

        return count

    for kind, name in ((Cluster, "ping"), (Nodes, "answer"), (Shelves, "ping")):
        monkeypatch.setattr(kind, name, counted(name, getattr(kind, name)))
    answers = await asyncio.gather(*(client.get("/ready") for _ in range(300)))
    assert {each.status_code for each in answers} == {200}
    # Those of its own accord.
    assert sum(looks.values()) <= 3


async def test_a_part_that_goes_is_noticed_and_so_is_its_return(
    serve: Serve, settings: Settings, shelves: Shelves, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "PAUSE", 0.02)
    async with (
        redis_that_can_go(settings) as (proxy, url),
        serve(msgspec.structs.replace(settings, redis_url=url)) as client,
    ):

        async def is_told(status: str, redis: str) -> bool:
            answer = await client.get("/ready")
            assert answer.status_code == 200
            told = answer.json()
            return bool((told["status"], told["dependencies"]["redis"]) == (status, redis))

        await until(lambda: is_told("ready", "up"))
        await proxy.down()
        await until(lambda: is_told("degraded", "down"))
        await proxy.up()
        await until(lambda: is_told("ready", "up"))


@pytest.mark.parametrize(
    ("before", "answers", "after"),
    [
        (None, True, State.UP),
        (None, False, State.DOWN),
        (State.UP, False, State.DEGRADED),
        (State.DEGRADED, False, State.DOWN),
        (State.DEGRADED, True, State.UP),
        (State.DOWN, True, State.UP),
    ],
)
def test_one_answer_that_is_missing_is_not_an_outage(
    before: State | None, answers: bool, after: State
) -> None:
    assert _next(before, answers=answers) is after


async def test_a_replica_that_is_too_far_behind_is_degraded(
    serve: Serve, settings: Settings, shelves: Shelves, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Cluster, "behind", property(lambda _: {"primary"}))
    async with serve(settings) as client:
        told = (await client.get("/ready")).json()
    assert told["dependencies"]["primary"] == "degraded"
    assert told["status"] == "degraded"


async def test_a_process_without_chores_leaves_them_to_others(
    settings: Settings, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = Counter[str]()

    for chore in (Relay, Sweeper, ProductSales):
        monkeypatch.setattr(chore, "start", lambda self: begun.update([type(self).__name__]))
    async with serve(msgspec.structs.replace(settings, chores=False)) as client:
        assert (await client.get("/ready")).status_code == 200
        assert not begun
    async with serve(settings):
        assert begun == {"Relay": 3, "Sweeper": 1, "ProductSales": 1}
