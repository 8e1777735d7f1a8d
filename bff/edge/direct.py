"""Routes that the protocol calls: one task, and none of the layers, but all that they promise."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from litestar import Litestar
from litestar._asgi.utils import is_valid_host
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute
from litestar.types import HTTPScope

from bff.edge import fences, problems
from bff.edge.answers import told
from bff.edge.calls import Call
from bff.edge.edge import GONE, Edge
from bff.edge.exchange import Exchange
from bff.edge.express import MOST_ORIGIN_BYTES, Heads, lines
from bff.edge.fences import Fenced
from bff.edge.limits.layer import Limited, policies
from bff.edge.limits.policies import Decision
from bff.edge.requests import ApiRequest
from bff.edge.routing import Routes
from bff.representation.answers import Answer, Sent
from domain.accounts import Principal
from domain.database import Horizon, horizon

DIRECT: Final = "direct"
"""Where the application's state has it; and in the `opt` of a route, that it is called so."""
CALLED: Final = {DIRECT: True}
Reply = Callable[[int, bytes, bytes], Awaitable[None]]
"""Sends an answer: its status, the lines of its headers, its body."""

# Who sends these wants another protocol, or has a body whose end nobody knows.
_UNUSUAL: Final = frozenset({b"expect", b"transfer-encoding", b"upgrade"})
_MOST_LASTING: Final = 1024


class Asked(NamedTuple):
    """A request that is understood: what is to be called with what."""

    scope: HTTPScope
    headers: dict[bytes, bytes]
    call: Call
    arguments: Mapping[str, Any]
    policies: tuple[str, ...] | None


class Direct:
    """What the edge, fences, limits and Litestar do around a handler, for those that say so.

    Whatever is unusual, wrong or refused before the handler is called, is left to them, untouched.
    """

    def __init__(
        self,
        app: Litestar,
        edge: Edge,
        fenced: Fenced,
        limited: Limited,
        routes: Routes,
        most_body_bytes: int,
    ) -> None:
        """Raises TypeError where a route says so that takes more than can be read here."""
        self._edge = edge
        self._fenced = fenced
        self._limited = limited
        self._routes = routes
        self._most_body_bytes = most_body_bytes
        self._calls = dict(_calls(app))
        self._lasting: dict[object, bytes] = {}
        self.heads: Heads[Asked] = Heads()
        """What was asked with before, letter by letter."""

    @property
    def is_leaving(self) -> bool:
        """Whether the next request on a connection is better asked elsewhere."""
        return self._edge.is_leaving

    def asked(self, scope: HTTPScope, body: bytes) -> Asked | None:
        """What is to be called; None where the application is to be asked."""
        route = self._routes(scope)
        call = self._calls.get(route.handler)
        if call is None or scope["method"] not in call.methods:
            return None
        headers = dict(scope["headers"])
        if not headers.keys().isdisjoint(_UNUSUAL) or len(body) > self._most_body_bytes:
            return None
        if not is_valid_host(headers.get(b"host", b"")) or self._edge.refuses(scope, headers):
            return None
        arguments = call.arguments(scope, headers, route.parameters, body)
        if arguments is None:
            return None
        scope["path"], scope["path_template"] = route.path, route.template
        return Asked(scope.copy(), headers, call, arguments, policies(route))

    async def serve(self, asked: Asked, scope: HTTPScope, reply: Reply) -> bool:
        """Whether a request was answered by `reply`; else nothing has happened yet, and the
        application is to be asked."""
        caller = self._limited.caller(asked.headers)
        if caller is None or self._limited.is_full or self._edge.is_leaving:
            return False
        exchange = self._edge.exchange(scope, asked.headers)
        self._edge.begin(exchange)
        seen = Horizon()
        horizon.set(seen)
        self._edge.in_flight += 1
        self._limited.in_flight += 1
        try:
            sent = await self._answered(asked, exchange, seen, caller)
            exchange.bytes = len(sent.body)
            own = self._edge.own(exchange)
            if seen.written:
                own.append(fences.told(seen))
            lasting = self._lasting_of(exchange, sent)
            await reply(sent.status_code, sent.lines + lasting + lines(own), sent.body)
        finally:
            self._limited.in_flight -= 1
            self._edge.in_flight -= 1
            exchange.status = exchange.status or GONE
            self._edge.note(exchange)
        return True

    async def _answered(
        self, asked: Asked, exchange: Exchange, seen: Horizon, caller: Principal
    ) -> Sent:
        decision: Decision | None = None
        scope = exchange.scope
        try:
            seen.asked = await self._fenced.asked(scope)
            if asked.policies is not None:
                decision = await self._limited.counted(exchange, caller, asked.policies)
            said = await asked.call(caller, asked.arguments)
            answer = said if isinstance(said, Answer) else Answer(said)
            sent = answer.sent(scope, asked.call.status)
        except Exception as error:
            sent = await _problem(scope, error)
        exchange.status = sent.status_code
        if decision is not None and (windows := self._limited.too_much(exchange, decision)):
            self._limited.limiter.hand_back(windows, decision.moment)
        return sent

    def _lasting_of(self, exchange: Exchange, sent: Sent) -> bytes:
        """What the edge adds to all such answers."""
        kind, origin = sent.named.get("content-type"), exchange.headers.get(b"origin", b"")
        key = (sent.status_code, *sent.named), kind, exchange.is_secure, origin
        known = self._lasting.get(key)
        if known is None:
            given = sent.raw
            known = lines(self._edge.lasting(exchange, given)[len(given) :])
            if len(origin) <= MOST_ORIGIN_BYTES:
                if len(self._lasting) >= _MOST_LASTING:
                    self._lasting.clear()
                self._lasting[key] = known
        return known


async def _problem(scope: HTTPScope, error: Exception) -> Sent:
    request: ApiRequest = ApiRequest(scope)
    response = problems.answer(request, error)
    status, headers, body = await told(response.to_asgi_response(None, request), scope)
    return Sent(status, {name.decode(): value.decode("latin-1") for name, value in headers}, body)


def _calls(app: Litestar) -> Iterator[tuple[HTTPRouteHandler, Call]]:
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            for handler, wanted in route.route_handler_map.values():
                if handler.opt.get(DIRECT):
                    yield handler, Call(handler, wanted)
