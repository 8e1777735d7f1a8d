"""The API's description (OpenAPI 3.1), and a page to browse it, from our own files."""

from pathlib import Path
from typing import Any, Final

from litestar import Request, Response
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme
from litestar.router import Router

import bff
from bff.edge import kinds
from bff.edge.kinds import Kind
from bff.edge.problems import MEDIA_TYPE, declared, problem
from bff.representation.answers import Answer
from bff.routes import static
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
    """Adds what Litestar cannot say: that all else is a problem too, and what a picture is."""

    def render(self, request: Request[Any, Any, Any], openapi_schema: Document) -> bytes:
        for path, item in openapi_schema["paths"].items():
            for method, operation in item.items():
                if path in PICTURES:
                    # A canonical path with a wrong part is no canonical path: not found.
                    parameters = [] if path == CANONICAL else [kinds.INVALID_PARAMETER]
                    problems = [*parameters, *_PICTURE_PROBLEMS]
                    _describe_picture(operation, problems, head=method == "head")
                if path == UPLOAD and method == "put":
                    operation["requestBody"] = {"required": True, "content": {"image/*": {}}}
                operation["responses"]["default"] = _problem("Any other error")
        return super().render(request, openapi_schema)


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
