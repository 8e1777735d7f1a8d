"""What the customer is told when the counter moves an order."""

from typing import Any, Final

from sqlalchemy import CTE, BigInteger, Text, bindparam, func, literal, select

from domain.model import OrderStatus

# In the language of the campus, as the menu is.
_WORDS: Final = {
    OrderStatus.ACCEPTED: "La cocina ha aceptado tu pedido.",
    OrderStatus.PREPARING: "Tu pedido se está preparando.",
    OrderStatus.READY: "Tu pedido está listo.",
    OrderStatus.DELIVERED: "Que aproveche.",
    OrderStatus.CANCELLED: "Tu pedido se ha cancelado y su importe vuelve a tu monedero.",
    OrderStatus.REJECTED: "La cocina no puede prepararlo; su importe vuelve a tu monedero.",
}
_CODE: Final = " Recógelo con el código "


def words(status: OrderStatus, reason: str | None) -> dict[str, Any]:
    """The parameters of a statement with `news`."""
    return {
        "notice": f"order:{status}",
        "words": _WORDS.get(status, ""),
        "code": _CODE if status is OrderStatus.READY else None,
        "why": None if reason is None else f" Motivo: {reason}",
    }


def news(moved: CTE) -> CTE:
    """What is told of an order that was moved, if not by its customer (`person`)."""
    # None where nothing is to be said, or where it is from before there were codes.
    code = bindparam("code", type_=Text).concat(moved.c.pickup_code).concat(literal(".", Text))
    return (
        select(
            moved.c.user_id,
            moved.c.id.label("order_id"),
            moved.c.version,
            bindparam("notice", type_=Text).label("kind"),
            func.concat("Pedido ", moved.c.id).label("title"),
            func.concat(bindparam("words", type_=Text), code, bindparam("why", type_=Text)).label(
                "body"
            ),
        )
        .where(moved.c.user_id != bindparam("person", type_=BigInteger))
        .cte("news")
    )
