"""What a client accepts, and that it can read what it gets."""

import re
import zlib

import brotli
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bff.representation.codings import (
    BROTLI,
    GZIP,
    KEPT,
    LIVE,
    MOST_HEADER_CHARACTERS,
    ZSTD,
    Coding,
    chosen,
)
from bff.representation.content import Content
from tests.bff.representation.readers import READERS, ZstdDecompressor


def decoded(coding: Coding, body: bytes) -> bytes:
    return READERS[coding.name](body)


@pytest.mark.parametrize(
    ("header", "coding"),
    [
        ("gzip", GZIP),
        ("GZIP", GZIP),
        ("x-gzip", GZIP),
        ("br", BROTLI),
        ("zstd", ZSTD),
        ("gzip, deflate, br, zstd", ZSTD),
        ("gzip;q=1.0, br;q=0.9, zstd;q=0.899", GZIP),
        ("gzip ; q=0.5 , br", BROTLI),
        ("br;q=0, gzip", GZIP),
        ("*", ZSTD),
        ("zstd;q=0, *", BROTLI),
        ("*;q=0, gzip", GZIP),
        ("identity, gzip", GZIP),
        ("identity;q=0.5, gzip", GZIP),
        ("identity, gzip;q=0.5", None),
        ("gzip;q=0", None),
        ("gzip;q=0.000", None),
        ("*;q=0", None),
        ("identity;q=0", None),
        ("identity", None),
        # Neither is a name that has one of ours in it, nor what is not written as it should be.
        ("vibrant", None),
        ("gzippy, brr, zstd2", None),
        ("gzip;q=2", None),
        ("gzip;q=0.0001", None),
        ("gzip;level=9", None),
        ("gzip;q=1;q=1", None),
        ("gzip\x00, br", None),
        ("gzip, " * 60, None),
        ("", None),
        (None, None),
    ],
)
def test_the_coding_is_the_one_that_the_client_likes_best(
    header: str | None, coding: Coding | None
) -> None:
    assert chosen(header).coding is coding


@pytest.mark.parametrize(
    ("header", "must"),
    [
        ("gzip", False),
        ("gzip, identity;q=0", True),
        ("gzip, *;q=0", True),
        ("gzip, *;q=0, identity;q=0.1", False),
        ("gzip, *;q=0.1", False),
    ],
)
def test_who_refuses_a_body_as_it_is_never_gets_it(header: str, must: bool) -> None:
    assert chosen(header).must is must


def test_between_equals_the_cheapest_is_sent_once_and_the_smallest_is_kept() -> None:
    assert chosen("gzip, br, zstd", LIVE).coding is ZSTD
    assert chosen("gzip, br, zstd", KEPT).coding is BROTLI


names = st.sampled_from(["gzip", "br", "zstd", "identity", "*", "deflate", "x-gzip", "vibrant"])
weights = st.sampled_from(["", ";q=0", ";q=0.5", ";q=1", "; q=0.001", ";q=1.001", ";a=b", ";"])
elements = st.tuples(names, weights).map("".join)
headers = st.lists(elements, max_size=6).map(", ".join) | st.text(max_size=40)


@given(headers)
def test_nothing_that_was_refused_or_not_named_is_ever_sent(header: str) -> None:
    coding, must = chosen(header)
    if coding is None:
        assert not must
        return
    named = {part.split(";")[0].strip(): part for part in header.lower().split(",")}
    aliases = ("gzip", "x-gzip") if coding is GZIP else (coding.name,)
    said = [named[each] for each in (*aliases, "*") if each in named]
    assert said
    assert not re.search(r"q=0(?!\.[0-9]*[1-9])", said[0].replace(" ", "")) or len(said) > 1


@given(st.text(min_size=MOST_HEADER_CHARACTERS + 1))
def test_a_header_beyond_the_bound_is_as_good_as_none(header: str) -> None:
    assert chosen(header) == (None, False)


@pytest.mark.parametrize("coding", KEPT, ids=lambda coding: coding.name)
@given(body=st.binary(max_size=2000), pieces=st.lists(st.binary(min_size=1, max_size=300)))
def test_what_is_coded_can_be_read_again(coding: Coding, body: bytes, pieces: list[bytes]) -> None:
    assert decoded(coding, coding.live(body)) == body
    stream = coding.stream()
    coded = b"".join([*map(stream.piece, pieces), stream.end()])
    assert decoded(coding, coded) == b"".join(pieces)


@pytest.mark.parametrize("coding", KEPT, ids=lambda coding: coding.name)
def test_what_is_kept_is_no_larger_and_always_the_same(coding: Coding) -> None:
    body = b'{"id":1,"name":"Paella valenciana","price":"8.25"}' * 50
    kept = coding.kept(body)
    assert decoded(coding, kept) == body
    assert len(kept) <= len(coding.live(body))
    assert coding.kept(body) == kept


@pytest.mark.parametrize("coding", KEPT, ids=lambda coding: coding.name)
def test_a_piece_can_be_read_before_the_next_one_comes(coding: Coding) -> None:
    stream = coding.stream()
    first = stream.piece(b"id,createdAt\r\n")
    if coding is GZIP:
        reader = zlib.decompressobj(16 + zlib.MAX_WBITS)
        assert reader.decompress(first) == b"id,createdAt\r\n"
    elif coding is BROTLI:
        assert brotli.Decompressor().process(first) == b"id,createdAt\r\n"
    else:
        assert ZstdDecompressor().decompress(first) == b"id,createdAt\r\n"


def test_who_has_it_from_a_process_that_codes_it_otherwise_has_it() -> None:
    body = b"soup of the day, " * 200
    quick, slow = Content(body), Content(body)
    choice = chosen("br", KEPT)
    slow.settle(BROTLI)
    one, other = quick.coded(choice), slow.coded(choice)
    assert one.etag in slow.known_as(other)
    assert other.etag in quick.known_as(one)
    assert quick.plain.etag not in quick.known_as(one)
