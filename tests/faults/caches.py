"""Processes with caches, as a test has them obey."""

import asyncio
import itertools
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any


class CacheProcess:
    """One of `tests.faults.cache_process`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self._numbers = itertools.count()
        self._asked: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._reading = asyncio.create_task(self._read())

    async def do(self, order: str, **what: Any) -> dict[str, Any]:
        """What the process answers."""
        number = next(self._numbers)
        asked = self._asked[number] = asyncio.get_running_loop().create_future()
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"id": number, "do": order, **what}).encode() + b"\n")
        told: dict[str, Any] = await asked
        return told

    async def end(self) -> None:
        """Have it end, if it has not."""
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()
        await self._reading

    async def _read(self) -> None:
        assert self.process.stdout is not None
        while line := await self.process.stdout.readline():
            told = json.loads(line)
            self._asked.pop(told["id"]).set_result(told)
        for asked in self._asked.values():
            asked.set_exception(ConnectionError("the process has ended"))
            asked.exception()


@asynccontextmanager
async def cache_processes(
    kind: str, *environments: Mapping[str, str]
) -> AsyncIterator[list[CacheProcess]]:
    """A process for each environment, ready to answer."""
    command = [sys.executable, "-m", "tests.faults.cache_process", kind]
    pipe = asyncio.subprocess.PIPE
    processes = [
        CacheProcess(
            await asyncio.create_subprocess_exec(
                *command, stdin=pipe, stdout=pipe, limit=2**20, env={**os.environ, **environment}
            )
        )
        for environment in environments
    ]
    try:
        for each in processes:
            await each.do("start")
        yield processes
    finally:
        for each in processes:
            await each.end()
