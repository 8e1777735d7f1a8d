"""How the API answers: coded as the client likes it, conditional, and with the headers for both."""

import re
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Any, Final, NamedTuple, TypeVar

from litestar import Request, Response
from litestar.enums import HttpMethod
from litestar.response import Stream
from litestar.response.base import ASGIResponse
from litestar.types import HTTPScope

from bff.representation.codings import LIVE, Choice, Coding, chosen
from bff.representation.content import Coded, Content
from cdn import freshness
from cdn.conditions import matches

T = TypeVar("T")

# Said with every answer that could have been coded, also with those that were not.
VARY: Final = "Accept-Encoding, X-No-Compression"
# Pictures are as small as they get.
_CODED: Final = re.compile(r"application/(?:[\w.]+\+)?json|text/")
_CONTENT: Final = ("content-type", "content-length", "content-encoding", "link")
_NO_COMPRESSION: Final = b"x-no-compression"


class Wishes(NamedTuple):
    """What a request says of the answer's form."""

    accept_encoding: str | None
    if_none_match: str | None

    def choice(self, among: tuple[Coding, ...] = LIVE) -> Choice:
        """The coding of the answer."""
        return chosen(self.accept_encoding, among)

    def has(self, coded: Coded, content: Content) -> str | None:
        """The tag by which the client has the content already, in the coding it would get."""
        asked = self.if_none_match
        if asked is None:
            return None
        return next((tag for tag in content.known_as(coded) if matches(tag, asked)), None)


def wishes(scope: HTTPScope) -> Wishes:
    """What the headers say; a client that sends X-No-Compression wants the bytes as they are."""
    accepted, known, is_plain = [], [], False
    for name, value in scope["headers"]:
        if name == b"accept-encoding":
            accepted.append(value.decode("latin-1"))
        elif name == b"if-none-match":
            known.append(value.decode("latin-1"))
        elif name == _NO_COMPRESSION:
            is_plain = True
    return Wishes(
        ",".join(accepted) if accepted and not is_plain else None,
        ",".join(known) if known else None,
    )


class Answer(Response[T]):
    """What every route answers with, by itself: JSON in the coding that the client prefers, with a
    strong entity tag where it can be asked for again, and 304 for who has it (RFC 9110 13.1.2).

    It is one person's unless its Cache-Control says more. What is `no-store` holds a secret: it is
    neither coded, so that its length tells nothing of it (BREACH), nor tagged. What is coded stays
    as it is; a tag that it has already is that of its version.
    """

    def to_asgi_response(
        self, app: Any, request: Request[Any, Any, Any], **settled: Any
    ) -> ASGIResponse:
        answer = super().to_asgi_response(app, request, **settled)
        headers = answer.headers
        is_secret = "no-store" in headers.get("cache-control", "")
        kind = headers.get("content-type", "")
        if is_secret or "content-encoding" in headers or not _CODED.match(kind):
            return answer
        wanted = wishes(request.scope)
        version = headers.get("etag")
        content = Content(answer.body, version and version.strip('"'))
        coded = content.coded(wanted.choice())
        headers["vary"] = _joined(headers.get("vary"), VARY)
        if coded.coding is not None:
            headers["content-encoding"] = coded.coding
        answer.body = coded.body
        headers["content-length"] = str(len(coded.body))
        if version is not None:
            headers["etag"] = coded.etag
        if request.method == HttpMethod.GET and answer.status_code == HTTPStatus.OK:
            headers.setdefault("cache-control", freshness.PERSONAL)
            headers["etag"] = coded.etag
            if tag := wanted.has(coded, content):
                _take_back(answer, tag)
        return answer


class Whole(Answer[T]):
    """One whose body is coded, and tagged, as the request wants it."""

    def to_asgi_response(
        self, app: Any, request: Request[Any, Any, Any], **settled: Any
    ) -> ASGIResponse:
        return Response.to_asgi_response(self, app, request, **settled)


def streamed(
    request: Request[Any, Any, Any],
    pieces: AsyncIterator[str],
    media_type: str,
    headers: dict[str, str],
) -> Stream:
    """A long answer that is coded while it is sent; what comes by pieces leaves by pieces."""
    coding = wishes(request.scope).choice().coding
    headers = headers | {"Vary": VARY}
    if coding is None:
        return Stream(pieces, media_type=media_type, headers=headers)
    headers["Content-Encoding"] = coding.name
    return Stream(_coded(pieces, coding), media_type=media_type, headers=headers)


async def _coded(pieces: AsyncIterator[str], coding: Coding) -> AsyncIterator[bytes]:
    stream = coding.stream()
    async for piece in pieces:
        if piece:
            yield stream.piece(piece.encode())
    yield stream.end()


def _take_back(answer: ASGIResponse, tag: str) -> None:
    """Answer with 304 instead (RFC 9110 15.4.5)."""
    answer.status_code = HTTPStatus.NOT_MODIFIED
    answer.body = b""
    answer.headers["etag"] = tag
    for name in _CONTENT:
        if name in answer.headers:
            del answer.headers[name]


def _joined(vary: str | None, more: str) -> str:
    return f"{vary}, {more}" if vary else more
