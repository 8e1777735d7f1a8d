"""WebSockets in uvicorn's place: its `--ws` protocol, without a task or a queue a connection."""

import asyncio
import base64
import hashlib
from asyncio import AbstractEventLoop, BaseTransport, Transport
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from litestar.types import HTTPScope
from uvicorn.config import Config
from uvicorn.protocols.utils import get_remote_addr, is_ssl
from uvicorn.server import ServerState

from bff.edge import kinds
from bff.edge.exchange import Exchange
from bff.edge.express import first_line, lines
from bff.edge.headers import Headers
from bff.edge.protocol import served
from bff.realtime.asgi import LINGER_SECONDS, is_ours, met, refused
from bff.realtime.codec import Message
from bff.realtime.engine import GOING_AWAY, Engine, RefusedError
from bff.realtime.frames import CloseCode, FrameError, Opcode, Reader, closing, frame
from bff.realtime.session import TOO_SLOW, Session, Waiting
from bff.realtime.siblings import Through

ENGINE: Final = "engine"
"""Where the application's state has the engine."""
# Bytes that wait in the socket's own buffer; what is more waits with us, where it is counted.
_BUFFER: Final = 64 * 1024
_MAGIC: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 1.3
_VERSION: Final = b"13"
_KEY_BYTES: Final = 24


class WebSocket(asyncio.Protocol):
    """A connection, from the head of its handshake on: a carrier of its session."""

    engine: Engine | None = None
    """Of whoever serves no application that has one."""

    __slots__ = (
        "_address",
        "_connections",
        "_engine",
        "_is_closed",
        "_linger",
        "_loop",
        "_opening",
        "_reader",
        "_session",
        "_through",
        "_transport",
        "_waiting",
    )

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],  # noqa: ARG002
        _loop: AbstractEventLoop | None = None,
    ) -> None:
        self._engine = self.engine or engine_of(config)
        self._connections = server_state.connections
        self._loop = _loop or asyncio.get_running_loop()
        self._session: Session | None = None
        self._reader: Reader | None = None
        self._waiting: Waiting | None = None
        self._linger: asyncio.TimerHandle | None = None
        self._through: Through | None = None
        self._is_closed = False

    # Of the transport

    def connection_made(self, transport: BaseTransport) -> None:
        # uvloop's are Transports by their methods only.
        self._transport = cast("Transport", transport)
        address = get_remote_addr(self._transport)
        self._address = address[0] if address else ""
        self._connections.add(self)  # type: ignore[arg-type]
        self._transport.set_write_buffer_limits(high=_BUFFER)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._is_closed = True
        self._connections.discard(self)
        if self._linger is not None:
            self._linger.cancel()
        self._let_go()

    def eof_received(self) -> bool | None:
        return None

    def pause_writing(self) -> None:
        if self._through is not None:
            self._through.near_pauses(is_full=True)
        elif self._waiting is None:
            self._waiting = Waiting()

    def resume_writing(self) -> None:
        if self._through is not None:
            self._through.near_pauses(is_full=False)
        waiting, self._waiting = self._waiting, None
        if waiting is not None and not self._is_closed:
            self._transport.write(b"".join([each.frame for each in waiting.take()]))

    def data_received(self, data: bytes) -> None:
        if self._is_closed:
            return
        if self._through is not None:
            self._through.near_received(data)
            return
        if self._reader is None:
            self._handshake(data)
            return
        try:
            for opcode, payload in self._reader.feed(data):
                self._received(opcode, payload)
        except FrameError as error:
            self._fail(error.code)

    def shutdown(self) -> None:
        """The server stops, as uvicorn tells whoever has not left before."""
        if self._session is not None:
            self._session.close(GOING_AWAY, CloseCode.GOING_AWAY)
        else:
            self._leave()

    # Of the session

    def send(self, messages: Sequence[Message]) -> None:
        if self._is_closed:
            return
        if self._waiting is None:
            is_one = len(messages) == 1
            frames = messages[0].frame if is_one else b"".join([each.frame for each in messages])
            self._transport.write(frames)
        elif not self._waiting.add(messages) and self._session is not None:
            # Nothing of it would arrive in order, so nothing of it is sent.
            self._waiting = None
            self._session.close(TOO_SLOW, CloseCode.TRY_AGAIN)

    def close(self, code: CloseCode, reason: str = "") -> None:
        if self._is_closed:
            return
        if self._waiting is not None:
            self._transport.write(b"".join([each.frame for each in self._waiting.take()]))
        self._transport.write(closing(code, reason))
        self._leave()

    def _leave(self) -> None:
        """Say no more, and have the client close, who may still be sending: if that were left
        unread, TCP would reset the connection, and with it what the client was told last
        (RFC 6455 7.1.1)."""
        if self._is_closed:
            return
        self._is_closed = True
        try:
            self._transport.write_eof()
        except (NotImplementedError, OSError):
            # It is TLS, which has an end of its own, or the client is gone.
            self._transport.close()
        self._linger = self._loop.call_later(LINGER_SECONDS, self._transport.abort)
        self._let_go()

    def _let_go(self) -> None:
        """Nobody hears of it any more."""
        through, self._through = self._through, None
        if through is not None:
            through.near_lost()
        session, self._session = self._session, None
        if session is not None:
            session.lost(self)

    def _received(self, opcode: Opcode, payload: bytes) -> None:
        session = self._session
        if self._is_closed:
            return
        if opcode is Opcode.CLOSE:
            self.close(CloseCode.NORMAL)
            # Both have said so.
            self._transport.close()
        elif opcode is Opcode.PING:
            # Who sends many and reads none has them all answered by one, at the end.
            if self._waiting is None:
                self._transport.write(frame(Opcode.PONG, payload))
        elif session is None or opcode is Opcode.PONG:
            pass
        elif opcode is Opcode.BINARY:
            session.binary_over(self, payload)
        else:
            try:
                text = payload.decode()
            except UnicodeDecodeError:
                raise FrameError(CloseCode.NOT_UTF8) from None
            session.text_over(self, text)

    def _fail(self, code: CloseCode) -> None:
        session, self._session = self._session, None
        self.close(code)
        if session is not None:
            session.lost(self, "payload too large" if code is CloseCode.TOO_BIG else "parse error")

    # Of the handshake

    def _handshake(self, data: bytes) -> None:
        engine = self._engine
        exchange = met(engine, self._scope(data))
        try:
            if engine is None or not is_ours(exchange.scope["path"]):
                raise RefusedError(kinds.NOT_FOUND, "No sockets are served here.")
            asked = engine.handshake(exchange)
            place = engine.elsewhere(asked)
            if place is not None:
                self._through = Through(self._transport, self._leave, data)
                self._opening = self._loop.create_task(Through.open(place, self._through))
                return
            session = engine.session(asked)
            key = _key(asked.method, exchange.headers)
        except RefusedError as error:
            self._refuse(exchange, error)
            return
        self._transport.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: %b\r\n\r\n" % key
        )
        self._reader = Reader(engine.limits.payload)
        if session is None:
            session = engine.open(asked.address, self)
            self.send([engine.greeting(session)])
        elif not session.joined(self):
            self.close(CloseCode.PROTOCOL_ERROR)
            return
        self._session = session

    def _scope(self, data: bytes) -> HTTPScope:
        """The handshake as the request that it is."""
        line, headers = _head(data)
        method, target, *_ = line.split(" ")
        path, _, query = target.partition("?")
        scope = {
            "method": method,
            "path": path,
            "query_string": query.encode("latin-1"),
            "headers": headers,
            "client": (self._address, 0),
            "scheme": "https" if is_ssl(self._transport) else "http",
        }
        return cast("HTTPScope", scope)

    def _refuse(self, exchange: Exchange, error: RefusedError) -> None:
        status, headers, body = refused(self._engine, exchange, error)
        # Once, though the edge of a server that leaves has said so.
        told = {**dict(headers), b"connection": b"close"}
        self._transport.write(
            b"".join((first_line(status), lines(list(told.items())), b"\r\n", body))
        )
        self._leave()


def engine_of(config: Config) -> Engine | None:
    """Of the application that uvicorn serves."""
    application = served(config)
    engine = None if application is None else application.state.get(ENGINE)
    return engine if isinstance(engine, Engine) else None


def _head(data: bytes) -> tuple[str, Headers]:
    """The first line and the headers, as uvicorn has written them: bounded, their names in lower
    case."""
    line, *lines = data.split(b"\r\n")
    pairs = [each.partition(b":") for each in lines if each]
    return line.decode("latin-1"), [(name, value.strip()) for name, _, value in pairs]


def _key(method: str, headers: Mapping[bytes, bytes]) -> bytes:
    """What proves that the handshake was understood (RFC 6455 4.2). Raises RefusedError."""
    key = headers.get(b"sec-websocket-key", b"")
    is_right = method == "GET" and headers.get(b"sec-websocket-version") == _VERSION
    if not is_right or len(key) != _KEY_BYTES:
        raise RefusedError(kinds.INVALID_REQUEST, "It is no handshake of a WebSocket.")
    digest = hashlib.sha1(key + _MAGIC, usedforsecurity=False).digest()
    return base64.b64encode(digest)
