"""Money keeps its cents."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.model.money import to_decimal, to_minor


@pytest.mark.parametrize(
    ("minor", "decimal"),
    [(0, "0.00"), (5, "0.05"), (1250, "12.50"), (-5, "-0.05"), (-120, "-1.20")],
)
def test_an_amount_is_written_with_two_decimals(minor: int, decimal: str) -> None:
    assert to_decimal(minor) == decimal


@given(st.integers(0, 99_999_999_999))
def test_what_is_written_reads_back_to_the_cent(minor: int) -> None:
    assert to_minor(to_decimal(minor)) == minor


@pytest.mark.parametrize("text", ["", "-1", "1.005", "1,50", "1e3", " 1", "1.", "٣", "1234567890"])
def test_what_would_have_to_be_guessed_or_rounded_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not an amount"):
        to_minor(text)
