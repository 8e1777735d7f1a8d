"""The log tells what was asked and what became of it, and keeps what is secret."""

import asyncio
import io
import json
import logging
from typing import Any

import httpx
import msgspec
import pytest
from litestar.types import Receive, Scope, Send

from bff.edge.exchange import Exchange
from bff.operations.logs import AccessLog, LogFormat, configure
from bff.settings import Settings
from tests.bff.edge.layers import around
from tests.bff.edge.test_limits import Serve
from tests.bff.test_orders import bearer

TRACE = "0af7651916cd43dd8448eb211c80319c"


async def test_a_line_tells_what_was_asked_and_nothing_that_is_secret(
    serve: Serve, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    given = msgspec.structs.replace(settings, limit_general=100, log_format=LogFormat.JSON)
    async with serve(given) as client:
        who = await bearer(client, "student1")
        await client.get(
            "/api/orders/1?secret=hidden",
            headers=who | {"traceparent": f"00-{TRACE}-{'1' * 16}-01"},
        )
        await client.get("/nothing")
        await client.get("/.env")
    written = capsys.readouterr().out
    login, order, nothing, scanner = map(json.loads, written.splitlines())
    assert login["route"] == "/auth/login"
    assert order.pop("ms") > 0
    assert order.pop("timestamp").endswith("Z")
    assert order.pop("bytes") > 0
    assert isinstance(order.pop("user"), int)
    assert order.pop("status") in (200, 404)
    assert order == {
        "event": "request",
        "level": "info",
        "request_id": TRACE,
        "method": "GET",
        "path": "/api/orders/1",
        "route": "/api/orders/{order_id}",
        "client": "127.0.0.1",
        "refused": None,
    }
    assert (nothing["status"], nothing["route"]) == (404, None)
    assert scanner["refused"] == "scanner"
    token = who["authorization"].removeprefix("Bearer ")
    for secret in (token, "comanda.example", "password", "hidden", "student1"):
        assert secret not in written


def logged(share: float, *exchanges: tuple[Exchange, float]) -> list[Any]:
    async def run() -> str:
        stream = io.StringIO()
        access = AccessLog(share, LogFormat.JSON, stream)
        for exchange, seconds in exchanges:
            access.note(exchange, seconds)
        access.close()
        return stream.getvalue()

    return [json.loads(line) for line in asyncio.run(run()).splitlines()]


def exchange(status: int = 200, path: str = "/x", trace: str = TRACE) -> Exchange:
    header = (b"traceparent", f"00-{trace}-{'1' * 16}-01".encode())
    scope: Any = {"method": "GET", "path": path, "headers": [header]}
    made = Exchange(scope)
    made.status = status
    return made


def test_of_a_share_the_same_traces_are_told_everywhere_and_every_fault() -> None:
    some = [exchange(trace=f"{number:08x}{'1' * 24}") for number in range(0, 16**8, 16**8 // 100)]
    lines = logged(0.25, *[(each, 0.01) for each in some])
    assert {each["request_id"] for each in lines} == {each.id for each in some[:25]} | {
        each.id for each in some if int(each.id[:8], 16) < 16**8 // 4
    }
    assert len(logged(0.0, (exchange(200), 0.01), (exchange(404), 0.01))) == 0
    assert len(logged(0.0, (exchange(500), 0.01), (exchange(200), 1.5))) == 2


def test_nobody_writes_a_second_line_or_an_endless_one() -> None:
    (line,) = logged(1.0, (exchange(path="/a\nb" + "x" * 5000), 0.01))
    assert line["path"].startswith("/a\nb")
    assert len(line["path"]) == 200


async def test_lines_are_written_though_nothing_else_happens() -> None:
    stream = io.StringIO()
    access = AccessLog(1.0, LogFormat.JSON, stream)
    access.note(exchange(), 0.01)
    assert not stream.getvalue()
    async with asyncio.timeout(30):
        while not stream.getvalue():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_a_reader_that_left_stops_nothing() -> None:
    stream = io.StringIO()
    stream.close()
    access = AccessLog(1.0, LogFormat.JSON, stream)
    access.note(exchange(), 0.01)
    access.close()


async def warning(scope: Scope, receive: Receive, send: Send) -> None:
    """An application that says something."""
    logging.getLogger("domain.somewhere").warning("a part is %s", "away")
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def failing(scope: Scope, receive: Receive, send: Send) -> None:
    """An application with a fault."""
    raise RuntimeError("a fault")


async def test_whatever_is_logged_names_the_request_that_caused_it(
    root: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(LogFormat.JSON)
    async with around(warning) as client:
        answer = await client.get("/")
    async with around(failing) as client:
        failed = await client.get("/")
    said, fault = map(json.loads, capsys.readouterr().err.splitlines())
    assert said["request_id"] == answer.headers["x-request-id"]
    assert (said["event"], said["level"]) == ("a part is away", "warning")
    assert said["logger"] == "domain.somewhere"
    assert failed.json()["instance"].endswith(fault["request_id"])
    assert "RuntimeError: a fault" in fault["exception"]


async def test_a_person_reads_words(
    root: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(LogFormat.CONSOLE)
    logging.getLogger("domain.somewhere").warning("a part is %s", "away")
    (line,) = capsys.readouterr().err.splitlines()
    assert "a part is away" in line
    assert not line.startswith("{")
    stream = io.StringIO()
    access = AccessLog(1.0, LogFormat.CONSOLE, stream)
    access.note(exchange(), 0.01)
    access.close()
    assert "route" in stream.getvalue()


def test_who_reads_decides_how_it_is_written() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    assert LogFormat.AUTO.is_for_people(Terminal())
    assert not LogFormat.AUTO.is_for_people(io.StringIO())
    assert not LogFormat.JSON.is_for_people(Terminal())


def test_httpx_is_not_heard(root: logging.Logger) -> None:
    configure(LogFormat.JSON)
    assert not logging.getLogger(httpx.__name__).isEnabledFor(logging.INFO)
