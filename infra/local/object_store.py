"""The embedded S3: ministack, one process, its objects as plain files."""

from __future__ import annotations

import http.client
import sys
from importlib.util import find_spec
from pathlib import Path

from infra.local.failure import wheel_missing
from infra.local.object_store_process import DIRECTORY, HEALTH, RESERVE
from infra.local.ports import LOOPBACK, Ports
from infra.local.process import Command, clean_environment
from infra.local.supervisor import Server

_PROBE_SECONDS = 0.25


class ObjectStore(Server):
    """An S3 endpoint on loopback that knows one pair of keys.

    An object and its metadata are in their files when a PUT is answered with success, so a kill
    loses none; they are not flushed, so a power cut may. A PUT that would leave less than
    `reserve` bytes free, or whose file cannot be written, is answered with 507. A bucket's
    configuration (lifecycle, CORS) is written at an orderly end only: set it at every start.
    """

    role = "s3"
    title = "The object store"

    def __init__(
        self,
        directory: Path,
        log: Path,
        ports: Ports,
        access_key: str,
        secret_key: str,
        *,
        reserve: int,
    ) -> None:
        if find_spec("ministack") is None:
            raise wheel_missing("ministack")
        self._directory = directory
        self._log = log
        self.ports = ports
        self._keys = access_key, secret_key
        self._reserve = reserve
        self.port: int = ports.take(self.role)

    @property
    def endpoint(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    def command(self) -> Command:
        for part in (".", "data", "state", "tmp"):
            (self._directory / part).mkdir(mode=0o700, exist_ok=True)
        program = Path(__file__).with_name("object_store_process.py")
        return Command(
            # -P: neither the current directory nor this one may shadow its modules.
            [sys.executable, "-P", str(program)],
            clean_environment("HOME", "PYTHONPATH", "LD_LIBRARY_PATH", **self._settings()),
            log=self._log,
            directory=self._directory,
        )

    def _settings(self) -> dict[str, str]:
        access_key, secret_key = self._keys
        return {
            "SERVICES": "s3",
            "BIND_HOST": LOOPBACK,
            "GATEWAY_PORT": str(self.port),
            "S3_PERSIST": "1",
            DIRECTORY: str(self._directory / "data"),
            RESERVE: str(self._reserve),
            "PERSIST_STATE": "1",
            "STATE_DIR": str(self._directory / "state"),
            "TMPDIR": str(self._directory / "tmp"),
            "AUTH": "true",  # no anonymous requests, and no CORS but the bucket's own
            "AWS_ACCESS_KEY_ID": access_key,
            "AWS_SECRET_ACCESS_KEY": secret_key,
            "LOG_LEVEL": "WARNING",
            # Listeners of other services, which SERVICES does not turn off.
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            # At its start it removes containers of other ministacks on this machine's Docker.
            "DOCKER_HOST": f"unix://{self._directory}/no-docker",
        }

    def answers(self) -> bool:
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=_PROBE_SECONDS)
        try:
            connection.request("GET", HEALTH)
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
