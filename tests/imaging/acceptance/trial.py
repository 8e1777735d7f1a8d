"""A process that renders what may kill it, and notes each outcome before it goes on.

    python -m tests.imaging.acceptance.trial OUTCOMES damaged FIRST LAST
    python -m tests.imaging.acceptance.trial OUTCOMES FILE...

Each item is a line in the file OUTCOMES: its number, and what became of it. The number is there
before the item is begun, so a line that ends there names the item that killed the process.
"""

import resource
import signal
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from time import process_time

from cdn.address import CENTRE, WHITE, Fit, Format, Recipe
from imaging.facts import facts
from imaging.picture import PictureError
from imaging.render import render

MEMORY = 1024 << 20
"""Of address space. Only what a picture takes matters, but the interpreter has its share."""
SECONDS = 20.0
"""Of the processor for an item, which then ends the process by SIGPROF."""

_FORMATS = (Format.WEBP, Format.JPEG, Format.PNG)


def main(outcomes: str, *what: str) -> None:
    """Render everything, one after another."""
    # PIL warns of much in a damaged file, and a worker has nobody to tell.
    warnings.simplefilter("ignore")
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    with open(outcomes, "a", buffering=1) as notes:
        for number, body in _items(what):
            notes.write(f"{number} ")
            notes.flush()
            began = process_time()
            outcome = _outcome(number, body)
            notes.write(f"{outcome} {process_time() - began:.3f} {_peak_bytes() >> 20}\n")


def _items(what: tuple[str, ...]) -> Iterator[tuple[int, bytes]]:
    if what[0] != "damaged":
        for number, name in enumerate(what):
            yield number, Path(name).read_bytes()
        return
    from tests.imaging.acceptance.bombs import damaged, seeds

    whole = seeds()
    for number in range(int(what[1]), int(what[2])):
        yield number, damaged(whole, number)


def _outcome(number: int, body: bytes) -> str:
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    format_ = _FORMATS[number % len(_FORMATS)]
    asked = Recipe(16, 16, Fit.COVER, CENTRE, 70, format_, WHITE, animated=number % 2 == 0)
    try:
        render(body, asked)
        facts(body)
    except PictureError as refusal:
        return str(refusal.kind)
    except Exception as error:
        return f"!{type(error).__name__}"
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    return "rendered"


def _peak_bytes() -> int:
    with open("/proc/self/status") as status:
        line = next(line for line in status if line.startswith("VmHWM"))
    return int(line.split()[1]) << 10


if __name__ == "__main__":
    main(*sys.argv[1:])
