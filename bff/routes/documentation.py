"""The API's description (OpenAPI 3.1), and a page to browse it, from our own files."""

import re
from inspect import cleandoc
from pathlib import Path
from typing import Any, Final

import msgspec
from litestar import Litestar, Request, Response
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme
from litestar.router import Router
from litestar.serialization import encode_json

import bff
from bff.edge import kinds
from bff.edge.kinds import Kind
from bff.edge.problems import MEDIA_TYPE, declared, problem
from bff.edge.requests import JSON, MERGE_PATCH
from bff.representation.answers import Answer
from bff.routes import static
from bff.routes.examples import EXAMPLES
from cdn.address import Format

Document = dict[str, Any]

CANONICAL: Final = "/v/{path}"
PICTURES: Final = ("/products/{product_id}", CANONICAL)
UPLOAD: Final = "/api/products/{product_id}/picture"
_PICTURE_PROBLEMS: Final = (
    kinds.BAD_SIGNATURE,
    kinds.NOT_FOUND,
    kinds.NO_PICTURE,
    kinds.UNDECODABLE,
    kinds.OVERLOADED,
    kinds.UNAVAILABLE,
)
_CONDITIONS: Final = {
    "If-None-Match": "entity tags that the caller has",
    "If-Modified-Since": "the date of what the caller has",
    "Range": "bytes=first-last, for a part",
    "If-Range": "the entity tag, or date, that the part has to be of",
    "Save-Data": "on lowers an automatic quality",
}
_ABOUT: Final = {
    "ETag": "the variant's strong entity tag",
    "Last-Modified": "when the picture was uploaded",
    "Cache-Control": "how long who may keep it",
    "Vary": "the request's headers that chose it",
}
_WITH_CONTENT: Final = _ABOUT | {
    "Accept-Ranges": "bytes",
    "Cache-Status": "where it came from (RFC 9211)",
    "Server-Timing": "what took how long",
}

# Of answers by their status, and of those to what has changed something.
_LATER: Final = {"Retry-After": "seconds after which to ask again"}
_ON: Final = {
    "401": {"WWW-Authenticate": "by what to say who asks (RFC 6750)"},
    "415": {"Accept": "what would have been taken; after a PATCH that is Accept-Patch"},
    "503": _LATER,
}
_WRITTEN: Final = {
    "Comanda-Fence": "how far one has to see to see this; to send with what is asked next"
}
_LIMITS: Final = {
    "RateLimit": "how many requests are left of each limit, and for how many seconds",
    "RateLimit-Policy": "how many there are in how many seconds",
}
_FENCE: Final = {
    "name": "Comanda-Fence",
    "in": "header",
    "description": "the last one that was told, over a socket perhaps: nothing from before it is"
    " answered; one's own changes are seen without it",
    "schema": {"type": "string"},
}
_OURS: Final = ("/api/", "/auth/")
# Litestar calls a page of orders by the module that they are in.
_PLAIN_NAME: Final = re.compile(rb"\b([A-Z]\w*)_(?:\w+\.)+(\w+)_")


def openapi() -> OpenAPIConfig:
    """The description, at `/schema/openapi.json`."""
    return OpenAPIConfig(
        title="Comanda",
        version="0.1.0",
        description="Pictures, menu and orders of a campus cafeteria. Every error is a problem"
        " (RFC 9457), those included that any operation may answer: 405, 408, 414, 421, 429, 431"
        " and 500.",
        components=Components(
            security_schemes={
                "bearer": SecurityScheme(type="http", scheme="bearer", bearer_format="JWT")
            }
        ),
        openapi_router=Router(
            "/schema", route_handlers=[], include_in_schema=False, after_request=_as_ours
        ),
        render_plugins=[_Description(path="/openapi.json")],
    )


def page() -> Router:
    """`/docs`: Swagger UI over `/schema/openapi.json`."""
    return static.pages("/docs", Path(bff.__file__).parent / "docs_page")


def _as_ours(answer: Response[Any]) -> Response[Any]:
    """Litestar answers what is not there below `/schema` with a page of its own, and what is there
    as it is."""
    if answer.status_code == kinds.NOT_FOUND.status:
        return problem(kinds.NOT_FOUND)
    return Answer(answer.content, media_type=answer.media_type)


class _Description(JsonRenderPlugin):
    """Adds what Litestar cannot say: that all else is a problem too, what a picture is, which
    headers there are, and what bodies look like."""

    def render(self, request: Request[Any, Any, Any], openapi_schema: Document) -> bytes:
        return described(request.app, openapi_schema)


def described(app: Litestar, document: Document) -> bytes:
    """The description of an application as JSON; `document` is what Litestar makes of it."""
    _complete(document, app)
    return _PLAIN_NAME.sub(rb"\1Of\2", encode_json(document))


def _complete(document: Document, app: Litestar) -> None:
    schemas = document["components"]["schemas"]
    schemas.update(_bodies(app))
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if path in PICTURES:
                # A canonical path with a wrong part is no canonical path: not found.
                parameters = [] if path == CANONICAL else [kinds.INVALID_PARAMETER]
                problems = [*parameters, *_PICTURE_PROBLEMS]
                _describe_picture(operation, problems, head=method == "head")
            if path == UPLOAD and method == "put":
                operation["requestBody"] = {"required": True, "content": {"image/*": {}}}
            if method == "patch":
                content = operation["requestBody"]["content"]
                content[MERGE_PATCH] = content[JSON]
            for parameter in operation.get("parameters", []):
                _settle(parameter)
            if path.startswith(_OURS):
                _add_headers(operation, method)
            other = operation["responses"]["default"] = _problem("Any other error")
            # For 429 is one of them.
            other["headers"] = _headers(_LIMITS | _LATER)
    for name, examples in EXAMPLES.items():
        schemas[name]["examples"] = examples


def _bodies(app: Litestar) -> Document:
    """What is sent to us, as msgspec says it: nothing else is taken, and 0 is a bound too."""
    taken = {
        handler.parsed_data_field.annotation
        for route in app.routes
        for handler in getattr(route, "route_handlers", ())
        if handler.parsed_data_field is not None
    }
    _, components = msgspec.json.schema_components(
        sorted(taken, key=lambda each: each.__name__), ref_template="#/components/schemas/{name}"
    )
    for each in components.values():
        each["description"] = cleandoc(each["description"])
    return components


def _settle(parameter: Document) -> None:
    """Leave null out: it cannot be said in an address or a header."""
    schema = parameter["schema"]
    several = [each for each in schema.get("oneOf", []) if each != {"type": "null"}]
    if len(several) == 1:
        del schema["oneOf"]
        parameter["schema"] = several[0] | schema
    if parameter["name"] == "If-Match":
        # What is left out is 428, and not 400.
        parameter["required"] = True


def _add_headers(operation: Document, method: str) -> None:
    answers: Document = operation["responses"]
    parameters = operation.setdefault("parameters", [])
    # The document is completed each time that it is asked for.
    if method == "get" and _FENCE not in parameters:
        parameters.append(_FENCE)
    for status, answer in answers.items():
        told = dict(_ON.get(status, {}))
        if status.startswith("2"):
            told |= _LIMITS if method == "get" else _LIMITS | _WRITTEN
        if kinds.IN_FLIGHT.type in answer["description"]:
            told |= _LATER
        headers = answer.get("headers", {}) | _headers(told)
        if headers:
            # Litestar has them in a set, in another order in each process.
            answer["headers"] = dict(sorted(headers.items()))


def _describe_picture(operation: Document, problems: list[Kind], *, head: bool) -> None:
    given = {each["name"] for each in operation["parameters"]}
    operation["parameters"] += [
        {"name": name, "in": "header", "description": words, "schema": {"type": "string"}}
        for name, words in _CONDITIONS.items()
        # A range has no meaning for HEAD (RFC 9110 14.2), and rendering is done once.
        if name not in given and not (head and "Range" in name)
    ]
    answers: Document = {
        "200": {"description": "The picture", "headers": _headers(_WITH_CONTENT)},
        "304": {"description": "The caller has it", "headers": _headers(_ABOUT)},
    }
    if not head:
        part = _WITH_CONTENT | {"Content-Range": "which bytes of how many"}
        answers["206"] = {"description": "The part asked for", "headers": _headers(part)}
        for status in ("200", "206"):
            answers[status]["content"] = {each.media_type: {} for each in Format}
        problems = [*problems, kinds.NO_SUCH_RANGE]
    for number, response in declared(*problems).items():
        answers[str(number)] = _problem(response.description)
    if not head:
        answers["416"]["headers"] = _headers({"Content-Range": "how many bytes there are"})
    operation["responses"] = dict(sorted(answers.items()))


def _headers(meanings: dict[str, str]) -> Document:
    return {
        name: {"description": words, "schema": {"type": "string"}}
        for name, words in meanings.items()
    }


def _problem(description: str) -> Document:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": description, "content": {MEDIA_TYPE: {"schema": schema}}}
