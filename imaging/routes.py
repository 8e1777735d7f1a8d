"""The routes that a CDN, or a phone without one, pulls pictures from."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Annotated, Any, Final, TypeVar

from litestar import Request, Response, route
from litestar.di import NamedDependency
from litestar.enums import HttpMethod
from litestar.openapi.spec import Operation, Parameter, Schema
from litestar.openapi.spec.enums import OpenAPIType
from litestar.params import FromPath, PathParameter

from cdn import freshness
from cdn.address import AddressError, Format, KeyRing, Variant, parse, product_in, resolve
from cdn.conditions import byte_range, range_applies, unchanged
from cdn.ladder import LADDER
from cdn.parameters import asked
from imaging.origin import Known, Origin, Served
from imaging.pictures import PictureFacts, shows_through
from imaging.ready import raw_path

T = TypeVar("T")
AnyRequest = Request[Any, Any, Any]
StandIns = Callable[[PictureFacts], list[Variant]]
"""What may be given in place of an AVIF that is not ready, the best first; nothing if it is waited
for. Told only when it is not ready: to work it out takes as long as to read the address."""

# Of whoever serves these routes: pictures have bounds of their own, and a CDN that is answered 429
# does not serve what it has.
UNLIMITED: Final = {"limits": None}
READ: Final = [HttpMethod.GET, HttpMethod.HEAD]
ProductId = Annotated[int, PathParameter(ge=1, le=2**63 - 1)]
_STEPS: Final = ("queue", "fetch", "decode", "transform", "encode", "store")


class ClientGoneError(Exception):
    """The client closed the connection: nobody reads the answer."""


def _side(words: str) -> Schema:
    return Schema(
        type=OpenAPIType.INTEGER, minimum=1, maximum=LADDER.limits.side, description=words
    )


def _text(words: str, pattern: str) -> Schema:
    return Schema(type=OpenAPIType.STRING, pattern=f"^{pattern}$", description=words)


def _one_of(words: str, several: Iterable[str]) -> Schema:
    return Schema(type=OpenAPIType.STRING, enum=[*several], description=words)


_LOWEST, _HIGHEST = LADDER.limits.dpr
_POINT: Final = r"(0|1|0?\.[0-9]{1,8})"
# Read from the raw query by `cdn.address`, so only described here.
_QUERY: Final = {
    "w": _side("width in pixels"),
    "h": _side("height in pixels"),
    "q": _text("quality, 1 to 100, or auto (the default)", "(auto|[1-9][0-9]?|100)"),
    "fit": _one_of("how it fills that; cover is the default", LADDER.fits),
    "g": _text(
        "what stays in view, such as n, se, or a point like 0.3,0.7; c is the default",
        f"({'|'.join(LADDER.gravities)}|{_POINT},{_POINT})",
    ),
    "dpr": Schema(
        type=OpenAPIType.NUMBER, minimum=_LOWEST, maximum=_HIGHEST, description="pixel ratio"
    ),
    "fm": _one_of("the format; auto, the default, goes by Accept", ("auto", *Format)),
    "bg": _text("background, 3 or 6 hexadecimal digits", "[0-9A-Fa-f]{3}([0-9A-Fa-f]{3})?"),
    "v": _text("version; with it the answer is immutable", "[A-Za-z0-9_-]{1,64}"),
    "p": _one_of("preset, for what the address does not say itself", LADDER.presets),
    "anim": _one_of("1 keeps an animation moving, as WebP", ("0", "1")),
    "s": _text("signature, for sizes off the ladder", r"[a-z0-9]{1,16}\.[A-Za-z0-9_-]{43}"),
}


@dataclass
class _PictureOperation(Operation):
    """The description of a picture's route, with the parameters that it reads by itself."""

    def __post_init__(self) -> None:
        described = [
            Parameter(name=name, param_in="query", description=schema.description, schema=schema)
            for name, schema in _QUERY.items()
        ]
        self.parameters = [*(self.parameters or []), *described]


@route(
    "/products/{product_id:int}",
    http_method=READ,
    summary="A product's picture",
    tags=["pictures"],
    opt=UNLIMITED,
    operation_class=_PictureOperation,
)
async def product_picture(
    request: AnyRequest,
    origin: NamedDependency[Origin],
    keys: NamedDependency[KeyRing | None],
    product_id: ProductId,
) -> Response[bytes]:
    """The picture of a product, in the best format that `Accept` names.

    Sizes and qualities go up to the next of the ladder; unknown parameters are dropped. An AVIF
    that is not ready yet is answered as WebP or JPEG, and made meanwhile.
    """
    # The raw query: a framework's decoding may differ from the edge function's.
    query: bytes = request.scope["query_string"]
    headers = request.headers
    if product_in(raw_path(request.scope)) is None:
        raise AddressError("This is not how a product's picture is spelled.")
    accept = ",".join(headers.getall("accept", []))
    save_data = ",".join(headers.getall("save-data", []))
    wanted = partial(resolve, product_id, query, save_data=save_data, keys=keys)

    def stand_ins(_: PictureFacts) -> list[Variant]:
        # Who names AVIF waits for it; who merely accepts it is answered with what is ready.
        if asked(query).format is not None:
            return []
        without_avif = ",".join(each for each in accept.split(",") if "avif" not in each.lower())
        # By the query: an AVIF's own name does not say what shows through a JPEG (`bg`).
        return list(dict.fromkeys([wanted(accept=without_avif), wanted(accept="")]))

    return await _Answer(request, origin).to(wanted(accept=accept), stand_ins)


@route(
    "/v/{path:path}",
    http_method=READ,
    summary="A variant by its canonical path",
    tags=["pictures"],
    opt=UNLIMITED,
)
async def canonical_picture(
    request: AnyRequest,
    origin: NamedDependency[Origin],
    keys: NamedDependency[KeyRing | None],
    path: FromPath[str],  # noqa: ARG001
) -> Response[bytes]:
    """What the edge function makes of a picture's URL. Other paths are not found."""
    variant = parse(raw_path(request.scope), keys)

    def stand_ins(facts: PictureFacts) -> list[Variant]:
        # By the path and nothing else, for caches know no more of whoever asks. All who take AVIF
        # take WebP, and of what shows through a JPEG an AVIF's path says nothing.
        formats = [Format.WEBP] if shows_through(facts) else [Format.WEBP, Format.JPEG]
        return [variant.instead(each) for each in formats]

    return await _Answer(request, origin).to(variant, stand_ins)


class _Answer:
    """One answer to one request, by RFC 9110: conditions before work, then ranges."""

    def __init__(self, request: AnyRequest, origin: Origin) -> None:
        self._request = request
        self._origin = origin

    async def to(self, asked_for: Variant, stand_ins: StandIns) -> Response[bytes]:
        known = await self._origin.facts(asked_for.product_id, asked_for.version)
        facts = known.facts
        # A page that still names an old version is given the picture that there is.
        pinned = asked_for.version == facts.version
        variant = asked_for.at(facts.version)
        headers = freshness.picture(
            variant, pinned=pinned, modified=facts.uploaded_at, sure=known.sure
        )
        if self._has(headers["ETag"], facts.uploaded_at):
            return Response(b"", status_code=304, headers=freshness.not_modified(headers))
        served = self._origin.at_hand(variant)
        if served is None:
            is_avif = variant.recipe.format is Format.AVIF
            instead = [each.at(facts.version) for each in stand_ins(facts)] if is_avif else []
            self._origin.check_room([variant, *instead])
            served = await self._unless_gone(self._served(variant, instead, known))
        if served.variant != variant:
            headers = freshness.stand_in(served.variant)
            if self._has(headers["ETag"], facts.uploaded_at):
                return Response(b"", status_code=304, headers=freshness.not_modified(headers))
        elif pinned:
            again = Served(variant, served.body, "memory")
            ready = headers | _trace(again) | {"Content-Length": str(len(served.body))}
            self._origin.answers.keep(self._request.scope, variant.key, ready, known.until)
        headers |= _trace(served)
        return self._whole_or_part(served.body, headers)

    async def _served(self, variant: Variant, instead: list[Variant], known: Known) -> Served:
        if instead:
            return await self._origin.serve_ready(variant, instead, known)
        return await self._origin.serve(variant, known)

    def _has(self, etag: str, modified: datetime) -> bool:
        headers = self._request.headers
        tags = headers.getall("if-none-match", [])
        return unchanged(
            etag,
            modified,
            if_none_match=",".join(tags) if tags else None,
            if_modified_since=headers.get("if-modified-since"),
        )

    def _whole_or_part(self, body: bytes, headers: freshness.Headers) -> Response[bytes]:
        asked_range = self._request.headers.get("range")
        applies = range_applies(self._request.headers.get("if-range"), headers["ETag"])
        status = 200
        # A range has no meaning for HEAD (RFC 9110 14.2).
        if asked_range and applies and self._request.method == HttpMethod.GET:
            part = byte_range(asked_range, len(body))
            if part is not None:
                status, body = 206, body[part.slice]
                headers = headers | {"Content-Range": part.content_range}
        if self._request.method == HttpMethod.HEAD:
            headers = headers | {"Content-Length": str(len(body))}
            body = b""
        media_type = headers.pop("Content-Type")
        return Response(body, status_code=status, headers=headers, media_type=media_type)

    async def _unless_gone(self, work: Awaitable[T]) -> T:
        """What `work` gives; it is cancelled when the client closes the connection meanwhile."""
        working = asyncio.ensure_future(work)
        watching = asyncio.create_task(self._gone())
        try:
            await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                return working.result()
            raise ClientGoneError
        finally:
            watching.cancel()
            working.cancel()

    async def _gone(self) -> None:
        while (await self._request.receive())["type"] != "http.disconnect":
            pass


def _trace(served: Served) -> freshness.Headers:
    """Where it came from (RFC 9211), and what took how long (Server-Timing, milliseconds)."""
    status = {
        "memory": "comanda-memory; hit",
        "shelf": "comanda-variants; hit",
        "render": f"comanda-variants; fwd=miss{'; stored' if served.stored else ''}",
    }[served.origin]
    steps = [
        f"{step};dur={served.timings[step] * 1000:.1f}" for step in _STEPS if step in served.timings
    ]
    return {"Cache-Status": status} | ({"Server-Timing": ", ".join(steps)} if steps else {})
