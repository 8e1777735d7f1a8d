"""All of it together: from the outbox over the bus to the sockets of this process."""

from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING

from litestar.types import ASGIApp

from bff.edge.edge import Edge
from bff.realtime.announcements import KINDS, Announcer
from bff.realtime.asgi import Polls, Sockets, nowhere
from bff.realtime.bus import Bus
from bff.realtime.engine import Engine
from bff.realtime.figures import Figures
from bff.realtime.orders import NAME, Orders
from bff.realtime.recovery import States
from bff.realtime.siblings import Siblings
from bff.realtime.sockets import SocketServer
from bff.realtime.websocket import WebSocket
from domain.accounts import AccessTokens
from domain.events import Feed, Outbox
from domain.order_changes import OrderChanges
from domain.order_history import OrderHistory
from domain.redis import Nodes

if TYPE_CHECKING:
    from bff.operations.traces import Traces
    from bff.operations.tracing import Untraced


class Live:
    """The sockets of this process, and what they are told."""

    def __init__(
        self,
        nodes: Nodes,
        outbox: Outbox,
        tokens: AccessTokens,
        history: OrderHistory,
        changes: OrderChanges,
        *,
        origins: Collection[str],
        around: Callable[[ASGIApp], Edge],
        directory: Path | None,
        traces: "Traces | Untraced",
    ) -> None:
        """Processes that share a port know each other by a `directory`; what others ask comes
        through an edge that is put `around`."""
        self.figures = Figures()
        self._bus = Bus(nodes)
        self.orders = Orders(self._bus, tokens, history, changes, States(nodes), self.figures)
        namespace = traces.namespace(self.orders, self.orders.events)
        self._server = SocketServer({NAME: namespace}, self.figures)
        self._siblings = Siblings(directory)
        self.engine = Engine(self._server.speak, self.figures, None, origins, self._siblings)
        self.edge = self.engine.edge = around(Polls(self.engine))
        self.feed = Feed(outbox, KINDS, traces.tell(Announcer(self._bus).tell))
        self._bus.listeners.append(traces.listener(self.orders.heard, self.orders.rooms))
        self._bus.doubters.append(self.feed.again)
        self._bus.laggards.append(self.engine.begin_anew)

    async def start(self) -> None:
        """Listen, and tell."""
        ours = type("Ours", (WebSocket,), {"engine": self.engine, "__slots__": ()})
        await self._siblings.start(Sockets(nowhere, self.engine), ours)
        self._bus.start()
        self.feed.start()

    async def close(self) -> None:
        """Close every socket, and tell no more."""
        await self._siblings.close()
        self.engine.close()
        await self._server.close()
        await self.feed.close()
        await self._bus.close()
