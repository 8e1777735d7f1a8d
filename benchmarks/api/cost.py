"""What one server took for one question, round by round."""

from dataclasses import dataclass, field
from statistics import median, quantiles

from benchmarks.api.load import Load


@dataclass
class Cost:
    """CPU seconds a request of the server, and of PostgreSQL and Redis beside it."""

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

    def row(self, question: str, name: str, other: "Cost") -> str:
        """Of the table."""
        least, most = min(self.processor) * 1e6, max(self.processor) * 1e6
        spent = f"{median(self.processor) * 1e6:.0f} ({least:.0f} to {most:.0f})"
        centiles = quantiles(self.latencies, n=100)
        return (
            f"| {question} | {name} | {spent} "
            f"| {median(self.beside) * 1e6:.0f} | {median(self.rates):.0f} | {self.bytes:.0f} "
            f"| {centiles[49] * 1e3:.1f} | {centiles[94] * 1e3:.1f} | {self.times(other):.2f} |"
        )
