"""What requests, events of sockets and chores wait for, as spans below theirs."""

import asyncio
import time
from collections.abc import Awaitable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import asyncpg
from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from redis.asyncio.connection import AbstractConnection

from cdn.address import Variant, original_key, product_prefix
from domain.redis.wire import Wire, Word
from imaging.render import Rendered
from imaging.shelves import Shelves, Store
from imaging.workers import Job, Limits, Place, Workers

T = TypeVar("T")

# What a process does with a picture, one after the other.
_STEPS: Final = ("decode", "transform", "encode")


def is_awaited() -> bool:
    """Whether something that is told of waits for it; else it is for the process itself, for a
    request that is told to nobody, or for one that is over."""
    return trace.get_current_span().is_recording()


@contextmanager
def failing(span: Span) -> Iterator[Span]:
    """Has a span know that it failed: of an error the type, for its words may hold values."""
    try:
        yield span
    except Exception as error:
        fail(span, error)
        raise


def fail(span: Span, error: BaseException | None = None) -> None:
    """Tell that it came to nothing."""
    span.set_status(Status(StatusCode.ERROR, None if error is None else type(error).__name__))


class Told:
    """Spans for what is waited for, below whatever waits."""

    def __init__(self, tracer: trace.Tracer) -> None:
        self.tracer = tracer

    @contextmanager
    def span(
        self,
        name: str,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Mapping[str, str | int] | None = None,
    ) -> Iterator[Span]:
        """Until the block is left."""
        with (
            self.tracer.start_as_current_span(
                name,
                kind=kind,
                attributes=attributes,
                record_exception=False,
                set_status_on_exception=False,
            ) as span,
            failing(span),
        ):
            yield span


def connection(tracer: trace.Tracer) -> type[asyncpg.Connection]:
    """Connections whose statements are told of."""

    class Connection(_Connection):
        told = Told(tracer)

    return Connection


class _Connection(asyncpg.Connection):  # type: ignore[misc]
    told: Told

    def execute(self, query: str, *args: Any, **how: Any) -> Awaitable[str]:
        return self._told(query, super().execute(query, *args, **how))

    def executemany(self, command: str, args: Any, **how: Any) -> Awaitable[None]:
        return self._told(command, super().executemany(command, args, **how))

    def fetch(self, query: str, *args: Any, **how: Any) -> Awaitable[list[Any]]:
        return self._told(query, super().fetch(query, *args, **how))

    def fetchval(self, query: str, *args: Any, **how: Any) -> Awaitable[Any]:
        return self._told(query, super().fetchval(query, *args, **how))

    def _told(self, query: str, running: Awaitable[T]) -> Awaitable[T]:
        return self._in_span(query, running) if is_awaited() else running

    async def _in_span(self, query: str, running: Awaitable[T]) -> T:
        name = query.lstrip().partition(" ")[0].upper().rstrip(";")
        # Values go beside it, and are told to nobody.
        attributes = {"db.system.name": "postgresql", "db.query.text": query}
        with self.told.span(name, SpanKind.CLIENT, attributes):
            return await running


class TracedWire(Wire):
    """A wire whose commands are told of by their names."""

    def __init__(self, connection: AbstractConnection, tracer: trace.Tracer) -> None:
        super().__init__(connection)
        self._tracer = tracer

    def call(self, *command: Word) -> asyncio.Future[Any]:
        reply = super().call(*command)
        if is_awaited():
            name = str(command[0])
            span = self._tracer.start_span(
                name,
                kind=SpanKind.CLIENT,
                attributes={"db.system.name": "redis", "db.operation.name": name},
            )

            def came(reply: asyncio.Future[Any]) -> None:
                if reply.cancelled() or reply.exception() is not None:
                    fail(span)
                span.end()

            reply.add_done_callback(came)
        return reply


class TracedShelves(Shelves):
    """Shelves whose requests are told of, each with all of its tries, by bucket and key."""

    def __init__(self, store: Store, tracer: trace.Tracer) -> None:
        super().__init__(store)
        self._told = Told(tracer)

    async def original(self, key: str) -> bytes | None:
        return await self._in_span("GetObject", self._store.originals, key, super().original(key))

    async def variant(self, key: str) -> bytes | None:
        return await self._in_span("GetObject", self._store.variants, key, super().variant(key))

    async def keep_original(self, key: str, body: bytes, media_type: str) -> None:
        keeping = super().keep_original(key, body, media_type)
        await self._in_span("PutObject", self._store.originals, key, keeping)

    async def keep_variant(self, variant: Variant, body: bytes) -> bool:
        keeping = super().keep_variant(variant, body)
        return await self._in_span("PutObject", self._store.variants, variant.key, keeping)

    async def clear(self, product_id: int, keep: str | None = None) -> int:
        clearing = super().clear(product_id, keep)
        prefix = product_prefix(product_id)
        return await self._in_span("DeleteObjects", self._store.variants, prefix, clearing)

    async def listed(self, product_id: int, version: str) -> set[str]:
        listing = super().listed(product_id, version)
        prefix = product_prefix(product_id)
        return await self._in_span("ListObjectsV2", self._store.variants, prefix, listing)

    async def discard(self, product_id: int, original: str | None, *, keep: str | None) -> None:
        discarding = super().discard(product_id, original, keep=keep)
        prefix = original_key(product_id, "")
        await self._in_span("DeleteObjects", self._store.originals, prefix, discarding)

    async def _in_span(self, name: str, bucket: str, key: str, asking: Awaitable[T]) -> T:
        if not is_awaited():
            return await asking
        attributes = {"rpc.system.name": "aws-api", "aws.s3.bucket": bucket, "aws.s3.key": key}
        with self._told.span(f"S3/{name}", SpanKind.CLIENT, attributes):
            return await asking


class TracedWorkers(Workers):
    """Workers whose jobs are told of, from the line on.

    Their processes have no network and no secrets, and so no tracer: they say how long each step
    took, with a clock that is the same here, and the spans are made of that.
    """

    def __init__(self, limits: Limits, tracer: trace.Tracer) -> None:
        super().__init__(limits)
        self._told = Told(tracer)

    async def _queue(self, job: Job[T], place: Place) -> T:
        if not is_awaited():
            return await super()._queue(job, place)
        with self._told.span(job.name, attributes={"picture.pixels": place.weight}) as span:
            result = await super()._queue(job, place)
            span.set_attribute("picture.waited_ms", round(place.waited * 1000, 3))
            if isinstance(result, Rendered):
                self._tell_steps(result)
            return result

    def _tell_steps(self, rendered: Rendered) -> None:
        at = time.time_ns() - time.perf_counter_ns() + rendered.timings.began
        for step in _STEPS:
            ended = at + getattr(rendered.timings, step)
            self._told.tracer.start_span(step, start_time=at).end(ended)
            at = ended
