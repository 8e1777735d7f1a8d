"""A rollout by the rendered manifests: who is healthy is promoted, who is not is taken back."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from infra.canary.rollout import End, Outcome, Rollout
from infra.canary.servers import Balancer, Watcher, balancer, watcher
from infra.kubernetes.render import rendered
from infra.local.ports import Ports
from infra.local.process import Child, Command, clean_environment
from tests.serving import free_port, until_healthy

pytestmark = [pytest.mark.infra, pytest.mark.xdist_group("drill")]

ROOT = Path(__file__).parents[3]
SCALE = 150
VISITORS = 20
# Requests a second of all visitors: at 5 % enough for a share of errors to be seen in a window.
RATE = 500


@asynccontextmanager
async def visited(port: int, rate: float) -> AsyncIterator[None]:
    """Visitors come meanwhile, so many in a second."""

    async def visit() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            while True:
                writer.write(b"GET /api/products HTTP/1.1\r\nhost: comanda\r\n\r\n")
                await reader.readuntil(b"\r\n\r\n")
                await asyncio.sleep(VISITORS / rate)
        finally:
            writer.close()

    visitors = [asyncio.create_task(visit()) for _ in range(VISITORS)]
    try:
        yield
    finally:
        for each in visitors:
            each.cancel()
        ends = await asyncio.gather(*visitors, return_exceptions=True)
        assert all(isinstance(each, asyncio.CancelledError) for each in ends), ends


async def drill(
    home: Path, *, errors: float = 0.0, slow: float = 0.0, rate: float = RATE
) -> tuple[End, list[str]]:
    """How a rollout of a version with such faults ends, and what is told of it."""
    text, haproxy, prometheus = rendered("production"), balancer(), watcher()
    if text is None or haproxy is None or prometheus is None:
        pytest.skip("no kustomize, or no HAProxy and Prometheus: apt-get has them, or is missing")
    manifests = [msgspec.yaml.decode(part) for part in text.split("\n---\n")]
    stable, canary = free_port(), free_port()
    versions = []
    for port, faults in ((stable, (0.0, 0.0)), (canary, (errors, slow))):
        command = [sys.executable, "-m", "tests.infra.canary.version", str(port)]
        argv = [*command, *map(str, faults)]
        versions.append(Child("version", Command(argv, clean_environment(), directory=ROOT)))
    ports = Ports(home / "ports.json")
    shared = Balancer(home, haproxy, ports, stable, canary)
    watched = Watcher(home, prometheus, ports, {"old": stable, "new": canary})
    told: list[str] = []
    try:
        for port in (stable, canary):
            await until_healthy(f"http://127.0.0.1:{port}")
        with shared.running(), watched.running():
            await until_healthy(f"http://127.0.0.1:{shared.port}")
            async with asyncio.timeout(30):
                while not await _is_scraped(watched):  # noqa: ASYNC110
                    await asyncio.sleep(0.1)
            async with visited(shared.port, rate):
                rollout = Rollout(
                    manifests,
                    weigh=shared.weigh,
                    ask=watched.ask,
                    report=told.append,
                    scale=SCALE,
                    version="new",
                )
                return await rollout.run(), told
    finally:
        sys.stdout.write("\n  ".join([f"\n{home.name}", *told, ""]))
        for each in versions:
            each.end(10)


async def _is_scraped(watched: Watcher) -> bool:
    try:
        return await watched.ask("sum(up)") == [2.0]
    except OSError:
        return False


async def test_a_healthy_version_is_promoted_by_every_step(tmp_path: Path) -> None:
    end, told = await drill(tmp_path)
    assert (end.outcome, end.weight) == (Outcome.PROMOTED, 100)
    weights = [line.split()[-2] for line in told if "weight" in line]
    assert weights == ["0", "5", "25", "50", "100"]
    # No sooner than it says.
    assert end.seconds >= 3 * 3600


async def test_a_version_that_fails_three_in_a_hundred_is_taken_back_at_5_percent(
    tmp_path: Path,
) -> None:
    end, told = await drill(tmp_path, errors=0.03)
    assert (end.outcome, end.metric, end.weight) == (Outcome.ABORTED, "errors", 5)
    assert told[-1].endswith("weight 0 %")


async def test_a_version_that_is_slow_is_taken_back_at_5_percent(tmp_path: Path) -> None:
    end, _ = await drill(tmp_path, slow=0.2)
    assert (end.outcome, end.metric, end.weight) == (Outcome.ABORTED, "fast", 5)


async def test_where_nobody_comes_somebody_has_to_look(tmp_path: Path) -> None:
    end, _ = await drill(tmp_path, errors=0.03, rate=5)
    assert (end.outcome, end.weight) == (Outcome.PAUSED, 5)
