"""`python -m benchmarks.api.floor`: the least that a read takes in Python: uvicorn, a statement of
ours by the driver, and its JSON, neither limited nor told of, nor compressed."""

import argparse
import os
import re
from typing import Any, Final

import asyncpg
import uvicorn

from bff.representation import views
from domain import order_history
from domain.accounts import Principal
from domain.database import dsn, statements
from domain.model import Role
from domain.model.paging import Window
from domain.orders import parties

_ASKED: Final = re.compile(r"/orders/(\d+)(?:/(\d+))?")
_OURS: Final = views.ORDERS[Role.CUSTOMER]
_LISTED: Final = _OURS.select("id,status,totalAmount,createdAt")
_WHOLE: Final = _OURS.select(views.WHOLE_ORDER)
_LIST: Final = order_history._list(
    _LISTED.selection, order_history._Shape(Role.CUSTOMER, True, (), False)
)
_ONE: Final = order_history._one(_WHOLE.selection, Role.CUSTOMER)
_PAGE: Final = Window(limit=20, offset=0)


class Floor:
    """An ASGI application: `/orders/7` are the orders of person 7, `/orders/7/9` is one of them."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._idle: list[asyncpg.Connection] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve a request."""
        del receive
        if scope["type"] != "http":
            return
        body = await self._body(scope["path"])
        length = b"%d" % len(body)
        headers = [(b"content-type", b"application/json"), (b"content-length", length)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _body(self, path: str) -> bytes:
        asked = _ASKED.fullmatch(path)
        if asked is None:
            return b"{}"
        person, order = asked.groups()
        given: dict[str, Any] = parties(Principal(int(person), Role.CUSTOMER))
        if order is None:
            given |= {"limit": _PAGE.limit + 1, "offset": _PAGE.offset}
            (found,) = await self._fetched(_LIST, given)
            listed = ",".join(found["orders"][:-1])
            shown = f'{{"data":[{listed}],"pagination":{{"total":{found["total"]}}}}}'
        else:
            (found,) = await self._fetched(_ONE, given | {"id": int(order)})
            shown = found["shown"]
        return shown.encode()

    async def _fetched(self, statement: Any, given: dict[str, Any]) -> Any:
        _, sql, arguments = statements._put(statement, given)
        connection = self._idle.pop() if self._idle else await asyncpg.connect(dsn(self._url))
        try:
            return await connection.fetch(sql, *arguments)
        finally:
            self._idle.append(connection)


def main() -> None:
    """Serve until somebody ends it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    port = parser.parse_args().port
    floor = Floor(os.environ["COMANDA_DATABASE_URL"])
    uvicorn.run(
        floor,
        port=port,
        loop="uvloop",
        http="httptools",
        lifespan="off",
        access_log=False,
        log_level="warning",
    )


if __name__ == "__main__":
    main()
