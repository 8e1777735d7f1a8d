"""Wrong passwords of an account: what is counted is who failed, not who logs in."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bff.edge.exchange import current
from bff.edge.limits.limiter import Limiter
from bff.edge.limits.policies import Decision, LimitedError, Policies, Window, Windows
from bff.edge.limits.subjects import Subjects
from domain.accounts import same_for_all_spellings
from domain.errors import CredentialsError, UnavailableError


class Attempts:
    """Windows of an account: from one address, so that nobody is locked out by strangers soon, and
    from all, so that many addresses do not add up to many tries."""

    def __init__(self, limiter: Limiter, subjects: Subjects, policies: Policies) -> None:
        self._limiter = limiter
        self._subjects = subjects
        self._policies = policies

    @asynccontextmanager
    async def at(self, account: str) -> AsyncIterator[None]:
        """Around a try at an account by its name, whether there is one or not.

        It counts before anybody knows how it ends, so that a hundred at once are no more than
        one after another. Raises LimitedError.
        """
        if not self._policies.login.limit:
            yield
            return
        here, everywhere = self._windows(account)
        decision = await self._limiter.take(Windows([here, everywhere]))
        if decision.refused_by is not None:
            _tell(decision)
            raise LimitedError(decision)
        try:
            yield
        except CredentialsError:
            _tell(decision)
            raise
        except UnavailableError:
            # It was not tried.
            await self._limiter.give_back(decision.windows, decision.moment)
            raise
        await self._limiter.clear(here)
        await self._limiter.give_back([everywhere], decision.moment)

    def _windows(self, account: str) -> tuple[Window, Window]:
        exchange = current.get()
        address = self._subjects.address(exchange.client if exchange is not None else "")
        subject = b"{account:%b}" % self._subjects.hidden(same_for_all_spellings(account))
        return (
            Window(self._policies.login, b"%b:limit:login:%b" % (subject, address)),
            Window(self._policies.account, b"%b:limit:account" % subject),
        )


def _tell(decision: Decision) -> None:
    exchange = current.get()
    if exchange is not None:
        exchange.decisions.append(decision)
