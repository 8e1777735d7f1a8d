"""What the pool and its processes say to each other: msgpack and raw bytes, and never a pickle."""

import struct
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Annotated, Any, Final, Generic, TypeVar, TypeVarTuple, Unpack, get_type_hints

import msgspec

from imaging.picture import Kind

R = TypeVar("R")
Ts = TypeVarTuple("Ts")

LENGTH: Final = struct.Struct("!I")
"""Before every message: how many bytes of msgpack follow."""
MOST_REPLY_BYTES: Final = 1 << 28
_MOST_WORDS: Final = 4_000

Words = Annotated[str, msgspec.Meta(max_length=_MOST_WORDS)]

encode: Final = msgspec.msgpack.encode


class Call(msgspec.Struct, array_like=True):
    """The header of a request; the `bytes` arguments follow it raw, `sizes` long."""

    function: str
    values: list[msgspec.Raw]
    sizes: list[int]


class Done(msgspec.Struct, tag=True, array_like=True):
    """What the function returned; `rss` are the bytes its process holds now."""

    value: msgspec.Raw
    rss: int


class Refused(msgspec.Struct, tag=True, array_like=True):
    """The function raised PictureError."""

    kind: Kind
    words: Words


class Exhausted(msgspec.Struct, tag=True, array_like=True):
    """The function wanted more memory than its process may have."""


class Failed(msgspec.Struct, tag=True, array_like=True):
    """The function raised what it should not have; `trace` is for the log."""

    trace: Words


class Ready(msgspec.Struct, tag=True, array_like=True):
    """The first message of a process: everything is imported."""


Reply = Done | Refused | Exhausted | Failed | Ready

decode_call: Final = msgspec.msgpack.Decoder(Call).decode
_replies: Final[msgspec.msgpack.Decoder[Reply]] = msgspec.msgpack.Decoder(Reply)
decode_reply: Final = _replies.decode


class Contract:
    """How the arguments and the result of a function cross, by its annotations.

    Parameters annotated `bytes` travel raw, for they may be a whole picture; the others, and the
    result, are what msgspec can encode, and are checked against their types on arrival.
    """

    def __init__(self, function: Callable[..., object]) -> None:
        hints = get_type_hints(function)
        self._result = msgspec.msgpack.Decoder(hints.pop("return"))
        self._parameters = [
            None if hint is bytes else msgspec.msgpack.Decoder(hint) for hint in hints.values()
        ]

    def message(self, function: str, arguments: Sequence[Any]) -> list[bytes]:
        """The parts of a request that calls the function."""
        values, raw = [], []
        for argument, decoder in zip(arguments, self._parameters, strict=False):
            if decoder is None:
                raw.append(argument)
            else:
                values.append(msgspec.Raw(encode(argument)))
        header = encode(Call(function, values, [len(part) for part in raw]))
        return [LENGTH.pack(len(header)) + header, *raw]

    def arguments(self, call: Call, raw: Iterable[bytes]) -> list[Any]:
        """The arguments again, on the other side. Raises msgspec.ValidationError."""
        values, parts = iter(call.values), iter(raw)
        given = self._parameters[: len(call.values) + len(call.sizes)]
        return [
            next(parts) if decoder is None else decoder.decode(next(values)) for decoder in given
        ]

    def result(self, value: msgspec.Raw) -> Any:
        """What the function returned. Raises msgspec.ValidationError."""
        return self._result.decode(value)


contract: Final = lru_cache(maxsize=None)(Contract)


class Job(Generic[R]):
    """A call of a registered function, to be made in another process: `Job(render, body, recipe)`.

    Arguments are given by position.
    """

    def __init__(self, function: Callable[[Unpack[Ts]], R], *arguments: *Ts) -> None:
        self.name = function.__name__
        self._contract = contract(function)
        self.message = self._contract.message(self.name, arguments)

    @property
    def size(self) -> int:
        """Bytes of the pictures that it holds while it waits."""
        return sum(map(len, self.message[1:]))

    def result(self, value: msgspec.Raw) -> R:
        """What the function returned. Raises msgspec.ValidationError."""
        result: R = self._contract.result(value)
        return result


def framed(reply: Reply) -> bytes:
    """A reply, ready to be sent."""
    body = encode(reply)
    if len(body) > MOST_REPLY_BYTES:
        return framed(
            Failed(f"The result has {len(body):,} bytes; {MOST_REPLY_BYTES:,} may cross.")
        )
    return LENGTH.pack(len(body)) + body


def shortened(words: str) -> str:
    """The end of what may be long: of a traceback it is the part that tells."""
    return words[-_MOST_WORDS:]
