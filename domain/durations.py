"""How long things took, by classes: enough for a percentile, however many there were."""

from bisect import bisect_left
from collections.abc import Sequence


class Durations:
    """Counts of what took no longer than each of the `bounds` (seconds, growing), but longer than
    the one before; the last count, one more than there are bounds, is of all that took longer."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.seconds = 0.0
        """Of all of it together."""

    def note(self, seconds: float) -> None:
        """Something took so long."""
        self.counts[bisect_left(self.bounds, seconds)] += 1
        self.seconds += seconds
