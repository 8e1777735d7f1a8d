"""Who reads too little, and what becomes of everybody when the server stops."""

import asyncio
import json
import signal
from pathlib import Path
from typing import Final

import httpx
import pytest

from bff.realtime.asgi import Sockets
from bff.realtime.codec import Message
from bff.realtime.engine import Engine, Limits
from bff.realtime.figures import Figures
from bff.realtime.frames import CloseCode, Opcode
from bff.realtime.session import MOST_WAITING
from bff.realtime.siblings import Siblings, Through
from bff.realtime.websocket import WebSocket
from bff.settings import Settings
from bff.settings import Sockets as Carried
from imaging.shelves import Shelves
from tests.bff.operations.test_serving import served
from tests.bff.realtime.peer import ADAPTERS, OPEN, PATIENCE, Peer, masked, nothing, serving, until
from tests.bff.realtime.test_engine import Echo

LARGE: Final = Message(b"4" + b"x" * 32_000)
# More than kernels keep for a connection, whose buffers grow to some megabytes.
MUCH: Final = 1_000


@pytest.mark.parametrize("adapter", ADAPTERS)
async def test_who_does_not_read_is_cut_off_with_a_reason_and_holds_up_nobody(
    adapter: str,
) -> None:
    engine = Engine(Echo, Figures())
    async with serving(engine, adapter) as place:
        slow, greeting = await place.opened()
        slow.reader._transport.pause_reading()  # type: ignore[attr-defined]
        quick, _ = await place.opened()
        idler = engine.sessions[greeting["sid"]]
        (reader,) = (each for each in engine.sessions.values() if each is not idler)
        for _ in range(MUCH):
            idler.send(LARGE)
            reader.send(LARGE)
            assert await quick.read() == (1, LARGE.packet)
        assert idler.is_closed
        assert not reader.is_closed
        assert engine.figures.closed == {"too slow": 1}
        # When it reads again, it finds out why.
        slow.reader._transport.resume_reading()  # type: ignore[attr-defined]
        assert await slow.until_closed() == CloseCode.TRY_AGAIN


async def test_who_does_not_poll_is_cut_off() -> None:
    engine = Engine(Echo, Figures())
    async with serving(engine, "ours") as place:
        sid = await place.polled()
        session = engine.sessions[sid]
        for _ in range(MOST_WAITING):
            session.send(Message(b"4x"))
        assert not session.is_closed
        session.send(Message(b"4x"))
        assert engine.figures.closed == {"too slow": 1}
        assert (await place.poll(sid)).status_code == 400


@pytest.mark.parametrize("adapter", ADAPTERS)
async def test_nobody_waits_for_ever_for_who_reads_nothing_or_does_not_close(
    adapter: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bff.realtime.websocket.LINGER_SECONDS", 0.1)
    monkeypatch.setattr("bff.realtime.asgi.LINGER_SECONDS", 0.1)
    engine = Engine(Echo, Figures())
    async with serving(engine, adapter) as place:
        slow, greeting = await place.opened()
        slow.reader._transport.pause_reading()  # type: ignore[attr-defined]
        session = engine.sessions[greeting["sid"]]
        while not session.is_closed:
            session.send(LARGE)
            await asyncio.sleep(0)
        stubborn, _ = await place.opened()
        stubborn.write("nonsense")
        assert await stubborn.until_closed() == CloseCode.NORMAL
        # With its connection or, where that is uvicorn's to abort, with all that is ours.
        await until(lambda: not (place.connections if adapter == "ours" else place.tasks))


async def sent_unread(peer: Peer, first: bytes) -> None:
    """Send that, and more than the server has read by then; read nothing meanwhile."""
    peer.reader._transport.pause_reading()  # type: ignore[attr-defined]
    peer.writer.write(first + masked(LARGE.packet, Opcode.TEXT) * MUCH)
    await peer.writer.drain()
    peer.reader._transport.resume_reading()  # type: ignore[attr-defined]


# What uvicorn itself finds wrong over ASGI, it closes in its own way.
@pytest.mark.parametrize(
    ("adapter", "wrong", "code"),
    [
        ("ours", b"\x83\x82mask4x", CloseCode.PROTOCOL_ERROR),
        *((adapter, masked(b"nonsense", Opcode.TEXT), CloseCode.NORMAL) for adapter in ADAPTERS),
    ],
    # Masks are made up, and names are not to be.
    ids=["a frame that is none", *(f"no packet, {adapter}" for adapter in ADAPTERS)],
)
async def test_who_is_cut_off_while_they_send_finds_out_why(
    adapter: str, wrong: bytes, code: CloseCode
) -> None:
    engine = Engine(Echo, Figures())
    async with serving(engine, adapter) as place:
        peer, _ = await place.opened()
        await sent_unread(peer, wrong)
        assert await peer.until_closed() == code
        peer.writer.close()
        await until(lambda: not place.connections)


async def test_who_is_cut_off_by_another_process_finds_out_why(tmp_path: Path) -> None:
    near, far = (Engine(Echo, Figures(), siblings=Siblings(tmp_path)) for _ in range(2))
    theirs = type("Theirs", (WebSocket,), {"engine": far, "__slots__": ()})
    await far.siblings.start(Sockets(nothing, far), theirs)
    session = far.open("127.0.0.1")
    async with serving(near, "ours") as place:
        peer = await place.websocket(f"&sid={session.id}")
        await sent_unread(peer, masked(b"nonsense", Opcode.TEXT))
        assert await peer.until_closed() == CloseCode.PROTOCOL_ERROR
        # And who has read that is not left with a connection to nobody.
        async with asyncio.timeout(PATIENCE):
            assert await peer.reader.read() == b""
        peer.writer.close()
        await until(lambda: not place.connections)
    await far.siblings.close()
    far.close()


async def test_who_leaves_before_the_other_process_is_reached_is_nobody_there(
    tmp_path: Path,
) -> None:
    came: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.set_result(await reader.read())
        writer.close()

    place = tmp_path / "theirs"
    async with await asyncio.start_unix_server(accept, place):
        through = Through(asyncio.Transport(), lambda: None, b"GET / HTTP/1.1\r\n\r\n")
        opening = asyncio.create_task(Through.open(place, through))
        through.near_lost()
        await opening
        async with asyncio.timeout(PATIENCE):
            assert await came == b""


@pytest.mark.parametrize("adapter", ADAPTERS)
async def test_a_server_that_stops_sends_everybody_away_one_by_one_and_lets_nobody_in(
    adapter: str,
) -> None:
    engine = Engine(Echo, Figures(), Limits(drain=1.0))
    async with serving(engine, adapter) as place:
        peers = [(await place.opened())[0] for _ in range(20)]
        poll = asyncio.create_task(place.poll(await place.polled()))
        leaving = asyncio.create_task(engine.drain())
        closing = [asyncio.create_task(peer.until_closed()) for peer in peers]
        _, left = await asyncio.wait(closing, return_when=asyncio.FIRST_COMPLETED)
        assert left, "all of them would be at another server's door at once"
        answer = await place.client.get(f"{OPEN}polling")
        assert (answer.status_code, answer.json()["type"]) == (
            503,
            "urn:comanda:problem:unavailable",
        )
        assert int(answer.headers["retry-after"]) > 0
        _, status = await place.connect(f"{OPEN}websocket")
        assert status == 503
        await asyncio.wait(left)
        assert {each.result() for each in closing} == {CloseCode.GOING_AWAY}
        assert (await poll).text == "1"
        await leaving
        assert engine.figures.closed == {"server shutting down": 21}


@pytest.mark.parametrize("carried", Carried)
async def test_a_sigterm_sends_sockets_away_and_answers_polls_before_the_process_ends(
    settings: Settings, shelves: Shelves, carried: Carried
) -> None:
    async with served(settings, COMANDA_SOCKETS=carried.value) as (process, url):
        port = int(url.rpartition(":")[2])
        stranger, status = await Peer.connect(port, "/elsewhere")
        assert status == (404 if carried is Carried.OWN else 403)
        async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
            greeting = await client.get(f"{OPEN}polling")
        sid = json.loads(greeting.text[1:])["sid"]
        poll, asking = await asyncio.open_connection("127.0.0.1", port)
        asking.write(f"GET {OPEN}polling&sid={sid} HTTP/1.1\r\n".encode())
        asking.write(b"Host: x\r\n\r\n")
        # Who is let in after that comes after the poll, too.
        peers = [(await Peer.connect(port, f"{OPEN}websocket"))[0] for _ in range(5)]
        process.terminate()
        codes = await asyncio.gather(*(peer.until_closed() for peer in peers))
        assert set(codes) == {CloseCode.GOING_AWAY}
        assert (await poll.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
        assert await poll.read() == b"1"
        for writer in (asking, *(peer.writer for peer in (stranger, *peers))):
            writer.close()
            await writer.wait_closed()
        assert process.wait(30) in (0, -signal.SIGTERM)
