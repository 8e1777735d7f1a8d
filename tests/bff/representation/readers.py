"""What was coded, read again by libraries of its own."""

import gzip
import sys
from collections.abc import Callable
from typing import Final

import brotli

if sys.version_info >= (3, 14):
    from compression.zstd import ZstdDecompressor, decompress
else:
    from backports.zstd import ZstdDecompressor, decompress

__all__ = ["READERS", "ZstdDecompressor"]

READERS: Final[dict[str | None, Callable[[bytes], bytes]]] = {
    None: bytes,
    "gzip": gzip.decompress,
    "br": brotli.decompress,
    "zstd": decompress,
}
"""By the name of the coding."""
