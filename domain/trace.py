"""In which trace something is done; what comes of it later, and elsewhere, is told in the same."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import Final

traceparent: Final[ContextVar[str | None]] = ContextVar("traceparent", default=None)
"""Of what is being done, as https://www.w3.org/TR/trace-context-1/ has it; None where nobody is
told of that."""


def trace_id() -> str | None:
    """What all of the trace is found by: 32 hexadecimal digits."""
    given = traceparent.get()
    return None if given is None else given.split("-")[1]


class Span:
    """What is done for a while, and told to nobody."""

    def failed(self, error: Exception) -> None:
        """It came to nothing, and has been seen to."""


Spans = Callable[[str, str | None], AbstractContextManager[Span]]
"""Tells of what is done within: under which name, and in which trace, or in one of its own."""

_UNTOLD: Final = Span()


@contextmanager
def untold(_: str, __: str | None) -> Iterator[Span]:
    """Nobody is told."""
    yield _UNTOLD
