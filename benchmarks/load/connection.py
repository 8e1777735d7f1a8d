"""A phone's connections: HTTP/1.1, kept open, one request at a time.

Locust's own client (geventhttpclient) does more than an app does, and takes of the machine that is
measured for it: cookies, redirects, an address taken apart for each request, bodies by 4 KB.
"""

import json
import select
import socket
import zlib
from collections.abc import Mapping
from functools import cached_property
from typing import Any, Final

import brotli
import httptools
from gevent.monkey import get_original

# What a request may end with instead of an answer.
FAILURES: Final = (OSError, httptools.HttpParserError, httptools.HttpParserUpgrade)
CODINGS: Final = "gzip, br"
_PATIENCE: Final = 20.0
_AT_ONCE: Final = 65_536
_poll: Final = get_original("select", "poll")


class Answer:
    """What came back; without a status, none did. Headers are by their names in lower case."""

    def __init__(
        self, status: int = 0, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> None:
        self.status = status
        self.headers = headers or {}
        self.body = body
        """As it was sent."""

    @cached_property
    def told(self) -> Any:
        """What its JSON says."""
        return json.loads(self._plain())

    def _plain(self) -> bytes:
        coding = self.headers.get("content-encoding")
        try:
            if coding == "br":
                plain: bytes = brotli.decompress(self.body)
                return plain
            if coding == "gzip":
                return zlib.decompress(self.body, 16 + zlib.MAX_WBITS)
        except (brotli.error, zlib.error) as error:
            raise ValueError("it is not coded as it says") from error
        return self.body

    @property
    def is_open(self) -> bool:
        """Whether what was asked for may have happened or not, as far as this one tells."""
        is_in_flight = self.status == 409 and self.told.get("type", "").endswith(":in-flight")
        return self.status in (0, 429) or self.status >= 500 or is_in_flight


class Connections:
    """To one server: as many as there are requests at a time, which is one but for who is told of
    something meanwhile."""

    def __init__(self, host: str, port: int) -> None:
        self._place = host, port
        self._idle: list[Connection] = []

    def ask(self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> Answer:
        """What the server says to it. Raises FAILURES."""
        connection = self._idle.pop() if self._idle else Connection(*self._place)
        answer = connection.ask(method, path, headers, body)
        if self._idle:
            # Another one came back first: one is enough again.
            connection.close()
        else:
            self._idle.append(connection)
        return answer


class Connection:
    """Opened by who asks, and again where it is gone."""

    def __init__(self, host: str, port: int) -> None:
        self._place = host, port
        self._named = f" HTTP/1.1\r\nhost: {host}:{port}\r\naccept-encoding: {CODINGS}\r\n"
        self._socket: socket.socket | None = None
        # Not select(2), which knows no descriptor above 1023.
        self._look = _poll()
        self._parser = httptools.HttpResponseParser(self)

    def ask(self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> Answer:
        """What the server says to it. Raises FAILURES."""
        lines = [f"{method} {path}{self._named}"]
        lines += [f"{name}: {value}\r\n" for name, value in headers.items()]
        if body or method != "GET":
            lines.append(f"content-length: {len(body)}\r\n")
        lines.append("\r\n")
        request = "".join(lines).encode() + body
        # What is kept may be closed by the other end in this very moment: who only reads asks again
        # (RFC 9112, 9.3.1).
        is_kept = self._socket is not None
        try:
            return self._asked(request)
        except ConnectionError:
            if not is_kept or method != "GET" or self._has_begun:
                raise
        return self._asked(request)

    def _asked(self, request: bytes) -> Answer:
        self._has_begun = False
        opened = self._opened()
        try:
            opened.sendall(request)
            return self._read(opened)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Until the next request."""
        if self._socket is not None:
            self._look.unregister(self._socket.fileno())
            self._socket.close()
            self._socket = None

    def _opened(self) -> socket.socket:
        # Where something lies in it that nobody asked for, that is its end.
        if self._socket is not None and self._look.poll(0):
            self.close()
        if self._socket is None:
            opened = socket.create_connection(self._place, _PATIENCE)
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._look.register(opened.fileno(), select.POLLIN)
            self._parser = httptools.HttpResponseParser(self)
            self._socket = opened
        return self._socket

    def _read(self, opened: socket.socket) -> Answer:
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []
        self._is_whole = False
        while not self._is_whole:
            chunk = opened.recv(_AT_ONCE)
            if not chunk:
                raise ConnectionResetError("the server has hung up")
            self._has_begun = True
            self._parser.feed_data(chunk)
        status = self._parser.get_status_code()
        if not self._is_kept:
            self.close()
        return Answer(status, self._headers, b"".join(self._body))

    # What the parser tells

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        self._is_whole = True
        # Of an answer that is over it knows no more.
        self._is_kept = self._parser.should_keep_alive()
