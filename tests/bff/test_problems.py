"""Every error is a problem of a kind that docs/problems.md tells of, and keeps our secrets."""

import logging
import re
from pathlib import Path

import asyncpg
import httpx
import pytest
from litestar import Litestar, get
from litestar.exceptions import HTTPException, InternalServerException

import bff
from bff.edge import kinds
from bff.edge.problems import HANDLERS
from domain.errors import InFlightError
from imaging.picture import Kind as Refusal
from imaging.picture import PictureError

TABLE = Path(bff.__file__).parents[1] / "docs" / "problems.md"
ROW = re.compile(r"^\| `([a-z-]+)` \| (\d{3}) \| [^|]+ \| [^|]+ \|$", re.MULTILINE)


def test_the_table_of_problems_is_that_of_the_code() -> None:
    told = [(name, int(status)) for name, status in ROW.findall(TABLE.read_text("utf-8"))]
    assert sorted(told) == sorted((kind.name, kind.status) for kind in kinds.ALL)
    assert [status for _, status in told] == sorted(status for _, status in told)


def test_a_name_means_one_thing() -> None:
    assert len(kinds.BY_NAME) == len(kinds.ALL)


async def an_answer(error: Exception) -> httpx.Response:
    """What a route answers that ends with an error."""

    @get("/failing")
    async def failing() -> None:
        raise error

    app = Litestar([failing], exception_handlers=HANDLERS, openapi_config=None, logging_config=None)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://comanda.test") as client:
        return await client.get("/failing")


@pytest.mark.parametrize("refusal", Refusal)
async def test_every_refusal_of_a_picture_has_a_kind(refusal: Refusal) -> None:
    answer = await an_answer(PictureError(refusal, "Too much of it."))
    kind = kinds.BY_NAME[answer.json()["type"].removeprefix("urn:comanda:problem:")]
    assert answer.status_code == kind.status
    assert answer.json()["detail"] == "Too much of it."


async def test_who_asks_while_the_first_answer_is_made_is_told_when_to_ask_again() -> None:
    answer = await an_answer(InFlightError())
    assert answer.status_code == 409
    assert answer.json()["type"] == "urn:comanda:problem:in-flight"
    assert answer.headers["retry-after"] == "1"


@pytest.mark.parametrize("status", [400, 402, 405, 411, 418, 429])
async def test_an_error_of_the_framework_is_of_a_kind_of_ours(status: int) -> None:
    answer = await an_answer(HTTPException("Told to whoever asked.", status_code=status))
    told = answer.json()
    assert told["type"] in {kind.type for kind in kinds.ALL}
    assert answer.status_code == told["status"]
    assert told["detail"] == "Told to whoever asked."


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("secret"),
        InternalServerException("secret"),
        HTTPException("secret", status_code=503),
        HTTPException("secret", status_code=500, headers={"x-secret": "secret"}),
    ],
)
async def test_what_went_wrong_on_our_side_is_for_the_log_only(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        answer = await an_answer(error)
    assert answer.status_code == 500
    assert answer.json() == {
        "type": "urn:comanda:problem:internal",
        "title": "Something went wrong on our side",
        "status": 500,
    }
    assert "secret" not in str(answer.headers)
    assert "secret" in caplog.text
    assert "GET /failing" in caplog.text


async def test_a_statement_that_fails_is_not_shown(
    client: httpx.AsyncClient, connection: asyncpg.Connection
) -> None:
    await connection.execute("ALTER TABLE products RENAME COLUMN description TO words")
    answer = await client.get("/api/products")
    assert answer.status_code == 500
    assert set(answer.json()) == {"type", "title", "status", "instance"}
