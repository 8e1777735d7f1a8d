"""Traces for OpenTelemetry. Imported only where a collector is named: nobody else has its packages,
or pays for them."""

import asyncio
import os
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from contextvars import Token
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import Span, SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from redis.asyncio.connection import AbstractConnection

from bff.edge.exchange import Exchange
from bff.operations import spans
from bff.realtime.bus import Heard, Notice
from bff.realtime.engine import RefusedError
from bff.realtime.rooms import Rooms
from bff.realtime.sockets import Namespace, Socket
from domain.events import Tell, Told
from domain.redis.wire import Wire
from domain.trace import Span as Seen
from domain.trace import traceparent
from imaging.shelves import Shelves, Store
from imaging.workers import Limits, Workers

_W3C: Final = TraceContextTextMapPropagator()
_ALONE: Final = Context()
_FAULT: Final = 500
# What was asked for may be as long as the head of a request.
_MOST_PATH: Final = 200
# Seconds that what is left may take to be sent when the process ends.
LEAVE: Final = 2.0


class Traces:
    """A span for each request, by its route, in the trace that its `traceparent` names, for each
    event of a socket, and for what is done behind them; below it what it waits for.

    Where to, how many, and as whom is for the variables of OpenTelemetry to say (OTEL_*). They are
    sent by a thread, in batches; what cannot be is lost, and holds nobody up.
    """

    def __init__(self) -> None:
        name = os.environ.get("OTEL_SERVICE_NAME", "comanda")
        self._ids = _Ids()
        self._provider = TracerProvider(
            resource=Resource.create({SERVICE_NAME: name}), id_generator=self._ids
        )
        self._exporter = OTLPSpanExporter()
        self._provider.add_span_processor(BatchSpanProcessor(self._exporter))
        self._tracer = self._provider.get_tracer("comanda")
        self.meets = [self.meet]
        self.watches = [self.note]
        self.connection = spans.connection(self._tracer)

    # Requests

    def meet(self, exchange: Exchange) -> None:
        """A request begins: what it waits for from here on is told below it."""
        span = self._begun(exchange, None)
        exchange.span = _Met(span, *_entered(span)) if span.is_recording() else _UNTOLD

    def note(self, exchange: Exchange, seconds: float) -> None:
        """A request was answered: its span is told how."""
        met = exchange.span
        if met is _UNTOLD:
            return
        if isinstance(met, _Met):
            span = met.span
            _left(met)
        else:
            # It was ready, and waited for nothing.
            span = self._begun(exchange, time.time_ns() - int(seconds * 1e9))
            if not span.is_recording():
                return
        method, route = exchange.scope["method"], exchange.scope.get("path_template")
        if route:
            span.update_name(f"{method} {route}")
            span.set_attribute("http.route", route)
        span.set_attribute("http.response.status_code", exchange.status)
        span.set_attribute("client.address", exchange.client)
        if exchange.user is not None:
            span.set_attribute("user.id", exchange.user)
        if exchange.status >= _FAULT:
            spans.fail(span)
        span.end()

    def _begun(self, exchange: Exchange, at: int | None) -> Span:
        """In the trace of its id, whoever began that; to be ended by whoever has it."""
        name, number, parent = exchange.scope["method"], int(exchange.id, 16), _parent(exchange)
        # A span costs four times as much, though it be told to nobody.
        asked = self._provider.sampler.should_sample(parent, number, name, SpanKind.SERVER)
        if not asked.decision.is_recording():  # type: ignore[no-untyped-call]
            return trace.INVALID_SPAN
        if parent is _ALONE:
            self._ids.next_trace = number
        path = exchange.scope["path"][:_MOST_PATH]
        return self._tracer.start_span(
            name,
            context=parent,
            kind=SpanKind.SERVER,
            attributes={"http.request.method": name, "url.path": path},
            start_time=at,
        )

    # What they wait for

    def wire(self, connection: AbstractConnection) -> Wire:
        """A connection to Redis whose commands are told of."""
        return spans.TracedWire(connection, self._tracer)

    def shelves(self, store: Store) -> Shelves:
        """Shelves whose requests are told of."""
        return spans.TracedShelves(store, self._tracer)

    def workers(self, limits: Limits) -> Workers:
        """Workers whose jobs are told of."""
        return spans.TracedWorkers(limits, self._tracer)

    # What goes on behind them

    @contextmanager
    def span(self, name: str, parent: str | None) -> Iterator[Seen]:
        """What is done within is told, in the trace of `parent` or in one of its own."""
        span = self._tracer.start_span(name, context=_of(parent))
        entered = _entered(span)
        try:
            with spans.failing(span):
                yield _Seen(span)
        finally:
            _left(_Met(span, *entered))
            span.end()

    def tell(self, tell: Tell) -> Tell:
        """Tells of events, and of each that it was told, in the trace of what made it."""

        async def told(events: Sequence[Told]) -> None:
            began = time.time_ns()
            await tell(events)
            now = datetime.now(UTC)
            for each in events:
                if each.traceparent is not None:
                    waited = round((now - each.at).total_seconds() * 1000)
                    self._told(f"outbox {each.kind}", each, SpanKind.PRODUCER, began, waited=waited)

        return told

    def listener(
        self, hear: Callable[[Sequence[Heard]], None], rooms: Rooms
    ) -> Callable[[Sequence[Heard]], None]:
        """Hears notices, and tells of each for which there was somebody in the rooms."""

        def heard(batch: Sequence[Heard]) -> None:
            began = time.time_ns()
            hear(batch)
            for each in batch:
                notice = each.notice
                if notice.traceparent is not None and (there := rooms.members(notice.rooms)):
                    name = notice.body.split(b'"', 2)[1].decode()
                    self._told(
                        f"frame {name}", notice, SpanKind.CONSUMER, began, sockets=len(there)
                    )

        return heard

    def namespace(self, namespace: Namespace, events: Collection[str]) -> Namespace:
        """What is behind a name, each of the events that it knows told by theirs."""
        return _TracedNamespace(namespace, events, self._tracer)

    def _told(
        self, name: str, of: Told | Notice, kind: SpanKind, began: int, **attributes: int
    ) -> None:
        self._tracer.start_span(
            name,
            context=_of(of.traceparent),
            kind=kind,
            attributes=attributes,
            start_time=began,
        ).end()

    async def close(self) -> None:
        """Send what is left, as far as that can be done soon."""
        # What was sent may be answered late, or never: the process ends without that.
        ending = threading.Thread(target=self._provider.shutdown, daemon=True)
        ending.start()
        await asyncio.to_thread(ending.join, LEAVE)
        if ending.is_alive():
            # It tries no more, and has as long once more for what it has tried.
            self._exporter.shutdown()  # type: ignore[no-untyped-call]
            await asyncio.to_thread(ending.join, LEAVE)


class _Ids(RandomIdGenerator):
    """A trace that begins here has the id that its request has already."""

    next_trace: int | None = None

    def generate_trace_id(self) -> int:
        given, self.next_trace = self.next_trace, None
        return super().generate_trace_id() if given is None else given


class _Met(NamedTuple):
    """A span that is the current one, and what was so before it."""

    span: Span
    context: Token[Context]
    traceparent: Token[str | None]


_UNTOLD: Final = object()
"""In place of that, for a request that is told to nobody."""


class _Seen(Seen):
    """A span as the domain knows it."""

    def __init__(self, span: Span) -> None:
        self._span = span

    def failed(self, error: Exception) -> None:
        spans.fail(self._span, error)


class _TracedNamespace:
    """Each event in a span, and in a trace of its own."""

    def __init__(self, namespace: Namespace, events: Collection[str], tracer: trace.Tracer) -> None:
        self.rooms = namespace.rooms
        self.left = namespace.left
        self._namespace = namespace
        self._events = events
        self._tracer = tracer

    async def connect(self, socket: Socket, auth: dict[str, Any]) -> None:
        with self._span(f"connect {socket.name}", socket):
            await self._namespace.connect(socket, auth)

    async def event(self, socket: Socket, name: str, arguments: list[Any]) -> Any:
        # Strangers may send any.
        with self._span(name if name in self._events else "unknown event", socket):
            return await self._namespace.event(socket, name, arguments)

    @contextmanager
    def _span(self, name: str, socket: Socket) -> Iterator[None]:
        span = self._tracer.start_span(name, context=_ALONE, kind=SpanKind.SERVER)
        # The task is this socket's: what is then said of the event is said in its trace, too.
        traceparent.set(_written(span))
        with trace.use_span(
            span, end_on_exit=True, record_exception=False, set_status_on_exception=False
        ):
            try:
                yield
            except RefusedError as error:
                span.set_attribute("error.type", error.kind.name)
                raise
            except Exception as error:
                spans.fail(span, error)
                raise
            finally:
                if socket.data is not None:
                    span.set_attribute("user.id", socket.data.principal.id)


def _entered(span: Span) -> tuple[Token[Context], Token[str | None]]:
    """It is the current one from here on."""
    return (
        context.attach(trace.set_span_in_context(span)),
        traceparent.set(_written(span)),
    )


def _left(met: _Met) -> None:
    traceparent.reset(met.traceparent)
    context.detach(met.context)


def _written(span: Span) -> str | None:
    """Its traceparent, if it is told."""
    if not span.is_recording():
        return None
    of = span.get_span_context()
    return f"00-{of.trace_id:032x}-{of.span_id:016x}-{of.trace_flags:02x}"


def _parent(exchange: Exchange) -> Context:
    """The caller's span."""
    if exchange.parent is None:
        return _ALONE
    names = "traceparent", "tracestate"
    given = {name: exchange.headers.get(name.encode(), b"").decode("latin-1") for name in names}
    return _W3C.extract(given, _ALONE)


def _of(parent: str | None) -> Context:
    return _ALONE if parent is None else _W3C.extract({"traceparent": parent}, _ALONE)
