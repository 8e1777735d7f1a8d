"""Traces for OpenTelemetry. Imported only where a collector is named: nobody else has its packages,
or pays for them."""

import asyncio
import os
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import asyncpg
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from redis.asyncio.connection import AbstractConnection

from bff.edge.exchange import Exchange
from domain.redis.wire import Wire, Word

T = TypeVar("T")

_W3C: Final = TraceContextTextMapPropagator()
_TRACEPARENT: Final = b"traceparent"
_STEP: Final = re.compile(rb"(\w+);dur=([0-9.]+)")
# What of a picture's steps is its rendering: they follow each other, just before the answer.
_RENDERING: Final = ("decode", "transform", "encode")
_FAULT: Final = 500
# Seconds that what is left may take to be sent when the process ends.
LEAVE: Final = 2.0


class Traces:
    """A span for each request, by its route, in the trace that its `traceparent` names; below it
    one for each statement, each command of Redis and each rendering that it waits for.

    Where to, how many, and as whom is for the variables of OpenTelemetry to say (OTEL_*). They are
    sent by a thread, in batches; what cannot be is lost, and holds nobody up.
    """

    def __init__(self) -> None:
        name = os.environ.get("OTEL_SERVICE_NAME", "comanda")
        self._provider = TracerProvider(resource=Resource.create({SERVICE_NAME: name}))
        self._exporter = OTLPSpanExporter()
        self._provider.add_span_processor(BatchSpanProcessor(self._exporter))
        self.tracer = self._provider.get_tracer("comanda")
        self.watches = [self.note]

        class Connection(_TracedConnection):
            tracer = self.tracer

        self.connection = Connection

    def around(self, application: ASGIApp) -> ASGIApp:
        """The application, each of its requests in a span."""
        return _Traced(application, self.tracer)

    def untold(self, _: Sequence[T]) -> Sequence[T]:
        """None: what is answered without the application would have no span."""
        return ()

    def note(self, exchange: Exchange, _: float) -> None:
        """A request was answered: its span is told how."""
        span = trace.get_current_span()
        method, route = exchange.scope["method"], exchange.scope.get("path_template")
        if route:
            span.update_name(f"{method} {route}")
            span.set_attribute("http.route", route)
        span.set_attribute("http.response.status_code", exchange.status)
        span.set_attribute("client.address", exchange.client)
        if exchange.user is not None:
            span.set_attribute("user.id", exchange.user)
        if exchange.status >= _FAULT:
            span.set_status(Status(StatusCode.ERROR))

    def wire(self, connection: AbstractConnection) -> Wire:
        """A connection to Redis whose commands are told of."""
        return _TracedWire(connection, self.tracer)

    async def close(self) -> None:
        """Send what is left, as far as that can be done soon."""
        ending = asyncio.create_task(asyncio.to_thread(self._provider.shutdown))
        await asyncio.wait({ending}, timeout=LEAVE)
        if not ending.done():
            # It tries no more.
            self._exporter.shutdown()  # type: ignore[no-untyped-call]
        await ending


class _Traced:
    """An ASGI application in whose place another one has spans."""

    def __init__(self, application: ASGIApp, tracer: trace.Tracer) -> None:
        self._application = application
        self._tracer = tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request (ASGI)."""
        if scope["type"] != ScopeType.HTTP:
            await self._application(scope, receive, send)
            return
        told = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        with self._tracer.start_as_current_span(
            scope["method"],
            context=_W3C.extract(told),
            kind=SpanKind.SERVER,
            attributes={"http.request.method": scope["method"], "url.path": scope["path"]},
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            # The id of the exchange is that of the trace, whoever began it.
            context = span.get_span_context()
            ours = f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
            others = [each for each in scope["headers"] if each[0] != _TRACEPARENT]
            headers = [*others, (_TRACEPARENT, ours.encode())]

            async def send_watched(message: Message) -> None:
                if message["type"] == "http.response.start":
                    self._render(dict(message["headers"]).get(b"server-timing", b""))
                await send(message)

            await self._application({**scope, "headers": headers}, receive, send_watched)

    def _render(self, timing: bytes) -> None:
        """A picture's answer tells how long each step took; rendering is three of them."""
        steps = {name.decode(): float(ms) for name, ms in _STEP.findall(timing)}
        if "encode" not in steps:
            return
        taken = sum(steps.get(step, 0.0) for step in _RENDERING)
        now = time.time_ns()
        self._tracer.start_span(
            "render",
            start_time=now - int((taken + steps.get("store", 0.0)) * 1_000_000),
            attributes={f"render.{name}_ms": ms for name, ms in steps.items()},
        ).end(now - int(steps.get("store", 0.0) * 1_000_000))


class _TracedConnection(asyncpg.Connection):  # type: ignore[misc]
    """A connection whose statements, as far as a request waits for them, have spans."""

    tracer: trace.Tracer

    async def execute(self, query: str, *args: Any, **how: Any) -> str:
        with self._span(query):
            status: str = await super().execute(query, *args, **how)
            return status

    async def executemany(self, command: str, args: Any, **how: Any) -> None:
        with self._span(command):
            await super().executemany(command, args, **how)

    async def fetch(self, query: str, *args: Any, **how: Any) -> list[Any]:
        with self._span(query):
            records: list[Any] = await super().fetch(query, *args, **how)
            return records

    async def fetchval(self, query: str, *args: Any, **how: Any) -> Any:
        with self._span(query):
            return await super().fetchval(query, *args, **how)

    @contextmanager
    def _span(self, query: str) -> Iterator[None]:
        if not _is_awaited():
            yield
            return
        with self.tracer.start_as_current_span(
            query.lstrip().partition(" ")[0].upper().rstrip(";"),
            kind=SpanKind.CLIENT,
            # Values go beside it, and are told to nobody; but a server's words may hold some.
            attributes={"db.system.name": "postgresql", "db.query.text": query},
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                yield
            except Exception as error:
                span.set_status(Status(StatusCode.ERROR, type(error).__name__))
                raise


class _TracedWire(Wire):
    """A wire whose commands, as far as a request waits for them, have spans."""

    def __init__(self, connection: AbstractConnection, tracer: trace.Tracer) -> None:
        super().__init__(connection)
        self._tracer = tracer

    def call(self, *command: Word) -> asyncio.Future[Any]:
        reply = super().call(*command)
        if _is_awaited():
            name = str(command[0])
            span = self._tracer.start_span(
                name,
                kind=SpanKind.CLIENT,
                attributes={"db.system.name": "redis", "db.operation.name": name},
            )

            def came(reply: asyncio.Future[Any]) -> None:
                if reply.cancelled() or reply.exception() is not None:
                    span.set_status(Status(StatusCode.ERROR))
                span.end()

            reply.add_done_callback(came)
        return reply


def _is_awaited() -> bool:
    """Whether it is for a request, and not for the process itself."""
    return trace.get_current_span().is_recording()
