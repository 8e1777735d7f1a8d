"""Answers that are ready, given in one step: no task and no layers, but all that they promise."""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from http import HTTPStatus
from typing import Final, Generic, NamedTuple, TypeVar

from litestar.enums import HttpMethod
from litestar.types import HTTPScope

from bff.edge.edge import Edge
from bff.edge.exchange import Exchange
from bff.edge.headers import Headers
from bff.edge.limits.layer import Limited, is_free
from bff.edge.limits.policies import Decision, Windows

T = TypeVar("T")
Found = tuple[int, tuple[tuple[bytes, bytes], ...], bytes]
"""Status, headers and body of what is ready."""
Way = Callable[[], Found | None]
"""How a request is answered whenever it comes; None where the answer is not ready any more."""
Source = Callable[[HTTPScope], Way | None]
"""The way of what it has ready; None for all else."""

EXPRESS: Final = "express"
"""Where the application's state has it."""
# Who sends these wants something that is not ready, or another protocol, or has a body.
_UNUSUAL: Final = frozenset(
    {
        b"comanda-fence",
        b"content-length",
        b"expect",
        b"transfer-encoding",
        b"upgrade",
    }
)
# Heads that are known by their octets, and of how many of these. A trace is another one each time.
_MOST_KNOWN: Final = 4096
_MOST_HEAD_BYTES: Final = 2048
_TRACE: Final = b"traceparent"
_MOST_LASTING: Final = 1024
# Longer than any that a browser sends.
MOST_ORIGIN_BYTES: Final = 512
_END: Final = b"\r\n\r\n"


class Asked(NamedTuple):
    """All that is to be known of a request by its head alone."""

    scope: HTTPScope
    headers: dict[bytes, bytes]
    way: Way
    is_limited: bool


class Answer(NamedTuple):
    """What is sent, from the first line to the end, and the request that it is for."""

    octets: bytes
    exchange: Exchange


class Heads(Generic[T]):
    """Heads of requests that came before, and what they ask for."""

    def __init__(self) -> None:
        self._known: dict[bytes, T] = {}
        self.get = self._known.get

    def remember(self, head: bytes, headers: Mapping[bytes, bytes], asked: T) -> None:
        """Of a head, the whole of it, one need not be told again what it asks."""
        if len(head) > _MOST_HEAD_BYTES or not head.endswith(_END) or _TRACE in headers:
            return
        if len(self._known) >= _MOST_KNOWN:
            del self._known[next(iter(self._known))]
        self._known[head] = asked


class Express:
    """What the edge and the limits do around an application, around what needs none.

    Whatever is unusual, refused, or has to be waited for longer than for Redis, is left to them.
    """

    def __init__(self, edge: Edge, limited: Limited, sources: Sequence[Source]) -> None:
        self._edge = edge
        self._limited = limited
        self._limiter = limited.limiter
        self._sources = sources
        self.heads: Heads[Asked] = Heads()
        """What was asked with before, letter by letter."""
        self._lasting: dict[object, tuple[bytes, bytes, object]] = {}
        self._first: Headers = []
        self._first_lines = b""

    def asked(self, scope: HTTPScope) -> Asked | None:
        """What a request asks for, if that was ready a moment ago."""
        if scope["method"] != HttpMethod.GET:
            return None
        way = next((way for source in self._sources if (way := source(scope)) is not None), None)
        if way is None:
            return None
        headers = dict(scope["headers"])
        if not headers.keys().isdisjoint(_UNUSUAL) or self._edge.refuses(scope, headers):
            return None
        names = self._limited.policies_of(scope)
        # Policies of its own are for those who change something.
        return None if names else Asked(scope.copy(), headers, way, names is not None)

    def at_once(self, asked: Asked, scope: HTTPScope, first: Headers) -> Answer | None:
        """The answer, where nobody has to be waited for; `first` are the headers that the server
        has for each."""
        if self._edge.is_leaving or (found := asked.way()) is None:
            return None
        exchange = self._edge.exchange(scope, asked.headers)
        windows = self._windows(asked, exchange)
        if not windows:
            return self._answer(found, exchange, first)
        decision = self._limiter.at_once(windows)
        return None if decision is None else self._counted(decision, found, exchange, first)

    def later(
        self, asked: Asked, scope: HTTPScope, tell: Callable[[Exchange | None], None]
    ) -> bool:
        """Whether there will be an answer as soon as Redis has counted the request. Then `tell` is
        given what `counted` makes one of, or None where only the application knows what to do."""
        if self._edge.is_leaving or asked.way() is None:
            return False
        exchange = self._edge.exchange(scope, asked.headers)
        windows = self._windows(asked, exchange)
        if not windows:
            return False

        def counted(decision: Decision | None) -> None:
            if decision is not None:
                exchange.decisions.append(decision)
            tell(None if decision is None else exchange)

        self._limiter.ask(windows, counted)
        return True

    def counted(self, asked: Asked, exchange: Exchange, first: Headers) -> Answer | None:
        """The answer to a request that was counted; else None, and then it was not."""
        (decision,) = exchange.decisions
        if self._edge.is_leaving or (found := asked.way()) is None:
            self.uncounted(exchange)
            return None
        exchange.decisions.clear()
        return self._counted(decision, found, exchange, first)

    def uncounted(self, exchange: Exchange) -> None:
        """Somebody else answers it, and counts it."""
        for decision in exchange.decisions:
            self._limiter.hand_back(decision.windows, decision.moment)

    def exchange(self, scope: HTTPScope) -> Exchange:
        """What is known of a request that is no whole one,"""
        return self._edge.exchange(scope)

    def headers(self, exchange: Exchange, headers: Headers) -> Headers:
        """the headers of what it is answered with,"""
        return self._edge.lasting(exchange, headers) + self._edge.own(exchange)

    def note(self, exchange: Exchange) -> None:
        """and that it was; of any other one, too."""
        self._edge.note(exchange)

    def _windows(self, asked: Asked, exchange: Exchange) -> Windows:
        return self._limited.windows(exchange, ()) if asked.is_limited else Windows([])

    def _counted(
        self, decision: Decision, found: Found, exchange: Exchange, first: Headers
    ) -> Answer:
        exchange.decisions.append(decision)
        if is_free(exchange, found[0]):
            self._limiter.hand_back(decision.windows, decision.moment)
        return self._answer(found, exchange, first)

    def _answer(self, found: Found, exchange: Exchange, first: Headers) -> Answer:
        status, headers, body = found
        exchange.status, exchange.bytes = status, len(body)
        # To hash all of them takes longer. They are kept, so nothing else is at their place.
        origin = exchange.headers.get(b"origin", b"")
        key = status, id(headers), exchange.is_secure, origin
        lasting = self._lasting.get(key)
        if lasting is None:
            rest = lines(self._edge.lasting(exchange, list(headers)))
            lasting = first_line(status), rest, headers
            if len(origin) <= MOST_ORIGIN_BYTES:
                if len(self._lasting) >= _MOST_LASTING:
                    self._lasting.clear()
                self._lasting[key] = lasting
        line, rest, _ = lasting
        if first is not self._first:
            # Another one each second: the date is in it.
            self._first, self._first_lines = first, lines(first)
        own = lines(self._edge.own(exchange))
        octets = b"".join((line, self._first_lines, rest, own, b"\r\n", body))
        return Answer(octets, exchange)


@lru_cache
def first_line(status: int) -> bytes:
    """Of an answer."""
    return b"HTTP/1.1 %d %b\r\n" % (status, HTTPStatus(status).phrase.encode())


def lines(headers: Headers) -> bytes:
    """Headers as they are sent."""
    return b"".join([b"%b: %b\r\n" % each for each in headers])
