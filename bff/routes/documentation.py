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
from bff.representation.fields import MOST_LEAVES
from bff.routes import static
from bff.routes.examples import EXAMPLES, EXPORTS
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
    "Comanda-Fence": "the last one that was told, over a socket perhaps: nothing from before it is"
    " answered. One's own orders, wallet and notices are seen without it; after a change of the"
    " menu send what it was answered with",
}
# Of what can be asked for again.
_AGAIN: Final = {
    "If-None-Match": "entity tags of what the caller has; * counts as a request that is answered",
    "X-No-Compression": "whatever it says, the body comes as it is",
}
_KEPT: Final = {
    "ETag": "of this body in this coding; strong, and for If-None-Match; of what has a version it"
    " begins with that, and is for If-Match, too",
    "Cache-Control": "how long who may keep it",
    "Vary": "the request's headers that chose it",
}
_LINK: Final = {"Link": "to first, prev, next and last, as far as they are known (RFC 8288)"}
_OURS: Final = ("/api/", "/auth/")
CSV: Final = "text/csv"
_KNOWN: Final = "The caller has it (`If-None-Match`)"
_UNKEPT: Final = {"Cache-Control": "no-store: it is nobody's to keep but the caller's"}
_REFERENCE: Final = re.compile('"#/components/schemas/([^"]+)"')
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
        use_handler_docstrings=True,
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

    _made: bytes | None = None

    def render(self, request: Request[Any, Any, Any], openapi_schema: Document) -> bytes:
        if self._made is None:
            self._made = described(request.app, openapi_schema)
        return self._made


def described(app: Litestar, document: Document) -> bytes:
    """The description of an application as JSON; `document` is what Litestar makes of it."""
    named = msgspec.json.decode(_PLAIN_NAME.sub(rb"\1Of\2", encode_json(document)))
    _complete(named, app)
    return encode_json(named)


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
            _settle(operation, schemas)
            if path.startswith(_OURS):
                _add_headers(operation, method, schemas)
            other = operation["responses"]["default"] = _problem("Any other error")
            # For 429 is one of them.
            other["headers"] = _headers(_LIMITS | _LATER)
            operation["responses"] = dict(sorted(operation["responses"].items()))
    _forget_unnamed(document)
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


def _settle(operation: Document, schemas: Document) -> None:
    for parameter in operation.get("parameters", []):
        _settle_parameter(parameter)
        if parameter["name"] == "fields":
            name = _names(_row(operation, schemas), schemas)
            parameter["schema"]["pattern"] = f"^{name}(,{name}){{0,{MOST_LEAVES - 1}}}$"
    for answer in operation["responses"].values():
        # The one header that Litestar describes, without words, by a route's `cache_control`.
        if answer.get("headers", {}).pop("cache-control", None):
            answer["headers"] |= _headers(_UNKEPT)
    found = operation["responses"].get("200", {}).get("content", {})
    if CSV in found:
        found[CSV] = {"schema": {"type": "string"}, "example": EXPORTS[operation["summary"]]}


def _settle_parameter(parameter: Document) -> None:
    """Leave null out, which cannot be said in an address or a header; and say whose an id is."""
    schema = parameter["schema"]
    several = [each for each in schema.get("oneOf", []) if each != {"type": "null"}]
    if len(several) == 1:
        del schema["oneOf"]
        parameter["schema"] = several[0] | schema
    if parameter["name"] == "If-Match":
        # What is left out is 428, and not 400.
        parameter["required"] = True
    if parameter["in"] == "path":
        whose = parameter["name"].removesuffix("_id").replace("_", " ")
        parameter.setdefault("description", f"the {whose}'s id")


def _row(operation: Document, schemas: Document) -> Document:
    """What an answer tells of each thing: of a list, what its rows are."""
    schema = _of(operation["responses"]["200"]["content"][JSON]["schema"], schemas)
    rows = schema["properties"].get("data")
    return schema if rows is None else _of(rows["items"], schemas)


def _names(schema: Document, schemas: Document) -> str:
    """The pattern of a field's name, with those of what belongs to it behind a dot."""
    several = []
    for name, each in schema["properties"].items():
        choices = [_of(choice, schemas) for choice in each.get("oneOf", [each])]
        below = [_of(choice.get("items", choice), schemas) for choice in choices]
        inner = [_names(one, schemas) for one in below if "properties" in one]
        several.append(name + "".join(rf"(\.{one})?" for one in inner))
    return f"({'|'.join(several)})"


def _of(schema: Document, schemas: Document) -> Document:
    """A schema, or the one that it refers to."""
    name = schema.get("$ref", "").rpartition("/")[2]
    found: Document = schemas[name] if name else schema
    return found


def _add_headers(operation: Document, method: str, schemas: Document) -> None:
    answers: Document = operation["responses"]
    if method == "get":
        _add_conditions(operation, schemas)
        _add_parameters(operation, _FENCE)
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


def _add_conditions(operation: Document, schemas: Document) -> None:
    """Whatever is read, and is no secret, may be known already (`bff.representation.answers`)."""
    answers: Document = operation["responses"]
    found = answers["200"]
    if JSON not in found["content"] or "Cache-Control" in found.get("headers", {}):
        return
    _add_parameters(operation, _AGAIN)
    schema = _of(found["content"][JSON]["schema"], schemas)
    links = _LINK if "pagination" in schema["properties"] else {}
    found["headers"] = _headers(_KEPT | links) | found.get("headers", {})
    answers["304"] = {"description": _KNOWN, "headers": _headers(_KEPT)}


def _add_parameters(operation: Document, meanings: dict[str, str]) -> None:
    parameters = operation.setdefault("parameters", [])
    given = {each["name"] for each in parameters}
    parameters += [
        {"name": name, "in": "header", "description": words, "schema": {"type": "string"}}
        for name, words in meanings.items()
        if name not in given
    ]


def _forget_unnamed(document: Document) -> None:
    """Leave out what Litestar makes of `Page[Any]`, which nothing refers to."""
    schemas = document["components"]["schemas"]
    while True:
        named = set(_REFERENCE.findall(encode_json(document).decode()))
        unnamed = schemas.keys() - named
        if not unnamed:
            return
        for name in unnamed:
            del schemas[name]


def _describe_picture(operation: Document, problems: list[Kind], *, head: bool) -> None:
    # A range has no meaning for HEAD (RFC 9110 14.2).
    conditions = {
        name: words for name, words in _CONDITIONS.items() if not (head and "Range" in name)
    }
    _add_parameters(operation, conditions)
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
    operation["responses"] = answers


def _headers(meanings: dict[str, str]) -> Document:
    return {
        name: {"description": words, "schema": {"type": "string"}}
        for name, words in meanings.items()
    }


def _problem(description: str) -> Document:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": description, "content": {MEDIA_TYPE: {"schema": schema}}}
