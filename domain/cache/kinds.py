"""What is cached, and for how long: every kind of it is declared with these words."""

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic, TypeVar

import msgspec

K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True, eq=False)
class Kind(Generic[K, V]):
    """Values of one type, by id. Times are in seconds, sizes in bytes.

    A value is void as soon as one of its tags is; the times only say when it is read again though
    nothing was heard of it.
    """

    name: str
    type: Any
    """Of a value, for msgspec; a value that is not there is None, and is remembered too."""
    tags: Callable[[K], tuple[str, ...]]
    """That announce a change of what has this id."""
    memory: float = 300.0
    """In a process,"""
    shared: float = 1800.0
    """and in Redis."""
    absent: float = 30.0
    """What is not there, in either."""
    renewed: float | None = None
    """Age at which one process reads it anew while the others go on with what there is; by default
    shortly before its time in Redis is over, the sooner the longer it takes to read."""
    is_exact: bool = True
    """Whether nothing but a change makes it another one; a list of what comes next is not."""
    outage: float = 0.0
    """How much longer it may be served while nobody can tell whether it is still true."""
    bytes: int = 8 * 1024 * 1024
    """That all of the kind may take in a process."""

    @cached_property
    def tag(self) -> str:
        """Of every value of the kind."""
        return f"kind-{self.name}"

    @cached_property
    def own(self) -> tuple[str, ...]:
        """The tags that every value has beside its `tags`."""
        return (self.tag,)

    @cached_property
    def decoder(self) -> "msgspec.msgpack.Decoder[V | None]":
        """Of a value as it is kept in Redis."""
        return msgspec.msgpack.Decoder(self.type | None)

    @cached_property
    def shape(self) -> str:
        """Says what values look like: what another release has kept is not taken for ours."""
        known = repr(msgspec.inspect.type_info(self.type))
        return f"{self.name}-{zlib.crc32(known.encode()):08x}"
