"""What people see of orders as they move, through socket.io-client and two processes."""

from typing import Any

import pytest

from tests.bff.realtime.clients import POLLING, UPGRADED, WEBSOCKET, Clients
from tests.bff.realtime.conftest import Person

TRANSPORTS = [WEBSOCKET, POLLING, UPGRADED]
NAMES = ["websocket", "polling", "upgraded"]


@pytest.mark.parametrize("transport", TRANSPORTS, ids=NAMES)
async def test_a_customer_watches_an_order_that_is_moved_in_another_process(
    servers: list[str],
    phones: Clients,
    student: Person,
    staff: Person,
    product: int,
    transport: dict[str, Any],
) -> None:
    here, there = servers
    await phones.open("phone", there, student.auth, transport)
    await phones.open("board", here, staff.auth, transport)
    told = await phones.emit("board", "order:subscribe_live_feed")
    assert told["status"] == "subscribed_to_live_feed"
    assert told["cafeteriaId"] == 1
    order = await student.order(product)
    created = await phones.next("board", "order:created")
    assert created["orderId"] == order["id"]
    assert (created["version"], created["status"]) == (1, "created")
    assert created["totalAmount"] == order["totalAmount"]
    assert created["pickupCode"] == order["pickupCode"]
    subscribed = await phones.emit("phone", "order:subscribe", {"orderId": order["id"]})
    assert subscribed == {"status": "subscribed", "order": order}
    order = await staff.move(order, "accepted")
    for name in ("phone", "board"):
        accepted = await phones.next(name, "order:accepted")
        assert (accepted["orderId"], accepted["version"]) == (order["id"], 2)
        assert int(accepted["fence"], 16) > int(created["fence"], 16)
    for version, status in enumerate(("preparing", "ready", "delivered"), 3):
        order = await staff.move(order, status)
        updated = await phones.next("phone", "order:updated")
        assert (updated["version"], updated["status"]) == (version, status)
        notice = await phones.next("phone", "notification:new")
        assert notice["orderId"] == order["id"]
        assert notice["version"] == version
        assert notice["kind"] == f"order:{status}"
    assert await phones.emit("phone", "order:unsubscribe", {"orderId": order["id"]}) == {
        "status": "unsubscribed"
    }
