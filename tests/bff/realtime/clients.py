"""The real JavaScript client, in a process of Node's, driven from a test."""

import asyncio
import fcntl
import itertools
import json
import shutil
import subprocess
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest

HOME: Final = Path(__file__).parent / "browser"
PATIENCE: Final = 30.0
WEBSOCKET: Final[dict[str, Any]] = {"transports": ["websocket"]}
POLLING: Final[dict[str, Any]] = {"transports": ["polling"], "upgrade": False}
UPGRADED: Final[dict[str, Any]] = {"transports": ["polling", "websocket"]}
SOON: Final[dict[str, Any]] = {"reconnectionDelay": 50, "reconnectionDelayMax": 100}


def installed() -> Path:
    """Where the client is, fetched by npm where it is missing; skips where that cannot be."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("Node and npm are not here, so socket.io-client is not tried")
    with (HOME / "package.json").open() as lock:
        # Several workers may find it missing.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (HOME / "node_modules" / "socket.io-client").is_dir():
            command = ["npm", "ci", "--silent", "--no-audit", "--no-fund"]
            fetched = subprocess.run(command, cwd=HOME, check=False)
            if fetched.returncode:
                pytest.skip("npm could not fetch socket.io-client")
    return HOME / "clients.js"


class Clients:
    """Clients by name, and what has happened to each that nobody has looked at."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._asked: dict[int, asyncio.Future[Any]] = {}
        self._numbers = itertools.count()
        self._told: defaultdict[str, list[tuple[str, list[Any]]]] = defaultdict(list)
        self._more = asyncio.Event()

    async def open(
        self, name: str, url: str, auth: Mapping[str, Any], options: Mapping[str, Any]
    ) -> None:
        """A client of /orders there, which is connected when this returns."""
        await self.begin(name, url, auth, options)
        await self.next(name, "connect")

    async def begin(
        self, name: str, url: str, auth: Mapping[str, Any], options: Mapping[str, Any]
    ) -> None:
        """A client that will be connected, or not."""
        url = f"{url}/orders"
        await self._do("open", socket=name, url=url, auth=auth, options={**SOON, **options})

    async def emit(self, name: str, event: str, data: Any = None) -> Any:
        """Send an event; what it is acknowledged with."""
        return await self._do("emit", socket=name, event=event, data=data or {})

    async def do(self, what: str, name: str, **more: Any) -> None:
        """`cut`, `close`, `connect` or `auth`."""
        await self._do(what, socket=name, **more)

    async def next(self, name: str, event: str) -> Any:
        """The next event of that name which nobody has looked at; what came before is dropped."""
        async with asyncio.timeout(PATIENCE):
            while True:
                told = self._told[name]
                while told:
                    happened, arguments = told.pop(0)
                    if happened == event:
                        return arguments[0] if len(arguments) == 1 else arguments
                self._more.clear()
                await self._more.wait()

    async def following(self, name: str, event: str) -> Any:
        """What happened next, which is that."""
        async with asyncio.timeout(PATIENCE):
            while not self._told[name]:
                self._more.clear()
                await self._more.wait()
        happened, arguments = self._told[name].pop(0)
        assert happened == event, (happened, arguments)
        return arguments[0]

    def seen(self, name: str) -> list[str]:
        """The names of what has happened to it that nobody has looked at."""
        return [event for event, _ in self._told[name]]

    def told(self, name: str) -> list[tuple[str, Any]]:
        """What has happened to it that nobody has looked at."""
        return [
            (event, arguments[0] if arguments else None) for event, arguments in self._told[name]
        ]

    async def listen(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            told = json.loads(line)
            if "socket" in told:
                self._told[told["socket"]].append((told["event"], told["arguments"]))
                self._more.set()
            elif "error" in told:
                self._asked.pop(told["id"]).set_exception(AssertionError(told["error"]))
            else:
                self._asked.pop(told["id"]).set_result(told["answer"])

    async def _do(self, what: str, **more: Any) -> Any:
        assert self._process.stdin is not None
        number = next(self._numbers)
        answer = self._asked[number] = asyncio.get_running_loop().create_future()
        line = json.dumps({"id": number, "do": what, **more})
        self._process.stdin.write(line.encode() + b"\n")
        async with asyncio.timeout(PATIENCE):
            return await answer


@asynccontextmanager
async def clients() -> AsyncIterator[Clients]:
    """A process of Node's with no client yet."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        "node", str(installed()), stdin=pipe, stdout=pipe, limit=1 << 20
    )
    made = Clients(process)
    listening = asyncio.create_task(made.listen())
    try:
        yield made
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()
        await listening
