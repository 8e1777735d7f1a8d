"""What is known of one request while it is answered, and of its answer."""

from __future__ import annotations

import random
import re
import time
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

from litestar.types import HTTPScope

from domain.idempotency import Once
from domain.trace import trace_id

if TYPE_CHECKING:
    from bff.edge.limits.policies import Decision

# https://www.w3.org/TR/trace-context-1/#traceparent-header; of a later version we know that much.
_TRACEPARENT: Final = re.compile(
    rb"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?"
)
_TRACE_BITS: Final = 128


class Exchange:
    """A request and what became of it. Its id is the trace's, of whoever began that."""

    __slots__ = (
        "began",
        "bytes",
        "client",
        "decisions",
        "headers",
        "id",
        "is_secure",
        "once",
        "parent",
        "refusal",
        "scope",
        "span",
        "status",
        "user",
    )

    def __init__(self, scope: HTTPScope, headers: dict[bytes, bytes] | None = None) -> None:
        self.began = time.perf_counter()
        self.scope = scope
        # Of a header that came twice, the last one.
        self.headers: dict[bytes, bytes] = dict(scope["headers"]) if headers is None else headers
        self.id, self.parent = _trace(self.headers.get(b"traceparent", b""))
        self.span: object = None
        """Of the trace, where this is traced."""
        self.client = ""
        """The address of whoever asks, as far as that can be known."""
        self.is_secure = False
        self.user: int | None = None
        """Whose access token it is,"""
        self.decisions: list[Decision] = []
        """and what was decided of how often they may ask."""
        self.refusal = ""
        """Why it was not served, if that was decided before there was a route."""
        self.status = 0
        """Of the answer, 0 before there is one;"""
        self.bytes = 0
        """and of its content, as sent."""
        self.once: Once | None = None
        """What was asked for under a key."""

    @property
    def was_replayed(self) -> bool:
        """Whether nothing was done for it but to answer it again."""
        return self.once is not None and self.once.was_replayed

    @property
    def instance(self) -> str:
        """What a problem is quoted by (RFC 9457 3.1.5)."""
        return _quoted(self.id)


current: ContextVar[Exchange | None] = ContextVar("exchange", default=None)
"""Of the request that is being answered."""


def instance() -> str:
    """Of whatever is being answered; what a socket asks has no id but its trace's."""
    exchange = current.get()
    if exchange is not None:
        return exchange.instance
    traced = trace_id()
    return "" if traced is None else _quoted(traced)


def _quoted(name: str) -> str:
    return f"urn:comanda:request:{name}"


def _trace(given: bytes) -> tuple[str, str | None]:
    """The id of the trace, and the caller's span in it."""
    found = _TRACEPARENT.fullmatch(given) if given else None
    # Version 00 has four parts and no more.
    if found is None or (given.startswith(b"00-") and len(given) != len(b"00-") + 52):
        return f"{random.getrandbits(_TRACE_BITS):032x}", None
    return found[1].decode(), found[2].decode()
