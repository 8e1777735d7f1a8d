"""What each resource looks like on the wire: camelCase, decimal strings, RFC 3339 in UTC."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from typing import Final

from msgspec import Struct, structs

from bff.representation.fields import Field, Related, Resource
from cdn.srcset import srcset
from domain import cafeterias, devices, orders, payments
from domain.model import OrderStatus, PaymentStatus, Platform, Role, TransactionKind
from domain.model.hours import Interval, SpecialDay
from domain.model.menu import Category, Picture, Product
from domain.model.money import to_decimal
from domain.order_changes import ChangedOrder

_MINUTE: Final = timedelta(minutes=1)
# A dish fills the width of a phone, and a card of a third of it elsewhere.
CARD_SIZES = "(max-width: 640px) 100vw, (max-width: 1200px) 33vw, 389px"


class View(Struct, frozen=True, rename="camel"):
    """The base of what goes out."""


class PictureView(View, frozen=True):
    """What an `<img>` needs, so that no client makes up a URL: sources for every width, the
    original's size in pixels for its place in the layout, and a blur (ThumbHash, base64) and
    the main colour (#rrggbb) to show until it comes."""

    url: str
    srcset: str
    sizes: str
    width: int
    height: int
    thumbhash: str | None
    color: str | None


class ProductView(View, frozen=True):
    """A dish on the menu."""

    id: int
    cafeteria_id: int
    category_id: int
    name: str
    description: str
    price: str
    stock: int
    is_available: bool
    version: int
    picture: PictureView | None


class CategoryView(View, frozen=True):
    """A section of the menu."""

    id: int
    slug: str
    name: str
    description: str
    position: int
    version: int


class ShiftView(View, frozen=True):
    """An opening interval in local times; may end the day after."""

    opens_at: str
    closes_at: str


class HoursView(View, frozen=True):
    """One opening interval: ISO weekday (1 is Monday) and local times; may end the day after."""

    weekday: int
    opens_at: str
    closes_at: str


class ExceptionView(View, frozen=True):
    """A date that does not follow the week, and why; without shifts it is closed."""

    date: date
    reason: str
    shifts: list[ShiftView]


class CafeteriaView(View, frozen=True):
    """A cafeteria, and whether it is open at the instant of the answer."""

    id: int
    name: str
    location: str
    time_zone: str
    is_open: bool
    accepts_orders: bool
    opens_at: datetime | None
    closes_at: datetime | None
    last_order_at: datetime | None
    next_change: datetime | None
    last_order_minutes: int
    hours: list[HoursView]
    version: int


class ItemView(View, frozen=True):
    """A line of an order."""

    product_id: int
    product_name: str
    quantity: int
    unit_price: str


class OrderView(View, frozen=True):
    """An order with its items; `pickupCode` is what the counter calls out, `reason` why it was
    cancelled or rejected, where somebody said so."""

    id: int
    user_id: int
    cafeteria_id: int
    status: OrderStatus
    total_amount: str
    version: int
    pickup_code: str | None
    created_at: datetime
    updated_at: datetime
    reason: str | None
    items: list[ItemView]


class CustomerView(View, frozen=True):
    """Who placed an order, by what the counter calls them."""

    name: str


class ChangedOrderView(OrderView, frozen=True):
    """An order as it is now, and who placed it."""

    customer: CustomerView


class PaymentView(View, frozen=True):
    """A top-up, and whether its money came; pending until it is known."""

    id: int
    user_id: int
    amount: str
    status: PaymentStatus
    decline_reason: str | None
    created_at: datetime
    settled_at: datetime | None


class DeviceView(View, frozen=True):
    """A device that is pushed to."""

    id: int
    platform: Platform
    created_at: datetime
    last_seen_at: datetime


def product(row: Product) -> ProductView:
    """A product, its picture under the URL that every size is asked of."""
    return ProductView(
        id=row.id,
        cafeteria_id=row.cafeteria_id,
        category_id=row.category_id,
        name=row.name,
        description=row.description,
        price=to_decimal(row.price_minor),
        stock=row.stock,
        is_available=row.is_available,
        version=row.version,
        picture=None if row.picture is None else picture(row.id, row.picture),
    )


def picture(product_id: int, facts: Picture) -> PictureView:
    """A product's picture in every width there is of it."""
    sources = srcset(product_id, facts.version, facts.width, facts.height, sizes=CARD_SIZES)
    return PictureView(
        url=sources.url,
        srcset=sources.srcset,
        sizes=sources.sizes,
        width=sources.width,
        height=sources.height,
        thumbhash=facts.thumbhash,
        color=facts.color,
    )


def category(row: Category) -> CategoryView:
    """A category."""
    return CategoryView(row.id, row.slug, row.name, row.description, row.position, row.version)


def cafeteria(row: cafeterias.Cafeteria) -> CafeteriaView:
    """A cafeteria with its week and its status."""
    return CafeteriaView(
        id=row.id,
        name=row.name,
        location=row.location,
        time_zone=row.schedule.time_zone,
        is_open=row.status.is_open,
        accepts_orders=row.status.accepts_orders,
        opens_at=row.status.opens_at,
        closes_at=row.status.closes_at,
        last_order_at=row.status.last_order_at,
        next_change=row.status.next_change,
        last_order_minutes=row.schedule.last_order // _MINUTE,
        hours=[HoursView(each.weekday, *_shift(each)) for each in row.schedule.weekly],
        version=row.version,
    )


def exception(day: SpecialDay) -> ExceptionView:
    """A date that does not follow the week."""
    return ExceptionView(day.on, day.reason, [ShiftView(*_shift(each)) for each in day.intervals])


def _shift(interval: Interval) -> tuple[str, str]:
    return f"{interval.opens_at:%H:%M}", f"{interval.closes_at:%H:%M}"


def order(row: orders.Order) -> OrderView:
    """An order with its items."""
    return OrderView(
        id=row.id,
        user_id=row.user_id,
        cafeteria_id=row.cafeteria_id,
        status=row.status,
        total_amount=to_decimal(row.total_minor),
        version=row.version,
        pickup_code=row.pickup_code,
        created_at=row.created_at,
        updated_at=row.updated_at,
        reason=row.reason,
        items=items(row.items),
    )


def changed(row: ChangedOrder) -> ChangedOrderView:
    """An order that has changed."""
    return ChangedOrderView(**structs.asdict(order(row)), customer=CustomerView(row.customer))


def payment(row: payments.Payment) -> PaymentView:
    """A top-up."""
    return PaymentView(
        id=row.id,
        user_id=row.user_id,
        amount=to_decimal(row.amount_minor),
        status=row.status,
        decline_reason=row.decline_reason,
        created_at=row.created_at,
        settled_at=row.settled_at,
    )


def device(row: devices.Device) -> DeviceView:
    """A device, without its token."""
    return DeviceView(row.id, row.platform, row.created_at, row.last_seen_at)


def items(rows: Iterable[orders.Item]) -> list[ItemView]:
    """The lines of an order."""
    return [
        ItemView(row.product_id, row.product_name, row.quantity, to_decimal(row.unit_price_minor))
        for row in rows
    ]


# Fields of what comes from the cache are chosen of its view, others down to the SQL.
PICTURES: Final = Resource(
    "PictureShown",
    {
        "url": Field("url", str),
        "srcset": Field("srcset", str),
        "sizes": Field("sizes", str),
        "width": Field("width", int),
        "height": Field("height", int),
        "thumbhash": Field("thumbhash", str | None),
        "color": Field("color", str | None),
    },
    default=("url", "width", "height", "thumbhash", "color"),
)
PRODUCTS: Final = Resource(
    "ProductShown",
    {
        "id": Field("id", int),
        "cafeteriaId": Field("cafeteria_id", int),
        "categoryId": Field("category_id", int),
        "name": Field("name", str),
        "description": Field("description", str),
        "price": Field("price", str),
        "stock": Field("stock", int),
        "isAvailable": Field("is_available", bool),
        "version": Field("version", int),
        "picture": Related("picture", PICTURES),
    },
    default=("id", "cafeteriaId", "categoryId", "name", "price", "stock", "isAvailable", "picture"),
)
CATEGORIES: Final = Resource(
    "CategoryShown",
    {
        "id": Field("id", int),
        "slug": Field("slug", str),
        "name": Field("name", str),
        "description": Field("description", str),
        "position": Field("position", int),
        "version": Field("version", int),
    },
    default=("id", "slug", "name", "description"),
)
CAFETERIAS: Final = Resource(
    "CafeteriaShown",
    {
        "id": Field("id", int),
        "name": Field("name", str),
        "location": Field("location", str),
        "timeZone": Field("time_zone", str),
        "isOpen": Field("is_open", bool),
        "acceptsOrders": Field("accepts_orders", bool),
        "opensAt": Field("opens_at", datetime | None),
        "closesAt": Field("closes_at", datetime | None),
        "lastOrderAt": Field("last_order_at", datetime | None),
        "nextChange": Field("next_change", datetime | None),
        "lastOrderMinutes": Field("last_order_minutes", int),
        "hours": Related(
            "hours",
            Resource(
                "HoursShown",
                {
                    "weekday": Field("weekday", int),
                    "opensAt": Field("opens_at", str),
                    "closesAt": Field("closes_at", str),
                },
                default=("weekday", "opensAt", "closesAt"),
            ),
            is_many=True,
        ),
        "version": Field("version", int),
    },
    default=(
        "id",
        "name",
        "location",
        "timeZone",
        "isOpen",
        "acceptsOrders",
        "opensAt",
        "closesAt",
        "lastOrderAt",
        "nextChange",
        "hours",
    ),
)

_ORDERED_PRODUCT: Final = Resource(
    "OrderedProduct",
    {
        "id": Field("id", int),
        "cafeteriaId": Field("cafeteria_id", int),
        "categoryId": Field("category_id", int),
        "name": Field("name", str),
        "description": Field("description", str),
        "price": Field("price_minor", str),
        "isAvailable": Field("is_available", bool),
        "updatedAt": Field("updated_at", datetime),
    },
    default=("id", "name", "price"),
)
_ITEMS: Final = Resource(
    "ItemShown",
    {
        "productId": Field("product_id", int),
        "productName": Field("product_name", str),
        "quantity": Field("quantity", int),
        "unitPrice": Field("unit_price_minor", str),
        "product": Related("product", _ORDERED_PRODUCT),
    },
    default=("productId", "productName", "quantity", "unitPrice"),
)
_PLACE: Final = Resource(
    "OrderedAt",
    {
        "id": Field("id", int),
        "name": Field("name", str),
        "location": Field("location", str),
        "timeZone": Field("time_zone", str),
    },
    default=("id", "name"),
)
_ORDER: Final[dict[str, Field | Related]] = {
    "id": Field("id", int),
    "userId": Field("user_id", int),
    "cafeteriaId": Field("cafeteria_id", int),
    "status": Field("status", OrderStatus),
    "totalAmount": Field("total_minor", str, to_decimal),
    "version": Field("version", int),
    "pickupCode": Field("pickup_code", str | None),
    "createdAt": Field("created_at", datetime),
    "updatedAt": Field("updated_at", datetime),
    "reason": Field("reason", str | None),
    "cafeteria": Related("cafeteria", _PLACE),
    "items": Related("items", _ITEMS, is_many=True),
}
WHOLE_ORDER: Final = ",".join(name for name in _ORDER if name != "cafeteria")
"""What is shown of one by itself."""
_CUSTOMER: Final[dict[str, Field | Related]] = {
    "id": Field("id", int),
    "name": Field("name", str),
}
_EMAIL: Final = Field("email", str)


def _orders(name: str, customer: Mapping[str, Field | Related]) -> Resource:
    """Orders, with so much of who placed them."""
    of_whom = {"customer": Related("customer", Resource(f"{name}By", customer, default=_CUSTOMER))}
    return Resource(
        name,
        _ORDER | (of_whom if customer else {}),
        default=("id", "cafeteriaId", "status", "totalAmount", "createdAt"),
    )


ORDERS: Final[Mapping[Role, Resource]] = {
    Role.CUSTOMER: _orders("OwnOrderShown", {}),
    Role.STAFF: _orders("CounterOrderShown", _CUSTOMER),
    Role.ADMIN: _orders("OrderShown", _CUSTOMER | {"email": _EMAIL}),
}
"""By the role of who asks: the counter calls a name, and only administrators write to people."""

TRANSACTIONS: Final = Resource(
    "TransactionShown",
    {
        "id": Field("id", int),
        "kind": Field("kind", TransactionKind),
        "amount": Field("amount_minor", str, to_decimal),
        "orderId": Field("order_id", int | None),
        "createdAt": Field("created_at", datetime),
    },
    default=("id", "kind", "amount", "orderId", "createdAt"),
)
LEDGER: Final = Resource(
    "LedgerLineShown",
    {
        **TRANSACTIONS.members,
        "userId": Field("user_id", int),
        "customerName": Field("customer_name", str),
    },
    default=("id", "kind", "amount", "orderId", "customerName", "createdAt"),
)
"""As those see it who run a counter, or the campus."""
PAYMENTS: Final = Resource(
    "PaymentShown",
    {
        "id": Field("id", int),
        "userId": Field("user_id", int),
        "amount": Field("amount_minor", str, to_decimal),
        "status": Field("status", PaymentStatus),
        "declineReason": Field("decline_reason", str | None),
        "createdAt": Field("created_at", datetime),
        "settledAt": Field("settled_at", datetime | None),
    },
    default=("id", "amount", "status", "declineReason", "createdAt", "settledAt"),
)
NOTIFICATIONS: Final = Resource(
    "NotificationShown",
    {
        "id": Field("id", int),
        "orderId": Field("order_id", int | None),
        "kind": Field("kind", str),
        "title": Field("title", str),
        "body": Field("body", str),
        "isRead": Field("is_read", bool),
        "createdAt": Field("created_at", datetime),
    },
    default=("id", "orderId", "kind", "title", "body", "isRead", "createdAt"),
)
