"""Requests over a few kept connections, one after the other on each."""

import http.client
import threading
import time
from dataclasses import dataclass, field

_PATIENCE = 60.0


@dataclass
class Load:
    """What came back; times in seconds."""

    elapsed: float = 0.0
    latencies: list[float] = field(default_factory=list)
    bytes: int = 0


class RefusedError(Exception):
    """An answer was not 200, so the figures would mean nothing."""


def fetch(port: int, path: str) -> bytes:
    """One body. Raises RefusedError."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_PATIENCE)
    try:
        return _body(connection, path)
    finally:
        connection.close()


def drive(port: int, paths: list[str], connections: int) -> Load:
    """GET all paths, each connection every so-manieth. Raises RefusedError."""
    load = Load()
    failures: list[Exception] = []

    def go(share: list[str]) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_PATIENCE)
        try:
            for path in share:
                began = time.perf_counter()
                size = len(_body(connection, path))
                load.latencies.append(time.perf_counter() - began)
                load.bytes += size
        except Exception as error:
            failures.append(error)
        finally:
            connection.close()

    threads = [
        threading.Thread(target=go, args=(paths[start::connections],))
        for start in range(connections)
    ]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    load.elapsed = time.perf_counter() - began
    if failures:
        raise failures[0]
    return load


def _body(connection: http.client.HTTPConnection, path: str) -> bytes:
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read()
    if answer.status != http.HTTPStatus.OK:
        raise RefusedError(f"{path}: {answer.status} {body[:200]!r}")
    return body
