"""The one place where everything is wired: Settings in, a Litestar application out."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import boto3
from litestar import Litestar, Request
from litestar.datastructures import State
from litestar.di import Provide
from litestar.types import ControllerRouterHandler

from bff.edge.clients import Clients, Networks
from bff.edge.cors import Cors
from bff.edge.direct import DIRECT, Direct
from bff.edge.edge import Edge
from bff.edge.express import EXPRESS, Express
from bff.edge.fences import Fenced
from bff.edge.headers import Finish
from bff.edge.limits.attempts import Attempts
from bff.edge.limits.layer import Limited
from bff.edge.limits.limiter import Limiter
from bff.edge.limits.policies import Policies
from bff.edge.limits.subjects import Subjects
from bff.edge.methods import Methods
from bff.edge.problems import HANDLERS
from bff.edge.requests import ApiRequest, refuse_guesses
from bff.edge.robots import Robots
from bff.edge.routing import Routes
from bff.objects import store
from bff.operations import sources
from bff.operations.drain import Drain
from bff.operations.figures import Figures
from bff.operations.logs import AccessLog
from bff.operations.readiness import Probes
from bff.operations.surroundings import Surroundings
from bff.operations.tracing import tracing
from bff.operations.window import Window
from bff.realtime.asgi import Sockets
from bff.realtime.live import Live
from bff.realtime.websocket import ENGINE
from bff.representation.answers import Answer
from bff.representation.pages import Cursors
from bff.representation.shared import Ready, Shared
from bff.routes import (
    auth,
    cafeterias,
    categories,
    configuration,
    console,
    documentation,
    gallery,
    health,
    home,
    me,
    menu,
    metrics,
    notifications,
    orders,
    pictures,
    products,
    reports,
    users,
    wallet,
)
from bff.routes.cache import show_cache
from bff.settings import Settings, SettingsError, from_environment
from bff.wiring import given
from cdn.address import KeyRing
from cdn.purge import CLIENT_CONFIG, CloudFrontPurger, Purger, RecordedPurges
from domain import events, idempotency
from domain.accounts import AccessTokens, Accounts, Principal, Sessions
from domain.bestsellers import Bestsellers
from domain.cache import Cache
from domain.cafeteria_changes import CafeteriaChanges
from domain.cafeterias import Cafeterias
from domain.catalogue import PICTURE_CHANGED, Catalogue, PictureChange
from domain.configuration import Configuration
from domain.database import Cluster, Database, Fences, Limits
from domain.devices import Devices
from domain.events import Event, Outbox, Relay
from domain.menu import Menu
from domain.menu_changes import MenuChanges
from domain.notifications import CREATED, Notifications
from domain.order_changes import OrderChanges
from domain.order_history import OrderHistory
from domain.ordering import Ordering
from domain.payments import STARTED, Payments
from domain.personal import Personal
from domain.product_sales import ProductSales
from domain.provider import SimulatedProvider
from domain.push import Pusher, Pushes, RecordedPushes
from domain.redis import Nodes
from domain.reports import Reports
from domain.sweeper import Sweeper
from domain.users import Users
from domain.wallet import Wallets
from imaging import placeholder
from imaging.intake import Intake
from imaging.memory import Memory
from imaging.origin import MOST_LOOKUPS, Origin
from imaging.placeholder import Placeholder, PlaceholderError
from imaging.preparation import Preparation
from imaging.ready import Shortcut
from imaging.routes import canonical_picture, product_picture
from imaging.workers import Limits as WorkerLimits

MOST_BODY_BYTES = 64 * 1024


def create_app(settings: Settings | None = None) -> Litestar:
    """The application for `settings`, by default those of the environment."""
    settings = settings or from_environment()
    traces = tracing()
    cluster = Cluster(
        settings.database_url,
        settings.replica_urls,
        Limits(
            connections=settings.database_connections,
            least_connections=settings.database_least_connections,
            pgbouncer=settings.database_pgbouncer,
        ),
        kind=traces.connection,
    )
    nodes = Nodes(settings.redis_url, is_cluster=settings.redis_cluster, wire=traces.wire)
    # One connection, for what takes minutes and nobody waits for.
    chores = Cluster(
        settings.database_url,
        [],
        Limits(connections=1, statement_timeout=300.0, pgbouncer=settings.database_pgbouncer),
    )
    product_sales = ProductSales(Database(chores), traces.span)
    fences = Fences(nodes)
    cache = Cache(cluster, nodes)
    database = Database(cluster, fences, cache.void)
    shared = Shared(cache)
    shelves = traces.shelves(store(settings))
    catalogue = Catalogue(database)
    dishes = Menu(database, cache)
    tokens = AccessTokens(settings.token_secret)
    sessions = Sessions(database, tokens)
    workers = traces.workers(_worker_limits(settings))
    origin = Origin(
        catalogue,
        shelves,
        workers,
        Memory(settings.picture_memory),
        # More would only wait for a connection.
        min(MOST_LOOKUPS, settings.database_connections),
    )
    purger = _purger(settings)
    preparation = Preparation(shelves, origin)
    outbox = Outbox(database)
    intake = Intake(catalogue, outbox, shelves, workers, origin, preparation, purger)

    async def picture_changed(event: Event) -> None:
        await intake.see_to(PictureChange.of(event))

    order_history = OrderHistory(database)
    order_changes = OrderChanges(database, lambda: cache.changes.generation)
    drain = Drain()
    access = AccessLog(settings.access_log, settings.log_format)
    edge_around = partial(
        Edge,
        clients=_clients(settings),
        hosts=settings.hosts,
        robots=Robots(settings.approved_bots),
        cors=Cors(settings.cors_origins),
        finish=Finish(settings.hsts_seconds),
        drain=drain,
    )
    live = Live(
        nodes,
        outbox,
        tokens,
        order_history,
        order_changes,
        origins=settings.cors_origins,
        # A poll takes half a minute because nothing happens: that is no request's latency.
        around=partial(edge_around, watch=[access.note_problem]),
        directory=_directory(settings.metrics_directory),
        traces=traces,
    )
    cache.changes.listeners.append(live.orders.invalidated)
    payments = Payments(database, outbox, SimulatedProvider(settings.payment_decline_rate))
    sweeper = Sweeper(database, [idempotency.KEPT, events.KEPT], traces.span)
    pusher = _pusher(settings)
    # Each on its own: a crowd of pictures, or a Google that does not answer, holds up no payment.
    relays = [
        Relay(outbox, {PICTURE_CHANGED: picture_changed}, traces.span),
        Relay(outbox, {STARTED: payments.see_to}, traces.span),
        Relay(outbox, {CREATED: Pushes(database, pusher).see_to}, traces.span),
    ]
    policies = Policies.of(
        general=settings.limit_general,
        anonymous=settings.limit_anonymous,
        payment=settings.limit_payment,
        login=settings.limit_login,
    )
    probes = Probes(cluster, nodes, shelves, drain)
    figures = Figures(_directory(settings.metrics_directory))
    window = Window(figures)
    around = Surroundings(cluster, nodes, settings.pods_host)
    limiter = Limiter(nodes, fences)
    subjects = Subjects(settings.token_secret)
    parts: dict[str, object] = {
        "attempts": Attempts(limiter, subjects, policies),
        "cluster": cluster,
        "nodes": nodes,
        "cache": cache,
        "shared": shared,
        "cursors": Cursors(settings.token_secret),
        "shelves": shelves,
        "catalogue": catalogue,
        "menu": dishes,
        "bestsellers": Bestsellers(database, cache, dishes),
        "menu_changes": MenuChanges(database),
        "cafeterias": Cafeterias(database, cache),
        "cafeteria_changes": CafeteriaChanges(database),
        "ordering": Ordering(database, announced=live.feed.hurry),
        "payments": payments,
        "wallets": Wallets(database),
        "personal": Personal(database),
        "accounts": Accounts(database, sessions),
        "users": Users(database),
        "configuration": Configuration(database, cache),
        "sessions": sessions,
        "notifications": Notifications(database),
        "devices": Devices(database),
        "order_history": order_history,
        "order_changes": order_changes,
        "reports": Reports(database),
        "origin": origin,
        "intake": intake,
        "preparation": preparation,
        "keys": _key_ring(settings),
        "probes": probes,
        "figures": figures,
        "window": window,
        "around": around,
        "scrapers": Networks(settings.metrics_networks),
    }

    async def principal(request: Request[Any, Any, Any]) -> Principal:
        return auth.authenticated(request, tokens)

    async def visitor(request: Request[Any, Any, Any]) -> Principal | None:
        return await principal(request) if "authorization" in request.headers else None

    async def before(request: Request[Any, Any, Any]) -> None:
        # Of whoever proves nothing, no body is read.
        if "principal" in request.route_handler.parsed_fn_signature.parameters:
            auth.authenticated(request, tokens)
        await refuse_guesses(request)

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        cluster.start()
        nodes.start()
        # Or whoever asks first would be counted here alone.
        await nodes.look()
        cache.start()
        fences.start()
        await workers.start()
        await live.start()
        if settings.chores:
            for relay in relays:
                relay.start()
            sweeper.start()
            product_sales.start()
        probes.start()
        around.start()
        figures.start()
        window.start()
        try:
            with drain.at_sigterm(settings.drain_seconds, live.engine.drain):
                yield
        finally:
            await window.close()
            await figures.close()
            access.close()
            await around.close()
            await probes.close()
            await product_sales.close()
            await sweeper.close()
            await live.close()
            for relay in relays:
                await relay.close()
            await pusher.close()
            await preparation.close()
            await origin.close()
            await workers.close()
            await purger.close()
            await shared.close()
            await fences.close()
            await cache.close()
            await nodes.close()
            await chores.close()
            await cluster.close()
            shelves.close()
            await traces.close()

    app = Litestar(
        route_handlers=[given(each, parts) for each in _routes()],
        dependencies={
            "principal": Provide(principal),
            "visitor": Provide(visitor),
        },
        exception_handlers=HANDLERS,
        openapi_config=documentation.openapi(),
        request_class=ApiRequest,
        before_request=before,
        response_class=Answer,
        state=State({"placeholder": _placeholder(settings), ENGINE: live.engine}),
        lifespan=[lifespan],
        request_max_body_size=MOST_BODY_BYTES,
        # Logging belongs to the process: the command line and uvicorn set it up.
        logging_config=None,
    )
    routes = Routes(app)
    limited = Limited(
        Ready(Methods(app), shared),
        limiter,
        subjects,
        policies,
        tokens,
        route=routes,
        most=settings.most_in_flight,
    )
    fenced = Fenced(limited, cluster.knows)
    edge = edge_around(
        Shortcut(fenced, origin.answers),
        watch=[figures.note, access.note, *traces.watches],
        meet=traces.meets,
    )
    figures.counters += [
        lambda: sources.of_limits(limiter),
        lambda: sources.of_edge(edge),
        lambda: sources.of_edge(live.edge),
        lambda: sources.of_cache(cache),
        lambda: sources.of_database(cluster),
        lambda: sources.of_sockets(live.figures),
        lambda: sources.of_pictures(workers),
        sources.of_processor,
    ]
    figures.gauges += [
        lambda: sources.in_flight(edge),
        lambda: sources.of_sessions(live.engine),
        lambda: sources.of_nodes(cluster),
        lambda: sources.of_renderers(workers),
        sources.of_memory,
        lambda: sources.of_dependencies(probes),
        lambda: sources.of_surroundings(around),
    ]
    app.asgi_handler = Sockets(edge, live.engine, live.edge)
    app.state[EXPRESS] = Express(edge, limited, [shared.way, origin.answers.way])
    app.state[DIRECT] = Direct(app, edge, fenced, limited, routes, MOST_BODY_BYTES)
    return app


def _routes() -> list[ControllerRouterHandler]:
    return [
        product_picture,
        canonical_picture,
        pictures.upload_picture,
        pictures.remove_picture,
        pictures.picture_preparation,
        gallery.page(),
        console.page(),
        home.show_home,
        menu.list_products,
        menu.list_categories,
        menu.list_cafeterias,
        products.show_product,
        products.add_product,
        products.change_product,
        products.withdraw_product,
        categories.show_category,
        categories.add_category,
        categories.change_category,
        categories.withdraw_category,
        cafeterias.show_cafeteria,
        cafeterias.list_exceptions,
        cafeterias.add_cafeteria,
        cafeterias.change_cafeteria,
        cafeterias.withdraw_cafeteria,
        cafeterias.set_hours,
        cafeterias.set_exception,
        cafeterias.unset_exception,
        auth.register,
        auth.login,
        auth.refresh,
        auth.logout,
        auth.list_sessions,
        auth.end_session,
        auth.change_password,
        orders.place_order,
        orders.move_order,
        orders.cancel_order,
        orders.list_orders,
        orders.list_changes,
        orders.show_order,
        wallet.show_wallet,
        wallet.top_up,
        wallet.list_payments,
        wallet.show_payment,
        notifications.list_notifications,
        notifications.count_unread,
        notifications.mark_read,
        notifications.mark_all_read,
        notifications.register_device,
        notifications.forget_device,
        reports.report_today,
        reports.report_products,
        reports.report_sales,
        reports.report_payments,
        reports.report_transactions,
        reports.export_orders,
        reports.export_products,
        me.show_me,
        me.change_me,
        users.list_users,
        users.show_user,
        users.change_user,
        configuration.list_settings,
        configuration.show_setting,
        configuration.put_setting,
        show_cache,
        metrics.show_metrics,
        health.health,
        health.ready,
        health.metrics,
        documentation.page(),
    ]


def _clients(settings: Settings) -> Clients:
    return Clients(Networks(settings.trusted_proxies), settings.proxy_header)


def _directory(name: str | None) -> Path | None:
    return None if name is None else Path(name)


def _placeholder(settings: Settings) -> Placeholder | None:
    if settings.picture_placeholder is None:
        return None
    try:
        return placeholder.load(Path(settings.picture_placeholder))
    except PlaceholderError as error:
        raise SettingsError(f"COMANDA_PICTURE_PLACEHOLDER: {error}") from error


def _worker_limits(settings: Settings) -> WorkerLimits:
    if settings.picture_processes is None:
        return WorkerLimits()
    return WorkerLimits(processes=settings.picture_processes)


def _key_ring(settings: Settings) -> KeyRing | None:
    if not settings.picture_keys:
        return None
    pairs = [key.split(":") for key in settings.picture_keys]
    return KeyRing({name: bytes.fromhex(secret) for name, secret in pairs}, pairs[0][0])


def _purger(settings: Settings) -> Purger:
    if settings.cloudfront_distribution is None:
        return RecordedPurges()
    client = boto3.client("cloudfront", config=CLIENT_CONFIG)
    return CloudFrontPurger(client, settings.cloudfront_distribution)


def _pusher(settings: Settings) -> Pusher:
    if settings.fcm_credentials is None:
        return RecordedPushes()
    # A tenth of a second of a start, which nobody pays who pushes nothing.
    from domain import fcm

    try:
        return fcm.from_file(settings.fcm_credentials, settings.fcm_endpoint)
    except fcm.CredentialsFileError as error:
        raise SettingsError(f"COMANDA_FCM_CREDENTIALS: {error}") from error
