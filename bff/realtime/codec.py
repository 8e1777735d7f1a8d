"""Packets of Engine.IO v4, one by one over a WebSocket and several in the body of a poll.

https://github.com/socketio/engine.io-protocol
"""

from base64 import b64decode, b64encode
from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from bff.realtime.frames import Opcode, frame

SEPARATOR: Final = b"\x1e"
PROTOCOL: Final = "4"
# To look them up takes as long as all else that a frame needs (Python 3.11).
_TEXT: Final = Opcode.TEXT
_BINARY: Final = Opcode.BINARY


class PacketType(StrEnum):
    """The first character of a packet."""

    OPEN = "0"
    CLOSE = "1"
    PING = "2"
    PONG = "3"
    MESSAGE = "4"
    UPGRADE = "5"
    NOOP = "6"


class PacketError(Exception):
    """What was received is no packet, or none that may come at this moment."""


class Message:
    """A packet on its way out: encoded once, however many it is sent to and in whichever way."""

    __slots__ = ("frame", "is_binary", "packet")

    def __init__(self, packet: bytes, *, is_binary: bool = False) -> None:
        self.packet = packet
        self.is_binary = is_binary
        self.frame = frame(_BINARY if is_binary else _TEXT, packet)
        """As it goes over a WebSocket."""

    @property
    def polled(self) -> bytes:
        """As it goes into the body of a poll."""
        return b"b" + b64encode(self.packet) if self.is_binary else self.packet


OPEN_UP: Final = b"0"
CLOSE: Final = Message(b"1")
PING: Final = Message(b"2")
PROBED: Final = Message(b"3probe")
NOOP: Final = Message(b"6")


def payload(messages: Iterable[Message]) -> bytes:
    """The body of the answer to a poll."""
    return SEPARATOR.join([each.polled for each in messages])


def packets(body: bytes) -> list[str | bytes]:
    """What a client posted: packets of text, and the bytes of binary messages.

    Raises PacketError.
    """
    try:
        texts = body.decode().split(SEPARATOR.decode())
        return [b64decode(text[1:], validate=True) if text[:1] == "b" else text for text in texts]
    except ValueError as error:
        raise PacketError("It is no payload.") from error
