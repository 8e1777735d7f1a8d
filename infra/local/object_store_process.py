"""The object store's own process: ministack without the doors that no S3 client needs, and
without the belief that a write cannot fail.

Its administration answers anybody, and one path deletes every object on a plain POST, which
any web page may send to loopback. Bucket names cannot begin with an underscore, so nothing of
S3 is lost with those paths.

An object that it cannot write it keeps in memory, logs, and answers with 200; after the next
start it is gone. So what would not fit is refused before, and what failed all the same is
answered with an error.
"""

from __future__ import annotations

import importlib
import os
import shutil
from collections.abc import Awaitable, Callable, MutableMapping
from contextvars import ContextVar
from http import HTTPStatus
from pathlib import Path
from typing import Any

HEALTH = "/_ministack/health"
DIRECTORY = "S3_DATA_DIR"
RESERVE = "COMANDA_S3_RESERVE_BYTES"  # what stays free on the disk, for the database above all

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

_FULL = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>InsufficientStorage</Code>'
    b"<Message>The disk of the object store is full: free some space.</Message></Error>"
)


def without_administration(application: Application) -> Application:
    """Wrap an ASGI application so that only S3 and the health check are left."""

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if scope["type"] == "http" and path.startswith("/_") and path != HEALTH:
            await send({"type": "http.response.start", "status": 404, "headers": []})
            await send({"type": "http.response.body", "body": b""})
        else:
            await application(scope, receive, send)

    return guarded


class KeptOrRefused:
    """What is written is on the disk when it is answered with success, or is answered with 507."""

    def __init__(self, application: Application, s3: Any, directory: Path, reserve: int) -> None:
        self._application = application
        self._directory = directory
        self._reserve = reserve
        self._announced = 0  # by requests under way: their bytes are not on the disk yet
        self._lost: ContextVar[list[str]] = ContextVar("lost")
        self._persist = s3._persist_object
        s3._persist_object = self._persist_or_tell

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _writes(scope):
            await self._application(scope, receive, send)
            return
        size = _announced(scope)
        free = shutil.disk_usage(self._directory).free
        if free - self._announced - size < self._reserve:
            while (await receive()).get("more_body"):
                pass  # a client that is still sending would see a broken connection only
            await _refuse(send)
            return
        self._announced += size
        try:
            await self._watched(scope, receive, send)
        finally:
            self._announced -= size

    async def _watched(self, scope: Scope, receive: Receive, send: Send) -> None:
        lost: list[str] = []
        self._lost.set(lost)

        async def honestly(message: Any) -> None:
            if not lost:
                await send(message)
            elif message["type"] == "http.response.start":
                await _refuse(send)

        await self._application(scope, receive, honestly)

    def _persist_or_tell(self, bucket: str, key: str, record: Any) -> None:
        self._persist(bucket, key, record)
        # It swallows the error, but lets go of the body only once that is written.
        if record.get("body") is not None:
            self._lost.get([]).append(key)


def _writes(scope: Scope) -> bool:
    """Whether a request needs space; a POST that deletes objects makes some."""
    query = scope.get("query_string", b"").split(b"&")
    deletes = any(each.split(b"=")[0] == b"delete" for each in query)
    return scope["method"] == "PUT" or (scope["method"] == "POST" and not deletes)


def _announced(scope: Scope) -> int:
    length: bytes = dict(scope["headers"]).get(b"content-length", b"")
    return int(length) if length.isdigit() else 0


async def _refuse(send: Send) -> None:
    headers = [(b"content-type", b"application/xml"), (b"content-length", b"%d" % len(_FULL))]
    status = HTTPStatus.INSUFFICIENT_STORAGE.value
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": _FULL})


def main() -> None:
    """Serve until SIGTERM; the settings are environment variables."""
    ministack: Any = importlib.import_module("ministack.app")
    s3 = importlib.import_module("ministack.services.s3")
    directory, reserve = Path(os.environ[DIRECTORY]), int(os.environ[RESERVE])
    honest = KeptOrRefused(ministack.app, s3, directory, reserve)
    ministack.app = without_administration(honest)
    ministack.main()


if __name__ == "__main__":
    main()
