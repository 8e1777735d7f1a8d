"""What the import of the application takes, by whose modules it goes into."""

import re
import subprocess
import sys
from collections import Counter
from typing import Final

APPLICATION: Final = "bff.serve"
_TOLD: Final = re.compile(r"import time:\s+(\d+) \|\s+\d+ \|\s+(\S+)")


def imported() -> Counter[str]:
    """Microseconds that each package of the highest level takes by itself, in a process of its own
    (python -X importtime)."""
    command = [sys.executable, "-X", "importtime", "-c", f"import {APPLICATION}"]
    return summed(subprocess.run(command, capture_output=True, text=True, check=True).stderr)


def summed(told: str) -> Counter[str]:
    """By package, of what Python tells."""
    packages: Counter[str] = Counter()
    for microseconds, module in _TOLD.findall(told):
        packages[module.partition(".")[0]] += int(microseconds)
    return packages
