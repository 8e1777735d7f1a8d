"""What is done once, however often it is asked for (draft-ietf-httpapi-idempotency-key-header)."""

import hashlib
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Struct
from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    Insert,
    LargeBinary,
    Text,
    and_,
    bindparam,
    func,
    insert,
    select,
)

from domain.database import Reader, Writer
from domain.errors import InFlightError, KeyReusedError
from domain.model import IdempotencyKey
from domain.sweeper import Kept

T = TypeVar("T")

# A client that has not asked again by then never will.
KEPT: Final = Kept(IdempotencyKey.created_at, timedelta(hours=24))
# Built once, for building takes longer than running.
_PERSON: Final = bindparam("person", type_=BigInteger)
_NAME: Final = bindparam("name", type_=Text)
_IS_OURS: Final = func.pg_try_advisory_xact_lock(bindparam("lock", type_=BigInteger))
_LOCK: Final = select(_IS_OURS)
_KNOWN: Final = select(IdempotencyKey.scope, IdempotencyKey.digest, IdempotencyKey.answer).where(
    IdempotencyKey.user_id == _PERSON, IdempotencyKey.key == _NAME
)
_KEEP: Final = insert(IdempotencyKey)
IS_NEW: Final[ColumnElement[bool]] = and_(_IS_OURS, ~_KNOWN.exists())
"""In a statement that does what is asked for and more, whether nobody has done so, nor is about to.
One that was over just before it had the lock is not seen: then `kept` fails, and undoes it."""


class Once(Struct):
    """A request with a key of its caller's: `digest` is the SHA-256 of what `scope` is asked."""

    user_id: int
    key: str
    scope: str
    digest: bytes
    was_replayed: bool = False
    """Whether its answer is that of an earlier one."""

    @classmethod
    def of(cls, user_id: int, key: str, scope: str, body: object) -> "Once":
        """Of a body as it was understood: blanks and the order of its fields make no other."""
        return cls(user_id, key, scope, hashlib.sha256(msgspec.json.encode(body)).digest())

    @property
    def lock(self) -> int:
        """The number of its advisory lock, a signed 64-bit integer."""
        name = hashlib.sha256(f"{self.user_id}\0{self.key}".encode()).digest()
        return int.from_bytes(name[:8], signed=True)


async def once(
    database: Writer, request: Once, answer: type[T], work: Callable[[], Awaitable[T]]
) -> T:
    """What `work` answers, kept with what it changes; the second time, what was kept.

    A refusal undoes the transaction and keeps nothing, so it may be asked anew. Raises
    InFlightError rather than wait for the first one, and KeyReusedError.
    """
    before = await answered(database, request, answer)
    if before is not None:
        return before
    done = await work()
    await database.change(
        _KEEP,
        {
            "user_id": request.user_id,
            "key": request.key,
            "scope": request.scope,
            "digest": request.digest,
            "answer": msgspec.json.encode(done),
        },
    )
    return done


async def answered(database: Reader, request: Once, answer: type[T]) -> T | None:
    """What was answered to the request before; None for a new one, whose key is the transaction's
    from now on. Raises as `once` does."""
    if not await database.scalar(_LOCK, {"lock": request.lock}):
        raise InFlightError
    # Another statement than the lock's, or it would see the world from before the lock.
    kept = await database.execute(_KNOWN, {"person": request.user_id, "name": request.key})
    row = kept.one_or_none()
    if row is None:
        return None
    if (row.scope, row.digest) != (request.scope, request.digest):
        raise KeyReusedError
    request.was_replayed = True
    return msgspec.json.decode(row.answer, type=answer)


def named(request: Once) -> dict[str, Any]:
    """The parameters of IS_NEW and `kept`."""
    return {
        "person": request.user_id,
        "name": request.key,
        "lock": request.lock,
        "scope": request.scope,
        "digest": request.digest,
    }


def kept(answer: CTE) -> Insert:
    """Keep the `body` of an answer under the request's key, if there is one."""
    return insert(IdempotencyKey).from_select(
        ["user_id", "key", "scope", "digest", "answer"],
        select(
            _PERSON,
            _NAME,
            bindparam("scope", type_=Text),
            bindparam("digest", type_=LargeBinary),
            answer.c.body,
        ),
    )
