"""HTTP/1.1 as uvicorn speaks it, with bounds on a request's head and on who keeps us waiting."""

from asyncio import AbstractEventLoop, TimerHandle, Transport
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from bff.edge import kinds, problems
from bff.edge.kinds import Kind

# RFC 9110 4.1 asks servers to take 8,000 octets; our longest addresses have some hundreds.
MOST_TARGET_BYTES: Final = 8 * 1024
# Target and headers together. A browser's, with cookies and a token, are below 8 KiB.
MOST_HEAD_BYTES: Final = 32 * 1024
MOST_HEADERS: Final = 100
# ": " and the end of the line.
_AROUND_HEADER: Final = 4


class _RefusedError(Exception):
    """Takes the parser out of a request that goes beyond a bound."""

    def __init__(self, kind: Kind) -> None:
        super().__init__(kind.name)
        self.kind = kind


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's httptools protocol, which by itself takes heads of any length for any time.

    What goes beyond a bound is answered with a problem, and the connection is closed so that
    its sender can still read that (RFC 9112 9.6).
    """

    # For a head, from the connection or its first byte on: a phone needs two round trips.
    head_seconds = 10.0
    # For the rest of a body that was answered before it was read, then for a refused sender.
    drain_seconds = 5.0
    # For a reader to take more of an answer that waits for it; the kernel tells of megabytes only.
    stall_seconds = 60.0

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._head = 0
        # Bytes that the parser took and has not told of: part of a name, a value, a chunk's size.
        self._untold = 0
        self._in_head = self._in_body = self._leaving = False
        self._refusal: Kind | None = None
        self._deadline: TimerHandle | None = None
        self._stall: TimerHandle | None = None

    # Of the transport

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._within(self.head_seconds, self._too_slow)

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        self._reader_moves()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch_reader()

    def resume_writing(self) -> None:
        self._reader_moves()
        super().resume_writing()

    def data_received(self, data: bytes) -> None:
        if self._leaving:
            return
        if self._deadline is None and not self._in_body:
            self._within(self.head_seconds, self._too_slow)
        self._untold += len(data)
        super().data_received(data)
        if self._untold > MOST_HEAD_BYTES and not self._leaving:
            self._refuse(kinds.HEAD_TOO_LARGE)

    # Of the parser

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head = True
        self._head = self._untold = 0
        if self._deadline is None:
            self._within(self.head_seconds, self._too_slow)

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > MOST_TARGET_BYTES:
            self._break_off(kinds.TARGET_TOO_LONG)
        self._count(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        # Trailers come here too, after the body.
        super().on_header(name, value)
        if len(self.headers) > MOST_HEADERS:
            self._break_off(kinds.HEAD_TOO_LARGE)
        self._count(len(name) + len(value) + _AROUND_HEADER)

    def on_headers_complete(self) -> None:
        self._untold = 0
        super().on_headers_complete()
        self._in_head, self._in_body = False, True
        self._disarm()

    def on_body(self, body: bytes) -> None:
        self._untold = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._untold = 0
        self._in_body = False
        self._disarm()
        super().on_message_complete()

    # Of the answer

    def on_response_complete(self) -> None:
        super().on_response_complete()
        # The rest of a body that nobody wanted may still come, and a next request behind it.
        if self._in_body and self.cycle.response_complete and not self.transport.is_closing():
            self._within(self.drain_seconds, self.transport.abort)

    def send_400_response(self, msg: str) -> None:
        self._refuse(self._refusal or kinds.INVALID_REQUEST, "" if self._refusal else msg)

    def _count(self, received: int) -> None:
        self._untold = 0
        self._head += received
        if self._head > MOST_HEAD_BYTES:
            self._break_off(kinds.HEAD_TOO_LARGE)

    def _break_off(self, kind: Kind) -> None:
        self._refusal = kind
        raise _RefusedError(kind)

    def _too_slow(self) -> None:
        self._deadline = None
        if self._in_head:
            self._refuse(kinds.TOO_SLOW)
        else:
            # Nobody asked anything, so nobody is told.
            self.transport.close()

    def _refuse(self, kind: Kind, detail: str = "") -> None:
        """Answer with the problem, after which the connection takes nothing more."""
        self._leaving = True
        if self._answers():
            self._leave_after_answers()
            return
        if self._in_body:
            # The application waits for a body that will not come.
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.transport.write(self._refused(kind, detail))
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._within(self.drain_seconds, self.transport.abort)

    def _answers(self) -> bool:
        """Whether an answer is due before one to what is being read, or has begun."""
        if self.cycle is None or self.cycle.response_complete:
            return False
        return bool(self.pipeline) or self.cycle.response_started or not self._in_body

    def _leave_after_answers(self) -> None:
        self._disarm()
        if self._in_body:
            self.transport.close()
        else:
            self.cycle.keep_alive = False

    def _refused(self, kind: Kind, detail: str) -> bytes:
        body = problems.details(kind, detail)
        headers = [
            *self.server_state.default_headers,
            (b"content-type", problems.MEDIA_TYPE.encode()),
            (b"content-length", str(len(body)).encode()),
            (b"cache-control", b"no-store"),
            (b"connection", b"close"),
        ]
        lines = [b"HTTP/1.1 %d %b" % (kind.status, HTTPStatus(kind.status).phrase.encode())]
        lines += [b"%b: %b" % header for header in headers]
        return b"\r\n".join([*lines, b"", body])

    def _watch_reader(self) -> None:
        """The body of a picture is held until it is taken, by whoever asked for it."""
        waiting = self.transport.get_write_buffer_size()
        self._stall = self.loop.call_later(self.stall_seconds, self._stalled, waiting)

    def _stalled(self, waiting: int) -> None:
        if self.transport.get_write_buffer_size() >= waiting:
            self.transport.abort()
        else:
            self._watch_reader()

    def _reader_moves(self) -> None:
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None

    def _within(self, seconds: float, act: Callable[[], None]) -> None:
        self._disarm()
        self._deadline = self.loop.call_later(seconds, act)

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
