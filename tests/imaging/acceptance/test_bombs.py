"""What is sent to hurt is refused, or rendered like any other: nothing else ever happens."""

import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from imaging.picture import Kind
from tests.imaging.acceptance import bombs

MUTATIONS = 10_000
MOST_MEBIBYTES = 900

REFUSED = {
    bombs.huge_png: Kind.TOO_MANY_PIXELS,
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
