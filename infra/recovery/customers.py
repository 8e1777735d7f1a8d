"""People who go on ordering, whatever happens; and a journal, elsewhere, of what they were told."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Final, NamedTuple
from uuid import uuid4

import httpx

_PAUSE: Final = 0.05
_AGAIN: Final = 0.1
_PATIENCE: Final = 5.0


class Acknowledged(NamedTuple):
    """An order that somebody was told is placed, and when (seconds since 1970). Its number alone
    would be given once more."""

    id: int
    created_at: str
    at: float


class Customers:
    """One thread each. Who is not answered asks again with the same key."""

    def __init__(self, url: str, tokens: Sequence[str], product: int) -> None:
        self._url = url
        self._product = product
        self.journal: list[Acknowledged] = []
        self._ended = threading.Event()
        self._threads = [
            threading.Thread(target=self._order, args=(token,), daemon=True) for token in tokens
        ]

    def __enter__(self) -> Customers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def until_told(self, since: float, patience: float) -> float:
        """When the first of them was told of an order again. Raises TimeoutError."""
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            told = [each.at for each in self.journal if each.at >= since]
            if told:
                return min(told)
            time.sleep(_PAUSE)
        raise TimeoutError(f"nobody could order within {patience:g} s")

    def _order(self, token: str) -> None:
        key = uuid4().hex
        body = {"cafeteriaId": 1, "items": [{"productId": self._product, "quantity": 1}]}
        with httpx.Client(base_url=self._url, trust_env=False, timeout=_PATIENCE) as client:
            while not self._ended.wait(_PAUSE):
                headers = {"authorization": f"Bearer {token}", "idempotency-key": key}
                try:
                    answer = client.post("/api/orders", json=body, headers=headers)
                except httpx.TransportError:
                    time.sleep(_AGAIN)
                    continue
                if answer.status_code == httpx.codes.CREATED:
                    told = answer.json()
                    self.journal.append(Acknowledged(told["id"], told["createdAt"], time.time()))
                    key = uuid4().hex
                else:
                    time.sleep(_AGAIN)
