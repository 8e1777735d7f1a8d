"""The outermost layer: it sees every request, whatever its route, and none without one."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextvars import Token
from typing import Final, NamedTuple

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from bff.edge import kinds
from bff.edge.answers import refuse
from bff.edge.clients import Clients
from bff.edge.cors import Cors
from bff.edge.exchange import Exchange, current
from bff.edge.headers import Finish, Headers
from bff.edge.kinds import Kind
from bff.edge.robots import Robots, is_scanned_for
from bff.operations.drain import Drain

log = logging.getLogger(__name__)

Meet = Callable[[Exchange], None]
"""Is told of each request that begins to be answered, in the context in which it is."""
Watch = Callable[[Exchange, float], None]
"""Is told of each request that was answered, and of the seconds that it took."""

# Asked by what runs us, by address and under any name.
OPERATIONS: Final = frozenset({"/health", "/ready", "/metrics"})
# Whoever asked has gone; nginx's number for it.
GONE: Final = 499


class Refusal(NamedTuple):
    """Why a request is not served, and what it is answered with."""

    reason: str
    kind: Kind


_MISDIRECTED: Final = Refusal("host", kinds.MISDIRECTED)
_SCANNED: Final = Refusal("scanner", kinds.NOT_FOUND)
_ROBOT: Final = Refusal("robot", kinds.ROBOT)


class Edge:
    """An ASGI application around another one: who asks, whether they are served at all, and the
    headers of whatever is answered."""

    def __init__(
        self,
        application: ASGIApp,
        *,
        clients: Clients,
        hosts: Sequence[str],
        robots: Robots,
        cors: Cors,
        finish: Finish,
        drain: Drain,
        watch: Sequence[Watch],
        meet: Sequence[Meet] = (),
    ) -> None:
        self._application = application
        self._clients = clients
        self._hosts = Hosts(hosts)
        self._robots = robots
        self._cors = cors
        self._finish = finish
        self._drain = drain
        self._watch = watch
        self._meet = meet
        self.in_flight = 0
        """Requests that are being answered,"""
        self.refusals: Counter[str] = Counter()
        """and those that were not served, by why."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request (ASGI)."""
        if scope["type"] != ScopeType.HTTP:
            await self._application(scope, receive, send)
            return
        exchange = self.exchange(scope)
        answer = _Answer(self, exchange, send)
        token = self.begin(exchange)
        self.in_flight += 1
        try:
            await self._serve(exchange, scope, receive, answer.send)
        except Exception:
            # Of the layers themselves: the routes' are answered by then.
            log.exception("%s %s failed", scope["method"], scope["path"])
            if exchange.status:
                raise
            await refuse(answer.send, kinds.INTERNAL)
        finally:
            self.in_flight -= 1
            exchange.status = exchange.status or GONE
            self.note(exchange)
            current.reset(token)

    @property
    def is_leaving(self) -> bool:
        """Whether the next request on a connection is better asked elsewhere."""
        return self._drain.has_begun

    def exchange(self, scope: HTTPScope, headers: dict[bytes, bytes] | None = None) -> Exchange:
        """What is known of a request as it comes; of its headers, if somebody has looked."""
        exchange = Exchange(scope, headers)
        exchange.client, exchange.is_secure = self._clients.of(scope)
        return exchange

    def refuses(self, scope: HTTPScope, headers: Mapping[bytes, bytes]) -> Refusal | None:
        """Why a request is not served, if it is not."""
        path = scope["path"]
        if path in OPERATIONS:
            return None
        if not self._hosts.include(scope):
            return _MISDIRECTED
        if is_scanned_for(path):
            return _SCANNED
        if self._robots.are_refused(headers.get(b"user-agent", b"")):
            return _ROBOT
        return None

    def begin(self, exchange: Exchange) -> Token[Exchange | None]:
        """Have it be the current one of this context; answers that are ready have none."""
        token = current.set(exchange)
        for meet in self._meet:
            meet(exchange)
        return token

    def lasting(self, exchange: Exchange, headers: Headers) -> Headers:
        """What is sent to every such request in the end,"""
        headers = self._finish.lasting(exchange, headers)
        if self._cors.is_on:
            headers += self._cors.headers(exchange)
        return headers

    def own(self, exchange: Exchange) -> Headers:
        """and what to this one alone."""
        headers = self._finish.own(exchange)
        if self.is_leaving:
            headers.append((b"connection", b"close"))
        return headers

    def note(self, exchange: Exchange) -> None:
        """Have everybody who watches know that a request was answered."""
        if exchange.refusal:
            self.refusals[exchange.refusal] += 1
        seconds = time.perf_counter() - exchange.began
        for watch in self._watch:
            watch(exchange, seconds)

    async def _serve(
        self, exchange: Exchange, scope: HTTPScope, receive: Receive, send: Send
    ) -> None:
        if (refusal := self.refuses(scope, exchange.headers)) is not None:
            exchange.refusal = refusal.reason
            await refuse(send, refusal.kind)
        elif self._cors.is_on and self._cors.is_preflight(exchange):
            await self._cors.permit(send)
        else:
            await self._application(scope, receive, send)


class Hosts:
    """The names that we answer to, `*.example` for all below one; any name where there are none."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = frozenset(name.lower() for name in names if not name.startswith("*."))
        self._parents = tuple(name[1:].lower() for name in names if name.startswith("*."))
        self._are_any = not names

    def include(self, scope: HTTPScope) -> bool:
        """Whether each Host of a request is one of them; without any it is nobody's."""
        if self._are_any:
            return True
        given = [value for name, value in scope["headers"] if name == b"host"]
        return bool(given) and all(map(self._is_ours, given))

    def _is_ours(self, host: bytes) -> bool:
        name = host.decode("latin-1").lower()
        if not name.endswith("]"):
            name = name.rpartition(":")[0] or name
        return name in self._names or name.endswith(self._parents)


class _Answer:
    """Where the answer to one request goes through."""

    __slots__ = ("_edge", "_exchange", "_is_head", "_send")

    def __init__(self, edge: Edge, exchange: Exchange, send: Send) -> None:
        self._edge = edge
        self._exchange = exchange
        self._send = send
        self._is_head = exchange.scope["method"] == "HEAD"

    async def send(self, message: Message) -> None:
        """As ASGI's `send`."""
        if message["type"] == "http.response.start":
            self._exchange.status = message["status"]
            edge, exchange = self._edge, self._exchange
            headers = edge.lasting(exchange, list(message["headers"])) + edge.own(exchange)
            message = {**message, "headers": headers}
        elif message["type"] == "http.response.body":
            if self._is_head:
                message = {**message, "body": b""}
            self._exchange.bytes += len(message["body"])
        await self._send(message)
