"""All of it together: from the outbox over the bus to the sockets of this process."""

from collections.abc import Collection

from bff.edge.clients import Clients
from bff.realtime.announcements import KINDS, Announcer
from bff.realtime.bus import Bus
from bff.realtime.engine import Engine
from bff.realtime.figures import Figures
from bff.realtime.orders import NAME, Orders
from bff.realtime.recovery import States
from bff.realtime.sockets import SocketServer
from domain.accounts import AccessTokens
from domain.events import Feed, Outbox
from domain.order_changes import OrderChanges
from domain.order_history import OrderHistory
from domain.redis import Nodes


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
        clients: Clients,
    ) -> None:
        self.figures = Figures()
        self._bus = Bus(nodes)
        self.orders = Orders(self._bus, tokens, history, changes, States(nodes), self.figures)
        self._server = SocketServer({NAME: self.orders}, self.figures)
        self.engine = Engine(self._server.speak, self.figures, None, origins, clients)
        self.feed = Feed(outbox, KINDS, Announcer(self._bus).tell)
        self._bus.listeners.append(self.orders.heard)
        self._bus.doubters.append(self.feed.again)

    def start(self) -> None:
        """Listen, and tell."""
        self._bus.start()
        self.feed.start()

    async def close(self) -> None:
        """Close every socket, and tell no more."""
        self.engine.close()
        await self._server.close()
        await self.feed.close()
        await self._bus.close()
