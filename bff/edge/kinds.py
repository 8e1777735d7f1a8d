"""The kinds of problems (RFC 9457), one a meaning; docs/problems.md says what a client does."""

from typing import Final

import msgspec

_URN: Final = "urn:comanda:problem:"


class Kind(msgspec.Struct, frozen=True):
    """What `type`, `status` and `title` a problem has: always the same three."""

    name: str
    status: int
    title: str

    @property
    def type(self) -> str:
        """The URI that clients may rely on."""
        return _URN + self.name


# What is wrong with the request.
INVALID_REQUEST: Final = Kind("invalid-request", 400, "The request is malformed")
INVALID_PARAMETER: Final = Kind("invalid-parameter", 400, "A parameter is wrong")
UNAUTHENTICATED: Final = Kind("unauthenticated", 401, "Who is asking?")
FORBIDDEN: Final = Kind("forbidden", 403, "Not yours to do")
BAD_SIGNATURE: Final = Kind("bad-signature", 403, "The address is not signed for this")
ROBOT: Final = Kind("robot", 403, "Robots are not served")
NOT_FOUND: Final = Kind("not-found", 404, "There is no such thing")
NO_PICTURE: Final = Kind("no-picture", 404, "There is no such picture")
METHOD_NOT_ALLOWED: Final = Kind("method-not-allowed", 405, "That cannot be done to it")
TOO_SLOW: Final = Kind("too-slow", 408, "The request did not arrive in time")
CONFLICT: Final = Kind("conflict", 409, "Not as things stand")
CLOSED: Final = Kind("closed", 409, "The cafeteria takes no orders now")
PRICE_CHANGED: Final = Kind("price-changed", 409, "It costs something else now")
INSUFFICIENT_FUNDS: Final = Kind("insufficient-funds", 409, "There is not enough in the wallet")
MOVED_ON: Final = Kind("moved-on", 409, "The order is another by now")
ILLEGAL_MOVE: Final = Kind("illegal-move", 409, "The order never goes there from here")
IN_FLIGHT: Final = Kind("in-flight", 409, "The same request is being answered")
POSITION_LOST: Final = Kind("position-lost", 410, "What came since is not known")
CHANGED: Final = Kind("changed", 412, "It was changed meanwhile")
BODY_TOO_LARGE: Final = Kind("body-too-large", 413, "The body is too large")
TARGET_TOO_LONG: Final = Kind("target-too-long", 414, "The address is too long")
UNSUPPORTED_MEDIA_TYPE: Final = Kind("unsupported-media-type", 415, "The body is of another type")
NO_SUCH_RANGE: Final = Kind("no-such-range", 416, "There is no such part")
MISDIRECTED: Final = Kind("misdirected", 421, "This is another host")
UNPROCESSABLE: Final = Kind("unprocessable", 422, "That cannot be asked")
KEY_REUSED: Final = Kind("key-reused", 422, "The key was sent with another request")
CONDITION_REQUIRED: Final = Kind("condition-required", 428, "Which version is meant?")
TOO_MANY_REQUESTS: Final = Kind("too-many-requests", 429, "Too many requests")
HEAD_TOO_LARGE: Final = Kind("head-too-large", 431, "The headers are too large")

# Why a picture is refused, but for its bytes; the names are those of `imaging.picture.Kind`.
_REFUSED: Final = "The picture is refused"
REFUSED_PICTURES: Final = (
    Kind("not-a-picture", 415, _REFUSED),
    Kind("unsupported-format", 415, _REFUSED),
    Kind("too-many-pixels", 422, _REFUSED),
    Kind("too-many-frames", 422, _REFUSED),
    Kind("broken", 422, _REFUSED),
)

# What is wrong on our side.
INTERNAL: Final = Kind("internal", 500, "Something went wrong on our side")
UNDECODABLE: Final = Kind("undecodable", 502, "The picture is damaged")
OVERLOADED: Final = Kind("overloaded", 503, "Too much is asked at once")
UNAVAILABLE: Final = Kind("unavailable", 503, "Try again shortly")

ALL: Final = (
    *(each for each in list(globals().values()) if isinstance(each, Kind)),
    *REFUSED_PICTURES,
)
BY_NAME: Final = {kind.name: kind for kind in ALL}


def of_status(status: int) -> Kind:
    """The kind for an error of which only the status is known."""
    fallback = INVALID_REQUEST if status < INTERNAL.status else INTERNAL
    return _OF_STATUS.get(status, fallback)


_OF_STATUS: Final = {
    kind.status: kind
    for kind in (
        UNAUTHENTICATED,
        FORBIDDEN,
        NOT_FOUND,
        METHOD_NOT_ALLOWED,
        BODY_TOO_LARGE,
        UNSUPPORTED_MEDIA_TYPE,
        CONDITION_REQUIRED,
        TOO_MANY_REQUESTS,
    )
}
