"""What is sent to hurt is refused, or rendered like any other: nothing else ever happens."""

import asyncio
import os
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from imaging.picture import Kind
from infra.demo.campus import PASSWORD
from tests.imaging.acceptance import bombs
from tests.imaging.samples import encoded, scene

MUTATIONS = 10_000
MOST_MEBIBYTES = 900

REFUSED = {
    bombs.huge_png: Kind.TOO_MANY_PIXELS,
    bombs.thin_png: Kind.TOO_MANY_PIXELS,
    bombs.long_gif: Kind.TOO_MANY_FRAMES,
    bombs.huge_progressive_jpeg: Kind.TOO_MANY_PIXELS,
    bombs.jpeg_of_many_scans: Kind.TOO_MANY_PIXELS,
    bombs.segments: Kind.BROKEN,
    bombs.crumbs: Kind.BROKEN,
}


@dataclass(frozen=True)
class Outcome:
    """What became of an item: `rendered`, a kind of refusal, or a way to fail."""

    number: int
    what: str
    seconds: float = 0.0
    peak_mebibytes: int = 0


def tried(notes: Path, *what: object) -> list[Outcome]:
    """The outcomes of the items that a process did until its end, whatever ended it."""
    notes.write_text("")
    command = [sys.executable, "-m", "tests.imaging.acceptance.trial", notes, *what]
    ended = subprocess.run(list(map(str, command)), capture_output=True, check=False)
    outcomes = []
    for line in notes.read_text().splitlines():
        number, *rest = line.split()
        if rest:
            outcomes.append(Outcome(int(number), rest[0], float(rest[1]), int(rest[2])))
        else:
            outcomes.append(Outcome(int(number), f"!ended with {ended.returncode}"))
    assert outcomes or ended.returncode == 0, ended.stderr.decode()
    return outcomes


@pytest.mark.parametrize("bomb", bombs.BOMBS, ids=lambda bomb: bomb.__name__)
def test_a_bomb_does_no_harm(
    bomb: Callable[[], bytes], tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    file = tmp_path / "bomb"
    file.write_bytes(bomb())
    (outcome,) = tried(tmp_path / "notes", file)
    record_property(
        "counts",
        f"{file.stat().st_size:,} bytes, {outcome.what} in {outcome.seconds:.2f} s "
        f"with at most {outcome.peak_mebibytes} MiB",
    )
    assert outcome.what == REFUSED.get(bomb, "rendered")
    assert outcome.peak_mebibytes < MOST_MEBIBYTES


def test_no_damage_does_more_than_lose_the_picture(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    outcomes: list[Outcome] = []
    while len(outcomes) < MUTATIONS:
        # The next process begins behind the item that ended the last one.
        outcomes += tried(tmp_path / "notes", "damaged", len(outcomes), MUTATIONS)
    counts = Counter(outcome.what for outcome in outcomes)
    peak = max(outcome.peak_mebibytes for outcome in outcomes)
    slowest = max(outcome.seconds for outcome in outcomes)
    record_property("counts", f"{dict(counts)}, slowest {slowest:.2f} s, at most {peak} MiB")
    assert not [outcome for outcome in outcomes if outcome.what.startswith("!")]
    assert counts["rendered"] > MUTATIONS / 20
    assert counts[Kind.BROKEN] > MUTATIONS / 20
    assert peak < MOST_MEBIBYTES


def service_mebibytes() -> int:
    """What the server, which is this process, and its workers hold; what they share, once."""
    family = [os.getpid()]
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((directory / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == os.getpid() and "worker_process" in (directory / "cmdline").read_text():
                family.append(int(directory.name))
        except OSError:
            continue  # it has just ended
    total = 0
    for process in family:
        try:
            lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total >> 10


@asynccontextmanager
async def watched(peak: list[int]) -> AsyncIterator[None]:
    """Note what the service holds, while the block lasts."""

    async def watch() -> None:
        while True:
            peak.append(await asyncio.to_thread(service_mebibytes))
            await asyncio.sleep(0.02)

    watching = asyncio.create_task(watch())
    try:
        yield
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


@pytest.mark.long
async def test_the_whole_service_outlives_them(
    client: httpx.AsyncClient, record_property: Callable[[str, object], None]
) -> None:
    login = {"email": "staff1@campus.example", "password": PASSWORD}
    token = (await client.post("/auth/login", json=login)).json()["accessToken"]
    staff = {"authorization": f"Bearer {token}"}
    # Here, for to make one takes memory, and that of this process is the service's, too.
    bodies = [(bomb, bomb()) for bomb in bombs.BOMBS]
    held = [service_mebibytes()]
    answers = Counter[int]()
    async with watched(held):
        for bomb, body in bodies:
            answer = await client.put("/api/products/1/picture", content=body, headers=staff)
            answers[answer.status_code] += 1
            # Where it is no bomb to us, only its time may be up.
            allowed = (413, 415, 422) if bomb in REFUSED else (200, 503)
            assert answer.status_code in allowed, bomb.__name__
    plain = encoded(scene(400, 300))
    kept = await client.put("/api/products/1/picture", content=plain, headers=staff)
    assert kept.status_code == 200
    assert (await client.get("/products/1?w=200&fm=jpeg")).status_code == 200
    record_property(
        "counts", f"{dict(answers)}, the whole service from {held[0]} to at most {max(held)} MiB"
    )
    assert max(held) - held[0] < MOST_MEBIBYTES
