"""What becomes of the requests that schemathesis makes up, before they are sent."""

from typing import Any
from uuid import uuid4

import schemathesis


@schemathesis.hook
def before_call(
    _: schemathesis.HookContext, case: schemathesis.Case[Any], __: dict[str, Any]
) -> None:
    """Of those that the description allows: a key is new for each thing that is wanted, and there
    is a page or a cursor. Sent as they are, most would be refused for that, and show nothing."""
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    if "Idempotency-Key" in case.headers:
        case.headers["Idempotency-Key"] = str(uuid4())
    if {"page", "cursor"} <= case.query.keys():
        del case.query["cursor"]
