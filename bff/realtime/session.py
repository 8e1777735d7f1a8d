"""A session of Engine.IO: one client, whichever way its packets come and go at the moment."""

import asyncio
import secrets
from collections.abc import Callable, Sequence
from typing import Final, Protocol, TypeVar

from bff.realtime.codec import (
    CLOSE,
    NOOP,
    PROBED,
    Message,
    PacketError,
    PacketType,
    payload,
)
from bff.realtime.frames import CloseCode

T = TypeVar("T")

_ID_BYTES: Final = 15
# Of a client that does not fetch what it is sent.
MOST_WAITING: Final = 1000
MOST_WAITING_BYTES: Final = 256 * 1024
TOO_SLOW: Final = "too slow"


class Carrier(Protocol):
    """A way to the client."""

    def send(self, messages: Sequence[Message], /) -> None:
        """Send them together, now or as soon as there is room."""

    def close(self, code: CloseCode, reason: str = "") -> None:
        """Close it, once what was sent has gone."""


class Upper(Protocol):
    """What is spoken in the messages of a session; PacketError ends it."""

    @property
    def is_wanted(self) -> bool:
        """Whether the client has said what it came for."""

    def text(self, data: str) -> None:
        """A message of text has come."""

    def binary(self, data: bytes) -> None:
        """A message of bytes has come."""

    def closed(self, reason: str) -> None:
        """The session is over."""


class Owner(Protocol):
    """Who keeps the session."""

    def answered(self, session: "Session") -> None:
        """The client is alive."""

    def ended(self, session: "Session", reason: str) -> None:
        """The session is over."""


class Waiting:
    """Messages for a client that has yet to ask for them."""

    __slots__ = ("_bytes", "messages")

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self._bytes = 0

    def add(self, messages: Sequence[Message]) -> bool:
        """Whether there was room for them."""
        self.messages += messages
        self._bytes += sum(len(each.packet) for each in messages)
        return len(self.messages) <= MOST_WAITING and self._bytes <= MOST_WAITING_BYTES

    def take(self) -> list[Message]:
        """All of them."""
        taken, self.messages, self._bytes = self.messages, [], 0
        return taken


class Polling:
    """The carrier of a session that is polled."""

    __slots__ = ("_session", "is_posted_to", "poll", "waiting")

    def __init__(self, session: "Session") -> None:
        self._session = session
        self.waiting = Waiting()
        self.poll: asyncio.Future[bytes] | None = None
        self.is_posted_to = False
        """Whether a body is on its way."""

    def send(self, messages: Sequence[Message]) -> None:
        if not self.waiting.add(messages):
            self._session.close(TOO_SLOW)
            return
        self.flush()

    def close(self, code: CloseCode, reason: str = "") -> None:  # noqa: ARG002
        self.send_to_poll(CLOSE)

    def flush(self) -> None:
        """Answer the poll that waits, if there is anything to say."""
        if self.waiting.messages and self._is_polled:
            self._answer(payload(self.waiting.take()))

    def send_to_poll(self, message: Message) -> None:
        """End the poll that waits, if there is one."""
        if self._is_polled:
            self._answer(message.polled)

    @property
    def _is_polled(self) -> bool:
        return self.poll is not None and not self.poll.done()

    def _answer(self, body: bytes) -> None:
        poll, self.poll = self.poll, None
        if poll is not None:
            poll.set_result(body)


class Nowhere:
    """The carrier of a session that is over: nothing is sent any more."""

    __slots__ = ()

    def send(self, messages: Sequence[Message]) -> None:
        pass

    def close(self, code: CloseCode, reason: str = "") -> None:
        pass


_NOWHERE: Final = Nowhere()


class Session:
    """A client from its handshake on; `upper` is given its messages."""

    __slots__ = (
        "_is_probed",
        "_owner",
        "_polling",
        "_probe",
        "address",
        "carrier",
        "id",
        "is_closed",
        "pong_due",
        "upper",
    )

    def __init__(self, owner: Owner, prefix: str, address: str, carrier: Carrier | None) -> None:
        """Over a WebSocket, or without `carrier` polled; its id begins with `prefix`."""
        self.id = prefix + secrets.token_urlsafe(_ID_BYTES)
        self.address = address
        self.upper: Upper
        self.is_closed = False
        self.pong_due = 0.0
        """The moment (of the loop's clock) by which a pong is due, 0 if none is."""
        self._owner = owner
        self._polling = Polling(self) if carrier is None else None
        self.carrier: Carrier = carrier or self._polling  # type: ignore[assignment]
        """The way to the client, at the moment."""
        self._probe: Carrier | None = None
        self._is_probed = False

    @property
    def is_polled(self) -> bool:
        """Whether it has not been upgraded."""
        return self._polling is not None

    def send(self, *messages: Message) -> None:
        """Send packets; nobody waits for them to arrive."""
        self.carrier.send(messages)

    def close(self, reason: str, code: CloseCode = CloseCode.NORMAL) -> None:
        """End it."""
        if self.is_closed:
            return
        self.is_closed = True
        carrier, probe, upper = self.carrier, self._probe, self.upper
        # Each of them knows the session: it goes when the last of them does, and no look for
        # cycles is needed for that.
        self.carrier, self._polling, self._probe = _NOWHERE, None, None
        del self.upper
        carrier.close(code, reason)
        if probe is not None:
            probe.close(code, reason)
        self._owner.ended(self, reason)
        upper.closed(reason)

    # Over a WebSocket

    def joined(self, carrier: Carrier) -> bool:
        """A second way has been opened; whether there may be one."""
        if self.is_closed or self._polling is None or self._probe is not None:
            return False
        self._probe = carrier
        return True

    def text_over(self, carrier: Carrier, text: str) -> None:
        """A packet of text has come over a WebSocket."""
        if carrier is self.carrier:
            self._taken(self._packet, text)
        elif carrier is self._probe:
            self._probed(carrier, text)

    def binary_over(self, carrier: Carrier, data: bytes) -> None:
        """A message of bytes has come over a WebSocket."""
        if carrier is self.carrier:
            self._taken(self._binary, data)
        else:
            carrier.close(CloseCode.PROTOCOL_ERROR)

    def lost(
        self,
        carrier: Carrier,
        reason: str = "transport close",
        code: CloseCode = CloseCode.NORMAL,
    ) -> None:
        """A WebSocket is gone, or is to go."""
        if carrier is self.carrier:
            self.close(reason, code)
        elif carrier is self._probe:
            self._probe, self._is_probed = None, False

    def _probed(self, carrier: Carrier, text: str) -> None:
        polling = self._polling
        if polling is not None and text == f"{PacketType.PING}probe":
            self._is_probed = True
            carrier.send([PROBED])
            # The client goes over when no poll of its own is under way.
            polling.send_to_poll(NOOP)
        elif polling is not None and text == PacketType.UPGRADE and self._is_probed:
            self.carrier, self._polling, self._probe = carrier, None, None
            polling.send_to_poll(NOOP)
            carrier.send(polling.waiting.take())
        else:
            carrier.close(CloseCode.PROTOCOL_ERROR)

    # Over polls

    def poll(self) -> "asyncio.Future[bytes] | None":
        """The body of the answer to a poll, when there is one; None, and the session is over,
        where another poll waits already."""
        polling = self._polling
        if polling is None or (polling.poll is not None and not polling.poll.done()):
            self.close("duplicate poll")
            return None
        poll = polling.poll = asyncio.get_running_loop().create_future()
        if self._is_probed and not polling.waiting.messages:
            polling.send_to_poll(NOOP)
        polling.flush()
        return poll

    def begin_post(self) -> bool:
        """Whether the body of a request may come; the session is over where another one is on its
        way, for nobody could tell which was first."""
        polling = self._polling
        if polling is None or polling.is_posted_to:
            self.close("duplicate post")
            return False
        polling.is_posted_to = True
        return True

    def posted(self, packets: list[str | bytes]) -> bool:
        """Packets have come in it; whether they are such."""
        if self._polling is not None:
            self._polling.is_posted_to = False
        for packet in packets:
            is_right = (
                self._taken(self._binary, packet)
                if isinstance(packet, bytes)
                else self._taken(self._packet, packet)
            )
            if not is_right:
                return False
        return True

    def _packet(self, text: str) -> None:
        match text[:1]:
            case PacketType.MESSAGE:
                self.upper.text(text[1:])
            case PacketType.PONG:
                self._owner.answered(self)
            case PacketType.CLOSE:
                self._left()
            case PacketType.NOOP:
                pass
            case _:
                raise PacketError("It has no type that a client sends.")

    def _binary(self, data: bytes) -> None:
        self.upper.binary(data)

    def _left(self) -> None:
        """The client closes; the poll that it may still have open ends with nothing to do."""
        if self._polling is not None:
            self._polling.send_to_poll(NOOP)
        self.close("client disconnect")

    def _taken(self, take: Callable[[T], None], packet: T) -> bool:
        """Whether it is a packet; the session is over if not, and takes none after that."""
        if self.is_closed:
            return True
        try:
            take(packet)
        except (PacketError, RecursionError):
            self.close("parse error")
            return False
        return True
