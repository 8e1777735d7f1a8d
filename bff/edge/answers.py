"""Answers of the layers in front of the routes, which know no framework."""

from typing import Any, NamedTuple

from litestar.types import ASGIApp, HTTPScope, Message, Send

from bff.edge.headers import Headers
from bff.edge.kinds import Kind
from bff.edge.problems import MEDIA_TYPE, details


class Told(NamedTuple):
    """Status, headers and body."""

    status: int
    headers: Headers
    body: bytes


async def refuse(send: Send, kind: Kind, detail: str = "", *, retry_after: int = 0) -> None:
    """Answer with a problem; `retry_after` is in seconds, 0 for none."""
    body = details(kind, detail)
    headers = [
        (b"content-type", MEDIA_TYPE.encode()),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
    ]
    if retry_after:
        headers.append((b"retry-after", b"%d" % retry_after))
    await send({"type": "http.response.start", "status": kind.status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


async def told(application: ASGIApp, scope: HTTPScope) -> Told:
    """What an application answers with that asks for no body."""
    start: Any = None
    body = b""

    async def send(message: Message) -> None:
        nonlocal start, body
        if message["type"] == "http.response.start":
            start = message
        elif message["type"] == "http.response.body":
            body += message["body"]

    await application(scope, _nothing, send)
    return Told(start["status"], list(start["headers"]), body)


async def _nothing() -> Any:
    raise AssertionError("nobody reads a body here")
