"""Content codings: how an answer is made smaller, and which one a client gets (RFC 9110 12.5.3)."""

import sys
import zlib
from collections.abc import Callable
from functools import lru_cache
from typing import Final, NamedTuple, Protocol

import brotli

from cdn.negotiation import weights

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

# A smaller body gains less than what says how it was coded (docs/representation.md).
LEAST_BYTES: Final = 256
# A header that is longer is as good as none; a browser's has 30 characters.
MOST_HEADER_CHARACTERS: Final = 256
# A gzip head and tail around it (zlib's own words for it), and the bits of a window.
_GZIP_HEAD: Final = 16
_LEAST_WINDOW: Final = 9
_REFUSED: Final = 0.0


class Stream(Protocol):
    """Codes a body piece by piece."""

    def piece(self, data: bytes) -> bytes:
        """What can be sent of it by now: all of `data`."""

    def end(self) -> bytes:
        """What is left."""


class Coding(NamedTuple):
    """A content coding by its name on the wire: `live` for an answer that is sent once, `kept` for
    one that is sent again and again and may be made in its own time, `stream` for one by pieces."""

    name: str
    live: Callable[[bytes], bytes]
    kept: Callable[[bytes], bytes]
    stream: Callable[[], Stream]


class Choice(NamedTuple):
    """The coding of an answer, None for the body as it is; and whether that would be refused."""

    coding: Coding | None
    must: bool = False


class _Gzip:
    def __init__(self) -> None:
        self._compressor = zlib.compressobj(6, wbits=_GZIP_HEAD + zlib.MAX_WBITS)

    def piece(self, data: bytes) -> bytes:
        return self._compressor.compress(data) + self._compressor.flush(zlib.Z_SYNC_FLUSH)

    def end(self) -> bytes:
        return self._compressor.flush()


class _Brotli:
    def __init__(self) -> None:
        self._compressor = brotli.Compressor(quality=5)

    def piece(self, data: bytes) -> bytes:
        coded: bytes = self._compressor.process(data) + self._compressor.flush()
        return coded

    def end(self) -> bytes:
        coded: bytes = self._compressor.finish()
        return coded


class _Zstd:
    def __init__(self) -> None:
        self._compressor = zstd.ZstdCompressor(level=3)

    def piece(self, data: bytes) -> bytes:
        return self._compressor.compress(data, zstd.ZstdCompressor.FLUSH_BLOCK)

    def end(self) -> bytes:
        return self._compressor.flush(zstd.ZstdCompressor.FLUSH_FRAME)


def _gzip(level: int) -> Callable[[bytes], bytes]:
    def code(body: bytes) -> bytes:
        # No more memory than the body has use for (zlib.h, deflateInit2): to get hold of a quarter
        # of a megabyte takes several times as long as to code what most answers are.
        window = min(max((len(body) - 1).bit_length(), _LEAST_WINDOW), zlib.MAX_WBITS)
        memory = min(max(window - 7, 1), zlib.DEF_MEM_LEVEL)
        # Without a name and a time in it: the same body is the same bytes in every process.
        compressor = zlib.compressobj(level, wbits=_GZIP_HEAD + window, memLevel=memory)
        return compressor.compress(body) + compressor.flush()

    return code


def _brotli(quality: int) -> Callable[[bytes], bytes]:
    def code(body: bytes) -> bytes:
        coded: bytes = brotli.compress(body, quality=quality)
        return coded

    return code


def _zstd(level: int) -> Callable[[bytes], bytes]:
    # To make one for each body takes three times as long; its calls wait for each other.
    compressor = zstd.ZstdCompressor(level)
    return lambda body: compressor.compress(body, zstd.ZstdCompressor.FLUSH_FRAME)


GZIP: Final = Coding("gzip", _gzip(6), _gzip(9), _Gzip)
BROTLI: Final = Coding("br", _brotli(5), _brotli(11), _Brotli)
ZSTD: Final = Coding("zstd", _zstd(3), _zstd(19), _Zstd)

# Of those that a client likes as well: the cheapest, and the smallest.
LIVE: Final = (ZSTD, BROTLI, GZIP)
KEPT: Final = (BROTLI, ZSTD, GZIP)


def chosen(accept_encoding: str | None, among: tuple[Coding, ...] = LIVE) -> Choice:
    """The coding of the highest weight, the order of `among` deciding between equals.

    Without the header, or with one that cannot be read, nothing is coded; nor is anything where all
    that there is was refused, for an answer in a coding that was not asked for beats none (406).
    """
    if not accept_encoding or len(accept_encoding) > MOST_HEADER_CHARACTERS:
        return Choice(None)
    return _chosen(accept_encoding, among)


@lru_cache(maxsize=1024)
def _chosen(accept_encoding: str, among: tuple[Coding, ...]) -> Choice:
    given = weights(accept_encoding)
    # RFC 9110 8.4.1.3: another name of the same.
    if "x-gzip" in given:
        given.setdefault(GZIP.name, given["x-gzip"])
    others = given.get("*", _REFUSED)
    best = max(among, key=lambda coding: given.get(coding.name, others))
    weight = given.get(best.name, others)
    if weight == _REFUSED or given.get("identity", _REFUSED) > weight:
        return Choice(None)
    # Who names it not accepts it, unless all that is not named is refused.
    return Choice(best, must=given.get("identity", given.get("*", 1.0)) == _REFUSED)
