"""The first screen of the app in one trip, whatever of it can be had."""

import asyncio
import logging
from collections.abc import Coroutine
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, TypeVar

from litestar import get
from litestar.di import NamedDependency

from bff.edge import kinds
from bff.edge.kinds import Kind
from bff.edge.problems import Problem, declared
from bff.representation import views
from bff.representation.views import View
from domain import configuration as settings
from domain.accounts import Principal
from domain.active_orders import ActiveOrders
from domain.bestsellers import Bestsellers
from domain.cafeterias import Cafeteria, Cafeterias
from domain.configuration import Configuration
from domain.errors import UnavailableError
from domain.menu import Menu
from domain.model.money import to_decimal
from domain.notifications import Notifications
from domain.users import Users
from domain.wallet import Wallets

T = TypeVar("T")

log = logging.getLogger(__name__)

# Seconds that a part has; the screen is shown without one that takes longer.
PATIENCE: Final = 1.0
# Parts of a process that nobody waits for any more, and that go on.
MOST_LATE: Final = 64
_late: Final[set[asyncio.Task[Any]]] = set()


class GreetingView(View, frozen=True):
    """Whom to greet, null for who has not logged in, and what everybody is to read first."""

    name: str | None
    notice: str | None


class DoorView(View, frozen=True):
    """A cafeteria, and whether its door is open at the instant of the answer."""

    id: int
    name: str
    is_open: bool
    accepts_orders: bool
    opens_at: datetime | None
    closes_at: datetime | None
    next_change: datetime | None


class HomeView(View, frozen=True):
    """The first screen. A part that could not be had is null, and `problems` says why, by its
    name; the last three are null for who has not logged in, and the order where nothing is under
    way. The open cafeterias come first."""

    greeting: GreetingView | None
    cafeterias: list[DoorView] | None
    categories: list[views.CategoryView] | None
    bestsellers: list[views.ProductView] | None
    active_order: views.OrderView | None
    unread: int | None
    balance: str | None
    problems: dict[str, Problem]


@get(
    "/api/home",
    summary="The first screen in one trip",
    tags=["home"],
    security=[{}, {"bearer": list[str]()}],
    responses=declared(kinds.UNAUTHENTICATED),
)
async def show_home(
    visitor: NamedDependency[Principal | None],
    configuration: NamedDependency[Configuration],
    cafeterias: NamedDependency[Cafeterias],
    menu: NamedDependency[Menu],
    bestsellers: NamedDependency[Bestsellers],
    users: NamedDependency[Users],
    active_orders: NamedDependency[ActiveOrders],
    notifications: NamedDependency[Notifications],
    wallets: NamedDependency[Wallets],
) -> HomeView:
    """Who to greet, where to eat, what there is, what is ordered most; and, for who has logged in,
    the order that is under way, how many notifications are unread, and the balance."""
    parts = _Parts()

    async def greeting() -> GreetingView:
        notice = await configuration.value(settings.NOTICE)
        name = None if visitor is None else (await users.me(visitor)).name
        return GreetingView(name, notice)

    async def doors() -> list[DoorView]:
        places = await cafeterias.listed(datetime.now(UTC))
        return [_door(each) for each in sorted(places, key=lambda place: not place.status.is_open)]

    async def categories() -> list[views.CategoryView]:
        return [views.category(each) for each in await menu.categories()]

    async def top() -> list[views.ProductView]:
        products = await bestsellers.top(await configuration.value(settings.BESTSELLERS))
        return [views.product(each) for each in products]

    async def order(caller: Principal) -> views.OrderView | None:
        found = await active_orders.newest(caller)
        return None if found is None else views.order(found)

    async def balance(caller: Principal) -> str:
        return to_decimal(await wallets.balance(caller))

    hello = parts.begin("greeting", greeting())
    places = parts.begin("cafeterias", doors())
    sections = parts.begin("categories", categories())
    favourites = parts.begin("bestsellers", top())
    active = None if visitor is None else parts.begin("activeOrder", order(visitor))
    news = None if visitor is None else parts.begin("unread", notifications.unread(visitor))
    purse = None if visitor is None else parts.begin("balance", balance(visitor))
    await parts.come()
    return HomeView(
        parts.had(hello),
        parts.had(places),
        parts.had(sections),
        parts.had(favourites),
        parts.had(active),
        parts.had(news),
        parts.had(purse),
        parts.problems,
    )


class _Parts:
    """What can be had in time, and why the rest cannot."""

    def __init__(self) -> None:
        self.problems: dict[str, Problem] = {}
        self._begun: dict[asyncio.Task[Any], str] = {}

    def begin(self, name: str, part: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Have it made, beside the others."""
        task = asyncio.create_task(part)
        self._begun[task] = name
        return task

    async def come(self) -> None:
        """Wait for all of them, and no longer than PATIENCE for the last."""
        try:
            await asyncio.wait(self._begun, timeout=PATIENCE)
        finally:
            for task, name in self._begun.items():
                if not task.done():
                    _leave(task, name)
                elif not task.cancelled():
                    # Of who has gone away, too, it is known what became of it.
                    task.exception()

    def had(self, task: asyncio.Task[T] | None) -> T | None:
        """The part, or None and a problem of its name; of what was not begun, None."""
        if task is None:
            return None
        name = self._begun[task]
        if not task.done():
            self._note(name, kinds.UNAVAILABLE, "It did not come in time.")
            return None
        try:
            return task.result()
        except UnavailableError as error:
            self._note(name, kinds.UNAVAILABLE, str(error))
        except Exception:
            log.exception("the %s of the first screen failed", name)
            self._note(name, kinds.INTERNAL, "")
        return None

    def _note(self, name: str, kind: Kind, detail: str) -> None:
        self.problems[name] = Problem(kind.type, kind.title, kind.status, detail)


def _leave(task: asyncio.Task[Any], name: str) -> None:
    """Nobody waits for it any more. To break it off would cost its connection, and a new one more
    than the rest of the read, when there is no time as it is; so some may go on."""
    if len(_late) >= MOST_LATE:
        task.cancel()
        return
    _late.add(task)
    task.add_done_callback(partial(_end, name))


def _end(name: str, task: asyncio.Task[Any]) -> None:
    _late.discard(task)
    error = None if task.cancelled() else task.exception()
    if error is not None and not isinstance(error, UnavailableError):
        log.error("the %s of the first screen failed, late", name, exc_info=error)


def _door(place: Cafeteria) -> DoorView:
    return DoorView(
        id=place.id,
        name=place.name,
        is_open=place.status.is_open,
        accepts_orders=place.status.accepts_orders,
        opens_at=place.status.opens_at,
        closes_at=place.status.closes_at,
        next_change=place.status.next_change,
    )
