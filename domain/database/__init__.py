"""The way to PostgreSQL: a primary for writes and replicas, by role, for reads."""

from domain.database.address import DatabaseAddressError, dsn, nodes
from domain.database.cluster import Cluster, Limits, Role

__all__ = ["Cluster", "DatabaseAddressError", "Limits", "Role", "dsn", "nodes"]
