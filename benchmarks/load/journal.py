"""What people were told, written down as they are told it, for whoever counts afterwards.

A line is a JSON object with its `kind`. It is read by `truth`, in another Python than it is written
in, so this module imports nothing that only one of the two has.
"""

import json
from pathlib import Path
from typing import Any, Final, TextIO

SUFFIX: Final = ".journal"

PLACED: Final = "placed"
"""An order was confirmed: `user`, `key`, `order`, `total` of the answer, `shown` by the menu."""
LOST: Final = "lost"
"""No try to order brought an answer that tells: `user`, `key`. It may have been placed, once."""
CANCELLED: Final = "cancelled"
"""An order is cancelled: `order`."""
TOPPED: Final = "topped"
"""A top-up was answered: `user`, `key`, `payment`, `status`, `amount`."""
WATCHED: Final = "watched"
"""A socket is closed: `user`; `cafeteria` of a live feed, or null; the `first` order that it can
have seen created; how often it was `cut`; the versions that it `seen`, by order."""
FAULT: Final = "fault"
"""An answer that is wrong in itself: `what`."""


class Journal:
    """That of one process."""

    def __init__(self, directory: Path, name: str) -> None:
        self._file: TextIO = (directory / f"{name}{SUFFIX}").open("a", encoding="utf-8")

    def note(self, kind: str, **facts: Any) -> None:
        """One more line."""
        self._file.write(json.dumps({"kind": kind, **facts}) + "\n")

    def close(self) -> None:
        """All of it is on the disk."""
        self._file.close()
