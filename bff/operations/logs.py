"""Logs: lines of JSON for machines, or words for a person at a terminal; each with its request."""

import asyncio
import logging
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final, TextIO

import msgspec
import structlog
from structlog.typing import EventDict, Processor

from bff.edge.exchange import Exchange, current
from domain.trace import trace_id

# A line is lost for a tenth of a second at most when the process is killed.
_FLUSH_SECONDS: Final = 0.1
_MOST_UNWRITTEN: Final = 64 * 1024
# What was asked for may be as long as the head of a request.
_MOST_PATH: Final = 200
# Longer, and it is told however few are.
_SLOW_SECONDS: Final = 1.0
_REFUSED: Final = 400
_FAULT: Final = 500
# Of who left before there was an answer.
_GONE: Final = 499
# Of the eight digits that decide whether a trace is told.
_TRACES: Final = 16**8


class LogFormat(StrEnum):
    """How a line is written."""

    AUTO = "auto"
    JSON = "json"
    CONSOLE = "console"

    def is_for_people(self, stream: TextIO) -> bool:
        """Whether somebody reads it as it comes."""
        return self is LogFormat.CONSOLE or (self is LogFormat.AUTO and stream.isatty())


def configure(form: LogFormat, level: int = logging.INFO) -> None:
    """Have everything that is logged in this process go to standard error, as `form` says.

    What libraries say goes the same way; of a request its id, which is its trace's, and its person
    are added, and of what goes on behind requests the id of the trace that it is of.
    """
    shared: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        _stamp,
        _of_request,
    ]
    if form.is_for_people(sys.stderr):
        shown: list[Processor] = [_readable, structlog.dev.ConsoleRenderer(colors=True)]
    else:
        shown = [structlog.processors.format_exc_info, _as_json]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *shown],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for chatty in ("botocore", "httpx", "httpcore", "uvicorn.error"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    # It warns of what strangers send, in their words and with each request.
    logging.getLogger("opentelemetry.trace").setLevel(logging.ERROR)


class Line(msgspec.Struct, gc=False):
    """Of one request. By way of structlog it would take thrice as long."""

    request_id: str
    method: str
    path: str
    route: str | None
    status: int
    ms: float
    bytes: int
    client: str
    user: int | None
    refused: str | None
    timestamp: datetime
    event: str = "request"
    level: str = "info"


class AccessLog:
    """A line on standard output for each request, or for a share of them: the same ones in every
    process that a trace goes through. Faults, and what was slow, are always told.

    Of the address there is the path: what follows it may be a signature, or somebody's search.
    """

    def __init__(self, share: float, form: LogFormat, stream: TextIO | None = None) -> None:
        self._tells_all = share >= 1
        self._most = share * _TRACES
        self._lines = Lines(stream or sys.stdout)
        is_read = form.is_for_people(self._lines.stream)
        self._written = _in_words(structlog.dev.ConsoleRenderer()) if is_read else _encode

    def note(self, exchange: Exchange, seconds: float) -> None:
        """A request was answered."""
        status = exchange.status
        is_usual = status < _FAULT and seconds < _SLOW_SECONDS
        if is_usual and not self._tells_all and int(exchange.id[:8], 16) >= self._most:
            return
        scope = exchange.scope
        line = Line(
            exchange.id,
            scope["method"],
            scope["path"][:_MOST_PATH],
            scope.get("path_template") or None,
            status,
            round(seconds * 1000, 3),
            exchange.bytes,
            exchange.client,
            exchange.user,
            exchange.refusal or None,
            datetime.now(UTC),
        )
        self._lines.add(self._written(line))

    def note_problem(self, exchange: Exchange, seconds: float) -> None:
        """The same for what waits by design, and is told of only where it was refused: for that
        may be quoted to us."""
        if exchange.status >= _REFUSED and exchange.status != _GONE:
            self.note(exchange, seconds)

    def close(self) -> None:
        """Write what is not written yet."""
        self._lines.flush()


class Lines:
    """Where lines are put together: a write a request would cost more than all else here."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self._unwritten = bytearray()
        self._due: asyncio.TimerHandle | None = None

    def add(self, line: bytes) -> None:
        """Add one."""
        self._unwritten += line
        self._unwritten += b"\n"
        if len(self._unwritten) >= _MOST_UNWRITTEN:
            self.flush()
        elif self._due is None:
            self._due = asyncio.get_running_loop().call_later(_FLUSH_SECONDS, self.flush)

    def flush(self) -> None:
        """Write them; who does not read them any more stops nothing."""
        if self._due is not None:
            self._due.cancel()
            self._due = None
        text = self._unwritten.decode()
        self._unwritten.clear()
        try:
            self.stream.write(text)
            self.stream.flush()
        except (OSError, ValueError):
            pass


def _stamp(_: Any, __: str, event: EventDict) -> EventDict:
    event["timestamp"] = datetime.now(UTC)
    return event


def _of_request(_: Any, __: str, event: EventDict) -> EventDict:
    exchange = current.get()
    if exchange is not None:
        event["request_id"] = exchange.id
        if exchange.user is not None:
            event["user"] = exchange.user
    elif (traced := trace_id()) is not None:
        event["trace_id"] = traced
    return event


def _readable(_: Any, __: str, event: EventDict) -> EventDict:
    event["timestamp"] = event["timestamp"].strftime("%H:%M:%S.%f")[:-3]
    return event


_encode: Final[Callable[[object], bytes]] = msgspec.json.Encoder(enc_hook=str).encode


def _as_json(_: Any, __: str, event: EventDict) -> str:
    return _encode(event).decode()


def _in_words(render: Processor) -> Callable[[Line], bytes]:
    def written(line: Line) -> bytes:
        event = _readable(None, "", msgspec.structs.asdict(line))
        return str(render(None, line.level, event)).encode()

    return written
