"""An uploaded picture: judged, stored under its content's version, and the old one taken down."""

import asyncio
import hashlib
import logging
import secrets
from collections.abc import AsyncIterable, Sequence
from datetime import UTC, datetime
from typing import Final, Protocol
from weakref import WeakValueDictionary

import msgspec

from cdn.address import original_key
from cdn.freshness import product_tag
from cdn.purge import Purger
from imaging.facts import Facts, facts
from imaging.origin import Origin
from imaging.picture import LIMITS, Kind, PictureError
from imaging.pictures import PictureFacts, Pictures
from imaging.preparation import Preparation
from imaging.pyramid import Level, levels
from imaging.shelves import ShelfError, Shelves, level_key
from imaging.workers import Job, OverloadedError, Workers

log = logging.getLogger(__name__)

# How long a sender may take for all of a picture: 40 MB in it are 5 Mbit/s.
UPLOAD_SECONDS: Final = 60.0
# Uploads held in memory at once, each of at most LIMITS.bytes.
MOST_UPLOADS: Final = 4
_VERSION_DIGITS: Final = 16
_NAME_BYTES: Final = 8


class NewPicture(msgspec.Struct, frozen=True):
    """A stored picture; sizes in pixels and upright, `color` as #rrggbb."""

    version: str
    original: str
    width: int
    height: int
    thumbhash: str
    color: str
    levels: tuple[tuple[int, int], ...]
    uploaded_at: datetime


class Change(Protocol):
    """A product was given a picture, or lost one."""

    @property
    def id(self) -> int: ...

    @property
    def product_id(self) -> int: ...

    @property
    def replaced(self) -> str | None:
        """The version of the picture that it had before."""

    @property
    def original(self) -> str | None:
        """The name of that one's original."""


class Gallery(Pictures, Protocol):
    """The port to whoever keeps which picture a product has."""

    async def hang(self, product_id: int, picture: NewPicture | None) -> Change:
        """Give a product a picture, or none. The change is told again until it is delivered."""


class Outbox(Protocol):
    """The port to whoever tells of changes."""

    async def delivered(self, event_id: int) -> None:
        """A change need not be told again."""


class Intake:
    """What happens to a picture between its sender and the first who looks at it."""

    def __init__(
        self,
        gallery: Gallery,
        outbox: Outbox,
        shelves: Shelves,
        workers: Workers,
        origin: Origin,
        preparation: Preparation,
        purger: Purger,
    ) -> None:
        self._gallery = gallery
        self._outbox = outbox
        self._shelves = shelves
        self._workers = workers
        self._origin = origin
        self._preparation = preparation
        self._purger = purger
        self._uploads = asyncio.Semaphore(MOST_UPLOADS)
        self._turns: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()

    async def accept(self, product_id: int, chunks: AsyncIterable[bytes]) -> NewPicture:
        """Take a product's new picture in place of the one it has.

        Raises PictureError, and then the old one stays; OverloadedError, WorkerError, ShelfError.
        After PurgeError it hangs, and a CDN may show the old one until the outbox is seen to.
        """
        if self._uploads.locked():
            raise OverloadedError("Too many pictures are being uploaded.", retry_after=5)
        async with self._uploads:
            body = await _received(chunks)
            async with self._turn(product_id):
                picture = await self._stored(product_id, body)
                await self._hang(product_id, picture)
        return picture

    async def remove(self, product_id: int) -> None:
        """Take a product's picture away, for good. Raises PurgeError as `accept` does."""
        async with self._turn(product_id):
            await self._hang(product_id, None)

    async def see_to(self, change: Change) -> None:
        """What a change asks for, told some time after it: its own process may have failed, or have
        been killed, and by now none believes in what it replaced, or is rendering it.

        It may be told again, and late: what hangs is asked for anew. Raises ShelfError, PurgeError.
        """
        async with self._turn(change.product_id):
            picture = await self._take_down(change, f"picture change {change.id}, once more")
            # Nobody else's, however late: the very same picture again is another original.
            hanging = None if picture is None else picture.original
            await self._shelves.discard(change.product_id, change.original, keep=hanging)

    def _turn(self, product_id: int) -> asyncio.Lock:
        """One change of a product's picture at a time, or one would take down what another hung."""
        return self._turns.setdefault(product_id, asyncio.Lock())

    async def _stored(self, product_id: int, body: bytes) -> NewPicture:
        # Its header is judged in a process of its own too: strangers wrote it.
        pixels = LIMITS.pixels // 2
        found: Facts = await self._workers.run(Job(facts, body), pixels)
        pyramid: list[Level] = await self._workers.run(
            Job(levels, body), found.width * found.height
        )
        return await shelve(self._shelves, product_id, body, found, pyramid)

    async def _hang(self, product_id: int, picture: NewPicture | None) -> None:
        change = await self._gallery.hang(product_id, picture)
        try:
            await self._take_down(change, f"picture change {change.id}")
        except ShelfError as error:
            # Nobody is shown what stays: its keys carry the old version.
            log.warning("product %d: the old picture is taken down later: %s", product_id, error)
        else:
            if change.replaced is None:
                await self._outbox.delivered(change.id)

    async def _take_down(self, change: Change, cause: str) -> PictureFacts | None:
        """The old variants go before the purge, or a cache could fetch one anew in between.

        What hangs now. Told again for the same `cause`, it purges once.
        """
        product_id = change.product_id
        await self._preparation.stop(product_id)
        picture = await self._gallery.picture(product_id)
        present = None if picture is None else picture.version
        if change.replaced not in (None, present):
            self._origin.forget(product_id, change.replaced)
        nothing_was_left = False
        try:
            # Whatever is not of the present version, of earlier changes too.
            nothing_was_left = await self._shelves.clear(product_id, keep=present) == 0
        finally:
            if picture is not None:
                await self._preparation.start(product_id, picture)
            # The very same picture again has the same variants: nothing is shown that is old.
            if present is None or change.replaced != present:
                # What was left, a cache may have fetched since it was purged for that cause.
                tag = product_tag(product_id)
                await self._purger.purge(tag, cause if nothing_was_left else None)
        return picture


async def shelve(
    shelves: Shelves, product_id: int, body: bytes, found: Facts, pyramid: Sequence[Level]
) -> NewPicture:
    """Store a judged original and its levels; its facts. Raises ShelfError."""
    # The version is the content: the same picture has the same variants for ever. The original
    # is the upload's own: what one change deletes, no other has just acknowledged.
    version = hashlib.sha256(body).hexdigest()[:_VERSION_DIGITS]
    original = f"{version}.{secrets.token_hex(_NAME_BYTES)}"
    for level in pyramid:
        key = level_key(product_id, original, (level.width, level.height))
        await shelves.keep_original(key, level.body, level.format.media_type)
    media_type = f"image/{found.header.container.lower()}"
    await shelves.keep_original(original_key(product_id, original), body, media_type)
    return NewPicture(
        version=version,
        original=original,
        width=found.width,
        height=found.height,
        thumbhash=found.thumbhash,
        color=found.color,
        levels=tuple((level.width, level.height) for level in pyramid),
        uploaded_at=datetime.now(UTC),
    )


async def _received(chunks: AsyncIterable[bytes]) -> bytes:
    """The whole body, refused as soon as it is too long or takes too long."""
    body = bytearray()
    try:
        async with asyncio.timeout(UPLOAD_SECONDS):
            async for chunk in chunks:
                body += chunk
                if len(body) > LIMITS.bytes:
                    raise PictureError(
                        Kind.TOO_MANY_BYTES, f"A picture has at most {LIMITS.bytes:,} bytes."
                    )
    except TimeoutError:
        raise PictureError(
            Kind.BROKEN, f"The picture did not arrive within {UPLOAD_SECONDS:.0f} s."
        ) from None
    return bytes(body)
