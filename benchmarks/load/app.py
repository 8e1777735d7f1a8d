"""What every app has: who it is, what it keeps of answers, and one place that asks."""

import hashlib
import json
import os
import random
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import gevent
from locust import User, constant
from locust.exception import CatchResponseError

from benchmarks.load.connection import FAILURES, Answer, Connections
from benchmarks.load.journal import Journal

PHONES: Final = "phones"
COUNTERS: Final = "counters"
# The last minute of a token is not used.
_MARGIN: Final = 60.0
_TRIES: Final = 4
_MAX_AGE: Final = re.compile(r"max-age=(\d+)")
# Bodies that are everybody's are understood once a process, and not once a phone.
_MOST_SHARED: Final = 2_000


class Kept(NamedTuple):
    """An answer in a phone's HTTP cache."""

    etag: str
    until: float
    told: Any


class GiveUpError(Exception):
    """The screen cannot be shown; the person looks at it later."""


@dataclass
class Lunch:
    """What the people of a process have in common."""

    directory: Path
    journal: Journal
    pace: float
    """Of all pauses: so much of what people take."""
    is_closing: bool = False
    """Whether nobody orders any more, and the counters hurry."""
    _people: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    _next: dict[str, int] = field(default_factory=dict)

    def take(self, kind: str) -> dict[str, Any]:
        """Somebody whom no process has: who claims a name first has it."""
        people = self._people.get(kind)
        if people is None:
            lines = (self.directory / kind).read_text("utf-8").splitlines()
            people = self._people[kind] = [json.loads(line) for line in lines]
        for number in range(self._next.get(kind, 0), len(people)):
            self._next[kind] = number + 1
            try:
                claim = self.directory / f"{kind}.{number}"
                os.close(os.open(claim, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
            except FileExistsError:
                continue
            return people[number]
        raise RuntimeError(f"there are only {len(people)} {kind}")


class App(User):
    """An app on a device, with an address and a connection of its own."""

    abstract = True
    lunch: Lunch
    kind = PHONES
    wait_time = constant(0)
    _shared: Final[dict[tuple[str, str], Any]] = {}

    def on_start(self) -> None:
        self.person = self.lunch.take(self.kind)
        number = int(self.person["id"])
        # As its load balancer tells the application.
        self.address = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
        where = urlsplit(self.host)
        self.place = where.hostname or "", where.port or 80
        self._connections = Connections(*self.place)
        self._refresh_token: str = self.person["refresh"]
        self._access_token = ""
        self._expires_at = 0.0
        self._kept: dict[str, Kept] = {}
        while not self._access_token:
            self.renew()

    # Who it is

    def token(self) -> str:
        """One that is good for a minute at least."""
        if time.time() > self._expires_at - _MARGIN:
            self.renew()
        return self._access_token

    def renew(self) -> None:
        """Go on with the session; where that is over, log in."""
        answer = self._send(
            "POST", "/auth/refresh", "refresh", {"refreshToken": self._refresh_token}
        )
        is_in = self.log_in() if answer.status == 401 else self._granted(answer)
        if not is_in:
            gevent.sleep(random.uniform(1, 3))

    def log_in(self) -> bool:
        """By password; whether that was right."""
        body = {"email": self.person["email"], "password": self.person["password"]}
        return self._granted(self._send("POST", "/auth/login", "login", body))

    def _granted(self, answer: Answer) -> bool:
        if answer.status not in (200, 201):
            return False
        self._access_token = answer.told["accessToken"]
        self._refresh_token = answer.told["refreshToken"]
        # They are good for a quarter of an hour.
        self._expires_at = time.time() + 15 * 60
        self.renewed()
        return True

    def renewed(self) -> None:
        """There is another token."""

    # What it asks

    def ask(
        self,
        method: str,
        path: str,
        name: str,
        body: Any = None,
        *,
        headers: Mapping[str, str] | None = None,
        refusals: tuple[int, ...] = (),
    ) -> Answer:
        """Ask as whom it is; `refusals` are statuses that are no fault."""
        bearer = {"authorization": f"Bearer {self.token()}", **(headers or {})}
        return self._send(method, path, name, body, bearer, refusals)

    def safely(
        self,
        path: str,
        name: str,
        body: Any,
        key: str | None = None,
        refusals: tuple[int, ...] = (409,),
    ) -> Answer:
        """POST what may be sent again until an answer comes: it has a key, or a version."""
        headers = {"idempotency-key": key} if key else {}
        for tries in range(_TRIES):
            answer = self.ask("POST", path, name, body, headers=headers, refusals=refusals)
            if not answer.is_open:
                break
            gevent.sleep(_after(answer, tries))
        return answer

    def get(self, path: str, name: str, fence: str | None = None) -> Any:
        """What there is at `path`, as a phone's HTTP cache has it. Raises GiveUpError."""
        kept = self._kept.get(path)
        if kept and kept.until > time.monotonic() and fence is None:
            return kept.told
        headers = {"if-none-match": kept.etag} if kept else {}
        if fence is not None:
            headers["comanda-fence"] = fence
        answer = self.ask("GET", path, name, headers=headers)
        if answer.status not in (200, 304):
            raise GiveUpError
        etag = answer.headers.get("etag", "")
        control = answer.headers.get("cache-control", "")
        told = kept.told if kept and answer.status == 304 else self._understood(path, etag, answer)
        if etag and "no-store" not in control:
            found = None if "no-cache" in control else _MAX_AGE.search(control)
            until = time.monotonic() + int(found[1]) if found else 0.0
            self._kept[path] = Kept(etag, until, told)
        return told

    def _understood(self, path: str, etag: str, answer: Answer) -> Any:
        if "public" not in answer.headers.get("cache-control", ""):
            return answer.told
        told = self._shared.get((path, etag))
        if told is None:
            if len(self._shared) > _MOST_SHARED:
                self._shared.clear()
            told = self._shared[path, etag] = answer.told
        return told

    def _send(
        self,
        method: str,
        path: str,
        name: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        refusals: tuple[int, ...] = (),
    ) -> Answer:
        given = {
            "accept": "application/json",
            "user-agent": "CampusApp/1.0",
            "x-forwarded-for": self.address,
            **(headers or {}),
        }
        content = b""
        if body is not None:
            given["content-type"] = "application/json"
            content = json.dumps(body).encode()
        error: Exception | None = None
        began = time.perf_counter()
        try:
            answer = self._connections.ask(method, path, given, content)
        except FAILURES as failure:
            answer, error = Answer(), failure
        seconds = time.perf_counter() - began
        if answer.status >= 400 and answer.status not in refusals:
            error = CatchResponseError(f"{answer.status} {_problem(answer)}")
        self.count(method, name, seconds, len(answer.body), error)
        return answer

    def count(
        self,
        method: str,
        name: str,
        seconds: float,
        size: int = 0,
        error: Exception | None = None,
    ) -> None:
        """Into Locust's figures."""
        self.environment.events.request.fire(
            request_type=method,
            name=name,
            response_time=seconds * 1000,
            response_length=size,
            exception=error,
            context={},
        )

    # How it passes time

    def rest(self, seconds: float) -> None:
        """Two seconds at least, and so many on average."""
        gevent.sleep(self.lunch.pace * (2 + random.expovariate(1 / max(0.1, seconds - 2))))


def chance_of(*facts: Any) -> float:
    """From 0 to 1, and always the same of the same."""
    digest = hashlib.blake2b(repr(facts).encode(), digest_size=4).digest()
    return int.from_bytes(digest) / 2**32


def cents(amount: str) -> int:
    """Minor units of a decimal string."""
    return int(amount.replace(".", ""))


def _after(answer: Answer, tries: int) -> float:
    try:
        return float(answer.headers.get("retry-after", ""))
    except ValueError:
        return float(2**tries) * random.uniform(0.5, 1.0)


def _problem(answer: Answer) -> str:
    try:
        return str(answer.told["type"]).rpartition(":")[2]
    except (ValueError, KeyError, TypeError):
        return ""
