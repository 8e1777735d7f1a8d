"""Sessions over plain ASGI: polls, and WebSockets on servers whose protocol we cannot take over."""

import asyncio
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, cast

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send, WebSocketScope
from litestar.types import Message as Event

from bff.edge import kinds, problems
from bff.edge.kinds import Kind
from bff.realtime.codec import Message, PacketError, packets
from bff.realtime.engine import Asked, Engine, RefusedError
from bff.realtime.frames import CloseCode
from bff.realtime.session import TOO_SLOW, Session, Waiting

PATH: Final = "/socket.io"
# For a client to take what it was sent, and to close in its turn.
LINGER_SECONDS: Final = 5.0
# The extension of ASGI by which a handshake is refused like any other request.
_DENIAL: Final = "websocket.http.response"
Headers = Iterable[tuple[bytes, bytes]]
# A browser's page of another origin asks beforehand (Fetch, 3.2); it may for a while not ask again.
_ASKED_BEFORE: Final = [
    (b"access-control-allow-methods", b"GET, POST"),
    (b"access-control-allow-headers", b"content-type, authorization"),
    (b"access-control-max-age", b"600"),
]


class Sockets:
    """An ASGI application whose PATH belongs to the engine, and all else to another one."""

    def __init__(self, application: ASGIApp, engine: Engine) -> None:
        self._application = application
        self.engine = engine

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request or a connection (ASGI)."""
        if not is_ours(scope["path"]):
            await self._application(scope, receive, send)
        elif scope["type"] == ScopeType.HTTP:
            await self._http(scope, receive, send)
        else:
            await self._websocket(scope, receive, send)

    async def _http(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        asked = self._asked(scope, scope["method"])
        reply = Reply(send)
        try:
            self.engine.must_be_trusted(asked)
            reply.origin = asked.origin
            if asked.method == "OPTIONS":
                await reply.give(204, b"", _ASKED_BEFORE)
                return
            place = self.engine.elsewhere(asked)
            if place is not None:
                await self._hand_on(place, asked, receive, reply)
                return
            session = self.engine.session(asked)
            if asked.method == "POST" and session is not None:
                await self._post(session, receive, reply)
            elif asked.method == "GET":
                await self._get(session, asked, receive, reply)
            else:
                raise RefusedError(kinds.METHOD_NOT_ALLOWED, "It is GET or POST.")
        except RefusedError as error:
            await reply.refuse(error.kind, error.detail)

    def _asked(self, scope: HTTPScope | WebSocketScope, method: str) -> Asked:
        peer = scope["client"][0] if scope["client"] else ""
        query = scope["query_string"].decode("latin-1")
        is_websocket = scope["type"] == ScopeType.WEBSOCKET
        headers = list(scope["headers"])
        return self.engine.asked(method, query, peer, headers, is_websocket=is_websocket)

    async def _get(
        self, session: Session | None, asked: Asked, receive: Receive, reply: "Reply"
    ) -> None:
        if session is None:
            session = self.engine.open(asked.address)
            await reply.packets(self.engine.greeting(session).polled)
            return
        poll = session.poll()
        if poll is None:
            await reply.refuse(kinds.INVALID_REQUEST, "Another poll waits already.")
            return
        if not poll.done():
            leaving = asyncio.create_task(_left(receive))
            leaving.add_done_callback(lambda _: poll.cancel())
            try:
                await asyncio.wait({poll})
            finally:
                leaving.cancel()
        if poll.cancelled():
            session.close("transport close")
        else:
            await reply.packets(poll.result())

    async def _post(self, session: Session, receive: Receive, reply: "Reply") -> None:
        if not session.begin_post():
            await reply.refuse(kinds.INVALID_REQUEST, "Another body is on its way already.")
            return
        body = await self._body(receive)
        if body is None:
            session.close("payload too large")
            await reply.refuse(kinds.BODY_TOO_LARGE)
            return
        try:
            is_right = session.posted(packets(body))
        except PacketError:
            session.close("parse error")
            is_right = False
        if is_right:
            await reply.give(200, b"ok", [(b"content-type", b"text/html")])
        else:
            await reply.refuse(kinds.INVALID_REQUEST, "It is no payload of packets.")

    async def _hand_on(self, place: Path, asked: Asked, receive: Receive, reply: "Reply") -> None:
        """Have the process answer that has the session."""
        body = await self._body(receive) if asked.method == "POST" else b""
        if body is None:
            raise RefusedError(kinds.BODY_TOO_LARGE, "")
        asking = asyncio.create_task(
            self.engine.siblings.ask(place, asked.method, asked.query, body)
        )
        leaving = asyncio.create_task(_left(receive))
        leaving.add_done_callback(lambda _: asking.cancel())
        try:
            await asyncio.wait({asking})
        finally:
            leaving.cancel()
        if asking.cancelled():
            return
        if asking.exception() is not None:
            raise RefusedError(kinds.INVALID_PARAMETER, "There is no such session.")
        answer = asking.result()
        content_type = (b"content-type", answer.headers["content-type"].encode())
        await reply.give(answer.status_code, answer.content, [content_type])

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
            if size > self.engine.limits.payload:
                return None
            if not event.get("more_body"):
                break
        return b"".join(chunks)

    async def _websocket(self, scope: WebSocketScope, receive: Receive, send: Send) -> None:
        await receive()
        asked = self._asked(scope, "GET")
        try:
            session = self.engine.session(asked)
        except RefusedError as error:
            if _DENIAL in (scope["extensions"] or {}):
                await Reply(send, _DENIAL).refuse(error.kind, error.detail)
            else:
                # Before it is accepted, a close is an answer of 403.
                await send({"type": "websocket.close", "code": CloseCode.POLICY, "reason": ""})
            return
        await send({"type": "websocket.accept", "subprotocol": None, "headers": []})
        carrier = Carried(send)
        if session is None:
            session = self.engine.open(asked.address, carrier)
            carrier.send([self.engine.greeting(session)])
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
            if len(text or data or b"") > self.engine.limits.payload:
                session.lost(carrier, "payload too large", CloseCode.TOO_BIG)
            elif text is not None:
                session.text_over(carrier, text)
            elif data is not None:
                session.binary_over(carrier, data)


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


class Reply:
    """The answer to a request."""

    def __init__(self, send: Send, kind: str = "http.response") -> None:
        self.origin: str | None = None
        """Whose page may read it."""
        self._send = send
        self._kind = kind

    async def packets(self, body: bytes) -> None:
        """Packets, as text."""
        await self.give(200, body, [(b"content-type", b"text/plain; charset=UTF-8")])

    async def refuse(self, kind: Kind, detail: str = "") -> None:
        """A problem."""
        content_type = (b"content-type", problems.MEDIA_TYPE.encode())
        await self.give(kind.status, problems.details(kind, detail), [content_type])

    async def give(self, status: int, body: bytes, headers: Headers) -> None:
        """Send it."""
        whole = [
            *headers,
            (b"content-length", b"%d" % len(body)),
            (b"cache-control", b"no-store"),
        ]
        if self.origin is not None:
            whole += [
                (b"access-control-allow-origin", self.origin.encode("latin-1", "replace")),
                (b"access-control-allow-credentials", b"true"),
                (b"vary", b"Origin"),
            ]
        start = {"type": f"{self._kind}.start", "status": status, "headers": whole}
        await self._send(cast("Event", start))
        rest = {"type": f"{self._kind}.body", "body": body, "more_body": False}
        await self._send(cast("Event", rest))


async def nowhere(_: Scope, __: Receive, send: Send) -> None:
    """An application that has nothing else."""
    await Reply(send).refuse(kinds.NOT_FOUND)


def is_ours(path: str) -> bool:
    """Whether a path is the engine's."""
    return path == PATH or path.startswith(f"{PATH}/")


def _event(message: Message) -> Event:
    if message.is_binary:
        return {"type": "websocket.send", "bytes": message.packet, "text": None}
    return {"type": "websocket.send", "bytes": None, "text": message.packet.decode()}


async def _left(receive: Receive) -> None:
    """Returns when the client is gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
