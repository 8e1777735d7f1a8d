"""A version of the application in which nothing is real but what it tells Prometheus.

`python -m tests.infra.canary.version PORT SHARE_OF_ERRORS SHARE_OF_SLOW`: answers fail, or are
slow, by chance; how long they took is drawn, too, so that a busy machine does not count.
"""

import random
import sys
from typing import cast

import uvicorn
from litestar.enums import ScopeType
from litestar.types import HTTPScope, Receive, Scope, Send

from bff.edge.exchange import Exchange
from bff.operations.figures import Figures

FAST, SLOW = 0.01, 0.3


class Version:
    """An ASGI application."""

    def __init__(self, errors: float, slow: float) -> None:
        self._errors = errors
        self._slow = slow
        self._draw = random.Random(7)
        self._figures = Figures(None)

    async def __call__(self, scope: Scope, _: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] != ScopeType.HTTP:
            return
        if scope["path"] == "/metrics":
            body, media_type = self._figures.exposition("")
            await _send(send, 200, body, media_type)
            return
        exchange = Exchange(cast("HTTPScope", {**scope, "path_template": "/api/products"}))
        exchange.status = 500 if self._draw.random() < self._errors else 200
        seconds = SLOW if self._draw.random() < self._slow else FAST
        self._figures.note(exchange, seconds)
        await _send(send, exchange.status, b"", "text/plain")


async def _send(send: Send, status: int, body: bytes, media_type: str) -> None:
    headers = [
        (b"content-type", media_type.encode()),
        (b"content-length", str(len(body)).encode()),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


if __name__ == "__main__":
    port, errors, slow = sys.argv[1:]
    uvicorn.run(
        Version(float(errors), float(slow)),
        port=int(port),
        log_level="warning",
        lifespan="off",
    )
