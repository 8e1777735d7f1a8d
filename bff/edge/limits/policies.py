"""What is limited, and how a decision is told (draft-ietf-httpapi-ratelimit-headers-10)."""

from collections.abc import Iterable, Sequence
from math import ceil
from typing import Final, NamedTuple

from msgspec import Struct
from redis.crc import key_slot

from domain.model import Role

MINUTE: Final = 60
QUARTER: Final = 15 * MINUTE
# Requests of a window that are kept one by one, and the grains of one with more.
_MOST_APART: Final = 128
_GRAINS: Final = 64
# An account is tried from many addresses only by who attacks it; its owner has few.
_ADDRESSES: Final = 4


class Policy(Struct, frozen=True):
    """At most `limit` requests in any `seconds`; none is limited where `limit` is 0.

    Of a strict one a request is refused where nobody could count it.
    """

    name: str
    limit: int
    seconds: float
    is_strict: bool = False
    spares_the_counter: bool = False

    def counts(self, role: Role) -> bool:
        """Whether it is for them."""
        return role is Role.CUSTOMER or not self.spares_the_counter

    @property
    def microseconds(self) -> int:
        """Of a window."""
        return round(self.seconds * 1_000_000)

    @property
    def grain(self) -> int:
        """Microseconds to whose end a moment is rounded up: 1 where each request is kept by itself,
        a 64th of a window where there may be so many that they are counted together. Rounded so, a
        window has rather less than its limit than more."""
        return 1 if self.limit <= _MOST_APART else self.microseconds // _GRAINS

    @property
    def told(self) -> bytes:
        """As an item of RateLimit-Policy."""
        return b'"%b";q=%d;w=%d' % (self.name.encode(), self.limit, self.seconds)


class Policies(Struct, frozen=True):
    """All there are, as the settings have them."""

    general: Policy
    anonymous: Policy
    payment: Policy
    login: Policy
    account: Policy
    password: Policy

    @classmethod
    def of(cls, *, general: int, anonymous: int, payment: int, login: int) -> "Policies":
        """By how many requests each of them lets through."""
        return cls(
            general=Policy("general", general, MINUTE),
            # A campus is one address.
            anonymous=Policy("anonymous", anonymous, MINUTE),
            # Staff put the cash of a whole queue into wallets.
            payment=Policy("payment", payment, QUARTER, is_strict=True, spares_the_counter=True),
            # Of an account from one address, and from all of them.
            login=Policy("login", login, QUARTER, is_strict=True),
            account=Policy("account", _ADDRESSES * login, QUARTER, is_strict=True),
            password=Policy("password", login, QUARTER, is_strict=True),
        )


class Window(NamedTuple):
    """A policy for one subject, and where its requests are counted."""

    policy: Policy
    key: bytes


class Windows(tuple[Window, ...]):
    """Those of one request, which lie in one slot of a cluster; and what is always told of them."""

    def __init__(self, windows: Iterable[Window]) -> None:
        del windows
        self.keys = [window.key for window in self]
        self.spans = [(policy.limit, policy.microseconds, policy.grain) for policy, _ in self]
        self.bounds = [bound for spans in self.spans for bound in spans]
        self.slot = key_slot(self.keys[0]) if self else 0
        """Where all of them lie in a cluster."""
        self.are_by_grain = len(self) == 1 and self[0].policy.grain > 1
        """Whether it is all the same when in a grain a request came."""
        self.policies = b", ".join(policy.told for policy, _ in self)
        """The items of RateLimit-Policy,"""
        self.items = [(b'"%b"' % each.name.encode(), each.limit, each.seconds) for each, _ in self]
        """and what is always the same in those of RateLimit."""


class Standing(NamedTuple):
    """How many requests are in a window, and the seconds until it takes another one, or until
    the oldest of them leaves it."""

    used: int
    seconds: float


class Decision(NamedTuple):
    """What became of a request: counted in all of its windows, or refused by one of them and
    counted in none. `moment` is when (microseconds of whoever counted)."""

    windows: Windows
    standings: Sequence[Standing]
    refused_by: Policy | None
    moment: int

    @property
    def state(self) -> bytes:
        """The items of RateLimit."""
        if len(self.standings) == 1:
            return _told(self.windows.items[0], self.standings[0])
        return b", ".join(map(_told, self.windows.items, self.standings))

    @property
    def retry_after(self) -> int:
        """Seconds until all windows take it, if nobody else asks meanwhile."""
        full = [
            standing.seconds
            for window, standing in zip(self.windows, self.standings, strict=True)
            if standing.used >= window.policy.limit
        ]
        return max(1, ceil(max(full, default=0.0)))


class LimitedError(Exception):
    """Too much was asked for in too short a time."""

    def __init__(self, decision: Decision) -> None:
        super().__init__(f"Too many requests; try again in {decision.retry_after} s.")
        self.decision = decision


def _told(item: tuple[bytes, int, float], standing: Standing) -> bytes:
    name, limit, seconds = item
    used, left = standing
    # By comparison: a call of min or max takes as long as all else here.
    return b"%b;r=%d;t=%d" % (
        name,
        limit - used if used < limit else 0,
        ceil(left if left < seconds else seconds),
    )
