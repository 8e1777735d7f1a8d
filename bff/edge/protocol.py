"""HTTP/1.1 as uvicorn speaks it, with bounds on a request's head and on who keeps us waiting; what
is ready is answered here and now."""

import asyncio
import logging
from asyncio import AbstractEventLoop, TimerHandle, Transport
from collections.abc import Callable
from functools import partial
from typing import Any, Final, TypeVar

from litestar import Litestar
from litestar.enums import HttpMethod
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from bff.edge import kinds, problems
from bff.edge.direct import DIRECT, Direct
from bff.edge.direct import Asked as Called
from bff.edge.exchange import Exchange
from bff.edge.express import EXPRESS, Answer, Asked, Express, first_line, lines
from bff.edge.headers import API
from bff.edge.kinds import Kind

T = TypeVar("T")

log = logging.getLogger(__name__)

# RFC 9110 4.1 asks servers to take 8,000 octets; our longest addresses have some hundreds.
MOST_TARGET_BYTES: Final = 8 * 1024
# Target and headers together. A browser's, with cookies and a token, are below 8 KiB.
MOST_HEAD_BYTES: Final = 32 * 1024
MOST_HEADERS: Final = 100
# ": " and the end of the line.
_AROUND_HEADER: Final = 4
_CLOSE: Final = b"connection: close\r\n"


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
    # For a body to bring so many bytes more, or its end: what is slower is no phone.
    body_seconds = 20.0
    body_bytes = 8 * 1024
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
        # Bytes of the body that have come.
        self._body = 0
        self._in_head = self._in_body = self._leaving = False
        self._refusal: Kind | None = None
        self._deadline: TimerHandle | None = None
        self._stall: TimerHandle | None = None
        self._express = _part(config, EXPRESS, Express)
        self._direct = _part(config, DIRECT, Direct)
        # Of what was received last: how many requests begin in it, and what one of them is that may
        # be answered at once, or called.
        self._begun = 0
        self._asked: Asked | None = None
        self._called: Called | None = None
        self._asked_at = 0.0

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
        is_between = not self._is_within()
        if is_between and self._is_known(data):
            return
        self._begun, self._asked, self._called = 0, None, None
        self._untold += len(data)
        super().data_received(data)
        if self._untold > MOST_HEAD_BYTES and not self._leaving:
            self._refuse(kinds.HEAD_TOO_LARGE)
        if is_between:
            self._remember(data)
        self._await_rest()
        self._forget_answered()

    # Of the parser

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head = True
        self._head = self._untold = 0
        self._begun += 1

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
        self._body = 0
        self._disarm()

    def on_body(self, body: bytes) -> None:
        self._untold = 0
        self._body += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._untold = 0
        self._in_body = False
        self._disarm()
        super().on_message_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        # Not of what had to wait for its turn: each answer would begin the next within itself.
        is_next = cycle is self.cycle and not self.pipeline and app is self.app
        if is_next and self._is_expressed(cycle):
            return
        if app is self.app and self._direct is not None:
            app = partial(self._call, self._direct, self._called_for(cycle), cycle)
        super()._start_asgi_task(cycle, app)

    def _is_within(self) -> bool:
        """Whether the parser has begun with a request that it has not ended."""
        return bool(self._in_head or self._in_body or self._untold)

    def _remember(self, data: bytes) -> None:
        """Know it the next time, if it is one whole request that was understood by its head."""
        if self._begun != 1 or self._is_within():
            return
        if self._asked is not None and self._express is not None:
            self._express.heads.remember(data, self._asked.headers, self._asked)
        elif self._called is not None and self._direct is not None and self.cycle.keep_alive:
            self._direct.heads.remember(data, self._called.headers, self._called)

    def _is_known(self, data: bytes) -> bool:
        """Whether it is a whole request that came before, and is answered by now, or begun with;
        then the parser, which is between two of them, need not see it."""
        if self._express is None or (self.cycle is not None and not self.cycle.response_complete):
            return False
        if self._direct is not None and (called := self._direct.heads.get(data)) is not None:
            self._call_known(called)
            return True
        if (asked := self._express.heads.get(data)) is None:
            return False
        answer = self._at_once(asked)
        if answer is None:
            return False
        self._disarm()
        self._write(answer)
        self.server_state.total_requests += 1
        self._asked_at = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._keep_alive_for(self.timeout_keep_alive)
        return True

    def _is_expressed(self, cycle: RequestResponseCycle) -> bool:
        """Whether there is an answer, or will be without the application."""
        is_usual = cycle.keep_alive and not cycle.waiting_for_100_continue and self._can_write()
        if self._express is None or not is_usual:
            return False
        # The same under another name.
        scope: Any = cycle.scope
        try:
            asked = self._asked = self._express.asked(scope)
        except Exception:
            log.exception("%s was not looked for", scope["path"])
            return False
        if asked is None:
            return False
        answer = self._at_once(asked)
        if answer is not None:
            self._complete(cycle, answer)
            return True
        return self._express.later(asked, scope, partial(self._counted, cycle, asked))

    def _at_once(self, asked: Asked) -> Answer | None:
        assert self._express is not None
        if not self._can_write():
            return None
        scope: Any = {**asked.scope, "client": self.client, "scheme": self.scheme}
        try:
            return self._express.at_once(asked, scope, self.server_state.default_headers)
        except Exception:
            # The application has the last word of it.
            log.exception("%s was not answered at once", scope["path"])
            return None

    def _counted(
        self, cycle: RequestResponseCycle, asked: Asked, exchange: Exchange | None
    ) -> None:
        """Answer what Redis has counted, if that can be done in one step now, too."""
        assert self._express is not None
        answer = None
        is_usual = cycle.keep_alive and not cycle.disconnected and self._can_write()
        if exchange is not None and is_usual:
            try:
                answer = self._express.counted(asked, exchange, self.server_state.default_headers)
            except Exception:
                log.exception("%s was not answered", cycle.scope["path"])
        elif exchange is not None:
            self._express.uncounted(exchange)
        if answer is None:
            super()._start_asgi_task(cycle, self.app)
        else:
            self._complete(cycle, answer)

    # Of what is called

    def _called_for(self, cycle: RequestResponseCycle) -> Called | None:
        """What a request asks for that has no body."""
        if cycle.scope["method"] != HttpMethod.GET:
            return None
        self._called = self._understood(cycle)
        return self._called

    def _understood(self, cycle: RequestResponseCycle) -> Called | None:
        assert self._direct is not None
        # The same under another name.
        scope: Any = cycle.scope
        try:
            return self._direct.asked(scope, bytes(cycle.body))
        except Exception:
            # The application has the last word of it.
            log.exception("%s was not understood", scope["path"])
            return None

    def _call_known(self, called: Called) -> None:
        """Begin with a request whose head came before; the parser need not see it."""
        assert self._direct is not None
        self._disarm()
        self._unset_keepalive_if_required()
        scope: Any = {**called.scope, "client": self.client, "scheme": self.scheme}
        self.cycle = RequestResponseCycle(
            scope=scope | {"state": self.app_state.copy()},
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=self.access_log,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=False,
            keep_alive=True,
            on_response=self.on_response_complete,
        )
        self.cycle.more_body = False
        self.cycle.message_event.set()
        call = partial(self._call, self._direct, called, self.cycle)
        super()._start_asgi_task(self.cycle, call)

    async def _call(
        self,
        direct: Direct,
        asked: Called | None,
        cycle: RequestResponseCycle,
        scope: Any,
        receive: Any,
        send: Any,
    ) -> None:
        """The application (ASGI), unless it can be done without."""
        if cycle.body and not (cycle.more_body or cycle.waiting_for_100_continue):
            asked = self._understood(cycle)
        if asked is None or not await direct.serve(asked, scope, partial(self._reply, cycle)):
            await self.app(scope, receive, send)

    async def _reply(
        self, cycle: RequestResponseCycle, status: int, headers: bytes, body: bytes
    ) -> None:
        """Write an answer as uvicorn would, in one piece."""
        assert self._direct is not None
        if self.flow.write_paused and not cycle.disconnected:
            await self.flow.drain()
        if cycle.disconnected:
            return
        if self._direct.is_leaving:
            cycle.keep_alive = False
        elif not cycle.keep_alive:
            headers += _CLOSE
        first = lines(self.server_state.default_headers)
        self.transport.write(b"".join((first_line(status), first, headers, b"\r\n", body)))
        if not cycle.keep_alive:
            self.transport.close()
        self._ended(cycle)

    # Of the connection

    def _can_write(self) -> bool:
        return not (self.flow.write_paused or self.transport.is_closing())

    def _complete(self, cycle: RequestResponseCycle, answer: Answer) -> None:
        """Write an answer as if the application had."""
        self._write(answer)
        self._ended(cycle)

    def _ended(self, cycle: RequestResponseCycle) -> None:
        """Have uvicorn know that it is answered."""
        cycle.response_started = cycle.response_complete = True
        cycle.message_event.set()
        cycle.on_response = _nothing
        self.on_response_complete()

    def _write(self, answer: Answer) -> None:
        assert self._express is not None
        self.transport.write(answer.octets)
        self._express.note(answer.exchange)

    def timeout_keep_alive_handler(self) -> None:
        # What was known has not wound it up again.
        left = self._asked_at + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self._keep_alive_for(left)
        else:
            super().timeout_keep_alive_handler()

    def _keep_alive_for(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(
            seconds, self.timeout_keep_alive_handler
        )

    # Of the answer

    def on_response_complete(self) -> None:
        super().on_response_complete()
        # The rest of a body that nobody wanted may still come, and a next request behind it.
        if self._in_body and self.cycle.response_complete and not self.transport.is_closing():
            self._within(self.drain_seconds, self.transport.abort)
        self._forget_answered()

    def send_400_response(self, msg: str) -> None:
        self._refuse(self._refusal or kinds.INVALID_REQUEST, "" if self._refusal else msg)

    def _forget_answered(self) -> None:
        """Thousands of connections wait for their next request: they keep nothing of the last."""
        if self.cycle is not None and self.cycle.response_complete and not self._is_within():
            self.cycle = self.scope = self.headers = None  # type: ignore[assignment]

    def _count(self, received: int) -> None:
        self._untold = 0
        self._head += received
        if self._head > MOST_HEAD_BYTES:
            self._break_off(kinds.HEAD_TOO_LARGE)

    def _break_off(self, kind: Kind) -> None:
        self._refusal = kind
        raise _RefusedError(kind)

    def _await_rest(self) -> None:
        """Whoever has begun a head is to end it, and whoever sends a body is to go on."""
        if self._leaving or self._deadline is not None:
            return
        if self._in_body:
            self._await_body()
        elif self._is_within():
            self._within(self.head_seconds, self._too_slow)

    def _await_body(self) -> None:
        # It may be us for whom it waits, and who is let go has the whole time from then on.
        is_held = self.flow.read_paused or self.cycle.waiting_for_100_continue
        needed = 0 if is_held else self._body + self.body_bytes
        self._within(self.body_seconds, partial(self._look_at_pace, needed))

    def _look_at_pace(self, needed: int) -> None:
        is_held = self.flow.read_paused or self.cycle.waiting_for_100_continue
        if is_held or self._body >= needed:
            self._await_body()
        else:
            self._deadline = None
            self._refuse(kinds.TOO_SLOW)

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
        # Nobody knows what was asked, but it was.
        scope: Any = {"type": "http", "method": "", "path": "", "headers": []}
        scope |= {"client": self.client, "scheme": self.scheme}
        exchange = Exchange(scope) if self._express is None else self._express.exchange(scope)
        exchange.status = kind.status
        body = problems.details(kind, detail, exchange=exchange)
        exchange.bytes = len(body)
        headers = [
            (b"content-type", problems.MEDIA_TYPE.encode()),
            (b"content-length", b"%d" % len(body)),
            (b"cache-control", b"no-store"),
            (b"connection", b"close"),
        ]
        if self._express is None:
            headers += [*API, (b"x-request-id", exchange.id.encode())]
        else:
            headers = self._express.headers(exchange, headers)
            self._express.note(exchange)
        head = lines([*self.server_state.default_headers, *headers])
        return b"".join((first_line(kind.status), head, b"\r\n", body))

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


def _part(config: Config, name: str, kind: type[T]) -> T | None:
    """Of the application that uvicorn serves."""
    application = served(config)
    part = None if application is None else application.state.get(name)
    return part if isinstance(part, kind) else None


def served(config: Config) -> Litestar | None:
    """The application that uvicorn serves, under what uvicorn wraps it in."""
    application: Any = config.loaded_app
    while application is not None and not isinstance(application, Litestar):
        application = getattr(application, "app", None)
    return application


def _nothing() -> None:
    """Nobody waits for it any more."""
