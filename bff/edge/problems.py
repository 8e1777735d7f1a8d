"""Every error as problem details (RFC 9457), with a `type` that clients may rely on."""

import logging
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException

from cdn import freshness
from cdn.address import AddressError, ParameterError, SignatureError
from domain import errors
from imaging.origin import DamagedError, NoPictureError
from imaging.picture import Kind, PictureError
from imaging.routes import ClientGoneError
from imaging.shelves import ShelfError
from imaging.workers import OverloadedError, WorkerError, WorkersUnavailableError

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
Headers = dict[str, str]


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """Problem details: a stable `type`, its `title`, the `status`, and this case's `detail`."""

    type: str
    title: str
    status: int
    detail: str = ""
    errors: list[dict[str, str]] = []


def problem(
    kind: str,
    status: int,
    title: str,
    detail: str = "",
    *,
    errors: list[dict[str, str]] | None = None,
    headers: Headers | None = None,
) -> Response[bytes]:
    """The response for a problem; `kind` is the last part of its `type`."""
    details = Problem(f"urn:comanda:problem:{kind}", title, status, detail, errors or [])
    return Response(
        msgspec.json.encode(details),
        status_code=status,
        media_type=MEDIA_TYPE,
        # An error is nobody's fresh answer, unless its kind says so.
        headers={"Cache-Control": "no-store"} | (headers or {}),
    )


def _later(seconds: int) -> Headers:
    return {"Retry-After": str(seconds)}


def _domain(kind: str, status: HTTPStatus, title: str) -> Callable[..., Response[bytes]]:
    def handle(_: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
        headers: Headers = {}
        if isinstance(error, errors.UnavailableError):
            headers = _later(error.retry_after)
        if isinstance(error, errors.CredentialsError):
            headers = {"WWW-Authenticate": 'Bearer realm="comanda"'}
        return problem(kind, status, title, str(error), headers=headers)

    return handle


def _parameter(_: Request[Any, Any, Any], error: ParameterError) -> Response[bytes]:
    wrong = [{"parameter": error.parameter, "detail": str(error)}]
    return problem("invalid-parameter", 400, "A parameter is wrong", str(error), errors=wrong)


def _address(_: Request[Any, Any, Any], error: AddressError) -> Response[bytes]:
    return problem("not-found", 404, "There is no such picture", str(error))


def _signature(_: Request[Any, Any, Any], error: SignatureError) -> Response[bytes]:
    return problem("bad-signature", 403, "The address is not signed for this", str(error))


def _no_picture(_: Request[Any, Any, Any], error: NoPictureError) -> Response[bytes]:
    headers = {"Cache-Control": freshness.MISSING}
    return problem("no-picture", 404, "There is no such picture", str(error), headers=headers)


def _overloaded(_: Request[Any, Any, Any], error: OverloadedError) -> Response[bytes]:
    # 503 and never 429: a CDN serves what it has on the former only.
    return problem(
        "overloaded", 503, "Try again shortly", str(error), headers=_later(error.retry_after)
    )


def _worker(_: Request[Any, Any, Any], error: WorkerError) -> Response[bytes]:
    log.error("picture not rendered: %s", error)
    seconds = error.retry_after if isinstance(error, WorkersUnavailableError) else 1
    return problem(
        "unavailable",
        503,
        "Try again shortly",
        "The picture was not rendered.",
        headers=_later(seconds),
    )


def _shelf(_: Request[Any, Any, Any], error: ShelfError) -> Response[bytes]:
    log.error("object store: %s", error)
    return problem(
        "unavailable",
        503,
        "Try again shortly",
        "The object store does not answer.",
        headers=_later(2),
    )


def _damaged(_: Request[Any, Any, Any], error: DamagedError) -> Response[bytes]:
    log.error("stored original cannot be rendered: %s", error)
    return problem("undecodable", 502, "The picture is damaged", "Its original is unreadable.")


def _refused_picture(_: Request[Any, Any, Any], error: PictureError) -> Response[bytes]:
    status = {Kind.TOO_MANY_BYTES: 413, Kind.UNSUPPORTED_FORMAT: 415, Kind.NOT_A_PICTURE: 415}
    return problem(error.kind, status.get(error.kind, 422), "The picture is refused", str(error))


def _gone(_: Request[Any, Any, Any], __: ClientGoneError) -> Response[bytes]:
    # Nobody reads it; nginx's number for it tells the log what happened.
    return Response(b"", status_code=499)


def _validation(_: Request[Any, Any, Any], error: ValidationException) -> Response[bytes]:
    wrong = [
        {"parameter": _camel(str(each.get("key", "body"))), "detail": str(each.get("message", ""))}
        for each in (error.extra if isinstance(error.extra, list) else [])
        if isinstance(each, Mapping)
    ]
    return problem(
        "invalid-request",
        400,
        "The request is malformed",
        "; ".join(f"{each['parameter']}: {each['detail']}" for each in wrong) or error.detail,
        errors=wrong,
    )


def _unreadable(_: Request[Any, Any, Any], __: Exception) -> Response[bytes]:
    """Bytes that are no UTF-8, or nested deeper than anybody means."""
    return problem("invalid-request", 400, "The request is malformed", "The body is no JSON.")


def _camel(name: str) -> str:
    """A parameter as the caller wrote it; Litestar tells our own name for it."""
    first, *others = name.split("_")
    return first + "".join(other.capitalize() for other in others)


def _http(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    status = HTTPStatus(error.status_code)
    kind = status.phrase.lower().replace(" ", "-")
    headers = {
        name: value for name, value in (error.headers or {}).items() if name != "content-type"
    }
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        # A server's own words stay in its log.
        log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    detail = error.detail if status < HTTPStatus.INTERNAL_SERVER_ERROR else ""
    return problem(
        kind, status, status.phrase, "" if detail == status.phrase else detail, headers=headers
    )


def _unforeseen(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return problem("internal", 500, "Something went wrong on our side")


HANDLERS: dict[int | type[Exception], Callable[..., Response[bytes]]] = {
    errors.NotFoundError: _domain("not-found", HTTPStatus.NOT_FOUND, "There is no such thing"),
    errors.InvalidError: _domain(
        "invalid-request", HTTPStatus.UNPROCESSABLE_ENTITY, "That cannot be asked"
    ),
    errors.ConflictError: _domain("conflict", HTTPStatus.CONFLICT, "Not as things stand"),
    errors.CredentialsError: _domain("unauthenticated", HTTPStatus.UNAUTHORIZED, "Who is asking?"),
    errors.ForbiddenError: _domain("forbidden", HTTPStatus.FORBIDDEN, "Not yours to do"),
    errors.UnavailableError: _domain(
        "unavailable", HTTPStatus.SERVICE_UNAVAILABLE, "Try again shortly"
    ),
    ParameterError: _parameter,
    NoPictureError: _no_picture,
    AddressError: _address,
    SignatureError: _signature,
    OverloadedError: _overloaded,
    WorkerError: _worker,
    ShelfError: _shelf,
    DamagedError: _damaged,
    PictureError: _refused_picture,
    ClientGoneError: _gone,
    ValidationException: _validation,
    UnicodeDecodeError: _unreadable,
    RecursionError: _unreadable,
    HTTPException: _http,
    Exception: _unforeseen,
}
