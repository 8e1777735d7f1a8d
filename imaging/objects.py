"""GET and PUT of an object, signed by botocore and sent by us: a fifth of boto3's CPU, no thread.

Only for the answers that are expected. Whatever else comes, or does not, is left to boto3, which
knows redirects, retries, proxies, and the meaning of every error.
"""

import asyncio
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import TYPE_CHECKING, Final, NamedTuple, cast
from urllib.parse import quote, urlsplit

import httptools
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials, RefreshableCredentials
from botocore.exceptions import BotoCoreError
from botocore.httpsession import get_cert_path
from botocore.utils import get_environ_proxies

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

CONNECT_SECONDS: Final = 1.0
# Unused for longer, a connection may be gone without anybody having been told.
IDLE_SECONDS: Final = 15.0
_MOST_HEADERS: Final = 100
# What an error says about itself takes a few hundred bytes.
_MOST_WORDS: Final = 64 * 1024
_ANY: Final = "key"
_READ_BYTES: Final = 64 * 1024
_NOTHING: Final = memoryview(b"")


class UnexpectedError(Exception):
    """Not an answer that is known here: boto3 is to be asked."""


@dataclass(slots=True)
class Answer:
    """What came; the names of headers in lower case."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


class Place(NamedTuple):
    """Where a bucket's objects are: a key goes behind `origin` and `prefix`."""

    origin: str
    prefix: str
    host: str
    port: int
    tls: ssl.SSLContext | None


class Account:
    """Who asks for objects, and where: whatever boto3's client would have it."""

    def __init__(
        self,
        s3: "S3Client",
        credentials: Credentials | None,
        *,
        proxied: bool,
        ca_bundle: str | None,
    ) -> None:
        """`credentials` are the client's own: who refreshes them does so for both. `proxied` says
        that it heeds the environment's proxies."""
        self._s3 = s3
        self._credentials = credentials
        self._proxied = proxied
        self._ca_bundle = ca_bundle
        self._places: dict[str, Place] = {}

    def place(self, bucket: str) -> Place:
        """Where a bucket is. Raises UnexpectedError."""
        if bucket not in self._places:
            self._places[bucket] = self._found(bucket)
        return self._places[bucket]

    def signed(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> Mapping[str, str]:
        """The headers with those that a request is signed by (AWS Signature Version 4).

        Raises UnexpectedError when the credentials are to be fetched first, which takes long.
        """
        if self._credentials is None or _is_stale(self._credentials):
            raise UnexpectedError("there are no fresh credentials")
        request = AWSRequest(method, url, dict(headers), body)
        frozen = self._credentials.get_frozen_credentials()
        S3SigV4Auth(frozen, "s3", self._s3.meta.region_name).add_auth(request)
        return dict(request.headers.items())

    def _found(self, bucket: str) -> Place:
        try:
            url = self._s3.generate_presigned_url(
                "get_object", Params={"Bucket": bucket, "Key": _ANY}
            )
        except BotoCoreError as error:
            raise UnexpectedError(str(error)) from error
        if self._proxied and get_environ_proxies(url):
            raise UnexpectedError("a proxy is to be asked")
        parts = urlsplit(url)
        origin, prefix = f"{parts.scheme}://{parts.netloc}", parts.path.removesuffix(_ANY)
        tls = None
        if parts.scheme == "https":
            tls = ssl.create_default_context(cafile=self._ca_bundle or get_cert_path(True))
        port = parts.port or (443 if tls else 80)
        return Place(origin, prefix, parts.hostname or "", port, tls)


def _is_stale(credentials: Credentials) -> bool:
    return isinstance(credentials, RefreshableCredentials) and credentials.refresh_needed()


class Objects:
    """Objects over at most `most` kept connections; more requests wait for one.

    Whoever is cancelled meanwhile, for it took too long or nobody waits any more, closes the
    connection: what is asked on it is not worth more of anybody's time.
    """

    def __init__(self, account: Account, most: int) -> None:
        self._account = account
        self._room = asyncio.Semaphore(most)
        self._idle: dict[Place, list[_Connection]] = {}

    async def get(self, bucket: str, key: str, most_bytes: int) -> Answer:
        """An object of at most so many bytes. Raises UnexpectedError."""
        return await self._ask("GET", bucket, key, {}, b"", most_bytes)

    async def put(self, bucket: str, key: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Store an object. Raises UnexpectedError, and then it may be stored or not."""
        sized = {**headers, "Content-Length": str(len(body))}
        return await self._ask("PUT", bucket, key, sized, body, _MOST_WORDS)

    def close(self) -> None:
        """Close the connections."""
        for connections in self._idle.values():
            for connection in connections:
                connection.close()
        self._idle.clear()

    async def _ask(
        self,
        method: str,
        bucket: str,
        key: str,
        headers: Mapping[str, str],
        body: bytes,
        most_bytes: int,
    ) -> Answer:
        place = self._account.place(bucket)
        path = place.prefix + quote(key, safe="/~")
        headers = {"Host": urlsplit(place.origin).netloc, **headers}
        async with self._room:
            signed = self._account.signed(method, place.origin + path, headers, body)
            head = _head(method, path, signed)
            connection = await self._connected(place)
            try:
                answer = await connection.ask(head, body, most_bytes)
            except BaseException:
                connection.close()
                raise
            if connection.open:
                connection.idle_since = time.monotonic()
                self._idle.setdefault(place, []).append(connection)
            return answer

    async def _connected(self, place: Place) -> "_Connection":
        idle = self._idle.get(place, [])
        while idle:
            connection = idle.pop()
            if connection.open and time.monotonic() - connection.idle_since < IDLE_SECONDS:
                return connection
            connection.close()
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                _, connection = await asyncio.get_running_loop().create_connection(
                    _Connection, place.host, place.port, ssl=place.tls
                )
        except OSError as error:
            raise UnexpectedError(f"no connection: {error}") from error
        return connection


def _head(method: str, path: str, headers: Mapping[str, str]) -> bytes:
    lines = [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([f"{method} {path} HTTP/1.1", *lines, "\r\n"]).encode("latin-1")


class _Connection(asyncio.BufferedProtocol):
    """One request at a time.

    The rest of a long body is read to where it stays: handed on from read to read, it would be
    copied three times more.
    """

    def __init__(self) -> None:
        self.open = False
        self.idle_since = 0.0
        self._transport: asyncio.Transport
        self._parser: httptools.HttpResponseParser
        self._answer = Answer()
        self._most_bytes = 0
        self._space = memoryview(bytearray(_READ_BYTES))
        self._body = BytesIO()
        self._length = 0
        self._missing = _NOTHING
        self._done: asyncio.Future[None] | None = None

    async def ask(self, head: bytes, body: bytes, most_bytes: int) -> Answer:
        """The answer to a request. Raises UnexpectedError."""
        self._done = asyncio.get_running_loop().create_future()
        self._parser = httptools.HttpResponseParser(self)
        self._answer, self._body, self._most_bytes = Answer(), BytesIO(), most_bytes
        self._transport.writelines((head, body) if body else (head,))
        await self._done
        # Only now has the loop let go of it, so that it need not be copied.
        self._answer.body, self._body = self._body.getvalue(), BytesIO()
        return self._answer

    def close(self) -> None:
        """What is under way is not waited for."""
        self.open = False
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's is one in all but its base classes.
        self._transport, self.open = cast("asyncio.Transport", transport), True

    def connection_lost(self, error: Exception | None) -> None:
        self.open = False
        self._fail(f"the connection was lost: {error or 'it was closed'}")

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002
        return self._missing or self._space

    def buffer_updated(self, nbytes: int) -> None:
        if self._done is None or self._done.done():
            self.close()  # nobody has asked for anything
        elif not self._missing:
            self._parse(self._space[:nbytes])
        elif nbytes < len(self._missing):
            self._missing = self._missing[nbytes:]
        else:
            self.on_message_complete()

    def _parse(self, data: memoryview) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(f"that is no HTTP: {error}")
            self.close()
        else:
            if (there := self._body.tell()) < self._length:
                self._missing = self._body.getbuffer()[there:]

    # What httptools calls, which makes HttpParserError of all that is raised here.

    def on_message_begin(self) -> None:
        if self._done is None or self._done.done():
            raise UnexpectedError("nobody has asked for another")

    def on_header(self, name: bytes, value: bytes) -> None:
        if len(self._answer.headers) >= _MOST_HEADERS:
            raise UnexpectedError("it has more headers than anybody sends")
        self._answer.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self._length = int(self._answer.headers.get("content-length", 0))
        self._check_length(self._length)
        # Filled in place, it is the body without another copy.
        self._body = BytesIO(bytes(self._length))

    def on_body(self, part: bytes) -> None:
        self._check_length(self._body.tell() + len(part))
        self._body.write(part)

    def on_message_complete(self) -> None:
        self._answer.status = self._parser.get_status_code()
        self._missing, self._length = _NOTHING, 0
        self.open = self.open and self._parser.should_keep_alive()
        if not self.open:
            self.close()
        if self._done is not None and not self._done.done():
            self._done.set_result(None)

    def _check_length(self, length: int) -> None:
        if length > self._most_bytes:
            raise UnexpectedError("it is longer than it may be")

    def _fail(self, why: str) -> None:
        if self._done is not None and not self._done.done():
            self._done.set_exception(UnexpectedError(why))
