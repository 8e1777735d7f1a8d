"""What the handler of a route is called with, read as Litestar reads it, and without it."""

from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import Any, Final, NamedTuple

import msgspec
from litestar.exceptions import HTTPException
from litestar.handlers import HTTPRouteHandler
from litestar.types import HTTPScope

from bff.edge import requests
from bff.edge.requests import ApiRequest
from domain.accounts import Principal

# As a client writes it; whoever writes it otherwise is read by Litestar.
_JSON: Final = frozenset(
    {b"application/json", b"application/json; charset=utf-8", b"application/json;charset=utf-8"}
)
# Queries that are understood already: most people ask in the same words.
_MOST_KNOWN: Final = 1024
_MOST_QUERY_BYTES: Final = 512
_PRINCIPAL: Final = "principal"
_DATA: Final = "data"
_WRONG: Final = (msgspec.ValidationError, HTTPException, UnicodeDecodeError, RecursionError)


class _Parameter(NamedTuple):
    """Under which name it is sent, and as what it is read."""

    name: str
    alias: str
    read: Callable[[Any], Any]
    default: Any
    is_required: bool
    is_many: bool


class Call:
    """A handler, and how it is called.

    It takes a principal, parameters of the path, the query and headers, and a body of JSON. Each is
    read by the type that Litestar has made of its annotation. Whatever Litestar would refuse, or
    may read otherwise, is left to it.
    """

    def __init__(self, handler: HTTPRouteHandler, wanted: Any) -> None:
        """`wanted` is what Litestar reads of a request (its KwargsModel). Raises TypeError where
        the route takes, or does, anything else."""
        self._handler = handler
        self._of_path = self._parameters(wanted.expected_path_params)
        self._of_headers = self._parameters(wanted.expected_header_params)
        self._in_query = self._parameters(wanted.expected_query_params)
        read = {each.name for each in (*self._of_path, *self._of_headers, *self._in_query)}
        taken = handler.parsed_fn_signature.parameters.keys()
        if _PRINCIPAL not in taken or not taken <= {*read, _PRINCIPAL, _DATA}:
            raise TypeError(f"{handler} takes something else than can be read of its request")
        hooks = handler.resolve_guards(), handler.resolve_after_response(), handler.cache
        if any((*hooks, *(each.after_request for each in handler.ownership_layers))):
            raise TypeError(f"{handler} does more than it is called for")
        if not all(each.documentation_only for each in handler.resolve_response_headers()):
            raise TypeError(f"{handler} answers with headers that nobody would send")
        self._takes_body = _DATA in taken
        self._known = lru_cache(_MOST_KNOWN)(self._of_query)
        self.methods = handler.http_methods
        self.status = handler.status_code

    def arguments(
        self,
        scope: HTTPScope,
        headers: Mapping[bytes, bytes],
        path: Mapping[str, Any],
        body: bytes,
    ) -> dict[str, Any] | None:
        """What it is called with, but for the principal; None where Litestar is to be asked."""
        query = scope["query_string"]
        asked = (self._known if len(query) <= _MOST_QUERY_BYTES else self._of_query)(query)
        if asked is None:
            return None
        found = {**asked}
        try:
            for each in self._of_path:
                found[each.name] = each.read(path[each.alias])
            for each in self._of_headers:
                values = _values(each.alias.lower().encode(), scope)
                if len(values) > 1 or each.is_required > len(values):
                    return None
                found[each.name] = each.read(values[0] if values else each.default)
            if self._takes_body:
                if headers.get(b"content-type") not in _JSON or not body:
                    return None
                found[_DATA] = requests.read(self._handler, body)
            elif b"content-length" in headers:
                return None
        except _WRONG:
            return None
        return found

    async def __call__(self, principal: Principal, arguments: Mapping[str, Any]) -> Any:
        """What the handler returns. Raises what it does."""
        return await self._handler.fn(principal=principal, **arguments)

    def _of_query(self, query: bytes) -> Mapping[str, Any] | None:
        scope: Any = {"type": "http", "query_string": query}
        given = ApiRequest(scope).query_params
        found = {}
        try:
            requests.refuse_guessed(self._handler, given.multi_items())
            for each in self._in_query:
                values = given.getall(each.alias, [])
                if each.is_required and not values:
                    return None
                # Of one that came twice, the last one.
                value = (values if each.is_many else values[-1]) if values else each.default
                found[each.name] = each.read(value)
        except _WRONG:
            return None
        return found

    def _parameters(self, several: Any) -> list[_Parameter]:
        types = self._handler.signature_model.__annotations__
        return [
            _Parameter(
                each.field_name,
                each.field_alias,
                partial(msgspec.convert, type=types[each.field_name], strict=False, str_keys=True),
                each.default,
                each.is_required,
                each.is_sequence,
            )
            for each in several
        ]


def _values(name: bytes, scope: HTTPScope) -> list[str]:
    """Of a header that may have come several times."""
    return [value.decode("latin-1") for given, value in scope["headers"] if given == name]
