"""The room before the workers is counted right, and says honestly when there may be some again."""

import pytest

from imaging.admission import Gate, Line, OverloadedError, Priority


@pytest.mark.parametrize(
    ("seconds_a_picture", "inside", "retry_after"),
    [
        (0.000_1, 10, 1),
        (1.0, 10, 5),
        (1.0, 4, 2),
        (60.0, 10, 30),
    ],
)
def test_the_time_to_retry_follows_what_pictures_took_of_late(
    seconds_a_picture: float, inside: int, retry_after: int
) -> None:
    gate = Gate(jobs=inside, pixels=10**12, processes=2)
    for _ in range(200):
        gate.learn(1_000_000, seconds_a_picture, Priority.INTERACTIVE)
    for _ in range(inside):
        gate.enter(1_000_000, Priority.INTERACTIVE)
    with pytest.raises(OverloadedError) as refused:
        gate.enter(1, Priority.INTERACTIVE)
    assert refused.value.retry_after == retry_after


def test_who_would_wait_longer_than_his_patience_is_refused_at_the_door() -> None:
    patience = {Priority.INTERACTIVE: 1.0, Priority.BACKGROUND: 100.0}
    gate = Gate(jobs=100, pixels=10**12, processes=2, patience=patience)
    for _ in range(200):
        gate.learn(1_000_000, 1.0, Priority.INTERACTIVE)
        gate.learn(1_000_000, 50.0, Priority.BACKGROUND)
    for _ in range(3):
        gate.enter(1, Priority.INTERACTIVE)
    with pytest.raises(OverloadedError):
        gate.enter(1, Priority.INTERACTIVE)
    # Who is in already is not refused for those who came after.
    gate.learn(1_000_000, 60.0, Priority.INTERACTIVE)
    gate.reweigh(1, 2, Priority.INTERACTIVE)
    for _ in range(5):
        gate.enter(1, Priority.BACKGROUND)
    with pytest.raises(OverloadedError):
        gate.enter(1, Priority.BACKGROUND)


def test_who_has_left_is_counted_no_more() -> None:
    gate = Gate(jobs=2, pixels=100, processes=1)
    for priority in Priority:
        gate.enter(10, priority)
        gate.reweigh(10, 20, priority)
        gate.leave(20, priority)
    assert (gate.jobs, gate.pixels) == (0, 0)


def test_one_who_cannot_grow_counts_as_before() -> None:
    gate = Gate(jobs=2, pixels=100, processes=1)
    gate.enter(50, Priority.INTERACTIVE)
    gate.enter(10, Priority.INTERACTIVE)
    with pytest.raises(OverloadedError):
        gate.reweigh(10, 51, Priority.INTERACTIVE)
    assert (gate.jobs, gate.pixels, gate.refusals) == (2, 60, 1)


class Picture:
    def __repr__(self) -> str:
        raise AssertionError("forty megabytes were about to be spelled out")


def test_leaving_the_line_is_cheap_wherever_one_stands() -> None:
    line: Line[Picture] = Line()
    here, gone = Picture(), Picture()
    line.join(here, Priority.INTERACTIVE)
    for ticket in (gone, here, here):
        line.leave(ticket, Priority.INTERACTIVE)
    assert len(line) == 0
