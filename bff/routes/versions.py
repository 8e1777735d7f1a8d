"""What has a version: the headers by which nobody changes what they have not seen (RFC 9110 8.8.3,
13.1.1), and what routes to it have in common."""

import re
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Final, Protocol, TypedDict, TypeVar

from litestar.datastructures import ResponseHeader
from litestar.exceptions import HTTPException
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import HeaderParameter

from bff.edge import kinds
from bff.edge.kinds import Kind
from bff.edge.problems import declared
from bff.representation.answers import Answer
from bff.representation.fields import FieldSet, Resource, answered
from bff.representation.shared import Made
from bff.routes.auth import BEARER, JSON_PROBLEMS
from domain.versions import Expected

_TAG: Final = r'(W/)?"[\x21\x23-\x7e]*"'
IfMatch = Annotated[
    str | None,
    HeaderParameter(
        name="If-Match",
        max_length=256,
        pattern=rf"^(\*|{_TAG}( ?, ?{_TAG})*)$(?!\n)",
        description="the ETag of what was seen: a change of anything else is refused; * stands"
        " for whatever there is",
    ),
]
ETAG: Final = ResponseHeader(
    name="ETag",
    value='"7"',
    required=True,
    description="names this version, for If-Match; strong",
    documentation_only=True,
)
LOCATION: Final = ResponseHeader(
    name="Location",
    value="/api/products/7",
    required=True,
    description="where it is from now on",
    documentation_only=True,
)
# What follows the version is of the bytes and their coding; a weak one matches nothing.
_OURS: Final = re.compile(r'(?<!/)"([0-9]{1,10})(?:[-.;+][^"]*)?"')


def expected(if_match: str | None) -> Expected:
    """The versions that a change may be made to; 428 where none is named (RFC 6585 3)."""
    if if_match is None:
        raise HTTPException(
            "Send the ETag of what you have seen as If-Match.",
            status_code=HTTPStatus.PRECONDITION_REQUIRED,
        )
    return None if if_match == "*" else frozenset(map(int, _OURS.findall(if_match)))


class Versioned(Protocol):
    """What goes out of it."""

    @property
    def version(self) -> int:
        """Another one after each change."""


V = TypeVar("V", bound=Versioned)


def versioned(view: V, at: str | None = None) -> Answer[V]:
    """The answer with the header that names the version, to which it adds its bytes; and, of what
    is new, where it is from now on."""
    headers = {"ETag": f'"{view.version}"'}
    return Answer(view, headers=headers if at is None else headers | {"Location": at})


def alone(view: Versioned, chosen: FieldSet, until: datetime | None = None) -> Made:
    """One thing as everybody is told of it, under its version, until it turns by itself."""
    return Made(chosen.of(view), until=until, version=str(view.version))


class Declared(TypedDict, total=False):
    """What the decorator of a route is told."""

    security: list[dict[str, list[str]]]
    response_headers: list[ResponseHeader]
    responses: dict[int, ResponseSpec]


_READ: Final = (kinds.INVALID_PARAMETER, kinds.NOT_FOUND, kinds.UNAVAILABLE)
_WHO: Final = (kinds.UNAUTHENTICATED, kinds.FORBIDDEN)


def showing(resource: Resource) -> Declared:
    """Of a route that shows one to everybody."""
    shown = answered(resource.shape, "Of it what `fields` names, by default all")
    return {"responses": declared(*_READ) | shown}


def reading() -> Declared:
    """Of a route that shows one to who may."""
    return {
        "security": BEARER,
        "response_headers": [ETAG],
        "responses": declared(*_READ, *_WHO),
    }


def adding(*more: Kind) -> Declared:
    """Of a route that makes another one, once a key."""
    problems = (*JSON_PROBLEMS, *_WHO, kinds.IN_FLIGHT, kinds.KEY_REUSED, *more)
    return {
        "security": BEARER,
        "response_headers": [ETAG, LOCATION],
        "responses": declared(*problems),
    }


def changing(*more: Kind) -> Declared:
    """Of a route that changes what was seen, and shows what became of it."""
    return {**removing(*JSON_PROBLEMS, *more), "response_headers": [ETAG]}


def removing(*more: Kind) -> Declared:
    """Of a route that takes away what was seen."""
    problems = (*_READ, *_WHO, kinds.CHANGED, kinds.CONDITION_REQUIRED, *more)
    return {"security": BEARER, "responses": declared(*dict.fromkeys(problems))}
