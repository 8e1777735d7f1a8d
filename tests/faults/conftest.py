"""A stack to break."""

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.place import Place, prepare


@pytest.fixture
def place() -> Iterator[Place]:
    with tempfile.TemporaryDirectory(prefix="comanda-test-") as directory:
        Path(directory).chmod(0o755)
        place = Place(Path(directory) / "data")
        asyncio.run(prepare(place.addresses.database_url))
        try:
            yield place
        finally:
            place.stack.stop()
