"""The header by which a client asks for the same thing twice, and gets it once."""

from typing import Annotated

from litestar.params import HeaderParameter

from bff.edge.exchange import current
from domain.accounts import Principal
from domain.idempotency import Once

IdempotencyKey = Annotated[
    str,
    HeaderParameter(
        name="Idempotency-Key",
        min_length=1,
        max_length=128,
        pattern=r"^[\x20-\x7e]+$",
        description="a new random value, a UUID say, for each thing that is wanted; sent again"
        " with the same body within 24 hours, it gets the same answer, and nothing is done twice",
    ),
]


def keyed(principal: Principal, key: str, scope: str, body: object) -> Once:
    """The request of `principal` that is done once; what became of it is told in the answer."""
    once = Once.of(principal.id, key, scope, body)
    exchange = current.get()
    if exchange is not None:
        exchange.once = once
    return once
