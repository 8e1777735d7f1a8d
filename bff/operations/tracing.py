"""Whether there are traces: where OpenTelemetry's own variables name a collector."""

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Final

import asyncpg

from bff.edge.edge import Meet, Watch
from bff.realtime.bus import Heard
from bff.realtime.rooms import Rooms
from bff.realtime.sockets import Namespace
from bff.settings import SettingsError
from domain import trace
from domain.events import Tell
from domain.redis.wire import Wire
from imaging.shelves import Shelves
from imaging.workers import Workers

if TYPE_CHECKING:
    from bff.operations.traces import Traces

COLLECTORS: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


class Untraced:
    """Nothing is told, and nothing is in anybody's way: each part is itself."""

    connection = asyncpg.Connection
    wire = Wire
    shelves = Shelves
    workers = Workers
    span = staticmethod(trace.untold)
    meets: Sequence[Meet] = ()
    watches: Sequence[Watch] = ()

    def tell(self, tell: Tell) -> Tell:
        """It tells of events."""
        return tell

    def listener(
        self, hear: Callable[[Sequence[Heard]], None], _: Rooms
    ) -> Callable[[Sequence[Heard]], None]:
        """It hears notices."""
        return hear

    def namespace(self, namespace: Namespace, _: Collection[str]) -> Namespace:
        """It sees to events."""
        return namespace

    async def close(self) -> None:
        """There is nothing to send."""


def tracing(environment: Mapping[str, str] = os.environ) -> "Traces | Untraced":
    """What an application is wired with. Raises SettingsError."""
    if not any(environment.get(name) for name in COLLECTORS):
        return Untraced()
    try:
        from bff.operations.traces import Traces
    except ImportError as error:
        raise SettingsError(
            f"{COLLECTORS[0]} is set, and OpenTelemetry is not installed: comanda[otel]"
        ) from error
    return Traces()
