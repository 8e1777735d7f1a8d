"""Whether requests are traced: where OpenTelemetry's own variables name a collector."""

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, TypeVar

import asyncpg
from litestar.types import ASGIApp

from bff.edge.edge import Watch
from bff.settings import SettingsError
from domain.redis.wire import Wire

if TYPE_CHECKING:
    from bff.operations.traces import Traces

T = TypeVar("T")

COLLECTORS: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


class Untraced:
    """Nothing is told, and nothing is in anybody's way."""

    connection = asyncpg.Connection
    wire = Wire
    watches: Sequence[Watch] = ()

    def around(self, application: ASGIApp) -> ASGIApp:
        """The application itself."""
        return application

    def untold(self, ways: Sequence[T]) -> Sequence[T]:
        """Those that lead to an answer without the application."""
        return ways

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
