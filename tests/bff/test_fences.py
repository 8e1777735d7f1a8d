"""A client says how far it has to see, and is told how far it has written."""

from typing import Any

import httpx
import pytest

from bff.edge.fences import Fenced
from domain.database import horizon

POSITION = 0x2000


async def tell(_: dict[str, Any], __: Any, send: Any) -> None:
    """An application: it writes as far as 0xabc, and answers how far it was asked to see."""
    seen = horizon.get()
    assert seen is not None
    asked = seen.fence
    seen.written = 0xABC
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"%x" % asked})


async def known(fence: int) -> bool:
    return fence <= POSITION


async def answered(headers: list[tuple[str, str]]) -> httpx.Response:
    application: Any = Fenced(tell, known)  # type: ignore[arg-type]
    transport = httpx.ASGITransport(application)
    async with httpx.AsyncClient(transport=transport, base_url="http://comanda.test") as client:
        return await client.get("/", headers=headers)


async def test_who_wrote_is_told_how_far() -> None:
    answer = await answered([])
    assert (answer.text, answer.headers["comanda-fence"]) == ("0", "abc")
    assert horizon.get() is None


@pytest.mark.parametrize(
    ("sent", "asked"),
    [
        ("1fff", "1fff"),
        ("2000", "2000"),
        # Nobody has written there: it would only keep replicas from answering.
        ("2001", "0"),
        ("ffffffffffffffff", "0"),
        ("00000000000000001", "0"),
        ("-1", "0"),
        ("0x10", "0"),
        ("1_0", "0"),
        ("", "0"),
        ("soup", "0"),
    ],
)
async def test_a_fence_that_is_sent_back_counts_if_it_can_be_one(sent: str, asked: str) -> None:
    assert (await answered([("comanda-fence", sent)])).text == asked


async def test_a_read_tells_no_fence(client: httpx.AsyncClient) -> None:
    assert "comanda-fence" not in (await client.get("/api/categories")).headers
