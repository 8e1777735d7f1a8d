"""Packets of Socket.IO v5 in messages of Engine.IO.

https://github.com/socketio/socket.io-protocol
"""

import re
from collections.abc import Sequence
from enum import IntEnum
from typing import Any, Final

import msgspec
from msgspec import Struct

from bff.realtime.codec import Message, PacketError, PacketType

# Parts of one event that are bytes, and of what a packet's numbers have at most.
MOST_ATTACHMENTS: Final = 10
MOST_NAMESPACE: Final = 128
MAIN: Final = "/"
_MESSAGE: Final = PacketType.MESSAGE.encode()
_HEAD: Final = re.compile(
    r"(?P<kind>[0-6])"
    r"(?:(?P<attachments>[0-9]{1,3})-)?"
    r"(?:(?P<namespace>/[^,]*)(?:,|\Z))?"
    r"(?P<id>[0-9]{1,15})?",
)
_PLACEHOLDER: Final = "_placeholder"
_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


class Kind(IntEnum):
    """What a packet is."""

    CONNECT = 0
    DISCONNECT = 1
    EVENT = 2
    ACK = 3
    CONNECT_ERROR = 4
    BINARY_EVENT = 5
    BINARY_ACK = 6


_BINARY: Final = {Kind.BINARY_EVENT: Kind.EVENT, Kind.BINARY_ACK: Kind.ACK}


class Packet(Struct):
    """A packet; of a binary one the kind is that of its text, once its attachments are in it."""

    kind: Kind
    namespace: str = MAIN
    id: int | None = None
    data: Any = None
    attachments: int = 0


def decode(text: str) -> Packet:
    """The packet in a message (without Engine.IO's type). Raises PacketError."""
    head = _HEAD.match(text)
    if head is None:
        raise PacketError("It is no packet.")
    kind = Kind(int(head["kind"]))
    attachments = int(head["attachments"] or 0)
    # A query after the name is of older clients, and means nothing.
    namespace = (head["namespace"] or MAIN).partition("?")[0]
    if len(namespace) > MOST_NAMESPACE:
        raise PacketError("The name of the namespace is too long.")
    if bool(attachments) != (kind in _BINARY) or attachments > MOST_ATTACHMENTS:
        raise PacketError("So many attachments do not belong to it.")
    rest = text[head.end() :]
    try:
        data = _decode(rest) if rest else None
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError) as error:
        raise PacketError("Its payload is no JSON.") from error
    packet = Packet(
        _BINARY.get(kind, kind),
        namespace,
        None if head["id"] is None else int(head["id"]),
        data,
        attachments,
    )
    _check(packet)
    return packet


def _check(packet: Packet) -> None:
    data = packet.data
    match packet.kind:
        case Kind.CONNECT:
            is_right = data is None or isinstance(data, dict)
        case Kind.DISCONNECT:
            is_right = data is None
        case Kind.EVENT:
            is_right = isinstance(data, list) and bool(data) and isinstance(data[0], str)
        case Kind.ACK:
            is_right = isinstance(data, list) and packet.id is not None
        case _:
            is_right = False
    if not is_right:
        raise PacketError("Its payload is of another kind.")


def filled(data: Any, attachments: Sequence[bytes]) -> Any:
    """The data with its attachments in their places. Raises PacketError."""
    if isinstance(data, list):
        return [filled(each, attachments) for each in data]
    if isinstance(data, dict):
        if data.get(_PLACEHOLDER) is not True:
            return {name: filled(each, attachments) for name, each in data.items()}
        number = data.get("num")
        if type(number) is not int or not 0 <= number < len(attachments):
            raise PacketError("There is no such attachment.")
        return attachments[number]
    return data


def encode(packet: Packet) -> list[Message]:
    """The messages of a packet: its text, and each part of its data that is bytes."""
    attachments: list[bytes] = []
    kind = packet.kind
    data = _emptied(packet.data, attachments)
    count = b""
    if attachments:
        kind = Kind.BINARY_EVENT if kind is Kind.EVENT else Kind.BINARY_ACK
        count = b"%d-" % len(attachments)
    number = b"" if packet.id is None else b"%d" % packet.id
    body = b"" if packet.data is None else _encode(data)
    text = b"%b%d%b%b%b%b" % (_MESSAGE, kind, count, prefix(packet.namespace), number, body)
    return [Message(text), *(Message(each, is_binary=True) for each in attachments)]


def prefix(namespace: str) -> bytes:
    """What the name of a namespace is in a packet."""
    return b"" if namespace == MAIN else namespace.encode() + b","


def event(namespace: str, body: bytes) -> Message:
    """An event whose arguments, its name the first, are JSON already."""
    return Message(b"%b%d%b%b" % (_MESSAGE, Kind.EVENT, prefix(namespace), body))


def _emptied(data: Any, attachments: list[bytes]) -> Any:
    """The data with a placeholder for each part that is bytes, which is added to `attachments`."""
    if isinstance(data, bytes):
        attachments.append(data)
        return {_PLACEHOLDER: True, "num": len(attachments) - 1}
    if isinstance(data, list | tuple):
        return [_emptied(each, attachments) for each in data]
    if isinstance(data, dict):
        return {name: _emptied(each, attachments) for name, each in data.items()}
    return data
