"""What the cache has done in this process since it started, by kind."""

from dataclasses import dataclass


@dataclass
class Figures:
    """Counts; a value that is not there counts as one. Sizes are in bytes, as encoded."""

    memory_hits: int = 0
    redis_hits: int = 0
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

    @property
    def reads(self) -> int:
        """Whatever was asked for."""
        return self.memory_hits + self.redis_hits + self.loads

    def __add__(self, other: "Figures") -> "Figures":
        mine, others = vars(self), vars(other)
        return Figures(**{name: mine[name] + others[name] for name in mine})
