"""Who asks for a session comes by the edge, as everybody does; but a poll may take its time."""

import asyncio
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import httpx
import msgspec
import pytest

from bff.edge.exchange import Exchange, current
from bff.operations.logs import AccessLog, LogFormat
from bff.realtime.asgi import Polls, Sockets
from bff.realtime.engine import Engine, Limits
from bff.realtime.figures import Figures
from bff.realtime.session import Session
from bff.realtime.siblings import Siblings
from bff.realtime.websocket import WebSocket
from bff.settings import Settings
from tests.bff.edge.layers import edge
from tests.bff.edge.test_edge import SECURITY
from tests.bff.edge.test_limits import Serve
from tests.bff.operations.test_figures import COUNT, of, scraped
from tests.bff.realtime.peer import ADAPTERS, OPEN, Place, nothing, serving, until
from tests.bff.realtime.test_engine import Echo, polling

OURS: Final = "comanda.example"
UPGRADE: Final = {
    "upgrade": "websocket",
    "connection": "upgrade",
    "sec-websocket-version": "13",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
}


@pytest.fixture(params=ADAPTERS)
async def place(request: pytest.FixtureRequest) -> AsyncIterator[Place]:
    """A server that answers to one name."""
    async with serving(Engine(Echo, Figures()), request.param, hosts=[OURS]) as place:
        yield place


def is_whole(answer: httpx.Response) -> bool:
    """Whether a problem is told as the edge tells each."""
    for name in (*SECURITY, "x-request-id"):
        assert len(answer.headers.get_list(name)) == 1, name
    told: str = answer.json()["instance"]
    return told == f"urn:comanda:request:{answer.headers['x-request-id']}"


@pytest.mark.parametrize(("host", "served"), [(OURS, True), ("evil.example", False)])
async def test_a_page_that_makes_its_own_name_ours_gets_no_session(
    place: Place, host: str, *, served: bool
) -> None:
    named = {"host": host, "origin": f"http://{host}"}
    answer = await place.client.get(f"{OPEN}polling", headers=named)
    assert answer.status_code == (200 if served else 421)
    # As the peer writes it.
    _, status = await place.connect(f"{OPEN}websocket", {"Host": host, "Origin": f"http://{host}"})
    assert status == (101 if served else 421)
    assert len(place.engine.sessions) == (2 if served else 0)
    assert place.engine.edge is not None
    assert place.engine.edge.refusals == ({} if served else {"host": 2})


@pytest.mark.parametrize(
    ("query", "headers", "status"),
    [
        ("&sid=nobody", {"host": OURS}, 400),
        ("", {"host": OURS, "origin": "https://evil.example"}, 403),
        ("", {"host": OURS, "user-agent": "crawlbot"}, 403),
        ("", {"host": "evil.example"}, 421),
    ],
)
async def test_a_handshake_is_refused_as_any_request_is(
    place: Place, query: str, headers: dict[str, str], status: int
) -> None:
    for transport, more in (("websocket", UPGRADE), ("polling", {})):
        answer = await place.client.get(f"{OPEN}{transport}{query}", headers=headers | more)
        assert answer.status_code == status
        assert is_whole(answer)


async def test_who_asks_what_may_be_done_opens_nothing(place: Place) -> None:
    named = {"host": OURS}
    head = await place.client.head(f"{OPEN}polling", headers=named)
    assert (head.status_code, head.content, head.headers["allow"]) == (405, b"", "GET, POST")
    options = await place.client.options(f"{OPEN}polling", headers=named)
    assert (options.status_code, options.content) == (204, b"")
    assert options.headers["allow"] == "GET, POST"
    # RFC 9110 8.6
    assert "content-length" not in options.headers
    assert not place.engine.sessions


async def test_what_another_process_refuses_is_of_the_request_that_its_client_made(
    tmp_path: Path,
) -> None:
    near, far = (Engine(Echo, Figures(), siblings=Siblings(tmp_path)) for _ in range(2))
    theirs = type("Theirs", (WebSocket,), {"engine": far, "__slots__": ()})
    await far.siblings.start(Sockets(nothing, far), theirs)
    far.edge = edge(Polls(far))
    async with serving(near, "ours") as place:
        sid = far.open("127.0.0.1").id
        assert (await place.post(sid, "4hello")).text == "ok"
        assert (await place.poll(sid)).text == "4hello"
        wrong = await place.client.put(f"{OPEN}polling&sid={sid}")
        assert (wrong.status_code, wrong.headers["allow"]) == (405, "GET, POST")
        none = "There is no such session."
        for answer, detail in (
            (await place.post(sid, "nonsense"), "It is no payload of packets."),
            (await place.poll(sid), none),
            (await place.client.get(f"{OPEN}websocket&sid={sid}", headers=UPGRADE), none),
        ):
            assert (answer.status_code, answer.json()["detail"]) == (400, detail)
            assert is_whole(answer)
    await near.siblings.close()
    await far.siblings.close()
    far.close()


@pytest.mark.parametrize(
    ("first", "second", "are_one"),
    [
        ("2001:db8::1", "2001:db8::ffff:2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("192.0.2.1", "192.0.2.2", False),
        ("192.0.2.1", "192.0.2.1", True),
    ],
)
@pytest.mark.parametrize("adapter", ADAPTERS)
async def test_sessions_of_one_client_are_bounded_whichever_of_its_addresses_it_takes(
    adapter: str, first: str, second: str, *, are_one: bool
) -> None:
    engine = Engine(Echo, Figures(), Limits(sessions_an_address=1))
    async with serving(engine, adapter, proxies=["127.0.0.1"]) as place:
        opened = await place.client.get(f"{OPEN}polling", headers={"x-forwarded-for": first})
        assert opened.status_code == 200
        _, status = await place.connect(f"{OPEN}websocket", {"X-Forwarded-For": second})
        assert status == (503 if are_one else 101)


async def test_a_poll_that_waits_is_no_slow_request(serve: Serve, settings: Settings) -> None:
    async with serve(msgspec.structs.replace(settings, limit_anonymous=1)) as client:
        sid = json.loads((await client.get(f"{OPEN}polling")).text[1:])["sid"]
        waiting = asyncio.create_task(client.get(f"{OPEN}polling&sid={sid}"))
        await asyncio.sleep(0)
        told = await scraped(client)
        # The one that asks for it.
        assert of(told, "comanda_http_requests_in_flight") == 1
        assert (await client.post(f"{OPEN}polling&sid={sid}", content="1")).text == "ok"
        assert (await waiting).text == "6"
        assert (await client.get(OPEN, headers={"user-agent": "crawlbot"})).status_code == 403
        told = await scraped(client)
    assert of(told, COUNT, route="none") == 0
    assert of(told, "comanda_limit_decisions_total") == 0
    assert of(told, "comanda_refused_requests_total", reason="robot") == 1


async def test_the_log_has_what_was_refused_and_no_poll_that_waited() -> None:
    stream = io.StringIO()
    access = AccessLog(1.0, LogFormat.JSON, stream)
    engine = Engine(Echo, Figures())
    async with serving(engine, "ours", watch=[access.note_problem]) as place:
        sid = await place.polled()
        (await polling(place, sid)).cancel()
        await until(lambda: not engine.sessions)
        refused = [
            await place.poll("nobody"),
            await place.client.get(f"{OPEN}websocket&sid=nobody", headers=UPGRADE),
        ]
    access.close()
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [each["request_id"] for each in lines] == [
        each.headers["x-request-id"] for each in refused
    ]
    assert [each["status"] for each in lines] == [400, 400]


async def test_what_a_session_does_later_is_of_no_request() -> None:
    seen: list[Exchange | None] = []

    class Looking(Echo):
        """Sees whose request it is."""

        def __init__(self, session: Session) -> None:
            super().__init__(session)
            seen.append(current.get())

        def text(self, data: str) -> None:
            seen.append(current.get())
            super().text(data)

    polls = edge(Polls(Engine(Looking, Figures())))
    transport = httpx.ASGITransport(polls)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://comanda.test") as client:
        sid = json.loads((await client.get(f"{OPEN}polling")).text[1:])["sid"]
        await client.post(f"{OPEN}polling&sid={sid}", content="4hello")
    assert seen == [None, None]
