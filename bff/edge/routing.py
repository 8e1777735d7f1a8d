"""Which route a request is for, known before it is served."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple, cast

from litestar import Litestar
from litestar.enums import HttpMethod
from litestar.exceptions import HTTPException
from litestar.types import HTTPScope, Method
from litestar.utils import normalize_path


class Route(NamedTuple):
    """Its path as it was declared, empty where there is none, and the `opt` of its handler; the
    handler, and what it is told of the path: all of it, and its parameters."""

    template: str
    options: Mapping[str, Any]
    handler: Any = None
    path: str = ""
    parameters: Mapping[str, Any] = {}


_NOWHERE: Final = Route("", {})


class Routes:
    """The routes of an application. Whom Litestar asks afterwards has remembered the answer."""

    def __init__(self, app: Litestar) -> None:
        self._router = app.asgi_router

    def __call__(self, scope: HTTPScope) -> Route:
        """The route, for HEAD that of GET where there is no other."""
        path = normalize_path(scope["path"])
        try:
            return self._found(path, scope["method"])
        except HTTPException:
            pass
        if scope["method"] == HttpMethod.HEAD:
            try:
                return self._found(path, HttpMethod.GET)
            except HTTPException:
                pass
        return _NOWHERE

    def _found(self, path: str, method: str) -> Route:
        _, handler, path, parameters, template = self._router.handle_routing(
            path=path, method=cast("Method", method)
        )
        return Route(template, handler.opt, handler, path, parameters)
