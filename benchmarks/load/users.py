"""Who comes to lunch: phones of students, and those behind the counters."""

import contextlib
import heapq
import random
import time
import uuid
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final, TypeVar

import gevent
from gevent.event import Event
from locust import task

from benchmarks.load import journal
from benchmarks.load.app import COUNTERS, App, GiveUpError, cents, chance_of
from benchmarks.load.pictures import DEVICES, THUMBNAIL, WHOLE_WIDTH, sized
from benchmarks.load.sockets import ACKNOWLEDGED, LiveSocket

# Seconds on a screen, on average.
THINK: Final = 10.0
# Of visits: those that begin with a password, that end with an order, and that look at the wallet.
LOGINS: Final = 0.005
ORDERS: Final = 0.13
WALLETS: Final = 0.1
# Of phones: those that hold a socket open; the others look again every so many seconds.
SOCKETS: Final = 0.2
POLL: Final = 10.0
# Of orders: those that are cancelled at once.
REGRETS: Final = 0.02
# Of pictures: those that a phone has from other days; and of those that it has from today, those
# that its cache asks about once more.
FROM_BEFORE: Final = 0.7
REVALIDATED: Final = 0.05
# What is on a screen of the menu, and of it what is looked at.
VISIBLE: Final = 6
TOP_UP: Final = "20.00"
PATIENCE: Final = 180.0
# Seconds that an order is in a state before the counter moves it on, on average.
COOKING: Final = {"created": 3.0, "accepted": 4.0, "preparing": 12.0, "ready": 8.0}
NEXT: Final = {
    "created": "accepted",
    "accepted": "preparing",
    "preparing": "ready",
    "ready": "delivered",
}
# With the list of open orders looked through that often, whatever a socket was told.
LOOK: Final = 30.0
HURRY: Final = 0.2
MENU_FIELDS: Final = (
    "id,cafeteriaId,name,price,stock,isAvailable,"
    "picture.url,picture.width,picture.height,picture.thumbhash"
)
OPEN: Final = "&".join(f"status={status}" for status in NEXT)

T = TypeVar("T")


class Watching(App):
    """One that is told of orders, and keeps what it was told of for the count."""

    abstract = True
    live: LiveSocket | None = None

    def on_start(self) -> None:
        super().on_start()
        self.is_welcome = False
        self.first: int | None = None
        self.seen: defaultdict[int, set[int]] = defaultdict(set)

    def on_stop(self) -> None:
        if self.live is None:
            return
        self.live.close()
        self.lunch.journal.note(
            journal.WATCHED,
            user=self.person["id"],
            cafeteria=self.person["cafeteria"],
            first=self.first,
            cut=len(self.live.cuts),
            seen={order: sorted(versions) for order, versions in self.seen.items()},
        )

    def watch(self) -> None:
        """From now on, until the end."""
        place = (*self.place, self.address)
        self.live = LiveSocket(place, self.token, self._heard, self._welcomed, self._position())

    def _position(self) -> str:
        """From where on changes are told."""
        position: str = self._until_told("/api/orders/changes", "position")["next"]
        return position

    def _until_told(self, path: str, name: str, fence: str | None = None) -> Any:
        """What there is at `path`, asked for until it is known."""
        while True:
            with contextlib.suppress(GiveUpError):
                return self.get(path, name, fence)
            self.rest(THINK)

    def renewed(self) -> None:
        if self.live is not None:
            self.live.emit("auth:renew", {"token": self._access_token})

    def told(self, news: dict[str, Any]) -> None:
        """Of a change of an order."""

    def acknowledged(self, told: dict[str, Any]) -> None:
        """The answer to what was emitted."""

    def _welcomed(self, seconds: float) -> None:
        self.is_welcome = True
        self.count("SOCKET", "connect", seconds)

    def _heard(self, name: str, news: dict[str, Any]) -> None:
        if name.startswith("order:") and "orderId" in news:
            self.seen[news["orderId"]].add(news["version"])
            self.told(news)
        elif name == ACKNOWLEDGED:
            self.acknowledged(news)
        elif name == "order:caught_up" and self.live is not None:
            gevent.spawn(self._catch_up, news.get("next", ""), more=news.get("more", False))

    def _catch_up(self, since: str, *, more: bool) -> None:
        while more:
            told = self._until_told(f"/api/orders/changes?since={since}", "changes")
            for order in told["data"]:
                self.seen[order["id"]].add(order["version"])
                self.told({**order, "orderId": order["id"]})
            since, more = told["next"], told["more"]
        if self.live is not None and since:
            self.live.since = since


class Phone(Watching):
    """A student's: looks at the menu, orders, pays from the wallet, waits for lunch."""

    def on_start(self) -> None:
        super().on_start()
        draw, number = chance_of("device", self.person["id"]), 0
        while draw > DEVICES[number].share and number < len(DEVICES) - 1:
            draw -= DEVICES[number].share
            number += 1
        self.device = DEVICES[number]
        self.balance = 0
        self.pictures: dict[str, str] = {}
        self.waiting: dict[int, int] = {}
        """The orders that are on the screen, by their versions."""
        self.news = Event()
        self.latest: dict[str, Any] = {}
        if chance_of("socket", self.person["id"]) < SOCKETS:
            self.watch()
        # All came in a minute, and nobody in step with anybody.
        gevent.sleep(self.lunch.pace * random.uniform(0, THINK))

    @task
    def visit(self) -> None:
        """The app is opened, used, and put away."""
        with contextlib.suppress(GiveUpError):
            self._visit()
        self.rest(THINK)

    def _visit(self) -> None:
        if random.random() < LOGINS:
            self.log_in()
        home = self.get("/api/home", "home")
        self.balance = cents(home["balance"] or "0.00")
        for dish in home["bestsellers"] or ():
            self._see(dish, THUMBNAIL)
        self.rest(THINK)
        open_ = [door for door in home["cafeterias"] or () if door["acceptsOrders"]]
        if not open_:
            raise GiveUpError
        cafeteria = _one_of(open_)["id"]
        wanted = self._browse(cafeteria)
        if wanted and random.random() < ORDERS and not self.lunch.is_closing:
            self._order(cafeteria, wanted)
        elif random.random() < WALLETS:
            self.get("/api/wallet?limit=20", "wallet")
            self.rest(THINK)

    def _browse(self, cafeteria: int) -> list[dict[str, Any]]:
        """Some of the menu; what one would like of it."""
        categories = self.get("/api/categories", "categories")["data"]
        wanted = []
        for _ in range(random.randint(1, 3)):
            category = _one_of(categories)["id"]
            page = self.get(
                f"/api/products?cafeteriaId={cafeteria}&categoryId={category}&limit=20"
                f"&fields={MENU_FIELDS}",
                "menu",
            )["data"]
            for dish in page[:VISIBLE]:
                self._see(dish, THUMBNAIL)
            self.rest(THINK)
            can_be_had = [dish for dish in page if dish["isAvailable"] and dish["stock"] > 0]
            if can_be_had and random.random() < 0.7:
                dish = _one_of(can_be_had)
                shown = self.get(f"/api/products/{dish['id']}", "product")
                self._see(shown, WHOLE_WIDTH)
                wanted.append(shown)
                self.rest(THINK)
        return wanted

    def _see(self, dish: dict[str, Any], width: int) -> None:
        """Its picture, in the pixels of this phone."""
        picture = dish.get("picture")
        if picture is None:
            return
        url = sized(picture, width, self.device)
        etag = self.pictures.get(url)
        if etag is None and chance_of(self.person["id"], url) < FROM_BEFORE:
            return
        if etag is not None and random.random() >= REVALIDATED:
            return
        headers = {"accept": self.device.accept}
        if etag is not None:
            headers["if-none-match"] = etag
        name = "thumbnail" if width == THUMBNAIL else "picture"
        answer = self._send("GET", url, name, headers=headers)
        if answer.status == 200 and "immutable" in answer.headers.get("cache-control", ""):
            self.pictures[url] = answer.headers.get("etag", "")

    def _order(self, cafeteria: int, wanted: list[dict[str, Any]]) -> None:
        prices = {dish["id"]: cents(dish["price"]) for dish in wanted}
        lines = {dish: random.choice((1, 1, 1, 2)) for dish in prices}
        shown = sum(prices[dish] * number for dish, number in lines.items())
        if self.balance < shown and not self._top_up():
            return
        key = str(uuid.uuid4())
        items = [{"productId": dish, "quantity": number} for dish, number in lines.items()]
        answer = self.safely(
            "/api/orders",
            "order",
            {"cafeteriaId": cafeteria, "items": items, "expectedTotal": _decimal(shown)},
            key,
        )
        if answer.status == 201:
            self._placed(answer.told, key, shown)
        elif answer.is_open:
            self.lunch.journal.note(journal.LOST, user=self.person["id"], key=key)
        # Else it was refused, for a reason that the phone shows.

    def _placed(self, order: dict[str, Any], key: str, shown: int) -> None:
        total = cents(order["totalAmount"])
        reckoned = sum(cents(item["unitPrice"]) * item["quantity"] for item in order["items"])
        self.lunch.journal.note(
            journal.PLACED,
            user=self.person["id"],
            key=key,
            order=order["id"],
            total=total,
            shown=shown,
        )
        if total != reckoned:
            self._fault(f"order {order['id']}: total {total}, items {reckoned}")
        self.balance -= total
        if self.is_welcome and self.first is None:
            self.first = order["id"]
        if random.random() < REGRETS:
            self._cancel(order)
        else:
            self._wait_for(order)
        self.get("/api/notifications?limit=20", "notifications")
        self.ask("POST", "/api/notifications/read", "read")
        self.rest(THINK)

    def _cancel(self, order: dict[str, Any]) -> None:
        path, seen = f"/api/orders/{order['id']}/cancel", {"version": order["version"]}
        answer = self.safely(path, "cancel", seen)
        if answer.status in (200, 201):
            self.balance += cents(order["totalAmount"])
            self.lunch.journal.note(journal.CANCELLED, order=order["id"])

    def _wait_for(self, order: dict[str, Any]) -> None:
        """Look at it until it is in one's hands."""
        path, until = f"/api/orders/{order['id']}", time.monotonic() + PATIENCE
        self.waiting = {order["id"]: order["version"]}
        while order["status"] in NEXT and time.monotonic() < until:
            if self.live is not None:
                self.news.wait(POLL)
                self.news.clear()
                if order["id"] != self.latest.get("orderId"):
                    continue
                order = {**order, **self.latest}
                if order["status"] == "ready":
                    self._read_what_was_told(path, self.latest)
            else:
                self.rest(POLL)
                order = self.get(path, "order seen")
        self.waiting = {}

    def _read_what_was_told(self, path: str, news: dict[str, Any]) -> None:
        read = self.get(path, "order seen", fence=news.get("fence"))
        if read["version"] < news["version"]:
            self._fault(f"{path}: told of {news['version']}, and then read {read['version']}")

    def _top_up(self) -> bool:
        """By card; what is declined is tried once more, with another one."""
        for _ in range(2):
            key = str(uuid.uuid4())
            answer = self.safely("/api/wallet/top-ups", "top-up", {"amount": TOP_UP}, key)
            if answer.status != 201:
                return False
            self.lunch.journal.note(
                journal.TOPPED,
                user=self.person["id"],
                key=key,
                payment=answer.told["id"],
                status=answer.told["status"],
                amount=cents(answer.told["amount"]),
            )
            if answer.told["status"] == "succeeded":
                self.balance += cents(TOP_UP)
                return True
            self.rest(THINK)
        return False

    def told(self, news: dict[str, Any]) -> None:
        known = self.waiting.get(news["orderId"])
        if known is not None and news["version"] > known:
            self.waiting[news["orderId"]] = news["version"]
            self.latest = news
            self.news.set()

    def _fault(self, what: str) -> None:
        self.lunch.journal.note(journal.FAULT, what=what)


class Counter(Watching):
    """Somebody behind a counter, who moves on each order that is theirs by its number."""

    kind = COUNTERS
    fixed_count = 1

    def on_start(self) -> None:
        super().on_start()
        self.due: list[tuple[float, int, int, str]] = []
        """When an order is moved on, which, from which version and state."""
        self.known: dict[int, int] = {}
        self.looked = 0.0
        self.watch()

    @task
    def work(self) -> None:
        """One move, or a look at the list."""
        now = time.monotonic()
        try:
            if self.is_welcome and now - self.looked > LOOK:
                self.looked = now
                self._look()
            elif self.due and self.due[0][0] <= now:
                self._move(*heapq.heappop(self.due)[1:])
            else:
                gevent.sleep(0.2)
        except GiveUpError:
            gevent.sleep(1)

    def acknowledged(self, told: dict[str, Any]) -> None:
        if told.get("status") == "subscribed_to_live_feed" and self.first is None:
            gevent.spawn(self._begin, told["fence"])

    def told(self, news: dict[str, Any]) -> None:
        self._plan(news["orderId"], news["version"], news["status"])

    def _welcomed(self, seconds: float) -> None:
        super()._welcomed(seconds)
        if self.live is not None:
            self.live.emit("order:subscribe_live_feed", {})

    def _begin(self, fence: str) -> None:
        """The list behind the subscription: whatever is newer than it is told."""
        newest = self._until_told(
            f"/api/orders?cafeteriaId={self.person['cafeteria']}&limit=1", "board", fence
        )
        self.first = 1 + max((row["id"] for row in newest["data"]), default=0)

    def _look(self) -> None:
        cursor = ""
        while cursor is not None:
            page = self.get(
                f"/api/orders?cafeteriaId={self.person['cafeteria']}&{OPEN}&limit=100"
                f"&fields=id,status,version{cursor and f'&cursor={cursor}'}",
                "board",
            )
            for row in page["data"]:
                self._plan(row["id"], row["version"], row["status"])
            cursor = page["pagination"].get("nextCursor")

    def _plan(self, order: int, version: int, status: str) -> None:
        if order % self.person["staff"] != self.person["rank"]:
            return
        if self.known.get(order, 0) >= version:
            return
        if status not in NEXT:
            self.known.pop(order, None)
            return
        self.known[order] = version
        seconds = self.lunch.pace * random.expovariate(1 / COOKING[status]) + 0.2
        due = time.monotonic() + seconds * (HURRY if self.lunch.is_closing else 1.0)
        heapq.heappush(self.due, (due, order, version, status))

    def _move(self, order: int, version: int, status: str) -> None:
        if self.known.get(order) != version:
            return  # Whoever ordered it has cancelled it.
        path, wanted = f"/api/orders/{order}/status", {"status": NEXT[status], "version": version}
        answer = self.safely(path, "move", wanted)
        if answer.status in (200, 201):
            self._plan(order, answer.told["version"], answer.told["status"])
        else:
            # Another state than was thought, or no answer: the list will tell.
            self.known.pop(order, None)


def _one_of(ranked: Sequence[T]) -> T:
    """What is first on a list is chosen most."""
    return random.choices(ranked, [1 / rank for rank in range(1, len(ranked) + 1)])[0]


def _decimal(amount: int) -> str:
    return f"{amount // 100}.{amount % 100:02}"
