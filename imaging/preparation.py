"""The common variants of a new picture, made behind everybody who waits for one."""

import asyncio
import logging
import random
from typing import Final

import msgspec

from cdn.address import LADDER, Format, Variant, resolve
from imaging.origin import DamagedError, NoPictureError, Origin
from imaging.pictures import PictureFacts
from imaging.shelves import ShelfError, Shelves
from imaging.workers import OverloadedError, WorkerError

log = logging.getLogger(__name__)

_RETRY_SECONDS: Final = 0.5
_MOST_TRIES: Final = 120


class Progress(msgspec.Struct, frozen=True):
    """How many of the common variants of a version are on the shelf."""

    version: str
    done: int
    total: int


class Preparation:
    """One task a product; how far it is can be read off the shelf, by any process."""

    def __init__(self, shelves: Shelves, origin: Origin) -> None:
        self._shelves = shelves
        self._origin = origin
        self._tasks: dict[int, asyncio.Task[None]] = {}

    async def progress(self, product_id: int, version: str) -> Progress:
        """How far the variants of a version are, whoever makes them. Raises ShelfError."""
        wanted = {variant.key for variant in _common(product_id, version)}
        there = await self._shelves.listed(product_id, version)
        return Progress(version, len(wanted & there), len(wanted))

    async def start(self, product_id: int, picture: PictureFacts) -> None:
        """Make a picture's common variants, in place of those of the one before."""
        await self.stop(product_id)
        task = asyncio.create_task(self._make_all(product_id, picture))
        self._tasks[product_id] = task
        task.add_done_callback(lambda done: self._forget(product_id, done))

    async def stop(self, product_id: int) -> None:
        """Make no more of a product's."""
        task = self._tasks.pop(product_id, None)
        if task is not None:
            await _cancelled(task)

    async def close(self) -> None:
        """Drop what is still to be made: whoever asks for it first will have it made."""
        await _cancelled(*self._tasks.values())

    def _forget(self, product_id: int, task: asyncio.Task[None]) -> None:
        if self._tasks.get(product_id) is task:
            del self._tasks[product_id]

    async def _make_all(self, product_id: int, picture: PictureFacts) -> None:
        there = await self._there(product_id, picture.version)
        for variant in _common(product_id, picture.version):
            if variant.key not in there:
                await self._make(variant, picture)

    async def _there(self, product_id: int, version: str) -> set[str]:
        """What is on the shelf already: another process may have been told to prepare it, too."""
        try:
            return await self._shelves.listed(product_id, version)
        except ShelfError as error:
            log.warning("product %d: all of its variants are prepared: %s", product_id, error)
            return set()

    async def _make(self, variant: Variant, picture: PictureFacts) -> None:
        """Behind everybody else, and therefore not always at once."""
        for _ in range(_MOST_TRIES):
            try:
                await self._origin.make(variant, picture)
            except (OverloadedError, WorkerError):
                await asyncio.sleep(_RETRY_SECONDS)
            except (ShelfError, DamagedError, NoPictureError) as error:
                log.warning("variant %s was not prepared: %s", variant.key, error)
                return
            else:
                return
        log.warning("variant %s was not prepared: others had to go first", variant.key)


async def _cancelled(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _common(product_id: int, version: str) -> list[Variant]:
    """What pages and apps will ask for first: presets and srcset, in every negotiated format."""
    queries = [f"p={name}" for name in LADDER.presets]
    queries += [f"w={width}" for width in LADDER.srcset]
    wanted: dict[str, Variant] = {}
    # The quick formats first: they stand in for AVIF until it is there. Within each, every process
    # has an order of its own, so that of two on the same picture each finds what the other made.
    for format_ in (Format.WEBP, Format.JPEG, Format.AVIF):
        for query in random.sample(queries, len(queries)):
            variant = resolve(product_id, f"{query}&fm={format_}&v={version}")
            wanted.setdefault(variant.key, variant)
    return list(wanted.values())
