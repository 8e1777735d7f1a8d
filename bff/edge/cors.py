"""Which pages of other origins may read our answers (https://fetch.spec.whatwg.org/#http-cors-protocol)."""

from collections.abc import Sequence
from typing import Final

from litestar.types import Send

from bff.edge.exchange import Exchange
from bff.edge.headers import Headers

ANY: Final = "*"
_METHODS: Final = b"GET, HEAD, POST, PUT, PATCH, DELETE"
_TAKEN: Final = (
    b"Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Comanda-Fence, "
    b"Traceparent, X-No-Compression"
)
_SHOWN: Final = (
    b"ETag, Link, Location, Retry-After, RateLimit, RateLimit-Policy, Comanda-Fence, "
    b"Idempotent-Replayed, X-Request-Id, Cache-Status, Server-Timing"
)
# Browsers ask again after two hours at the latest.
_SECONDS: Final = 7200
_VARY: Final = (b"vary", b"Origin")


class Cors:
    """Origins are those of the settings, letter by letter. A page sends its token by itself, so no
    answer ever allows credentials that a browser would add."""

    def __init__(self, origins: Sequence[str]) -> None:
        self._any = ANY in origins
        self._origins = frozenset(origin.encode() for origin in origins)
        self.is_on = bool(origins)

    def headers(self, exchange: Exchange) -> Headers:
        """What an answer says of who may read it."""
        # Caches would give one origin's answer, or nobody's, to another.
        told = [] if self._any else [_VARY]
        if (allowed := self._allowed(exchange)) is not None:
            told += [
                (b"access-control-allow-origin", allowed),
                (b"access-control-expose-headers", _SHOWN),
            ]
        return told

    def is_preflight(self, exchange: Exchange) -> bool:
        """Whether a browser asks if its page may ask, and it may."""
        return (
            exchange.scope["method"] == "OPTIONS"
            and b"access-control-request-method" in exchange.headers
            and self._allowed(exchange) is not None
        )

    async def permit(self, send: Send) -> None:
        """Answer that."""
        headers = [
            (b"access-control-allow-methods", _METHODS),
            (b"access-control-allow-headers", _TAKEN),
            (b"access-control-max-age", b"%d" % _SECONDS),
        ]
        await send({"type": "http.response.start", "status": 204, "headers": headers})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    def _allowed(self, exchange: Exchange) -> bytes | None:
        origin = exchange.headers.get(b"origin")
        if origin is None:
            return None
        if self._any:
            return ANY.encode()
        return origin if origin in self._origins else None
