"""HEAD wherever there is GET, and an Allow that is whole (RFC 9110 9.3.2, 10.2.1)."""

from typing import cast

from litestar import Litestar
from litestar.enums import ScopeType
from litestar.exceptions import HTTPException, MethodNotAllowedException
from litestar.types import ASGIApp, HTTPScope, Message, Method, Receive, Scope, Send
from litestar.utils import normalize_path

# No route has it, so the router tells what there is instead.
_NONE = cast("Method", "*")


class Methods:
    """The application, whose routes may leave HEAD to GET.

    Litestar refuses HEAD where a route does not name it, and its answer to OPTIONS forgets the
    handlers that a path got later. A route that knows HEAD is left to it.
    """

    def __init__(self, app: Litestar) -> None:
        self._router = app.asgi_router
        self._next: ASGIApp = app.asgi_handler

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request (ASGI)."""
        if scope["type"] == ScopeType.HTTP:
            scope, send = self._as_get(scope, send)
        await self._next(scope, receive, send)

    def _as_get(self, scope: HTTPScope, send: Send) -> tuple[Scope, Send]:
        if scope["method"] == "HEAD":
            allowed = self._allowed(scope["path"])
            if "GET" in allowed and "HEAD" not in allowed:
                as_get = cast("HTTPScope", {**scope, "method": "GET"})
                return as_get, _without_content(send)
        return scope, self._with_whole_allow(scope["path"], send)

    def _allowed(self, path: str) -> set[str]:
        """The methods of a path's routes; none where there is no route."""
        try:
            self._router.handle_routing(path=normalize_path(path), method=_NONE)
        except MethodNotAllowedException as refusal:
            return set((refusal.headers or {}).get("allow", "").split(", "))
        except HTTPException:
            pass
        return set()

    def _with_whole_allow(self, path: str, send: Send) -> Send:
        async def send_allowed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = [
                    (name, self._allow(path) if name.lower() == b"allow" else value)
                    for name, value in message["headers"]
                ]
                message = {**message, "headers": headers}
            await send(message)

        return send_allowed

    def _allow(self, path: str) -> bytes:
        allowed = self._allowed(path)
        if "GET" in allowed:
            allowed.add("HEAD")
        return ", ".join(sorted(allowed)).encode()


def _without_content(send: Send) -> Send:
    async def send_head(message: Message) -> None:
        if message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await send(message)

    return send_head
