"""Socket.IO v5 on a session: its namespaces, their events and acknowledgements."""

import asyncio
import logging
import secrets
import time
from collections import deque
from collections.abc import Coroutine, Mapping
from typing import Any, Final, Protocol

from bff.edge import kinds, problems
from bff.edge.exchange import instance
from bff.edge.kinds import Kind as Problem
from bff.realtime import packets
from bff.realtime.codec import Message, PacketError
from bff.realtime.engine import RefusedError
from bff.realtime.figures import Figures
from bff.realtime.frames import CloseCode
from bff.realtime.packets import Kind, Packet
from bff.realtime.rooms import Rooms
from bff.realtime.session import Session, Upper

log = logging.getLogger(__name__)

_ID_BYTES: Final = 15
# Events a second that a connection may go on sending, and how many at once.
RATE: Final = 10.0
BURST: Final = 50.0
# Who goes on, though refused, so far beyond that is cut off.
_PATIENCE: Final = 100.0
# Events of a socket that wait while one is being seen to.
MOST_WAITING: Final = 32
LEFT: Final = "client namespace disconnect"
_TOO_OFTEN: Final = RefusedError(kinds.TOO_MANY_REQUESTS, "Send fewer events a second.")


class Namespace(Protocol):
    """What is behind a name: who may connect, and what becomes of events."""

    rooms: Rooms

    async def connect(self, socket: "Socket", auth: dict[str, Any]) -> None:
        """Let a socket in, or raise RefusedError; it may be welcomed in here."""

    async def event(self, socket: "Socket", name: str, arguments: list[Any], /) -> Any:
        """See to an event; what is returned acknowledges it, and so does RefusedError."""

    def left(self, socket: "Socket", reason: str, /) -> None:
        """It is gone, and about to be out of all rooms."""


class Socket:
    """A client in a namespace."""

    __slots__ = (
        "_busy",
        "_connection",
        "_events",
        "data",
        "id",
        "is_there",
        "name",
        "rooms",
        "session",
    )

    def __init__(self, connection: "Connection", name: str) -> None:
        self.id = secrets.token_urlsafe(_ID_BYTES)
        self.name = name
        self.session = connection.session
        """What it comes over."""
        self.rooms: set[str] = set()
        self.data: Any = None
        """Of the namespace."""
        self.is_there = False
        self._connection = connection
        self._events: deque[Packet] | None = None
        self._busy = False

    @property
    def is_gone(self) -> bool:
        """Whether nobody can be welcomed any more."""
        return self._connection.sockets.get(self.name) is not self

    def welcome(self, **told: str) -> None:
        """Tell the client that it is in; what is sent from now on comes after that."""
        if not self.is_there:
            self.is_there = True
            self._send(Packet(Kind.CONNECT, self.name, data={"sid": self.id, **told}))

    def send(self, *messages: Message) -> None:
        """Send messages that are encoded already."""
        self.session.carrier.send(messages)

    def emit(self, name: str, *arguments: Any) -> None:
        """Send an event to this client alone."""
        self._send(Packet(Kind.EVENT, self.name, data=[name, *arguments]))

    def acknowledge(self, number: int, *arguments: Any) -> None:
        """Answer an event of the client's."""
        self._send(Packet(Kind.ACK, self.name, number, list(arguments)))

    def disconnect(self, reason: str) -> None:
        """Show it out; the client does not come back by itself."""
        self._send(Packet(Kind.DISCONNECT, self.name))
        self._connection.part(self, reason)

    def take(self, packet: Packet) -> None:
        """An event of the client's: one after the other, in the order they came."""
        if not self._busy:
            self._busy = True
            self._connection.run(self._see_to(packet))
        else:
            if self._events is None:
                self._events = deque()
            if len(self._events) < MOST_WAITING:
                self._events.append(packet)
            else:
                self.refuse(packet, RefusedError(kinds.TOO_MANY_REQUESTS, "Too many events wait."))

    def refuse(self, packet: Packet, error: RefusedError) -> None:
        """Say no: in the acknowledgement, or where none was asked for by an event."""
        told = {"status": "refused", "problem": problem_of(error.kind, error.detail)}
        if packet.id is not None:
            self.acknowledge(packet.id, told)
        else:
            self.emit("refused", {"event": packet.data[0], **told})

    def _send(self, packet: Packet) -> None:
        self.send(*packets.encode(packet))

    async def _see_to(self, packet: Packet) -> None:
        while not self.is_gone:
            await self._answer(packet)
            if not self._events:
                break
            packet = self._events.popleft()
        self._busy, self._events = False, None

    async def _answer(self, packet: Packet) -> None:
        name, *arguments = packet.data
        try:
            answer = await self._connection.namespace(self.name).event(self, name, arguments)
        except RefusedError as error:
            self._connection.refused(error.kind)
            self.refuse(packet, error)
        except Exception:
            log.exception("the event %.40s failed", name)
            self.refuse(packet, RefusedError(kinds.INTERNAL, ""))
        else:
            if packet.id is not None and not self.is_gone:
                self.acknowledge(packet.id, answer)


class Bucket:
    """So many events a second, and some at once; it refills by the clock."""

    __slots__ = ("_at", "left")

    def __init__(self) -> None:
        self.left = BURST
        self._at = time.monotonic()

    def take(self) -> bool:
        """Whether one more is allowed; those that are not count, too."""
        now = time.monotonic()
        self.left = min(BURST, self.left + (now - self._at) * RATE) - 1
        self._at = now
        return self.left >= 0


class Connection:
    """What is spoken in one session (an `Upper`)."""

    __slots__ = ("_attachments", "_bucket", "_pending", "_server", "session", "sockets")

    def __init__(self, server: "SocketServer", session: Session) -> None:
        self._server = server
        self.session = session
        self.sockets: dict[str, Socket] = {}
        self._bucket = Bucket()
        # A packet that waits for its attachments.
        self._pending: Packet | None = None
        self._attachments: list[bytes] = []

    @property
    def is_wanted(self) -> bool:
        return bool(self.sockets)

    def namespace(self, name: str) -> Namespace:
        """What is behind the name of a socket of ours."""
        return self._server.namespaces[name]

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Have something done that takes a while."""
        self._server.run(work)

    def refused(self, kind: Problem) -> None:
        """Count a refusal."""
        self._server.refused(kind)

    def text(self, data: str) -> None:
        if self._pending is not None:
            raise PacketError("An attachment should have come.")
        packet = packets.decode(data)
        if packet.attachments:
            self._pending = packet
        else:
            self._take(packet)

    def binary(self, data: bytes) -> None:
        packet = self._pending
        if packet is None:
            raise PacketError("No attachment was announced.")
        self._attachments.append(data)
        if len(self._attachments) == packet.attachments:
            attachments, self._attachments, self._pending = self._attachments, [], None
            packet.data = packets.filled(packet.data, attachments)
            self._take(packet)

    def closed(self, reason: str) -> None:
        for socket in list(self.sockets.values()):
            self.part(socket, reason)

    def part(self, socket: Socket, reason: str) -> None:
        """It is none of ours any more."""
        if self.sockets.pop(socket.name, None) is not None:
            namespace = self.namespace(socket.name)
            namespace.left(socket, reason)
            namespace.rooms.leave_all(socket)

    def _take(self, packet: Packet) -> None:
        if packet.kind is Kind.CONNECT:
            self._connect(packet)
            return
        socket = self.sockets.get(packet.namespace)
        if packet.kind is Kind.DISCONNECT:
            if socket is not None:
                self.part(socket, LEFT)
            return
        if socket is None or not socket.is_there:
            raise PacketError("It is not connected to that namespace.")
        if packet.kind is not Kind.EVENT:
            return
        if self._is_in_time():
            socket.take(packet)
        else:
            socket.refuse(packet, _TOO_OFTEN)

    def _connect(self, packet: Packet) -> None:
        name = packet.namespace
        if name in self.sockets:
            return
        if not self._is_in_time():
            self._refuse(name, _TOO_OFTEN)
        elif name not in self._server.namespaces:
            # In these words, and no others, as clients know them from other servers.
            self._send_error(name, message="Invalid namespace")
        else:
            socket = self.sockets[name] = Socket(self, name)
            self.run(self._let_in(socket, packet.data or {}))

    def _is_in_time(self) -> bool:
        """Whether the client may have something done; it is cut off if it does not stop asking."""
        is_in_time = self._bucket.take()
        if self._bucket.left < -_PATIENCE:
            self.session.close("too many events", CloseCode.POLICY)
        return is_in_time

    async def _let_in(self, socket: Socket, auth: dict[str, Any]) -> None:
        try:
            await self.namespace(socket.name).connect(socket, auth)
        except RefusedError as error:
            self.refused(error.kind)
            self._turn_away(socket, error)
        except Exception:
            log.exception("a client was not connected")
            self._turn_away(socket, RefusedError(kinds.INTERNAL, ""))
        else:
            if not socket.is_gone:
                socket.welcome()

    def _turn_away(self, socket: Socket, error: RefusedError) -> None:
        if not socket.is_gone:
            self.part(socket, "refused")
            self._refuse(socket.name, error)

    def _refuse(self, name: str, error: RefusedError) -> None:
        problem = problem_of(error.kind, error.detail)
        self._send_error(name, message=error.detail or error.kind.title, data=problem)

    def _send_error(self, name: str, **told: Any) -> None:
        self.session.send(*packets.encode(Packet(Kind.CONNECT_ERROR, name, data=told)))


class SocketServer:
    """The namespaces that there are; `speak` is what an engine asks for each session."""

    def __init__(self, namespaces: Mapping[str, Namespace], figures: Figures) -> None:
        self.namespaces = namespaces
        self._figures = figures
        self._tasks: set[asyncio.Task[None]] = set()

    def speak(self, session: Session) -> Upper:
        """What is spoken in a session."""
        return Connection(self, session)

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Have something done; it is nobody's to wait for."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def refused(self, kind: Problem) -> None:
        """Count a refusal."""
        self._figures.refused[kind.name] += 1

    async def close(self) -> None:
        """Break off what is under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def problem_of(kind: Problem, detail: str) -> problems.Problem:
    """A problem (RFC 9457) as part of a message."""
    return problems.Problem(kind.type, kind.title, kind.status, detail, instance())
