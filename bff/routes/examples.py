"""What bodies look like, made of their own types, so that none can be another than it says."""

from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import msgspec

from bff.edge import kinds
from bff.edge.problems import Present, Problem
from bff.representation import views
from bff.routes import (
    auth,
    cafeterias,
    categories,
    configuration,
    home,
    me,
    notifications,
    orders,
    products,
    users,
    wallet,
)
from domain.model import OrderStatus, PaymentStatus, Platform, Role

_NOON: Final = datetime(2026, 11, 24, 12, 30, tzinfo=UTC)
_DISH: Final = views.ProductView(
    id=69,
    cafeteria_id=4,
    category_id=5,
    name="Paella valenciana",
    description="Con pollo, conejo y judías verdes",
    price="8.25",
    stock=12,
    is_available=True,
    version=7,
    picture=None,
)
_SECTION: Final = views.CategoryView(
    id=5, slug="rice", name="Arroces", description="", position=5, version=1
)
_ORDER: Final = views.OrderView(
    id=20001,
    user_id=23,
    cafeteria_id=4,
    status=OrderStatus.PREPARING,
    total_amount="16.50",
    version=3,
    pickup_code="J6P",
    created_at=_NOON,
    updated_at=_NOON + timedelta(minutes=4),
    items=[
        views.ItemView(
            product_id=69, product_name="Paella valenciana", quantity=2, unit_price="8.25"
        )
    ],
)
_PERSON: Final = me.PersonView(
    id=23,
    email="ana@campus.example",
    name="Ana Ruiz",
    role=Role.CUSTOMER,
    cafeteria_id=None,
    is_active=True,
    version=2,
    created_at=_NOON,
)
_DOOR: Final = home.DoorView(
    id=4,
    name="Comedor de Ingeniería",
    is_open=True,
    accepts_orders=True,
    opens_at=None,
    closes_at=_NOON + timedelta(hours=3),
    next_change=_NOON + timedelta(hours=3),
)
_SEVERAL: Final[tuple[Any, ...]] = (
    # What is sent to us,
    auth.Registration(email="ana@campus.example", name="Ana Ruiz", password="correct horse"),  # noqa: S106
    auth.Login(email="ana@campus.example", password="correct horse", device="Pixel 9"),  # noqa: S106
    auth.Refresh(refresh_token="A" * 64),
    auth.PasswordChange(old_password="correct horse", new_password="battery staple"),  # noqa: S106
    orders.NewOrder(
        cafeteria_id=4, items=[orders.NewLine(product_id=69, quantity=2)], expected_total="16.50"
    ),
    orders.Move(status=OrderStatus.ACCEPTED, version=1),
    orders.Cancellation(version=1),
    wallet.NewTopUp(amount="20.00"),
    notifications.NewDevice(token="fcm-registration-token", platform=Platform.ANDROID),  # noqa: S106
    products.ProductBody(
        cafeteria_id=4, category_id=5, name="Paella valenciana", price="8.25", stock=40
    ),
    products.ProductPatch(price="8.50", is_available=False),
    categories.CategoryBody(slug="rice", name="Arroces", position=5),
    categories.CategoryPatch(name="Arroces y fideuás"),
    cafeterias.CafeteriaBody(
        name="Comedor de Ingeniería",
        location="Edificio 3, planta baja",
        time_zone="Europe/Madrid",
        last_order_minutes=15,
    ),
    cafeterias.CafeteriaPatch(last_order_minutes=20),
    cafeterias.Week([cafeterias.Hours(weekday=1, opens_at="08:00", closes_at="16:30")]),
    cafeterias.Day([cafeterias.Shift(opens_at="10:00", closes_at="14:00")], "Víspera de fiesta"),
    me.MePatch(name="Ana R."),
    users.PersonPatch(role=Role.STAFF, cafeteria_id=4),
    configuration.SettingBody(value="Mañana cerramos a las 15:00"),
    # and what is answered.
    auth.GrantView(
        access_token="eyJhbGciOiJIUzI1NiJ9...",  # noqa: S106
        token_type="Bearer",  # noqa: S106
        expires_at=_NOON + timedelta(minutes=15),
        refresh_token="A" * 64,
        refresh_expires_at=_NOON + timedelta(days=30),
        user=auth.UserView(id=23, name="Ana Ruiz", role=Role.CUSTOMER, cafeteria_id=None),
    ),
    home.HomeView(
        greeting=home.GreetingView(name="Ana Ruiz", notice=None),
        cafeterias=[_DOOR],
        categories=[_SECTION],
        bestsellers=[_DISH],
        active_order=_ORDER,
        unread=2,
        balance="31.40",
        problems={},
    ),
    _DISH,
    _SECTION,
    _ORDER,
    orders.ChangesView(data=[_ORDER], next="A" * 48, more=False),
    _PERSON,
    views.CafeteriaView(
        id=4,
        name="Comedor de Ingeniería",
        location="Edificio 3, planta baja",
        time_zone="Europe/Madrid",
        is_open=True,
        accepts_orders=True,
        opens_at=None,
        closes_at=_NOON + timedelta(hours=3),
        last_order_at=_NOON + timedelta(hours=2, minutes=45),
        next_change=_NOON + timedelta(hours=2, minutes=45),
        last_order_minutes=15,
        hours=[views.HoursView(weekday=1, opens_at="08:00", closes_at="16:30")],
        version=3,
    ),
    cafeterias.ExceptionList(
        [views.ExceptionView(date=date(2026, 12, 8), reason="Inmaculada", shifts=[])]
    ),
    views.PaymentView(
        id=311,
        user_id=23,
        amount="20.00",
        status=PaymentStatus.SUCCEEDED,
        decline_reason=None,
        created_at=_NOON,
        settled_at=_NOON + timedelta(seconds=2),
    ),
    views.DeviceView(id=8, platform=Platform.ANDROID, created_at=_NOON, last_seen_at=_NOON),
    notifications.UnreadView(2),
    configuration.SettingView(
        key="home.bestsellers",
        meaning="how many of the products sold most are on the first screen",
        value=6,
        default=8,
        json_schema={"type": "integer", "minimum": 0, "maximum": 24},
        version=2,
        updated_at=_NOON,
    ),
    Problem(
        kinds.CHANGED.type,
        kinds.CHANGED.title,
        kinds.CHANGED.status,
        "It was changed meanwhile; look at it again.",
        present=Present(version=8),
    ),
)
EXAMPLES: Final[dict[str, list[Any]]] = {
    type(each).__name__: [msgspec.to_builtins(each)] for each in _SEVERAL
}
