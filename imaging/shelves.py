"""Where pictures are kept: originals and variants, in two S3 buckets."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, TypeVar

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.loaders import create_loader
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError

from cdn.address import Variant, original_key, product_prefix, variants_prefix
from cdn.freshness import ObjectHeaders, stored
from imaging.objects import Account, Answer, Objects, UnexpectedError

if TYPE_CHECKING:
    from botocore.paginate import PageIterator
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import (
        CreateBucketConfigurationTypeDef,
        ListObjectsV2OutputTypeDef,
        ObjectIdentifierTypeDef,
    )

T = TypeVar("T")

# Connections for variants that are read, for what is put there, and for what is rendered from:
# many slow writes, or large originals, must leave the variants theirs.
READERS: Final = 16
WRITERS: Final = 8
FETCHERS: Final = 8
# Seconds, waiting for a connection and trying again included. A variant that comes later is
# of no use: whoever asked for it has gone.
READ_PATIENCE: Final = 4.0
WRITE_PATIENCE: Final = 30.0
MOST_ORIGINAL_BYTES: Final = 40_000_000
MOST_VARIANT_BYTES: Final = 100_000_000
# Keys of one version that are looked through; presets and srcset are a few dozen of them.
MOST_LISTED: Final = 10_000
# No upload takes so long from its original to the catalogue: it was killed, or failed there.
ABANDONED: Final = timedelta(hours=1)
# How many keys one DeleteObjects takes (Amazon S3 API reference).
_KEYS_AT_ONCE: Final = 1000
# What botocore knows of S3 takes it a tenth of a second to read: it is read once a process.
_KNOWLEDGE: Final = create_loader()
_ABSENT: Final = frozenset({"404", "NoSuchKey", "NotFound"})
_SAYS_ABSENT: Final = re.compile(rb"<Code>NoSuchKey</Code>")
# Somebody else stored the same variant at the same moment.
_THERE_ALREADY: Final = frozenset(
    {"PreconditionFailed", "ConditionalRequestConflict", "412", "409"}
)


class ShelfError(Exception):
    """The object store does not answer, or not with what was put into it."""


@dataclass(frozen=True)
class Store:
    """An S3 endpoint and the buckets in it. Without an endpoint it is AWS itself."""

    endpoint: str | None
    region: str
    access_key: str | None
    secret_key: str | None
    originals: str
    variants: str


def level_key(product_id: int, original: str, size: tuple[int, int]) -> str:
    """The key of a level of an original's pyramid, beside the original."""
    return f"{original_key(product_id, original)}-{size[0]}x{size[1]}"


class _Lane:
    """What one kind of calls may take: so many connections of ours, and as many threads for those
    that boto3 makes, which block. A call that hangs keeps its thread until its own timeouts."""

    def __init__(self, account: Account, most: int) -> None:
        self.objects = Objects(account, most)
        self._threads = ThreadPoolExecutor(most, "shelves")

    async def call(self, call: Callable[[], T]) -> T:
        """What `call` returns."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    def close(self) -> None:
        self.objects.close()
        self._threads.shutdown(wait=False, cancel_futures=True)


class Shelves:
    """boto3 off the event loop, and past it where all goes as it should (`imaging.objects`)."""

    def __init__(self, store: Store) -> None:
        self._store = store
        core = botocore.session.get_session()
        core.register_component("data_loader", _KNOWLEDGE)
        session = boto3.Session(store.access_key, store.secret_key, None, store.region, core)
        self._s3: S3Client = session.client(
            "s3",
            endpoint_url=store.endpoint,
            config=Config(
                signature_version="s3v4",
                connect_timeout=1,
                read_timeout=5,
                retries={"mode": "standard", "total_max_attempts": 2},
                max_pool_connections=READERS + WRITERS + FETCHERS,
                # A named endpoint is near; a proxy of the environment does not know it.
                proxies={} if store.endpoint else None,
                s3={"addressing_style": "path" if store.endpoint else "virtual"},
                # Stores beside AWS know Content-MD5 and ETag, not all of the newer checksums.
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )
        account = Account(
            self._s3,
            session.get_credentials(),
            proxied=store.endpoint is None,
            ca_bundle=core.get_config_variable("ca_bundle"),
        )
        self._readers = _Lane(account, READERS)
        self._fetchers = _Lane(account, FETCHERS)
        self._writers = _Lane(account, WRITERS)

    async def original(self, key: str) -> bytes | None:
        """The bytes of an original or of one of its levels, or None. Raises ShelfError."""
        return await self._got(self._fetchers, self._store.originals, key, MOST_ORIGINAL_BYTES)

    async def variant(self, key: str) -> bytes | None:
        """The bytes of a stored variant, or None. Raises ShelfError."""
        return await self._got(self._readers, self._store.variants, key, MOST_VARIANT_BYTES)

    async def keep_original(self, key: str, body: bytes, media_type: str) -> None:
        """Store an original or a level. Raises ShelfError."""
        put = partial(
            self._s3.put_object,
            Bucket=self._store.originals,
            Key=key,
            Body=body,
            ContentType=media_type,
            # Nothing but this application ever reads one.
            CacheControl="private",
        )
        await self._write(put)

    async def keep_variant(self, variant: Variant, body: bytes) -> bool:
        """Store a variant with the headers it is served with; False if another host was first,
        or if it is larger than what is read back. Raises ShelfError.
        """
        if len(body) > MOST_VARIANT_BYTES:
            return False
        headers = stored(variant)
        put = partial(
            self._s3.put_object,
            Bucket=self._store.variants,
            Key=variant.key,
            Body=body,
            IfNoneMatch="*",
            **headers,
        )
        async with _patience(WRITE_PATIENCE):
            try:
                answer = await self._writers.objects.put(
                    self._store.variants, variant.key, body, _sent(headers)
                )
                return _is_stored(answer)
            except UnexpectedError:
                pass
            try:
                await self._writers.call(put)
            except ClientError as error:
                if _code(error) in _THERE_ALREADY:
                    return False
                raise
        return True

    async def clear(self, product_id: int, keep: str | None = None) -> int:
        """Delete every variant of a product, but those of the version `keep`; how many it were.

        Raises ShelfError.
        """
        kept = None if keep is None else variants_prefix(product_id, keep)
        return await self._write(partial(self._clear_others, product_prefix(product_id), kept))

    async def listed(self, product_id: int, version: str) -> set[str]:
        """The keys of one version's variants, at most MOST_LISTED. Raises ShelfError."""
        prefix = variants_prefix(product_id, version)
        return await self._read(partial(self._list, self._store.variants, prefix))

    async def discard(self, product_id: int, original: str | None, *, keep: str | None) -> None:
        """Delete an original with its levels, and what uploads that were broken off have left;
        but nothing of the one to `keep`. Raises ShelfError.
        """
        await self._write(partial(self._discard, original_key(product_id, ""), original, keep))

    async def create_buckets(self) -> None:
        """Make the buckets where they are missing (the embedded store starts empty)."""
        for bucket in (self._store.originals, self._store.variants):
            await self._write(partial(self._create_bucket, bucket))

    async def ping(self) -> bool:
        """Whether both buckets answer."""
        try:
            for bucket in (self._store.originals, self._store.variants):
                await self._read(partial(self._s3.head_bucket, Bucket=bucket))
        except ShelfError:
            return False
        return True

    def close(self) -> None:
        """Close the connections."""
        for lane in (self._readers, self._fetchers, self._writers):
            lane.close()
        self._s3.close()

    async def _read(self, call: Callable[[], T]) -> T:
        async with _patience(READ_PATIENCE):
            return await self._readers.call(call)

    async def _write(self, call: Callable[[], T]) -> T:
        async with _patience(WRITE_PATIENCE):
            return await self._writers.call(call)

    async def _got(self, lane: _Lane, bucket: str, key: str, most_bytes: int) -> bytes | None:
        async with _patience(READ_PATIENCE):
            try:
                return _picture(await lane.objects.get(bucket, key, most_bytes))
            except UnexpectedError:
                return await lane.call(partial(self._get, bucket, key, most_bytes))

    def _get(self, bucket: str, key: str, most_bytes: int) -> bytes | None:
        try:
            found = self._s3.get_object(Bucket=bucket, Key=key)
        except ClientError as error:
            if _code(error) in _ABSENT:
                return None
            raise
        with found["Body"] as body:
            # Something in between may answer 200 with a page of its own.
            kind, size = found.get("ContentType", "nothing"), found.get("ContentLength", 0)
            if not kind.startswith("image/") or not size:
                raise ShelfError(f"{key} is no picture but {size} bytes of {kind}")
            if size > most_bytes:
                raise ShelfError(f"{key} has {size} bytes")
            return body.read()

    def _list(self, bucket: str, prefix: str) -> set[str]:
        pages = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=bucket, Prefix=prefix, PaginationConfig={"MaxItems": MOST_LISTED}
        )
        return {each["Key"] for page in pages for each in page.get("Contents", [])}

    def _clear_others(self, prefix: str, kept: str | None) -> int:
        bucket = self._store.variants
        # By version, so that the thousands of variants of the one that is kept are one line.
        pages = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=bucket, Prefix=prefix, Delimiter="/"
        )
        versions = [each["Prefix"] for page in pages for each in page.get("CommonPrefixes", [])]
        return sum(self._clear(bucket, version) for version in versions if version != kept)

    def _discard(self, prefix: str, original: str | None, keep: str | None) -> None:
        before = datetime.now(UTC) - ABANDONED
        bucket = self._store.originals
        for page in self._pages(bucket, prefix):
            gone: list[ObjectIdentifierTypeDef] = []
            for each in page.get("Contents", []):
                name, _, _ = each["Key"].removeprefix(prefix).partition("-")
                abandoned = name != keep and each["LastModified"] < before
                if abandoned or name == original:
                    gone.append({"Key": each["Key"]})
            self._delete(bucket, gone)

    def _clear(self, bucket: str, prefix: str) -> int:
        cleared = 0
        for page in self._pages(bucket, prefix):
            cleared += self._delete(
                bucket, [{"Key": each["Key"]} for each in page.get("Contents", [])]
            )
        return cleared

    def _pages(self, bucket: str, prefix: str) -> "PageIterator[ListObjectsV2OutputTypeDef]":
        return self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=bucket, Prefix=prefix, PaginationConfig={"PageSize": _KEYS_AT_ONCE}
        )

    def _delete(self, bucket: str, keys: "list[ObjectIdentifierTypeDef]") -> int:
        if keys:
            answer = self._s3.delete_objects(Bucket=bucket, Delete={"Objects": keys, "Quiet": True})
            # It answers 200 all the same.
            if refused := answer.get("Errors"):
                raise ShelfError(f"{len(refused)} keys not deleted: {refused[0].get('Code')}")
        return len(keys)

    def _create_bucket(self, bucket: str) -> None:
        region = self._store.region
        try:
            self._s3.head_bucket(Bucket=bucket)
        except ClientError as error:
            if _code(error) not in _ABSENT:
                raise
            # us-east-1 is the one region that must not be named.
            if region == "us-east-1":
                self._s3.create_bucket(Bucket=bucket)
            else:
                place: CreateBucketConfigurationTypeDef = {"LocationConstraint": region}  # type: ignore[typeddict-item]
                self._s3.create_bucket(Bucket=bucket, CreateBucketConfiguration=place)


@asynccontextmanager
async def _patience(seconds: float) -> AsyncIterator[None]:
    """ShelfError for what fails within, or takes longer."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise ShelfError(f"the object store did not answer within {seconds:g} s") from error
    # urllib3's own errors reach us from a body that breaks off, ValueError from headers that lie.
    except (
        BotoCoreError,
        ClientError,
        HTTPError,
        OSError,
        ResponseParserError,
        ValueError,
    ) as error:
        raise ShelfError(str(error)) from error


def _picture(answer: Answer) -> bytes | None:
    """The picture in an answer, or that there is none. Raises UnexpectedError."""
    if answer.status == HTTPStatus.NOT_FOUND and _SAYS_ABSENT.search(answer.body):
        return None
    kind = answer.headers.get("content-type", "")
    if answer.status != HTTPStatus.OK or not kind.startswith("image/") or not answer.body:
        raise UnexpectedError
    return answer.body


def _is_stored(answer: Answer) -> bool:
    """Whether it is, or another was first. Raises UnexpectedError."""
    if answer.status not in (HTTPStatus.OK, HTTPStatus.PRECONDITION_FAILED, HTTPStatus.CONFLICT):
        raise UnexpectedError
    return answer.status == HTTPStatus.OK


def _sent(headers: ObjectHeaders) -> Mapping[str, str]:
    """As they cross the wire; nothing is stored over what is there."""
    return {
        "Content-Type": headers["ContentType"],
        "Cache-Control": headers["CacheControl"],
        **{f"x-amz-meta-{name}": value for name, value in headers["Metadata"].items()},
        "If-None-Match": "*",
    }


def _code(error: ClientError) -> str:
    return str(error.response["Error"]["Code"])
