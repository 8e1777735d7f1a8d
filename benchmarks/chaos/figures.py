"""What people noticed of a fault: how many got no answer and why, the longest that nobody was
served, and when all was as before."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

from benchmarks.chaos.probes import Asked
from benchmarks.load.figures import Second, Taken

REFUSED: Final = "refused"
TIMEOUT: Final = "timed out"
CUT: Final = "cut off"
# So many times as long as before is as before; and so many seconds are looked at together.
AS_BEFORE: Final = 2.0
WINDOW: Final = 3
# What nobody notices, however short it was before.
_FLOOR_MS: Final = 50.0
_KINDS: Final = (
    (r"\b5\d\d\b", "5xx"),
    (r"\b4\d\d\b", "4xx"),
    (r"refused", REFUSED),
    (r"time(d )?out", TIMEOUT),
)


def kind(words: str) -> str:
    """Of an error: of the server (5xx), of whoever asks (4xx), or why there was no answer."""
    for pattern, name in _KINDS:
        if re.search(pattern, words, re.IGNORECASE):
            return name
    return CUT


def kinds(seconds: Iterable[Second]) -> Counter[str]:
    """How many of each there were."""
    counted: Counter[str] = Counter()
    for second in seconds:
        for words, count in second.errors.items():
            # The method and the name of what was asked come first.
            counted[kind(words.partition(": ")[2])] += count
    return counted


def within(seconds: Iterable[Second], since: float, until: float) -> list[Second]:
    """Those that lie between two moments."""
    return [each for each in seconds if since <= each.at < until]


def taken(seconds: Iterable[Second]) -> Taken:
    """How long requests took, of all of them."""
    return Taken.of(entry for second in seconds for entry in second.requests)


def longest_outage(asked: Sequence[Asked], since: float, until: float) -> float:
    """The longest, in seconds, that somebody asked and nobody was served: from when it was first
    asked in vain, or kept waiting, until it was served again, or until the end."""
    longest, first = 0.0, None
    for each in sorted(asked, key=lambda one: one.ended):
        if each.ended < since or each.began > until:
            continue
        if first is None:
            first = max(each.began, since)
        if each.is_well:
            longest, first = max(longest, each.ended - first), None
    return longest if first is None else max(longest, until - first)


def healed(seconds: Sequence[Second], since: float, before_ms: float) -> float | None:
    """How many seconds after `since` there was no error any more, and 95 % took no longer than
    twice what they did before; None where that did not come."""
    bound = max(AS_BEFORE * before_ms, _FLOOR_MS)
    well: float | None = None
    later = [each for each in seconds if each.at >= since]
    for number, second in enumerate(later):
        around = later[max(0, number - WINDOW + 1) : number + 1]
        slow = taken(around).quantile(0.95) > bound
        if taken([second]).failures or slow:
            well = None
        elif well is None:
            well = second.at - since
    return well
