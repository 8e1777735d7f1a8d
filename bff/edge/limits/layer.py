"""Limits in front of the routes: one call of Redis a request, and no more at once than can be."""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from http import HTTPStatus
from typing import Any, Final

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send

from bff.edge import kinds
from bff.edge.answers import refuse
from bff.edge.exchange import Exchange, current
from bff.edge.limits.limiter import Limiter
from bff.edge.limits.policies import Decision, LimitedError, Policies, Policy, Window, Windows
from bff.edge.limits.subjects import Subjects
from bff.edge.routing import Route
from domain.accounts import AccessTokens, Principal
from domain.database import horizon
from domain.errors import CredentialsError
from domain.model import Role

OPTION: Final = "limits"
"""In the `opt` of a route: the names of policies beside that for all; None for no limit at all."""
FREE: Final = {OPTION: None}
# Seconds after which there may be room again.
_SOON: Final = 1


def limited_by(*names: str) -> dict[str, Any]:
    """The `opt` of a route with policies of its own."""
    return {OPTION: names}


class Limited:
    """An ASGI application, each of whose requests is counted before it is served.

    Whose token is good is counted by person, everybody else by address. What changed nothing
    for whoever asked, a 304 for what they have or the answer to a replay, is given back.
    """

    def __init__(
        self,
        application: ASGIApp,
        limiter: Limiter,
        subjects: Subjects,
        policies: Policies,
        tokens: AccessTokens,
        route: Callable[[HTTPScope], Route],
        most: int,
    ) -> None:
        self._application = application
        self.limiter = limiter
        self._subjects = subjects
        self._policies = policies
        self._tokens = tokens
        self._route = route
        self._most = most
        self.in_flight = 0
        """Requests that are being served, without those that are free."""
        # A person's, and an address's, are the same for minutes.
        self._of_person = lru_cache(4096)(self._windows_of_person)
        self._of_address = lru_cache(4096)(self._windows_of_address)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request (ASGI)."""
        exchange = current.get()
        if scope["type"] != ScopeType.HTTP or exchange is None:
            await self._application(scope, receive, send)
            return
        names = self.policies_of(scope)
        if names is None:
            await self._application(scope, receive, send)
            return
        if self.is_full:
            exchange.refusal = "overloaded"
            await refuse(send, kinds.OVERLOADED, "Too much at once.", retry_after=_SOON)
            return
        self.in_flight += 1
        try:
            await self._counted(exchange, names, scope, receive, send)
        finally:
            self.in_flight -= 1

    @property
    def is_full(self) -> bool:
        """Whether no more are served at once."""
        return self.in_flight >= self._most

    def policies_of(self, scope: HTTPScope) -> tuple[str, ...] | None:
        """The names of a request's policies beside that for all, None where none limits it; its
        route is known from then on."""
        route = self._route(scope)
        scope["path_template"] = route.template
        return policies(route)

    def windows(self, exchange: Exchange, names: tuple[str, ...]) -> Windows:
        """Where a request is counted; and whose it is is known from then on."""
        return self._windows(exchange, self.caller(exchange.headers), names)

    async def counted(
        self, exchange: Exchange, caller: Principal | None, names: tuple[str, ...]
    ) -> Decision | None:
        """What was decided of a request, which is told in its answer; None where nothing is
        limited. Raises LimitedError."""
        windows = self._windows(exchange, caller, names)
        if not windows:
            return None
        if exchange.user is None:
            decision = await self.limiter.take(windows)
        else:
            decision, fence = await self.limiter.take_of(exchange.user, windows)
            seen = horizon.get()
            if seen is not None and fence is not None:
                seen.own = exchange.user, fence
        exchange.decisions.append(decision)
        if decision.refused_by is not None:
            raise LimitedError(decision)
        return decision

    def too_much(self, exchange: Exchange, decision: Decision) -> Sequence[Window]:
        """Of an answer, the windows in which its request was counted and is not to be."""
        if is_free(exchange, exchange.status):
            return decision.windows
        # It was asked for all the same.
        return decision.windows[1:] if exchange.was_replayed else ()

    async def _counted(
        self,
        exchange: Exchange,
        names: tuple[str, ...],
        scope: HTTPScope,
        receive: Receive,
        send: Send,
    ) -> None:
        try:
            decision = await self.counted(exchange, self.caller(exchange.headers), names)
        except LimitedError as error:
            wait = error.decision.retry_after
            await refuse(send, kinds.TOO_MANY_REQUESTS, str(error), retry_after=wait)
            return
        await self._application(scope, receive, send)
        if decision is not None and (windows := self.too_much(exchange, decision)):
            await self.limiter.give_back(windows, decision.moment)

    def _windows(
        self, exchange: Exchange, caller: Principal | None, names: tuple[str, ...]
    ) -> Windows:
        if caller is None:
            return self._of_address(exchange.client, names)
        exchange.user = caller.id
        return self._of_person(caller.id, caller.role, names)

    def caller(self, headers: Mapping[bytes, bytes]) -> Principal | None:
        """Whose good token it is, if it is one."""
        scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
        if scheme.lower() != b"bearer":
            return None
        try:
            return self._tokens.verify(token.strip().decode("latin-1"))
        except CredentialsError:
            return None

    def _windows_of_person(self, person: int, role: Role, names: tuple[str, ...]) -> Windows:
        subject = b"{user:%d}" % person
        policies = [self._policies.general, *map(self._policy, names)]
        return _windows(subject, [each for each in policies if each.counts(role)])

    def _windows_of_address(self, client: str, names: tuple[str, ...]) -> Windows:
        # What else a route limits is of people, and none has come.
        del names
        subject = b"{address:%b}" % self._subjects.address(client)
        return _windows(subject, [self._policies.anonymous])

    def _policy(self, name: str) -> Policy:
        return getattr(self._policies, name)  # type: ignore[no-any-return]


def is_free(exchange: Exchange, status: int) -> bool:
    """Whether an answer only says that whoever asked has it. That something is there (`*`) is
    nobody's copy, and would take as much work as often as anybody likes."""
    known = exchange.headers.get(b"if-none-match", b"")
    return status == HTTPStatus.NOT_MODIFIED and known.strip() != b"*"


def policies(route: Route) -> tuple[str, ...] | None:
    """The names of those beside that for all, None where none limits it."""
    names: tuple[str, ...] | None = route.options.get(OPTION, ())
    return names


def _windows(subject: bytes, policies: Sequence[Policy]) -> Windows:
    return Windows(
        Window(policy, b"%b:limit:%b" % (subject, policy.name.encode()))
        for policy in policies
        if policy.limit
    )
