"""What the customer is told when the counter moves an order."""

from typing import Final

from domain import notifications
from domain.database import Writer
from domain.model import OrderStatus
from domain.orders import Order

# In the language of the campus, as the menu is.
_WORDS: Final = {
    OrderStatus.ACCEPTED: "La cocina ha aceptado tu pedido.",
    OrderStatus.PREPARING: "Tu pedido se está preparando.",
    OrderStatus.READY: "Tu pedido está listo.",
    OrderStatus.DELIVERED: "Que aproveche.",
    OrderStatus.CANCELLED: "Tu pedido se ha cancelado y su importe vuelve a tu monedero.",
    OrderStatus.REJECTED: "La cocina no puede prepararlo; su importe vuelve a tu monedero.",
}


async def tell(writer: Writer, order: Order) -> None:
    """Write it in the transaction that moves the order; the relay pushes it."""
    body = _WORDS[order.status]
    # One from before there were codes has none.
    if order.status is OrderStatus.READY and order.pickup_code is not None:
        body = f"{body} Recógelo con el código {order.pickup_code}."
    if order.reason is not None:
        body = f"{body} Motivo: {order.reason}"
    kind, title = f"order:{order.status}", f"Pedido {order.id}"
    await notifications.write(writer, order.user_id, kind, title, body, order.id, order.version)
