"""The same windows in one process, for as long as Redis does not answer; bounded, too."""

import time
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from typing import Final

from bff.edge.limits.policies import Decision, Policy, Standing, Window, Windows

# Subjects of each policy; a hundred moments of one take ten kilobytes.
MOST_SUBJECTS: Final = 10_000
_MICROSECONDS: Final = 1_000_000


def _clock() -> int:
    return time.monotonic_ns() // 1000


class _Log:
    """What is in one window: moments, the oldest first, with how many requests fell into each."""

    __slots__ = ("_grain", "_span", "counts", "used")

    def __init__(self, policy: Policy) -> None:
        self._span = policy.microseconds
        self._grain = policy.grain
        self.counts: deque[list[int]] = deque()
        self.used = 0

    def forget(self, now: int) -> None:
        """What has left it."""
        while self.counts and self.counts[0][0] <= now - self._span:
            self.used -= self.counts.popleft()[1]

    def add(self, now: int) -> None:
        """One request more."""
        mark = -(-now // self._grain) * self._grain
        if self.counts and self.counts[-1][0] == mark:
            self.counts[-1][1] += 1
        else:
            self.counts.append([mark, 1])
        self.used += 1

    def remove(self, now: int) -> None:
        """One request less, if it is there."""
        mark = -(-now // self._grain) * self._grain
        entry = next((each for each in self.counts if each[0] == mark), None)
        if entry is not None:
            entry[1] -= 1
            self.used -= 1
            if not entry[1]:
                self.counts.remove(entry)

    def standing(self, now: int) -> Standing:
        """How it stands."""
        if not self.counts:
            return Standing(0, 0.0)
        left = self.counts[0][0] + self._span - now
        return Standing(self.used, left / _MICROSECONDS)


class Alone:
    """Where there is no room for another subject, it passes uncounted, or is refused by a strict
    policy: nobody makes room by asking for many."""

    def __init__(self, clock: Callable[[], int] = _clock, most: int = MOST_SUBJECTS) -> None:
        self._clock = clock
        self._most = most
        self._logs: defaultdict[str, dict[bytes, _Log]] = defaultdict(dict)
        self._swept: dict[str, int] = {}
        self._last = 0

    def take(self, windows: Windows) -> Decision:
        """Count a request."""
        # Each has a moment of its own, by which it is found again.
        now = self._last = max(self._clock(), self._last + 1)
        logs, refused = [], None
        for window in windows:
            log = self._log(window, now)
            policy = window.policy
            if refused is None and (policy.is_strict if log is None else log.used >= policy.limit):
                refused = policy
            logs.append(log)
        standings = []
        for (policy, key), log in zip(windows, logs, strict=True):
            if log is None:
                standings.append(_uncounted(policy))
                continue
            if refused is None:
                log.add(now)
                self._logs[policy.name][key] = log
            standings.append(log.standing(now))
        return Decision(windows, standings, refused, now)

    def give_back(self, windows: Sequence[Window], moment: int) -> None:
        """What was counted at that moment does not count."""
        for window in windows:
            log = self._logs[window.policy.name].get(window.key)
            if log is not None:
                log.remove(moment)

    def clear(self, window: Window) -> None:
        """Nothing in it counts any more."""
        self._logs[window.policy.name].pop(window.key, None)

    def _log(self, window: Window, now: int) -> _Log | None:
        """What is in the window; None where it cannot be kept."""
        kept = self._logs[window.policy.name]
        log = kept.get(window.key)
        if log is not None:
            log.forget(now)
            return log
        is_room = len(kept) < self._most or self._sweep(window.policy, now)
        return _Log(window.policy) if is_room else None

    def _sweep(self, policy: Policy, now: int) -> bool:
        """Forget those of whom nothing counts any more; whether there is room."""
        kept = self._logs[policy.name]
        if now - self._swept.get(policy.name, 0) >= _MICROSECONDS:
            self._swept[policy.name] = now
            for key, log in list(kept.items()):
                log.forget(now)
                if not log.used:
                    del kept[key]
        return len(kept) < self._most


def _uncounted(policy: Policy) -> Standing:
    """Full for who is strict, else empty."""
    return Standing(policy.limit if policy.is_strict else 0, policy.seconds)
