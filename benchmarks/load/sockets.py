"""A client of /orders: Engine.IO 4 and Socket.IO 5 over a WebSocket, in a greenlet of its own."""

import json
import random
import socket
import struct
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

import gevent

ACKNOWLEDGED: Final = "acknowledged"
_NAMESPACE: Final = "/orders"
_PATIENCE: Final = 20.0
# No ping for so long (every 25 s, and 20 s to answer), and nobody is there.
_SILENCE: Final = 60.0
_MOST_AGAIN: Final = 5.0
_TEXT, _CLOSE, _PING, _PONG = 1, 8, 9, 10


class CutError(Exception):
    """The connection is gone, and not because we wanted it."""


class Frames:
    """A WebSocket (RFC 6455), as far as a server that sends whole messages needs it."""

    def __init__(self, host: str, port: int, client: str) -> None:
        self._socket = socket.create_connection((host, port), _PATIENCE)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._read = bytearray()
        try:
            self._open(client)
        except (CutError, OSError):
            self.close()
            raise
        self._socket.settimeout(_SILENCE)

    def messages(self) -> Iterator[str]:
        """What comes, until it ends. Raises CutError."""
        while True:
            for code, content in self._whole():
                if code == _TEXT:
                    yield content.decode()
                elif code == _PING:
                    self._send(_PONG, content)
                elif code == _CLOSE:
                    why = content[2:].decode("utf-8", "replace")
                    raise CutError(f"closed with {int.from_bytes(content[:2])} {why}")
            self._more()

    def send(self, text: str) -> None:
        """Raises CutError."""
        self._send(_TEXT, text.encode())

    def close(self) -> None:
        self._socket.close()

    def _open(self, client: str) -> None:
        self._socket.sendall(
            (
                "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: localhost\r\n"
                "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                f"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nX-Forwarded-For: {client}\r\n\r\n"
            ).encode()
        )
        while b"\r\n\r\n" not in self._read:
            self._more()
        head, _, rest = bytes(self._read).partition(b"\r\n\r\n")
        if b" 101 " not in head.partition(b"\r\n")[0]:
            raise CutError(head.partition(b"\r\n")[0].decode("latin-1"))
        self._read = bytearray(rest)

    def _whole(self) -> Iterator[tuple[int, bytes]]:
        """Takes the frames that are there off what was read."""
        read, at = self._read, 0
        while len(read) - at >= 2:
            size, head = read[at + 1] & 0x7F, 2
            if size >= 126:
                head = 4 if size == 126 else 10
                size = int.from_bytes(read[at + 2 : at + head])
            if len(read) - at < head + size:
                break
            yield read[at] & 0x0F, bytes(read[at + head : at + head + size])
            at += head + size
        del read[:at]

    def _more(self) -> None:
        try:
            chunk = self._socket.recv(65_536)
        except OSError as error:
            raise CutError(repr(error)) from error
        if not chunk:
            raise CutError("the server has hung up")
        self._read += chunk

    def _send(self, code: int, content: bytes) -> None:
        size = len(content)
        head = (
            bytes((0x80 | code, 0x80 | size))
            if size < 126
            else struct.pack("!BBH", 0x80 | code, 0xFE, size)
        )
        try:
            # A mask of zeros is one.
            self._socket.sendall(head + bytes(4) + content)
        except OSError as error:
            raise CutError(repr(error)) from error


class LiveSocket:
    """Tells `heard` of each event (its name, and what is in it), and comes back when it is cut off,
    to where it was, or with the position `since`. `welcomed` is called each time that it is let in,
    with the seconds that it took."""

    def __init__(
        self,
        place: tuple[str, int, str],
        token: Callable[[], str],
        heard: Callable[[str, dict[str, Any]], None],
        welcomed: Callable[[float], None],
        since: str,
    ) -> None:
        self._place = place
        """Host, port, and the address that we ask from."""
        self._token = token
        self._heard = heard
        self._welcomed = welcomed
        self._frames: Frames | None = None
        self._pid = ""
        self._offset: str | None = None
        self._ids = 0
        self.since = since
        self.cuts: list[str] = []
        """Why it was cut off, each time."""
        self._reading = gevent.spawn(self._live)

    def emit(self, name: str, data: dict[str, Any]) -> None:
        """Say so, if it is connected."""
        self._ids += 1
        if self._frames is not None:
            try:
                event = json.dumps([name, data])
                self._frames.send(f"42{_NAMESPACE},{self._ids}{event}")
            except CutError:
                pass  # Whoever reads will see it.

    def close(self) -> None:
        """For good."""
        self._reading.kill()

    def _live(self) -> None:
        pause = 0.5
        while True:
            began = time.monotonic()
            try:
                self._session(began)
            except (CutError, OSError) as error:
                self.cuts.append(str(error))
            finally:
                if self._frames is not None:
                    self._frames.close()
                    self._frames = None
            lasted = time.monotonic() - began
            pause = 0.5 if lasted > _MOST_AGAIN else min(_MOST_AGAIN, 2 * pause)
            gevent.sleep(pause * random.uniform(0.5, 1.0))

    def _session(self, began: float) -> None:
        frames = Frames(*self._place)
        self._frames = frames
        for message in frames.messages():
            kind, rest = message[0], message[1:]
            if kind == "2":
                frames.send("3")
            elif kind == "0":
                auth = {"token": self._token(), "since": self.since}
                if self._offset is not None:
                    auth |= {"pid": self._pid, "offset": self._offset}
                frames.send(f"40{_NAMESPACE},{json.dumps(auth)}")
            elif kind == "4":
                self._packet(rest, began)

    def _packet(self, packet: str, began: float) -> None:
        kind, rest = packet[0], packet[1:].removeprefix(f"{_NAMESPACE},")
        if kind == "0":
            pid = json.loads(rest)["pid"]
            if pid != self._pid:
                # Somebody new: what an older one had been told is of no use.
                self._pid, self._offset = pid, None
            self._welcomed(time.monotonic() - began)
        elif kind == "2":
            name, news, *more = json.loads(rest)
            self._heard(name, news)
            if more:
                self._offset = more[-1]
        elif kind == "3":
            self._heard(ACKNOWLEDGED, json.loads(rest.lstrip("0123456789"))[0])
        elif kind in "14":
            raise CutError(f"refused: {rest}")
