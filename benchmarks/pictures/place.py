"""Where the peers and what they work on are kept: beside the benchmarks, out of the repository."""

from pathlib import Path
from typing import Final

PEERS: Final = Path(__file__).parents[1] / ".peers"
