"""Where pictures are kept: originals and variants, in two S3 buckets."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

import boto3
from anyio import CapacityLimiter, to_thread
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError

from cdn.address import Variant, original_key, product_prefix, variants_prefix
from cdn.freshness import stored

if TYPE_CHECKING:
    from botocore.paginate import PageIterator
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import (
        CreateBucketConfigurationTypeDef,
        ListObjectsV2OutputTypeDef,
        ObjectIdentifierTypeDef,
    )

T = TypeVar("T")

CONNECTIONS: Final = 32
# Of those, for what is put there and for what is rendered from: many slow writes, or large
# originals, must leave the variants their connections.
WRITERS: Final = 8
FETCHERS: Final = 8
READERS: Final = CONNECTIONS - WRITERS - FETCHERS
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
_ABSENT: Final = frozenset({"404", "NoSuchKey", "NotFound"})
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


class Shelves:
    """boto3 off the event loop: its calls block, so each takes one of a bounded set of threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._readers = CapacityLimiter(READERS)
        self._fetchers = CapacityLimiter(FETCHERS)
        self._writers = CapacityLimiter(WRITERS)
        self._s3: S3Client = boto3.client(
            "s3",
            endpoint_url=store.endpoint,
            region_name=store.region,
            aws_access_key_id=store.access_key,
            aws_secret_access_key=store.secret_key,
            config=Config(
                connect_timeout=1,
                read_timeout=5,
                retries={"mode": "standard", "total_max_attempts": 2},
                max_pool_connections=CONNECTIONS,
                # A named endpoint is near; a proxy of the environment does not know it.
                proxies={} if store.endpoint else None,
                s3={"addressing_style": "path" if store.endpoint else "auto"},
                # Stores beside AWS know Content-MD5 and ETag, not all of the newer checksums.
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )

    async def original(self, key: str) -> bytes | None:
        """The bytes of an original or of one of its levels, or None. Raises ShelfError."""
        fetch = partial(self._get, self._store.originals, key, MOST_ORIGINAL_BYTES)
        return await _in_time(fetch, self._fetchers, READ_PATIENCE)

    async def variant(self, key: str) -> bytes | None:
        """The bytes of a stored variant, or None. Raises ShelfError."""
        return await self._read(partial(self._get, self._store.variants, key, MOST_VARIANT_BYTES))

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
        put = partial(
            self._s3.put_object,
            Bucket=self._store.variants,
            Key=variant.key,
            Body=body,
            IfNoneMatch="*",
            **stored(variant),
        )
        try:
            await self._write(put)
        except ShelfError as error:
            if (
                isinstance(error.__cause__, ClientError)
                and _code(error.__cause__) in _THERE_ALREADY
            ):
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
        self._s3.close()

    async def _read(self, call: Callable[[], T]) -> T:
        return await _in_time(call, self._readers, READ_PATIENCE)

    async def _write(self, call: Callable[[], T]) -> T:
        return await _in_time(call, self._writers, WRITE_PATIENCE)

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


async def _in_time(call: Callable[[], T], threads: CapacityLimiter, seconds: float) -> T:
    """What `call` returns; a thread that hangs is left to end by its own timeouts."""
    try:
        async with asyncio.timeout(seconds):
            return await to_thread.run_sync(call, limiter=threads, abandon_on_cancel=True)
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


def _code(error: ClientError) -> str:
    return str(error.response["Error"]["Code"])
