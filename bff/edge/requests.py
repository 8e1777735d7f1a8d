"""A request as Litestar knows it, but that JSON has to be called so and is taken at its word, and a
sender may leave."""

import logging
import re
from collections.abc import AsyncGenerator, Iterable
from datetime import UTC, datetime
from functools import lru_cache
from http import HTTPStatus
from typing import Any, Final

import msgspec
from litestar import Request
from litestar.enums import RequestEncodingType
from litestar.exceptions import (
    ClientException,
    InternalServerException,
    ValidationException,
)
from litestar.handlers import HTTPRouteHandler

from imaging.routes import ClientGoneError

log = logging.getLogger(__name__)

JSON: Final = RequestEncodingType.JSON.value
# What a PATCH may be called as well (RFC 7396).
MERGE_PATCH: Final = "application/merge-patch+json"
_NUMBER: Final = re.compile("[-+0-9.eE]+")
# What msgspec tells of where in a body something is wrong.
_PLACE: Final = re.compile(r"(?P<message>.*?)(?: - at `\$\.?(?P<key>.*)`)?", re.DOTALL)


class ApiRequest(Request[Any, Any, Any]):
    """Refuses a JSON body of another Content-Type, or of none, which Litestar would read, and one
    where a text stands for a number or 0 for false, which it would take; and a sender that leaves
    is not a fault of the server's."""

    async def stream(self) -> AsyncGenerator[bytes, None]:
        """The body as it comes. Raises ClientGoneError."""
        try:
            async for chunk in super().stream():
                yield chunk
        except InternalServerException as error:
            if not self.is_connected:
                raise
            log.info("%s %s: its sender has gone", self.method, self.url.path)
            raise ClientGoneError from error

    async def json(self) -> Any:
        media_type, _ = self.content_type
        taken = (MERGE_PATCH, JSON) if self.method == "PATCH" else (JSON,)
        if media_type not in taken:
            raise ClientException(
                f"Send it as {taken[0]}, and say so in Content-Type.",
                status_code=HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                # RFC 9110 12.5.1, RFC 5789 3.1: what would have been taken.
                headers={"Accept-Patch" if MERGE_PATCH in taken else "Accept": ", ".join(taken)},
            )
        return read(self.route_handler, await self.body())


async def refuse_guesses(request: Request[Any, Any, Any]) -> None:
    """Raises ValidationException for a body that is missing, of which Litestar tells its own name,
    and for what msgspec would make of an address though nobody has described it: of a number or
    the like that is `null`, that nothing was said; of a number, a moment, or of what is none
    elsewhere."""
    if request.route_handler.parsed_data_field is not None and not await request.body():
        wrong = {"key": "body", "message": "there is none", "source": "body"}
        raise ValidationException(extra=[wrong])
    if request.scope["query_string"]:
        refuse_guessed(request.route_handler, request.query_params.multi_items())


def refuse_guessed(handler: HTTPRouteHandler, given: Iterable[tuple[str, str]]) -> None:
    """The same for an address alone, of which these parameters are given."""
    guessed = _guessed(handler)
    if not guessed:
        return
    for name, value in given:
        kind = guessed.get(name)
        if kind and (value == "null" or (kind is datetime and not _is_moment(value))):
            wrong = {"key": name, "message": f"{value[:32]} is none", "source": "query"}
            raise ValidationException(extra=[wrong])


@lru_cache(maxsize=256)
def _taken(handler: HTTPRouteHandler) -> msgspec.json.Decoder[Any]:
    """Reads a body as what the route takes."""
    field = handler.parsed_data_field
    return msgspec.json.Decoder(Any if field is None else field.annotation)


def read(handler: HTTPRouteHandler, body: bytes) -> Any:
    """A body of JSON as the route takes it; what only resembles that is refused."""
    taken = _taken(handler)
    try:
        try:
            return taken.decode(body)
        except msgspec.ValidationError:
            # 2.0 is an integer, too (JSON Schema 6.1.1), and some write them so.
            return msgspec.convert(_whole(msgspec.json.decode(body)), taken.type)
    except msgspec.ValidationError as error:
        told = _PLACE.fullmatch(str(error))
        assert told is not None
        wrong = {"key": told["key"] or "body", "message": told["message"], "source": "body"}
        raise ValidationException(extra=[wrong]) from error
    except msgspec.DecodeError as error:
        raise ClientException(str(error)) from error


def _whole(value: Any) -> Any:
    """The value with integers for floats that are."""
    match value:
        case dict():
            return {name: _whole(each) for name, each in value.items()}
        case list():
            return [_whole(each) for each in value]
        case float() if value.is_integer():
            return int(value)
    return value


def _is_moment(value: str) -> bool:
    """Whether it is one everywhere, too: the first day that there is begins earlier in Asia."""
    try:
        datetime.fromisoformat(value).astimezone(UTC)
    except OverflowError:
        return False
    except ValueError:
        # That is told by its type.
        pass
    return _NUMBER.fullmatch(value) is None


@lru_cache(maxsize=256)
def _guessed(handler: HTTPRouteHandler) -> dict[str, type]:
    """The parameters of a route that may be left out and are no texts, each with what it is."""
    return {
        getattr(field.kwarg_definition, "name", None) or name: field.inner_types[0].annotation
        for name, field in handler.parsed_fn_signature.parameters.items()
        if field.is_optional and str not in field.args
    }
