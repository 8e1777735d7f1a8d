"""Objects are read and stored without boto3 where all goes as it should, and by it where not."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import msgspec
import pytest
from botocore.client import BaseClient
from botocore.credentials import Credentials, RefreshableCredentials

from bff.objects import store
from bff.settings import Settings
from cdn.address import resolve
from cdn.freshness import stored
from imaging import objects as objects_module
from imaging import shelves as shelves_module
from imaging.objects import Account, UnexpectedError
from imaging.shelves import ShelfError, Shelves, Store
from tests.serving import free_port, pump

VARIANT = resolve(1, "w=320&fm=webp&v=ab12")
OTHER = resolve(2, "w=320&fm=webp&v=ab12")


class Meddler:
    """In front of the store: it answers the first requests by itself, and counts connections."""

    def __init__(self, settings: Settings) -> None:
        self._store = httpx.URL(str(settings.s3_endpoint))
        self.port = free_port()
        self.connections = 0
        self.left: asyncio.Queue[None] = asyncio.Queue()
        """Has something for each connection that has ended."""
        self.answers: list[bytes | None] = []
        """The next ones; None is silence."""

    async def serve(self) -> asyncio.Server:
        return await asyncio.start_server(self._meddle, "127.0.0.1", self.port)

    async def _meddle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            if self.answers:
                answer = self.answers.pop(0)
                await reader.readuntil(b"\r\n\r\n")
                if answer is None:
                    await reader.read()  # until who asks has had enough
                else:
                    writer.write(answer)
                    await writer.drain()
                return
            there, back = await asyncio.open_connection(self._store.host, self._store.port)
            await asyncio.gather(pump(reader, back), pump(there, writer))
        finally:
            self.left.put_nowait(None)
            writer.close()


@pytest.fixture
async def meddler(settings: Settings) -> AsyncIterator[Meddler]:
    meddler = Meddler(settings)
    server = await meddler.serve()
    yield meddler
    server.close()


@pytest.fixture
async def behind(settings: Settings, meddler: Meddler, shelves: Shelves) -> AsyncIterator[Shelves]:
    """The same shelves as `shelves`, seen through the meddler."""
    place = f"http://127.0.0.1:{meddler.port}"
    seen = Shelves(store(msgspec.structs.replace(settings, s3_endpoint=place)))
    yield seen
    seen.close()


@pytest.fixture
def by_boto3(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The calls that boto3 makes."""
    calls: list[str] = []
    call = BaseClient._make_api_call  # type: ignore[attr-defined]

    def counted(self: object, operation: str, arguments: object) -> object:
        calls.append(operation)
        return call(self, operation, arguments)

    monkeypatch.setattr(BaseClient, "_make_api_call", counted)
    return calls


async def test_what_is_stored_is_read_with_the_headers_that_s3_will_serve_it_with(
    settings: Settings, shelves: Shelves, by_boto3: list[str]
) -> None:
    body = bytes(range(256)) * 1000
    assert await shelves.variant(VARIANT.key) is None
    assert await shelves.keep_variant(VARIANT, body)
    assert not await shelves.keep_variant(VARIANT, b"another")
    assert await shelves.variant(VARIANT.key) == body
    assert by_boto3 == []
    s3, bucket = shelves._s3, store(settings).variants
    there = await asyncio.to_thread(s3.get_object, Bucket=bucket, Key=VARIANT.key)
    wanted = stored(VARIANT)
    assert {name: there[name] for name in wanted} == wanted  # type: ignore[literal-required]
    there["Body"].close()


async def test_connections_are_kept_and_bounded(behind: Shelves, meddler: Meddler) -> None:
    await behind.keep_variant(VARIANT, b"kept")
    for _ in range(20):
        assert await behind.variant(VARIANT.key) == b"kept"
    assert meddler.connections == 2  # one to write, one to read
    found = await asyncio.gather(*(behind.variant(VARIANT.key) for _ in range(100)))
    assert found == [b"kept"] * 100
    assert meddler.connections <= 1 + shelves_module.READERS


async def test_a_connection_that_was_long_unused_is_not_trusted(
    behind: Shelves, meddler: Meddler, monkeypatch: pytest.MonkeyPatch
) -> None:
    await behind.keep_variant(VARIANT, b"kept")
    await behind.variant(VARIANT.key)
    monkeypatch.setattr(objects_module, "IDLE_SECONDS", 0.0)
    assert await behind.variant(VARIANT.key) == b"kept"
    assert meddler.connections == 3


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\n\r\n", id="busy"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", id="cut off"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nContent-Length: 900000\r\n\r\n" + b"half" * 100_000,
            id="cut off late",
        ),
        pytest.param(b"", id="closed"),
        pytest.param(b"SSH-2.0-OpenSSH\r\n", id="no HTTP"),
        pytest.param(
            b"HTTP/1.1 404 Not Found\r\nContent-Length: 25\r\n\r\n<Code>NoSuchBucket</Code>.",
            id="no bucket",
        ),
        pytest.param(b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 200 + b"\r\n", id="too many headers"),
    ],
)
async def test_what_is_not_expected_is_left_to_boto3(
    behind: Shelves, meddler: Meddler, by_boto3: list[str], answer: bytes
) -> None:
    await behind.keep_variant(VARIANT, b"kept")
    meddler.answers = [answer]
    assert await behind.variant(VARIANT.key) == b"kept"
    assert by_boto3 == ["GetObject"]
    meddler.answers = [answer]
    behind._writers.objects.close()
    assert await behind.keep_variant(OTHER, b"stored")
    assert by_boto3 == ["GetObject", "PutObject"]
    assert await behind.variant(OTHER.key) == b"stored"


LONG = bytes(range(256)) * 2000
CHUNK = b"%x\r\n" % len(LONG) + LONG + b"\r\n"
IMAGE = b"HTTP/1.1 200 OK\r\nContent-Type: image/webp\r\n"


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        pytest.param(IMAGE + b"Content-Length: 512000\r\n\r\n" + LONG, LONG, id="long"),
        pytest.param(
            IMAGE + b"Transfer-Encoding: chunked\r\n\r\n" + CHUNK * 2 + b"0\r\n\r\n",
            LONG * 2,
            id="in chunks",
        ),
        pytest.param(
            IMAGE + b"Content-Length: 5\r\n\r\nfirst" + IMAGE + b"Content-Length: 5\r\n\r\nother",
            b"first",
            id="and another behind it",
        ),
        pytest.param(
            IMAGE + b"Content-Length: 512000\r\n\r\n" + LONG + b"more",
            LONG,
            id="and more behind it",
        ),
    ],
)
async def test_a_body_is_read_as_long_as_it_is_said_to_be(
    behind: Shelves, meddler: Meddler, by_boto3: list[str], answer: bytes, body: bytes
) -> None:
    meddler.answers = [answer]
    assert await behind.variant(VARIANT.key) == body
    assert by_boto3 == []


async def test_an_answer_may_be_no_longer_than_agreed(
    settings: Settings, shelves: Shelves, by_boto3: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shelves_module, "MOST_VARIANT_BYTES", 1000)
    await shelves.keep_variant(VARIANT, b"x" * 1000)
    monkeypatch.setattr(shelves_module, "MOST_VARIANT_BYTES", 999)
    with pytest.raises(ShelfError, match="has 1000 bytes"):
        await shelves.variant(VARIANT.key)


async def test_who_has_waited_long_enough_gives_back_his_connection(
    behind: Shelves, meddler: Meddler, by_boto3: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    await behind.keep_variant(VARIANT, b"kept")
    monkeypatch.setattr(shelves_module, "READ_PATIENCE", 0.3)
    meddler.answers = [None] * shelves_module.READERS
    crowd = [behind.variant(VARIANT.key) for _ in meddler.answers]
    refused = await asyncio.gather(*crowd, return_exceptions=True)
    assert {type(each) for each in refused} == {ShelfError}
    for _ in crowd:
        await meddler.left.get()
    monkeypatch.setattr(shelves_module, "READ_PATIENCE", 4.0)
    assert await behind.variant(VARIANT.key) == b"kept"
    assert by_boto3 == []


def shelves_of(region: str, endpoint: str | None = None) -> Shelves:
    return Shelves(
        Store(endpoint, region, "key", "secret", "comanda-originals", "comanda-variants")
    )


def account_of(shelves: Shelves, credentials: Credentials | None = None) -> Account:
    return Account(
        shelves._s3, credentials or Credentials("key", "secret"), proxied=True, ca_bundle=None
    )


@pytest.mark.parametrize("region", ["us-east-1", "eu-west-1", "cn-north-1"])
@pytest.mark.parametrize("endpoint", [None, "http://127.0.0.1:9000", "https://store.example/s3"])
async def test_it_asks_where_boto3_would_and_signs_as_boto3_does(
    region: str, endpoint: str | None
) -> None:
    shelves = shelves_of(region, endpoint)
    sent: list[Any] = []

    def keep(request: object, **_: object) -> None:
        sent.append(request)
        raise InterruptedError

    shelves._s3.meta.events.register("before-send.s3.GetObject", keep)
    with pytest.raises(InterruptedError):
        shelves._s3.get_object(Bucket="comanda-variants", Key=VARIANT.key)
    (request,) = sent
    account = account_of(shelves)
    place = account.place("comanda-variants")
    assert place.origin + place.prefix + VARIANT.key == request.url
    assert (place.tls is None) == request.url.startswith("http:")
    ours = account.signed("GET", request.url, {}, b"")["Authorization"]
    scope = f"Credential=key/{datetime.now(UTC):%Y%m%d}/{region}/s3/aws4_request"
    assert scope in ours
    assert scope in request.headers["Authorization"].decode()
    shelves.close()


async def test_a_proxy_of_the_environment_is_boto3s_business(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    shelves = shelves_of("eu-west-1")
    with pytest.raises(UnexpectedError):
        account_of(shelves).place("comanda-variants")
    shelves.close()


async def test_credentials_that_run_out_are_renewed_by_boto3_in_a_thread() -> None:
    fetched: list[str] = []

    def fetch() -> dict[str, str]:
        fetched.append("fetched")
        later = datetime.now(UTC) + timedelta(hours=1)
        return {
            "access_key": "a",
            "secret_key": "b",
            "token": "c",
            "expiry_time": later.isoformat(),
        }

    soon = datetime.now(UTC) + timedelta(minutes=1)
    credentials = RefreshableCredentials("a", "b", "c", soon, fetch, "test")
    shelves = shelves_of("eu-west-1")
    account = account_of(shelves, credentials)
    with pytest.raises(UnexpectedError):
        account.signed("GET", "https://store.example/key", {}, b"")
    assert fetched == []
    credentials.get_frozen_credentials()  # as boto3's own signing does
    headers = account.signed("GET", "https://store.example/key", {}, b"")
    assert headers["X-Amz-Security-Token"] == "c"
    shelves.close()
