"""What is ready is answered in one step, and nobody can tell but by how soon."""

import asyncio
import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Any, NamedTuple, cast
from urllib.parse import unquote

import httpx
import msgspec
import pytest
from litestar import Litestar

from bff.app import create_app
from bff.edge.edge import Edge
from bff.edge.express import Express
from bff.operations.logs import LogFormat
from bff.representation import shared
from bff.settings import Settings
from domain.catalogue import Catalogue
from domain.database import Cluster, Database
from imaging.facts import facts
from imaging.intake import shelve
from imaging.pyramid import levels
from imaging.shelves import Shelves
from infra.demo.pictures import draw_jpeg
from tests.bff.operations.test_figures import COUNT, of, parsed
from tests.bff.test_orders import bearer, order
from tests.bff.test_protocol import connected, exchange, listening

MENU = "/api/products?limit=50"
SECTIONS = "/api/categories"
DISH = "/api/products/1"
PICTURE = "/products/1?w=320&fm=webp"
APP = "https://app.campus.example"
TRACE = "0af7651916cd43dd8448eb211c80319c"
HOST = ("host", "comanda.test")
GZIP = ("accept-encoding", "gzip")
# Of one request alone, or of one moment.
_OWN = {"date", "x-request-id", "ratelimit"}
Lines = list[tuple[str, str]]


class Answer(NamedTuple):
    status: int
    headers: Lines
    body: bytes

    @property
    def lasting(self) -> tuple[int, Lines, bytes]:
        """What another such request is answered with, too."""
        kept = sorted(each for each in self.headers if each[0] not in _OWN)
        return self.status, kept, self.body

    def of(self, name: str) -> str:
        return dict(self.headers)[name]


class Place:
    """The application, at a socket and without one."""

    def __init__(self, app: Litestar, port: int, client: httpx.AsyncClient) -> None:
        self.app = app
        self.port = port
        self.client = client
        self.reached = 0
        """Requests that the layers saw."""

    async def ordinary(
        self, target: str, headers: Lines, method: str = "GET", body: bytes = b""
    ) -> Answer:
        """As the layers answer without a protocol in front of them."""
        path, _, query = target.partition("?")
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": unquote(path),
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(name.encode(), value.encode()) for name, value in headers],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", self.port),
            "state": {},
        }
        sent: list[Any] = []
        received: list[Any] = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> Any:
            return received.pop() if received else await never()

        async def send(message: Any) -> None:
            sent.append(message)

        await self.app(cast("Any", scope), cast("Any", receive), send)
        lines = [(name.decode(), value.decode()) for name, value in sent[0]["headers"]]
        return Answer(sent[0]["status"], lines, b"".join(each["body"] for each in sent[1:]))


async def never() -> Any:
    """Nobody sends anything more, or leaves."""
    await asyncio.Event().wait()


@asynccontextmanager
async def place(settings: Settings, **changes: object) -> AsyncIterator[Place]:
    app = create_app(msgspec.structs.replace(settings, **changes))
    transport = httpx.ASGITransport(cast("Any", app))
    async with (
        app.lifespan(),
        listening(cast("Any", app), access_log=False) as port,
        httpx.AsyncClient(transport=transport, base_url="http://comanda.test") as client,
    ):
        yield Place(app, port, client)


@pytest.fixture
def reached(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths of what has come to the layers."""
    paths: list[str] = []
    serve = Edge.__call__

    async def counted(self: Edge, scope: Any, receive: Any, send: Any) -> None:
        paths.append(scope["path"])
        await serve(self, scope, receive, send)

    monkeypatch.setattr(Edge, "__call__", counted)
    return paths


def head(target: str, headers: Iterable[tuple[str, str]] = (HOST,), method: str = "GET") -> bytes:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    return f"{method} {target} HTTP/1.1\r\n{lines}\r\n".encode()


def read(answered: bytes) -> Answer:
    start, _, body = answered.partition(b"\r\n\r\n")
    first, *lines = start.decode("latin-1").split("\r\n")
    headers = [cast("tuple[str, str]", tuple(each.split(": ", 1))) for each in lines]
    return Answer(int(first.split()[1]), headers, body)


async def whole(reader: asyncio.StreamReader) -> Answer:
    """One answer, which may have no body."""
    start = await reader.readuntil(b"\r\n\r\n")
    answer = read(start)
    length = int(dict(answer.headers).get("content-length", 0))
    return answer._replace(body=await reader.readexactly(length))


WISHES: dict[str, Lines] = {
    "as it is": [HOST],
    "gzip": [HOST, GZIP],
    "brotli": [HOST, ("accept-encoding", "br;q=1, gzip;q=0.2")],
    "no coding": [HOST, ("accept-encoding", "identity;q=0")],
    "not to be compressed": [HOST, GZIP, ("x-no-compression", "1")],
    "of a trace": [HOST, GZIP, ("traceparent", f"00-{TRACE}-{'1' * 16}-01")],
    "a page of ours": [HOST, GZIP, ("origin", APP)],
    "another page": [HOST, ("origin", "https://evil.example")],
    "known already": [HOST, GZIP, ("if-none-match", "*")],
    "something else known": [HOST, GZIP, ("if-none-match", '"x", W/"y"')],
    "a part": [HOST, ("range", "bytes=0-9")],
    "behind a proxy": [HOST, ("x-forwarded-for", "192.0.2.7"), ("x-forwarded-proto", "https")],
    "a token that is none": [HOST, GZIP, ("authorization", "Bearer none")],
    "kept alive": [HOST, ("connection", "keep-alive"), ("user-agent", "Comanda/1.0")],
}


@pytest.mark.parametrize("limits", [0, 100, 3000])
async def test_the_answer_is_the_same_both_ways(
    settings: Settings,
    shelves: Shelves,
    reached: list[str],
    monkeypatch: pytest.MonkeyPatch,
    limits: int,
) -> None:
    # It does not get any smaller meanwhile.
    monkeypatch.setattr(shared, "WORTH", 10**6)
    changes: dict[str, object] = {
        "limit_general": limits,
        "limit_anonymous": 30 * limits,
        "cors_origins": (APP,),
        "trusted_proxies": ("127.0.0.0/8",),
    }
    async with place(settings, **changes) as at:
        token = tuple((await bearer(at.client, "student1")).items())
        wishes = WISHES | {"a person": [HOST, GZIP, *token]}
        for target in (MENU, SECTIONS, DISH):
            await at.ordinary(target, [HOST])
            for name, headers in wishes.items():
                usual = await at.ordinary(target, headers)
                reached.clear()
                async with connected(at.port) as (reader, writer):
                    # The second time its head is known.
                    for _ in range(3):
                        writer.write(head(target, headers))
                        answer = await whole(reader)
                        assert answer.lasting == usual.lasting, (target, name)
                        assert len(answer.of("x-request-id")) == 32
                        assert [key for key, _ in answer.headers].count("date") == 1
                        if limits:
                            told = [
                                re.sub("[rt]=[0-9]+", "", each.of("ratelimit"))
                                for each in (answer, usual)
                            ]
                            assert told[0] == told[1]
                assert reached == [], (target, name)
                if name == "of a trace":
                    assert answer.of("x-request-id") == TRACE
                if name == "known already":
                    assert (answer.status, answer.body) == (304, b"")


async def test_a_picture_from_memory_is_the_same_both_ways(
    settings: Settings, shelves: Shelves, reached: list[str]
) -> None:
    body = draw_jpeg("grill", 1, (640, 480))
    cluster = Cluster(settings.database_url, [])
    picture = await shelve(shelves, 1, body, facts(body), levels(body))
    await Catalogue(Database(cluster)).hang(1, picture)
    await cluster.close()
    url = f"/products/1?v={picture.version}&w=320&fm=webp"
    accepting = [HOST, ("accept", "image/webp")]
    async with place(settings) as at:
        for _ in range(2):
            usual = await at.ordinary(url, accepting)
        reached.clear()
        async with connected(at.port) as (reader, writer):
            for _ in range(3):
                writer.write(head(url, accepting))
                assert (await whole(reader)).lasting == usual.lasting
            # What is known is not sent, whatever the date of it is.
            tag, date = ("if-none-match", usual.of("etag")), ("if-modified-since", "yesterday")
            for known in ([tag], [tag, date], [("if-none-match", '"x"'), date]):
                writer.write(head(url, [*accepting, *known]))
                answer = await whole(reader)
                assert answer.status == (304 if tag in known else 200)
                assert reached == []
                # Unless a part of it may be meant, which is the route's to judge.
                parted = [*accepting, *known, ("if-range", "x")]
                assert answer.lasting == (await at.ordinary(url, parted)).lasting
                reached.clear()
            writer.write(head(url, [*accepting, ("range", "bytes=0-9")]))
            assert (await whole(reader)).status == 206


UNUSUAL: dict[str, bytes] = {
    "HEAD": head(SECTIONS, [HOST], "HEAD"),
    "OPTIONS": head(SECTIONS, [HOST], "OPTIONS"),
    "POST": head(SECTIONS, [HOST, ("content-length", "0")], "POST"),
    "a body": head(SECTIONS, [HOST, ("content-length", "2")]) + b"{}",
    "a body in chunks": head(SECTIONS, [HOST, ("transfer-encoding", "chunked")]) + b"0\r\n\r\n",
    "a body to be asked for": head(SECTIONS, [HOST, ("expect", "100-continue")]),
    "the last one": head(SECTIONS, [HOST, ("connection", "close")]),
    "another protocol": head(SECTIONS, [HOST, ("connection", "upgrade"), ("upgrade", "h2c")]),
    "of HTTP/1.0": head(SECTIONS).replace(b"/1.1", b"/1.0"),
    "with a fence": head(SECTIONS, [HOST, ("comanda-fence", "1")]),
    "a robot": head(SECTIONS, [HOST, ("user-agent", "Googlebot")]),
    "another host": head(SECTIONS, [("host", "evil.example")]),
    "in other letters": head(SECTIONS.replace("c", "%63")),
    "in other words": head(f"{SECTIONS}?page=1"),
}


@pytest.mark.parametrize("asked", UNUSUAL.values(), ids=UNUSUAL.keys())
async def test_whatever_is_unusual_is_left_to_the_layers(
    settings: Settings, shelves: Shelves, reached: list[str], asked: bytes
) -> None:
    async with place(settings, hosts=("comanda.test",)) as at:
        await at.ordinary(SECTIONS, [HOST])
        reached.clear()
        async with connected(at.port) as (reader, writer):
            writer.write(asked)
            await reader.readuntil(b"\r\n\r\n")
        assert len(reached) == 1


async def test_answers_come_in_the_order_of_their_requests_however_these_are_cut(
    settings: Settings, shelves: Shelves
) -> None:
    async with place(settings, limit_anonymous=100_000) as at:
        token = tuple((await bearer(at.client, "student1")).items())
        ready = [head(MENU), head(SECTIONS, [HOST, GZIP]), head(SECTIONS, [HOST, *token])]
        others = [head("/health"), head("/nothing"), head("/api/wallet", [HOST, *token])]
        for target in (MENU, SECTIONS):
            await at.ordinary(target, [HOST])
        asked = [each for pair in zip(ready, others, strict=True) for each in pair] + ready * 40
        sent = b"".join(asked)
        wanted = [200, 200, 200, 404, 200, 200] + [200] * 3 * 40
        for size in (len(sent), 1, 7, 100, len(ready[0]), 1000):
            async with connected(at.port) as (reader, writer):
                for start in range(0, len(sent), size):
                    writer.write(sent[start : start + size])
                    if size < 1000:
                        await asyncio.sleep(0)
                answers = [await whole(reader) for _ in asked]
            assert [each.status for each in answers] == wanted
            bodies = [answers[0].body, answers[2].body, answers[4].body] * 40
            assert [each.body for each in answers[6:]] == bodies


async def test_two_heads_that_came_together_are_not_known_as_one(
    settings: Settings, shelves: Shelves
) -> None:
    async with place(settings) as at:
        bodies = [(await at.ordinary(target, [HOST])).body for target in (MENU, SECTIONS)]
        async with connected(at.port) as (reader, writer):
            for _ in range(3):
                writer.write(head(MENU) + head(SECTIONS))
                assert [(await whole(reader)).body for _ in bodies] == bodies


async def test_what_is_known_is_not_sent_before_the_answer_that_is_due(
    settings: Settings, shelves: Shelves, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, may_end = asyncio.Event(), asyncio.Event()
    serve = Edge.__call__

    async def slow(self: Edge, scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/health":
            began.set()
            await may_end.wait()
        await serve(self, scope, receive, send)

    monkeypatch.setattr(Edge, "__call__", slow)
    async with place(settings) as at, connected(at.port) as (reader, writer):
        for _ in range(2):
            writer.write(head(SECTIONS))
            ready = await whole(reader)
        writer.write(head("/health"))
        await began.wait()
        writer.write(head(SECTIONS))
        # Another connection's answer is there, so this one's would be.
        async with connected(at.port) as (other, asking):
            asking.write(head(SECTIONS))
            await whole(other)
        may_end.set()
        assert (await whole(reader)).body != ready.body
        assert (await whole(reader)).body == ready.body


async def test_who_asks_on_and_on_and_reads_nothing_is_held_up(
    settings: Settings, shelves: Shelves
) -> None:
    async with place(settings) as at:
        await at.ordinary(MENU, [HOST])
        async with connected(at.port) as (reader, writer):
            writer.transport.set_write_buffer_limits(high=1)
            # Long ones: less of them lie in the buffers of both sides.
            asked = head(MENU, [HOST, ("x-padding", "x" * 1900)]) * 10
            times = 0
            with suppress(TimeoutError):
                while times < 10_000:
                    times += 1
                    writer.write(asked)
                    async with asyncio.timeout(0.5):
                        await writer.drain()
            assert times < 10_000
            # And all of it is answered in the end.
            for _ in range(10 * times):
                assert (await whole(reader)).status == 200


async def test_it_is_counted_and_logged_like_all_others(
    settings: Settings, shelves: Shelves, reached: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    changes = {"limit_anonymous": 3000, "limit_general": 100, "log_format": LogFormat.JSON}
    async with place(settings, **changes) as at:
        token = tuple((await bearer(at.client, "student1")).items())
        await at.ordinary(SECTIONS, [HOST])
        reached.clear()
        async with connected(at.port) as (reader, writer):
            for headers in ([HOST], [HOST], [HOST, *token], [HOST, ("if-none-match", "*")]):
                writer.write(head(f"{SECTIONS}", headers))
                await whole(reader)
        assert reached == []
        told = parsed((await at.client.get("/metrics")).text)
    assert of(told, COUNT, route=SECTIONS, method="GET", status="2xx") == 4
    assert of(told, COUNT, route=SECTIONS, method="GET", status="3xx") == 1
    name = "comanda_limit_decisions_total"
    assert of(told, name, policy="general", decision="allowed", by="redis") == 1
    lines = [json.loads(each) for each in capsys.readouterr().out.splitlines()]
    mine = [each for each in lines if each["path"] == SECTIONS]
    assert [each["status"] for each in mine] == [200, 200, 200, 200, 304]
    assert all(each.keys() == mine[0].keys() for each in mine)
    assert [isinstance(each["user"], int) for each in mine] == [False, False, False, True, False]
    assert mine[1]["bytes"] == mine[0]["bytes"] > 100
    assert {each["client"] for each in mine} == {"127.0.0.1"}


async def test_of_fifty_connections_exactly_as_many_are_answered_as_may(
    settings: Settings, shelves: Shelves
) -> None:
    async with place(settings, limit_general=100, limit_anonymous=300) as at:
        token = tuple((await bearer(at.client, "student1")).items())
        await at.ordinary(SECTIONS, [HOST])

        async def ask(headers: Lines, times: int) -> list[Answer]:
            async with connected(at.port) as (reader, writer):
                answers = []
                for _ in range(times):
                    writer.write(head(SECTIONS, headers))
                    answers.append(await whole(reader))
                return answers

        for headers, times, left in (([HOST], 10, 297), ([HOST, *token], 4, 100)):
            crowd = await asyncio.gather(*(ask(headers, times) for _ in range(50)))
            told = Counter(each.status for some in crowd for each in some)
            # The log in and the first one were of that address, too.
            assert told[200] == left + (headers == [HOST]), told
            assert told.keys() == {200, 429}


async def test_what_was_not_sent_again_was_not_counted(
    settings: Settings, shelves: Shelves
) -> None:
    async with place(settings, limit_general=3, limit_anonymous=200) as at:
        token = tuple((await bearer(at.client, "student1")).items())
        known = (await at.ordinary(SECTIONS, [HOST])).of("etag")
        for who, times in (([HOST], 300), ([HOST, *token], 10)):
            async with connected(at.port) as (reader, writer):
                for _ in range(times):
                    writer.write(head(SECTIONS, [*who, ("if-none-match", known)]))
                    assert (await whole(reader)).status == 304
        async with connected(at.port) as (reader, writer):
            for status in (304, 304, 304, 429):
                writer.write(head(SECTIONS, [HOST, *token, ("if-none-match", "*")]))
                assert (await whole(reader)).status == status


async def test_whoever_has_written_is_told_of_it(settings: Settings, shelves: Shelves) -> None:
    url = "/api/products?cafeteriaId=1&available=true&limit=1&fields=id,stock"
    async with place(settings) as at, connected(at.port) as (reader, writer):
        student = await bearer(at.client, "student1")
        for _ in range(5):
            writer.write(head(url) * 3)
            (product,) = json.loads([await whole(reader) for _ in range(3)][-1].body)["data"]
            basket = {"cafeteriaId": 1, "items": [{"productId": product["id"], "quantity": 1}]}
            placed = await order(at.client, student, basket)
            fence = ("comanda-fence", placed.headers["comanda-fence"])
            writer.write(head(url, [HOST, fence]))
            (now,) = json.loads((await whole(reader)).body)["data"]
            assert now["stock"] == product["stock"] - 1


async def test_without_redis_the_layers_decide(
    settings: Settings, shelves: Shelves, reached: list[str]
) -> None:
    changes = {"limit_anonymous": 2, "redis_url": "redis://127.0.0.1:1/0"}
    async with place(settings, **changes) as at:
        statuses = []
        async with connected(at.port) as (reader, writer):
            for _ in range(4):
                writer.write(head(SECTIONS))
                statuses.append((await whole(reader)).status)
    assert statuses == [200, 200, 429, 429]
    assert len(reached) == 4


async def test_a_fault_in_it_is_no_fault_of_the_answer(
    settings: Settings,
    shelves: Shelves,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with place(settings) as at:
        usual = await at.ordinary(SECTIONS, [HOST])
        monkeypatch.setattr(Express, "_answer", lambda *_: 1 / 0)
        async with connected(at.port) as (reader, writer):
            writer.write(head(SECTIONS))
            assert (await whole(reader)).body == usual.body
    assert "ZeroDivisionError" in caplog.text


async def test_a_connection_that_asks_what_is_known_is_kept(
    settings: Settings, shelves: Shelves
) -> None:
    app = create_app(settings)
    async with (
        app.lifespan(),
        listening(cast("Any", app), timeout_keep_alive=0.4) as port,
        connected(port) as (reader, writer),
    ):
        for _ in range(8):
            writer.write(head(SECTIONS))
            await whole(reader)
            await asyncio.sleep(0.1)
        assert await reader.read() == b""


async def test_what_the_protocol_refuses_is_safe_has_an_id_and_is_counted_too(
    settings: Settings, shelves: Shelves
) -> None:
    async with place(settings) as at:
        for sent, status in ((b"EHLO mail\r\n\r\n", 400), (head("/" + "a" * 9000), 414)):
            refused = read(await exchange(at.port, sent))
            assert refused.status == status
            assert refused.of("x-content-type-options") == "nosniff"
            assert refused.of("content-security-policy").startswith("default-src 'none'")
            instance = json.loads(refused.body)["instance"]
            assert instance == f"urn:comanda:request:{refused.of('x-request-id')}"
        told = parsed((await at.client.get("/metrics")).text)
    assert of(told, COUNT, route="none", method="other", status="4xx") == 2
