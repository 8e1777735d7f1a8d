"""An origin of a test's own, which answers as it is told and remembers what it was asked."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

KEPT = {"cache-control": "public, max-age=60, s-maxage=600", "accept-ranges": "bytes"}


@dataclass
class Asked:
    """A request as it arrived."""

    method: str
    target: str
    headers: dict[str, str]


@dataclass
class Origin:
    """Answers 200 with the target as its content, unless it is told otherwise.

    A request with the entity tag it has is answered 304.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: KEPT)
    seconds: float = 0.0
    hangs_up: bool = False
    asked: list[Asked] = field(default_factory=list)
    port: int = 0

    def times(self, part: str) -> int:
        """How often something was asked whose target has this part."""
        return sum(part in each.target for each in self.asked)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """It listens."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=512)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while request := await _request(reader):
                self.asked.append(request)
                if self.hangs_up:
                    return
                await asyncio.sleep(self.seconds)
                writer.write(self._answer(request))
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    def _answer(self, request: Asked) -> bytes:
        body = request.target.encode() * 20
        status, headers = self.status, {"etag": '"one"', **self.headers}
        if status == 200 and request.headers.get("if-none-match") == headers["etag"]:
            status, body = 304, b""
        lines = [f"HTTP/1.1 {status} -", *(f"{name}: {value}" for name, value in headers.items())]
        head = "\r\n".join([*lines, f"content-length: {len(body)}", "", ""]).encode()
        return head + (b"" if request.method == "HEAD" else body)


async def _request(reader: asyncio.StreamReader) -> Asked | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.strip().split("\r\n")
    method, target, _ = first.split(" ")
    pairs = (line.split(": ", 1) for line in lines)
    return Asked(method, target, {name.lower(): value for name, value in pairs})
