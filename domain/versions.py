"""Nobody changes what they have not seen: a change names the versions that it may be made to."""

from typing import TypeAlias

from domain.errors import ChangedError

Expected: TypeAlias = frozenset[int] | None
"""Versions, any of which will do; None is whatever there is."""


def require(expected: Expected, version: int) -> None:
    """Raises ChangedError where the present version is none of those that are expected."""
    if expected is not None and version not in expected:
        raise ChangedError(version)
