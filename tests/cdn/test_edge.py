"""The edge function is the one CloudFront takes: small, with our ladder, and nothing too modern."""

import re

import pytest

from cdn.edge.build import FUNCTION, MOST_BYTES, embedded
from cdn.ladder import SOURCE

SOURCE_TEXT = FUNCTION.read_text()


def test_the_function_carries_the_ladder_as_it_is() -> None:
    assert embedded(SOURCE_TEXT, SOURCE.read_text()) == SOURCE_TEXT, (
        "cdn/ladder.json has changed: run `python -m cdn.edge.build`"
    )


def test_the_function_fits_into_cloudfront_with_room_for_a_few_presets() -> None:
    assert len(SOURCE_TEXT.encode()) < MOST_BYTES - 200


def test_a_ladder_that_is_too_large_is_refused_when_it_is_built() -> None:
    presets = ", ".join(f'"preset{n}": {{"w": "300"}}' for n in range(400))
    with pytest.raises(ValueError, match="CloudFront takes 10240"):
        embedded(SOURCE_TEXT, f'{{"presets": {{{presets}}}}}')


def test_a_function_without_its_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="<ladder>"):
        embedded("function handler(event) {}", SOURCE.read_text())


@pytest.mark.parametrize(
    "modern",
    [
        r"\bfor \([^;]*\bof\b",
        r"\.\.\.",
        r"\?\.",
        r"\?\?",
        r"\bclass\b",
        r"\b(const|let) [\[{]",
        r"\basync\b",
        r"\bimport\b|\brequire\b",
        r"\beval\b|\bFunction\b",
        r"\.(at|flatMap|matchAll|replaceAll|fromEntries)\(",
    ],
)
def test_the_function_needs_nothing_that_the_runtime_lacks(modern: str) -> None:
    code = re.sub(r"^\s*//.*$", "", SOURCE_TEXT, flags=re.MULTILINE)
    assert not re.search(modern, code)
