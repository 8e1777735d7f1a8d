"""The OpenAPI document: valid, and true of what the operations answer."""

import json
import re
from collections.abc import Iterable, Iterator
from itertools import product
from typing import Any
from uuid import uuid4

import httpx
import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from bff.cli import main
from bff.routes.documentation import PICTURES
from infra.demo.campus import PASSWORD
from tests.bff.test_orders import bearer

Document = dict[str, Any]
PROBLEM = "application/problem+json"
JSON = {"content-type": "application/json", "idempotency-key": "another for each request"}
# Of nothing that there is, so that nothing is changed.
VERSIONS: list[dict[str, str]] = [{}, {"if-match": '"999"'}]
# Told of all operations in one place: none of them says it again.
OF_ALL = {405, 408, 414, 431, 500}
IN_PATH = {
    "{product_id}": ["0", "1", "999999", str(2**63)],
    "{order_id}": ["0", "1", "999999", str(2**63)],
    "{payment_id}": ["0", "1", "999999", str(2**63)],
    "{session_id}": ["0", "1", "999999", str(2**63)],
    "{notification_id}": ["0", "999999", str(2**63)],
    "{device_id}": ["0", "999999", str(2**63)],
    "{category_id}": ["0", "1", "999999", str(2**63)],
    "{cafeteria_id}": ["0", "1", "999999", str(2**63)],
    "{user_id}": ["0", "2", "999999", str(2**63)],
    "{key}": ["home.notice", "none", "A"],
    "{on}": ["2031-12-25", "2031-02-30", "christmas"],
    "{path}": ["nothing", "%00"],
}
QUERIES = [
    "",
    "page=0",
    "limit=101",
    "page=1000&limit=100",
    "cursor=none",
    "since=" + "A" * 48,
    "since=" + "_" * 48,
    "categoryId=0",
    "cafeteriaId=0&from=2026-01-01&to=2026-12-31",
    "from=2026-01-01&to=2026-12-31",
    "fields=none",
    "unread=perhaps",
    "fields=" + "a" * 600,
    "w=wide",
    "w=301&s=none." + "0" * 43,
]
BODIES: list[tuple[bytes, dict[str, str]]] = [
    (b"", {}),
    (b"{", JSON),
    (b"{}", JSON),
    (b"{}", JSON | {"content-type": "text/plain"}),
    (b'{"email": "nobody@campus.example", "password": "wrong"}', JSON),
    (b'{"email": "admin1@campus.example", "name": "A", "password": "correct horse"}', JSON),
    (b'{"email": "nobody@campus.example", "name": "A", "password": "password"}', JSON),
    (b'{"refreshToken": "' + b"A" * 64 + b'"}', JSON),
    (b'{"oldPassword": "wrong", "newPassword": "correct horse"}', JSON),
    (b'{"oldPassword": "wrong", "newPassword": "password"}', JSON),
    (b'{"status": "accepted", "version": 1, "reason": "A"}', JSON),
    (b'{"cafeteriaId": 1, "items": [{"productId": 999999, "quantity": 1}]}', JSON),
    (
        b'{"cafeteriaId": 1, "items": ['
        + b'{"productId": 1, "quantity": 99},' * 9
        + b'{"productId": 1, "quantity": 99}]}',
        JSON,
    ),
    (b'{"cafeteriaId": 1, "categoryId": 999999, "name": "A", "price": "1"}', JSON),
    (b'{"slug": "soups", "name": "A"}', JSON),
    ('{"name": "Cafetería Central", "location": "B", "timeZone": "UTC"}'.encode(), JSON),
    (b'{"name": "A", "location": "B", "timeZone": "Mars"}', JSON),
    (b'{"timeZone": "Mars"}', JSON),
    (b'{"categoryId": 999999}', JSON),
    (b'{"hours": []}', JSON),
    (b'{"name": "A"}', JSON),
    (b'{"value": 8}', JSON),
    (b'{"value": "A"}', JSON),
    (b'{"cafeteriaId": 999999}', JSON),
    (
        b'{"hours": [{"weekday": 1, "opensAt": "08:00", "closesAt": "09:00"},'
        b' {"weekday": 1, "opensAt": "08:30", "closesAt": "10:00"}]}',
        JSON,
    ),
    (b'{"shifts": []}', JSON),
    (
        b'{"shifts": [{"opensAt": "08:00", "closesAt": "09:00"},'
        b' {"opensAt": "08:30", "closesAt": "10:00"}]}',
        JSON,
    ),
    (b'{"status": "accepted", "version": 999}', JSON),
    (b'{"version": 999}', JSON),
    (b'{"amount": "0.99"}', JSON),
    (b'{"amount": "5", "userId": 999999}', JSON),
    (b"[" + b"0," * 40_000 + b"0]", JSON),
]
# What takes more than a wrong request: tests of their own provoke it.
ELSEWHERE = {
    # Uploads of pictures (tests/imaging).
    ("put", "/api/products/{product_id}/picture", 413),
    ("put", "/api/products/{product_id}/picture", 422),
    # A dish that is sold out, an account that was closed (test_orders, test_ordering).
    ("post", "/api/orders", 409),
    ("post", "/api/orders", 403),
    # Where there is one already, or what changes it in between (test_changes_of_the_menu).
    ("post", "/api/products", 409),
    ("post", "/api/categories", 422),
    ("patch", "/api/cafeterias/{cafeteria_id}", 409),
    ("delete", "/api/categories/{category_id}", 409),
    ("delete", "/api/cafeterias/{cafeteria_id}", 409),
    # Who was closed, and an administrator's own role (test_people).
    ("patch", "/api/me", 403),
    ("patch", "/api/admin/users/{user_id}", 409),
    ("patch", "/api/admin/users/{user_id}", 422),
    # Moves of an order that is there (test_orders).
    ("post", "/api/orders/{order_id}/status", 403),
    ("post", "/api/orders/{order_id}/cancel", 403),
    # Too many wrong passwords (edge/test_limits).
    ("post", "/auth/login", 429),
    # A key that is in use (test_payments).
    ("post", "/api/wallet/top-ups", 409),
    # Signatures and ranges (tests/imaging).
    ("get", "/v/{path}", 403),
    ("head", "/v/{path}", 403),
    ("get", "/products/{product_id}", 416),
    ("get", "/v/{path}", 416),
}


@pytest.fixture(scope="module")
def document() -> Document:
    """What the command line tells: what is answered, as the test of that says."""
    return dict(json.loads(CliRunner().invoke(main, ["openapi"]).stdout))


@pytest.fixture
async def callers(client: httpx.AsyncClient) -> list[dict[str, str]]:
    """Nobody, somebody with a token of their own making, a student and an administrator."""
    headers = [{}, {"authorization": "Bearer none"}]
    for account in ("student1", "admin1"):
        credentials = {"email": f"{account}@campus.example", "password": PASSWORD}
        answer = await client.post("/auth/login", json=credentials)
        headers.append({"authorization": f"Bearer {answer.json()['accessToken']}"})
    return headers


def operations(document: Document) -> Iterator[tuple[str, str, Document]]:
    """Method, path and description of each."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield method, path, operation


def test_it_is_openapi(document: Document) -> None:
    assert document["openapi"].startswith("3.1")
    OpenAPIV31SpecValidator(document).validate()


def test_every_operation_declares_its_problems_by_one_schema(document: Document) -> None:
    for method, path, operation in operations(document):
        declared = operation["responses"]
        assert "default" in declared, (method, path)
        for status, response in declared.items():
            if status == "default" or status >= "400":
                schema = response["content"][PROBLEM]["schema"]
                assert schema == {"$ref": "#/components/schemas/Problem"}, (method, path, status)


def test_a_secured_operation_declares_who_is_refused(document: Document) -> None:
    for method, path, operation in operations(document):
        if "security" in operation:
            assert "401" in operation["responses"], (method, path)


def test_everything_is_explained(document: Document) -> None:
    """Operations, and whatever is sent and answered: nobody has to guess what it means."""
    for method, path, operation in operations(document):
        where = (method, path)
        assert operation["summary"], where
        assert operation["description"], where
        for parameter in operation.get("parameters", []):
            assert parameter["description"], (*where, parameter["name"])
        for status, answer in operation["responses"].items():
            assert answer["description"], (*where, status)
            for name, header in answer.get("headers", {}).items():
                assert header["description"], (*where, status, name)


def test_nothing_is_described_that_nobody_is_told(document: Document) -> None:
    told = json.dumps(document)
    for name in document["components"]["schemas"]:
        assert f'"#/components/schemas/{name}"' in told, name


def test_parameters_of_lists_are_bounded(document: Document) -> None:
    for method, path, operation in operations(document):
        for parameter in operation.get("parameters", []):
            where = (method, path, parameter["name"])
            if parameter["in"] == "query":
                told = parameter["schema"]
                bounds = {"maximum", "maxLength", "maxItems", "enum", "format", "$ref", "pattern"}
                schemas = [told, *told.get("oneOf", []), *told.get("allOf", [])]
                schemas = [resolved(document, schema) for schema in schemas]
                assert any(
                    bounds & set(schema) or schema.get("type") == "boolean" for schema in schemas
                ), where


@pytest.mark.parametrize(
    ("path", "role"),
    [
        ("/api/products", "admin1"),
        ("/api/categories", "admin1"),
        ("/api/cafeterias", "admin1"),
        ("/api/products/{product_id}", "admin1"),
        ("/api/categories/{category_id}", "admin1"),
        ("/api/cafeterias/{cafeteria_id}", "admin1"),
        ("/api/orders", "admin1"),
        ("/api/wallet", "student1"),
        ("/api/payments", "student1"),
        ("/api/notifications", "student1"),
    ],
)
async def test_the_fields_that_can_be_asked_for_are_described_and_no_others(
    client: httpx.AsyncClient, document: Document, path: str, role: str
) -> None:
    parameters = document["paths"][path]["get"]["parameters"]
    pattern = next(each for each in parameters if each["name"] == "fields")["schema"]["pattern"]
    headers = await bearer(client, role)
    url = re.sub("{.+}", "1", path)
    # The refusal of another one names those there are.
    refused = await client.get(f"{url}?fields=none", headers=headers)
    known = refused.json()["detail"].partition("Known: ")[2].split(", ")
    assert len(known) > 3
    for fields in (*known, ",".join(known), "none", f"{known[0]}.none", "id id"):
        answer = await client.get(url, params={"fields": fields}, headers=headers)
        assert (answer.status_code == 200) is bool(re.search(pattern, fields)), fields


@pytest.mark.parametrize("path", PICTURES)
def test_a_picture_is_declared_as_it_is_answered(document: Document, path: str) -> None:
    answers = document["paths"][path]["get"]["responses"]
    formats = {"image/jpeg", "image/webp", "image/avif", "image/png"}
    assert set(answers["200"]["content"]) == set(answers["206"]["content"]) == formats
    assert {"ETag", "Cache-Control", "Vary", "Last-Modified"} <= set(answers["200"]["headers"])
    assert "Content-Range" in answers["206"]["headers"]
    assert "content" not in answers["304"]
    head = document["paths"][path]["head"]
    assert {"206", "416"}.isdisjoint(head["responses"])
    assert "Range" not in {each["name"] for each in head["parameters"]}


def test_every_body_has_an_example_that_is_one(document: Document) -> None:
    shown = set()
    for name, schema in document["components"]["schemas"].items():
        for example in schema.get("examples", []):
            alone = {
                "$ref": f"#/components/schemas/{name}",
                "components": document["components"],
            }
            Draft202012Validator(alone).validate(example)
            shown.add(name)
    for method, path, operation in operations(document):
        bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
        for media_type, body in ((t, b) for each in bodies for t, b in bodies_of(each)):
            # A picture is its own example.
            if not media_type.startswith("image/"):
                name = body["schema"].get("$ref", "").rpartition("/")[2]
                assert name in shown or "example" in body, (method, path, name)


def bodies_of(sent: Document) -> Iterable[tuple[str, Document]]:
    """What a request or an answer may carry, by its media type."""
    content: Document = sent.get("content", {})
    return content.items()


def test_nothing_is_taken_but_what_is_described(document: Document) -> None:
    for method, path, operation in operations(document):
        for body in operation.get("requestBody", {}).get("content", {}).values():
            if "schema" in body:
                schema = resolved(document, body["schema"])
                assert schema["additionalProperties"] is False, (method, path)


def test_headers_are_described_where_they_are_sent(document: Document) -> None:
    for method, path, operation in operations(document):
        answers = operation["responses"]
        named = {each["name"] for each in operation.get("parameters", []) if each["in"] == "header"}
        where = (method, path)
        assert ("428" in answers) is ("If-Match" in named), where
        if path.startswith(("/api/", "/auth/")):
            assert ("Comanda-Fence" in named) is (method == "get"), where
            # What is nobody's to keep has no tag, and a file has none.
            kept = "304" in answers
            secret = path == "/auth/sessions" or path.endswith(".csv")
            assert kept is (method == "get" and not secret), where
            assert kept is ({"If-None-Match", "X-No-Compression"} <= named), where
            if kept:
                assert {"ETag", "Cache-Control", "Vary"} <= set(answers["304"]["headers"]), where
            for status, answer in answers.items():
                headers = set(answer.get("headers", {}))
                if status == "503":
                    assert "Retry-After" in headers, where
                if status == "401":
                    assert "WWW-Authenticate" in headers, where
                if status == "201" and "428" in document["paths"][path].get("patch", {}):
                    assert {"ETag", "Location"} <= headers, where


async def test_the_description_is_the_same_each_time(
    client: httpx.AsyncClient, document: Document
) -> None:
    first, second = [await client.get("/schema/openapi.json") for _ in range(2)]
    assert first.content == second.content
    assert first.json() == document


def resolved(document: Document, schema: Document) -> Document:
    """A schema, or the one that it refers to."""
    name = schema.get("$ref", "").removeprefix("#/components/schemas/")
    return dict(document["components"]["schemas"][name]) if name else schema


def addresses(path: str) -> list[str]:
    """A path with each of the values in place of its parameter, some of them wrong."""
    several = [path]
    for name, values in IN_PATH.items():
        if name in path:
            several = [each.replace(name, value) for each in several for value in values]
    return several


async def test_a_wrong_request_is_answered_as_declared(
    client: httpx.AsyncClient, document: Document, callers: list[dict[str, str]]
) -> None:
    provoked = set()
    for method, path, operation in operations(document):
        bodies = BODIES if method in ("post", "put", "patch") else BODIES[:1]
        versions = VERSIONS if "428" in operation["responses"] else VERSIONS[:1]
        who = callers if "security" in operation else callers[:1]
        queries = QUERIES if method in ("get", "head") else QUERIES[:1]
        declared = {int(status) for status in operation["responses"] if status != "default"}
        for url, query, (body, named), version, caller in product(
            addresses(path), queries, bodies, versions, who
        ):
            headers = {**caller, **named, **version}
            if "idempotency-key" in headers:
                headers["idempotency-key"] = str(uuid4())
            answer = await client.request(method, f"{url}?{query}", content=body, headers=headers)
            asked = (method, url, query, body[:60], answer.status_code)
            assert answer.status_code in declared, asked
            assert answer.status_code not in OF_ALL, asked
            if answer.is_error:
                assert answer.headers["content-type"] == PROBLEM, asked
                provoked.add((method, path, answer.status_code))
    expected = {
        (method, path, int(status))
        for method, path, operation in operations(document)
        for status in operation["responses"]
        if "400" <= status < "500"
    }
    assert expected - provoked == ELSEWHERE
