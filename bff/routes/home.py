"""The first screen of the app in one trip, whatever of it can be had."""

import asyncio
import logging
from collections.abc import Coroutine, Iterable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final, TypeVar

from litestar import get
from litestar.di import NamedDependency

from bff.edge import kinds
from bff.edge.kinds import Kind
from bff.edge.problems import Problem, declared
from bff.representation import views
from bff.representation.shared import Made, Shared
from bff.representation.views import View
from domain import configuration as settings
from domain.accounts import Principal
from domain.bestsellers import Bestsellers
from domain.cafeterias import Cafeteria, Cafeterias, first_turn
from domain.configuration import Configuration
from domain.errors import UnavailableError
from domain.menu import Menu
from domain.model.money import to_decimal
from domain.personal import Personal

T = TypeVar("T")

log = logging.getLogger(__name__)

# Seconds that a part has; the screen is shown without one that takes longer.
PATIENCE: Final = 1.0
# Parts of a process that nobody waits for any more, and that go on.
MOST_LATE: Final = 64
# Where nothing was sold yet that can be had, it is looked again so soon.
_NONE_YET: Final = timedelta(seconds=30)
# What a person's own read is for.
_OWN: Final = ("greeting", "activeOrder", "unread", "balance")
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
    name; what is one's own comes together, or is missed together. The last three are null for who
    has not logged in, and the order where nothing is under way. The open cafeterias come first."""

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
    personal: NamedDependency[Personal],
    shared: NamedDependency[Shared],
) -> HomeView:
    """Who to greet, where to eat, what there is, what is ordered most; and, for who has logged in,
    the order that is under way, how many notifications are unread, and the balance."""
    parts = _Parts()

    async def doors() -> Made:
        places = await cafeterias.listed(datetime.now(UTC))
        opened_first = sorted(places, key=lambda place: not place.status.is_open)
        return Made([_door(each) for each in opened_first], until=first_turn(places))

    async def categories() -> Made:
        return Made([views.category(each) for each in await menu.categories()])

    async def top() -> Made:
        products = await bestsellers.top(await configuration.value(settings.BESTSELLERS))
        until = None if products else datetime.now(UTC) + _NONE_YET
        return Made([views.product(each) for each in products], until=until)

    notice = parts.begin(configuration.value(settings.NOTICE), "greeting")
    places = parts.begin(shared.said("/api/home#cafeterias", doors), "cafeterias")
    sections = parts.begin(shared.said("/api/home#categories", categories), "categories")
    favourites = parts.begin(shared.said("/api/home#bestsellers", top), "bestsellers")
    own = None if visitor is None else parts.begin(personal.own(visitor), *_OWN)
    await parts.come()
    mine = parts.had(own)
    greeting = GreetingView(None if mine is None else mine.name, parts.had(notice))
    order = None if mine is None else mine.order
    return HomeView(
        None if "greeting" in parts.problems else greeting,
        parts.had(places),
        parts.had(sections),
        parts.had(favourites),
        None if order is None else views.order(order),
        None if mine is None else mine.unread,
        None if mine is None else to_decimal(mine.balance_minor),
        parts.problems,
    )


class _Parts:
    """What can be had in time, and why the rest cannot."""

    def __init__(self) -> None:
        self.problems: dict[str, Problem] = {}
        self._begun: dict[asyncio.Task[Any], tuple[str, ...]] = {}

    def begin(self, part: Coroutine[Any, Any, T], *names: str) -> asyncio.Task[T]:
        """Have it made, beside the others, for what of the screen has those names."""
        task = asyncio.create_task(part)
        self._begun[task] = names
        return task

    async def come(self) -> None:
        """Wait for all of them, and no longer than PATIENCE for the last."""
        try:
            await asyncio.wait(self._begun, timeout=PATIENCE)
        finally:
            for task, names in self._begun.items():
                if not task.done():
                    _leave(task, ", ".join(names))
                elif not task.cancelled():
                    # Of who has gone away, too, it is known what became of it.
                    task.exception()

    def had(self, task: asyncio.Task[T] | None) -> T | None:
        """The part, or None and a problem of its names; of what was not begun, None."""
        if task is None:
            return None
        names = self._begun[task]
        if not task.done():
            self._note(names, kinds.UNAVAILABLE, "It did not come in time.")
            return None
        try:
            return task.result()
        except UnavailableError as error:
            self._note(names, kinds.UNAVAILABLE, str(error))
        except Exception:
            log.exception("the %s of the first screen failed", ", ".join(names))
            self._note(names, kinds.INTERNAL, "")
        return None

    def _note(self, names: Iterable[str], kind: Kind, detail: str) -> None:
        problem = Problem(kind.type, kind.title, kind.status, detail)
        self.problems.update(dict.fromkeys(names, problem))


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
