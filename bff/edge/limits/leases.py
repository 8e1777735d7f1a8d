"""Requests that Redis has counted before they came, so that in a crowd most of them ask nobody."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from bff.edge.limits.policies import Decision, Standing, Windows

# Requests that are taken at once at most.
MOST: Final = 512
# Of so many or more, others are asked for as soon as half of them are used, so that nobody of a
# crowd has to wait.
_CROWD: Final = 32
# Subjects of whom something is known; the one that was first known is forgotten first.
_MOST_SUBJECTS: Final = 4096
_MICROSECONDS: Final = 1_000_000

GiveBack = Callable[[Windows, int, int], None]
"""Of what was counted in windows at a moment, so many were not used."""
AskAhead = Callable[[Windows], None]
"""More is to be taken in windows, while there is some left."""


class _Lease:
    """What was taken in one grain: until when it is good (monotonic clock), how many requests are
    left of it and how many have used it, and how the window stood with all of them; and with how
    many left it is time to ask for more."""

    __slots__ = ("few", "is_watched", "left", "mark", "moment", "standing", "until", "used")

    def __init__(self, mark: int) -> None:
        self.mark = mark
        self.until = 0.0
        self.left = self.used = self.moment = 0
        self.few = -1
        self.standing = Standing(0, 0.0)
        self.is_watched = False


class Leases:
    """Several requests for one call of Redis, where windows are counted by grains.

    All requests of a grain are counted as if they came at its end. So it is as exact to count some
    before they come, as long as that is before this end by a clock that is never behind Redis's;
    what is left then is given back. Redis lets nobody have more at once than a small part of what
    there is room for, so that nobody is refused for what another process does not use.
    """

    def __init__(
        self,
        give_back: GiveBack,
        ask_ahead: AskAhead,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._give_back = give_back
        self._ask_ahead = ask_ahead
        self._clock = clock
        self._leases: dict[bytes, _Lease] = {}
        self._asking: set[bytes] = set()

    def take(self, windows: Windows) -> Decision | None:
        """Count a request, if one is left."""
        lease = self._leases.get(windows.keys[0])
        if lease is None or not lease.left or self._clock() >= lease.until:
            return None
        lease.left -= 1
        if lease.left == lease.few:
            self._ask_ahead(windows)
        return _used(windows, lease)

    def ask(self, windows: Windows) -> int:
        """How many to take at once: as many again as have come in this grain, at the beginning of
        one half as many as came in the last, and one where somebody asks for more already.

        Whatever becomes of that, `answered` is told."""
        key = windows.keys[0]
        lease = self._leases.get(key)
        if lease is None or key in self._asking:
            return 1
        late = self._clock() - lease.until
        if late * _MICROSECONDS >= windows[0].policy.grain:
            return 1
        many = min(MOST, max(1, lease.used if late < 0 else lease.used // 2))
        if many > 1:
            self._asking.add(key)
        return many

    def answered(self, windows: Windows, many: int) -> None:
        """So many were asked for."""
        if many > 1:
            self._asking.discard(windows.keys[0])

    def begin(self, windows: Windows, decision: Decision, taken: int, asked_at: float) -> Decision:
        """Keep what Redis has counted beyond the request that asked, at `asked_at` by our clock;
        what was decided of that."""
        lease = self.keep(windows, decision, taken - 1, asked_at)
        return decision if lease is None else _used(windows, lease)

    def keep(
        self, windows: Windows, decision: Decision, spare: int, asked_at: float
    ) -> _Lease | None:
        """Keep so many that nobody has used yet, or give them back."""
        moment, grain = decision.moment, windows[0].policy.grain
        mark = -(-moment // grain) * grain
        lease = self._leases.get(windows.keys[0])
        if lease is None or lease.mark < mark:
            lease = self._leases[windows.keys[0]] = _Lease(mark)
            if len(self._leases) > _MOST_SUBJECTS:
                del self._leases[next(iter(self._leases))]
        elif lease.mark > mark:
            if spare:
                self._give_back(windows, moment, spare)
            return None
        lease.moment, (lease.standing,) = moment, decision.standings
        lease.until = max(lease.until, asked_at + (mark - moment) / _MICROSECONDS)
        lease.left += spare
        if spare >= _CROWD:
            lease.few = lease.left // 2
        self._watch(windows, lease)
        return lease

    def give_back(self, windows: Windows, moment: int) -> bool:
        """Somebody else may use what was counted at that moment; whether there is time for that."""
        lease = self._leases.get(windows.keys[0])
        if lease is None or self._clock() >= lease.until:
            return False
        grain = windows[0].policy.grain
        if lease.mark != -(-moment // grain) * grain:
            return False
        lease.left += 1
        lease.used -= 1
        self._watch(windows, lease)
        return True

    def _watch(self, windows: Windows, lease: _Lease) -> None:
        """Have what is left in the end given back."""
        if lease.left and not lease.is_watched:
            lease.is_watched = True
            seconds = max(0.0, lease.until - self._clock())
            asyncio.get_running_loop().call_later(seconds, self._end, windows, lease)

    def _end(self, windows: Windows, lease: _Lease) -> None:
        lease.is_watched = False
        if self._clock() < lease.until:
            # More of it was taken since.
            self._watch(windows, lease)
        elif lease.left:
            self._give_back(windows, lease.moment, lease.left)
            lease.left = 0


def _used(windows: Windows, lease: _Lease) -> Decision:
    """By one more."""
    lease.used += 1
    used, seconds = lease.standing
    return Decision(windows, (Standing(used - lease.left, seconds),), None, lease.moment)
