"""Traces, as a collector receives them over OTLP (HTTP, protobuf)."""

import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from bff.operations import traces
from bff.operations.tracing import COLLECTORS, Untraced, tracing
from bff.settings import Settings, SettingsError
from imaging.shelves import Shelves
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
    yield collector
    collector.close()


async def test_a_request_is_a_span_of_its_callers_trace_with_what_it_waits_for_below(
    serve: Serve, settings: Settings, shelves: Shelves, collector: Collector
) -> None:
    limited = msgspec.structs.replace(settings, limit_general=1000)
    async with serve(limited) as client:
        student, admin = await bearer(client, "student1"), await bearer(client, "admin1")
        parent = {"traceparent": f"00-{TRACE}-{CALLER}-01"}
        orders = await client.get("/api/orders?cafeteriaId=1", headers=student | parent)
        missing = await client.get("/api/orders/999999", headers=student)
        uploaded = await client.put(
            "/api/products/1/picture", content=encoded(scene(800, 600)), headers=admin
        )
        picture = await client.get("/products/1?w=320&fm=webp")
    assert (orders.status_code, missing.status_code) == (200, 404)
    assert (uploaded.status_code, picture.status_code) == (200, 200)
    # Problems and logs are quoted by the same id.
    assert orders.headers["x-request-id"] == TRACE
    assert collector.services == {"comanda"}

    spans = [span for span in collector.spans if span.trace_id.hex() == TRACE]
    (request,) = [span for span in spans if span.kind == Span.SPAN_KIND_SERVER]
    assert request.parent_span_id.hex() == CALLER
    assert request.name == "GET /api/orders"
    attributes = told(request)
    assert attributes["http.route"] == "/api/orders"
    assert attributes["http.response.status_code"] == 200
    assert attributes["user.id"] == 23
    below = [span for span in spans if span.parent_span_id == request.span_id]
    statements = [told(span) for span in below if told(span)["db.system.name"] == "postgresql"]
    (listed,) = [each["db.query.text"] for each in statements if "FROM orders" in str(each)]
    assert "$1" in listed
    # The limit of the person with the fence of their last write, and whether Redis has kept it.
    commands = {span.name for span in below if told(span)["db.system.name"] == "redis"}
    assert {"EVALSHA", "GET"} <= commands
    for span in below:
        assert request.start_time_unix_nano <= span.start_time_unix_nano
        assert span.end_time_unix_nano <= request.end_time_unix_nano

    names = {span.name: span for span in collector.spans}
    assert missing.headers["x-request-id"] == names["GET /api/orders/{order_id}"].trace_id.hex()
    shown = names["GET /products/{product_id}"]
    rendered = names["render"]
    assert rendered.parent_span_id == shown.span_id
    assert told(rendered)["render.encode_ms"] > 0
    # What the process does by itself belongs to no trace.
    requests = {span.span_id for span in collector.spans if span.kind == Span.SPAN_KIND_SERVER}
    assert {s.parent_span_id for s in collector.spans if s.span_id not in requests} <= requests


async def test_a_collector_that_is_away_is_nobodys_trouble(
    serve: Serve, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setattr(traces, "LEAVE", 0.2)
    async with serve(settings) as client:
        assert (await client.get("/api/products")).status_code == 200


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
