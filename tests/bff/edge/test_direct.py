"""What the protocol calls is answered as by the layers, and nobody can tell the difference."""

import asyncio
import json
import random
import re
from collections import Counter
from typing import Any, Final
from urllib.parse import quote
from uuid import uuid4

import pytest
from litestar import Request, Response, get
from litestar.app import Litestar
from litestar.datastructures import CacheControlHeader
from litestar.di import NamedDependency
from litestar.routes import HTTPRoute

from bff.edge.calls import Call
from bff.operations.logs import LogFormat
from bff.representation.pages import PageNumber
from bff.settings import Settings
from domain.accounts import AccessTokens, Principal
from domain.errors import CredentialsError, UnavailableError
from domain.order_history import OrderHistory
from imaging.shelves import Shelves
from tests.bff.edge.test_express import (
    APP,
    GZIP,
    HOST,
    TRACE,
    WISHES,
    Answer,
    Lines,
    Place,
    head,
    place,
    reached,
    whole,
)
from tests.bff.operations.test_figures import COUNT, of, scraped
from tests.bff.test_orders import bearer
from tests.bff.test_protocol import Connection, connected

__all__ = ["reached"]

LIST: Final = "/api/orders"
JSON: Final = ("content-type", "application/json")
NAMES: Final = ["page", "limit", "fields", "status", "mine", "sort", "cursor", "cafeteriaId"]
VALUES: Final = [
    *(
        "",
        "1",
        "2",
        "0",
        "-1",
        "1.0",
        "1e2",
        "100",
        "101",
        "9" * 20,
        "null",
        "true",
        "false",
        "0x1",
    ),
    *("created", "ready", "cancelled", "createdAt", "-createdAt", "id", "id,status", "items", "é"),
    *("items.quantity,items.product.name", "customer", "customer.email", "totalAmount,createdAt"),
    *("2026-01-01T00:00:00Z", "2026-01-01", "0001-01-01T00:00:00+14:00", "1767225600", " 1", "\n"),
]
# Of a moment: also an order's own.
_OF_A_MOMENT: Final = re.compile(rb'urn:comanda:request:\w+|(?<=(?:createdAt|updatedAt)":")[^"]+')
# How far changes were read; whatever anybody writes, in another test's database too, takes it on.
_POSITION: Final = re.compile(rb'(?<="next":")[^"]+')


def told(answer: Answer) -> tuple[int, Lines, bytes]:
    """What must be the same both ways."""
    status, lines, body = answer.lasting
    body, positions = _POSITION.subn(b"", _OF_A_MOMENT.sub(b"", body))
    if positions:
        lines = [line for line in lines if line[0] != "etag"]
    return status, lines, body


class Both:
    """A client that asks everything twice: over a socket, and of the layers alone."""

    def __init__(self, at: Place, connection: Connection, reached: list[str]) -> None:
        self._at = at
        self._reader, self._writer = connection
        self._reached = reached
        self.direct: Counter[int] = Counter()
        """Statuses of what came to no layer,"""
        self.ordinary: Counter[int] = Counter()
        """and of what did."""

    async def ask(
        self, target: str, headers: Lines, method: str = "GET", body: bytes | None = None
    ) -> Answer:
        if body is not None:
            headers = [*headers, ("content-length", str(len(body)))]
        usual = await self._at.ordinary(target, headers, method, body or b"")
        self._reached.clear()
        # The second time its head is known, if it is one.
        for _ in range(1 if body else 2):
            self._writer.write(head(target, headers, method) + (body or b""))
            answer = await whole(self._reader)
            assert told(answer) == told(usual), (method, target, headers, body)
        (self.ordinary if self._reached else self.direct)[answer.status] += 1
        assert [name for name, _ in answer.headers].count("date") == 1
        if answer.status >= 400:
            instance = json.loads(answer.body)["instance"]
            assert instance == f"urn:comanda:request:{answer.of('x-request-id')}"
        return answer


async def people(at: Place, *accounts: str) -> list[tuple[str, str]]:
    return [next(iter((await bearer(at.client, each)).items())) for each in accounts]


def query(**given: str) -> str:
    return "&".join(f"{name}={quote(value)}" for name, value in given.items())


@pytest.mark.parametrize("account", ["student1", "staff1", "admin1"])
async def test_a_read_is_the_same_both_ways(
    settings: Settings, shelves: Shelves, reached: list[str], account: str
) -> None:
    edges: dict[str, object] = {
        "cors_origins": (APP,),
        "trusted_proxies": ("127.0.0.0/8",),
        "hosts": ("comanda.test",),
    }
    async with place(settings, **edges) as at, connected(at.port) as connection:
        both = Both(at, connection, reached)
        (who,) = await people(at, account)
        page = await both.ask(f"{LIST}?limit=2", [HOST, who])
        cursor = json.loads(page.body)["pagination"]["nextCursor"]
        order = json.loads(page.body)["data"][0]["id"]
        changes = await at.ordinary(f"{LIST}/changes", [HOST, who])
        targets = [
            *(LIST, f"{LIST}/", f"{LIST}?", "/api/order%73", f"{LIST}?cursor={cursor}&limit=3"),
            *(f"{LIST}?cursor={cursor}&page=2", f"{LIST}?cursor={cursor}&mine=true"),
            *(f"{LIST}?page=1000&limit=100", f"{LIST}?limit=1&limit=2", f"{LIST}?%70age=2"),
            *(f"{LIST}?status=created&status=completed&status=cancelled", f"{LIST}?page=1;limit=2"),
            *(f"{LIST}?fields={'id,' * 200}", f"{LIST}?fields={'id,' * 60}id&x={'x' * 600}"),
            *(f"{LIST}/{order}", f"{LIST}/{order}?fields=id,items", f"{LIST}/{order}?fields=no"),
            *(f"{LIST}/{each}" for each in ("1", "0", "-1", "01", "1.0", "x", 2**53, 2**53 - 1)),
            *(f"{LIST}/changes", f"{LIST}/changes?limit=3", f"{LIST}/changes?since=no"),
            f"{LIST}/changes?since={json.loads(changes.body)['next']}",
        ]
        for target in targets:
            await both.ask(target, [HOST, GZIP, who])
        for name, headers in WISHES.items():
            if not any(each == "authorization" for each, _ in headers):
                for target in (LIST, f"{LIST}/{order}", f"{LIST}/no", f"{LIST}?page=0"):
                    answer = await both.ask(target, [*headers, who])
                if name == "of a trace":
                    assert answer.of("x-request-id") == TRACE
        assert both.ordinary.keys() == {400, 404}
        tag = ("if-none-match", (await both.ask(LIST, [HOST, GZIP, who])).of("etag"))
        assert (await both.ask(LIST, [HOST, GZIP, who, tag])).status == 304
        for headers in (
            [HOST],
            [HOST, ("authorization", "Bearer none")],
            [HOST, ("authorization", who[1].replace("Bearer", "Basic"))],
            [HOST, ("authorization", who[1].replace("Bearer ", "bearer   "))],
            [HOST, who, ("authorization", "Bearer none")],
            [("host", "evil.example"), who],
            [HOST, ("host", "a b"), who],
            [HOST, who, ("user-agent", "Googlebot")],
            [HOST, who, ("comanda-fence", "1")],
            [HOST, who, ("comanda-fence", "none")],
        ):
            await both.ask(LIST, headers)
        for method in ("OPTIONS", "DELETE"):
            await both.ask(LIST, [HOST, who], method)
        reader, writer = connection
        writer.write(head(LIST, [HOST, who], "HEAD") + head("/health"))
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK")
        assert (await whole(reader)).status == 200
        assert both.direct.keys() == {200, 304, 400, 404}


async def test_whatever_is_asked_of_a_list_is_understood_the_same(
    settings: Settings, shelves: Shelves, reached: list[str]
) -> None:
    chance = random.Random(11)
    async with place(settings) as at, connected(at.port) as connection:
        both = Both(at, connection, reached)
        everybody = await people(at, "student1", "staff1", "admin1")
        for _ in range(100):
            pairs = [
                (chance.choice([*NAMES, "createdFrom", "createdTo"]), chance.choice(VALUES))
                for _ in range(chance.randint(1, 3))
            ]
            asked = "&".join(f"{name}={quote(value)}" for name, value in pairs)
            target = chance.choice([LIST, LIST, f"{LIST}/1", f"{LIST}/changes"])
            await both.ask(f"{target}?{asked}", [HOST, chance.choice(everybody)])
        assert both.direct[200] > 10
        assert not both.ordinary[200]
        assert both.ordinary[400] > 10


def basket(*lines: tuple[object, object], **more: object) -> bytes:
    items = [{"productId": product, "quantity": quantity} for product, quantity in lines]
    return json.dumps({"cafeteriaId": 1, "items": items, **more}).encode()


async def test_what_is_refused_of_an_order_is_the_same_both_ways(
    settings: Settings, shelves: Shelves, reached: list[str]
) -> None:
    async with place(settings) as at, connected(at.port) as connection:
        both = Both(at, connection, reached)
        (who,) = await people(at, "student1")
        menu = (await at.client.get("/api/products?cafeteriaId=1&available=true")).json()["data"]
        good = (menu[0]["id"], 1)
        key = ("idempotency-key", "a key of mine")
        for body in (
            *(b"", b"{", b"[]", b"null", b"{}", b"\xff", b"[" * 3000, b" " * 70_000, b"1" * 5000),
            *(basket(), basket((1, 0)), basket((1, 100)), basket((0, 1)), basket(("1", 1))),
            *(basket((2**60, 1)), basket((10**9, 1)), basket(*[good] * 51), basket(*[good] * 50)),
            *(basket(good, expectedTotal="0.01"), basket(good, expectedTotal=1)),
            *(basket(good, more=1), basket(good, cafeteriaId=10**6), basket(good, cafeteriaId=2)),
        ):
            await both.ask(LIST, [HOST, who, key, JSON], "POST", body)
        for headers in (
            *([], [key], [JSON], [key, key, JSON], [("idempotency-key", ""), JSON]),
            *([("idempotency-key", "x" * 129), JSON], [("idempotency-key", "\xe9"), JSON]),
            *([key, ("content-type", "text/plain")], [key, ("content-type", "application/x")]),
            [key, ("content-type", "APPLICATION/JSON ; charset=latin-1"), GZIP],
        ):
            await both.ask(LIST, [HOST, who, *headers], "POST", basket(good, expectedTotal="0.01"))
        await both.ask(LIST, [HOST, key, JSON], "POST", basket(good))
        assert both.direct.keys() == {404, 409}
        assert both.ordinary.keys() == {400, 401, 409, 413, 415}


async def test_an_order_is_placed_once_whichever_way_it_comes(
    settings: Settings, shelves: Shelves, reached: list[str]
) -> None:
    changes: dict[str, object] = {"limit_general": 100, "limit_anonymous": 100}
    async with place(settings, **changes) as at, connected(at.port) as (reader, writer):
        (who,) = await people(at, "student1")
        menu = (await at.client.get("/api/products?cafeteriaId=1&available=true")).json()["data"]
        product = menu[0]["id"]
        body = basket((product, 1))
        headers = [HOST, who, JSON, ("content-length", str(len(body)))]

        async def directly(*more: tuple[str, str]) -> Answer:
            reached.clear()
            writer.write(head(LIST, [*headers, *more], "POST") + body)
            answer = await whole(reader)
            assert reached == []
            return answer

        async def usually(*more: tuple[str, str]) -> Answer:
            return await at.ordinary(LIST, [*headers, *more], "POST", body)

        for first, second in ((directly, usually), (usually, directly)):
            key = ("idempotency-key", str(uuid4()))
            placed, again = await first(key), await second(key)
            assert placed.status == again.status == 201
            assert placed.body == again.body
            lines = {name for name, _ in placed.headers} - {"date"}
            assert {name for name, _ in again.headers} - {"date"} == lines | {"idempotent-replayed"}
            # Whoever has placed it sees it, without and with the fence that was told.
            order = json.loads(placed.body)["id"]
            for fence in ([], [("comanda-fence", placed.of("comanda-fence"))]):
                writer.write(head(f"{LIST}/{order}", [HOST, who, *fence]))
                assert (await whole(reader)).status == 200
        # Another key is another order.
        several = [await directly(("idempotency-key", str(uuid4()))) for _ in range(2)]
        assert len({json.loads(each.body)["id"] for each in several}) == 2


async def test_it_is_limited_counted_and_logged_like_all_others(
    settings: Settings, shelves: Shelves, reached: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    changes = {"limit_general": 5, "limit_anonymous": 100, "log_format": LogFormat.JSON}
    async with place(settings, **changes) as at, connected(at.port) as (reader, writer):
        who, other = await people(at, "student1", "student2")
        writer.write(head(LIST, [HOST, who]))
        first = await whole(reader)
        assert '"general";r=4;t=' in first.of("ratelimit")
        # What was not sent again was not counted.
        for _ in range(10):
            writer.write(head(LIST, [HOST, who, ("if-none-match", first.of("etag"))]))
            assert (await whole(reader)).status == 304
        writer.write(head(f"{LIST}/no", [HOST, who]) + head(f"{LIST}/2147483647", [HOST, who]))
        assert [(await whole(reader)).status for _ in range(2)] == [404, 404]
        writer.write(head(LIST, [HOST, who]) * 3)
        last = [await whole(reader) for _ in range(3)]
        assert [each.status for each in last] == [200, 200, 429]
        usual = await at.ordinary(LIST, [HOST, who])
        assert told(last[2])[0] == usual.status == 429
        assert {name for name, _ in last[2].headers} - {"date"} == {
            name for name, _ in usual.headers
        }
        assert int(last[2].of("retry-after")) > 50
        writer.write(head(LIST, [HOST, other]))
        assert (await whole(reader)).status == 200
        figures = await scraped(at.client)
    assert reached.count(LIST) == 1
    assert of(figures, COUNT, route=LIST, method="GET", status="2xx") == 4
    assert of(figures, COUNT, route=LIST, method="GET", status="3xx") == 10
    assert of(figures, COUNT, route=LIST, method="GET", status="4xx") == 2
    template = f"{LIST}/{{order_id}}"
    assert of(figures, COUNT, route=template, method="GET", status="4xx") == 1
    assert of(figures, "comanda_http_requests_in_flight") == 1
    lines = [json.loads(each) for each in capsys.readouterr().out.splitlines()]
    mine = [each for each in lines if each["route"] == LIST]
    assert Counter(each["status"] for each in mine) == {200: 4, 304: 10, 429: 2}
    assert all(each.keys() == mine[0].keys() and each["user"] for each in mine)
    assert mine[0]["bytes"] == len(first.body)


async def test_no_more_are_served_at_once_than_can_be(
    settings: Settings, shelves: Shelves, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, may_end = asyncio.Event(), asyncio.Event()
    detail = OrderHistory.detail

    async def slow(*asked: Any) -> Any:
        began.set()
        await may_end.wait()
        return await detail(*asked)

    monkeypatch.setattr(OrderHistory, "detail", slow)
    async with (
        place(settings, most_in_flight=1) as at,
        connected(at.port) as (reader, writer),
        connected(at.port) as (other, asking),
    ):
        (who,) = await people(at, "student1")
        writer.write(head(f"{LIST}/2147483647", [HOST, who]) + head("/health"))
        await began.wait()
        asking.write(head(LIST, [HOST, who]))
        refused = await whole(other)
        assert (refused.status, refused.of("retry-after")) == (503, "1")
        may_end.set()
        # In the order in which they were asked.
        assert [(await whole(reader)).status for _ in range(2)] == [404, 200]
        asking.write(head(LIST, [HOST, who]))
        assert (await whole(other)).status == 200


async def test_a_request_in_pieces_is_one_all_the_same(
    settings: Settings, shelves: Shelves, reached: list[str]
) -> None:
    async with place(settings) as at, connected(at.port) as (reader, writer):
        (who,) = await people(at, "student1")
        # It can be read without its end.
        body = basket((10**9, 1)) + b" "
        key = ("idempotency-key", "x")
        lines = [HOST, who, key, JSON, ("content-length", str(len(body)))]
        whole_request = head(LIST, lines, "POST") + body
        reached.clear()
        for cut in (10, len(whole_request) - len(body), len(whole_request) - 1):
            for piece in (whole_request[:cut], whole_request[cut:]):
                writer.write(piece)
                await asyncio.sleep(0.01)
            assert (await whole(reader)).status == 404
        # Two came with a body that was still to come.
        assert reached == [LIST] * 2
        chunked = [HOST, who, key, JSON, ("transfer-encoding", "chunked")]
        writer.write(head(LIST, chunked, "POST") + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))
        assert (await whole(reader)).status == 404
        asked = [*lines, ("expect", "100-continue")]
        writer.write(head(LIST, asked, "POST"))
        assert b"100 Continue" in await reader.readuntil(b"\r\n\r\n")
        writer.write(body)
        assert (await whole(reader)).status == 404


@pytest.mark.parametrize("last", ["connection: close", "HTTP/1.0", "a drain"])
async def test_the_last_answer_of_a_connection_says_so_and_ends_it(
    settings: Settings, shelves: Shelves, monkeypatch: pytest.MonkeyPatch, last: str
) -> None:
    async with place(settings) as at, connected(at.port) as (reader, writer):
        (who,) = await people(at, "student1")
        asked = head(LIST, [HOST, who, *([("connection", "close")] if "close" in last else [])])
        if last == "a drain":
            listed = OrderHistory.listed

            async def leave(*given: Any) -> Any:
                called = at.app.state["direct"]
                monkeypatch.setattr(called._edge._drain, "has_begun", True)
                return await listed(*given)

            monkeypatch.setattr(OrderHistory, "listed", leave)
        writer.write(asked.replace(b"/1.1", b"/1.0") if last == "HTTP/1.0" else asked)
        answer = await whole(reader)
        assert answer.status == 200
        assert [value for name, value in answer.headers if name == "connection"] == ["close"]
        assert await reader.read() == b""


async def test_whoever_is_known_by_their_head_proves_who_they_are_each_time(
    settings: Settings, shelves: Shelves, reached: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with place(settings) as at, connected(at.port) as (reader, writer):
        (who,) = await people(at, "student1")
        verify = AccessTokens.verify

        def refuse(*_: object) -> Principal:
            raise CredentialsError("It is over.")

        statuses = []
        for verified in (verify, verify, refuse, verify):
            monkeypatch.setattr(AccessTokens, "verify", verified)
            writer.write(head(LIST, [HOST, who]))
            statuses.append((await whole(reader)).status)
        assert statuses == [200, 200, 401, 200]
        assert reached.count(LIST) == 1


async def test_a_fault_of_a_route_is_told_the_same(
    settings: Settings,
    shelves: Shelves,
    reached: list[str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with place(settings) as at, connected(at.port) as connection:
        both = Both(at, connection, reached)
        (who,) = await people(at, "student1")
        for error in (ZeroDivisionError("our own words"), UnavailableError("Later.", 7)):

            async def fail(*_: Any, error: Exception = error) -> Any:
                raise error

            monkeypatch.setattr(OrderHistory, "listed", fail)
            answer = await both.ask(LIST, [HOST, who])
            assert b"our own words" not in answer.body
        assert answer.of("retry-after") == "7"
        assert both.direct == {500: 1, 503: 1}
    assert caplog.text.count("ZeroDivisionError: our own words") == 3


async def test_whoever_leaves_before_the_answer_is_counted_all_the_same(
    settings: Settings, shelves: Shelves, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, may_end = asyncio.Event(), asyncio.Event()
    listed = OrderHistory.listed

    async def slow(*asked: Any) -> Any:
        began.set()
        await may_end.wait()
        return await listed(*asked)

    async with place(settings) as at:
        monkeypatch.setattr(OrderHistory, "listed", slow)
        (who,) = await people(at, "student1")
        async with connected(at.port) as (_, writer):
            writer.write(head(LIST, [HOST, who]))
            await began.wait()
        may_end.set()
        async with asyncio.timeout(10):
            while not of(await scraped(at.client), COUNT, route=LIST):  # noqa: ASYNC110
                await asyncio.sleep(0)


def wanted(function: Any, **options: Any) -> tuple[Any, Any]:
    async def principal() -> Principal:
        raise AssertionError

    app = Litestar([get("/", **options)(function)], dependencies={"principal": principal})
    route = next(each for each in app.routes if isinstance(each, HTTPRoute) and each.path == "/")
    return route.route_handler_map["GET"]


async def usual(principal: NamedDependency[Principal], page: PageNumber = 1) -> None:
    """It takes what can be read."""


async def curious(principal: NamedDependency[Principal], request: Request[Any, Any, Any]) -> None:
    """It takes all there is."""


async def open_to_all(page: PageNumber = 1) -> None:
    """It does not ask who it is for."""


async def after(response: Response[Any]) -> Response[Any]:
    return response


@pytest.mark.parametrize(
    ("function", "options"),
    [
        (curious, {}),
        (open_to_all, {}),
        (usual, {"guards": [lambda *_: None]}),
        (usual, {"cache": True}),
        (usual, {"after_request": after}),
        (usual, {"after_response": after}),
        (usual, {"cache_control": CacheControlHeader(no_store=True)}),
    ],
)
def test_no_route_is_called_that_takes_or_does_more(function: Any, options: dict[str, Any]) -> None:
    assert Call(*wanted(usual))
    with pytest.raises(TypeError, match=function.__name__):
        Call(*wanted(function, **options))
