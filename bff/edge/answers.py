"""Answers of the layers in front of the routes, which know no framework."""

from collections.abc import Iterable
from typing import Any, NamedTuple, cast

from litestar.types import ASGIApp, HTTPScope, Message, Send

from bff.edge.exchange import Exchange
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
    more = [later(retry_after)] if retry_after else []
    await give(send, refusal(kind, detail, more))


def refusal(
    kind: Kind,
    detail: str = "",
    more: Iterable[tuple[bytes, bytes]] = (),
    exchange: Exchange | None = None,
) -> Told:
    """A problem with `more` headers, of the request that is being answered if no other is named."""
    return whole(kind.status, MEDIA_TYPE, details(kind, detail, exchange=exchange), more)


def whole(
    status: int, media_type: str, body: bytes, more: Iterable[tuple[bytes, bytes]] = ()
) -> Told:
    """An answer that nobody is to keep."""
    headers = [
        (b"content-type", media_type.encode()),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
        *more,
    ]
    return Told(status, headers, body)


def later(seconds: int) -> tuple[bytes, bytes]:
    """The header that says when to try again."""
    return b"retry-after", b"%d" % seconds


async def give(send: Send, answer: Told, form: str = "http.response") -> None:
    """Send an answer; `form` is what ASGI calls it."""
    start = {"type": f"{form}.start", "status": answer.status, "headers": answer.headers}
    await send(cast("Message", start))
    body = {"type": f"{form}.body", "body": answer.body, "more_body": False}
    await send(cast("Message", body))


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
