"""How long a migration waits for others, and others for it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from alembic import op


@dataclass(frozen=True)
class Locks:
    """Seconds. `timeout`: a step waits no longer for a lock, for whoever comes behind it waits as
    long. `patience`: for so long it is tried again."""

    timeout: float = 1.0
    patience: float = 60.0


@contextmanager
def holding_nobody_up() -> Iterator[None]:
    """Run what takes no lock that a write waits behind (CONCURRENTLY, VALIDATE), outside of any
    transaction. It may wait itself: a next try would begin from nothing."""
    context = op.get_context()
    assert context.config is not None
    locks: Locks = context.config.attributes["locks"]
    with context.autocommit_block():
        op.execute(lock_timeout(locks.patience))
        yield
        op.execute(lock_timeout(locks.timeout))


def lock_timeout(seconds: float) -> str:
    """The statement that has the session wait no longer than that for any lock."""
    return f"SET lock_timeout = {round(seconds * 1000)}"
