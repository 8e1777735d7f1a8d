"""What the load test's phones make of a server's answers; run by the Python that has Locust."""

import gevent.monkey

gevent.monkey.patch_all()

import socket  # noqa: E402
from collections.abc import Callable  # noqa: E402
from typing import Final  # noqa: E402

import gevent  # noqa: E402
from gevent.server import StreamServer  # noqa: E402

from benchmarks.load.connection import FAILURES, Connections  # noqa: E402

_ANSWERS: Final = {
    "/plain": b"HTTP/1.1 200 OK\r\nX-A: b\r\ncontent-length: 2\r\n\r\n{}",
    "/same": b'HTTP/1.1 304 Not Modified\r\netag: "a"\r\n\r\n',
    "/none": b"HTTP/1.1 204 No Content\r\n\r\n",
    "/chunks": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "/last": b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}",
    "/half": b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{}",
    "/nonsense": b"nonsense\r\n\r\n",
    "/hung-up": b"",
}
_CLOSING: Final = ("/last", "/half", "/nonsense", "/hung-up")
_opened: list[socket.socket] = []


def _serve(opened: socket.socket, _: tuple[str, int]) -> None:
    _opened.append(opened)
    while True:
        asked = b""
        while b"\r\n\r\n" not in asked:
            chunk = opened.recv(65_536)
            if not chunk:
                return
            asked += chunk
        path = asked.split(b" ", 2)[1].decode()
        # In two pieces, as a network may have it.
        opened.sendall(_ANSWERS[path][:20])
        gevent.sleep(0.01)
        opened.sendall(_ANSWERS[path][20:])
        if path in _CLOSING:
            return


def _fails(ask: Callable[[], object]) -> bool:
    try:
        ask()
    except FAILURES:
        return True
    return False


def main() -> None:
    """Exits with an AssertionError where one of them is not as it should be."""
    server = StreamServer(("127.0.0.1", 0), _serve)
    server.start()
    phone = Connections("127.0.0.1", server.server_port)

    def get(path: str) -> bytes:
        answer = phone.ask("GET", path, {})
        return b"%d %b" % (answer.status, answer.body)

    found = [get(path) for path in ("/plain", "/same", "/none", "/chunks", "/plain")]
    assert found == [b"200 {}", b"304 ", b"204 ", b"200 {}", b"200 {}"], found
    assert len(_opened) == 1, "a connection is kept"
    assert get("/last") == get("/plain") == b"200 {}"
    assert len(_opened) == 2, "and begun anew where the server says that it ends"
    assert _fails(lambda: get("/half"))
    assert _fails(lambda: get("/nonsense"))
    before = len(_opened)
    assert get("/plain") == b"200 {}"
    assert _fails(lambda: get("/hung-up"))
    assert len(_opened) == before + 2, "who reads asks once more where a kept one is gone"
    assert get("/plain") == b"200 {}"
    before = len(_opened)
    assert _fails(lambda: phone.ask("POST", "/hung-up", {}))
    assert len(_opened) == before, "and who writes does not"
    crowd = [gevent.spawn(get, "/plain") for _ in range(3)]
    assert [each.get() for each in crowd] == [b"200 {}"] * 3
    before = len(_opened)
    assert get("/plain") == b"200 {}"
    assert len(_opened) == before, "one of several stays"


if __name__ == "__main__":
    main()
