"""The first screen of the app in one trip, whatever of it can be had."""

import asyncio
import logging
from collections.abc import Awaitable
from datetime import UTC, datetime
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

    public = asyncio.gather(
        parts.get("greeting", greeting()),
        parts.get("cafeterias", doors()),
        parts.get("categories", categories()),
        parts.get("bestsellers", top()),
    )
    if visitor is None:
        return HomeView(*await public, None, None, None, parts.problems)
    own = asyncio.gather(
        parts.get("activeOrder", order(visitor)),
        parts.get("unread", notifications.unread(visitor)),
        parts.get("balance", balance(visitor)),
    )
    return HomeView(*await public, *await own, parts.problems)


class _Parts:
    """What can be had in time, and why the rest cannot."""

    def __init__(self) -> None:
        self.problems: dict[str, Problem] = {}

    async def get(self, name: str, part: Awaitable[T]) -> T | None:
        """The part, or None and a problem of that name."""
        reading = asyncio.ensure_future(part)
        reading.add_done_callback(_forget)
        try:
            # It goes on by itself: to break it off would cost its connection, and a new one more
            # than the rest of the read, when there is no time as it is.
            async with asyncio.timeout(PATIENCE):
                return await asyncio.shield(reading)
        except TimeoutError:
            self._note(name, kinds.UNAVAILABLE, "It did not come in time.")
        except UnavailableError as error:
            self._note(name, kinds.UNAVAILABLE, str(error))
        except Exception:
            log.exception("the %s of the first screen failed", name)
            self._note(name, kinds.INTERNAL, "")
        return None

    def _note(self, name: str, kind: Kind, detail: str) -> None:
        self.problems[name] = Problem(kind.type, kind.title, kind.status, detail)


def _forget(reading: asyncio.Future[Any]) -> None:
    """Nobody waits for it any more, nor for what is wrong with it."""
    if not reading.cancelled():
        reading.exception()


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
