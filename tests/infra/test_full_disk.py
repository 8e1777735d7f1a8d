"""A full disk takes nothing more, says so, and loses nothing that it has taken."""

import asyncio
import resource
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import httpx
import msgspec
import pytest
from botocore.exceptions import ClientError

from bff.objects import store
from bff.settings import Settings
from imaging.shelves import Shelves
from infra.demo.campus import PASSWORD
from infra.demo.pictures import draw_jpeg
from infra.local.addresses import Addresses, Given
from infra.local.control import status
from infra.local.object_store_process import KeptOrRefused
from infra.local.stack import Limits, Stack

Serve = Callable[[Settings], AbstractAsyncContextManager[httpx.AsyncClient]]

ONLY_S3 = Given(database_url="postgresql://elsewhere/comanda", redis_url="redis://elsewhere")
# More than any disk has free, so that this one counts as full.
FULL = Limits(reserve_bytes=10**18)
MEGABYTE = 1_000_000


@contextmanager
def object_store(place: Path, limits: Limits | None = None) -> Iterator[tuple[Any, Addresses]]:
    """An object store on `place`, alone: a client of it, and where it is."""
    with Stack(place, given=ONLY_S3, limits=limits) as stack:
        addresses = stack.start()
        client = boto3.client(
            "s3",
            endpoint_url=addresses.s3_endpoint,
            aws_access_key_id=addresses.s3_access_key,
            aws_secret_access_key=addresses.s3_secret_key,
            region_name="us-east-1",
        )
        yield client, addresses


def refusal(put: Callable[[], object]) -> tuple[int, str]:
    with pytest.raises(ClientError) as caught:
        put()
    answer = caught.value.response
    return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]


def test_a_full_disk_refuses_an_object_instead_of_losing_it(tmp_path: Path) -> None:
    with object_store(tmp_path) as (client, _):
        client.create_bucket(Bucket="dishes")
        for key in ("soup", "bread"):
            client.put_object(Bucket="dishes", Key=key, Body=b"kept")
    with object_store(tmp_path, FULL) as (client, _):
        assert refusal(
            lambda: client.put_object(Bucket="dishes", Key="soup", Body=b"x" * MEGABYTE)
        ) == (507, "InsufficientStorage")
        assert client.get_object(Bucket="dishes", Key="soup")["Body"].read() == b"kept"
        # What makes room is still done.
        client.delete_objects(Bucket="dishes", Delete={"Objects": [{"Key": "bread"}]})
        client.delete_object(Bucket="dishes", Key="soup")
        assert "Contents" not in client.list_objects_v2(Bucket="dishes")


async def test_objects_on_their_way_count_as_if_they_were_there(tmp_path: Path) -> None:
    under_way, arrived = asyncio.Event(), asyncio.Event()
    answers: list[int] = []

    async def application(_scope: Any, _receive: Any, send: Any) -> None:
        under_way.set()
        await arrived.wait()
        await send({"type": "http.response.start", "status": 200})

    async def body() -> dict[str, object]:
        return {"type": "http.request", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        answers.extend(each for each in (message.get("status"),) if each)

    more_than_half = str(shutil.disk_usage(tmp_path).free * 6 // 10).encode()
    scope = {"type": "http", "method": "PUT", "headers": [(b"content-length", more_than_half)]}
    s3 = SimpleNamespace(_persist_object=lambda *_: None)
    kept = KeptOrRefused(application, s3, tmp_path, reserve=0)
    first = asyncio.create_task(kept(scope, body, send))
    await under_way.wait()
    async with asyncio.timeout(60):
        await kept(scope, body, send)
    arrived.set()
    await first
    await kept(scope, body, send)
    assert answers == [507, 200, 200]


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="limits a running process")
def test_an_object_whose_file_could_not_be_written_is_no_success(tmp_path: Path) -> None:
    with object_store(tmp_path) as (client, _):
        client.create_bucket(Bucket="dishes")
        server = next(each.pid for each in status(tmp_path).processes if each.role == "s3")
        resource.prlimit(server, resource.RLIMIT_FSIZE, (MEGABYTE, MEGABYTE))
        assert refusal(
            lambda: client.put_object(Bucket="dishes", Key="feast", Body=b"x" * 2 * MEGABYTE)
        ) == (507, "InsufficientStorage")
        client.put_object(Bucket="dishes", Key="soup", Body=b"kept")
    with object_store(tmp_path) as (client, _):
        found = client.list_objects_v2(Bucket="dishes")["Contents"]
        assert [each["Key"] for each in found] == ["soup"]


@pytest.fixture
def campus(settings: Settings) -> Callable[[Addresses], Settings]:
    """Settings of the application over an object store of the test's own."""

    def at(addresses: Addresses) -> Settings:
        return msgspec.structs.replace(
            settings,
            s3_endpoint=addresses.s3_endpoint,
            s3_access_key=addresses.s3_access_key,
            s3_secret_key=addresses.s3_secret_key,
        )

    return at


async def test_an_upload_on_a_full_disk_is_refused_and_the_old_picture_stays(
    tmp_path: Path, campus: Callable[[Addresses], Settings], serve: Serve
) -> None:
    first, second = (draw_jpeg("breakfast", number, (800, 600)) for number in (1, 2))
    with object_store(tmp_path) as (_, addresses):
        settings = campus(addresses)
        shelves = Shelves(store(settings))
        await shelves.create_buckets()
        shelves.close()
        async with serve(settings) as client:
            staff = await bearer(client)
            answer = await client.put("/api/products/1/picture", content=first, headers=staff)
            assert answer.status_code == 200
            shown = (await client.get("/products/1?w=300")).content
    with object_store(tmp_path, FULL) as (_, addresses):
        async with serve(campus(addresses)) as client:
            answer = await client.put("/api/products/1/picture", content=second, headers=staff)
            assert answer.status_code == 503
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.headers["retry-after"]
            # The old one, and in a size that cannot be kept any more.
            assert (await client.get("/products/1?w=300")).content == shown
            assert (await client.get("/products/1?w=640")).status_code == 200


async def bearer(client: httpx.AsyncClient) -> dict[str, str]:
    credentials = {"email": "staff1@campus.example", "password": PASSWORD}
    answer = await client.post("/auth/login", json=credentials)
    return {"authorization": f"Bearer {answer.json()['accessToken']}"}
