"""What is lost with the primary and its disk is what was not archived yet, and no more."""

import pytest

from infra.recovery.drill import Drill, run

pytestmark = pytest.mark.long


def said(_: str) -> None:
    """Nobody listens."""


def test_what_was_archived_is_there_again_and_a_mistake_is_undone() -> None:
    outcome = run(Drill(seconds=8, every=1, orders=200), said)
    assert outcome.acknowledged > outcome.lost
    assert outcome.keeps_its_word


def test_the_drill_finds_out_what_is_lost() -> None:
    """Nothing is archived while they order, but for what a full segment holds."""
    outcome = run(Drill(seconds=3, every=900, orders=200), said)
    assert outcome.lost == outcome.acknowledged > 0
    assert outcome.rpo > 0
