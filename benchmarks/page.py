"""docs/performance.md and others: the tables between a benchmark's two marks, and the machine that
they are of."""

import platform
from pathlib import Path
from typing import Final

PAGE: Final = Path(__file__).parents[1] / "docs" / "performance.md"


def write(name: str, text: str, page: Path = PAGE) -> None:
    """Put the tables of the benchmark `name` between its marks."""
    begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->\n"
    before, begun, rest = page.read_text("utf-8").partition(begin)
    _, ended, after = rest.partition(end)
    if not (begun and ended):
        raise ValueError(f"{page.name} has no lines {begin.strip()} and {end.strip()}")
    page.write_text(f"{before}{begin}{text}{end}{after}", "utf-8")


def machine() -> str:
    """Its cores, and its kernel."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    cores = f"{len(models)} cores of {models[0] if models else platform.machine()}"
    return f"{cores}, Linux {platform.release().split('-')[0]}"
