"""Every error as problem details (RFC 9457), with a `type` that clients may rely on."""

import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.openapi.datastructures import ResponseSpec

from bff.edge import kinds
from bff.edge.exchange import Exchange, instance
from bff.edge.kinds import Kind
from bff.edge.limits.policies import LimitedError
from cdn import freshness
from cdn.address import AddressError, ParameterError, SignatureError
from cdn.conditions import UnsatisfiableRangeError
from cdn.purge import PurgeError
from domain import errors
from domain.model.money import to_decimal
from imaging.origin import DamagedError, NoPictureError
from imaging.picture import Kind as Refusal
from imaging.picture import PictureError
from imaging.placeholder import Placeholder
from imaging.routes import ClientGoneError
from imaging.shelves import ShelfError
from imaging.workers import OverloadedError, WorkerError, WorkersUnavailableError

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
Headers = dict[str, str]
# Where a wrong parameter makes the address wrong, in Litestar's words.
_ADDRESS = ("query", "path")


class Present(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """How things stand, as far as that is why a request was refused."""

    total_amount: str | None = None
    balance: str | None = None
    opens_at: datetime | None = None
    version: int | None = None
    status: str | None = None


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """Problem details: a stable `type`, its `title`, the `status`, and this case's `detail`."""

    type: str
    title: str
    status: int
    detail: str = ""
    instance: str = ""
    """Of this very case, to be quoted to whoever can look it up in the log."""
    errors: list[dict[str, str]] = []
    present: Present | None = None


def details(
    kind: Kind,
    detail: str = "",
    errors: list[dict[str, str]] | None = None,
    present: Present | None = None,
    exchange: Exchange | None = None,
) -> bytes:
    """A problem as JSON, of the request that is being answered if no other is named."""
    of = instance() if exchange is None else exchange.instance
    return msgspec.json.encode(
        Problem(kind.type, kind.title, kind.status, detail, of, errors or [], present)
    )


def problem(
    kind: Kind,
    detail: str = "",
    *,
    errors: list[dict[str, str]] | None = None,
    present: Present | None = None,
    headers: Headers | None = None,
) -> Response[bytes]:
    """The response for a problem; `detail` is for whoever asked."""
    return Response(
        details(kind, detail, errors, present),
        status_code=kind.status,
        media_type=MEDIA_TYPE,
        # An error is nobody's fresh answer, unless its kind says so.
        headers={"Cache-Control": "no-store"} | (headers or {}),
    )


def declared(*several: Kind) -> dict[int, ResponseSpec]:
    """What a route's description says of the problems that it may answer, by status."""
    words: dict[int, list[str]] = {}
    for kind in several:
        words.setdefault(kind.status, []).append(f"{kind.title} (`{kind.type}`)")
    return {
        status: ResponseSpec(
            Problem,
            generate_examples=False,
            description="; ".join(each),
            media_type=MEDIA_TYPE,
        )
        for status, each in words.items()
    }


def answer(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """The response for what a route has raised."""
    handle = next(HANDLERS[kind] for kind in type(error).__mro__ if kind in HANDLERS)
    return handle(request, error)


def _later(seconds: int) -> Headers:
    return {"Retry-After": str(seconds)}


def _domain(kind: Kind) -> Callable[..., Response[bytes]]:
    def handle(_: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
        headers: Headers = {}
        if isinstance(error, errors.UnavailableError):
            headers = _later(error.retry_after)
        if isinstance(error, errors.CredentialsError):
            headers = {"WWW-Authenticate": 'Bearer realm="comanda"'}
        if isinstance(error, errors.InFlightError):
            headers = _later(1)
        return problem(kind, str(error), present=_present(error), headers=headers)

    return handle


def _present(error: Exception) -> Present | None:
    match error:
        case errors.PriceError():
            return Present(total_amount=to_decimal(error.total_minor))
        case errors.FundsError():
            return Present(
                total_amount=to_decimal(error.total_minor), balance=to_decimal(error.balance_minor)
            )
        case errors.ClosedError():
            return Present(opens_at=error.opens_at)
        case errors.ChangedError():
            return Present(version=error.version)
        case errors.MovedOnError():
            return Present(version=error.version, status=error.status)
    return None


def _parameter(_: Request[Any, Any, Any], error: ParameterError) -> Response[bytes]:
    wrong = [{"parameter": error.parameter, "detail": str(error)}]
    return problem(kinds.INVALID_PARAMETER, str(error), errors=wrong, headers=freshness.refused())


def _address(_: Request[Any, Any, Any], error: AddressError) -> Response[bytes]:
    return problem(kinds.NOT_FOUND, str(error), headers=freshness.refused())


def _signature(_: Request[Any, Any, Any], error: SignatureError) -> Response[bytes]:
    return problem(kinds.BAD_SIGNATURE, str(error), headers=freshness.refused())


def _range(_: Request[Any, Any, Any], error: UnsatisfiableRangeError) -> Response[bytes]:
    headers = freshness.refused() | {"Content-Range": error.content_range}
    return problem(kinds.NO_SUCH_RANGE, str(error), headers=headers)


def _no_picture(request: Request[Any, Any, Any], error: NoPictureError) -> Response[bytes]:
    # With its tag, so that the purge after an upload takes this answer away too.
    headers = freshness.missing(error.product_id)
    shown: Placeholder | None = request.app.state.get("placeholder")
    if shown is None:
        return problem(kinds.NO_PICTURE, str(error), headers=headers)
    return Response(
        shown.body,
        status_code=kinds.NO_PICTURE.status,
        media_type=shown.media_type,
        headers=headers,
    )


def _overloaded(_: Request[Any, Any, Any], error: OverloadedError) -> Response[bytes]:
    # 503 and never 429: a CDN serves what it has on the former only.
    return problem(kinds.OVERLOADED, str(error), headers=freshness.unavailable(error.retry_after))


def _limited(_: Request[Any, Any, Any], error: LimitedError) -> Response[bytes]:
    return problem(kinds.TOO_MANY_REQUESTS, str(error), headers=_later(error.decision.retry_after))


def _worker(_: Request[Any, Any, Any], error: WorkerError) -> Response[bytes]:
    log.error("picture not rendered: %s", error)
    seconds = error.retry_after if isinstance(error, WorkersUnavailableError) else 1
    return problem(
        kinds.UNAVAILABLE, "The picture was not rendered.", headers=freshness.unavailable(seconds)
    )


def _shelf(_: Request[Any, Any, Any], error: ShelfError) -> Response[bytes]:
    log.error("object store: %s", error)
    return problem(
        kinds.UNAVAILABLE, "The object store does not answer.", headers=freshness.unavailable(2)
    )


def _purge(_: Request[Any, Any, Any], error: PurgeError) -> Response[bytes]:
    log.error("purge: %s", error)
    return problem(
        kinds.UNAVAILABLE,
        "The picture was changed, but some may be shown the old one for a while.",
        headers=_later(60),
    )


def _damaged(_: Request[Any, Any, Any], error: DamagedError) -> Response[bytes]:
    log.error("stored original cannot be rendered: %s", error)
    return problem(kinds.UNDECODABLE, "Its original is unreadable.")


def _refused_picture(_: Request[Any, Any, Any], error: PictureError) -> Response[bytes]:
    if error.kind is Refusal.TOO_MANY_BYTES:
        return problem(kinds.BODY_TOO_LARGE, str(error))
    return problem(kinds.BY_NAME[error.kind], str(error))


def _gone(_: Request[Any, Any, Any], __: ClientGoneError) -> Response[bytes]:
    # Nobody reads it; nginx's number for it tells the log what happened.
    return Response(b"", status_code=499)


def _validation(_: Request[Any, Any, Any], error: ValidationException) -> Response[bytes]:
    told = error.extra if isinstance(error.extra, list) else []
    told = [each for each in told if isinstance(each, Mapping)]
    wrong = [
        {"parameter": _camel(str(each.get("key", "body"))), "detail": str(each.get("message", ""))}
        for each in told
    ]
    in_address = bool(told) and all(each.get("source") in _ADDRESS for each in told)
    return problem(
        kinds.INVALID_PARAMETER if in_address else kinds.INVALID_REQUEST,
        "; ".join(f"{each['parameter']}: {each['detail']}" for each in wrong) or error.detail,
        errors=wrong,
    )


def _unreadable(_: Request[Any, Any, Any], __: Exception) -> Response[bytes]:
    """Bytes that are no UTF-8, or nested deeper than anybody means."""
    return problem(kinds.INVALID_REQUEST, "The body is no JSON.")


def _camel(name: str) -> str:
    """A parameter as the caller wrote it; Litestar tells our own name for it."""
    first, *others = name.split("_")
    return first + "".join(other.capitalize() for other in others)


def _http(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    kind = kinds.of_status(error.status_code)
    if kind.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        # A server's own words stay in its log.
        return _unforeseen(request, error)
    headers = {
        name: value for name, value in (error.headers or {}).items() if name != "content-type"
    }
    says_more = error.detail != HTTPStatus(error.status_code).phrase
    return problem(kind, error.detail if says_more else "", headers=headers)


def _unforeseen(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return problem(kinds.INTERNAL)


HANDLERS: dict[int | type[Exception], Callable[..., Response[bytes]]] = {
    errors.NotFoundError: _domain(kinds.NOT_FOUND),
    errors.InvalidError: _domain(kinds.UNPROCESSABLE),
    errors.ConflictError: _domain(kinds.CONFLICT),
    errors.ClosedError: _domain(kinds.CLOSED),
    errors.PriceError: _domain(kinds.PRICE_CHANGED),
    errors.FundsError: _domain(kinds.INSUFFICIENT_FUNDS),
    errors.MovedOnError: _domain(kinds.MOVED_ON),
    errors.ChangedError: _domain(kinds.CHANGED),
    errors.IllegalMoveError: _domain(kinds.ILLEGAL_MOVE),
    errors.PositionLostError: _domain(kinds.POSITION_LOST),
    errors.InFlightError: _domain(kinds.IN_FLIGHT),
    errors.KeyReusedError: _domain(kinds.KEY_REUSED),
    errors.CredentialsError: _domain(kinds.UNAUTHENTICATED),
    errors.ForbiddenError: _domain(kinds.FORBIDDEN),
    errors.UnavailableError: _domain(kinds.UNAVAILABLE),
    ParameterError: _parameter,
    NoPictureError: _no_picture,
    AddressError: _address,
    SignatureError: _signature,
    UnsatisfiableRangeError: _range,
    OverloadedError: _overloaded,
    LimitedError: _limited,
    WorkerError: _worker,
    ShelfError: _shelf,
    PurgeError: _purge,
    DamagedError: _damaged,
    PictureError: _refused_picture,
    ClientGoneError: _gone,
    ValidationException: _validation,
    UnicodeDecodeError: _unreadable,
    RecursionError: _unreadable,
    HTTPException: _http,
    Exception: _unforeseen,
}
