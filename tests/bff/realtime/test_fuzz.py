"""Frames and handshakes that nobody means: the server stands, forgets those it has cut off, and
closes what is wrong at once."""

import asyncio
import gc
import logging
import random
import struct
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final, NamedTuple

import pytest

from bff.realtime.asgi import Carried
from bff.realtime.engine import Engine, Limits
from bff.realtime.figures import Figures
from bff.realtime.session import Session
from bff.realtime.sockets import Connection, SocketServer
from bff.realtime.websocket import WebSocket
from tests.bff.realtime.peer import ADAPTERS, OPEN, PATIENCE, Peer, Place, masked, serving, until
from tests.bff.realtime.test_sockets import NO_PACKETS, Echoes

FRAMES: Final = 3_000
MANY: Final = 100_000
AT_ONCE: Final = 20
# What is right is more often so than not, or no connection would get far.
RIGHT: Final = (
    '42["message",1]',
    '427["acknowledge",{"a":[1,2,null]}]',
    "3",
    "40/custom,",
    "41/custom,",
    "6",
)
RIGHT_SHARE: Final = 0.85
A_CLIENT: Final = 10
LAST: Final = '42999["acknowledge","last"]'
ACKNOWLEDGED: Final = '43999[["last"]]'
LONG: Final = 12_000
CLOSE: Final = 8
# What there is of each client.
OURS: Final = (WebSocket, Carried, Session, Connection)
FAREWELL: Final = b"\x88"
# Seconds; far more than an answer takes.
WAITED: Final = 2.0


class Nonsense:
    """Frames out of a seed: right ones, wrong ones, and bytes that are none."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)

    def frame(self) -> bytes:
        chance = self._chance
        right = chance.choice(RIGHT).encode()
        if chance.random() < RIGHT_SHARE:
            return masked(right, 1)
        match chance.randrange(7):
            case 0 | 1:
                return masked(self._bent(right), 1)
            case 2:
                return masked(chance.choice(NO_PACKETS).encode(), 1)
            case 3:
                return masked(chance.randbytes(chance.randrange(200)), chance.randrange(16))
            case 4:
                opcode = chance.choice((0, 1, 2, 8, 9, 10))
                return masked(chance.randbytes(chance.randrange(100)), opcode, final=False)
            case 5:
                size = chance.choice((LONG, 2**31, 2**63 - 1, 2**64 - 1))
                return struct.pack("!BBQ", 0x81, 0xFF, size) + chance.randbytes(20)
            case _:
                return self._bent(masked(right, 1))

    def frames(self) -> list[bytes]:
        """Some of them, which go together."""
        return [self.frame() for _ in range(self._chance.choice((1, 1, 1, 2, 4)))]

    def target(self) -> str:
        """The address of a handshake, mostly as it should be."""
        if self._chance.random() < 0.8:
            return f"{OPEN}websocket"
        bent = self._bent(f"{OPEN}websocket&sid=x&b64=1".encode())
        # A line that ends in between is another request.
        return "/socket.io/?" + "".join(chr(33 + byte % 94) for byte in bent)

    def _bent(self, data: bytes) -> bytes:
        bent = bytearray(data)
        for _ in range(self._chance.randrange(1, 4)):
            where = self._chance.randrange(len(bent) + 1)
            match self._chance.randrange(3):
                case 0:
                    bent[where:where] = self._chance.randbytes(1)
                case 1:
                    del bent[where : where + 1]
                case _:
                    bent[where : where + 1] = self._chance.randbytes(1)
        return bytes(bent)


class Moment(NamedTuple):
    """Seconds on a clock, and how many of them this thread has waited for a core so far."""

    at: float
    waited: float

    @classmethod
    def now(cls) -> "Moment":
        waited = 0
        with suppress(OSError), open("/proc/thread-self/schedstat") as told:
            waited = int(told.read().split()[1])
        return cls(time.perf_counter(), waited / 1e9)

    def since(self, before: "Moment") -> "Moment":
        return Moment(self.at - before.at, self.waited - before.waited)


class Watch:
    """When servers have read something of a client, and when they say that they close."""

    def __init__(self) -> None:
        self.read: dict[int, Moment] = {}
        """Of clients, by their ports: the first time since they were forgotten here."""
        self.closed: dict[int, Moment] = {}

    def over(self, protocol: type[Any]) -> type[Any]:
        """The protocol, watched."""
        watch = self

        class Watched(protocol):  # type: ignore[misc]
            def connection_made(self, transport: Any) -> None:
                self.port = transport.get_extra_info("peername")[1]
                super().connection_made(WatchedTransport(transport, watch, self.port))

            def data_received(self, data: bytes) -> None:
                watch.read.setdefault(self.port, Moment.now())
                super().data_received(data)

        return Watched


class WatchedTransport:
    """A server's transport, whose end is noted."""

    def __init__(self, transport: Any, watch: Watch, port: int) -> None:
        self._transport = transport
        self._watch = watch
        self._port = port

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        self._transport.write(data)
        if data[:1] == FAREWELL:
            self._end()

    def close(self) -> None:
        self._transport.close()
        self._end()

    def _end(self) -> None:
        self._watch.closed.setdefault(self._port, Moment.now())


class Fuzzer:
    """Clients that send nonsense until they are cut off, or are answered after all."""

    def __init__(self, place: Place, watch: Watch, seed: int) -> None:
        self._place = place
        self._watch = watch
        self._seed = seed
        self.sent = self.handshakes = self.answered = self.waiting = 0
        self.refused: list[Moment] = []
        """From the handshake until the connection is closed,"""
        self.closed: list[Moment] = []
        """from the frames that were too many,"""
        self.server: list[Moment] = []
        """and that in the server: from reading them until it says so."""

    async def run(self, frames: int) -> None:
        async def work() -> None:
            while self.sent < frames:
                self._seed += 1
                await self._client(Nonsense(self._seed))

        await asyncio.gather(*(work() for _ in range(AT_ONCE)))

    async def _client(self, nonsense: Nonsense) -> None:
        self.handshakes += 1
        began = Moment.now()
        peer, status = await Peer.connect(self._place.port, nonsense.target())
        port = peer.writer.get_extra_info("sockname")[1]
        try:
            if status == 101:
                await connect(peer)
                await self._talk(peer, port, nonsense)
            else:
                assert 400 <= status < 500
                async with asyncio.timeout(PATIENCE):
                    await peer.reader.read()
                self.refused.append(Moment.now().since(began))
        finally:
            peer.writer.transport.abort()
            with suppress(OSError):
                await peer.writer.wait_closed()
            self._watch.read.pop(port, None)
            self._watch.closed.pop(port, None)

    async def _talk(self, peer: Peer, port: int, nonsense: Nonsense) -> None:
        for _ in range(A_CLIENT):
            frames = nonsense.frames()
            self.sent += len(frames)
            self._watch.read.pop(port, None)
            sent = Moment.now()
            # All at once, and then something that is answered if nothing of it was wrong.
            peer.writer.write(b"".join(frames) + masked(LAST.encode(), 1))
            try:
                async with asyncio.timeout(WAITED):
                    is_open = await self._is_answered(peer)
            except TimeoutError:
                # It waits for the rest of a frame, or of a message: nothing is wrong yet.
                self.waiting += 1
                return
            if not is_open:
                self.closed.append(Moment.now().since(sent))
                self.server.append(self._watch.closed[port].since(self._watch.read[port]))
                return
        self.answered += 1

    async def _is_answered(self, peer: Peer) -> bool:
        """Whether it is, or else closed."""
        with suppress(EOFError, ConnectionError):
            while (received := await peer.read())[0] != CLOSE:
                if received[1] == ACKNOWLEDGED.encode():
                    return True
        return False


async def connect(peer: Peer) -> None:
    """What is said before that is wrong, whatever it is."""
    assert (await peer.text()).startswith("0{")
    peer.write("40")
    assert (await peer.text()).startswith("40{")
    await peer.text()


def kept() -> list[object]:
    """What there still is of clients."""
    return [each for each in gc.get_objects() if isinstance(each, OURS)]


async def fuzzed(frames: int, adapter: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    troubles: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, told: troubles.append(told))
    server = SocketServer({"/": Echoes(), "/custom": Echoes()}, Figures())
    engine = Engine(server.speak, Figures(), Limits(payload=10_000))
    watch = Watch()
    async with serving(engine, adapter, watch.over) as place:
        fuzzer = Fuzzer(place, watch, seed=frames)
        await fuzzer.run(frames)
        # It serves, and remembers nobody.
        peer = await place.websocket()
        await connect(peer)
        peer.write(LAST)
        while await peer.text() != ACKNOWLEDGED:
            pass
        peer.write("1")
        await until(lambda: not engine.sessions and not place.connections)
        assert not engine._addresses
        gc.collect()
        assert not kept()
        await server.close()
    assert not troubles
    assert not caplog.records
    assert fuzzer.answered
    print(  # noqa: T201
        f"\n{fuzzer.sent} frames over {fuzzer.handshakes} handshakes, {fuzzer.answered} answered "
        f"after all, {fuzzer.waiting} waited with for the rest of a frame\n"
        f"{told(fuzzer.refused)} from the handshake until they were refused and closed\n"
        f"{told(fuzzer.closed)} from the frames that were wrong until they were closed\n"
        f"{told(fuzzer.server)} of that in the server, from reading to closing"
    )


def told(spans: list[Moment]) -> str:
    """How many, and how long; a busy machine has this process wait, which is none of its own."""
    times = sorted(span.at for span in spans)
    own = max(span.at - span.waited for span in spans)
    middle, late, last = (times[at] for at in (len(times) // 2, len(times) * 99 // 100, -1))
    return (
        f"{len(times)}: p50 {middle * 1000:.1f} ms, p99 {late * 1000:.1f} ms, at most "
        f"{last * 1000:.1f} ms, {own * 1000:.1f} ms without waiting for a core,"
    )


@pytest.fixture
def _without_looks() -> Iterator[None]:
    """Python looks for no cycles meanwhile."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("_without_looks")
@pytest.mark.parametrize("adapter", ADAPTERS)
async def test_who_is_gone_is_kept_by_nobody_and_leaves_no_cycles(adapter: str) -> None:
    server = SocketServer({"/": Echoes()}, Figures())
    engine = Engine(server.speak, Figures())
    async with serving(engine, adapter) as place:
        for farewell in ("1", "nonsense", b"\x03\xe8"):
            peer = await place.websocket()
            await connect(peer)
            peer.write(farewell, CLOSE if isinstance(farewell, bytes) else None)
            await peer.until_closed()
            peer.writer.close()
        peer = await place.websocket()
        await connect(peer)
        peer.writer.transport.abort()
        sid = await place.polled()
        await place.post(sid, "40\x1e1")
        await until(lambda: not engine.sessions and not kept())
        await server.close()


@pytest.mark.parametrize("adapter", ADAPTERS)
async def test_nonsense_does_the_server_no_harm(
    adapter: str, caplog: pytest.LogCaptureFixture
) -> None:
    await fuzzed(FRAMES, adapter, caplog)


@pytest.mark.long
@pytest.mark.parametrize("adapter", ADAPTERS)
async def test_a_hundred_thousand_frames_of_nonsense_do_the_server_no_harm(
    adapter: str, caplog: pytest.LogCaptureFixture
) -> None:
    await fuzzed(MANY, adapter, caplog)
