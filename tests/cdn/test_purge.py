"""A purge reaches CloudFront once, in its own protocol, whatever happens on the way."""

import asyncio
import logging
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from xml.etree import ElementTree

import boto3
import pytest

from cdn import purge
from cdn.freshness import product_tag
from cdn.purge import CLIENT_CONFIG, CloudFrontPurger, PurgeError, RecordedPurges

NAMESPACE = "{http://cloudfront.amazonaws.com/doc/2020-05-31/}"
ACCEPTED = """<?xml version="1.0"?>
<Invalidation xmlns="http://cloudfront.amazonaws.com/doc/2020-05-31/"><Id>I2J0I21PCUYOIK</Id>
<Status>InProgress</Status><CreateTime>2026-11-24T09:30:00.000Z</CreateTime>
<InvalidationBatch><Paths><Quantity>0</Quantity></Paths><CallerReference>x</CallerReference>
</InvalidationBatch></Invalidation>"""
REFUSED = """<?xml version="1.0"?>
<ErrorResponse xmlns="http://cloudfront.amazonaws.com/doc/2020-05-31/"><Error>
<Type>Sender</Type><Code>{}</Code><Message>told by the test</Message></Error>
<RequestId>1</RequestId></ErrorResponse>"""


@dataclass
class Invalidation:
    """A request as CloudFront gets it."""

    path: str
    items: list[str]
    quantity: int
    reference: str


@dataclass
class CloudFront:
    """The server's side of CreateInvalidation."""

    url: str
    refusals: list[tuple[int, str]] = field(default_factory=list)
    """Status and error code of the answers to come; after them everything is accepted."""
    dropped: int = 0
    """So many connections are closed after the request is read, without an answer."""
    asked: list[Invalidation] = field(default_factory=list)
    hold: threading.Event = field(default_factory=threading.Event)
    arrived: threading.Event = field(default_factory=threading.Event)


def _read(path: str, body: bytes) -> Invalidation:
    batch = ElementTree.fromstring(body)  # noqa: S314 - written by botocore, in this process
    assert batch.tag == f"{NAMESPACE}InvalidationBatch"
    paths = batch.find(f"{NAMESPACE}Paths")
    assert paths is not None
    return Invalidation(
        path=path,
        items=[item.text or "" for item in paths.iter(f"{NAMESPACE}Path")],
        quantity=int(paths.findtext(f"{NAMESPACE}Quantity", "")),
        reference=batch.findtext(f"{NAMESPACE}CallerReference", ""),
    )


@pytest.fixture
def cloudfront() -> Iterator[CloudFront]:
    state = CloudFront("")
    state.hold.set()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            state.asked.append(_read(self.path, body))
            state.arrived.set()
            assert state.hold.wait(10)
            assert self.headers["Authorization"].startswith("AWS4-HMAC-SHA256 ")
            if state.dropped:
                state.dropped -= 1
                self.close_connection = True
                return
            status, code = state.refusals.pop(0) if state.refusals else (201, "")
            answer = (REFUSED.format(code) if code else ACCEPTED).encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/xml")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}"
    yield state
    state.hold.set()
    server.shutdown()
    server.server_close()
    thread.join()


@dataclass
class Patience:
    """How long a test's purger waits, and how often it tries."""

    window: float = 0.02
    first_pause: float = 0.01
    attempts: int = 4
    most_waiting: int = 5000


def purger(cloudfront: CloudFront, patience: Patience | None = None) -> CloudFrontPurger:
    client = boto3.client(
        "cloudfront",
        endpoint_url=cloudfront.url,
        region_name="us-east-1",
        aws_access_key_id="AKIDEXAMPLE",
        aws_secret_access_key="secret",
        config=CLIENT_CONFIG,
    )
    patience = patience or Patience()
    return CloudFrontPurger(
        client,
        "EDFDVBD6EXAMPLE",
        window=patience.window,
        first_pause=patience.first_pause,
        attempts=patience.attempts,
        most_waiting=patience.most_waiting,
    )


async def test_a_tag_is_invalidated_in_cloudfronts_own_words(cloudfront: CloudFront) -> None:
    await purger(cloudfront).purge(product_tag(42), "0/16B3748")
    (asked,) = cloudfront.asked
    assert asked.path == "/2020-05-31/distribution/EDFDVBD6EXAMPLE/invalidation"
    assert asked.items == ["#product-42"]
    assert asked.quantity == 1
    assert re.fullmatch(r"[0-9a-f]{64}", asked.reference)


async def test_what_comes_together_goes_in_one_request(cloudfront: CloudFront) -> None:
    mine = purger(cloudfront)
    await asyncio.gather(*(mine.purge(product_tag(n % 50), f"fence-{n}") for n in range(200)))
    (asked,) = cloudfront.asked
    assert asked.items == sorted(f"#product-{n}" for n in range(50))
    assert asked.quantity == 50


async def test_a_request_has_no_more_tags_than_cloudfront_takes_at_ease(
    cloudfront: CloudFront,
) -> None:
    mine = purger(cloudfront)
    many = 2 * purge.MOST_IN_A_BATCH + 1
    await asyncio.gather(*(mine.purge(product_tag(n)) for n in range(many)))
    assert [asked.quantity for asked in cloudfront.asked] == [
        purge.MOST_IN_A_BATCH,
        purge.MOST_IN_A_BATCH,
        1,
    ]
    assert len({item for asked in cloudfront.asked for item in asked.items}) == many


@pytest.mark.parametrize(
    "refusal",
    [
        (400, "TooManyInvalidationsInProgress"),
        (400, "Throttling"),
        (429, "TooManyRequestsException"),
        (500, "InternalError"),
        (503, "ServiceUnavailable"),
    ],
)
async def test_a_busy_cloudfront_is_asked_again_for_the_same(
    cloudfront: CloudFront, refusal: tuple[int, str]
) -> None:
    cloudfront.refusals = [refusal] * 3
    await purger(cloudfront).purge(product_tag(42))
    assert len(cloudfront.asked) == 4
    # Had the first one been carried out, its reference would have made the others nothing.
    assert len({asked.reference for asked in cloudfront.asked}) == 1


async def test_a_lost_answer_is_asked_for_again(cloudfront: CloudFront) -> None:
    cloudfront.dropped = 2
    await purger(cloudfront).purge(product_tag(42))
    assert len(cloudfront.asked) == 3
    assert len({asked.reference for asked in cloudfront.asked}) == 1


async def test_a_cloudfront_that_stays_busy_is_given_up(cloudfront: CloudFront) -> None:
    cloudfront.refusals = [(503, "ServiceUnavailable")] * 10
    with pytest.raises(PurgeError, match="ServiceUnavailable"):
        await purger(cloudfront).purge(product_tag(42))
    assert len(cloudfront.asked) == Patience.attempts


@pytest.mark.parametrize("code", ["AccessDenied", "NoSuchDistribution", "InvalidArgument"])
async def test_what_will_never_succeed_is_not_tried_again(
    cloudfront: CloudFront, code: str
) -> None:
    cloudfront.refusals = [(403, code)]
    mine = purger(cloudfront)
    with pytest.raises(PurgeError, match=code):
        await mine.purge(product_tag(42))
    assert len(cloudfront.asked) == 1
    # And it stops nobody after it.
    await mine.purge(product_tag(43))


async def test_a_cloudfront_that_is_away_is_an_error_that_says_so(cloudfront: CloudFront) -> None:
    cloudfront.url = "http://127.0.0.1:9"
    with pytest.raises(PurgeError, match="Could not connect"):
        await purger(cloudfront, Patience(attempts=2)).purge(product_tag(42))


async def test_an_event_that_is_delivered_twice_makes_one_invalidation(
    cloudfront: CloudFront,
) -> None:
    for _ in range(2):
        await purger(cloudfront).purge(product_tag(42), "event-7")
    first, second = cloudfront.asked
    assert first.reference == second.reference


async def test_another_change_makes_another_invalidation(cloudfront: CloudFront) -> None:
    mine = purger(cloudfront)
    await mine.purge(product_tag(42), "event-7")
    await mine.purge(product_tag(42), "event-8")
    await mine.purge(product_tag(42))
    await mine.purge(product_tag(42))
    assert len({asked.reference for asked in cloudfront.asked}) == 4


async def test_a_purge_that_comes_while_another_is_under_way_is_made_after_it(
    cloudfront: CloudFront,
) -> None:
    cloudfront.hold.clear()
    mine = purger(cloudfront)
    first = asyncio.create_task(mine.purge(product_tag(42), "event-7"))
    await asyncio.to_thread(cloudfront.arrived.wait, 10)
    second = asyncio.create_task(mine.purge(product_tag(42), "event-8"))
    await asyncio.sleep(0)
    cloudfront.hold.set()
    await asyncio.gather(first, second)
    assert [asked.items for asked in cloudfront.asked] == [["#product-42"]] * 2


async def test_who_goes_away_has_asked_all_the_same(cloudfront: CloudFront) -> None:
    mine = purger(cloudfront)
    impatient = asyncio.create_task(mine.purge(product_tag(42), "event-7"))
    patient = asyncio.create_task(mine.purge(product_tag(42), "event-7"))
    await asyncio.sleep(0)
    impatient.cancel()
    await patient
    assert impatient.cancelled()
    assert len(cloudfront.asked) == 1


async def test_closing_waits_for_what_is_under_way(cloudfront: CloudFront) -> None:
    mine = purger(cloudfront)
    gone = asyncio.create_task(mine.purge(product_tag(42)))
    await asyncio.sleep(0)
    gone.cancel()
    await mine.close()
    assert len(cloudfront.asked) == 1


async def test_too_many_that_wait_are_refused_at_once(cloudfront: CloudFront) -> None:
    mine = purger(cloudfront, Patience(most_waiting=3))
    waiting = [asyncio.create_task(mine.purge(product_tag(n), "event")) for n in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(PurgeError, match="3 purges wait"):
        await mine.purge(product_tag(9), "event")
    # One that waits already costs no place.
    await mine.purge(product_tag(0), "event")
    await asyncio.gather(*waiting)


async def test_the_loop_goes_on_while_cloudfront_thinks(cloudfront: CloudFront) -> None:
    cloudfront.hold.clear()
    slow = asyncio.create_task(purger(cloudfront).purge(product_tag(42)))
    await asyncio.to_thread(cloudfront.arrived.wait, 10)
    assert not slow.done()
    cloudfront.hold.set()
    await slow


@pytest.mark.parametrize("tag", ["", "a,b", "a b", "ñ", "a\n", "x" * 257])
async def test_what_is_no_tag_is_refused(tag: str, cloudfront: CloudFront) -> None:
    for mine in (purger(cloudfront), RecordedPurges()):
        with pytest.raises(ValueError, match="no cache tag"):
            await mine.purge(tag)
    assert cloudfront.asked == []


async def test_tags_have_no_case(cloudfront: CloudFront) -> None:
    mine = purger(cloudfront)
    await asyncio.gather(mine.purge("Product-42", "event"), mine.purge("product-42", "event"))
    (asked,) = cloudfront.asked
    assert asked.items == ["#product-42"]


async def test_without_a_cloudfront_the_last_purges_are_kept(
    caplog: pytest.LogCaptureFixture,
) -> None:
    mine = RecordedPurges(most=3)
    with caplog.at_level(logging.INFO, logger="cdn.purge"):
        for number in range(5):
            await mine.purge(product_tag(number), f"event-{number}")
    assert [(made.tag, made.cause) for made in mine.made] == [
        (f"product-{number}", f"event-{number}") for number in (2, 3, 4)
    ]
    assert "product-4" in caplog.text
    await mine.close()
