"""Administrators are told how all goes: of the last minute, of every process, in one answer."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import asyncpg
import httpx
import msgspec
import pytest

from bff.operations.figures import BUCKETS, GAUGES, Figures, Snapshot
from bff.operations.surroundings import Surroundings
from bff.operations.window import Window, quantile
from bff.settings import Settings
from domain.database import Cluster
from domain.redis import Nodes
from tests.bff.operations.test_figures import exchange, of, scraped
from tests.bff.test_orders import bearer

Serve = Callable[[Settings], AbstractAsyncContextManager[httpx.AsyncClient]]
ADMIN = "/api/admin/metrics"


def left_in(directory: Path) -> Snapshot | None:
    """What a process has left for others, as these read it."""
    for file in directory.glob("*.figures"):
        return msgspec.msgpack.decode(file.read_bytes(), type=Snapshot)
    return None


async def test_administrators_are_told_of_the_last_minute(serve: Serve, settings: Settings) -> None:
    given = msgspec.structs.replace(settings, pods_host="localhost")
    async with serve(given) as client:
        who = await bearer(client, "admin1")
        # Four answers: one that is the same is not made again.
        for limit in range(1, 5):
            await client.get(f"/api/categories?limit={limit}")
        for _ in range(9):
            await client.get("/health")
        told = (await client.get(ADMIN, headers=who)).json()
        asked = told["application"]
        # Its own login and those four, and no probe.
        count = asked["requestsPerSecond"] * told["windowSeconds"]
        assert count == pytest.approx(5, rel=0.2)
        assert 0 < asked["avgResponseTime"] <= asked["p95ResponseTime"] * 2
        assert asked["errorRate"] == 0
        assert asked["cacheHitRate"] == 0.75
        database = told["database"]
        assert 0 < database["queryTimeP95"] <= 10_000
        assert database["activeConnections"] >= 0
        # This application was given no replica.
        assert database["replicationLag"] is None
        machine = told["infrastructure"]
        assert machine["cpuUsage"] > 0
        assert machine["memoryUsage"] > 50_000_000
        assert machine["bandwidth"] > 0
        for name in ("student1", "staff1"):
            assert (await client.get(ADMIN, headers=await bearer(client, name))).status_code == 403


async def test_what_others_know_is_what_they_say(
    settings: Settings, connection: asyncpg.Connection
) -> None:
    await connection.execute(
        "INSERT INTO outbox (kind, payload, created_at)"
        " VALUES ('nobody.knows', '{}', now() - interval '90 seconds')"
    )
    cluster, nodes = Cluster(settings.database_url, []), Nodes(settings.redis_url)
    await nodes.look()
    around = Surroundings(cluster, nodes, "localhost")
    await around.look()
    assert around.database is not None
    assert around.database.events == 1
    assert 90 <= around.database.oldest < 120
    exact = await connection.fetchval("SELECT pg_database_size(current_database())")
    assert around.database.bytes == pytest.approx(exact, rel=0.05)
    assert around.redis_bytes is not None
    assert around.redis_bytes > 100_000
    assert around.pods in (1, 2)
    await nodes.close()
    await cluster.close()
    # Who is gone says nothing, and nobody is told what was so.
    around = Surroundings(Cluster("postgresql://a@127.0.0.1:9/a", []), nodes, "nowhere.invalid")
    await around.look()
    assert (around.database, around.redis_bytes, around.pods) == (None, None, None)


async def test_every_gauge_of_a_running_system_is_told(
    serve: Serve, settings: Settings, shelves: object, tmp_path: Path
) -> None:
    given = msgspec.structs.replace(
        settings, replica_urls=(settings.database_url,), metrics_directory=str(tmp_path)
    )
    async with serve(given) as client:
        await client.get("/ready")
        await client.get("/api/categories")
        told = await scraped(client)
        assert of(told, "comanda_processes") == 1
        assert of(told, "comanda_process_starts_total") == 1
        assert of(told, "comanda_process_cpu_seconds_total", part="application") > 0
        assert of(told, "comanda_process_cpu_seconds_total", part="pictures") > 0
        assert of(told, "comanda_process_memory_bytes", part="pictures") > 10_000_000
        assert of(told, "comanda_picture_processes") == 1
        assert of(told, "comanda_picture_processes_wanted") == 1
        assert of(told, "comanda_dependency_up", dependency="primary") == 1
        assert of(told, "comanda_dependency_up", dependency="redis") == 1
        assert of(told, "comanda_database_connections", node="primary") >= 1
        assert of(told, "comanda_database_statement_seconds_bucket", le="+Inf") > 0
        assert of(told, "comanda_database_statement_seconds_sum") > 0
        assert ("comanda_database_replica_lag_seconds", frozenset({("node", "replica-1")})) in told
        # And another process can read it.
        async with asyncio.timeout(30):
            while (left := left_in(tmp_path)) is None:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        assert {each.name for each in left.gauges} <= set(GAUGES)
        assert len(left.counters) > 20


def test_only_the_window_counts_and_other_processes_do_too(tmp_path: Path) -> None:
    figures, other = Figures(tmp_path), Figures(tmp_path)
    window = Window(figures)
    for _ in range(7):
        figures.note(exchange(), 5.0)
    window.remember()
    for _ in range(9):
        figures.note(exchange(), 0.003)
    failed = exchange()
    failed.status = 503
    figures.note(failed, 0.2)
    other.note(exchange(), 0.003)
    # As if another process had left it.
    other._tell()
    (left,) = tmp_path.glob("*.figures")
    left.rename(tmp_path / "1.figures")
    recent = window.recent()
    assert recent.requests * recent.seconds == pytest.approx(11, rel=0.2)
    assert recent.fault_share == pytest.approx(1 / 11)
    assert recent.mean == pytest.approx((10 * 0.003 + 0.2) / 11)
    assert recent.p95 is not None
    assert 0.1 < recent.p95 < 0.25
    assert recent.hit_share is None


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ([0] * 12, None),
        ([100] + [0] * 11, 0.95 * BUCKETS[0]),
        ([90, 10] + [0] * 10, 0.0035),
        ([0] * 11 + [5], BUCKETS[-1]),
    ],
)
def test_a_quantile_is_reckoned_as_prometheus_does(
    counts: list[int], expected: float | None
) -> None:
    found = quantile(0.95, BUCKETS, counts)
    assert found == (None if expected is None else pytest.approx(expected))
