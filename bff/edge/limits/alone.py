"""The same windows in one process, for as long as Redis does not answer; bounded, too."""

import time
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Final

from bff.edge.limits.policies import Decision, Policy, Standing, Window

# Subjects of each policy; a hundred moments of one take four kilobytes.
MOST_SUBJECTS: Final = 10_000
_MICROSECONDS: Final = 1_000_000


def _clock() -> int:
    return time.monotonic_ns() // 1000


class Alone:
    """Where there is no room for another subject, it passes uncounted, or is refused by a strict
    policy: nobody makes room by asking for many."""

    def __init__(self, clock: Callable[[], int] = _clock, most: int = MOST_SUBJECTS) -> None:
        self._clock = clock
        self._most = most
        self._logs: defaultdict[Policy, dict[bytes, list[int]]] = defaultdict(dict)
        self._swept: dict[Policy, int] = {}
        self._last = 0

    def take(self, windows: Sequence[Window]) -> Decision:
        """Count a request."""
        # Each has a moment of its own, by which it is found again.
        now = self._last = max(self._clock(), self._last + 1)
        logs = [self._log(window, now) for window in windows]
        refused = next(
            (
                window.policy
                for window, log in zip(windows, logs, strict=True)
                if (window.policy.is_strict if log is None else len(log) >= window.policy.limit)
            ),
            None,
        )
        standings = []
        for window, log in zip(windows, logs, strict=True):
            if refused is None and log is not None:
                log.append(now)
                self._logs[window.policy][window.key] = log
            standings.append(_standing(window.policy, log, now, was_refused=refused is not None))
        return Decision(windows, standings, refused, now)

    def give_back(self, windows: Sequence[Window], moment: int) -> None:
        """What was counted at that moment does not count."""
        for window in windows:
            log = self._logs[window.policy].get(window.key, [])
            if moment in log:
                log.remove(moment)

    def clear(self, window: Window) -> None:
        """Nothing in it counts any more."""
        self._logs[window.policy].pop(window.key, None)

    def _log(self, window: Window, now: int) -> list[int] | None:
        """What is in the window; None where it cannot be kept."""
        kept = self._logs[window.policy]
        log = kept.get(window.key)
        if log is not None:
            del log[: bisect_right(log, now - window.policy.microseconds)]
            return log
        return [] if len(kept) < self._most or self._sweep(window.policy, now) else None

    def _sweep(self, policy: Policy, now: int) -> bool:
        """Forget those of whom nothing counts any more; whether there is room."""
        if now - self._swept.get(policy, 0) >= _MICROSECONDS:
            self._swept[policy] = now
            kept, bound = self._logs[policy], now - policy.microseconds
            for key in [key for key, log in kept.items() if not log or log[-1] <= bound]:
                del kept[key]
        return len(self._logs[policy]) < self._most


def _standing(policy: Policy, log: list[int] | None, now: int, *, was_refused: bool) -> Standing:
    span = policy.microseconds
    if log is None:
        # Nobody counts it: full for who is strict, else empty.
        return Standing(policy.limit if policy.is_strict else 0, policy.seconds)
    first = max(0, len(log) - policy.limit) if was_refused else 0
    return Standing(len(log), (log[first] + span - now) / _MICROSECONDS if log else 0.0)
