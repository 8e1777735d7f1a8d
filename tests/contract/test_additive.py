"""The API goes on to be what apps in people's pockets were made for."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.contract.breaking import breaking

Document = dict[str, Any]
HERE = Path(__file__).parent
# The description that was released last; and what breaks it, each with the reason why it may.
RELEASED = HERE / "openapi.json"
DECLARED = HERE / "declared-changes.txt"


@pytest.fixture
async def document(client: httpx.AsyncClient) -> Document:
    answer = await client.get("/schema/openapi.json")
    found: Document = answer.json()
    return found


def released() -> Document:
    found: Document = json.loads(RELEASED.read_text())
    return found


def declared() -> set[str]:
    lines = (line.partition(" # ") for line in DECLARED.read_text().splitlines())
    changes = {change: reason for change, _, reason in lines if change and change[0] != "#"}
    assert all(reason.strip() for reason in changes.values()), "a change has no reason"
    return set(changes)


def test_what_changes_is_an_addition_or_declared(document: Document) -> None:
    found = set(breaking(released(), document))
    assert found - declared() == set()
    # What is declared and is not so would let the next one pass.
    assert declared() - found == set()


def test_what_is_new_is_kept_with_the_change_that_brings_it(document: Document) -> None:
    """`make contract` keeps it."""
    assert set(document["paths"]) == set(released()["paths"])


def edited(edit: Callable[[Document], object]) -> Document:
    document = copy.deepcopy(released())
    edit(document)
    return document


def orders(document: Document, method: str = "get") -> Document:
    found: Document = document["paths"]["/api/orders"][method]
    return found


def schema(document: Document, name: str) -> Document:
    found: Document = document["components"]["schemas"][name]
    return found


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        (lambda d: d["paths"].pop("/api/wallet"), "get /api/wallet: is gone"),
        (lambda d: d["paths"]["/api/orders"].pop("post"), "post /api/orders: is gone"),
        (
            lambda d: orders(d)["parameters"].pop(0),
            "get /api/orders: query {first}: is gone",
        ),
        (
            lambda d: orders(d)["parameters"][0].update(required=True),
            "get /api/orders: query {first}: is required now",
        ),
        (
            lambda d: orders(d)["parameters"].append(
                {"in": "query", "name": "x", "required": True, "schema": {"type": "string"}}
            ),
            "get /api/orders: query x: is required now",
        ),
        (
            lambda d: schema(d, "OrderView")["properties"].pop("status"),
            "post /api/orders: 201.status: is gone",
        ),
        (
            lambda d: schema(d, "OrderView")["properties"].update(id={"type": "string"}),
            "post /api/orders: 201.id: was ['integer'], and is ['string']",
        ),
        (
            lambda d: schema(d, "OrderView")["required"].remove("items"),
            "post /api/orders: 201.items: may be missing now",
        ),
        (
            lambda d: schema(d, "OrderStatus")["enum"].append("eaten"),
            "post /api/orders: 201.status: 'eaten' may be answered now",
        ),
        (
            lambda d: schema(d, "Platform")["enum"].remove("web"),
            "put /api/devices: body.platform: 'web' is taken no more",
        ),
        (
            lambda d: schema(d, "NewOrder")["required"].append("expectedTotal"),
            "post /api/orders: body.expectedTotal: is required now",
        ),
        (
            lambda d: schema(d, "NewLine")["properties"]["quantity"].update(maximum=9),
            "post /api/orders: body.items[].quantity: maximum is 9 now",
        ),
        (
            lambda d: orders(d, "post")["responses"].pop("201"),
            "post /api/orders: 201: is gone",
        ),
        (
            lambda d: orders(d, "post")["requestBody"].update(content={}),
            "post /api/orders: takes no application/json any more",
        ),
    ],
)
def test_what_an_old_app_would_stumble_over_is_found(
    edit: Callable[[Document], object], told: str
) -> None:
    first = orders(released())["parameters"][0]["name"]
    assert told.format(first=first) in breaking(released(), edited(edit))


@pytest.mark.parametrize(
    "edit",
    [
        lambda d: d["paths"].update({"/api/new": {"get": {"responses": {}}}}),
        lambda d: orders(d)["parameters"].append(
            {"in": "query", "name": "x", "required": False, "schema": {"type": "string"}}
        ),
        lambda d: schema(d, "OrderView")["properties"].update(tip={"type": "string"}),
        lambda d: schema(d, "NewOrder")["properties"].update(note={"type": "string"}),
        lambda d: schema(d, "NewLine")["properties"]["quantity"].update(maximum=999),
        lambda d: schema(d, "Platform")["enum"].append("watch"),
        lambda d: orders(d)["responses"].pop("503"),
        lambda d: d["info"].update(title="Another"),
    ],
)
def test_an_addition_breaks_nothing(edit: Callable[[Document], object]) -> None:
    assert [
        told
        for told in breaking(released(), edited(edit))
        # A platform is answered, too, and there it is news.
        if "may be answered now" not in told
    ] == []
