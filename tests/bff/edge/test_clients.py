"""Whoever asked is who asked the first of our own proxies, whatever else is written."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bff.edge.clients import Client, Clients, Networks, ProxyHeader

OURS = ["10.0.0.0/8", "192.0.2.7", "2001:db8:1::/48"]


def found(
    peer: str, *lines: str, header: ProxyHeader = ProxyHeader.X_FORWARDED_FOR, **more: str
) -> Client:
    clients = Clients(Networks(OURS), header)
    headers = [(header.value.encode(), line.encode("latin-1")) for line in lines]
    headers += [(name.replace("_", "-").encode(), value.encode()) for name, value in more.items()]
    return clients.of({"client": (peer, 1), "scheme": "http", "headers": headers})  # type: ignore[typeddict-item]


@pytest.mark.parametrize(
    ("peer", "lines", "client"),
    [
        # Nobody of ours: what they write is theirs to make up.
        ("203.0.113.1", ["198.51.100.1"], "203.0.113.1"),
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["1.1.1.1, 198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["198.51.100.1, 192.0.2.7, 10.2.3.4"], "198.51.100.1"),
        ("10.0.0.1", ["1.1.1.1", "198.51.100.1", "10.2.3.4"], "198.51.100.1"),
        # All of them ours: who began it is.
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", [""], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1:4711"], "198.51.100.1"),
        ("10.0.0.1", ["[2001:db8::9]:4711"], "2001:db8::9"),
        ("10.0.0.1", ["2001:DB8:0::9"], "2001:db8::9"),
        ("10.0.0.1", ["::ffff:198.51.100.1"], "198.51.100.1"),
        ("2001:db8:1::1", ["198.51.100.1"], "198.51.100.1"),
        # As far as one of ours has seen, and no further.
        ("10.0.0.1", ["198.51.100.1, unknown"], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1, soup, 10.0.0.2"], "10.0.0.2"),
        ("10.0.0.1", ["198.51.100.1, " + "10.0.0.2, " * 40 + "10.0.0.3"], "10.0.0.2"),
    ],
)
def test_the_last_that_is_not_ours(peer: str, lines: list[str], client: str) -> None:
    assert found(peer, *lines).address == client


@pytest.mark.parametrize(
    ("line", "client"),
    [
        ("for=198.51.100.1", Client("198.51.100.1", is_secure=False)),
        ('For="198.51.100.1:47";Proto=https;by=10.0.0.9', Client("198.51.100.1", is_secure=True)),
        ('for="[2001:db8::9]:47"', Client("2001:db8::9", is_secure=False)),
        ("for=1.1.1.1, for=198.51.100.1;proto=https", Client("198.51.100.1", is_secure=True)),
        ("for=1.1.1.1;proto=https, for=198.51.100.1", Client("198.51.100.1", is_secure=False)),
        ("for=198.51.100.1, for=_hidden", Client("10.0.0.1", is_secure=False)),
        ("proto=https", Client("10.0.0.1", is_secure=False)),
    ],
)
def test_the_header_of_rfc_7239_where_that_is_what_proxies_write(line: str, client: Client) -> None:
    assert found("10.0.0.1", line, header=ProxyHeader.FORWARDED) == client


def test_the_header_that_our_proxies_do_not_write_is_the_clients_to_forge() -> None:
    assert found("10.0.0.1", "198.51.100.1", forwarded="for=1.1.1.1").address == "198.51.100.1"
    told = found("10.0.0.1", header=ProxyHeader.FORWARDED, x_forwarded_for="1.1.1.1")
    assert told.address == "10.0.0.1"


@pytest.mark.parametrize(
    ("peer", "scheme", "is_secure"),
    [
        ("10.0.0.1", "https", True),
        ("10.0.0.1", "HTTPS, http", True),
        ("10.0.0.1", "http, https", False),
        ("10.0.0.1", "soup", False),
        ("203.0.113.1", "https", False),
    ],
)
def test_whether_it_was_https_is_what_the_first_of_ours_says(
    peer: str, scheme: str, is_secure: bool
) -> None:
    assert found(peer, "198.51.100.1", x_forwarded_proto=scheme).is_secure is is_secure


@given(st.text(st.characters(max_codepoint=255), max_size=60), st.sampled_from(ProxyHeader))
def test_nobody_makes_it_fail(text: str, header: ProxyHeader) -> None:
    assert found("10.0.0.1", text, header=header).address


def test_without_an_address_there_is_none() -> None:
    clients = Clients(Networks(["10.0.0.0/8"]), ProxyHeader.X_FORWARDED_FOR)
    scope: Any = {"client": None, "scheme": "http", "headers": []}
    assert clients.of(scope) == Client("", is_secure=False)
