"""Figures tell rates, errors and durations by route, of all processes, and never by address."""

import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from bff.cache_figures import FAMILIES
from bff.edge.exchange import Exchange
from bff.operations.figures import Figures, Sample
from bff.settings import Settings
from tests.bff.test_orders import bearer

Serve = Callable[[Settings], AbstractAsyncContextManager[httpx.AsyncClient]]
Told = dict[tuple[str, frozenset[tuple[str, str]]], float]


def parsed(text: str) -> Told:
    """Each sample, by its name and labels."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def scraped(client: httpx.AsyncClient) -> Told:
    answer = await client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    return parsed(answer.text)


def of(told: Told, name: str, **labels: str) -> float:
    """The sum of the samples that have these labels."""
    wanted = set(labels.items())
    return sum(value for (each, has), value in told.items() if each == name and wanted <= has)


COUNT = "comanda_http_request_duration_seconds_count"


async def test_requests_are_counted_by_route_method_and_class_of_status(
    client: httpx.AsyncClient,
) -> None:
    for number in range(1, 6):
        await client.get(f"/api/orders/{number}")
        await client.get(f"/nothing/{number}")
    await client.head("/api/categories")
    await client.get("/api/categories")
    await client.request("BREW", "/api/categories")
    await client.get("/.env")
    told = await scraped(client)
    assert of(told, COUNT, route="/api/orders/{order_id}", method="GET", status="4xx") == 5
    assert of(told, COUNT, route="/api/categories", method="HEAD", status="2xx") == 1
    assert of(told, COUNT, route="/api/categories", method="GET", status="2xx") == 1
    assert of(told, COUNT, route="none", method="GET", status="4xx") == 6
    assert of(told, COUNT, method="other", status="4xx") == 1
    assert of(told, "comanda_refused_requests_total", reason="scanner") == 1
    assert of(told, "comanda_http_response_bytes_total", route="/api/categories") > 100
    # Itself.
    assert of(told, "comanda_http_requests_in_flight") == 1
    assert not [has for _, has in told if any("/nothing" in value for _, value in has)]
    # A bucket holds all that took no longer.
    name = "comanda_http_request_duration_seconds_bucket"
    assert of(told, name, route="/api/orders/{order_id}", le="+Inf") == 5


async def test_a_picture_from_memory_is_counted_by_its_route_too(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    from imaging.ready import Answers

    def ready(_: Answers, scope: Any) -> Any:
        scope["path_template"] = "/products/{product_id}"
        return {"type": "http.response.start", "status": 200, "headers": []}, b"picture"

    monkeypatch.setattr(Answers, "get", ready)
    await client.get("/products/1?w=300")
    told = await scraped(client)
    assert of(told, COUNT, route="/products/{product_id}", status="2xx") == 1


async def test_what_the_parts_count_is_told(serve: Serve, settings: Settings) -> None:
    async with serve(msgspec.structs.replace(settings, limit_general=2)) as client:
        who = await bearer(client, "student1")
        # Not the same answer twice, for that takes no reading.
        for fields in ("id", "name", "id"):
            await client.get(f"/api/categories?fields={fields}", headers=who)
        told = await scraped(client)
    name = "comanda_limit_decisions_total"
    assert of(told, name, policy="general", decision="allowed", by="redis") == 2
    assert of(told, name, policy="general", decision="refused", by="redis") == 1
    assert of(told, "comanda_cache_reads_total", kind="categories", layer="database") == 1
    assert of(told, "comanda_cache_stale_served_total", kind="categories") == 0
    assert of(told, "comanda_database_reads_total", node="primary") > 0
    for name in FAMILIES:
        assert [each for each, _ in told if each == f"{name}_total"], name
    assert ("comanda_event_loop_lag_seconds", frozenset()) in told


async def test_figures_are_for_those_who_scrape_them(serve: Serve, settings: Settings) -> None:
    given = msgspec.structs.replace(
        settings, trusted_proxies=("127.0.0.1",), metrics_networks=("10.9.0.0/16",)
    )
    async with serve(given) as client:
        for address, status in (("10.9.8.7", 200), ("10.8.8.7", 404), ("203.0.113.1", 404)):
            asked = await client.get("/metrics", headers={"x-forwarded-for": address})
            assert asked.status_code == status


OTHER = """
import asyncio, sys
from pathlib import Path
from bff.operations.figures import Figures, Sample
from tests.bff.operations.test_figures import exchange

async def main():
    figures = Figures(Path(sys.argv[1]))
    figures.counters.append(lambda: [Sample("comanda_refused_requests", ("robot",), 5)])
    figures.gauges.append(lambda: [Sample("comanda_http_requests_in_flight", (), 3)])
    for _ in range(7):
        figures.note(exchange(), 0.3)
    figures._tell()
    print("told", flush=True)
    sys.stdin.read()
    if "--closed" in sys.argv:
        await figures.close()

asyncio.run(main())
"""


def exchange() -> Exchange:
    """Of a request that was answered."""
    scope: Any = {"method": "GET", "path": "/x", "path_template": "/{x}", "headers": []}
    made = Exchange(scope)
    made.status, made.bytes = 200, 10
    return made


def told_by(figures: Figures) -> Told:
    body, media_type = figures.exposition("")
    assert media_type.startswith("text/plain")
    return parsed(body.decode())


@pytest.mark.parametrize("how", ["closed", "killed"])
def test_several_processes_answer_as_one_and_nothing_counted_is_lost_with_one(
    tmp_path: Path, how: str
) -> None:
    figures = Figures(tmp_path)
    figures.gauges.append(lambda: [Sample("comanda_http_requests_in_flight", (), 1)])
    figures.note(exchange(), 0.001)
    command = [sys.executable, "-c", OTHER, str(tmp_path), f"--{how}"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdin is not None
        assert other.stdout.readline() == b"told\n"
        told = told_by(figures)
        assert of(told, COUNT, route="/{x}") == 8
        assert of(told, "comanda_http_requests_in_flight") == 4
        if how == "killed":
            other.kill()
        other.stdin.close()
        other.wait()
    told = told_by(figures)
    assert of(told, COUNT, route="/{x}") == 8
    assert of(told, "comanda_refused_requests_total", reason="robot") == 5
    bucket = "comanda_http_request_duration_seconds_bucket"
    assert of(told, bucket, le="0.25") == 1
    assert of(told, bucket, le="0.5") == 8
    assert of(told, "comanda_http_response_bytes_total") == 80
    # It serves nobody any more.
    assert of(told, "comanda_http_requests_in_flight") == 1
