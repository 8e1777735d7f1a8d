"""Ways to servers that can be made long: of each answer it is told when it is to arrive.

`python -m benchmarks.chaos.lanes PORT:TO ...` takes connections at each loopback PORT and hands on
what comes, to and from the loopback port TO. A line on standard input is the number of seconds
that answers take from then on; at its end the process ends.
"""

import asyncio
import subprocess
import sys
from collections import deque
from collections.abc import Mapping
from types import TracebackType
from typing import Final, cast

import uvloop

from infra.local.ports import LOOPBACK

# Of one connection, on their way: beyond them its sender has to wait.
_MOST_BYTES: Final = 8_000_000


class Lanes:
    """The process, for whoever starts it: a port for each server's port."""

    def __init__(self, ports: Mapping[int, int]) -> None:
        self.ports = ports
        command = [sys.executable, "-m", "benchmarks.chaos.lanes"]
        pairs = [f"{port}:{to}" for to, port in ports.items()]
        self._process = subprocess.Popen([*command, *pairs], stdin=subprocess.PIPE)

    def __enter__(self) -> "Lanes":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.communicate()

    def through(self, address: str) -> str:
        """An address, with the ports by which its servers are reached through lanes."""
        for to, port in self.ports.items():
            address = address.replace(f"{LOOPBACK}:{to}", f"{LOOPBACK}:{port}")
        return address

    def last(self, seconds: float) -> None:
        """Answers take so long from now on."""
        if self._process.stdin is not None:
            self._process.stdin.write(f"{seconds}\n".encode())
            self._process.stdin.flush()


class _Length:
    """How long answers take now."""

    seconds = 0.0


class _End(asyncio.Protocol):
    """One end of a connection; what comes here goes out at the other."""

    def __init__(self, length: _Length) -> None:
        self._length = length
        # What is on its way, with the moment when it is there; nothing is the end.
        self._under_way: deque[tuple[float, bytes]] = deque()
        self._bytes = 0
        self._transport: asyncio.Transport
        self.other: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._send(data)

    def connection_lost(self, _: Exception | None) -> None:
        self._send(b"")

    def _send(self, data: bytes) -> None:
        loop = asyncio.get_running_loop()
        is_first = not self._under_way
        self._under_way.append((loop.time() + self._length.seconds, data))
        self._bytes += len(data)
        if self._bytes > _MOST_BYTES and data:
            self._transport.pause_reading()
        if is_first:
            self._arrive()

    def _arrive(self) -> None:
        """All that is there by now, in its turn, also where the lane has become shorter since."""
        if self.other is None:
            # Not yet there.
            return
        loop = asyncio.get_running_loop()
        while self._under_way and self._under_way[0][0] <= loop.time():
            _, data = self._under_way.popleft()
            self._hand_on(self.other, data)
        if self._under_way:
            loop.call_at(self._under_way[0][0], self._arrive)

    def _hand_on(self, other: asyncio.Transport, data: bytes) -> None:
        if other.is_closing():
            return
        if not data:
            other.close()
            return
        other.write(data)
        self._bytes -= len(data)
        if self._bytes <= _MOST_BYTES and not self._transport.is_closing():
            self._transport.resume_reading()


class _Near(_End):
    """The end at the one who asks; it opens the other one."""

    def __init__(self, length: _Length, to: int) -> None:
        super().__init__(_Length())
        self._far = _End(length)
        self._to = to
        self._opening: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._far.other = self._transport
        self._opening = asyncio.create_task(self._open())

    async def _open(self) -> None:
        try:
            there, _ = await asyncio.get_running_loop().create_connection(
                lambda: self._far, LOOPBACK, self._to
            )
        except OSError:
            # Nobody is there, and whoever asks is to see that.
            self._transport.abort()
            return
        self.other = there
        self._arrive()


async def main(pairs: list[str]) -> None:
    """Until the input ends."""
    loop, length = asyncio.get_running_loop(), _Length()
    for pair in pairs:
        port, _, to = pair.partition(":")

        def near(to: int = int(to)) -> _Near:
            return _Near(length, to)

        await loop.create_server(near, LOOPBACK, int(port))
    lines = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := await lines.readline():
        length.seconds = float(line)


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1:]))
