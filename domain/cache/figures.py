"""What the cache has done in this process since it started, by kind."""

from dataclasses import dataclass


@dataclass
class Figures:
    """Counts; a value that is not there counts as one. Sizes are in bytes, as encoded."""

    memory_hits: int = 0
    redis_hits: int = 0
    joined: int = 0
    """Reads that another one here was under way for."""
    loads: int = 0
    """Values read from PostgreSQL,"""
    waits: int = 0
    """naps while another process read one,"""
    fills: int = 0
    """values kept in Redis,"""
    refused: int = 0
    """and those that were not, for a later one was there."""
    encoded: int = 0
    """Bytes of what was loaded."""
    evicted: int = 0
    """From memory, for want of room."""
    audited: int = 0
    """Hits that were read once more on the primary,"""
    stale: int = 0
    """and those that were served a second after it had another value: none, or there is a change
    that tells nobody."""

    @property
    def hits(self) -> int:
        """Reads that a layer answered at once."""
        return self.memory_hits + self.redis_hits

    @property
    def reads(self) -> int:
        """Whatever was asked for."""
        return self.hits + self.joined + self.loads

    def __add__(self, other: "Figures") -> "Figures":
        mine, others = vars(self), vars(other)
        return Figures(**{name: mine[name] + others[name] for name in mine})
