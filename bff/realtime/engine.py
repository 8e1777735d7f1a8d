"""Engine.IO v4: who may open a session, which there are, and that each gives a sign of life."""

import asyncio
import random
from collections import Counter, deque
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs

import msgspec
from msgspec import Struct

from bff.edge import kinds
from bff.edge.exchange import Exchange
from bff.edge.kinds import Kind
from bff.edge.limits.subjects import network
from bff.realtime.codec import OPEN_UP, PING, PROTOCOL, Message
from bff.realtime.figures import Figures
from bff.realtime.frames import CloseCode
from bff.realtime.session import Carrier, Session, Upper
from bff.realtime.siblings import Siblings

if TYPE_CHECKING:
    from bff.edge.edge import Edge

POLLING: Final = "polling"
WEBSOCKET: Final = "websocket"
ANY: Final = "*"
"""Of the origins: whatever page it is."""
GOING_AWAY: Final = "server shutting down"
MISSED: Final = "events missed"
_MOST_QUERY: Final = 1024
_MOST_FIELDS: Final = 16


class Limits(Struct, frozen=True):
    """What clients may take; times in seconds, sizes in bytes.

    A campus comes from a few addresses only, so that those are bounded widely.
    """

    ping_interval: float = 25.0
    ping_timeout: float = 20.0
    connect_timeout: float = 45.0
    """Until a session has said what it wants, or is closed."""
    payload: int = 64 * 1024
    sessions: int = 20_000
    sessions_an_address: int = 5_000
    drain: float = 5.0
    """Over which the sessions of a server that goes are closed, one by one."""


class Asked(Struct, frozen=True):
    """What a request says, before anything is done for it; `address` is what those of its client
    have in common."""

    method: str
    query: str
    address: str
    is_websocket: bool
    host: str
    origin: str | None

    @classmethod
    def of(cls, exchange: Exchange, *, is_websocket: bool = False) -> "Asked":
        """What is known of it so far."""
        scope, headers = exchange.scope, exchange.headers
        origin = headers.get(b"origin")
        return cls(
            scope["method"],
            scope["query_string"].decode("latin-1"),
            network(exchange.client),
            is_websocket,
            headers.get(b"host", b"").decode("latin-1"),
            None if origin is None else origin.decode("latin-1"),
        )


class RefusedError(Exception):
    """A request that is not served: the kind of problem, and the words for this one."""

    def __init__(self, kind: Kind, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail


class Engine:
    """The sessions of this process; `speak` makes what is spoken in a new one."""

    def __init__(
        self,
        speak: Callable[[Session], Upper],
        figures: Figures,
        limits: Limits | None = None,
        origins: Collection[str] = (),
        siblings: Siblings | None = None,
    ) -> None:
        self.limits = limits or Limits()
        self.sessions: dict[str, Session] = {}
        self.figures = figures
        self.siblings = siblings or Siblings(None)
        self.edge: Edge | None = None
        """In front of what is polled; it knows whom handshakes are from, too."""
        self._speak = speak
        self._origins = frozenset(origins)
        self._addresses: Counter[str] = Counter()
        self._is_leaving = False
        # Each waits as long, so the first to be due is always in front.
        self._pings = Queue(self.sessions, self.limits.ping_interval, self._ping)
        self._pongs = Queue(self.sessions, self.limits.ping_timeout, self._missed)
        self._silent = Queue(self.sessions, self.limits.connect_timeout, self._unheard)

    def handshake(self, exchange: Exchange) -> Asked:
        """What that of a WebSocket says, which has come by no edge: whom that would refuse gets no
        further. Raises RefusedError."""
        if self.edge is not None:
            refusal = self.edge.refuses(exchange.scope, exchange.headers)
            if refusal is not None:
                exchange.refusal = refusal.reason
                raise RefusedError(refusal.kind, "")
        return Asked.of(exchange, is_websocket=True)

    def elsewhere(self, asked: Asked) -> Path | None:
        """Where the process listens that a request belongs to, if it is another one.

        Raises RefusedError.
        """
        name = _query(asked.query).get("sid")
        place = None if name is None or name in self.sessions else self.siblings.of(name)
        if place is not None:
            self._must_be_trusted(asked)
        return place

    def session(self, asked: Asked) -> Session | None:
        """The session that a request belongs to, or None where it asks for one.

        Raises RefusedError.
        """
        self._must_be_trusted(asked)
        query = _query(asked.query)
        transport = query.get("transport")
        if transport != (WEBSOCKET if asked.is_websocket else POLLING):
            raise self._refused(kinds.INVALID_PARAMETER, "transport is polling or websocket.")
        if query.get("EIO") != PROTOCOL:
            raise self._refused(kinds.INVALID_PARAMETER, f"EIO is {PROTOCOL}.")
        name = query.get("sid")
        if name is None:
            self._must_have_room(asked)
            return None
        session = self.sessions.get(name)
        if session is None:
            raise self._refused(kinds.INVALID_PARAMETER, "There is no such session.")
        if not asked.is_websocket and not session.is_polled:
            raise self._refused(kinds.INVALID_REQUEST, "The session is a WebSocket's by now.")
        return session

    def open(self, address: str, carrier: Carrier | None = None) -> Session:
        """A new session, which its client has yet to be told of (`greeting`)."""
        session = Session(self, self.siblings.prefix, address, carrier)
        session.upper = self._speak(session)
        self.sessions[session.id] = session
        self._addresses[address] += 1
        self.figures.opened += 1
        self._pings.add(session)
        self._silent.add(session)
        return session

    def greeting(self, session: Session) -> Message:
        """The first packet of a session."""
        told = {
            "sid": session.id,
            "upgrades": [WEBSOCKET] if session.is_polled else [],
            "pingInterval": round(self.limits.ping_interval * 1000),
            "pingTimeout": round(self.limits.ping_timeout * 1000),
            "maxPayload": self.limits.payload,
        }
        return Message(OPEN_UP + msgspec.json.encode(told))

    def answered(self, session: Session) -> None:
        """A pong has come."""
        if session.pong_due:
            session.pong_due = 0.0
            self._pings.add(session)

    def ended(self, session: Session, reason: str) -> None:
        """It is over, and counts no more."""
        self.sessions.pop(session.id, None)
        self.figures.closed[reason] += 1
        self._addresses[session.address] -= 1
        if not self._addresses[session.address]:
            del self._addresses[session.address]

    async def drain(self) -> None:
        """Let nobody in any more, and have those who are here leave, but not all at once: they
        will be at another server's door a moment later. Returns when all of them have."""
        self._is_leaving = True
        await asyncio.gather(*map(self._send_away, list(self.sessions.values())))

    async def _send_away(self, session: Session) -> None:
        await asyncio.sleep(random.uniform(0, self.limits.drain))
        session.close(GOING_AWAY, CloseCode.GOING_AWAY)

    def begin_anew(self) -> None:
        """Have everybody who is here come back: they have missed something."""
        self._send_all_away(MISSED, CloseCode.TRY_AGAIN)

    def close(self) -> None:
        """End what is left."""
        self._is_leaving = True
        self._send_all_away(GOING_AWAY, CloseCode.GOING_AWAY)
        for queue in (self._pings, self._pongs, self._silent):
            queue.close()

    def _send_all_away(self, reason: str, code: CloseCode) -> None:
        for session in list(self.sessions.values()):
            session.close(reason, code)

    def _must_be_trusted(self, asked: Asked) -> None:
        """Apps send no Origin, and our own pages are at our host, which is one by then that we
        answer to. Raises RefusedError."""
        if asked.origin is None or not self._origins.isdisjoint((asked.origin, ANY)):
            return
        if not asked.host or asked.origin.partition("://")[2] != asked.host:
            raise self._refused(kinds.FORBIDDEN, "Pages of this origin are not served.")

    def _must_have_room(self, asked: Asked) -> None:
        if asked.method != "GET":
            raise self._refused(kinds.INVALID_REQUEST, "A session begins with GET.")
        if self._is_leaving:
            raise self._refused(kinds.UNAVAILABLE, "This server is about to stop.")
        if len(self.sessions) >= self.limits.sessions:
            raise self._refused(kinds.OVERLOADED, "This server has all the sessions it takes.")
        if self._addresses[asked.address] >= self.limits.sessions_an_address:
            raise self._refused(kinds.OVERLOADED, "Too many sessions come from this address.")

    def _refused(self, kind: Kind, detail: str) -> RefusedError:
        self.figures.refused[kind.name] += 1
        return RefusedError(kind, detail)

    def _ping(self, session: Session) -> None:
        session.pong_due = asyncio.get_running_loop().time() + self.limits.ping_timeout
        self._pongs.add(session)
        session.send(PING)

    def _missed(self, session: Session) -> None:
        # It may have been pinged again meanwhile.
        if 0 < session.pong_due <= asyncio.get_running_loop().time():
            session.close("ping timeout")

    def _unheard(self, session: Session) -> None:
        if not session.upper.is_wanted:
            session.close("connect timeout")


class Queue:
    """Sessions in the order in which something is due for them, with one timer for all.

    It knows them by their ids: whoever comes and goes is not kept in memory until then.
    """

    def __init__(
        self, sessions: Mapping[str, Session], seconds: float, act: Callable[[Session], None]
    ) -> None:
        self._sessions = sessions
        self._seconds = seconds
        self._act = act
        self._due: deque[tuple[float, str]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, session: Session) -> None:
        """`act` on it in so many seconds."""
        loop = asyncio.get_running_loop()
        self._due.append((loop.time() + self._seconds, session.id))
        if self._timer is None:
            self._timer = loop.call_at(self._due[0][0], self._turn)

    def close(self) -> None:
        """Forget all of them."""
        self._due.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _turn(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        while self._due and (self._due[0][0] <= now or self._due[0][1] not in self._sessions):
            session = self._sessions.get(self._due.popleft()[1])
            if session is not None:
                self._act(session)
        # uvloop counts whole milliseconds.
        self._timer = (
            loop.call_at(max(self._due[0][0], now + 0.001), self._turn) if self._due else None
        )


def _query(text: str) -> dict[str, str]:
    """The first value of each field; nothing where there is more than anybody sends."""
    if len(text) > _MOST_QUERY:
        return {}
    try:
        fields = parse_qs(text, max_num_fields=_MOST_FIELDS)
    except ValueError:
        return {}
    return {name: values[0] for name, values in fields.items()}
