"""Firebase Cloud Messaging, HTTP v1: what is sent, and what each answer means.

https://firebase.google.com/docs/reference/fcm/rest/v1/projects.messages/send
"""

import asyncio
import logging
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Final

import httpx
import msgspec
from anyio import to_thread
from google.auth.credentials import TokenState
from google.auth.exceptions import GoogleAuthError, TransportError
from google.oauth2.service_account import Credentials
from msgspec import Struct

from domain.events import NotYetError
from domain.model import Platform
from domain.push import Outcome, Push

log = logging.getLogger(__name__)

_SCOPE: Final = "https://www.googleapis.com/auth/firebase.messaging"
# Of one relay there are eight events at once, with ten devices each at most.
_CONNECTIONS: Final = httpx.Limits(max_connections=20, max_keepalive_connections=20)
# All of it in seconds. Of the 50 that an event has, none waits for long.
_TIMEOUT: Final = httpx.Timeout(10, connect=3, pool=20)
_PAUSE_WITHOUT_TOKEN: Final = 10.0
# Google's advice where a 429 does not say.
_PAUSE_OF_QUOTA: Final = 60.0
_LONGEST_PAUSE: Final = 3600.0
# A message has 4,096 bytes, a character up to four of them.
_MOST_TITLE: Final = 100
_MOST_BODY: Final = 500


class CredentialsFileError(ValueError):
    """A file is no service account's; the message has nothing of what it holds."""


class Fcm:
    """Sends to one project's devices, in the name of its service account."""

    def __init__(self, credentials: Credentials, endpoint: str) -> None:
        self._credentials = credentials
        path = f"/v1/projects/{credentials.project_id}/messages:send"
        self._url = endpoint.rstrip("/") + path
        self._client = httpx.AsyncClient(timeout=_TIMEOUT, limits=_CONNECTIONS)
        self._refreshing = asyncio.Lock()
        self._resumes_at = 0.0

    async def push(self, push: Push) -> Outcome:
        """As the port says."""
        self._heed_pause()
        message = msgspec.json.encode({"message": _message(push)})
        token = await self._token()
        answer = await self._send(message, token)
        if (
            answer.status_code == HTTPStatus.UNAUTHORIZED
            and _error(answer.content).is_of_the_caller
        ):
            # Taken back before its time; or else the second one says the same.
            answer = await self._send(message, await self._token(instead_of=token))
        return self._judged(answer, push)

    async def close(self) -> None:
        """Let go of connections."""
        await self._client.aclose()

    async def _send(self, message: bytes, token: str) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        return await self._client.post(self._url, content=message, headers=headers)

    def _judged(self, answer: httpx.Response, push: Push) -> Outcome:
        if answer.is_success:
            return Outcome.TAKEN
        status = answer.status_code
        if status == HTTPStatus.TOO_MANY_REQUESTS or answer.is_server_error:
            seconds = _retry_after(answer.headers.get("Retry-After"))
            if seconds is None and status == HTTPStatus.TOO_MANY_REQUESTS:
                seconds = _PAUSE_OF_QUOTA
            if seconds is not None:
                raise self._pause(seconds, f"FCM answers {status}")
            answer.raise_for_status()
        error = _error(answer.content)
        if error.is_of_the_token:
            return Outcome.GONE
        # Another device, or another day, perhaps; this push would be refused again.
        log.error(
            "FCM refuses notification %d for device %d: %d %s",
            push.notification_id,
            push.device_id,
            status,
            error.message,
        )
        return Outcome.REFUSED

    async def _token(self, instead_of: str | None = None) -> str:
        """An access token that has some minutes left. Raises NotYetError."""
        credentials = self._credentials
        async with self._refreshing:
            fresh = credentials.token_state is TokenState.FRESH
            if not fresh or credentials.token == instead_of:
                # Whoever was first may have failed while the others waited here.
                self._heed_pause()
                try:
                    # It signs, and it waits for Google.
                    await to_thread.run_sync(credentials.refresh, _exchange, abandon_on_cancel=True)
                except GoogleAuthError as error:
                    log.error("no access token for FCM: %s", error)
                    raise self._pause(_PAUSE_WITHOUT_TOKEN, "no access token for FCM") from error
            return str(credentials.token)

    def _pause(self, seconds: float, why: str) -> NotYetError:
        """Send nothing for a while: a quota is the project's, and not one device's."""
        self._resumes_at = max(self._resumes_at, time.monotonic() + seconds)
        return NotYetError(why, seconds)

    def _heed_pause(self) -> None:
        left = self._resumes_at - time.monotonic()
        if left > 0:
            raise NotYetError("FCM has asked for a pause", left)


def from_file(path: str, endpoint: str) -> Fcm:
    """The sender of the service account in a key file of Google's, whose `token_uri` is where its
    access tokens come from. Raises CredentialsFileError."""
    try:
        credentials: Credentials = Credentials.from_service_account_file(  # type: ignore[no-untyped-call]
            path, scopes=[_SCOPE]
        )
    except OSError as error:
        raise CredentialsFileError(f"{path}: {error.strerror}") from error
    except (ValueError, GoogleAuthError):
        # Not from it, whose text may have a part of the key.
        raise CredentialsFileError(f"{path} is no key file of a service account") from None
    if not credentials.project_id:
        raise CredentialsFileError(f"{path} names no project_id")
    return Fcm(credentials, endpoint)


def _message(push: Push) -> dict[str, Any]:
    data = {"notificationId": str(push.notification_id), "kind": push.kind}
    if push.order_id is not None:
        data["orderId"] = str(push.order_id)
    return {
        "token": push.token,
        "notification": {"title": push.title[:_MOST_TITLE], "body": push.body[:_MOST_BODY]},
        "data": data,
        **_MANNERS[push.platform](push.seconds, f"notification-{push.notification_id}"),
    }


# How each platform is told: now, not later than it is of use, and under a name by which a push
# that comes twice replaces itself on the screen.
def _android(seconds: int, name: str) -> dict[str, Any]:
    return {"android": {"priority": "HIGH", "ttl": f"{seconds}s", "notification": {"tag": name}}}


def _ios(seconds: int, name: str) -> dict[str, Any]:
    headers = {
        "apns-priority": "10",
        "apns-expiration": str(int(time.time()) + seconds),
        "apns-collapse-id": name,
    }
    return {"apns": {"headers": headers}}


def _web(seconds: int, name: str) -> dict[str, Any]:
    headers = {"TTL": str(seconds), "Urgency": "high"}
    return {"webpush": {"headers": headers, "notification": {"tag": name}}}


_MANNERS: Final = {Platform.ANDROID: _android, Platform.IOS: _ios, Platform.WEB: _web}


class _Violation(Struct):
    field: str = ""


class _Detail(Struct, rename="camel"):
    error_code: str = ""
    field_violations: list[_Violation] = []


class _Error(Struct):
    message: str = ""
    details: list[_Detail] = []

    @property
    def is_of_the_token(self) -> bool:
        """Whether it is the device's registration that FCM does not know. A bare 404 is not that:
        an endpoint that is set wrongly would take every device away."""
        if "UNREGISTERED" in self._codes:
            return True
        fields = {each.field for detail in self.details for each in detail.field_violations}
        named = "message.token" in fields or (not fields and "registration token" in self.message)
        return "INVALID_ARGUMENT" in self._codes and named

    @property
    def is_of_the_caller(self) -> bool:
        """Of a 401: that it is not about what the project has with Apple, or with a browser."""
        return "THIRD_PARTY_AUTH_ERROR" not in self._codes

    @property
    def _codes(self) -> set[str]:
        return {detail.error_code for detail in self.details}


class _Answer(Struct):
    error: _Error


def _error(content: bytes) -> _Error:
    try:
        return msgspec.json.decode(content, type=_Answer).error
    except msgspec.MsgspecError:
        return _Error("an answer that is not FCM's")


def _retry_after(text: str | None) -> float | None:
    """Seconds, or a date (RFC 9110 10.2.3); None where it is neither."""
    if text is None:
        return None
    try:
        seconds = (
            float(text)
            if text.isdecimal()
            else (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds()
        )
    except (ValueError, TypeError):
        return None
    return min(max(seconds, 0.0), _LONGEST_PAUSE)


class _Response(Struct):
    """What google-auth reads of a response."""

    status: int
    headers: Mapping[str, str]
    data: bytes


def _exchange(
    url: str,
    method: str = "GET",
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    **_: object,
) -> _Response:
    """google-auth's port to HTTP (`google.auth.transport.Request`), so that there is one client,
    with one idea of proxies and certificates."""
    try:
        answer = httpx.request(method, url, content=body, headers=headers, timeout=_TIMEOUT)
    except httpx.HTTPError as error:
        raise TransportError(error) from error  # type: ignore[no-untyped-call]
    return _Response(answer.status_code, answer.headers, answer.content)
