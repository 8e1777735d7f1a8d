"""WebSocket frames (RFC 6455): those that a server writes, and messages out of a client's."""

import struct
from collections.abc import Iterator
from enum import IntEnum
from typing import Final, NamedTuple


class Opcode(IntEnum):
    """What a frame is (RFC 6455 5.2)."""

    CONTINUATION = 0x0
    TEXT = 0x1
    BINARY = 0x2
    CLOSE = 0x8
    PING = 0x9
    PONG = 0xA


class CloseCode(IntEnum):
    """Why a connection is closed (RFC 6455 7.4.1)."""

    NORMAL = 1000
    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    NOT_UTF8 = 1007
    POLICY = 1008
    TOO_BIG = 1009
    TRY_AGAIN = 1013


class FrameError(Exception):
    """The client does not keep to the protocol; `code` is what the connection is closed with."""

    def __init__(self, code: CloseCode) -> None:
        super().__init__(code.name)
        self.code = code


class Received(NamedTuple):
    """A message, or a control frame."""

    opcode: Opcode
    payload: bytes


_FINAL: Final = 0x80
_RESERVED: Final = 0x70
_CONTROL: Final = 0x08
_MASKED: Final = 0x80
_MASK_BYTES: Final = 4
_MOST_CONTROL: Final = 125
_OPCODES: Final = {int(each): each for each in Opcode}
_HEAD: Final = struct.Struct("!BBH").pack
_LONG_HEAD: Final = struct.Struct("!BBQ").pack
# Frames of one message: who cuts it finer only wants to cost us time.
MOST_FRAGMENTS: Final = 1024


def frame(opcode: int, payload: bytes) -> bytes:
    """A whole message in one frame, as a server sends it: unmasked."""
    size = len(payload)
    if size <= _MOST_CONTROL:
        return bytes((_FINAL | opcode, size)) + payload
    if size < 0x10000:
        return _HEAD(_FINAL | opcode, 126, size) + payload
    return _LONG_HEAD(_FINAL | opcode, 127, size) + payload


def closing(code: CloseCode, reason: str = "") -> bytes:
    """A close frame; the reason has at most 123 bytes."""
    return frame(Opcode.CLOSE, struct.pack("!H", code) + reason.encode()[: _MOST_CONTROL - 2])


class Reader:
    """Puts a client's messages together, of at most `most` bytes each."""

    __slots__ = ("_fragments", "_most", "_opcode", "_rest", "_size")

    def __init__(self, most: int) -> None:
        self._most = most
        self._rest = b""
        self._opcode = Opcode.CONTINUATION
        self._fragments: list[bytes] | None = None
        self._size = 0

    def feed(self, data: bytes) -> Iterator[Received]:
        """What is whole with `data`. Raises FrameError."""
        if self._rest:
            data = self._rest + data
        at, end = 0, len(data)
        while end - at >= 2:
            first, second = data[at], data[at + 1]
            self._check(first, second)
            start, size = _extent(data, at, second & ~_MASKED)
            if start > end:
                break
            if not first & _CONTROL and self._size + size > self._most:
                raise FrameError(CloseCode.TOO_BIG)
            if start + size > end:
                break
            payload = _unmasked(data[start : start + size], data[start - _MASK_BYTES : start])
            at = start + size
            received = self._take(_OPCODES[first & 0xF], payload, is_final=bool(first & _FINAL))
            if received is not None:
                yield received
        self._rest = data[at:]

    def _check(self, first: int, second: int) -> None:
        opcode = _OPCODES.get(first & 0xF)
        if opcode is None or first & _RESERVED or not second & _MASKED:
            raise FrameError(CloseCode.PROTOCOL_ERROR)
        if first & _CONTROL:
            is_right = bool(first & _FINAL) and second & ~_MASKED <= _MOST_CONTROL
        else:
            is_right = (opcode is Opcode.CONTINUATION) == (self._fragments is not None)
        if not is_right:
            raise FrameError(CloseCode.PROTOCOL_ERROR)

    def _take(self, opcode: Opcode, payload: bytes, *, is_final: bool) -> Received | None:
        if opcode >= Opcode.CLOSE or (is_final and self._fragments is None):
            return Received(opcode, payload)
        if self._fragments is None:
            self._fragments, self._opcode = [], opcode
        self._fragments.append(payload)
        self._size += len(payload)
        if len(self._fragments) > MOST_FRAGMENTS:
            raise FrameError(CloseCode.POLICY)
        if not is_final:
            return None
        whole, self._fragments, self._size = b"".join(self._fragments), None, 0
        return Received(self._opcode, whole)


def _extent(data: bytes, at: int, length: int) -> tuple[int, int]:
    """Where the payload of the frame at `at` begins, and its size; the former is beyond `data`
    where that is not known yet."""
    if length <= _MOST_CONTROL:
        return at + 2 + _MASK_BYTES, length
    wide = 2 if length == _MOST_CONTROL + 1 else 8
    start = at + 2 + wide
    return start + _MASK_BYTES, int.from_bytes(data[at + 2 : start], "big")


def _unmasked(payload: bytes, mask: bytes) -> bytes:
    size = len(payload)
    if not size:
        return payload
    stretched = (mask * (size // _MASK_BYTES + 1))[:size]
    whole = int.from_bytes(payload, "little") ^ int.from_bytes(stretched, "little")
    return whole.to_bytes(size, "little")
