"""What a server took for what it was asked, round by round, and how that is told."""

from dataclasses import dataclass, field
from statistics import median, quantiles
from typing import Protocol


class Load(Protocol):
    """What came back of a round: seconds, bytes."""

    elapsed: float
    latencies: list[float]
    bytes: int


@dataclass
class Cost:
    """CPU seconds a request of the server, and of what stands beside it: stores, databases."""

    processor: list[float] = field(default_factory=list)
    beside: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)
    bytes: float = 0.0

    def add(self, load: Load, processor: float, beside: float) -> None:
        """Take in one round."""
        requests = len(load.latencies)
        self.processor.append(processor / requests)
        self.beside.append(beside / requests)
        self.rates.append(requests / load.elapsed)
        self.latencies += load.latencies
        self.bytes = load.bytes / requests

    def times(self, other: "Cost") -> float:
        """How many times as much CPU as `other` it takes: the lower of median and minimum."""
        return min(
            median(self.processor) / median(other.processor),
            min(self.processor) / min(other.processor),
        )

    def spent(self, unit: float, digits: int) -> str:
        """Its CPU in so many of a second: the median, the least and the most."""
        several = (median(self.processor), min(self.processor), max(self.processor))
        middle, least, most = (f"{seconds * unit:.{digits}f}" for seconds in several)
        return f"{middle} ({least} to {most})"

    def waited(self) -> str:
        """The median latency and the 95th percentile in milliseconds, as two cells of a table."""
        return (
            f"{median(self.latencies) * 1e3:.1f} | {quantiles(self.latencies, n=20)[-1] * 1e3:.1f}"
        )
