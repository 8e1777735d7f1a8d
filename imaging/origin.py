"""The routes that a CDN, or a phone without one, pulls pictures from."""

import asyncio
import logging
import os
from functools import partial
from typing import Annotated, Any, Protocol

from anyio import CapacityLimiter, to_thread
from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.params import PathParameter, QueryParameter

from cdn.address import Recipe, original_key, recipe
from cdn.freshness import PUBLIC, picture_headers
from imaging.render import render
from imaging.shelves import Shelves

log = logging.getLogger(__name__)

MOST_RENDERING = 64


class PictureFacts(Protocol):
    """What the catalogue knows of a picture."""

    @property
    def version(self) -> str: ...


class Pictures(Protocol):
    """The port to whoever knows which picture a product has."""

    async def picture(self, product_id: int) -> PictureFacts | None:
        """The facts of the product's picture, or None."""


class NoPictureError(Exception):
    """There is no such product, or it has no picture."""


class OverloadedError(Exception):
    """More pictures wait to be rendered than can be in reasonable time."""


class Origin:
    """Variants from the shelf, or rendered once and put there."""

    def __init__(self, pictures: Pictures, shelves: Shelves) -> None:
        self._pictures = pictures
        self._shelves = shelves
        # Pillow lets go of the interpreter while it decodes, resizes and encodes.
        self._renderers = CapacityLimiter(os.cpu_count() or 1)
        self._rendering = 0
        self._flights: dict[str, asyncio.Task[tuple[bytes, bool]]] = {}

    async def version(self, product_id: int) -> str:
        """The version of a product's picture; NoPictureError when it has none."""
        facts = await self._pictures.picture(product_id)
        if facts is None:
            raise NoPictureError(f"There is no picture of product {product_id}.")
        return facts.version

    async def variant(self, product_id: int, version: str, asked: Recipe) -> tuple[bytes, bool]:
        """The encoded variant, and whether it was stored already.

        Raises NoPictureError, OverloadedError, UndecodableError, ShelfError.
        """
        key = asked.key(product_id, version)
        # The shelf is looked at inside the flight: whoever looked before it was filled and came
        # back after the flight had landed would render once more.
        flight = self._flights.get(key)
        if flight is None:
            flight = asyncio.create_task(self._fetch(key, product_id, version, asked))
            self._flights[key] = flight
            flight.add_done_callback(partial(self._landed, key))
        # Shielded: whoever goes away does not take the others' picture along.
        return await asyncio.shield(flight)

    def _landed(self, key: str, flight: asyncio.Task[tuple[bytes, bool]]) -> None:
        del self._flights[key]
        # Looked at here, for everyone who waited may have left.
        if not flight.cancelled() and (error := flight.exception()):
            log.warning("variant %s failed: %s", key, error)

    async def _fetch(
        self, key: str, product_id: int, version: str, asked: Recipe
    ) -> tuple[bytes, bool]:
        stored = await self._shelves.variant(key)
        if stored is not None:
            return stored, True
        if self._rendering >= MOST_RENDERING:
            raise OverloadedError(f"{MOST_RENDERING} pictures are being rendered already.")
        self._rendering += 1
        try:
            return await self._render(key, product_id, version, asked), False
        finally:
            self._rendering -= 1

    async def _render(self, key: str, product_id: int, version: str, asked: Recipe) -> bytes:
        original = await self._shelves.original(original_key(product_id, version))
        if original is None:
            raise NoPictureError(f"The original of product {product_id} is missing.")
        body = await to_thread.run_sync(render, original, asked, limiter=self._renderers)
        await self._shelves.keep_variant(key, body, asked.format.media_type, PUBLIC)
        return body


@get("/products/{product_id:int}", summary="A product's picture", tags=["pictures"])
async def product_picture(
    request: Request[Any, Any, Any],
    origin: NamedDependency[Origin],
    product_id: Annotated[int, PathParameter(ge=1, le=2**63 - 1)],
    w: Annotated[str | None, QueryParameter(description="width in pixels, 1 to 10000")] = None,
    h: Annotated[str | None, QueryParameter(description="height in pixels, 1 to 10000")] = None,
    q: Annotated[str | None, QueryParameter(description="quality, 1 to 100; 80 by default")] = None,
) -> Response[bytes]:
    """The picture of a product, filling a box of `w` x `h` pixels, as WebP where `Accept`
    names it and as JPEG elsewhere. Sizes and qualities go up to the next of `cdn/ladder.json`.
    """
    given = {name: value for name, value in (("w", w), ("h", h), ("q", q)) if value is not None}
    asked = recipe(given, request.headers.get("accept", ""))
    version = await origin.version(product_id)
    body, stored = await origin.variant(product_id, version, asked)
    return Response(
        body,
        media_type=asked.format.media_type,
        headers=picture_headers(product_id, version, asked, stored=stored),
    )
