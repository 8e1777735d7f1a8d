"""`python -m benchmarks`: every benchmark with its peers and floors, one after the other, into
docs/performance.md and beside it; every goal beside what came out; and what that was before."""

import argparse
import subprocess
import sys
from typing import Final

from benchmarks import goals, optimized, page

# The last two read what the others have measured.
ALL: Final = (
    "pictures",
    "database",
    "cache",
    "api",
    "edge",
    "realtime",
    "start",
    "profile",
    "scale",
)


def main() -> None:
    """Measure all of them, or those that are named, and write their tables and that of goals."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="half an hour instead of more")
    parser.add_argument("--only", nargs="*", choices=ALL, default=ALL, help="(none: the goals)")
    asked = parser.parse_args()
    how = ["--quick"] if asked.quick else []
    for name in asked.only:
        subprocess.run([sys.executable, "-m", f"benchmarks.{name}", "--write", *how], check=True)
    text = goals.table()
    page.write("goals", text)
    page.write("optimized", optimized.table(), optimized.OPTIMIZED)
    print(text)


if __name__ == "__main__":
    main()
