"""`comanda serve`: the application in one process, or in several that share a port."""

import gc
import multiprocessing
import multiprocessing.connection
import os
import signal
import tempfile
import threading
from typing import TYPE_CHECKING, Final

import click
import uvicorn
from uvicorn.supervisors import multiprocess

from bff.operations import logs
from bff.realtime.engine import Limits
from bff.settings import PREFIX, SettingsError, Sockets, from_environment

if TYPE_CHECKING:
    from litestar import Litestar

# Longer than a CDN's or a balancer's own: who closes first must not be us, or a request is lost
# that was sent at that moment.
_IDLE_SECONDS: Final = 75
# What is under way is given that long to end.
_GRACE_SECONDS: Final = 10
# A process that gives no sign of life for so long is killed, and another one begins: also one that
# still starts, on a machine that is busy.
_HANGING_SECONDS: Final = 30
_DIRECTORY: Final = f"{PREFIX}METRICS_DIRECTORY"
# Objects more than there were, after which Python looks for cycles among the new ones; such looks
# before one that takes in some older ones; and those before one at all there is. Of itself it looks
# at all whenever there is a quarter more: with thousands of connections that is a tenth of a second
# and more, again and again, in which nobody is answered.
_LOOKS: Final = (5_000, 4, 100)
# uvicorn's name of a protocol of its own, or our class.
_WEBSOCKETS: Final = {
    Sockets.OWN: "bff.realtime.websocket:WebSocket",
    Sockets.ASGI: "wsproto",
}

HOST: Final = click.option(
    "--host", default="127.0.0.1", show_default=True, help="Address to listen on."
)
PORT: Final = click.option("--port", type=click.IntRange(1, 65535), default=8000, show_default=True)
WORKERS: Final = click.option(
    "--workers",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="Processes that share the port.",
)


@click.command()
@HOST
@PORT
@WORKERS
def main(host: str, port: int, workers: int) -> None:
    """Serve the application over the servers that COMANDA_* names, and nothing else."""
    try:
        settings = from_environment()
    except SettingsError as error:
        raise click.ClickException(str(error)) from error
    logs.configure(settings.log_format)
    if workers == 1 or settings.metrics_directory is not None:
        _run(host, port, workers, settings.sockets)
        return
    with tempfile.TemporaryDirectory(prefix="comanda-figures-") as directory:
        os.environ[_DIRECTORY] = directory
        _run(host, port, workers, settings.sockets)


def application() -> "Litestar":
    """The application as one of the processes has it."""
    # Who only looks after such processes does without.
    from bff.app import create_app

    settings = from_environment()
    logs.configure(settings.log_format)
    if (parent := multiprocessing.parent_process()) is not None:
        threading.Thread(target=_end_with, args=[parent.sentinel], daemon=True).start()
    app = create_app(settings)
    # What a process is made of stays, so no look goes through that again.
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_LOOKS)
    return app


class _Process(multiprocess.Process):
    """One whose end is seen also while its sign of life is waited for."""

    def start(self) -> None:
        super().start()
        # Of the pipe's other end nobody else has a copy then, so it breaks with the process.
        self.child_conn.close()


def _run(host: str, port: int, workers: int, sockets: Sockets) -> None:
    multiprocess.Process = _Process  # type: ignore[misc]
    uvicorn.run(
        "bff.serve:application",
        factory=True,
        host=host,
        port=port,
        workers=workers,
        loop="uvloop",
        http="bff.edge.protocol:BoundedProtocol",
        ws=_WEBSOCKETS[sockets],
        # Engine.IO has pings of its own, and no message of ours is worth what deflating it takes.
        ws_ping_interval=None,
        ws_per_message_deflate=False,
        ws_max_size=Limits().payload,
        timeout_keep_alive=_IDLE_SECONDS,
        timeout_graceful_shutdown=_GRACE_SECONDS,
        timeout_worker_healthcheck=_HANGING_SECONDS,
        # Whom to believe about who asks is for `bff.edge.clients` to say.
        proxy_headers=False,
        server_header=False,
        access_log=False,
        log_config=None,
    )


def _end_with(parent: int) -> None:
    """A process whose parent was killed would keep the port, and nobody would look after it."""
    multiprocessing.connection.wait([parent])
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    # By itself: the command line would load the embedded stack, too.
    main(prog_name="comanda serve")
