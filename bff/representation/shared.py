"""Answers that are the same for everybody: encoded and coded once, and sent until they change.

An answer is good as long as each value of the cache that it was made of is: the fence of none of
its tags has gone beyond what it had seen. So it is held against the log, like
everything else, and never older than what the client that asks has written.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from typing import Any, Final, NamedTuple

import msgspec
from litestar import Request
from litestar.enums import HttpMethod, MediaType, ScopeType
from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send

from bff.representation import answers
from bff.representation.answers import Answer, Whole, Wishes, wishes
from bff.representation.codings import KEPT, Coding
from bff.representation.content import Coded, Content
from cdn import freshness
from domain.cache import Cache
from domain.database import Horizon, Sources, horizon
from domain.errors import NotFoundError

RawHeaders = tuple[tuple[bytes, bytes], ...]
Found = tuple[int, RawHeaders, bytes]
"""Status, headers and body."""

# Seconds that an answer is kept though nothing was heard of a change.
LASTS: Final = 300.0
# Of all answers together, with what became of them in each coding.
MOST_BYTES: Final = 32 * 1024 * 1024
# Ways to ask that lead to an answer without a look at the route.
MOST_QUESTIONS: Final = 4096
_MOST_QUESTION_BYTES: Final = 1024
# Ways to wish for the same answer whose forms are known, and how long their words may be: a
# browser's list of codings and our own tag.
_MOST_WISHES: Final = 16
_MOST_WISH_CHARACTERS: Final = 256
# An answer that was sent so often is worth a coding that takes its time,
WORTH: Final = 16
# and the pauses between two of these are so many times as long as they took.
_PAUSE: Final = 20
# Bytes that an answer takes beside its body, that each of its forms takes, and for each byte of its
# body: its codings are a sixth of that or so, and there are six of them.
_BESIDE: Final = 2048
_A_FORM: Final = 1024
_EACH: Final = 3
# A fence is one client's; a cache in between may have nothing that is late enough for it.
VARY: Final = f"{answers.VARY}, Comanda-Fence"


class Made(NamedTuple):
    """What an answer says, the headers that only it has, when it turns by itself, and the version
    of what can be changed by that."""

    says: Any
    headers: Mapping[str, str] = {}
    until: datetime | None = None
    version: str | None = None


Make = Callable[[], Awaitable[Made]]
Question = tuple[bytes, bytes]
"""Path and query, as they were sent."""


class _Reply(NamedTuple):
    """Status, headers and body; the coding in which it is not as small as can be, if it is coded;
    and in how many codings its content was, as this was made."""

    found: Found
    unsettled: Coding | None
    settled: int


class Kept:
    """An answer with all that was made of it."""

    def __init__(
        self, body: bytes, made: Made, sources: Sources, now: datetime, began: float
    ) -> None:
        self.content = Content(body, made.version)
        self.sources = sources
        self.size = _BESIDE + _EACH * len(body)
        """Bytes that it takes,"""
        self.counted = 0
        """and those of them that whoever keeps it has counted."""
        self.sent = 0
        control, lasts = _lasting(made, now)
        self.expires = began + lasts
        self._control = control.encode()
        self._own = [
            (name.lower().encode(), value.encode()) for name, value in made.headers.items()
        ]
        self._replies: dict[Wishes, _Reply] = {}

    def reply(self, wanted: Wishes) -> "_Reply":
        """The answer to such a request."""
        self.sent += 1
        known = self._replies.get(wanted)
        if known is None or known.settled != self.content.settled:
            known = self._reply(wanted)
            if wanted.characters <= _MOST_WISH_CHARACTERS:
                self._remember(wanted, known)
        return known

    def _remember(self, wanted: Wishes, reply: "_Reply") -> None:
        before = len(self._replies)
        if before >= _MOST_WISHES:
            self._replies.clear()
        self._replies[wanted] = reply
        self.size += _A_FORM * (len(self._replies) - before)

    def _reply(self, wanted: Wishes) -> "_Reply":
        choice, content = wanted.choice(KEPT), self.content
        is_best = choice.coding is None or content.is_settled(choice.coding)
        found = self._found(wanted, content.coded(choice))
        return _Reply(found, choice.coding if not is_best else None, content.settled)

    def _found(self, wanted: Wishes, coded: Coded) -> Found:
        tag = wanted.has(coded, self.content)
        if tag is not None:
            return HTTPStatus.NOT_MODIFIED, tuple(self._shared(tag)), b""
        return HTTPStatus.OK, tuple(self._head(coded)), coded.body

    def _head(self, coded: Coded) -> list[tuple[bytes, bytes]]:
        form = [
            (b"content-type", MediaType.JSON.encode()),
            (b"content-length", b"%d" % len(coded.body)),
        ]
        if coded.coding is not None:
            form.append((b"content-encoding", coded.coding.encode()))
        return [*form, *self._shared(coded.etag), *self._own]

    def _shared(self, tag: str) -> list[tuple[bytes, bytes]]:
        return [
            (b"etag", tag.encode()),
            (b"cache-control", self._control),
            (b"vary", VARY.encode()),
        ]


def _lasting(made: Made, now: datetime) -> tuple[str, float]:
    """Cache-Control, and seconds for which it may be sent. Who gets an answer in its last moment
    keeps it no longer than until it turns."""
    is_versioned = made.version is not None
    if made.until is None:
        return freshness.VERSIONED if is_versioned else freshness.SHARED, LASTS
    left = max(0.0, (made.until - now).total_seconds())
    seconds = int(min(freshness.SHARED_SECONDS, left / 2))
    control = freshness.turning(seconds, is_versioned=is_versioned)
    return control, min(LASTS, left - seconds)


class Shared:
    """The answers of this process that are everybody's."""

    def __init__(self, cache: Cache, most_bytes: int = MOST_BYTES) -> None:
        self._cache = cache
        self._most_bytes = most_bytes
        self.size = 0
        """Bytes of all that is kept."""
        self._kept: OrderedDict[str, Kept] = OrderedDict()
        self._flights: dict[str, asyncio.Task[Kept]] = {}
        self._questions: OrderedDict[Question, str] = OrderedDict()
        self._settling: asyncio.Task[None] | None = None

    async def close(self) -> None:
        """End what is under way."""
        tasks: list[asyncio.Task[Any]] = [*self._flights.values()]
        if self._settling is not None:
            tasks.append(self._settling)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def answer(self, request: Request[Any, Any, Any], key: str, make: Make) -> Answer[Any]:
        """The answer to a request. `key` is all that it depends on, in one spelling; `make` says it
        where it is not known, from values of the cache and from nothing else."""
        kept = await self.get(key, make)
        question = _question(request.scope)
        if question is not None:
            self._questions[question] = key
            if len(self._questions) > MOST_QUESTIONS:
                self._questions.popitem(last=False)
        status, headers, body = self.reply(kept, wishes(request.scope))
        named = {name.decode(): value.decode() for name, value in headers}
        return Whole(body, headers=named, status_code=status)

    async def said(self, key: str, make: Make) -> Any:
        """What is everybody's in an answer that is not: JSON, for an encoder to take as it is."""
        return msgspec.Raw((await self.get(key, make)).content.plain.body)

    async def get(self, key: str, make: Make) -> Kept:
        """What is kept under the key, or made for all who ask meanwhile."""
        kept = self._kept.get(key)
        if kept is not None and self._holds(kept):
            self._kept.move_to_end(key)
            return kept
        kept = await self._joined(key)
        if kept is not None and self._holds(kept):
            return kept
        # That one began before what this request has to see; by now there may be another, and of
        # somebody who has to see less.
        kept = await self._joined(key)
        if kept is not None and _is_late_enough(kept):
            return kept
        kept = await asyncio.shield(self._fly(key, make))
        if self._holds(kept):
            self._keep(key, kept)
        return kept

    def way(self, scope: HTTPScope) -> Callable[[], Found | None] | None:
        """How a request is answered that came before in the very same words, as long as there is an
        answer; None for others."""
        key = self._questions.get((scope["raw_path"], scope["query_string"]))
        return None if key is None else partial(self._ready, key, wishes(scope))

    def _ready(self, key: str, wanted: Wishes) -> Found | None:
        kept = self._kept.get(key)
        if kept is None or not self._holds(kept):
            return None
        self._kept.move_to_end(key)
        return self.reply(kept, wanted)

    def reply(self, kept: Kept, wanted: Wishes) -> Found:
        """Status, headers and body; what is sent often is coded better by and by."""
        reply = kept.reply(wanted)
        if kept.counted and kept.counted != kept.size:
            self._count(kept)
        if reply.unsettled is not None and kept.sent > WORTH and self._settling is None:
            self._settling = asyncio.create_task(self._settle(kept.content, reply.unsettled))
        return reply.found

    def _holds(self, kept: Kept) -> bool:
        return (
            time.monotonic() < kept.expires
            # What was made of nothing in the cache, nobody would hear a change of.
            and bool(kept.sources.tags)
            and self._cache.holds(kept.sources)
        )

    async def _joined(self, key: str) -> Kept | None:
        """What somebody else is having made. None where nobody is, or there was no such thing as
        they began: since then it may have been added."""
        flight = self._flights.get(key)
        try:
            return None if flight is None else await asyncio.shield(flight)
        except NotFoundError:
            return None

    def _fly(self, key: str, make: Make) -> asyncio.Task[Kept]:
        flight = self._flights[key] = asyncio.create_task(_made(make))

        def landed(flight: asyncio.Task[Kept]) -> None:
            if self._flights.get(key) is flight:
                del self._flights[key]
            if not flight.cancelled():
                # Whoever asked may have gone.
                flight.exception()

        flight.add_done_callback(landed)
        return flight

    def _keep(self, key: str, kept: Kept) -> None:
        old = self._kept.pop(key, None)
        if old is not None:
            self._uncount(old)
        self._kept[key] = kept
        self._count(kept)

    def _count(self, kept: Kept) -> None:
        self.size += kept.size - kept.counted
        kept.counted = kept.size
        while self.size > self._most_bytes:
            _, oldest = self._kept.popitem(last=False)
            self._uncount(oldest)

    def _uncount(self, kept: Kept) -> None:
        self.size -= kept.counted
        kept.counted = 0

    @property
    def is_settling(self) -> bool:
        """Whether something is being coded as well as can be, or was a moment ago."""
        return self._settling is not None

    async def _settle(self, content: Content, coding: Coding) -> None:
        began = time.monotonic()
        await asyncio.to_thread(content.settle, coding)
        await asyncio.sleep(_PAUSE * (time.monotonic() - began))
        self._settling = None


class Ready:
    """An ASGI application before another one: it answers what is ready, and hands on the rest."""

    def __init__(self, application: ASGIApp, shared: Shared) -> None:
        self._application = application
        self._shared = shared

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request (ASGI)."""
        if (
            scope["type"] != ScopeType.HTTP
            or scope["method"] != HttpMethod.GET
            or (way := self._shared.way(scope)) is None
            or (ready := way()) is None
        ):
            await self._application(scope, receive, send)
            return
        status, headers, body = ready
        # Copied, for whoever adds to them.
        await send({"type": "http.response.start", "status": status, "headers": [*headers]})
        await send({"type": "http.response.body", "body": body, "more_body": False})


async def _made(make: Make) -> Kept:
    sources, seen = Sources(), horizon.get()
    horizon.set(Horizon(0 if seen is None else seen.fence, sources))
    # To make it may take seconds, in which it comes nearer to its turn.
    now, began = datetime.now(UTC), time.monotonic()
    made = await make()
    return Kept(msgspec.json.encode(made.says), made, sources, now, began)


def _is_late_enough(kept: Kept) -> bool:
    """For the present request, whatever was changed since."""
    seen = horizon.get()
    return seen is None or kept.sources.asof >= seen.fence


def _question(scope: HTTPScope) -> Question | None:
    question = scope["raw_path"], scope["query_string"]
    return question if sum(map(len, question)) <= _MOST_QUESTION_BYTES else None
