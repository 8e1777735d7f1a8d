"""Sessions over plain ASGI: polls, and WebSockets on servers whose protocol we cannot take over."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, cast

import msgspec
from litestar.enums import HttpMethod, ScopeType
from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send, WebSocketScope
from litestar.types import Message as Event

from bff.edge import kinds
from bff.edge.answers import Told, give, later, refusal, refuse, whole
from bff.edge.exchange import Exchange, current
from bff.edge.problems import Problem
from bff.realtime.codec import Message, PacketError, packets
from bff.realtime.engine import Asked, Engine, RefusedError
from bff.realtime.frames import CloseCode
from bff.realtime.session import TOO_SLOW, Session, Waiting

PATH: Final = "/socket.io"
# For a client to take what it was sent, and to close in its turn.
LINGER_SECONDS: Final = 5.0
# The extension of ASGI by which a handshake is refused like any other request.
_DENIAL: Final = "websocket.http.response"
_TAKEN: Final = (HttpMethod.GET, HttpMethod.POST)
_ALLOW: Final = (b"allow", b", ".join(each.encode() for each in _TAKEN))
# By then whoever leaves has left, or another server is there.
_LATER: Final = later(5)
# What a kind of problem promises beside its words (docs/problems.md).
_PROMISED: Final = {
    kinds.METHOD_NOT_ALLOWED: [_ALLOW],
    kinds.OVERLOADED: [_LATER],
    kinds.UNAVAILABLE: [_LATER],
}


class Sockets:
    """An ASGI application whose PATH belongs to the engine, and all else to another one. `polls`
    are the engine's Polls, or what there is around them."""

    def __init__(self, application: ASGIApp, engine: Engine, polls: ASGIApp | None = None) -> None:
        self._application = application
        self._polls = polls or Polls(engine)
        self._engine = engine

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request or a connection (ASGI)."""
        if not is_ours(scope["path"]):
            await self._application(scope, receive, send)
        elif scope["type"] == ScopeType.HTTP:
            await self._polls(scope, receive, send)
        else:
            await self._websocket(scope, receive, send)

    async def _websocket(self, scope: WebSocketScope, receive: Receive, send: Send) -> None:
        await receive()
        exchange = met(self._engine, _as_http(scope))
        try:
            asked = self._engine.handshake(exchange)
            session = self._engine.session(asked)
        except RefusedError as error:
            answer = refused(self._engine, exchange, error)
            if _DENIAL in (scope["extensions"] or {}):
                await give(send, answer, _DENIAL)
            else:
                # Before it is accepted, a close is an answer of 403.
                await send({"type": "websocket.close", "code": CloseCode.POLICY, "reason": ""})
            return
        await send({"type": "websocket.accept", "subprotocol": None, "headers": []})
        carrier = Carried(send)
        if session is None:
            session = self._engine.open(asked.address, carrier)
            carrier.send([self._engine.greeting(session)])
        elif not session.joined(carrier):
            carrier.close(CloseCode.PROTOCOL_ERROR)
        carrier.session = session
        reading = asyncio.create_task(self._read(session, carrier, receive))
        writing = asyncio.create_task(carrier.write())
        try:
            await asyncio.wait({reading, carrier.closed}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            session.lost(carrier)
            carrier.close(CloseCode.NORMAL)
            # Who reads no more is not waited for.
            _, left = await asyncio.wait({reading, writing}, timeout=LINGER_SECONDS)
            for task in left:
                task.cancel()
            read, _ = await asyncio.gather(reading, writing, return_exceptions=True)
        if isinstance(read, Exception):
            raise read

    async def _read(self, session: Session, carrier: "Carried", receive: Receive) -> None:
        while True:
            event = await receive()
            if event["type"] != "websocket.receive":
                return
            text, data = event.get("text"), event.get("bytes")
            if len(text or data or b"") > self._engine.limits.payload:
                session.lost(carrier, "payload too large", CloseCode.TOO_BIG)
            elif text is not None:
                session.text_over(carrier, text)
            elif data is not None:
                session.binary_over(carrier, data)


class Polls:
    """An ASGI application: the sessions that are polled."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request (ASGI)."""
        asked = Asked.of(current.get() or Exchange(cast("HTTPScope", scope)))
        try:
            with _of_no_request():
                answer = await self._answer(asked, receive)
        except RefusedError as error:
            answer = _refusal(error)
        if answer is not None:
            await give(send, answer)

    async def _answer(self, asked: Asked, receive: Receive) -> Told | None:
        """None for who has left. Raises RefusedError."""
        if asked.method == HttpMethod.OPTIONS:
            return Told(HTTPStatus.NO_CONTENT, [_ALLOW], b"")
        if asked.method == HttpMethod.HEAD:
            # It is to change nothing, and GET opens a session, or takes what waits for its client.
            raise RefusedError(kinds.METHOD_NOT_ALLOWED, "It is GET or POST.")
        place = self._engine.elsewhere(asked)
        session = None if place is not None else self._engine.session(asked)
        if asked.method not in _TAKEN:
            raise RefusedError(kinds.METHOD_NOT_ALLOWED, "It is GET or POST.")
        if place is not None:
            return await self._hand_on(place, asked, receive)
        if session is None:
            return _packets(self._engine.greeting(self._engine.open(asked.address)).polled)
        if asked.method == HttpMethod.POST:
            return await self._post(session, receive)
        return await self._get(session, receive)

    async def _get(self, session: Session, receive: Receive) -> Told | None:
        poll = session.poll()
        if poll is None:
            raise RefusedError(kinds.INVALID_REQUEST, "Another poll waits already.")
        if not poll.done():
            await _while_there(poll, receive)
        if poll.cancelled():
            session.close("transport close")
            return None
        return _packets(poll.result())

    async def _post(self, session: Session, receive: Receive) -> Told:
        if not session.begin_post():
            raise RefusedError(kinds.INVALID_REQUEST, "Another body is on its way already.")
        body = await self._body(receive)
        if body is None:
            session.close("payload too large")
            raise RefusedError(kinds.BODY_TOO_LARGE, "")
        try:
            is_right = session.posted(packets(body))
        except PacketError:
            session.close("parse error")
            is_right = False
        if not is_right:
            raise RefusedError(kinds.INVALID_REQUEST, "It is no payload of packets.")
        return _packets(b"ok")

    async def _hand_on(self, place: Path, asked: Asked, receive: Receive) -> Told | None:
        """Have the process answer that has the session."""
        body = await self._body(receive) if asked.method == HttpMethod.POST else b""
        if body is None:
            raise RefusedError(kinds.BODY_TOO_LARGE, "")
        asking = asyncio.create_task(
            self._engine.siblings.ask(place, asked.method, asked.query, body)
        )
        await _while_there(asking, receive)
        if asking.cancelled():
            return None
        if asking.exception() is not None:
            raise RefusedError(kinds.INVALID_PARAMETER, "There is no such session.")
        answer = asking.result()
        if answer.is_error:
            # Said again here, it is of the request that its client has made.
            problem = msgspec.json.decode(answer.content, type=Problem)
            raise RefusedError(kinds.BY_NAME[problem.type.rpartition(":")[2]], problem.detail)
        return _packets(answer.content)

    async def _body(self, receive: Receive) -> bytes | None:
        """What is posted; None if that is too much. Of who leaves, what came is enough."""
        chunks: list[bytes] = []
        size = 0
        while True:
            event = await receive()
            if event["type"] != "http.request":
                break
            chunks.append(event["body"])
            size += len(event["body"])
            if size > self._engine.limits.payload:
                return None
            if not event.get("more_body"):
                break
        return b"".join(chunks)


class Carried:
    """A WebSocket that an ASGI server speaks: its messages leave one after another."""

    def __init__(self, send: Send) -> None:
        self.session: Session | None = None
        self.closed = asyncio.get_running_loop().create_future()
        self._send = send
        self._waiting = Waiting()
        self._more = asyncio.Event()
        self._code = CloseCode.NORMAL
        self._reason = ""

    def send(self, messages: Sequence[Message]) -> None:
        if self.closed.done():
            return
        has_room = self._waiting.add(messages)
        self._more.set()
        if not has_room and self.session is not None:
            # Nothing of it would arrive in order, so nothing of it is sent.
            self._waiting.take()
            self.session.close(TOO_SLOW, CloseCode.TRY_AGAIN)

    def close(self, code: CloseCode, reason: str = "") -> None:
        if not self.closed.done():
            self._code, self._reason = code, reason
            self.closed.set_result(None)
            self._more.set()

    async def write(self) -> None:
        """Write until it is closed, and then say so."""
        while not (self.closed.done() and not self._waiting.messages):
            await self._more.wait()
            self._more.clear()
            for message in self._waiting.take():
                await self._send(_event(message))
        await self._send(
            {"type": "websocket.close", "code": self._code, "reason": self._reason[:120]}
        )


async def nowhere(_: Scope, __: Receive, send: Send) -> None:
    """An application that has nothing else."""
    await refuse(send, kinds.NOT_FOUND)


def is_ours(path: str) -> bool:
    """Whether a path is the engine's."""
    return path == PATH or path.startswith(f"{PATH}/")


def met(engine: Engine | None, scope: HTTPScope) -> Exchange:
    """What the edge knows of a handshake, where there is one."""
    edge = None if engine is None else engine.edge
    return Exchange(scope) if edge is None else edge.exchange(scope)


def refused(engine: Engine | None, exchange: Exchange, error: RefusedError) -> Told:
    """The answer to a handshake, which is noted, and has what the edge gives every other one."""
    answer = _refusal(error, exchange)
    edge = None if engine is None else engine.edge
    if edge is None:
        return answer
    exchange.status, exchange.bytes = answer.status, len(answer.body)
    edge.note(exchange)
    return answer._replace(headers=edge.lasting(exchange, answer.headers) + edge.own(exchange))


def _refusal(error: RefusedError, exchange: Exchange | None = None) -> Told:
    return refusal(error.kind, error.detail, _PROMISED.get(error.kind, ()), exchange)


def _packets(body: bytes) -> Told:
    return whole(HTTPStatus.OK, "text/plain; charset=UTF-8", body)


def _as_http(scope: WebSocketScope) -> HTTPScope:
    """A handshake as the request that it is."""
    scheme = "https" if scope["scheme"] == "wss" else "http"
    return cast("HTTPScope", {**scope, "method": HttpMethod.GET.value, "scheme": scheme})


@contextmanager
def _of_no_request() -> Iterator[None]:
    """Timers and tasks of sessions that begin meanwhile go on when the request is over."""
    token = current.set(None)
    try:
        yield
    finally:
        current.reset(token)


def _event(message: Message) -> Event:
    if message.is_binary:
        return {"type": "websocket.send", "bytes": message.packet, "text": None}
    return {"type": "websocket.send", "bytes": None, "text": message.packet.decode()}


async def _while_there(waited: "asyncio.Future[Any]", receive: Receive) -> None:
    """Returns when it is done; it is cancelled where the client leaves before."""
    leaving = asyncio.create_task(_left(receive))
    leaving.add_done_callback(lambda _: waited.cancel())
    try:
        await asyncio.wait({waited})
    finally:
        leaving.cancel()


async def _left(receive: Receive) -> None:
    """Returns when the client is gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
