"""What bodies look like, made of their own types, so that none can be another than it says."""

from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import msgspec

from bff.edge import kinds
from bff.edge.problems import Present, Problem
from bff.operations.readiness import Readiness, State
from bff.representation import views
from bff.representation.fields import Resource
from bff.representation.pages import Page, Pagination
from bff.routes import (
    auth,
    cache,
    cafeterias,
    categories,
    configuration,
    health,
    home,
    me,
    metrics,
    notifications,
    orders,
    pictures,
    products,
    reports,
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
    reason=None,
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
_CAFETERIA: Final = views.CafeteriaView(
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
)
_TOP_UP: Final = views.PaymentView(
    id=311,
    user_id=23,
    amount="20.00",
    status=PaymentStatus.SUCCEEDED,
    decline_reason=None,
    created_at=_NOON,
    settled_at=_NOON + timedelta(seconds=2),
)
_SETTING: Final = configuration.SettingView(
    key="home.bestsellers",
    meaning="how many of the products sold most are on the first screen",
    value=6,
    default=8,
    json_schema={"type": "integer", "minimum": 0, "maximum": 24},
    version=2,
    updated_at=_NOON,
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
    orders.Cancellation(version=1, reason="No queda arroz"),
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
    auth.SessionList(
        [
            auth.SessionView(
                id=51,
                device="Pixel 9",
                user_agent="Comanda/4.2 (Android 16)",
                created_at=_NOON,
                last_used_at=_NOON,
                expires_at=_NOON + timedelta(days=30),
                current=True,
            )
        ]
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
    orders.ChangesView(
        data=[
            views.ChangedOrderView(
                **msgspec.structs.asdict(_ORDER), customer=views.CustomerView("Ana Ruiz")
            )
        ],
        next="A" * 48,
        more=False,
    ),
    _PERSON,
    cafeterias.ExceptionList(
        [views.ExceptionView(date=date(2026, 12, 8), reason="Inmaculada", shifts=[])]
    ),
    _CAFETERIA,
    _TOP_UP,
    views.DeviceView(id=8, platform=Platform.ANDROID, created_at=_NOON, last_seen_at=_NOON),
    notifications.UnreadView(2),
    _SETTING,
    configuration.SettingList([_SETTING]),
    pictures.UploadedView(
        version="Zq3fT0a8",
        url="/products/69?v=Zq3fT0a8",
        srcset="/products/69?v=Zq3fT0a8&w=320 320w, /products/69?v=Zq3fT0a8&w=640 640w",
        sizes="(max-width: 640px) 100vw, 389px",
        width=4032,
        height=3024,
        thumbhash="1QcSHQRnh493V4dIh4eXh1h4kJUI",
        color="#c9a227",
    ),
    pictures.PreparationView(version="Zq3fT0a8", done=12, total=48),
    reports.TodayView(
        _NOON,
        [
            reports.DayView(
                cafeteria_id=4,
                cafeteria="Comedor de Ingeniería",
                date="2026-11-24",
                orders=212,
                revenue="1540.75",
                cancelled=3,
                rejected=1,
                paid=216,
                refunded=4,
            )
        ],
    ),
    reports.BestsellersView(
        _NOON,
        [
            reports.SoldView(
                product_id=69,
                name="Paella valenciana",
                cafeteria_id=4,
                category_id=5,
                portions=181,
                revenue="1493.25",
            )
        ],
    ),
    reports.SalesView(
        _NOON, [reports.SumView(key=13, name="13", orders=96, portions=None, revenue="702.40")]
    ),
    reports.TakingsView(
        _NOON,
        reports.CardsView(
            succeeded=38,
            declined=2,
            pending=0,
            amount="760.00",
            success_rate=0.95,
            decline_reasons=[reports.DeclineView(reason="insufficient-funds", payments=2)],
        ),
        [
            reports.CashView(
                cafeteria_id=4, cafeteria="Comedor de Ingeniería", payments=7, amount="95.00"
            )
        ],
    ),
    cache.CacheView(
        cache_hit_rate=0.98,
        cache_miss_rate=0.02,
        avg_cached_size=3120.5,
        redis_memory_usage=4_194_304,
        cache_evictions=0,
        cache_invalidations=17,
        kinds=[
            cache.KindView(
                name="products",
                memory_hits=9410,
                redis_hits=380,
                joined=25,
                loads=185,
                waits=4,
                fills=181,
                refused=0,
                evicted=0,
                audited=98,
                stale=0,
            )
        ],
    ),
    metrics.MetricsView(
        window_seconds=58.7,
        application=metrics.ApplicationFigures(
            requests_per_second=612.4,
            avg_response_time=4.1,
            p95_response_time=18.6,
            error_rate=0.0,
            cache_hit_rate=0.97,
        ),
        database=metrics.DatabaseFigures(
            query_time_p95=3.2, active_connections=7, replication_lag=0.04, disk_usage=94_371_840
        ),
        infrastructure=metrics.InfrastructureFigures(
            pods=5,
            cpu_usage=0.46,
            memory_usage=734_003_200,
            redis_memory=12_582_912,
            bandwidth=2_411_724.8,
        ),
    ),
    health.Liveness("up"),
    Readiness("ready", {"primary": State.UP, "redis": State.UP, "object-store": State.UP}),
    Problem(
        kinds.CHANGED.type,
        kinds.CHANGED.title,
        kinds.CHANGED.status,
        "It was changed meanwhile; look at it again.",
        present=Present(version=8),
    ),
)
_NOTICE: Final = {
    "id": 901,
    "orderId": 20001,
    "kind": "order:ready",
    "title": "Tu pedido está listo",
    "body": "Recógelo en Comedor de Ingeniería con el código J6P.",
    "isRead": False,
    "createdAt": "2026-11-24T12:41:00Z",
}
_LINE: Final = {
    "id": 28638,
    "kind": "payment",
    "amount": "-16.50",
    "orderId": 20001,
    "createdAt": "2026-11-24T12:30:00Z",
}
_PLACE: Final = Pagination(limit=20, total=1, page=1, total_pages=1, next_cursor=None)
_SHORT: Final = Pagination(limit=100, total=1, page=1, total_pages=1)


def _shown(resource: Resource, row: Any, place: Pagination) -> tuple[str, Page[Any]]:
    """A list as it is by default, and what the description calls it."""
    whole = msgspec.to_builtins(row)
    names = dict.fromkeys(path.partition(".")[0] for path in resource.select(None).key.split(","))
    return f"PageOf{resource.shape.__name__}", Page([{name: whole[name] for name in names}], place)


_LISTS: Final = (
    _shown(views.PRODUCTS, _DISH, _PLACE),
    _shown(views.CATEGORIES, _SECTION, _SHORT),
    _shown(views.CAFETERIAS, _CAFETERIA, _SHORT),
    _shown(views.ORDERS[Role.ADMIN], _ORDER, _PLACE),
    _shown(views.PAYMENTS, _TOP_UP, _PLACE),
    _shown(views.NOTIFICATIONS, _NOTICE, _PLACE),
    ("PageOfPersonView", Page([_PERSON], _PLACE)),
    ("ProductShown", _DISH),
    ("CategoryShown", _SECTION),
    ("CafeteriaShown", _CAFETERIA),
    ("OrderShown", _ORDER),
    ("PageOfLedgerLineShown", Page([_LINE | {"customerName": "Ana Ruiz"}], _PLACE)),
    ("WalletViewOfTransactionShown", wallet.WalletView("31.40", [_LINE], _PLACE)),
)
EXAMPLES: Final[dict[str, list[Any]]] = {
    name: [msgspec.to_builtins(each)]
    for name, each in (*((type(each).__name__, each) for each in _SEVERAL), *_LISTS)
}
EXPORTS: Final = {
    "Orders as CSV": (
        "id,createdAt,cafeteriaId,userId,status,totalAmount\r\n"
        "20001,2026-11-24T12:30:00Z,4,23,delivered,16.50\r\n"
    ),
    "Products as CSV": (
        "id,cafeteriaId,category,name,price,stock,isAvailable\r\n"
        "69,4,Arroces,Paella valenciana,8.25,12,true\r\n"
    ),
}
