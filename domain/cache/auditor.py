"""Reads a sample of what is served once more, on the primary: what the rule promises is seen to."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final

import msgspec

from domain.cache.changes import TRUST
from domain.cache.figures import Figures
from domain.cache.memory import Entry
from domain.database import UNKNOWN
from domain.errors import UnavailableError

log = logging.getLogger(__name__)

# Of so many hits one is looked at.
ONE_IN: Final = 1000
# At a moment: what comes meanwhile is let go.
MOST: Final = 4
# Equal values are the same bytes.
_encoded: Final = msgspec.msgpack.Encoder(order="deterministic").encode
Serves = Callable[[Entry], bool]
"""Whether that entry would be served now."""


class Auditor:
    """What is served a second after the primary had another value is counted as stale, and told.

    It waits for nobody and nobody for it: where the primary does not answer, nothing is said.
    """

    def __init__(self) -> None:
        self._auditing: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        """Look at nothing any more."""
        for auditing in self._auditing:
            auditing.cancel()
        await asyncio.gather(*self._auditing, return_exceptions=True)

    def take(
        self, name: str, key: Any, entry: Entry, load: Any, serves: Serves, figures: Figures
    ) -> None:
        """Look at what was just served of the kind `name`."""
        if len(self._auditing) < MOST:
            auditing = asyncio.create_task(self._audit(name, key, entry, load, serves, figures))
            self._auditing.add(auditing)
            auditing.add_done_callback(self._auditing.discard)

    async def _audit(
        self, name: str, key: Any, entry: Entry, load: Any, serves: Serves, figures: Figures
    ) -> None:
        try:
            # No replica has come that far.
            values, _ = await load([key], UNKNOWN)
        except UnavailableError as error:
            log.info("what is served of %s %r is not looked at: %s", name, key, error)
            return
        except Exception:
            log.exception("what is served of %s %r is not looked at", name, key)
            return
        figures.audited += 1
        if _encoded(values.get(key)) == _encoded(entry.value):
            return
        # By then every process has heard of what was committed before that reading.
        await asyncio.sleep(TRUST)
        if serves(entry):
            figures.stale += 1
            log.error(
                "%s %r is served as of %d, and is another one: what changed it told nobody;"
                " `comanda cache flush %s` has it read anew",
                name, key, entry.asof, name,
            )  # fmt: skip
