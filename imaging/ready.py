"""Answers that were given a moment ago, for whoever asks the very same: no routing, no lookup."""

import time
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import Final, NamedTuple

from litestar.enums import HttpMethod, ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from cdn import freshness
from cdn.conditions import matches
from imaging.memory import Memory

# Each takes about two kilobytes beside the body, which memory counts.
MOST_ANSWERS: Final = 4096
# Longer requests go the long way: nobody's browser sends such, and they would fill this.
_MOST_BYTES: Final = 1024
# These change the answer to a URL; all others do not.
_VARYING: Final = frozenset({b"accept", b"save-data"})
# With this it may be that nothing has to be sent, whatever the date says (RFC 9110 13.2.2),
_KNOWN: Final = b"if-none-match"
_DATE: Final = b"if-modified-since"
# and with these the answer may be another than the whole picture.
_CONDITIONS: Final = frozenset({b"range", b"if-range", b"if-match"})
_PLACES: Final = (b"/products/", b"/v/")

Question = tuple[bytes, ...]
"""All of a request that its answer depends on."""
Ready = tuple[int, tuple[tuple[bytes, bytes], ...], bytes]
"""Status, headers and body."""


Lines = tuple[tuple[bytes, bytes], ...]


class _Answer(NamedTuple):
    template: str
    key: str
    etag: str
    headers: Lines
    unchanged: Lines
    until: float


class _Asked(NamedTuple):
    question: Question
    known: str | None
    """What If-None-Match names."""


class Answers:
    """Whole answers by the requests they were given to; their bodies stay where `memory` keeps
    them, so what is forgotten there is answered anew, to whoever has it too."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._answers: OrderedDict[Question, _Answer] = OrderedDict()

    def keep(self, scope: HTTPScope, key: str, headers: dict[str, str], until: float) -> None:
        """Answer the same request so with the body under `key`, `until` the monotonic clock."""
        asked = _asked(scope)
        if asked is None or scope["method"] != HttpMethod.GET:
            return
        question, unchanged = asked.question, freshness.not_modified(headers)
        self._answers[question] = _Answer(
            scope["path_template"], key, headers["ETag"], _lines(headers), _lines(unchanged), until
        )
        self._answers.move_to_end(question)
        if len(self._answers) > MOST_ANSWERS:
            self._answers.popitem(last=False)

    def get(self, scope: HTTPScope) -> tuple[Message, bytes] | None:
        """The start and the body of the answer, if it still holds."""
        asked = _asked(scope)
        answer = None if asked is None else self._answers.get(asked.question)
        if asked is None or answer is None or (ready := self._ready(asked)) is None:
            return None
        # As the router would have it, for whoever counts by route.
        scope["path_template"] = answer.template
        status, headers, body = ready
        return {"type": "http.response.start", "status": status, "headers": [*headers]}, body

    def way(self, scope: HTTPScope) -> Callable[[], Ready | None] | None:
        """How such a request is answered while there is an answer; None where none was given."""
        asked = _asked(scope) if scope["raw_path"].startswith(_PLACES) else None
        is_known = asked is not None and asked.question in self._answers
        return partial(self._ready, asked) if asked is not None and is_known else None

    def _ready(self, asked: _Asked) -> Ready | None:
        answer = self._answers.get(asked.question)
        if answer is None or answer.until <= time.monotonic():
            return None
        # First, whatever the client has: what was taken down is gone from there.
        body = self._memory.get(answer.key)
        if body is None:
            return None
        if asked.known is not None and matches(answer.etag, asked.known):
            return HTTPStatus.NOT_MODIFIED, answer.unchanged, b""
        return HTTPStatus.OK, answer.headers, body


def _lines(headers: freshness.Headers) -> Lines:
    return tuple(
        (name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()
    )


def raw_path(scope: HTTPScope) -> str:
    """The path as it was sent: decoded, many spellings would be one."""
    return scope["raw_path"].decode("latin-1")


def _asked(scope: HTTPScope) -> _Asked | None:
    parts, known, has_date = [scope["raw_path"], scope["query_string"]], [], False
    for name, value in scope["headers"]:
        if name in _VARYING:
            parts += (name, value)
        elif name == _KNOWN:
            known.append(value.decode("latin-1"))
        elif name == _DATE:
            has_date = True
        elif name in _CONDITIONS:
            return None
    if sum(map(len, parts)) > _MOST_BYTES or (has_date and not known):
        return None
    return _Asked(tuple(parts), ",".join(known) if known else None)


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
