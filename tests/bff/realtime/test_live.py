"""What people see of orders as they move, through socket.io-client as it comes from npm."""

import asyncio
import json
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import httpx
import msgspec
import pytest
import socketio
from redis import Redis

from bff.realtime import bus, engine, orders
from bff.settings import Settings, Sockets
from domain.accounts import ACCESS_TOKEN_LIFETIME, AccessTokens, Principal
from domain.redis import Nodes
from imaging.shelves import Shelves
from tests.bff.realtime.clients import POLLING, UPGRADED, WEBSOCKET, Clients
from tests.bff.realtime.conftest import Inside, Person, inside
from tests.bff.realtime.peer import Peer, until
from tests.serving import Proxy, free_port, running, until_healthy

TRANSPORTS = {"websocket": WEBSOCKET, "polling": POLLING, "upgraded": UPGRADED}
REFUSED = "urn:comanda:problem:"


async def test_a_customer_and_the_counter_watch_an_order_that_moves_in_another_process(
    servers: list[str], phones: Clients, product: int
) -> None:
    here, there = servers
    student, staff = await Person.at(here, "student1"), await Person.at(here, "staff1")
    for name, transport in TRANSPORTS.items():
        phone, board = f"phone {name}", f"board {name}"
        await phones.open(phone, there, student.auth, transport)
        await phones.open(board, there, staff.auth, transport)
        told = await phones.emit(board, "order:subscribe_live_feed")
        assert (told["status"], told["cafeteriaId"]) == ("subscribed_to_live_feed", 1)
        order = await student.order(product)
        created = await phones.next(board, "order:created")
        assert {
            field: order[field] for field in ("version", "status", "totalAmount", "pickupCode")
        }.items() <= created.items()
        assert created["orderId"] == order["id"]
        subscribed = await phones.emit(phone, "order:subscribe", {"orderId": order["id"]})
        assert subscribed == {"status": "subscribed", "order": order}
        order = await staff.move(order, "accepted")
        for who in (phone, board):
            accepted = await phones.next(who, "order:accepted")
            assert (accepted["orderId"], accepted["version"]) == (order["id"], 2)
            assert int(accepted["fence"], 16) > int(created["fence"], 16)
        for version, status in enumerate(("preparing", "ready", "delivered"), 3):
            order = await staff.move(order, status)
            updated = await phones.next(phone, "order:updated")
            assert (updated["version"], updated["status"]) == (version, status)
            notice = await phones.next(phone, "notification:new")
            while notice["version"] < version:  # of the state before, by a worker that was late
                notice = await phones.next(phone, "notification:new")
            assert (notice["orderId"], notice["version"]) == (order["id"], version)
            assert notice["kind"] == f"order:{status}"
        left = await phones.emit(phone, "order:unsubscribe", {"orderId": order["id"]})
        assert left == {"status": "unsubscribed"}


@pytest.mark.parametrize("carried", Sockets)
async def test_processes_that_share_a_port_have_each_others_sessions(
    settings: Settings, shelves: Shelves, phones: Clients, product: int, carried: Sockets
) -> None:
    given = {"COMANDA_SOCKETS": carried.value}
    with running(settings, [free_port()], workers=2, **given) as (url,):
        await until_healthy(url)
        student = await Person.at(url, "student1")
        names = [f"{name} {number}" for name in ("polling", "upgraded") for number in range(4)]
        for name in names:
            await phones.open(name, url, student.auth, TRANSPORTS[name.split()[0]])
        order = await student.order(product)
        for name in names:
            told = await phones.emit(name, "order:subscribe", {"orderId": order["id"]})
            assert told["status"] == "subscribed"
        second = await student.order(product)
        for name in names:
            while (await phones.next(name, "order:created"))["orderId"] != second["id"]:
                pass
            assert "disconnect" not in phones.seen(name)
        # Each tells the other of its own once a second.
        async with asyncio.timeout(30), httpx.AsyncClient(trust_env=False) as client:
            while "comanda_socket_sessions 8.0" not in (await client.get(f"{url}/metrics")).text:
                pass
        # Or the processes would see them off one by one.
        for name in names:
            await phones.do("close", name)


async def test_nobody_is_let_in_without_proof(
    one: Inside, phones: Clients, student: Person
) -> None:
    auths: list[dict[str, Any]] = [{}, {"token": "x"}, {"token": student.token[:-2]}, {"token": 7}]
    for number, auth in enumerate(auths):
        for name, transport in TRANSPORTS.items():
            await phones.begin(f"{number} {name}", one.url, auth, transport)
            message, problem = await phones.next(f"{number} {name}", "connect_error")
            assert message
            kind = "unauthenticated" if isinstance(auth.get("token"), str) else "invalid-request"
            assert problem["type"] == REFUSED + kind


async def test_nobody_watches_what_is_not_theirs_to_see(
    one: Inside, phones: Clients, student: Person, stranger: Person, staff: Person, product: int
) -> None:
    elsewhere = await Person.at(one.url, "staff20")
    order = await student.order(product)
    wanted = {"orderId": order["id"]}
    people = {"stranger": stranger, "staff elsewhere": elsewhere, "staff": staff}
    for name, person in people.items():
        await phones.open(name, one.url, person.auth, WEBSOCKET)
    for name in ("stranger", "staff elsewhere"):
        told = await phones.emit(name, "order:subscribe", wanted)
        assert (told["status"], told["problem"]["status"]) == ("refused", 404)
        told = await phones.emit(name, "order:subscribe_live_feed", {"cafeteriaId": 1})
        assert told["problem"]["type"] == REFUSED + "forbidden"
    told = await phones.emit("stranger", "order:subscribe_live_feed")
    assert told["problem"]["type"] == REFUSED + "forbidden"
    assert (await phones.emit("staff", "order:subscribe", wanted))["status"] == "subscribed"
    await staff.move(order, "accepted")
    await phones.next("staff", "order:accepted")
    # Whatever they were told has come by now.
    for name in ("stranger", "staff elsewhere"):
        await phones.emit(name, "cache:subscribe", {"tags": ["menu"]})
        assert not phones.seen(name)


async def test_an_administrator_watches_one_cafeteria_or_all(
    one: Inside, phones: Clients, student: Person, product: int
) -> None:
    admin = await Person.at(one.url, "admin1")
    for name, asked in (("all", {}), ("first", {"cafeteriaId": 1}), ("second", {"cafeteriaId": 2})):
        await phones.open(name, one.url, admin.auth, WEBSOCKET)
        told = await phones.emit(name, "order:subscribe_live_feed", asked)
        assert told["cafeteriaId"] == asked.get("cafeteriaId")
    order = await student.order(product)
    for name in ("all", "first"):
        assert (await phones.next(name, "order:created"))["orderId"] == order["id"]
    await phones.emit("second", "cache:subscribe", {"tags": ["menu"]})
    assert not phones.seen("second")
    told = await phones.emit("all", "order:unsubscribe_live_feed")
    assert told == {"status": "unsubscribed_from_live_feed"}
    await student.order(product)
    await phones.next("first", "order:created")
    await phones.emit("all", "cache:subscribe", {"tags": ["menu"]})
    assert not phones.seen("all")


NONSENSE: tuple[tuple[str, Any], ...] = (
    ("order:subscribe", {}),
    ("order:subscribe", {"orderId": "1"}),
    ("order:subscribe", {"orderId": 0}),
    ("order:subscribe", {"orderId": 2**63}),
    ("order:subscribe", [1]),
    ("order:subscribe_live_feed", {"cafeteriaId": "1"}),
    ("cache:subscribe", {"tags": []}),
    ("cache:subscribe", {"tags": ["configuration-secret"]}),
    ("cache:subscribe", {"tags": ["menu\n"]}),
    ("cache:subscribe", {"tags": ["menu"] * 101}),
    ("auth:renew", {"token": 1}),
    ("order:everything", {}),
)


async def test_what_makes_no_sense_is_refused(one: Inside, student: Person) -> None:
    peer, _ = await let_in(one, student)
    for event, data in NONSENSE:
        peer.write(f"42/orders,1{json.dumps([event, data])}")
        (told,) = json.loads((await peer.text()).removeprefix("43/orders,1"))
        kind = "not-found" if event == "order:everything" else "invalid-request"
        assert (told["status"], told["problem"]["type"]) == ("refused", REFUSED + kind)
    peer.writer.transport.abort()


async def test_what_happens_between_reading_and_watching_is_not_missed(
    one: Inside,
    phones: Clients,
    student: Person,
    staff: Person,
    product: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    order = await student.order(product)
    await phones.open("board", one.url, staff.auth, WEBSOCKET)
    await phones.open("probe", one.url, student.auth, WEBSOCKET)
    read = orders.Orders._read

    async def slowly(self: orders.Orders, principal: Principal, order_id: int) -> Any:
        found = await read(self, principal, order_id)
        await staff.move(order, "accepted")
        # The customer is told in the room that is theirs; the counter has to be in the order's.
        await phones.next("probe", "order:accepted")
        return found

    monkeypatch.setattr(orders.Orders, "_read", slowly)
    told = await phones.emit("board", "order:subscribe", {"orderId": order["id"]})
    assert told["order"]["version"] == 1
    assert [event for event, _ in phones.told("board")] == ["order:accepted"]


async def test_a_menu_that_is_shown_is_told_to_be_another(
    one: Inside,
    other: Inside,
    phones: Clients,
    student: Person,
    product: int,
    connection: asyncpg.Connection,
) -> None:
    await phones.open("menu", other.url, student.auth, WEBSOCKET)
    await phones.open("elsewhere", other.url, student.auth, WEBSOCKET)
    told = await phones.emit("menu", "cache:subscribe", {"tags": [f"product-{product}", "menu"]})
    assert told["status"] == "subscribed"
    await phones.emit("elsewhere", "cache:subscribe", {"tags": [f"product-{product + 1}"]})
    # Stock moves with an order, in the other process.
    await student.order(product)
    told = await phones.next("menu", "cache:invalidated")
    assert f"product-{product}" in told["tags"]
    assert int(told["fence"], 16) > 0
    # As many rows at once are told as all of their kind.
    await connection.execute("INSERT INTO categories (slug, name) VALUES ('x', 'X')")
    await connection.execute("SELECT tell_cache('{kind-products}', '{kind-products}')")
    for name in ("menu", "elsewhere"):
        told = await phones.next(name, "cache:invalidated")
        while "kind-products" not in told["tags"]:
            assert name == "menu"
            told = await phones.next(name, "cache:invalidated")
    await phones.emit("menu", "cache:unsubscribe", {"tags": [f"product-{product}", "menu"]})
    await student.order(product)
    await phones.next("menu", "order:created")
    await asyncio.sleep(2 * orders._TOGETHER)
    assert "cache:invalidated" not in phones.seen("menu")


async def test_who_is_cut_off_goes_on_in_the_other_process_without_a_gap(
    one: Inside, other: Inside, phones: Clients, student: Person, staff: Person, product: int
) -> None:
    await phones.open("witness", other.url, staff.auth, WEBSOCKET)
    await phones.emit("witness", "order:subscribe_live_feed")
    for name, transport in TRANSPORTS.items():
        board = f"board {name}"
        order = await student.order(product)
        async with balancing(one.port) as balancer:
            await phones.open(board, balancer.url, staff.auth, transport)
            await phones.emit(board, "order:subscribe", {"orderId": order["id"]})
            await phones.emit(board, "order:subscribe_live_feed")
            await phones.emit(board, "cache:subscribe", {"tags": ["menu"]})
            order = await staff.move(order, "accepted")
            await phones.next(board, "order:accepted")
            await balancer.down()
            await phones.next(board, "disconnect")
            order = await staff.move(order, "preparing")
            another = await student.order(product)
            order = await staff.move(order, "ready")
            # What the other process has not heard of yet is not missed.
            while (await phones.next("witness", "order:updated"))["status"] != "ready":
                pass
            await balancer.send_to(other.port)
            assert await phones.next(board, "connect") == {"recovered": True}
            # What was missed comes first, and nobody keeps what was void meanwhile.
            missed = [("order:updated", order["id"], 3), ("order:created", another["id"], 1)]
            missed.append(("order:updated", order["id"], 4))
            for event, order_id, version in missed:
                told = await phones.following(board, event)
                assert (told["orderId"], told["version"]) == (order_id, version)
            void = await phones.following(board, "cache:invalidated")
            assert void["tags"] == ["kind-menu", "menu"]
            await staff.move(order, "delivered")
            assert (await phones.next(board, "order:updated"))["version"] == 5
            await phones.do("close", board)
    assert other.engine.figures.recovered == len(TRANSPORTS)
    assert other.engine.figures.missed == 3 * len(TRANSPORTS)


@asynccontextmanager
async def balancing(port: int) -> AsyncIterator["Balancer"]:
    """Until the test is over, or has failed."""
    balancer = Balancer(port)
    await balancer.up()
    try:
        yield balancer
    finally:
        await balancer.down()


class Balancer(Proxy):
    """Sends whoever comes to one process, and later to another."""

    def __init__(self, port: int) -> None:
        super().__init__("127.0.0.1", port)
        self.url = f"http://127.0.0.1:{self.port}"

    async def send_to(self, port: int) -> None:
        """Take connections again, for another one."""
        self._target = ("127.0.0.1", port)
        await self.up()


async def let_in(one: Inside, who: Person, **auth: Any) -> tuple[Peer, dict[str, Any]]:
    """A client that is in, whose frames a test writes itself; and what it was told."""
    peer, status = await Peer.connect(one.port, "/socket.io/?EIO=4&transport=websocket")
    assert status == 101
    await peer.text()
    peer.write(f"40/orders,{json.dumps(who.auth | auth)}")
    told = await peer.text()
    assert told.startswith("40/orders,"), told
    return peer, json.loads(told.removeprefix("40/orders,"))


async def test_nobody_goes_on_twice_nor_in_the_place_of_another(
    one: Inside, student: Person, stranger: Person, staff: Person, product: int
) -> None:
    async def cut_off() -> dict[str, Any]:
        peer, told = await let_in(one, student)
        await student.order(product)
        _, _, offset = json.loads((await peer.text()).removeprefix("42/orders,"))
        peer.writer.transport.abort()
        await until(lambda: not one.engine.sessions)
        return {"pid": told["pid"], "offset": offset, "sid": told["sid"]}

    figures = one.engine.figures
    for who, goes_on in ((student, True), (stranger, False), (staff, False)):
        held = await cut_off()
        auth = {"pid": held["pid"], "offset": held["offset"]}
        recovered = figures.recovered
        for again in (False, True):
            peer, told = await let_in(one, who, **auth)
            went_on = goes_on and not again
            assert (told["pid"] == held["pid"]) == (told["sid"] == held["sid"]) == went_on
            peer.writer.transport.abort()
            # As it was before, and not as this one leaves it.
            auth = {"pid": held["pid"], "offset": held["offset"]} if again else auth
            if went_on:
                break
        assert figures.recovered == recovered + goes_on
    for offset in ("1-1", "x", 7, "99999999999999-0"):
        held = await cut_off()
        peer, told = await let_in(one, student, pid=held["pid"], offset=str(offset))
        assert told["pid"] != held["pid"]
        peer.writer.transport.abort()


async def test_a_process_that_has_just_begun_knows_what_was_told_before(
    one: Inside,
    settings: Settings,
    student: Person,
    product: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    peer, told = await let_in(one, student)
    await student.order(product)
    _, _, offset = json.loads((await peer.text()).removeprefix("42/orders,"))
    peer.writer.transport.abort()
    await until(lambda: not one.engine.sessions)
    missed = await student.order(product)
    comes = asyncio.Event()
    begin, reach = bus.Bus._begin, bus.Bus.reach

    async def begin_late(self: bus.Bus, *where: Any) -> None:
        await comes.wait()
        await begin(self, *where)

    async def come_early(self: bus.Bus, *where: Any) -> bool:
        comes.set()
        return await reach(self, *where)

    monkeypatch.setattr(bus.Bus, "_begin", begin_late)
    monkeypatch.setattr(bus.Bus, "reach", come_early)
    async with inside(settings) as late:
        again, greeted = await let_in(late, student, pid=told["pid"], offset=offset)
        assert greeted["sid"] == told["sid"]
        _, news, _ = json.loads((await again.text()).removeprefix("42/orders,"))
        assert news["orderId"] == missed["id"]
        again.writer.transport.abort()


async def test_nobody_waits_for_what_another_server_told(settings: Settings) -> None:
    with Redis.from_url(settings.redis_url) as redis:
        redis.delete(bus.KEY)
    nodes = Nodes(settings.redis_url)
    nodes.start()
    begun = bus.Bus(nodes)
    comes = asyncio.create_task(begun.reach(b"another", b"1-0"))
    begun.start()
    try:
        # There is nothing in the stream that it would hear of.
        async with asyncio.timeout(10):
            assert await comes is False
    finally:
        await begun.close()
        await nodes.close()


async def test_who_missed_more_than_may_wait_for_them_reads_anew(
    one: Inside, student: Person, product: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orders, "MOST_MISSED", 1)
    witness, _ = await let_in(one, student)
    peer, told = await let_in(one, student)
    await student.order(product)
    _, _, offset = json.loads((await peer.text()).removeprefix("42/orders,"))
    peer.writer.transport.abort()
    await until(lambda: len(one.engine.sessions) == 1)
    for _ in range(2):
        await student.order(product)
    for _ in range(3):
        await witness.text()
    again, greeted = await let_in(one, student, pid=told["pid"], offset=offset)
    assert greeted["sid"] != told["sid"]
    for each in (again, witness):
        each.writer.transport.abort()


def expiring(settings: Settings, who: Principal, seconds: float) -> str:
    """A token that is good for so long."""
    issued = datetime.now(UTC) + timedelta(seconds=seconds) - ACCESS_TOKEN_LIFETIME
    return AccessTokens(settings.token_secret).issue(who, issued)[0]


async def test_whose_token_expires_is_cut_off_and_comes_back_with_a_new_one(
    one: Inside, settings: Settings, phones: Clients, student: Person
) -> None:
    who = AccessTokens(settings.token_secret).verify(student.token)
    await phones.open("phone", one.url, {"token": expiring(settings, who, 2)}, WEBSOCKET)
    await phones.do("auth", "phone", auth=student.auth)
    problem = await phones.next("phone", "auth:expired")
    assert problem["type"] == REFUSED + "unauthenticated"
    await phones.next("phone", "connect")
    assert one.engine.figures.closed == {"token expired": 1}


async def test_who_proves_again_who_they_are_stays(
    one: Inside, settings: Settings, phones: Clients, student: Person, stranger: Person
) -> None:
    who = AccessTokens(settings.token_secret).verify(student.token)
    short = {"token": expiring(settings, who, 2)}
    await phones.open("renewed", one.url, short, WEBSOCKET)
    await phones.open("not", one.url, short, WEBSOCKET)
    told = await phones.emit("renewed", "auth:renew", student.auth)
    assert told["status"] == "renewed"
    told = await phones.emit("not", "auth:renew", stranger.auth)
    assert told["problem"]["type"] == REFUSED + "forbidden"
    told = await phones.emit("not", "auth:renew", {"token": "x"})
    assert told["problem"]["type"] == REFUSED + "unauthenticated"
    await phones.next("not", "auth:expired")
    await phones.emit("renewed", "cache:subscribe", {"tags": ["menu"]})
    assert not phones.seen("renewed")


async def test_devices_of_one_person_are_bounded(
    one: Inside, phones: Clients, student: Person, stranger: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orders, "MOST_SOCKETS", 2)
    for number in range(2):
        await phones.open(f"phone {number}", one.url, student.auth, WEBSOCKET)
    await phones.begin("one more", one.url, student.auth, WEBSOCKET)
    _, problem = await phones.next("one more", "connect_error")
    assert problem["type"] == REFUSED + "too-many-requests"
    await phones.open("somebody else", one.url, stranger.auth, WEBSOCKET)
    await phones.do("close", "phone 0")
    await until(lambda: len(one.engine.sessions) == 2)
    await phones.do("connect", "one more")
    await phones.next("one more", "connect")


async def test_what_one_watches_is_bounded(
    one: Inside, phones: Clients, student: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orders, "MOST_ROOMS", 5)
    await phones.open("phone", one.url, student.auth, WEBSOCKET)
    told = await phones.emit("phone", "cache:subscribe", {"tags": ["menu", "hours"]})
    assert told["status"] == "subscribed"
    told = await phones.emit("phone", "cache:subscribe", {"tags": ["categories"]})
    assert told["problem"]["type"] == REFUSED + "overloaded"
    # What is watched already takes no room.
    told = await phones.emit("phone", "cache:subscribe", {"tags": ["menu"]})
    assert told["status"] == "subscribed"


async def test_who_was_away_is_told_first_what_is_new_since_the_position_they_know(
    one: Inside, student: Person, stranger: Person, staff: Person, product: int
) -> None:
    since = (await student.changes())["next"]
    order = await student.order(product)
    await stranger.order(product)
    await staff.move(order, "accepted")
    other = await student.order(product)
    peer, _ = await let_in(one, student, since=since)
    told = [json.loads((await peer.text()).removeprefix("42/orders,")) for _ in range(3)]
    news = [(name, what["orderId"], what["version"]) for name, what in told[:2]]
    assert news == [("order:accepted", order["id"], 2), ("order:created", other["id"], 1)]
    name, caught_up = told[2]
    assert (name, caught_up["more"]) == ("order:caught_up", False)
    peer.writer.transport.abort()
    # It may come again, but nothing else does.
    again, _ = await let_in(one, student, since=caught_up["next"])
    while (told := json.loads((await again.text()).removeprefix("42/orders,")))[0] != name:
        assert told[1]["orderId"] == other["id"]
    again.writer.transport.abort()
    # Of another database.
    generation = bytes([urlsafe_b64decode(since)[0] ^ 1])
    lost = urlsafe_b64encode(generation + urlsafe_b64decode(since)[1:]).decode()
    peer, _ = await let_in(one, student, since=lost)
    name, told = json.loads((await peer.text()).removeprefix("42/orders,"))
    assert (name, told["problem"]["type"]) == ("order:caught_up", REFUSED + "position-lost")
    peer.writer.transport.abort()


async def test_an_order_that_moves_while_redis_is_away_is_told_when_it_is_back(
    settings: Settings,
    shelves: Shelves,
    phones: Clients,
    product: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    place = urlsplit(settings.redis_url)
    proxy = Proxy(str(place.hostname), int(place.port or 6379))
    await proxy.up()
    through = settings.redis_url.replace(f":{place.port}/", f":{proxy.port}/")
    async with inside(msgspec.structs.replace(settings, redis_url=through)) as app:
        student, staff = await Person.at(app.url, "student1"), await Person.at(app.url, "staff1")
        await phones.open("phone", app.url, student.auth, WEBSOCKET)
        order = await student.order(product)
        await phones.next("phone", "order:created")
        await proxy.down()
        for status in ("accepted", "preparing"):
            order = await staff.move(order, status)
        assert "order:accepted" not in phones.seen("phone")
        await proxy.up()
        await phones.next("phone", "order:accepted")
        assert (await phones.next("phone", "order:updated"))["status"] == "preparing"
    await proxy.down()
    assert "events wait to be told of" in caplog.text


async def test_what_redis_has_lost_is_told_again(
    one: Inside,
    settings: Settings,
    phones: Clients,
    student: Person,
    product: int,
    connection: asyncpg.Connection,
) -> None:
    await phones.open("phone", one.url, student.auth, WEBSOCKET)
    order = await student.order(product)
    await phones.next("phone", "order:created")
    # As if another master had been promoted, that never heard of the last events.
    with Redis.from_url(settings.redis_url) as redis:
        redis.delete(bus.KEY)
        redis.client_kill_filter(_type="normal", skipme=True)
    again = await phones.next("phone", "order:created")
    assert (again["orderId"], again["version"]) == (order["id"], 1)


async def test_who_missed_what_redis_has_no_more_begins_anew(
    one: Inside, settings: Settings, phones: Clients, student: Person, product: int
) -> None:
    await phones.open("phone", one.url, student.auth, WEBSOCKET)
    await student.order(product)
    await phones.next("phone", "order:created")
    # As if this process had been held up, and the others had told of more than is kept.
    strange = msgspec.msgpack.encode(bus.Notice(("strangers",), b'["news",{}]', time.time(), 1))
    with Redis.from_url(settings.redis_url) as redis, redis.pipeline() as at_once:
        for _ in range(bus.BATCH + 1):
            at_once.xadd(bus.KEY, {"n": strange})
        at_once.xtrim(bus.KEY, maxlen=bus.BATCH, approximate=False)
        at_once.execute()
    await phones.next("phone", "disconnect")
    assert await phones.next("phone", "connect") == {"recovered": False}
    assert one.engine.figures.closed == {engine.MISSED: 1}
    await student.order(product)
    await phones.next("phone", "order:created")


async def test_the_python_client_is_served_too(
    one: Inside, student: Person, staff: Person, product: int
) -> None:
    loop = asyncio.get_running_loop()
    for transports in (["websocket"], ["polling"], ["polling", "websocket"]):
        order = await student.order(product)
        told: asyncio.Queue[Any] = asyncio.Queue()
        client = socketio.Client(reconnection=False)

        def accepted(news: Any, _: str, told: asyncio.Queue[Any] = told) -> None:
            loop.call_soon_threadsafe(told.put_nowait, news)

        client.on("order:accepted", accepted, namespace="/orders")
        try:
            await asyncio.to_thread(
                client.connect,
                one.url,
                auth=student.auth,
                namespaces=["/orders"],
                transports=transports,
                wait_timeout=20,
            )
            wanted = {"orderId": order["id"]}
            subscribed = await asyncio.to_thread(
                client.call, "order:subscribe", wanted, namespace="/orders", timeout=20
            )
            assert subscribed == {"status": "subscribed", "order": order}
            await staff.move(order, "accepted")
            async with asyncio.timeout(20):
                assert (await told.get())["version"] == 2
        finally:
            await asyncio.to_thread(client.disconnect)
