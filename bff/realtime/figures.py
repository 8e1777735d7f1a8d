"""What the sockets of this process have done since it started, for whoever exposes it."""

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

# Upper bounds of the classes of lag, in seconds.
LAGS: Final = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


@dataclass
class Figures:
    """Counts; `lags` has one more class than LAGS, of what took longer still."""

    opened: int = 0
    closed: Counter[str] = field(default_factory=Counter)
    """Connections, by the reason,"""
    refused: Counter[str] = field(default_factory=Counter)
    """and those that were not let in, by the kind of problem."""
    received: Counter[str] = field(default_factory=Counter)
    """Events of clients, by name; what we do not know is one name."""
    deliveries: int = 0
    """Messages of events to one client each,"""
    events: int = 0
    """and events, of which each was encoded once."""
    recovered: int = 0
    """Clients that went on where they were cut off,"""
    missed: int = 0
    """and events that they were sent then."""
    lags: list[int] = field(default_factory=lambda: [0] * (len(LAGS) + 1))
    """Events by the time from the change until they were written to all who watch here."""
    lag_seconds: float = 0.0

    def lag(self, seconds: float) -> None:
        """An event is with its clients so long after the change."""
        self.lags[bisect_left(LAGS, seconds)] += 1
        self.lag_seconds += seconds
