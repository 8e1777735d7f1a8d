"""Routed PostgreSQL: a primary, replicas by role, fences, units of work."""

from domain.database.address import DatabaseAddressError, dsn, nodes
from domain.database.cluster import Cluster, Role, Routing
from domain.database.database import Database
from domain.database.fences import UNKNOWN, Fence, Fences, Horizon, Sources, fence_key, horizon
from domain.database.pools import Limits
from domain.database.sessions import Reader, Writer

__all__ = [
    "UNKNOWN",
    "Cluster",
    "Database",
    "DatabaseAddressError",
    "Fence",
    "Fences",
    "Horizon",
    "Limits",
    "Reader",
    "Role",
    "Routing",
    "Sources",
    "Writer",
    "dsn",
    "fence_key",
    "horizon",
    "nodes",
]
