"""Traces, as a collector receives them over OTLP (HTTP, protobuf)."""

import asyncio
import json
import logging
import socket
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import msgspec
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from bff.edge.exchange import Exchange
from bff.operations import traces
from bff.operations.logs import LogFormat, configure
from bff.operations.tracing import COLLECTORS, Untraced, tracing
from bff.settings import Settings, SettingsError
from domain import sweeper
from domain.database import Database, Writer
from domain.events import KEPT, Event, Outbox, Relay
from domain.product_sales import ProductSales
from domain.trace import trace_id
from imaging.shelves import Shelves
from tests.bff.realtime.conftest import Person, inside
from tests.bff.realtime.peer import OPEN, Peer
from tests.bff.test_orders import bearer
from tests.conftest import Serve
from tests.imaging.samples import encoded, scene
from tests.serving import free_port

TRACE = "0af7651916cd43dd8448eb211c80319c"
CALLER = "b7ad6b7169203331"


class Collector:
    """What was exported to an address of its own."""

    def __init__(self) -> None:
        collector = self
        self.spans: list[Span] = []
        self.services: set[str] = set()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                assert self.path == "/v1/traces"
                body = self.rfile.read(int(self.headers["content-length"]))
                collector.take(ExportTraceServiceRequest.FromString(body))
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Nobody wants to read that."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def take(self, exported: ExportTraceServiceRequest) -> None:
        """Keep what came."""
        for resource in exported.resource_spans:
            self.services.add(told(resource.resource)["service.name"])
            for scope in resource.scope_spans:
                self.spans.extend(scope.spans)

    def named(self, name: str) -> list[Span]:
        """Those of this name, the first begun first."""
        return sorted(
            (span for span in self.spans if span.name == name), key=lambda s: s.start_time_unix_nano
        )

    def below(self, parent: Span) -> list[Span]:
        """What it waited for, the first begun first."""
        those = (span for span in self.spans if span.parent_span_id == parent.span_id)
        return sorted(those, key=lambda span: span.start_time_unix_nano)

    def must_not_know(self, *secrets: str) -> None:
        """That none of them was exported, in whatever place."""
        text = str(self.spans)
        assert text
        assert [each for each in secrets if each in text] == []

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def told(of: Any) -> dict[str, Any]:
    """Its attributes."""
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in of.attributes}


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    collector = Collector()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    # A machine that is busy loses nothing for that.
    monkeypatch.setattr(traces, "LEAVE", 60.0)
    yield collector
    collector.close()


async def test_a_request_is_a_span_of_its_callers_trace_with_what_it_waits_for_below(
    serve: Serve, settings: Settings, shelves: Shelves, collector: Collector
) -> None:
    limited = msgspec.structs.replace(settings, limit_general=1000)
    async with serve(limited) as client:
        student = await bearer(client, "student1")
        parent = {"traceparent": f"00-{TRACE}-{CALLER}-01"}
        orders = await client.get("/api/orders?cafeteriaId=1", headers=student | parent)
        missing = await client.get("/api/orders/999999", headers=student)
    assert (orders.status_code, missing.status_code) == (200, 404)
    # Problems and logs are quoted by the same id.
    assert orders.headers["x-request-id"] == TRACE
    assert collector.services == {"comanda"}

    (request,) = collector.named("GET /api/orders")
    assert request.trace_id.hex() == TRACE
    assert request.parent_span_id.hex() == CALLER
    assert request.kind == Span.SPAN_KIND_SERVER
    attributes = told(request)
    assert attributes["http.route"] == "/api/orders"
    assert attributes["http.response.status_code"] == 200
    assert attributes["user.id"] == 23
    below = collector.below(request)
    statements = [told(span) for span in below if told(span)["db.system.name"] == "postgresql"]
    (listed,) = [each["db.query.text"] for each in statements if "FROM orders" in str(each)]
    assert "$1" in listed
    # The limit of the person, with the fence of their last write; whether Redis has kept that, it
    # is asked for all who ask at that moment.
    commands = {span.name for span in below if told(span)["db.system.name"] == "redis"}
    assert "EVALSHA" in commands
    for span in below:
        assert request.start_time_unix_nano <= span.start_time_unix_nano
        assert span.end_time_unix_nano <= request.end_time_unix_nano

    (unknown,) = collector.named("GET /api/orders/{order_id}")
    assert missing.headers["x-request-id"] == unknown.trace_id.hex()
    assert missing.json()["instance"] == f"urn:comanda:request:{unknown.trace_id.hex()}"
    # What the process does by itself belongs to no trace.
    requests = {span.span_id for span in collector.spans if span.kind == Span.SPAN_KIND_SERVER}
    assert {s.parent_span_id for s in collector.spans if s.span_id not in requests} <= requests


async def test_a_pictures_trace_goes_to_the_shelves_and_into_the_process_that_renders_it(
    serve: Serve, settings: Settings, shelves: Shelves, collector: Collector
) -> None:
    async with serve(settings) as client:
        admin = await bearer(client, "admin1")
        await client.put("/api/products/1/picture", content=encoded(scene(800, 600)), headers=admin)
        assert (await client.get("/products/1?w=333&fm=webp")).status_code == 200
        # It is in memory by now.
        assert (await client.get("/products/1?w=333&fm=webp")).status_code == 200

    (uploaded,) = collector.named("PUT /api/products/{product_id}/picture")
    judged = [span.name for span in collector.below(uploaded)]
    assert {"facts", "levels", "S3/PutObject", "S3/DeleteObjects", "INSERT"} <= set(judged)

    shown, again = collector.named("GET /products/{product_id}")
    assert {told(span).get("db.system.name") for span in collector.below(again)} == {"postgresql"}
    below = collector.below(shown)
    assert [span.name for span in below if span.name.startswith("S3/")] == [
        "S3/GetObject",
        "S3/GetObject",
        "S3/PutObject",
    ]
    looked, fetched, stored = (told(span) for span in below if span.name.startswith("S3/"))
    assert looked["aws.s3.bucket"] == stored["aws.s3.bucket"] == settings.s3_variants
    assert looked["aws.s3.key"] == stored["aws.s3.key"]
    assert fetched["aws.s3.bucket"] == settings.s3_originals
    (rendered,) = [span for span in below if span.name.startswith("render")]
    assert told(rendered)["picture.waited_ms"] >= 0
    steps = collector.below(rendered)
    assert [span.name for span in steps] == ["decode", "transform", "encode"]
    moments = [rendered.start_time_unix_nano]
    for step in steps:
        moments += step.start_time_unix_nano, step.end_time_unix_nano
    # By the clock of another process.
    assert moments == sorted(moments)
    assert moments[-1] <= rendered.end_time_unix_nano
    collector.must_not_know(
        settings.s3_secret_key or "", "AWS4-HMAC", "X-Amz", admin["authorization"]
    )


async def test_an_orders_trace_goes_from_the_request_through_the_outbox_to_the_frame(
    settings: Settings, shelves: Shelves, collector: Collector
) -> None:
    async with inside(settings) as app:
        student = await Person.at(app.url, "student1")
        peer, _ = await Peer.connect(app.port, f"{OPEN}websocket")
        assert (await peer.text())[0] == "0"
        peer.write(f"40/orders,{json.dumps(student.auth)}")
        assert (await peer.text()).startswith("40/orders,")
        async with httpx.AsyncClient(base_url=app.url, trust_env=False) as client:
            placed = await client.post(
                "/api/orders",
                json={"cafeteriaId": 1, "items": [{"productId": 1, "quantity": 1}]},
                headers={
                    "authorization": f"Bearer {student.token}",
                    "idempotency-key": uuid4().hex,
                    "traceparent": f"00-{TRACE}-{CALLER}-01",
                },
            )
        assert placed.status_code == 201
        assert "order:created" in await peer.text()
        for number, order_id in enumerate((placed.json()["id"], "password")):
            asked = json.dumps(["order:subscribe", {"orderId": order_id}])
            peer.write(f"42/orders,{number}{asked}")
            answer = json.loads((await peer.text()).partition("[")[2].removesuffix("]"))
        peer.write('42/orders,2["order:of a stranger"]')
        await peer.text()
        peer.writer.close()

    (request,) = collector.named("POST /api/orders")
    (outbox,) = collector.named("outbox order:created")
    (frame,) = collector.named("frame order:created")
    for span in (request, outbox, frame):
        assert span.trace_id.hex() == TRACE
    assert request.parent_span_id.hex() == CALLER
    assert outbox.parent_span_id == frame.parent_span_id == request.span_id
    assert told(outbox)["waited"] >= 0
    assert told(frame)["sockets"] == 1
    assert outbox.start_time_unix_nano < frame.start_time_unix_nano
    below = collector.below(request)
    assert {"BEGIN", "WITH", "COMMIT"} <= {span.name for span in below}
    assert "redis" in {told(span).get("db.system.name") for span in below}

    # What a socket asks is of a trace of its own, by the names that there are.
    (connected,) = collector.named("connect /orders")
    subscribed, refused = collector.named("order:subscribe")
    (unknown,) = collector.named("unknown event")
    events = [connected, subscribed, refused, unknown]
    assert len({span.trace_id for span in events}) == len(events)
    assert {span.parent_span_id for span in events} == {b""}
    assert told(subscribed)["user.id"] == 23
    assert "WITH" in {span.name for span in collector.below(subscribed)}
    assert told(refused)["error.type"] == "invalid-request"
    assert answer["problem"]["instance"] == f"urn:comanda:request:{refused.trace_id.hex()}"


async def test_what_is_done_behind_a_request_is_told_and_logged_in_its_trace(
    campus: Database,
    collector: Collector,
    capsys: pytest.CaptureFixture[str],
    root: logging.Logger,
) -> None:
    told_of = traces.Traces()

    outbox = Outbox(campus)

    async def announce(writer: Writer) -> int:
        return await writer.announce("told", {})

    async def fail(_: Event) -> None:
        raise RuntimeError("broken")

    configure(LogFormat.JSON)
    with told_of.span("first", None):
        event = await campus.write(announce)
    await outbox.postpone(event, 0)
    assert await Relay(outbox, {"told": fail}, told_of.span).round() == 1
    with told_of.span("of a trace that is not told", f"00-{TRACE}-{CALLER}-00"):
        assert trace_id() is None
    await told_of.close()
    (first,) = collector.named("first")
    (later,) = collector.named("told")
    assert (later.trace_id, later.parent_span_id) == (first.trace_id, first.span_id)
    assert (later.status.code, later.status.message) == (Status.STATUS_CODE_ERROR, "RuntimeError")
    lines = map(json.loads, capsys.readouterr().err.splitlines())
    # A machine that is busy may have others warn of it.
    (line,) = [line for line in lines if f"event {event}, told" in line["event"]]
    assert line["level"] == "warning"
    assert line["trace_id"] == first.trace_id.hex()
    # And nothing else is.
    assert trace_id() is None


async def test_chores_are_told_where_there_was_something_to_do(
    campus: Database,
    connection: asyncpg.Connection,
    collector: Collector,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told_of = traces.Traces()
    sales = ProductSales(campus, told_of.span)
    assert await sales.refresh(older_than=timedelta(seconds=-1))
    assert not await sales.refresh()
    old = "INSERT INTO outbox (kind, payload, delivered_at) VALUES ('old', '{}', 'epoch')"
    await connection.execute(old)
    monkeypatch.setattr(sweeper, "PAUSE", 0.0)
    chores = sweeper.Sweeper(campus, [KEPT], told_of.span)
    chores.start()
    while await connection.fetchval("SELECT EXISTS (SELECT FROM outbox WHERE kind = 'old')"):  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    await chores.close()
    await told_of.close()
    assert len(collector.named("refresh product_sales_daily")) == 1
    assert collector.named("sweep outbox")


async def test_of_requests_that_nobody_decided_about_a_share_is_told_by_their_ids(
    settings: Settings, shelves: Shelves, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0.5")
    asked: dict[str, list[str]] = {}
    decided: dict[str, str] = {}
    async with inside(settings) as app:
        student = {"authorization": f"Bearer {(await Person.at(app.url, 'student1')).token}"}
        async with httpx.AsyncClient(base_url=app.url, headers=student, trust_env=False) as client:
            # By the layers, by what is ready, and by what the protocol calls.
            for path in ("/api/wallet", "/api/products", "/api/orders"):
                answers = [await client.get(path) for _ in range(12)]
                asked[f"GET {path}"] = [each.headers["x-request-id"] for each in answers]
                for flags in ("00", "01"):
                    decided[flags] = uuid4().hex
                    given = {"traceparent": f"00-{decided[flags]}-{CALLER}-{flags}"}
                    await client.get(path, headers=given)
    for name, ids in asked.items():
        wanted = {each for each in ids if int(each[16:], 16) < 1 << 63}
        seen = {span.trace_id.hex() for span in collector.named(name)}
        assert wanted == seen & set(ids), name
        # Nothing is told of what they wait for.
        traces_told = {span.trace_id.hex() for span in collector.spans}
        assert traces_told.isdisjoint(set(ids) - wanted)
    assert decided["01"] in traces_told
    assert decided["00"] not in traces_told


async def test_no_secret_is_in_any_span(
    serve: Serve, settings: Settings, shelves: Shelves, collector: Collector
) -> None:
    secret = f"secret-{uuid4().hex}"
    async with serve(settings) as client:
        account = {"email": f"{secret}@campus.example", "password": f"{secret} of Nora"}
        registered = await client.post("/auth/register", json=account | {"name": secret})
        wrong = await client.post("/auth/login", json=account | {"password": secret})
        assert (registered.status_code, wrong.status_code) == (201, 401)
        session = registered.json()
        token = {"authorization": f"Bearer {session['accessToken']}", "cookie": secret}
        await client.get(f"/api/orders?{secret}={secret}", headers=token)
        await client.get(f"/products/1?w=320&s={secret}", headers=token)
    assert "INSERT INTO users" in str(collector.spans)
    collector.must_not_know(secret, session["accessToken"], session["refreshToken"])


async def test_a_collector_that_is_away_is_nobodys_trouble(
    serve: Serve, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setattr(traces, "LEAVE", 0.2)
    async with serve(settings) as client:
        assert (await client.get("/api/products")).status_code == 200


async def test_a_collector_that_never_answers_is_waited_for_by_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = threading.enumerate()
    monkeypatch.setattr(traces, "LEAVE", 0.1)
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "10")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.setblocking(False)
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
        told_of = traces.Traces()
        with told_of.span("told", None):
            pass
        asking, _ = await asyncio.get_running_loop().sock_accept(silent)
        await told_of.close()
        asking.setblocking(False)
        with asking, pytest.raises(BlockingIOError):
            # It is still being asked: its patience is not over, and ours is.
            b"".join(iter(partial(asking.recv, 65_536), b""))
    # Then it is told, and says so to this log and to no other test's.
    for thread in threading.enumerate():
        if thread.daemon and thread not in before:
            thread.join()


async def test_what_strangers_misspell_is_told_to_no_log(
    collector: Collector, capsys: pytest.CaptureFixture[str], root: logging.Logger
) -> None:
    configure(LogFormat.JSON)
    told_of = traces.Traces()
    headers = {
        b"traceparent": f"00-{TRACE}-{CALLER}-01".encode(),
        b"tracestate": b"what somebody wants to have in a log",
    }
    scope: Any = {"method": "GET", "path": "/", "headers": []}
    exchange = Exchange(scope, headers)
    told_of.meet(exchange)
    assert trace_id() == TRACE
    told_of.note(exchange, 0.0)
    # It is over, and what comes is not of it.
    assert trace_id() is None
    await told_of.close()
    (span,) = collector.named("GET")
    assert span.trace_id.hex() == TRACE
    assert capsys.readouterr().err == ""


def test_without_a_collector_nothing_is_traced_nor_imported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert isinstance(tracing({}), Untraced)
    # Its packages are not there for everybody, and who names a collector is told so.
    for name in [name for name in sys.modules if name.startswith("opentelemetry")]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, "bff.operations.traces", raising=False)
    assert isinstance(tracing({}), Untraced)
    with pytest.raises(SettingsError, match=r"comanda\[otel\]"):
        tracing({COLLECTORS[0]: "http://127.0.0.1:4318"})
