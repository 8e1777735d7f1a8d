"""Every panel finds what it asks for, in a real Prometheus that scrapes a running stack."""

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from math import isnan
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import httpx
import msgspec
import pytest
import socketio
import yaml

from bff.settings import Settings
from imaging.shelves import Shelves
from infra.observability import dashboards
from infra.observability.__main__ import GENERATED
from infra.observability.dashboards import DASHBOARDS
from infra.observability.draw import drawn
from infra.observability.rules import objectives
from tests.bff.realtime.conftest import Person
from tests.domain.conftest import replicas  # noqa: F401
from tests.imaging.samples import encoded, scene
from tests.infra.observability import tool
from tests.infra.test_observability import OTHERS, every_rule
from tests.serving import free_port, running, until_healthy

pytestmark = pytest.mark.infra
ROUNDS = 12
# What the rules of an objective are evaluated by here, for nobody waits for half a minute.
QUICK = "1s"
# What a machine that is full, or busy with other tests, is right to be told of.
OF_THE_MACHINE = {
    "DiskFull",
    "DiskFills",
    "LoopBlocked",
    "StatementsSlow",
    "ConnectionsExhausted",
} | {f"{each.name}Burn" for each in objectives()}
# Here nothing is archived, and for ever is no number.
EXPECTED = ["WAL not yet archived"]


@contextmanager
def started(command: Sequence[str], environment: Mapping[str, str]) -> Iterator[None]:
    """A program, until it is not needed any more."""
    process = subprocess.Popen(
        command, env={**os.environ, **environment}, stderr=subprocess.DEVNULL
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)


def exporters(settings: Settings) -> dict[str, tuple[list[str], dict[str, str], int]]:
    """By the name of their job: a command, its environment, and its port."""
    redis, ports = urlsplit(settings.redis_url), [free_port() for _ in range(3)]
    listen = [f"--web.listen-address=127.0.0.1:{port}" for port in ports]
    postgres = tool("prometheus-postgres-exporter", "prometheus-postgres-exporter")
    return {
        "postgres": (
            [postgres, listen[0]],
            {"DATA_SOURCE_NAME": f"{settings.database_url}?sslmode=disable"},
            ports[0],
        ),
        "redis": (
            [tool("prometheus-redis-exporter", "prometheus-redis-exporter"), f"-{listen[1][2:]}"],
            {
                "REDIS_ADDR": f"redis://{redis.hostname}:{redis.port}",
                "REDIS_PASSWORD": redis.password or "",
            },
            ports[1],
        ),
        "node": (
            [tool("prometheus-node-exporter", "prometheus-node-exporter"), listen[2]],
            {},
            ports[2],
        ),
    }


def configuration(directory: Path, ports: Mapping[str, int]) -> Path:
    """What is committed, with the ports of this test, and in a hurry."""
    given = yaml.safe_load((GENERATED.parent / "prometheus.yaml").read_text("utf-8"))
    rules = yaml.safe_load((GENERATED / "rules.yaml").read_text("utf-8"))
    for group in rules["groups"]:
        group["interval"] = QUICK
    (directory / "rules.yaml").write_text(yaml.safe_dump(rules), "utf-8")
    given["global"] = {"scrape_interval": QUICK, "evaluation_interval": QUICK}
    given["rule_files"] = ["rules.yaml"]
    del given["alerting"]
    for job in given["scrape_configs"]:
        job["static_configs"] = [{"targets": [f"127.0.0.1:{ports[job['job_name']]}"]}]
    file = directory / "prometheus.yaml"
    file.write_text(yaml.safe_dump(given), "utf-8")
    return file


@asynccontextmanager
async def watched(
    settings: Settings, directory: Path
) -> AsyncIterator[tuple[str, httpx.AsyncClient]]:
    """The application in two processes, and a Prometheus that scrapes it and what it stands on."""
    port, page = free_port(), free_port()
    others = exporters(settings)
    file = configuration(
        directory, {"comanda": port} | {job: each[2] for job, each in others.items()}
    )
    prometheus = [
        tool("prometheus", "prometheus"),
        f"--config.file={file}",
        f"--storage.tsdb.path={directory / 'data'}",
        f"--web.listen-address=127.0.0.1:{page}",
    ]
    nodes = ",".join(settings.replica_urls)
    with ExitStack() as stack:
        (url,) = stack.enter_context(
            running(settings, [port], workers=2, COMANDA_REPLICA_URLS=nodes)
        )
        for command, environment, _ in others.values():
            stack.enter_context(started(command, environment))
        stack.enter_context(started(prometheus, {}))
        await until_healthy(url)
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{page}", trust_env=False
        ) as client:
            yield url, client


async def lunch(url: str, product: int) -> None:
    """A little of everything that people do, and some of what they should not."""
    student, staff = await Person.at(url, "student1"), await Person.at(url, "staff1")
    board = socketio.Client()
    await asyncio.to_thread(board.connect, url, auth=staff.auth, namespaces=["/orders"])
    feed = "order:subscribe_live_feed"
    await asyncio.to_thread(board.call, feed, namespace="/orders")
    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=60) as client:
        token = {"authorization": f"Bearer {staff.token}", "content-type": "image/jpeg"}
        picture = encoded(scene(900, 700))
        path = f"/api/products/{product}/picture"
        uploaded = await client.put(path, content=picture, headers=token)
        assert uploaded.status_code in (200, 201, 202), uploaded.text
        for number in range(ROUNDS):
            await client.get(f"/api/products?limit={number + 1}")
            await client.get(f"/api/categories?limit={number % 3 + 1}")
            shown = await client.get(f"/products/{product}?w={100 + 40 * number}")
            assert shown.status_code == 200
            order = await student.order(product)
            await staff.move(order, "accepted")
            # Somebody who may not, and who leaves.
            stranger = socketio.Client()
            await asyncio.to_thread(
                stranger.connect, url, auth=student.auth, namespaces=["/orders"]
            )
            await asyncio.to_thread(stranger.call, feed, namespace="/orders")
            await asyncio.to_thread(stranger.disconnect)
            await asyncio.sleep(0.5)
    await asyncio.to_thread(board.disconnect)


async def found(prometheus: httpx.AsyncClient, expr: str) -> list[dict[str, Any]]:
    answer = await prometheus.get("/api/v1/query", params={"query": expr})
    told = answer.json()
    assert told["status"] == "success", told
    series: list[dict[str, Any]] = told["data"]["result"]
    return [each for each in series if not isnan(float(each["value"][1]))]


async def missing(prometheus: httpx.AsyncClient) -> list[str]:
    """Panels, series of others, and recorded ones that show nothing."""
    empty = [
        panel.title
        for dashboard in DASHBOARDS
        for panel in dashboard.panels
        for query in panel.queries
        if not await found(prometheus, query.expr.replace(dashboards.RATE, "1m"))
    ]
    empty += [name for name in sorted(OTHERS) if not await found(prometheus, f"count({name})")]
    recorded = sorted(rule["record"] for rule in every_rule() if "record" in rule)
    return empty + [name for name in recorded if len(await found(prometheus, name)) != 4]


async def test_every_panel_shows_something_and_nobody_is_woken_by_a_lunch(
    settings: Settings,
    shelves: Shelves,
    replicas: list[str],  # noqa: F811
    connection: asyncpg.Connection,
    tmp_path: Path,
) -> None:
    product = await connection.fetchval("SELECT min(id) FROM products WHERE cafeteria_id = 1")
    given = msgspec.structs.replace(settings, replica_urls=tuple(replicas))
    async with watched(given, tmp_path) as (url, prometheus):
        await lunch(url, product)
        # Some scrapes, and the rules behind them.
        with suppress(TimeoutError):
            async with asyncio.timeout(60):
                while (missed := await missing(prometheus)) != EXPECTED:  # noqa: ASYNC110
                    await asyncio.sleep(1)
        assert missed == EXPECTED
        for dashboard in DASHBOARDS:
            there = str(prometheus.base_url).rstrip("/")
            picture = await asyncio.to_thread(drawn, there, dashboard, 60.0)
            assert picture.count("<polyline") >= len(dashboard.panels) - 1
        alerts = {each["metric"]["alertname"] for each in await found(prometheus, "ALERTS")}
        assert alerts - OF_THE_MACHINE == {"Watchdog"}
