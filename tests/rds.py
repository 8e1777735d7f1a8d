"""Amazon's side of a rehearsal, on this machine: what RDS says of instances (its Query API), while
the databases themselves are real."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qsl

BEHIND: Final = timedelta(minutes=4)
"""So far is the log that is kept, behind what was written."""


@dataclass
class Rds:
    """Instances by name, and where a restored one is; `asked` is what changed any."""

    host: str
    port: int
    url: str = ""
    status: dict[str, str] = field(default_factory=dict)
    refusals: int = 0
    """Of deletions to come: it is busy."""
    is_slow: bool = False
    """Whether what is made never comes to be there."""
    is_closed: bool = False
    """Whether whoever asks may not."""
    asked: list[dict[str, str]] = field(default_factory=list)

    def answer(self, asked: dict[str, str]) -> tuple[int, str]:
        """Status and result of a request."""
        action = asked["Action"]
        if self.is_closed:
            return 403, _error("AccessDenied")
        if action != "DescribeDBInstances":
            self.asked.append(asked)
        if action == "RestoreDBInstanceToPointInTime":
            name = asked["TargetDBInstanceIdentifier"]
            self.status[name] = "creating"
            return 200, self._instance(name)
        name = asked["DBInstanceIdentifier"]
        if name not in self.status:
            return 404, _error("DBInstanceNotFound")
        if action == "DeleteDBInstance" and self.refusals:
            self.refusals -= 1
            return 400, _error("InvalidDBInstanceState")
        if action == "DeleteDBInstance":
            self.status[name] = "deleting"
            return 200, self._instance(name)
        told = f"<DBInstances>{self._instance(name)}</DBInstances>"
        # The next time it has come further.
        match self.status[name]:
            case "creating" if not self.is_slow:
                self.status[name] = "available"
            case "deleting":
                del self.status[name]
        return 200, told

    def _instance(self, name: str) -> str:
        until = (datetime.now(UTC) - BEHIND).isoformat()
        group = "VpcSecurityGroupMembership"
        return (
            f"<DBInstance><DBInstanceIdentifier>{name}</DBInstanceIdentifier>"
            f"<DBInstanceStatus>{self.status[name]}</DBInstanceStatus>"
            f"<DBInstanceClass>db.r7g.large</DBInstanceClass>"
            f"<Endpoint><Address>{self.host}</Address><Port>{self.port}</Port></Endpoint>"
            f"<LatestRestorableTime>{until}</LatestRestorableTime>"
            f"<VpcSecurityGroups><{group}><VpcSecurityGroupId>sg-1</VpcSecurityGroupId></{group}>"
            "</VpcSecurityGroups><DBSubnetGroup><DBSubnetGroupName>ours</DBSubnetGroupName>"
            "</DBSubnetGroup><DBParameterGroups><DBParameterGroup><DBParameterGroupName>ours"
            "</DBParameterGroupName></DBParameterGroup></DBParameterGroups></DBInstance>"
        )


def _error(code: str) -> str:
    told = f"<Type>Sender</Type><Code>{code}</Code><Message>no</Message>"
    return f"<ErrorResponse><Error>{told}</Error></ErrorResponse>"


@contextmanager
def rds(host: str, port: int, *instances: str) -> Iterator[Rds]:
    """It, with instances that are there; those that are restored are at `host` and `port`."""
    amazon = Rds(host, port, status=dict.fromkeys(instances, "available"))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            asked = dict(parse_qsl(body))
            status, result = amazon.answer(asked)
            action = asked["Action"]
            if status == 200:
                result = f"<{action}Result>{result}</{action}Result>"
                result = f"<{action}Response>{result}</{action}Response>"
            self.send_response(status)
            self.send_header("content-length", str(len(result)))
            self.end_headers()
            self.wfile.write(result.encode())

        def log_message(self, *_: Any) -> None:
            """Nobody wants to read that."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    amazon.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield amazon
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
