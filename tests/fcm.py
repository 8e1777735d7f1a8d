"""Google's side of a push, on this machine: tokens for signed assertions, and FCM's answers."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

PROJECT = "comanda-campus"
ACCOUNT = f"push@{PROJECT}.iam.gserviceaccount.com"
SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
# What Google wants, wherever its token endpoint is reached.
AUDIENCE = "https://oauth2.googleapis.com/token"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
FCM_ERROR = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
BAD_REQUEST = "type.googleapis.com/google.rpc.BadRequest"


@dataclass
class Answer:
    """What FCM says to one message."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


def refusal(
    status: int, code: str, message: str = "no", fields: tuple[str, ...] = (), **headers: str
) -> Answer:
    """An error in Google's form: FCM's own code, and which fields are wrong."""
    details: list[dict[str, Any]] = [{"@type": FCM_ERROR, "errorCode": code}] if code else []
    if fields:
        details.append({"@type": BAD_REQUEST, "fieldViolations": [{"field": f} for f in fields]})
    error = {"code": status, "message": message, "status": "WHATEVER", "details": details}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, json.dumps({"error": error}).encode(), named)


@dataclass
class Google:
    """The server's side: where it is, what it was asked, and what it will answer."""

    url: str = ""
    key_file: Path = Path()
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    """To come, by device token; after them every message is taken."""
    sent: list[dict[str, Any]] = field(default_factory=list)
    """The messages that came with a good access token."""
    assertions: int = 0
    granted: list[str] = field(default_factory=list)
    refuses_tokens: bool = False
    arrived: threading.Event = field(default_factory=threading.Event)

    def devices(self) -> list[str]:
        """Whom the messages were for, in the order of the alphabet."""
        return sorted(message["token"] for message in self.sent)

    def grant(self, form: dict[str, str]) -> Answer:
        """An access token for an assertion (RFC 7523), as Google checks one."""
        self.assertions += 1
        try:
            claims = jwt.decode(
                form["assertion"],
                _key().public_key(),
                algorithms=["RS256"],
                audience=AUDIENCE,
                issuer=ACCOUNT,
                options={"require": ["iat", "exp"]},
            )
            wrong = form["grant_type"] != GRANT or claims["scope"] != SCOPE
        except (jwt.InvalidTokenError, KeyError):
            wrong = True
        if wrong or self.refuses_tokens:
            return Answer(400, b'{"error": "invalid_grant", "error_description": "Invalid JWT."}')
        self.granted.append(f"access-{len(self.granted)}")
        token = {"access_token": self.granted[-1], "expires_in": 3599, "token_type": "Bearer"}
        return Answer(200, json.dumps(token).encode())

    def take(self, authorization: str, body: dict[str, Any]) -> Answer:
        """A message; of the access tokens only the last one is good."""
        if not self.granted or authorization != f"Bearer {self.granted[-1]}":
            return refusal(401, "")
        message = body.pop("message")
        assert not body
        self.sent.append(message)
        self.arrived.set()
        waiting = self.answers.get(message["token"])
        return waiting.pop(0) if waiting else Answer(200, b'{"name": "projects/p/messages/1"}')


@cache
def _key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def key_file(url: str) -> dict[str, str]:
    """What Google gives for a service account, with the token endpoint at `url`."""
    pem = _key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return {
        "type": "service_account",
        "project_id": PROJECT,
        "private_key_id": "1",
        "private_key": pem.decode(),
        "client_email": ACCOUNT,
        "token_uri": f"{url}/token",
    }


@contextmanager
def serving(directory: Path) -> Iterator[Google]:
    """Google, while it lasts; its key file is in `directory`."""
    google = Google(key_file=directory / "service-account.json")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path == "/token":
                answer = google.grant(dict(parse_qsl(body.decode())))
            elif self.path == f"/v1/projects/{PROJECT}/messages:send":
                answer = google.take(self.headers.get("Authorization", ""), json.loads(body))
            else:
                answer = Answer(404, b"<html>Not Found</html>")
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Type", "application/json; charset=UTF-8")
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    google.url = f"http://127.0.0.1:{server.server_port}"
    google.key_file.write_text(json.dumps(key_file(google.url)))
    try:
        yield google
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
