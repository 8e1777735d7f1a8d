"""The object store's own process: ministack without the doors that no S3 client needs.

Its administration answers anybody, and one path deletes every object on a plain POST, which
any web page may send to loopback. Bucket names cannot begin with an underscore, so nothing of
S3 is lost with those paths.
"""

from __future__ import annotations

import importlib
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

HEALTH = "/_ministack/health"

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


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


def main() -> None:
    """Serve until SIGTERM; the settings are environment variables."""
    ministack: Any = importlib.import_module("ministack.app")
    ministack.app = without_administration(ministack.app)
    ministack.main()


if __name__ == "__main__":
    main()
