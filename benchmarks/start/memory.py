"""What a process weighs: by itself, and with its share of what it has in common with others."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_LINE: Final = re.compile(r"^(\w+):\s+(\d+) kB$", re.MULTILINE)


@dataclass(frozen=True)
class Weight:
    """Bytes: resident, with a share of shared pages, and of nobody else's (proc(5))."""

    resident: int
    proportional: int
    own: int

    def __add__(self, other: "Weight") -> "Weight":
        return Weight(
            self.resident + other.resident,
            self.proportional + other.proportional,
            self.own + other.own,
        )

    def __str__(self) -> str:
        parts = (self.resident, self.proportional, self.own)
        return " | ".join(f"{part / 1e6:.0f}" for part in parts)


def weight(process: int) -> Weight:
    """Of one process."""
    found = _LINE.findall(Path(f"/proc/{process}/smaps_rollup").read_text())
    kilobytes = {name: int(number) for name, number in found}
    own = kilobytes["Private_Clean"] + kilobytes["Private_Dirty"]
    return Weight(kilobytes["Rss"] * 1024, kilobytes["Pss"] * 1024, own * 1024)
