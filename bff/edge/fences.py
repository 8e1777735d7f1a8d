"""The header by which a client says how far it has to see, and is told how far it has written."""

import re
from collections.abc import Awaitable, Callable
from typing import Final

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from domain.database import Fence, Horizon, horizon

HEADER: Final = b"comanda-fence"
_FENCE: Final = re.compile(rb"[0-9a-f]{1,16}")


class Fenced:
    """An ASGI application, each of whose requests has a horizon.

    A client that was told of a change, by an answer or over a socket, sends back the fence that
    came with it (hexadecimal). One that is ahead of the primary is nobody's: it would only make
    the primary serve what replicas could.
    """

    def __init__(self, application: ASGIApp, known: Callable[[Fence], Awaitable[bool]]) -> None:
        self._application = application
        self._known = known

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request (ASGI)."""
        if scope["type"] != ScopeType.HTTP:
            await self._application(scope, receive, send)
            return
        seen = Horizon(await self.asked(scope))

        async def send_with_fence(message: Message) -> None:
            if seen.written and message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], told(seen)]
            await send(message)

        token = horizon.set(seen)
        try:
            await self._application(scope, receive, send_with_fence)
        finally:
            horizon.reset(token)

    async def asked(self, scope: HTTPScope) -> Fence:
        """How far the request wants to see."""
        for name, value in scope["headers"]:
            if name == HEADER and _FENCE.fullmatch(value):
                asked = int(value, 16)
                return asked if await self._known(asked) else 0
        return 0


def told(seen: Horizon) -> tuple[bytes, bytes]:
    """The header that tells how far a request has written."""
    return HEADER, b"%x" % seen.written
