"""Socket.IO v5 as its document describes it, over both transports and both adapters."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bff.edge import kinds
from bff.realtime import sockets
from bff.realtime.engine import Engine, Limits, RefusedError
from bff.realtime.figures import Figures
from bff.realtime.frames import CloseCode
from bff.realtime.rooms import Rooms
from bff.realtime.sockets import Socket, SocketServer
from tests.bff.realtime.peer import ADAPTERS, Peer, Place, serving

LIMITS = Limits(payload=10_000)
HASTY = Limits(connect_timeout=1.5)


class Echoes:
    """Greets with what it was told, and acknowledges with what comes."""

    def __init__(self) -> None:
        self.rooms = Rooms()
        self.gone: list[str] = []
        self.going = asyncio.Event()

    async def connect(self, socket: Socket, auth: dict[str, Any]) -> None:
        if auth.get("token") == "bad":
            raise RefusedError(kinds.UNAUTHENTICATED, "It is not valid.")
        if auth.get("token") == "broken":
            raise RuntimeError("broken")
        socket.welcome()
        socket.emit("auth", auth)

    async def event(self, socket: Socket, name: str, arguments: list[Any]) -> Any:
        if name == "message":
            socket.emit("message-back", *arguments)
        elif name == "wait":
            await self.going.wait()
        elif name == "refuse":
            raise RefusedError(kinds.FORBIDDEN, "Not yours.")
        elif name == "break":
            raise RuntimeError("broken")
        return arguments

    def left(self, _: Socket, reason: str) -> None:
        self.gone.append(reason)


@pytest.fixture
def main() -> Echoes:
    return Echoes()


@pytest.fixture
def server(main: Echoes) -> SocketServer:
    return SocketServer({"/": main, "/custom": Echoes()}, Figures())


@pytest.fixture(params=ADAPTERS)
def adapter(request: pytest.FixtureRequest) -> str:
    adapter: str = request.param
    return adapter


@pytest.fixture
async def place(adapter: str, server: SocketServer) -> AsyncIterator[Place]:
    async with serving(Engine(server.speak, Figures(), LIMITS), adapter) as place:
        yield place
    await server.close()


@pytest.fixture
async def hasty(adapter: str, server: SocketServer) -> AsyncIterator[Place]:
    async with serving(Engine(server.speak, Figures(), HASTY), adapter) as place:
        yield place
    await server.close()


async def connected(place: Place, auth: str = "") -> Peer:
    peer, _ = await place.opened()
    peer.write(f"40{auth}")
    assert (await peer.text()).startswith('40{"sid":')
    assert (await peer.text()).startswith('42["auth",')
    return peer


async def bytes_of(peer: Peer) -> bytes:
    opcode, payload = await peer.read()
    assert opcode == 2
    return payload


@pytest.mark.parametrize("auth", ["", '{"token":"123"}'])
@pytest.mark.parametrize("namespace", ["", "/custom,"])
async def test_a_namespace_is_connected_to(place: Place, namespace: str, auth: str) -> None:
    peer, _ = await place.opened()
    peer.write(f"40{namespace}{auth}")
    text = await peer.text()
    assert text.startswith(f"40{namespace}{{")
    told = json.loads(text.removeprefix(f"40{namespace}"))
    assert set(told) == {"sid"}
    assert len(told["sid"]) >= 20
    # What is sent while it is let in comes after that.
    assert await peer.text() == f'42{namespace}["auth",{auth or "{}"}]'


async def test_a_namespace_is_connected_to_over_polling(place: Place) -> None:
    sid = await place.polled()
    assert (await place.post(sid, "40")).text == "ok"
    body = (await place.poll(sid)).text
    while "42" not in body:
        body += "\x1e" + (await place.poll(sid)).text
    told, greeted = body.split("\x1e")
    assert told.startswith('40{"sid":')
    assert greeted == '42["auth",{}]'
    await place.post(sid, '451-7["x",{"_placeholder":true,"num":0}]\x1ebAQID')
    text, attachment = (await place.poll(sid)).text.split("\x1e")
    assert text == '461-7[[{"_placeholder":true,"num":0}]]'
    assert attachment == "bAQID"


async def test_the_name_of_a_namespace_may_have_a_query(place: Place) -> None:
    peer, _ = await place.opened()
    peer.write("40/custom?key=value,")
    assert (await peer.text()).startswith('40/custom,{"sid":')


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ('40{"token":"bad"}', kinds.UNAUTHENTICATED, "It is not valid."),
        ('40{"token":"broken"}', kinds.INTERNAL, kinds.INTERNAL.title),
    ],
)
async def test_who_is_not_let_in_is_told_why(
    place: Place, text: str, kind: kinds.Kind, message: str
) -> None:
    peer, _ = await place.opened()
    peer.write(text)
    answer = await peer.text()
    assert answer.startswith("44")
    told = json.loads(answer[answer.index("{") :])
    assert told["message"] == message
    assert told["data"]["type"] == kind.type
    # It may try again, and is in no namespace meanwhile.
    peer.write("40")
    assert (await peer.text()).startswith('40{"sid":')


async def test_there_are_no_other_namespaces(place: Place) -> None:
    peer, _ = await place.opened()
    for text in ("40/random", "40/random,", '40/random,{"token":"123"}'):
        peer.write(text)
        assert await peer.text() == '44/random,{"message":"Invalid namespace"}'


async def test_who_is_connected_already_is_so_once(place: Place, main: Echoes) -> None:
    peer = await connected(place)
    peer.write("40")
    peer.write('42["message"]')
    assert await peer.text() == '42["message-back"]'
    assert main.gone == []


async def test_who_has_left_may_come_back_and_is_another_then(place: Place, main: Echoes) -> None:
    peer, _ = await place.opened()
    ids = set()
    for _ in range(2):
        peer.write("40")
        ids.add(json.loads((await peer.text()).removeprefix("40"))["sid"])
        await peer.text()
        peer.write("41")
    peer.write("40")
    await peer.text()
    assert len(ids) == 2
    assert main.gone == ["client namespace disconnect"] * 2


async def test_who_does_not_connect_is_cut_off(hasty: Place) -> None:
    peer, _ = await hasty.opened()
    assert await peer.until_closed() == CloseCode.NORMAL
    assert hasty.engine.figures.closed == {"connect timeout": 1}


async def test_who_is_connected_stays(hasty: Place) -> None:
    peer = await connected(hasty)
    await asyncio.sleep(1.5 * HASTY.connect_timeout)
    peer.write('42["message"]')
    assert await peer.text() == '42["message-back"]'


@pytest.mark.parametrize("comma", ["", ","])
async def test_a_client_leaves_a_namespace_and_stays_in_the_main_one(
    place: Place, comma: str
) -> None:
    peer = await connected(place)
    peer.write(f"40/custom{comma}")
    assert (await peer.text()).startswith('40/custom,{"sid":')
    assert (await peer.text()).startswith('42/custom,["auth"')
    peer.write(f"41/custom{comma}")
    peer.write('42["message","still"]')
    assert await peer.text() == '42["message-back","still"]'
    peer.write('42/custom,["message"]')
    assert await peer.until_closed() == CloseCode.NORMAL


async def test_a_client_leaves_the_main_namespace_and_stays_in_another(
    place: Place, main: Echoes
) -> None:
    peer = await connected(place)
    peer.write("40/custom,")
    assert (await peer.text()).startswith('40/custom,{"sid":')
    assert (await peer.text()).startswith('42/custom,["auth"')
    peer.write("41")
    peer.write('42/custom,["message","still"]')
    assert await peer.text() == '42/custom,["message-back","still"]'
    assert main.gone == ["client namespace disconnect"]
    # As if it had never been there.
    peer.write('42["message"]')
    assert await peer.until_closed() == CloseCode.NORMAL


async def test_events_come_back_with_all_that_json_has(place: Place) -> None:
    peer = await connected(place)
    peer.write('42["message",1,"2",{"3":[true,null,"€😀"]}]')
    assert await peer.text() == '42["message-back",1,"2",{"3":[true,null,"€😀"]}]'


async def test_an_event_with_bytes_comes_back(place: Place) -> None:
    peer = await connected(place)
    peer.write(
        '452-["message",{"_placeholder":true,"num":0},{"a":[{"_placeholder":true,"num":1}]}]'
    )
    peer.write(b"\x01\x02\x03")
    peer.write(b"\x04\x05\x06")
    assert await peer.text() == (
        '452-["message-back",{"_placeholder":true,"num":0},{"a":[{"_placeholder":true,"num":1}]}]'
    )
    assert await bytes_of(peer) == b"\x01\x02\x03"
    assert await bytes_of(peer) == b"\x04\x05\x06"


async def test_an_event_with_bytes_comes_back_from_its_namespace(place: Place) -> None:
    peer, _ = await place.opened()
    peer.write("40/custom,")
    await peer.text()
    await peer.text()
    peer.write('451-/custom,7["message",{"_placeholder":true,"num":0}]')
    peer.write(b"\x01\x02\x03")
    body = '{"_placeholder":true,"num":0}'
    assert await peer.text() == f'451-/custom,["message-back",{body}]'
    assert await bytes_of(peer) == b"\x01\x02\x03"
    assert await peer.text() == f"461-/custom,7[[{body}]]"
    assert await bytes_of(peer) == b"\x01\x02\x03"


async def test_acknowledgements_that_nobody_waits_for_are_no_harm(place: Place) -> None:
    peer = await connected(place)
    peer.write('437["late"]')
    peer.write('461-7[{"_placeholder":true,"num":0}]')
    peer.write(b"late")
    peer.write('42["message"]')
    assert await peer.text() == '42["message-back"]'


async def test_a_client_takes_its_namespaces_along_to_a_websocket(place: Place) -> None:
    sid = await place.polled()
    await place.post(sid, "40")
    while "auth" not in (await place.poll(sid)).text:
        pass
    peer = await place.websocket(f"&sid={sid}")
    peer.write("2probe")
    assert await peer.text() == "3probe"
    peer.write("5")
    peer.write('421["acknowledge"]')
    assert await peer.text() == "431[[]]"


async def test_an_event_is_acknowledged(place: Place) -> None:
    peer = await connected(place)
    peer.write('42456["acknowledge",1,"2",{"3":[false]}]')
    assert await peer.text() == '43456[[1,"2",{"3":[false]}]]'
    peer.write("40/custom,")
    await peer.text()
    await peer.text()
    peer.write('42/custom,0["acknowledge"]')
    assert await peer.text() == "43/custom,0[[]]"


async def test_an_event_with_bytes_is_acknowledged_with_bytes(place: Place) -> None:
    peer = await connected(place)
    peer.write('451-789["acknowledge",{"_placeholder":true,"num":0}]')
    peer.write(b"\x01\x02\x03")
    assert await peer.text() == '461-789[[{"_placeholder":true,"num":0}]]'
    assert await bytes_of(peer) == b"\x01\x02\x03"


async def test_events_of_a_socket_are_seen_to_in_their_order(place: Place, main: Echoes) -> None:
    peer = await connected(place)
    peer.write('421["wait"]')
    peer.write('422["acknowledge"]')
    # It waits for nothing of the other socket's.
    other = await connected(place)
    other.write('421["acknowledge"]')
    assert await other.text() == "431[[]]"
    main.going.set()
    assert await peer.text() == "431[[]]"
    assert await peer.text() == "432[[]]"


async def test_a_refusal_is_an_acknowledgement_or_else_an_event(place: Place) -> None:
    peer = await connected(place)
    peer.write('421["refuse"]')
    told = json.loads((await peer.text()).removeprefix("431"))
    problem = {"type": kinds.FORBIDDEN.type, "title": kinds.FORBIDDEN.title, "status": 403}
    assert told == [{"status": "refused", "problem": problem | {"detail": "Not yours."}}]
    peer.write('42["refuse"]')
    told = json.loads((await peer.text()).removeprefix("42"))
    assert told[0] == "refused"
    assert told[1]["event"] == "refuse"
    assert told[1]["problem"]["detail"] == "Not yours."
    peer.write('422["break"]')
    told = json.loads((await peer.text()).removeprefix("432"))
    assert told[0]["problem"]["type"] == kinds.INTERNAL.type


async def test_who_sends_more_events_than_anybody_does_is_refused_and_then_cut_off(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets, "RATE", 0.0)
    # One of them to connect.
    monkeypatch.setattr(sockets, "BURST", 4.0)
    peer = await connected(place)
    for number in range(5):
        peer.write(f'42{number}["acknowledge"]')
    answers = [await peer.text() for _ in range(5)]
    assert sum(kinds.TOO_MANY_REQUESTS.type in each for each in answers) == 2
    # As many as it takes: where one is not read any more, the reset that it is answered with may
    # overtake the reason.
    for _ in range(int(sockets._PATIENCE) - 1):
        peer.write('42["acknowledge"]')
    assert await peer.until_closed() == CloseCode.POLICY
    assert place.engine.figures.closed == {"too many events": 1}


async def test_who_tries_to_connect_more_often_than_anybody_does_is_cut_off(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets, "RATE", 0.0)
    monkeypatch.setattr(sockets, "BURST", 3.0)
    peer, _ = await place.opened()
    for kind in [kinds.UNAUTHENTICATED] * 3 + [kinds.TOO_MANY_REQUESTS]:
        peer.write('40{"token":"bad"}')
        told = json.loads((await peer.text()).removeprefix("44"))
        assert told["data"]["type"] == kind.type
    for _ in range(int(sockets._PATIENCE)):
        peer.write("40/random")
    assert await peer.until_closed() == CloseCode.POLICY
    assert place.engine.figures.closed == {"too many events": 1}


async def test_events_that_wait_are_bounded(place: Place, main: Echoes) -> None:
    peer = await connected(place)
    peer.write('420["wait"]')
    for number in range(1, sockets.MOST_WAITING + 2):
        peer.write(f'42{number}["acknowledge"]')
    told = await peer.text()
    assert told.startswith(f"43{sockets.MOST_WAITING + 1}[")
    assert kinds.TOO_MANY_REQUESTS.type in told
    main.going.set()
    assert [await peer.text() for _ in range(sockets.MOST_WAITING + 1)]


NO_PACKETS = (
    "4abc",
    "4",
    "49",
    "42{}",
    "42[]",
    "42[1]",
    "42[",
    '42abc["message"]',
    "42",
    '42["a"]x',
    "43[]",
    "431{}",
    '4399999999999999999["a"]',
    "45",
    '45["message"]',
    '450-["message"]',
    '45100-["message"]',
    '451-["message"]x',
    '421-["message"]',
    "46",
    '44{"message":"x"}',
    "40[]",
    '40"x"',
    "40/custom,[]",
    '41{"a":1}',
    "42/" + "n" * 200 + ',["message"]',
    '42/custom,["message"]',
    '42["message",' + "[" * 4000 + "]" * 4000 + "]",
    "b",
)


async def test_a_packet_that_is_none_closes_the_session(place: Place, main: Echoes) -> None:
    for text in NO_PACKETS:
        peer = await connected(place)
        peer.write(text)
        assert await peer.until_closed() == CloseCode.NORMAL, text
    assert main.gone == ["parse error"] * len(NO_PACKETS)


@pytest.mark.parametrize(
    "frames",
    [
        [b"unannounced"],
        ['451-["m",{"_placeholder":true,"num":0}]', '42["m"]'],
        ['451-["m",{"_placeholder":true,"num":1}]', b"x"],
        ['451-["m",{"_placeholder":true,"num":"0"}]', b"x"],
        ['451-["m",{"_placeholder":true,"num":true}]', b"x"],
        ['451-["m",{"_placeholder":true}]', b"x"],
    ],
)
async def test_an_attachment_that_does_not_belong_there_closes_the_session(
    place: Place, frames: list[str | bytes]
) -> None:
    peer = await connected(place)
    for each in frames:
        peer.write(each)
    assert await peer.until_closed() == CloseCode.NORMAL


async def test_an_event_before_it_is_connected_closes_the_session(place: Place) -> None:
    peer, _ = await place.opened()
    peer.write('42["message"]')
    assert await peer.until_closed() == CloseCode.NORMAL


async def test_whoever_is_shown_out_is_told(place: Place, server: SocketServer) -> None:
    peer = await connected(place)
    (session,) = place.engine.sessions.values()
    socket = session.upper.sockets["/"]  # type: ignore[attr-defined]
    server.namespaces["/"].rooms.join(socket, "room")
    socket.disconnect("over")
    assert await peer.text() == "41"
    assert not server.namespaces["/"].rooms.members(["room"])
