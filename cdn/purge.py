"""Taking a picture out of CloudFront by its cache tag, in every size and format at once."""

import asyncio
import hashlib
import logging
import random
import re
from collections import deque
from collections.abc import Mapping
from typing import Any, Final, Protocol
from uuid import uuid4

import msgspec
from anyio import to_thread
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionError, HTTPClientError

log = logging.getLogger(__name__)

# CloudFront has up to 3,000 tags and paths of a distribution in progress at a time; a third of
# it in one request leaves room for the next ones, and for other people's.
MOST_IN_A_BATCH: Final = 1000
# What waits for a CloudFront that does not answer is bounded: after that, say so at once.
MOST_WAITING: Final = 10_000
WINDOW: Final = 0.2
ATTEMPTS: Final = 6
_FIRST_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 20.0

# ASCII without blanks and commas, up to 256 characters, case-insensitive; no wildcards.
_TAG: Final = re.compile(r"[!-+\--~]{1,256}")
_BUSY: Final = frozenset(
    {
        # A 400, though it says the same as any 503: later.
        "TooManyInvalidationsInProgress",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "RequestLimitExceeded",
        "PriorRequestNotComplete",
    }
)

CLIENT_CONFIG: Final = Config(
    connect_timeout=3, read_timeout=10, retries={"total_max_attempts": 1, "mode": "standard"}
)
"""For the boto3 client: bounded in time, and the retries are ours, which know TooMany..."""


class PurgeError(Exception):
    """A purge was not accepted. Who asked for it asks again, for the old picture may be served
    until its time is over."""


class Purger(Protocol):
    """The port to the CDN's purge."""

    async def purge(self, tag: str, cause: str | None = None) -> None:
        """Purge what carries the tag; returns when the CDN has accepted it.

        `cause` names the change that makes it necessary (a fence, an event's id): the same
        purge asked for twice is then made once. Raises PurgeError.
        """

    async def close(self) -> None:
        """Wait for what is under way."""


class Purged(msgspec.Struct, frozen=True):
    """One purge that was asked for."""

    tag: str
    cause: str


class RecordedPurges:
    """Where there is no CloudFront: the last purges, to be looked at and logged."""

    def __init__(self, most: int = 1000) -> None:
        self.made: deque[Purged] = deque(maxlen=most)

    async def purge(self, tag: str, cause: str | None = None) -> None:
        """Record it."""
        self.made.append(Purged(_checked(tag), cause or uuid4().hex))
        log.info("purge of %s recorded: no CloudFront is configured", tag)

    async def close(self) -> None:
        """Nothing is ever under way."""


class InvalidationClient(Protocol):
    """The part of boto3's CloudFront client that is used."""

    def create_invalidation(
        self,
        *,
        DistributionId: str,  # noqa: N803
        InvalidationBatch: Any,  # noqa: N803
    ) -> Any:
        """POST /2020-05-31/distribution/{DistributionId}/invalidation."""


class CloudFrontPurger:
    """Purges in batches: what comes within a window goes in one request, each tag once."""

    def __init__(
        self,
        client: InvalidationClient,
        distribution_id: str,
        *,
        window: float = WINDOW,
        first_pause: float = _FIRST_PAUSE,
        attempts: int = ATTEMPTS,
        most_waiting: int = MOST_WAITING,
    ) -> None:
        """`client` is boto3's, with CLIENT_CONFIG; `window` and `first_pause` are in seconds."""
        self._client = client
        self._distribution_id = distribution_id
        self._window = window
        self._first_pause = first_pause
        self._attempts = attempts
        self._most_waiting = most_waiting
        self._waiting: dict[Purged, asyncio.Future[None]] = {}
        self._sender: asyncio.Task[None] | None = None

    async def purge(self, tag: str, cause: str | None = None) -> None:
        """As the port says. Whoever is cancelled while waiting has still asked for it."""
        wanted = Purged(_checked(tag), cause or uuid4().hex)
        accepted = self._waiting.get(wanted)
        if accepted is None:
            if len(self._waiting) >= self._most_waiting:
                raise PurgeError(f"{self._most_waiting} purges wait for CloudFront already.")
            accepted = asyncio.get_running_loop().create_future()
            self._waiting[wanted] = accepted
        if self._sender is None or self._sender.done():
            self._sender = asyncio.create_task(self._send_all())
        await asyncio.shield(accepted)

    async def close(self) -> None:
        """Wait for what is under way, which takes no longer than all its attempts."""
        if self._sender is not None:
            await self._sender

    async def _send_all(self) -> None:
        while self._waiting:
            await asyncio.sleep(self._window)
            batch = self._next_batch()
            try:
                await self._send(sorted(batch, key=msgspec.structs.astuple))
            except PurgeError as error:
                log.error("purge of %d tags failed: %s", len(batch), error)
                _settle(batch, error)
            else:
                _settle(batch, None)

    def _next_batch(self) -> dict[Purged, asyncio.Future[None]]:
        """The longest waiting, up to the limit of tags."""
        batch: dict[Purged, asyncio.Future[None]] = {}
        tags: set[str] = set()
        for wanted in list(self._waiting):
            if wanted.tag not in tags and len(tags) == MOST_IN_A_BATCH:
                break
            tags.add(wanted.tag)
            batch[wanted] = self._waiting.pop(wanted)
        return batch

    async def _send(self, batch: list[Purged]) -> None:
        """One invalidation, tried again while CloudFront is busy or away. Raises PurgeError."""
        items = [f"#{tag}" for tag in sorted({wanted.tag for wanted in batch})]
        invalidation = {
            "Paths": {"Quantity": len(items), "Items": items},
            "CallerReference": _reference(batch),
        }
        pause = self._first_pause
        for attempt in range(1, self._attempts + 1):
            try:
                await to_thread.run_sync(self._invalidate, invalidation)
            except Exception as error:
                # Whatever it is: nobody is left waiting for an answer that will not come.
                if attempt == self._attempts or not _passes(error):
                    raise PurgeError(f"CloudFront: {error}") from error
                log.warning("purge, attempt %d of %d: %s", attempt, self._attempts, error)
                # Spread, for whatever made this process wait made the others wait as well.
                await asyncio.sleep(random.uniform(pause / 2, pause))
                pause = min(2 * pause, _LONGEST_PAUSE)
            else:
                return

    def _invalidate(self, invalidation: Mapping[str, object]) -> None:
        self._client.create_invalidation(
            DistributionId=self._distribution_id, InvalidationBatch=invalidation
        )


def _checked(tag: str) -> str:
    if not _TAG.fullmatch(tag):
        raise ValueError(f"{tag[:32]!r} is no cache tag: 1 to 256 visible ASCII, without a comma")
    return tag.lower()


def _reference(batch: list[Purged]) -> str:
    """The CallerReference, made of what is purged and why: CloudFront answers a second request
    that has it with the first one's invalidation, so an attempt whose answer was lost, or an
    event that is delivered twice in the same company, costs nothing. Another cause makes another
    invalidation."""
    lines = "\n".join(f"{wanted.tag} {wanted.cause}" for wanted in batch)
    return hashlib.sha256(lines.encode()).hexdigest()


def _passes(error: Exception) -> bool:
    """Whether the same request may succeed later."""
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return status >= 500 or error.response.get("Error", {}).get("Code") in _BUSY
    return isinstance(error, ConnectionError | HTTPClientError)


def _settle(batch: Mapping[Purged, asyncio.Future[None]], error: PurgeError | None) -> None:
    for accepted in batch.values():
        if accepted.cancelled():
            continue
        if error is None:
            accepted.set_result(None)
        else:
            accepted.set_exception(error)
            # Looked at here, for everyone who waited may have left.
            accepted.exception()
