"""Engine.IO v4 as its document describes it, over both transports and both adapters."""

import asyncio
import json
from base64 import b64encode
from collections.abc import AsyncIterator

import httpx
import pytest

from bff.realtime.codec import Message
from bff.realtime.engine import Engine, Limits
from bff.realtime.figures import Figures
from bff.realtime.session import Session
from tests.bff.realtime.peer import ADAPTERS, OPEN, Peer, Place, serving, until

SHOP = "https://shop.example"
# Nobody is pinged while a test goes on, however long a busy machine takes for it.
CALM = Limits(payload=10_000)
# These are pinged at once, and have the time to answer, or have none.
PINGED = Limits(ping_interval=0.1)
IMPATIENT = Limits(ping_interval=0.1, ping_timeout=0.1)


class Echo:
    """Sends back whatever comes."""

    is_wanted = True

    def __init__(self, session: Session) -> None:
        self._session = session

    def text(self, data: str) -> None:
        self._session.send(Message(b"4" + data.encode()))

    def binary(self, data: bytes) -> None:
        self._session.send(Message(data, is_binary=True))

    def closed(self, reason: str) -> None:
        pass


@pytest.fixture(params=ADAPTERS)
def adapter(request: pytest.FixtureRequest) -> str:
    adapter: str = request.param
    return adapter


@pytest.fixture
async def place(adapter: str) -> AsyncIterator[Place]:
    engine = Engine(Echo, Figures(), CALM, origins=[SHOP])
    async with serving(engine, adapter, origins=[SHOP]) as place:
        yield place


@pytest.fixture
async def pinged(adapter: str) -> AsyncIterator[Place]:
    async with serving(Engine(Echo, Figures(), PINGED), adapter) as place:
        yield place


@pytest.fixture
async def impatient(adapter: str) -> AsyncIterator[Place]:
    async with serving(Engine(Echo, Figures(), IMPATIENT), adapter) as place:
        yield place


async def polling(place: Place, sid: str) -> "asyncio.Task[httpx.Response]":
    """A poll that waits."""
    poll = asyncio.create_task(place.poll(sid))
    session = place.engine.sessions[sid]
    await until(lambda: session._polling is not None and session._polling.poll is not None)
    return poll


async def upgraded(place: Place) -> tuple[Peer, str]:
    sid = await place.polled()
    peer = await place.websocket(f"&sid={sid}")
    peer.write("2probe")
    assert await peer.text() == "3probe"
    peer.write("5")
    return peer, sid


async def test_a_session_opens_over_polling(place: Place) -> None:
    answer = await place.client.get(f"{OPEN}polling")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; charset=UTF-8"
    assert answer.text[0] == "0"
    greeting = json.loads(answer.text[1:])
    assert greeting.pop("sid")
    assert greeting == {
        "upgrades": ["websocket"],
        "pingInterval": 25_000,
        "pingTimeout": 20_000,
        "maxPayload": 10_000,
    }


async def test_a_session_opens_over_a_websocket(place: Place) -> None:
    _, greeting = await place.opened()
    assert greeting.pop("sid")
    assert greeting == {
        "upgrades": [],
        "pingInterval": 25_000,
        "pingTimeout": 20_000,
        "maxPayload": 10_000,
    }


@pytest.mark.parametrize(
    "query", ["EIO=3&transport=polling", "transport=polling", "EIO=4&transport=x", "EIO=4", ""]
)
async def test_a_wrong_query_opens_nothing(place: Place, query: str) -> None:
    answer = await place.client.get(f"/socket.io/?{query}")
    assert answer.status_code == 400
    assert answer.json()["type"] == "urn:comanda:problem:invalid-parameter"
    _, status = await place.connect(f"/socket.io/?{query.replace('polling', 'w')}")
    assert status == 400
    assert not place.engine.sessions


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
async def test_no_other_method_opens_a_session(place: Place, method: str) -> None:
    answer = await place.client.request(method, f"{OPEN}polling")
    assert answer.status_code == 400
    assert not place.engine.sessions


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
async def test_no_other_method_reaches_a_session(place: Place, method: str) -> None:
    sid = await place.polled()
    answer = await place.client.request(method, f"{OPEN}polling&sid={sid}")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST")
    assert sid in place.engine.sessions


async def test_no_other_version_of_websockets_is_spoken(place: Place) -> None:
    _, status = await place.connect(f"{OPEN}websocket", {"Sec-WebSocket-Version": "12"})
    assert status in (400, 426)
    assert not place.engine.sessions


async def test_an_unknown_session_is_refused(place: Place) -> None:
    assert (await place.poll("nobody")).status_code == 400
    _, status = await place.connect(f"{OPEN}websocket&sid=nobody")
    assert status == 400


async def test_a_packet_of_text_comes_back_from_a_poll(place: Place) -> None:
    sid = await place.polled()
    answer = await place.post(sid, "4hello €")
    assert (answer.status_code, answer.text) == (200, "ok")
    assert (await place.poll(sid)).text == "4hello €"


async def test_several_packets_come_back_in_one_payload(place: Place) -> None:
    sid = await place.polled()
    body = "4one\x1ebAQIDBA==\x1e4three"
    assert (await place.post(sid, body)).text == "ok"
    assert (await place.poll(sid)).text == body


@pytest.mark.parametrize("body", ["abc", "", "9", "4x\x1e", "b!!", b"\xff\xfe", "0", "2", "5"])
async def test_a_payload_that_is_none_ends_the_session(place: Place, body: str | bytes) -> None:
    sid = await place.polled()
    poll = await polling(place, sid)
    assert (await place.post(sid, body)).status_code == 400
    assert (await poll).text in ("1", "4x\x1e1", "4x")
    assert (await place.poll(sid)).status_code == 400


async def test_a_second_poll_at_once_ends_the_session(place: Place) -> None:
    sid = await place.polled()
    first = await polling(place, sid)
    assert (await place.poll(sid)).status_code == 400
    assert (await first).text == "1"
    assert (await place.poll(sid)).status_code == 400


async def test_a_second_post_at_once_ends_the_session(place: Place) -> None:
    sid = await place.polled()
    polling = place.engine.sessions[sid]._polling
    assert polling is not None
    _, first = await asyncio.open_connection("127.0.0.1", place.port)
    first.write(f"POST {OPEN}polling&sid={sid} HTTP/1.1\r\nHost: x\r\n".encode())
    first.write(b"Content-Length: 6\r\n\r\n4hel")
    await until(lambda: polling.is_posted_to)
    assert (await place.post(sid, "4hello")).status_code == 400
    assert (await place.poll(sid)).status_code == 400
    assert place.engine.figures.closed == {"duplicate post": 1}
    first.close()
    await first.wait_closed()


async def test_one_post_may_follow_another(place: Place) -> None:
    sid = await place.polled()
    for text in ("4one", "4two"):
        assert (await place.post(sid, text)).text == "ok"
    assert (await place.poll(sid)).text == "4one\x1e4two"


async def test_what_comes_behind_a_close_is_not_taken(place: Place) -> None:
    sid = await place.polled()
    poll = await polling(place, sid)
    assert (await place.post(sid, "4one\x1e1\x1e4two")).text == "ok"
    assert (await poll).text == "4one"
    assert (await place.poll(sid)).status_code == 400


async def test_too_large_a_post_ends_the_session(place: Place) -> None:
    sid = await place.polled()
    assert (await place.post(sid, "4" + "x" * 10_000)).status_code == 413
    assert (await place.poll(sid)).status_code == 400


async def test_text_and_bytes_come_back_over_a_websocket(place: Place) -> None:
    peer, _ = await place.opened()
    peer.write("4hello €")
    assert await peer.text() == "4hello €"
    peer.write(b"\x01\x02\x03")
    assert await peer.read() == (2, b"\x01\x02\x03")


async def test_a_message_in_fragments_is_one_message(place: Place) -> None:
    peer, _ = await place.opened()
    peer.write(b"4hel", 1, final=False)
    peer.write(b"ping", 9)
    peer.write(b"lo", 0, final=False)
    peer.write(b"!", 0)
    assert await peer.read() == (10, b"ping")
    assert await peer.text() == "4hello!"


# Each as a client's first, unmasked where the protocol (RFC 6455 5) is what it breaks.
FRAMES = {
    "unmasked": (b"\x81\x024x", 1002),
    "reserved bit": (b"\xc1\x82mask4x", 1002),
    "unknown opcode": (b"\x83\x82mask4x", 1002),
    "unknown control": (b"\x8b\x80mask", 1002),
    "ping in parts": (b"\x09\x81maskx", 1002),
    "long ping": (b"\x89\xfe\x00\x7emask" + bytes(126), 1002),
    "rest of nothing": (b"\x80\x81maskx", 1002),
    "message within another": (b"\x01\x81maskx\x81\x81maskx", 1002),
    "text that is none": (b"\x81\x82" + bytes(4) + b"\xc3\x28", 1007),
    "farewell": (b"\x88\x82" + bytes(4) + b"\x03\xe8", 1000),
}


@pytest.mark.parametrize("name", FRAMES)
async def test_a_frame_that_may_not_come_closes_a_websocket(
    adapter: str, place: Place, name: str
) -> None:
    data, code = FRAMES[name]
    peer, _ = await place.opened()
    peer.writer.write(data)
    # uvicorn says no more to who does not speak the protocol.
    assert await peer.until_closed() in ((code,) if adapter == "ours" else (code, None))
    await until(lambda: not place.engine.sessions)


@pytest.mark.parametrize("text", ["abc", "", "9", "0", "2", "5", "b"])
async def test_a_packet_that_is_none_closes_a_websocket(place: Place, text: str) -> None:
    peer, _ = await place.opened()
    peer.write(text)
    assert await peer.until_closed() in (1000, 1002, 1007)
    assert not place.engine.sessions


async def test_too_large_a_message_closes_a_websocket(place: Place) -> None:
    peer, _ = await place.opened()
    peer.write("4" + "x" * 10_001)
    assert await peer.until_closed() == 1009
    assert place.engine.figures.closed == {"payload too large": 1}


async def test_polls_are_pinged(pinged: Place) -> None:
    sid = await pinged.polled()
    for _ in range(3):
        assert (await pinged.poll(sid)).text == "2"
        assert (await pinged.post(sid, "3")).text == "ok"


async def test_websockets_are_pinged(pinged: Place) -> None:
    peer, _ = await pinged.opened()
    for _ in range(3):
        assert await peer.text() == "2"
        peer.write("3")


async def test_who_is_polled_and_answers_no_ping_is_cut_off(impatient: Place) -> None:
    sid = await impatient.polled()
    assert (await impatient.poll(sid)).text == "2"
    assert (await impatient.poll(sid)).text == "1"
    assert (await impatient.poll(sid)).status_code == 400
    assert impatient.engine.figures.closed == {"ping timeout": 1}


async def test_who_does_not_even_poll_is_cut_off(impatient: Place) -> None:
    sid = await impatient.polled()
    await until(lambda: not impatient.engine.sessions)
    assert (await impatient.poll(sid)).status_code == 400
    assert impatient.engine.figures.closed == {"ping timeout": 1}


async def test_who_answers_no_ping_over_a_websocket_is_cut_off(impatient: Place) -> None:
    peer, _ = await impatient.opened()
    assert await peer.until_closed() == 1000
    assert impatient.engine.figures.closed == {"ping timeout": 1}


@pytest.mark.long
@pytest.mark.parametrize("adapter", ADAPTERS)
async def test_who_says_nothing_for_45_seconds_is_cut_off(adapter: str) -> None:
    engine = Engine(Echo, Figures())
    most = engine.limits.ping_interval + engine.limits.ping_timeout
    assert most == 45
    async with serving(engine, adapter) as place:
        await place.opened()
        await place.polled()
        began = asyncio.get_running_loop().time()
        async with asyncio.timeout(2 * most):
            while engine.sessions:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert engine.figures.closed == {"ping timeout": 2}
        seconds = asyncio.get_running_loop().time() - began
    print(f"\n{adapter}: both cut off after {seconds:.2f} s of silence")  # noqa: T201


async def test_a_polled_client_closes(place: Place) -> None:
    sid = await place.polled()
    poll = await polling(place, sid)
    assert (await place.post(sid, "1")).text == "ok"
    assert (await poll).text == "6"
    assert (await place.poll(sid)).status_code == 400
    assert place.engine.figures.closed == {"client disconnect": 1}


async def test_a_client_closes_over_a_websocket(place: Place) -> None:
    peer, _ = await place.opened()
    peer.write("1")
    assert await peer.until_closed() == 1000
    assert place.engine.figures.closed == {"client disconnect": 1}


async def test_a_client_that_drops_its_websocket_is_gone(place: Place) -> None:
    peer, _ = await place.opened()
    peer.writer.transport.abort()
    await until(lambda: not place.engine.sessions)
    assert place.engine.figures.closed == {"transport close": 1}


async def test_a_client_that_drops_its_poll_is_gone(place: Place) -> None:
    sid = await place.polled()
    (await polling(place, sid)).cancel()
    await until(lambda: not place.engine.sessions)
    assert place.engine.figures.closed == {"transport close": 1}


async def test_a_session_goes_over_from_polling_to_a_websocket(place: Place) -> None:
    peer, sid = await upgraded(place)
    peer.write("4hello")
    assert await peer.text() == "4hello"
    assert not place.engine.sessions[sid].is_polled


async def test_a_poll_ends_when_the_session_is_about_to_go_over(place: Place) -> None:
    sid = await place.polled()
    poll = await polling(place, sid)
    peer = await place.websocket(f"&sid={sid}")
    peer.write("2probe")
    assert await peer.text() == "3probe"
    assert (await poll).text == "6"


async def test_what_waited_for_a_poll_comes_over_the_websocket(place: Place) -> None:
    sid = await place.polled()
    peer = await place.websocket(f"&sid={sid}")
    peer.write("2probe")
    assert await peer.text() == "3probe"
    body = f"4before\x1eb{b64encode(b'bytes').decode()}"
    assert (await place.post(sid, body)).text == "ok"
    peer.write("5")
    assert await peer.text() == "4before"
    assert await peer.read() == (2, b"bytes")


async def test_a_session_stays_polled_whose_probe_is_dropped(place: Place) -> None:
    sid = await place.polled()
    peer = await place.websocket(f"&sid={sid}")
    peer.write("2probe")
    assert await peer.text() == "3probe"
    peer.writer.transport.abort()
    assert (await place.post(sid, "4still")).text == "ok"
    assert (await place.poll(sid)).text == "4still"
    again = await place.websocket(f"&sid={sid}")
    again.write("2probe")
    assert await again.text() == "3probe"


@pytest.mark.parametrize("packet", ["5", "4hello", "2", b"bytes"])
async def test_no_websocket_takes_a_session_over_unprobed(place: Place, packet: str) -> None:
    sid = await place.polled()
    peer = await place.websocket(f"&sid={sid}")
    peer.write(packet)
    assert await peer.until_closed() == 1002
    assert place.engine.sessions[sid].is_polled


async def test_only_one_websocket_at_a_time_probes_a_session(place: Place) -> None:
    sid = await place.polled()
    peer = await place.websocket(f"&sid={sid}")
    other = await place.websocket(f"&sid={sid}")
    assert await other.until_closed() == 1002
    peer.write("2probe")
    assert await peer.text() == "3probe"
    peer.write("5")
    peer.write("4hello")
    assert await peer.text() == "4hello"


async def test_polls_of_an_upgraded_session_are_refused(place: Place) -> None:
    peer, sid = await upgraded(place)
    peer.write("4a")
    assert await peer.text() == "4a"
    assert (await place.poll(sid)).status_code == 400
    assert (await place.post(sid, "4b")).status_code == 400
    peer.write("4c")
    assert await peer.text() == "4c"


async def test_a_second_websocket_of_an_upgraded_session_is_closed(place: Place) -> None:
    peer, sid = await upgraded(place)
    peer.write("4a")
    assert await peer.text() == "4a"
    other = await place.websocket(f"&sid={sid}")
    assert await other.until_closed() == 1002
    peer.write("4b")
    assert await peer.text() == "4b"


@pytest.mark.parametrize(
    ("origin", "served"),
    [
        (SHOP, True),
        ("http://127.0.0.1:{port}", True),
        ("https://evil.example", False),
        ("http://127.0.0.1:1", False),
        ("null", False),
        ("http://[", False),
    ],
)
async def test_pages_of_strangers_are_not_served(
    place: Place, origin: str, *, served: bool
) -> None:
    told = {"origin": origin.format(port=place.port)}
    answer = await place.client.get(f"{OPEN}polling", headers=told)
    assert answer.status_code == (200 if served else 403)
    _, status = await place.connect(f"{OPEN}websocket", told)
    assert status == (101 if served else 403)
    # Our own page needs no leave to read.
    allowed = SHOP if origin == SHOP else None
    asking = told | {"access-control-request-method": "POST"}
    for each in (answer, await place.client.options(f"{OPEN}polling", headers=asking)):
        assert each.headers.get("access-control-allow-origin") == allowed
        assert "access-control-allow-credentials" not in each.headers


async def test_sessions_of_one_address_and_of_all_are_bounded() -> None:
    limits = Limits(sessions=3, sessions_an_address=2)
    engine = Engine(Echo, Figures(), limits)
    async with serving(engine, "ours") as place:
        peers = [(await place.opened())[0] for _ in range(2)]
        answer = await place.client.get(f"{OPEN}polling")
        assert answer.status_code == 503
        assert answer.json()["type"] == "urn:comanda:problem:overloaded"
        assert int(answer.headers["retry-after"]) > 0
        _, status = await place.connect(f"{OPEN}websocket")
        assert status == 503
        peers[0].write("1")
        await peers[0].until_closed()
        await place.opened()
        # Of all, whoever asks.
        engine.open("elsewhere")
        assert (await place.client.get(f"{OPEN}polling")).status_code == 503


async def test_what_is_not_the_engines_is_left_to_others(place: Place) -> None:
    assert (await place.client.get("/socket.iox")).status_code == 404
    _, status = await place.connect("/elsewhere?EIO=4&transport=websocket")
    assert status in (403, 404, 500)
