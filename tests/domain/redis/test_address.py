"""What a URL says of Redis."""

import pytest

from domain.redis import Address, Nodes, Place, RedisAddressError


@pytest.mark.parametrize(
    ("url", "seeds"),
    [
        ("redis://:pw@h1:7000,h2,h3:7002/0", [("h1", 7000), ("h2", 6379), ("h3", 7002)]),
        ("redis://[::1]:7000,[fe80::2],h:1/0", [("::1", 7000), ("fe80::2", 6379), ("h", 1)]),
        ("rediss://user:p%2Cw%40@h:1?ssl_ca_certs=/a/b@c,d.pem", [("h", 1)]),
        ("redis://", [("localhost", 6379)]),
    ],
)
def test_each_host_is_a_place_to_begin_with(url: str, seeds: list[tuple[str, int]]) -> None:
    address = Address(url)
    assert address.seeds == seeds
    assert address.database == 0
    assert address.is_secure == url.startswith("rediss")
    address.connection(address.seeds[0])


def test_the_database_has_a_number() -> None:
    assert Address("redis://:pw@h/7").database == 7


@pytest.mark.parametrize(
    "url",
    [
        "http://:secret@h",
        "unix:///secret",
        "redis://:secret@h:port",
        "redis://user:sec/ret@h",
        "redis://:secret@h?socket_timeout=5",
        "redis://:secret@h?ssl_ca_certs=a",
    ],
)
def test_a_url_that_cannot_be_used_is_refused_without_being_repeated(url: str) -> None:
    with pytest.raises(RedisAddressError) as refused:
        Address(url)
    assert "sec" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_only_a_cluster_has_several_hosts_and_no_databases() -> None:
    with pytest.raises(RedisAddressError, match="several hosts"):
        Nodes("redis://a,b")
    with pytest.raises(RedisAddressError, match="no database"):
        Nodes("redis://a,b/1", is_cluster=True)


def test_an_ipv6_place_is_written_with_brackets() -> None:
    assert [str(Place("::1", 1)), str(Place("h", 2))] == ["[::1]:1", "h:2"]
