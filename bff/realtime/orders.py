"""The namespace /orders: who may watch what, and what they are told (docs/realtime.md)."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final, TypeVar

import msgspec
from msgspec import Meta, Struct

from bff.edge import kinds
from bff.edge.problems import Problem
from bff.realtime import announcements, packets
from bff.realtime.announcements import ALL_ORDERS, hexadecimal
from bff.realtime.bus import Bus, Heard, understood
from bff.realtime.codec import Message
from bff.realtime.engine import RefusedError
from bff.realtime.figures import Figures
from bff.realtime.frames import CloseCode
from bff.realtime.recovery import AWAY, THERE, State, States, Who
from bff.realtime.rooms import Rooms, deliver
from bff.realtime.sockets import LEFT, Socket, problem_of
from bff.representation import positions, views
from domain import errors
from domain.accounts import AccessTokens, Principal
from domain.database import UNKNOWN, Fence, Horizon, horizon
from domain.model import Role
from domain.order_changes import Changed, OrderChanges
from domain.order_history import OrderHistory

NAME: Final = "/orders"
# Of one person, on all their devices and in one process.
MOST_SOCKETS: Final = 20
MOST_ROOMS: Final = 200
MOST_TAGS: Final = 100
# Orders that have changed, of which a client is told when it comes back; and events, one by one.
# Who missed more reads anew: they have to fit into what may wait for a client.
MOST_NEWS: Final = 500
MOST_MISSED: Final = 500
# Seconds that a client which comes back is waited with, until this process knows what it knows.
_PATIENCE: Final = 2.0
# Changes of a short while are told together: a lunch hour has many, and a page reads anew once.
_TOGETHER: Final = 0.1
_EXPIRED: Final = "token expired"
_TRIES: Final = 3
_TAG: Final = "tag:"
_EVENT: Final = packets.event(NAME, b"").packet

T = TypeVar("T", bound=Struct)
Id = Annotated[int, Meta(ge=1, le=2**63 - 1)]
Token = Annotated[str, Meta(min_length=1, max_length=4096)]
# Those of the menu; what else there is concerns no page.
Tag = Annotated[str, Meta(pattern=r"^(menu|categories|hours|product-[1-9][0-9]{0,18})\Z")]
_KINDS: Final = {
    errors.NotFoundError: kinds.NOT_FOUND,
    errors.ForbiddenError: kinds.FORBIDDEN,
    errors.CredentialsError: kinds.UNAUTHENTICATED,
    errors.UnavailableError: kinds.UNAVAILABLE,
    errors.PositionLostError: kinds.POSITION_LOST,
}


class Credentials(Struct, frozen=True):
    """What a client proves who it is with; `pid` and `offset` are those of a client that was cut
    off and comes back, `since` is a position of one that was away for longer."""

    token: Token
    since: Annotated[str, Meta(pattern=positions.PATTERN)] | None = None
    pid: Annotated[str, Meta(max_length=64)] | None = None
    offset: Annotated[str, Meta(max_length=32)] | None = None


class Renewal(Struct, frozen=True):
    """A later token of the same person."""

    token: Token


class OneOrder(Struct, frozen=True, rename="camel"):
    """An order to watch."""

    order_id: Id


class LiveFeed(Struct, frozen=True, rename="camel"):
    """The orders of a cafeteria; by default the caller's own, or all for an administrator."""

    cafeteria_id: Id | None = None


class Tags(Struct, frozen=True):
    """What a page shows, by the tags of the cache."""

    tags: Annotated[list[Tag], Meta(min_length=1, max_length=MOST_TAGS)]


class Watcher:
    """What is known of a socket of ours."""

    __slots__ = ("expiry", "name", "principal")

    def __init__(self, principal: Principal, name: str) -> None:
        self.principal = principal
        self.name = name
        self.expiry: asyncio.TimerHandle | None = None


class Orders:
    """Lets people watch what is theirs to see, and tells them."""

    def __init__(
        self,
        bus: Bus,
        tokens: AccessTokens,
        history: OrderHistory,
        changes: OrderChanges,
        states: States,
        figures: Figures,
    ) -> None:
        self.rooms = Rooms()
        self._bus = bus
        self._tokens = tokens
        self._history = history
        self._changes = changes
        self._states = states
        self._figures = figures
        self._people: Counter[int] = Counter()
        self._void: set[str] = set()
        self._void_fence: Fence = 0
        self._events: dict[str, Callable[[Socket, list[Any]], Awaitable[dict[str, Any]]]] = {
            "order:subscribe": self._subscribe,
            "order:unsubscribe": self._unsubscribe,
            "order:subscribe_live_feed": self._subscribe_live_feed,
            "order:unsubscribe_live_feed": self._unsubscribe_live_feed,
            "cache:subscribe": self._subscribe_tags,
            "cache:unsubscribe": self._unsubscribe_tags,
            "auth:renew": self._renew,
        }

    @property
    def events(self) -> Collection[str]:
        """The names of what clients may ask."""
        return self._events.keys()

    # What comes from clients

    async def connect(self, socket: Socket, auth: dict[str, Any]) -> None:
        """Let in whoever proves who they are. Raises RefusedError."""
        credentials = _understood(auth, Credentials)
        principal, expires_at = self._proof(credentials.token)
        if self._people[principal.id] >= MOST_SOCKETS:
            raise RefusedError(kinds.TOO_MANY_REQUESTS, "Too many of your devices are connected.")
        self._people[principal.id] += 1
        socket.data = Watcher(principal, credentials.pid or States.name())
        if not await self._went_on(socket, credentials):
            socket.data.name = States.name()
            await self._begin(socket, credentials.since)
        if socket.is_gone:
            return
        self.rooms.join(socket, announcements.person(principal.id))
        self._keep(socket, THERE)
        self._expire(socket, expires_at)

    async def event(self, socket: Socket, name: str, arguments: list[Any]) -> Any:
        """See to an event of a client's. Raises RefusedError."""
        see_to = self._events.get(name)
        self._figures.received[name if see_to else "unknown"] += 1
        if see_to is None:
            raise RefusedError(kinds.NOT_FOUND, f"There is no event {name:.40}.")
        try:
            return await see_to(socket, arguments)
        except errors.DomainError as error:
            raise RefusedError(_KINDS.get(type(error), kinds.CONFLICT), str(error)) from error

    def left(self, socket: Socket, reason: str) -> None:
        """It is gone; whoever was cut off may come back."""
        watcher = socket.data
        if watcher is None:
            return
        if watcher.expiry is not None:
            watcher.expiry.cancel()
            if reason != LEFT:
                self._keep(socket, AWAY)
        self._people[watcher.principal.id] -= 1
        if not self._people[watcher.principal.id]:
            del self._people[watcher.principal.id]

    # What goes to clients

    def heard(self, batch: Sequence[Heard]) -> None:
        """Tell whoever is in their rooms of notices."""
        told = [
            (members, message_of(heard), heard.notice.at)
            for heard in batch
            if (members := self.rooms.members(heard.notice.rooms))
        ]
        self._figures.events += len(told)
        self._figures.deliveries += deliver([(members, message) for members, message, _ in told])
        now = time.time()
        for *_, at in told:
            self._figures.lag(now - at)

    def invalidated(self, tags: Sequence[str], fence: Fence) -> None:
        """Tell whoever shows what has these tags that it is another by now (a listener of the
        cache's changes)."""
        if not self._void:
            asyncio.get_running_loop().call_later(_TOGETHER, self._tell_of_void)
        self._void.update(tags)
        if fence < UNKNOWN:
            self._void_fence = max(self._void_fence, fence)

    def _tell_of_void(self) -> None:
        tags, self._void = sorted(self._void), set()
        members = self.rooms.members([_shown(tag) for tag in tags])
        if members:
            self._figures.deliveries += deliver([(members, self._invalid(tags))])

    def _invalid(self, tags: Sequence[str]) -> Message:
        fence = hexadecimal(max(self._void_fence, self._bus.fence))
        told = ["cache:invalidated", {"tags": tags, "fence": fence}]
        return packets.event(NAME, msgspec.json.encode(told))

    # Coming and going

    def _proof(self, token: str) -> tuple[Principal, int]:
        try:
            return self._tokens.proof(token)
        except errors.CredentialsError as error:
            raise RefusedError(kinds.UNAUTHENTICATED, str(error)) from error

    async def _went_on(self, socket: Socket, credentials: Credentials) -> bool:
        """Have a client that was cut off go on where it was; whether it could."""
        last = understood(credentials.offset)
        if credentials.pid is None or last is None:
            return False
        state = await self._states.take(credentials.pid)
        if state is None or state.principal != _who(socket.data.principal):
            return False
        try:
            async with asyncio.timeout(_PATIENCE):
                if not await self._bus.reach(state.run, last):
                    return False
        except TimeoutError:
            return False
        heard = self._bus.since(last)
        if heard is None or socket.is_gone:
            return False
        missed = _of(state.rooms, heard)
        if len(missed) > MOST_MISSED:
            return False
        # From here to the last room nothing is waited for: what is heard next is for it, too.
        socket.id = state.sid
        socket.welcome(pid=credentials.pid)
        self._figures.recovered += 1
        self._figures.missed += len(missed)
        socket.send(*map(message_of, missed))
        for room in state.rooms:
            self.rooms.join(socket, room)
        tags = [room.removeprefix(_TAG) for room in state.rooms if room.startswith(_TAG)]
        if tags:
            # Nobody keeps what was void meanwhile.
            socket.send(self._invalid(tags))
        return True

    async def _begin(self, socket: Socket, since: str | None) -> None:
        """Welcome a client, and tell it first what is new since the position that it knows."""
        principal = socket.data.principal
        stood = self._bus.last
        news: Changed | Problem | None = None
        if since is not None:
            try:
                news = await self._news(principal, since)
            except errors.DomainError as error:
                news = problem_of(_KINDS.get(type(error), kinds.CONFLICT), str(error))
        if socket.is_gone:
            return
        socket.welcome(pid=socket.data.name)
        if isinstance(news, Changed):
            for order in news.orders:
                socket.emit(*announcements.of(order, self._bus.fence))
            later = self._bus.since(stood)
            # What is more than that is asked for over HTTP.
            more = news.more or later is None
            told = {"next": positions.written(news.position), "more": more}
            socket.emit("order:caught_up", told)
            socket.send(*map(message_of, _of([announcements.person(principal.id)], later or [])))
        elif news is not None:
            socket.emit("order:caught_up", {"problem": news})

    async def _news(self, principal: Principal, since: str) -> Changed:
        token = horizon.set(Horizon(self._bus.fence))
        try:
            return await self._changes.since(principal, positions.position(since), MOST_NEWS)
        finally:
            horizon.reset(token)

    def _keep(self, socket: Socket, seconds: int) -> None:
        who, rooms = _who(socket.data.principal), sorted(socket.rooms)
        state = State(who, socket.id, rooms, self._bus.run or b"")
        self._states.keep(socket.data.name, state, seconds)

    def _expire(self, socket: Socket, at: int) -> None:
        """Show it out at that moment, if it has not proved again who it is."""
        watcher = socket.data
        if watcher.expiry is not None:
            watcher.expiry.cancel()
        watcher.expiry = None
        if not socket.is_gone:
            after = at - time.time()
            watcher.expiry = asyncio.get_running_loop().call_later(after, self._expired, socket)

    def _expired(self, socket: Socket) -> None:
        detail = "The access token has expired; connect with a new one."
        socket.emit("auth:expired", problem_of(kinds.UNAUTHENTICATED, detail))
        # And not the namespace alone: then the client would not come back by itself.
        socket.session.close(_EXPIRED, CloseCode.POLICY)

    async def _renew(self, socket: Socket, arguments: list[Any]) -> dict[str, Any]:
        asked = _understood(_first(arguments), Renewal)
        principal, expires_at = self._proof(asked.token)
        if _who(principal) != _who(socket.data.principal):
            raise errors.ForbiddenError("Somebody else, or in another role, connects anew.")
        socket.data.principal = principal
        self._keep(socket, THERE)
        self._expire(socket, expires_at)
        return {"status": "renewed", "expiresAt": datetime.fromtimestamp(expires_at, UTC)}

    # Watching

    async def _subscribe(self, socket: Socket, arguments: list[Any]) -> dict[str, Any]:
        asked = _understood(_first(arguments), OneOrder)
        room = announcements.watched(asked.order_id)
        self._must_have_room_for(socket, {room})
        for _ in range(_TRIES):
            stood = self._bus.last
            order = await self._read(socket.data.principal, asked.order_id)
            later = self._bus.since(stood)
            if later is not None:
                break
        else:
            raise errors.UnavailableError("Too much happens at once.")
        # Nobody is in a room before it is known that they may; what was told there since is caught
        # up with.
        socket.send(*map(message_of, _of([room], later)))
        self._join(socket, {room})
        return {"status": "subscribed", "order": order}

    async def _unsubscribe(self, socket: Socket, arguments: list[Any]) -> dict[str, Any]:
        asked = _understood(_first(arguments), OneOrder)
        self._leave(socket, {announcements.watched(asked.order_id)})
        return {"status": "unsubscribed"}

    async def _subscribe_live_feed(self, socket: Socket, arguments: list[Any]) -> dict[str, Any]:
        cafeteria_id, room = _feed(socket.data.principal, arguments)
        self._must_have_room_for(socket, {room})
        self._join(socket, {room})
        return {
            "status": "subscribed_to_live_feed",
            "cafeteriaId": cafeteria_id,
            "fence": hexadecimal(self._bus.fence),
        }

    async def _unsubscribe_live_feed(self, socket: Socket, arguments: list[Any]) -> dict[str, Any]:
        _, room = _feed(socket.data.principal, arguments)
        self._leave(socket, {room})
        return {"status": "unsubscribed_from_live_feed"}

    async def _subscribe_tags(self, socket: Socket, arguments: list[Any]) -> dict[str, Any]:
        rooms = _tag_rooms(_understood(_first(arguments), Tags))
        self._must_have_room_for(socket, rooms)
        self._join(socket, rooms)
        return {
            "status": "subscribed",
            "fence": hexadecimal(max(self._void_fence, self._bus.fence)),
        }

    async def _unsubscribe_tags(self, socket: Socket, arguments: list[Any]) -> dict[str, Any]:
        self._leave(socket, _tag_rooms(_understood(_first(arguments), Tags)))
        return {"status": "unsubscribed"}

    async def _read(self, principal: Principal, order_id: int) -> Any:
        """An order, whole, as it is at least as late as anything that was told of it."""
        chosen = views.ORDERS[principal.role].select(views.WHOLE_ORDER)
        token = horizon.set(Horizon(self._bus.fence))
        try:
            return await self._history.detail(principal, order_id, chosen.selection)
        finally:
            horizon.reset(token)

    def _must_have_room_for(self, socket: Socket, rooms: set[str]) -> None:
        if len(socket.rooms | rooms) > MOST_ROOMS:
            raise RefusedError(kinds.OVERLOADED, f"Nobody watches more than {MOST_ROOMS} things.")

    def _join(self, socket: Socket, rooms: set[str]) -> None:
        if socket.is_gone:
            return
        for room in rooms:
            self.rooms.join(socket, room)
        self._keep(socket, THERE)

    def _leave(self, socket: Socket, rooms: set[str]) -> None:
        for room in rooms:
            self.rooms.leave(socket, room)
        if not socket.is_gone:
            self._keep(socket, THERE)


def _who(principal: Principal) -> Who:
    """What a client has to be still, when it comes back."""
    return principal.id, principal.role.value, principal.cafeteria_id


def _feed(principal: Principal, arguments: list[Any]) -> tuple[int | None, str]:
    """The cafeteria of a live feed, None for all of them, and its room. Raises ForbiddenError."""
    asked = _understood(_first(arguments), LiveFeed).cafeteria_id
    if principal.role is Role.ADMIN and asked is None:
        return None, ALL_ORDERS
    cafeteria_id = principal.cafeteria_id if asked is None else asked
    if cafeteria_id is None or not principal.runs(cafeteria_id):
        raise errors.ForbiddenError("The live feed is for the staff of that cafeteria.")
    return cafeteria_id, announcements.counter(cafeteria_id)


def _tag_rooms(asked: Tags) -> set[str]:
    """The rooms of tags, and of the kinds that they are of: many changes are told as one of all."""
    kinds_of = {"kind-products" if "-" in tag else f"kind-{tag}" for tag in asked.tags}
    return {_shown(tag) for tag in kinds_of.union(asked.tags)}


def _shown(tag: str) -> str:
    return _TAG + tag


def _first(arguments: list[Any]) -> Any:
    return arguments[0] if arguments else {}


def _understood(told: Any, shape: type[T]) -> T:
    """What a client sent, in the shape it is to have. Raises RefusedError."""
    try:
        return msgspec.convert(told, shape)
    except msgspec.ValidationError as error:
        raise RefusedError(kinds.INVALID_REQUEST, str(error)) from error


def _of(rooms: Iterable[str], heard: Iterable[Heard]) -> list[Heard]:
    """What of it was told in any of the rooms."""
    theirs = frozenset(rooms)
    return [each for each in heard if not theirs.isdisjoint(each.notice.rooms)]


def message_of(heard: Heard) -> Message:
    """A notice as it goes out, with its offset as the last argument (Socket.IO 4.6)."""
    return Message(b"".join([_EVENT, heard.notice.body[:-1], b',"', heard.name, b'"]']))
