"""The tools of those who run it, and the names under which things are counted."""

import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from bff.operations.figures import Figures
from infra.local import debian

# Of what is said in PromQL the words that are no names of series.
_WORDS = frozenset(
    {"by", "on", "and", "or", "unless", "le", "vector", "ignoring", "group_left", "offset"}
)
# What stands in strings, in braces, in brackets, or behind `by` and the like.
_NO_NAMES = re.compile(r'"[^"]*"|\{[^}]*\}|\[[^]]*\]|\b(?:by|on|ignoring|without)\s*\([^)]*\)')
_NAME = re.compile(r"\b([a-z_][a-z0-9_:]*)\b(?!\s*\()")


def tool(name: str, package: str) -> str:
    """Where a program is; what asks for it is skipped where it is not to be had."""
    found = debian.program(name, package)
    if found is None:
        pytest.skip(f"there is no {name}, and no apt-get that fetches {package}")
    return str(found)


def run(*command: str | Path) -> str:
    """What it says; it has to succeed."""
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def names(expressions: Iterable[str]) -> set[str]:
    """Of all series that are asked for."""
    bare = (_NO_NAMES.sub(" ", each) for each in expressions)
    return {name for each in bare for name in _NAME.findall(each)} - _WORDS


def counted() -> set[str]:
    """Every series that the application tells of, whether or not there is anything to tell."""
    text = Figures(None).exposition("")[0].decode()
    found = set()
    for family in text_string_to_metric_families(text):
        name = family.name
        found |= {
            "counter": {f"{name}_total"},
            "histogram": {f"{name}_bucket", f"{name}_count", f"{name}_sum"},
        }.get(family.type, {name})
    return found
