"""Handlers are given the parts of an application once, and not at each request."""

import inspect
from collections.abc import Mapping
from copy import copy
from functools import wraps
from typing import Any, TypeVar

from litestar.types import ControllerRouterHandler

T = TypeVar("T", bound=ControllerRouterHandler)


def given(handler: T, parts: Mapping[str, object]) -> T:
    """The handler with those of the parts that it names as its parameters.

    As Litestar's dependencies they would be looked up by a task each, at every request, which
    takes longer than what most handlers do.
    """
    function: Any = getattr(handler, "fn", None)
    if function is None:
        return handler
    signature = inspect.signature(function)
    named = {name: parts[name] for name in signature.parameters if name in parts}
    if not named:
        return handler

    @wraps(function)
    async def call(**asked: Any) -> Any:
        return await function(**asked, **named)

    left = [each for name, each in signature.parameters.items() if name not in named]
    call.__signature__ = signature.replace(parameters=left)  # type: ignore[attr-defined]
    call.__annotations__ = {
        name: kind for name, kind in function.__annotations__.items() if name not in named
    }
    wired: Any = copy(handler)
    return wired(call)  # type: ignore[no-any-return]
