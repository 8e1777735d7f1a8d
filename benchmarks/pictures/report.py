"""The figures as tables, and the machine and the versions that they are of."""

import json
import platform
import subprocess
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from statistics import median

from benchmarks.page import machine
from benchmarks.pictures.cases import Case, Cost
from benchmarks.pictures.peers import IPX, THUMBOR
from benchmarks.pictures.place import PEERS
from benchmarks.pictures.quality import CLOSE

Costs = Mapping[Case, Mapping[str, Cost]]


def cold(costs: Costs, base: str) -> str:
    """A table of what is rendered; `base` is the subject that the last column counts by."""
    rows = [
        "| what | server | q | SSIM | KB | CPU ms | S3 + DB ms | req/s | p50 ms | p95 ms "
        f"| CPU to {base} |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for case, subjects in costs.items():
        for name, cost in subjects.items():
            rows.append(
                f"| {case} | {name} | {cost.quality} "
                f"| {cost.likeness:.4f}{'' if cost.equal else ' (!)'} "
                f"| {cost.bytes / 1000:.1f} | {cost.spent(1e3, 1)} "
                f"| {median(cost.beside) * 1e3:.1f} | {median(cost.rates):.0f} "
                f"| {cost.waited()} | {cost.times(subjects[base]):.2f} |"
            )
    return "\n".join(rows) + "\n"


def stored(costs: Mapping[str, Cost], base: str) -> str:
    """A table of what is ready."""
    rows = [
        f"| server | KB | CPU µs | S3 + DB µs | req/s | p50 ms | p95 ms | CPU to {base} |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, cost in costs.items():
        rows.append(
            f"| {name} | {cost.bytes / 1000:.1f} | {cost.spent(1e6, 0)} "
            f"| {median(cost.beside) * 1e6:.0f} | {median(cost.rates):.0f} "
            f"| {cost.waited()} | {cost.times(costs[base]):.2f} |"
        )
    return "\n".join(rows) + "\n"


def setting(command: str, rounds: int, requests: int) -> str:
    """The sentence over the tables: what was run where, when, with what."""
    ours = ", ".join(f"{name} {version(name)}" for name in _ours())
    return (
        f"`{command}`, {datetime.now(UTC):%Y-%m-%d}: {rounds} interleaved rounds of {requests} "
        f"requests, medians (least to most) of CPU; (!) marks what does not come within {CLOSE} "
        f"of Comanda's SSIM at any q up to 95, measured at q 80. "
        f"{machine()}. "
        f"Comanda: Python {platform.python_version()}, {ours}. "
        f"Peers: {THUMBOR.replace('==', ' ')} (Pillow {_pillow_of_thumbor()}), "
        f"{IPX.replace('@', ' ')} (sharp {_sharp()}, Node {_said(['node', '--version'])}).\n"
    )


def _ours() -> Iterable[str]:
    yield from ("litestar", "uvicorn")
    for engine in ("pillow-simd", "pillow"):
        try:
            version(engine)
        except ModuleNotFoundError:
            continue
        yield engine
        return


def _pillow_of_thumbor() -> str:
    python = str(PEERS / "thumbor" / "bin" / "python")
    return _said([python, "-c", "import PIL; print(PIL.__version__)"])


def _sharp() -> str:
    package = PEERS / "ipx" / "node_modules" / "sharp" / "package.json"
    return str(json.loads(package.read_text())["version"])


def _said(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
