"""The headers by which nobody changes what they have not seen (RFC 9110 8.8.3, 13.1.1)."""

import re
from http import HTTPStatus
from typing import Annotated, Final

from litestar.datastructures import ResponseHeader
from litestar.exceptions import HTTPException
from litestar.params import HeaderParameter

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


def named(version: int) -> dict[str, str]:
    """The header that names a version, to which the answer adds its bytes."""
    return {"ETag": f'"{version}"'}


def placed(version: int, location: str) -> dict[str, str]:
    """The headers of what is new."""
    return {"ETag": f'"{version}"', "Location": location}
