"""The one place where everything is wired: Settings in, a Litestar application out."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from litestar import Litestar, Request
from litestar.di import Provide
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from bff.edge.problems import HANDLERS
from bff.routes import auth, documentation, health, menu, orders
from bff.settings import Settings, from_environment
from domain.accounts import AccessTokens, Accounts, Principal
from domain.cafeterias import Cafeterias
from domain.catalogue import Catalogue
from domain.database import Cluster, Limits
from domain.orders import Orders
from imaging.origin import Origin, product_picture
from imaging.shelves import Shelves, Store

MOST_BODY_BYTES = 64 * 1024


def create_app(settings: Settings | None = None) -> Litestar:
    """The application for `settings`, by default those of the environment."""
    settings = settings or from_environment()
    cluster = Cluster(
        settings.database_url,
        settings.replica_urls,
        Limits(connections=settings.database_connections),
    )
    # Hot paths fail fast and decide for themselves: redis-py's own retries take seconds.
    redis = Redis.from_url(
        settings.redis_url,
        socket_timeout=1.0,
        socket_connect_timeout=1.0,
        retry=Retry(NoBackoff(), 0),
    )
    shelves = Shelves(store(settings))
    catalogue = Catalogue(cluster)
    tokens = AccessTokens(settings.token_secret)
    parts: dict[str, object] = {
        "cluster": cluster,
        "redis": redis,
        "shelves": shelves,
        "catalogue": catalogue,
        "cafeterias": Cafeterias(cluster),
        "orders": Orders(cluster),
        "accounts": Accounts(cluster, tokens),
        "origin": Origin(catalogue, shelves),
    }

    async def principal(request: Request[Any, Any, Any]) -> Principal:
        return auth.authenticated(request, tokens)

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await cluster.close()
            await redis.aclose()
            shelves.close()

    return Litestar(
        route_handlers=[
            product_picture,
            menu.list_products,
            menu.list_categories,
            menu.list_cafeterias,
            auth.login,
            orders.place_order,
            orders.list_orders,
            orders.show_order,
            health.health,
            health.ready,
            documentation.page(),
        ],
        dependencies={
            **{name: _constant(part) for name, part in parts.items()},
            "principal": Provide(principal),
        },
        exception_handlers=HANDLERS,
        openapi_config=documentation.OPENAPI,
        lifespan=[lifespan],
        request_max_body_size=MOST_BODY_BYTES,
        # Logging belongs to the process: the command line and uvicorn set it up.
        logging_config=None,
    )


def store(settings: Settings) -> Store:
    """Where the settings say that pictures are kept."""
    return Store(
        endpoint=settings.s3_endpoint,
        region=settings.s3_region,
        access_key=settings.s3_access_key,
        secret_key=settings.s3_secret_key,
        originals=settings.s3_originals,
        variants=settings.s3_variants,
    )


def _constant(part: object) -> Provide:
    return Provide(lambda: part, sync_to_thread=False, use_cache=True)
