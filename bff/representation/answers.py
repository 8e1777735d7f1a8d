"""How the API answers: coded as the client likes it, conditional, and with the headers for both."""

import re
from collections.abc import AsyncIterator, Mapping
from http import HTTPStatus
from typing import Any, ClassVar, Final, NamedTuple, TypeVar

import msgspec
from litestar import Request, Response
from litestar.enums import HttpMethod, MediaType
from litestar.response import Stream
from litestar.response.base import ASGIResponse
from litestar.types import HTTPScope, Receive, Scope, Send
from litestar.utils import get_enum_string_value

from bff.representation.codings import LIVE, Choice, Coding, chosen
from bff.representation.content import Coded, Content
from cdn import freshness
from cdn.conditions import matches

T = TypeVar("T")

_encode: Final = msgspec.json.Encoder().encode

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

    @property
    def characters(self) -> int:
        """How long it is."""
        return len(self.accept_encoding or "") + len(self.if_none_match or "")

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


class Sent(ASGIResponse):
    """Status, headers by their names in small letters, and body, as they are sent.

    Litestar's own goes through all of its headers at each touch of one, which takes as long as
    the rest of an answer.
    """

    def __init__(self, status: int, named: dict[str, str], body: bytes) -> None:
        self.status_code = status
        self.named = named
        self.body = body

    @property
    def raw(self) -> list[tuple[bytes, bytes]]:
        """The headers as ASGI has them,"""
        return [
            (name.encode("latin-1"), value.encode("latin-1")) for name, value in self.named.items()
        ]

    @property
    def lines(self) -> bytes:
        """The headers as they are sent."""
        return "".join([f"{each[0]}: {each[1]}\r\n" for each in self.named.items()]).encode(
            "latin-1"
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it (ASGI)."""
        del scope, receive
        status, headers = self.status_code, self.raw
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": False})


class Answer(Response[T]):
    """What every route answers with, by itself: JSON in the coding that the client prefers, with a
    strong entity tag where it can be asked for again, and 304 for who has it (RFC 9110 13.1.2).

    It is one person's unless its Cache-Control says more. What is `no-store` holds a secret: it is
    neither coded, so that its length tells nothing of it (BREACH), nor tagged. What is coded stays
    as it is; a tag that it has already is that of its version. It sets no cookies, and has nothing
    done behind it.
    """

    is_formed: ClassVar[bool] = False

    def __init__(
        self,
        content: T,
        *,
        headers: Mapping[str, str] = {},
        status_code: int | None = None,
        media_type: str | None = None,
        **others: Any,
    ) -> None:
        # Litestar's own looks, each time, for what nobody here gives it.
        del others
        self.content = content
        self.headers = dict(headers)
        self.status_code = status_code
        self.media_type = media_type
        self.background = None
        self.cookies = []

    def to_asgi_response(
        self,
        app: Any,
        request: Request[Any, Any, Any],
        *,
        headers: dict[str, str] | None = None,
        media_type: str | None = None,
        status_code: int | None = None,
        **settled: Any,
    ) -> ASGIResponse:
        """As it is sent; what the route says counts where this says nothing."""
        del app, settled
        return self.sent(request.scope, status_code, headers or {}, media_type)

    def sent(
        self,
        scope: HTTPScope,
        status_code: int | None,
        headers: Mapping[str, str] = {},
        media_type: str | None = None,
    ) -> Sent:
        """The same to a request that Litestar makes nothing of."""
        status = self.status_code or status_code or HTTPStatus.OK
        named = {name.lower(): value for name, value in headers.items()}
        named |= {name.lower(): value for name, value in self.headers.items()}
        body = b""
        if status != HTTPStatus.NO_CONTENT and status != HTTPStatus.NOT_MODIFIED:
            kind = get_enum_string_value(self.media_type or media_type or MediaType.JSON)
            body = _rendered(self.content)
            named.setdefault(
                "content-type", f"{kind}; charset=utf-8" if kind.startswith("text/") else kind
            )
            named["content-length"] = str(len(body))
        sent = Sent(status, named, body)
        if not self.is_formed:
            _form(sent, scope)
        return sent


class Whole(Answer[T]):
    """One whose body is coded, and tagged, as the request wants it."""

    is_formed = True


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


def _form(sent: Sent, scope: HTTPScope) -> None:
    """Code and tag it, as the request wants it."""
    named = sent.named
    is_secret = "no-store" in named.get("cache-control", "")
    kind = named.get("content-type", "")
    if is_secret or "content-encoding" in named or not _CODED.match(kind):
        return
    wanted = wishes(scope)
    version = named.get("etag")
    content = Content(sent.body, version and version.strip('"'))
    coded = content.coded(wanted.choice())
    named["vary"] = f"{named['vary']}, {VARY}" if "vary" in named else VARY
    if coded.coding is not None:
        named["content-encoding"] = coded.coding
    sent.body = coded.body
    named["content-length"] = str(len(coded.body))
    if version is not None:
        named["etag"] = coded.etag
    if scope["method"] == HttpMethod.GET and sent.status_code == HTTPStatus.OK:
        named.setdefault("cache-control", freshness.PERSONAL)
        named["etag"] = coded.etag
        if tag := wanted.has(coded, content):
            _take_back(sent, tag)


def _rendered(content: Any) -> bytes:
    if isinstance(content, bytes):
        return content
    return content.encode() if isinstance(content, str) else _encode(content)


def _take_back(sent: Sent, tag: str) -> None:
    """Answer with 304 instead (RFC 9110 15.4.5)."""
    sent.status_code = HTTPStatus.NOT_MODIFIED
    sent.body = b""
    sent.named["etag"] = tag
    for name in _CONTENT:
        sent.named.pop(name, None)
