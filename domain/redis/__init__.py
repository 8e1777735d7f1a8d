"""Redis as the domain asks it: one shared connection a node, single or a cluster of masters."""

from domain.redis.address import Address, Place, RedisAddressError
from domain.redis.nodes import Nodes
from domain.redis.script import Script
from domain.redis.wire import AwayError, Wire, Word

__all__ = ["Address", "AwayError", "Nodes", "Place", "RedisAddressError", "Script", "Wire", "Word"]
