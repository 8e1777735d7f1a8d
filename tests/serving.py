"""Servers of a test's own: a port for them, and the moment when they answer."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import httpx

from bff.settings import Settings

# For who asks more than anybody may: all of it as somebody, or as nobody.
UNLIMITED = {f"COMANDA_LIMIT_{name}": "0" for name in ("GENERAL", "ANONYMOUS", "LOGIN", "PAYMENT")}
_SERVE = (sys.executable, "-m", "bff.serve")
# Seconds in which a process ends that is asked to: its own patience, and some.
_LEAVES = 60


def free_port() -> int:
    """A port that nobody has at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def command(port: int, workers: int = 1) -> list[str]:
    """The command that serves the application at `port`, as `comanda up` does."""
    return [*_SERVE, "--port", str(port), "--workers", str(workers)]


def environment(settings: Settings) -> dict[str, str]:
    """What a process of the application is started with, to use a test's own database and store."""
    own = {
        "COMANDA_DATABASE_URL": settings.database_url,
        "COMANDA_REPLICA_URLS": "",
        "COMANDA_REDIS_URL": settings.redis_url,
        "COMANDA_S3_ORIGINALS": settings.s3_originals,
        "COMANDA_S3_VARIANTS": settings.s3_variants,
        "COMANDA_ACCESS_LOG": "0",
        "PYTHONFAULTHANDLER": "1",
    }
    return {**os.environ, **own}


@contextmanager
def running(
    settings: Settings, ports: Sequence[int], workers: int = 1, **more: str
) -> Iterator[list[str]]:
    """The application at each of these ports, in so many processes each; the URLs."""
    given = environment(settings) | {"COMANDA_PICTURE_PROCESSES": "1"} | more
    with ExitStack() as ending:
        processes = [subprocess.Popen(command(port, workers), env=given) for port in ports]
        for process in processes:
            ending.callback(until_ended, process)
        for process in processes:
            ending.callback(process.terminate)
        yield [f"http://127.0.0.1:{port}" for port in ports]


def until_ended(process: subprocess.Popen[bytes]) -> None:
    """Returns when it has ended, as it was asked to. Where it does not, it says where each of its
    threads is, and is killed: TimeoutExpired."""
    try:
        process.wait(_LEAVES)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGABRT)
        process.wait()
        raise


async def until_healthy(url: str) -> None:
    """Returns when the application at `url` answers; TimeoutError after two minutes."""
    async with asyncio.timeout(120), httpx.AsyncClient() as client:
        while True:
            try:
                await client.get(f"{url}/health")
            except httpx.TransportError:
                await asyncio.sleep(0.05)
            else:
                return


class Proxy:
    """A TCP proxy in front of a server, which a test can take down and bring back, freeze by
    clearing `thaw`, or put far away: of each answer every part then takes so many seconds."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self.port = free_port()
        self._server: asyncio.Server | None = None
        self._pipes: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self.thaw = asyncio.Event()
        self.thaw.set()
        self.seconds = 0.0

    async def up(self) -> None:
        """Take connections."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    async def down(self) -> None:
        """Refuse connections, and cut those that there are."""
        if self._server is not None:
            self._server.close()
            # Before anything is waited for: who is just being served is to see it.
            self._server = None
            for pipe, sink in self._pipes.items():
                pipe.cancel()
                # One that has not begun yet would not.
                sink.close()
            await asyncio.gather(*self._pipes, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving = self._server
        there, back = await asyncio.open_connection(*self._target)
        if serving is None or self._server is not serving:
            # It was taken down meanwhile, or before this began.
            writer.close()
            back.close()
            return
        for source, sink, seconds in ((reader, back, 0.0), (there, writer, self.seconds)):
            pipe = asyncio.create_task(pump(source, sink, self.thaw, seconds))
            self._pipes[pipe] = sink
            pipe.add_done_callback(self._pipes.pop)


async def pump(
    source: asyncio.StreamReader,
    sink: asyncio.StreamWriter,
    thaw: asyncio.Event | None = None,
    seconds: float = 0.0,
) -> None:
    """Hand on what comes, each part after so many seconds, until it ends, while `thaw` is set."""
    try:
        while chunk := await source.read(65_536):
            if thaw is not None:
                await thaw.wait()
            await asyncio.sleep(seconds)
            sink.write(chunk)
            await sink.drain()
    except OSError:
        pass
    finally:
        sink.close()
