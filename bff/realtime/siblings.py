"""Processes that share a port: a session belongs to one of them, and its polls come to any."""

import asyncio
import re
import secrets
from asyncio import BaseTransport, Transport
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from litestar.types import ASGIApp
from uvicorn.config import Config
from uvicorn.server import ServerState

if TYPE_CHECKING:
    import httpx

_SESSION: Final = re.compile(r"(?P<process>[0-9a-f]{16})\..+")
_NAME_BYTES: Final = 8
_SUFFIX: Final = ".sockets"
# Beyond the longest poll, which ends with a ping.
_PATIENCE: Final = 60.0


class Siblings:
    """Hands what belongs to another process on to it, over a socket in a directory of theirs.

    Without a directory there are none.
    """

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory
        self._name = secrets.token_hex(_NAME_BYTES)
        self._clients: dict[Path, httpx.AsyncClient] = {}
        self._server: asyncio.Server | None = None

    @property
    def prefix(self) -> str:
        """What the ids of this process's sessions begin with."""
        return "" if self._directory is None else f"{self._name}."

    def of(self, session_id: str) -> Path | None:
        """Where the process listens that has a session, if it is another one that is there."""
        found = _SESSION.fullmatch(session_id)
        if self._directory is None or found is None or found["process"] == self._name:
            return None
        place = self._directory / (found["process"] + _SUFFIX)
        return place if place.is_socket() else None

    async def start(self, application: ASGIApp, websocket: type[asyncio.Protocol]) -> None:
        """Serve what others hand on."""
        if self._directory is None:
            return
        config = Config(
            application,
            http="bff.edge.protocol:BoundedProtocol",
            ws=websocket,
            lifespan="off",
            proxy_headers=False,
            access_log=False,
            log_config=None,
        )
        config.load()
        state = ServerState()

        def protocol() -> asyncio.Protocol:
            made: asyncio.Protocol = config.http_protocol_class(  # type: ignore[call-arg]
                config=config, server_state=state, app_state={}
            )
            return made

        place = self._directory / (self._name + _SUFFIX)
        self._server = await asyncio.get_running_loop().create_unix_server(protocol, place)

    async def close(self) -> None:
        """Serve them no more."""
        if self._directory is not None and self._server is not None:
            self._server.close()
            (self._directory / (self._name + _SUFFIX)).unlink(missing_ok=True)
        for client in self._clients.values():
            await client.aclose()

    async def ask(self, place: Path, method: str, query: str, body: bytes) -> "httpx.Response":
        """The answer of the process there. Raises httpx.TransportError."""
        client = self._clients.get(place)
        if client is None:
            # 50 ms of a start, which nobody pays who serves alone.
            import httpx

            transport = httpx.AsyncHTTPTransport(uds=str(place))
            client = httpx.AsyncClient(transport=transport, timeout=_PATIENCE)
            self._clients[place] = client
        return await client.request(method, f"http://sibling/socket.io/?{query}", content=body)


class Through(asyncio.Protocol):
    """The far end of a WebSocket that another process has: bytes go through as they are, and the
    near end is to `leave` when nothing more will come."""

    def __init__(self, near: Transport, leave: Callable[[], None], head: bytes) -> None:
        self._near = near
        self._leave = leave
        self._unsent = [head]
        self._far: Transport | None = None

    @classmethod
    async def open(cls, place: Path, through: "Through") -> None:
        """Connect; the near end leaves where that fails."""
        try:
            await asyncio.get_running_loop().create_unix_connection(lambda: through, str(place))
        except OSError:
            through.connection_lost(None)

    def connection_made(self, transport: BaseTransport) -> None:
        self._far = cast("Transport", transport)
        if self._unsent:
            self._far.writelines(self._unsent)
        else:
            # The client was gone before.
            self._far.close()

    def data_received(self, data: bytes) -> None:
        self._near.write(data)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._leave()

    def near_received(self, data: bytes) -> None:
        """The client has sent something."""
        if self._far is None:
            self._unsent.append(data)
        else:
            self._far.write(data)

    def near_lost(self) -> None:
        """The client is gone, or told that it is to be."""
        self._unsent.clear()
        if self._far is not None:
            self._far.close()

    def near_pauses(self, *, is_full: bool) -> None:
        """The client reads too little, or enough again: whoever has its session is to know."""
        if self._far is not None:
            (self._far.pause_reading if is_full else self._far.resume_reading)()
