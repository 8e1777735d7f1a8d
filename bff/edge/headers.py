"""The headers that every answer has, so that no browser makes more of it than it is."""

from typing import Final

from litestar.enums import HttpMethod

from bff.edge.exchange import Exchange
from bff.edge.limits.policies import Decision

Headers = list[tuple[bytes, bytes]]

# Of what a page may do, none needs any.
_FEATURES: Final = ("camera", "geolocation", "microphone", "payment", "usb")
_ALL: Final[Headers] = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"permissions-policy", b", ".join(b"%b=()" % each.encode() for each in _FEATURES)),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
]
# Data is nothing to be shown in a frame, or to load anything from.
API: Final[Headers] = [
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    *_ALL,
]
# Our pages have scripts and styles in files of their own; Swagger UI styles what it draws, and
# placeholders of pictures are data.
PAGE: Final[Headers] = [
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
        b"img-src 'self' data: blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
        b"frame-ancestors 'none'",
    ),
    *_ALL,
]
_NAMES: Final = frozenset(name for name, _ in API)
# Nothing was done for it: the answer was given before.
_REPLAYED: Final = (b"idempotent-replayed", b"true")
_SAFE: Final = (HttpMethod.GET, HttpMethod.HEAD)
_REFUSED: Final = 400


class Finish:
    """Completes the headers of an answer; what its route has decided itself stays."""

    def __init__(self, hsts_seconds: int) -> None:
        self._hsts = (b"strict-transport-security", b"max-age=%d" % hsts_seconds)
        self._has_hsts = hsts_seconds > 0

    def lasting(self, exchange: Exchange, headers: Headers) -> Headers:
        """Those that another such request is answered with, too."""
        given = dict(headers)
        ours = PAGE if given.get(b"content-type", b"").startswith(b"text/html") else API
        if given.keys().isdisjoint(_NAMES):
            whole = headers + ours
        else:
            whole = headers + [each for each in ours if each[0] not in given]
        if b"cache-control" not in given and _is_private(exchange):
            whole.append((b"cache-control", b"no-store"))
        if exchange.is_secure and self._has_hsts:
            whole.append(self._hsts)
        return whole

    def own(self, exchange: Exchange) -> Headers:
        """Those of this one alone."""
        whole = [(b"x-request-id", exchange.id.encode())]
        if exchange.was_replayed and exchange.status < _REFUSED:
            whole.append(_REPLAYED)
        if exchange.decisions:
            whole += _limits(exchange.decisions)
        return whole


def _is_private(exchange: Exchange) -> bool:
    """Whether it is for whoever asked alone, as far as anybody can tell."""
    return (
        b"authorization" in exchange.headers
        or exchange.scope["method"] not in _SAFE
        or exchange.status >= _REFUSED
    )


def _limits(decisions: list[Decision]) -> Headers:
    if len(decisions) == 1:
        (decision,) = decisions
        policies = decision.windows.policies
        return [(b"ratelimit-policy", policies), (b"ratelimit", decision.state)]
    return [
        (b"ratelimit-policy", b", ".join([each.windows.policies for each in decisions])),
        (b"ratelimit", b", ".join([each.state for each in decisions])),
    ]
