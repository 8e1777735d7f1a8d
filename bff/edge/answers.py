"""Answers of the layers in front of the routes, which know no framework."""

from litestar.types import Send

from bff.edge.kinds import Kind
from bff.edge.problems import MEDIA_TYPE, details


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
