"""The six nodes of infra/redis, as they run."""

from pathlib import Path

import pytest
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError
from redis.retry import Retry

from infra.local.redis_cluster import RedisCluster

NEVER = Retry(NoBackoff(), 0)
SPECIFIED = {
    "maxmemory": str(2 * 1024**3),
    "maxmemory-policy": "allkeys-lru",
    "appendonly": "no",
    "save": "",
    "cluster-allow-pubsubshard-when-down": "yes",
    "cluster-require-full-coverage": "no",
}


def test_three_masters_each_have_a_replica_and_keep_strangers_out(
    redis_cluster: RedisCluster,
) -> None:
    roles = [redis_cluster.ask(port, "ROLE")[0] for port in redis_cluster.ports]
    assert sorted(roles) == ["master"] * 3 + ["slave"] * 3
    for port in redis_cluster.ports:
        for name, value in SPECIFIED.items():
            assert redis_cluster.ask(port, "CONFIG GET", name) == {name: value}
        password = redis_cluster.ask(port, "CONFIG GET", "requirepass")["requirepass"]
        assert password in redis_cluster.url
        assert redis_cluster.ask(port, "CONFIG GET", "masterauth") == {"masterauth": password}
        with Redis(port=port, retry=NEVER) as stranger, pytest.raises(AuthenticationError):
            stranger.ping()
        pid = redis_cluster.ask(port, "INFO", "server")["process_id"]
        assert password.encode() not in Path(f"/proc/{pid}/cmdline").read_bytes()
