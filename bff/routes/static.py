"""Pages from our own files: read once, coded as the browser likes it, and 304 for who has them."""

from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

from litestar import Request, get
from litestar.exceptions import NotFoundException
from litestar.params import PathParameter
from litestar.router import Router

from bff.representation.answers import VARY, Whole, wishes
from bff.representation.codings import KEPT
from bff.representation.content import Content

_INDEX: Final = "index.html"
_KINDS: Final = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
}
_PLAIN: Final = "text/plain"
# A page and its parts are of one version: each is asked for anew, and a 304 has no content.
_ASKED_ANEW: Final = "no-cache"


class _File(NamedTuple):
    content: Content
    kind: str


def pages(path: str, directory: Path, headers: dict[str, str] | None = None) -> Router:
    """The files of a directory under `path`, and its index.html at `path` itself; all of them are
    in memory, so no address leads to any other. `headers` go with each."""
    files = {
        each.relative_to(directory).as_posix(): _File(
            Content(each.read_bytes()), _KINDS.get(each.suffix, _PLAIN)
        )
        for each in directory.rglob("*")
        if each.is_file()
    }

    @get("/", include_in_schema=False, sync_to_thread=False)
    def index(request: Request[Any, Any, Any]) -> Whole[bytes]:
        return _answer(request, files[_INDEX], headers or {})

    @get("/{file_path:path}", include_in_schema=False, sync_to_thread=False)
    def file(
        request: Request[Any, Any, Any], file_path: Annotated[Path, PathParameter()]
    ) -> Whole[bytes]:
        found = files.get(file_path.as_posix().lstrip("/"))
        if found is None:
            raise NotFoundException
        return _answer(request, found, headers or {})

    return Router(path, route_handlers=[index, file], include_in_schema=False)


def _answer(request: Request[Any, Any, Any], file: _File, headers: dict[str, str]) -> Whole[bytes]:
    wanted = wishes(request.scope)
    coded = file.content.coded(wanted.choice(KEPT))
    told = {**headers, "Cache-Control": _ASKED_ANEW, "Vary": VARY}
    if tag := wanted.has(coded, file.content):
        return Whole(b"", headers=told | {"ETag": tag}, status_code=HTTPStatus.NOT_MODIFIED)
    told["ETag"] = coded.etag
    if coded.coding is not None:
        told["Content-Encoding"] = coded.coding
    return Whole(coded.body, headers=told, media_type=file.kind)
