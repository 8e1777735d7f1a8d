"""Answers that were given a moment ago, for whoever asks the very same: no routing, no lookup."""

import time
from collections import OrderedDict
from typing import Final, NamedTuple

from litestar.enums import HttpMethod, ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from imaging.memory import Memory

# Each takes about two kilobytes beside the body, which memory counts.
MOST_ANSWERS: Final = 4096
# Longer requests go the long way: nobody's browser sends such, and they would fill this.
_MOST_BYTES: Final = 1024
# These change the answer to a URL; all others do not.
_VARYING: Final = frozenset({b"accept", b"save-data"})
# And with these the answer may be another than the whole picture.
_CONDITIONS: Final = frozenset(
    {b"if-none-match", b"if-modified-since", b"range", b"if-range", b"if-match"}
)
_PLACES: Final = (b"/products/", b"/v/")

Question = tuple[bytes, ...]
"""All of a request that its answer depends on."""


class _Answer(NamedTuple):
    template: str
    key: str
    headers: tuple[tuple[bytes, bytes], ...]
    until: float


class Answers:
    """Whole answers by the requests they were given to; their bodies stay where `memory` keeps
    them, so what is forgotten there is answered anew."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._answers: OrderedDict[Question, _Answer] = OrderedDict()

    def keep(self, scope: HTTPScope, key: str, headers: dict[str, str], until: float) -> None:
        """Answer the same request so with the body under `key`, `until` the monotonic clock."""
        question = _question(scope)
        if question is None or scope["method"] != HttpMethod.GET:
            return
        lines = tuple(
            (name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()
        )
        self._answers[question] = _Answer(scope["path_template"], key, lines, until)
        self._answers.move_to_end(question)
        if len(self._answers) > MOST_ANSWERS:
            self._answers.popitem(last=False)

    def get(self, scope: HTTPScope) -> tuple[Message, bytes] | None:
        """The start and the body of the answer, if it still holds."""
        question = _question(scope)
        answer = None if question is None else self._answers.get(question)
        if answer is None or answer.until <= time.monotonic():
            return None
        body = self._memory.get(answer.key)
        if body is None:
            return None
        # As the router would have it, for whoever counts by route.
        scope["path_template"] = answer.template
        return {"type": "http.response.start", "status": 200, "headers": [*answer.headers]}, body


def raw_path(scope: HTTPScope) -> str:
    """The path as it was sent: decoded, many spellings would be one."""
    return scope["raw_path"].decode("latin-1")


def _question(scope: HTTPScope) -> Question | None:
    parts = [scope["raw_path"], scope["query_string"]]
    for name, value in scope["headers"]:
        if name in _VARYING:
            parts += (name, value)
        elif name in _CONDITIONS:
            return None
    return tuple(parts) if sum(map(len, parts)) <= _MOST_BYTES else None


class Shortcut:
    """An ASGI application before another one: it answers what is ready, and hands on the rest."""

    def __init__(self, application: ASGIApp, answers: Answers) -> None:
        self._application = application
        self._answers = answers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if (
            scope["type"] == ScopeType.HTTP
            and scope["method"] == HttpMethod.GET
            and scope["raw_path"].startswith(_PLACES)
            and (ready := self._answers.get(scope)) is not None
        ):
            start, body = ready
            await send(start)
            await send({"type": "http.response.body", "body": body, "more_body": False})
        else:
            await self._application(scope, receive, send)
