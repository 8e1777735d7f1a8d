"""How often who may ask of the application, what they are told of it, and what is free."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import msgspec
import pytest
from litestar.types import Receive, Scope, Send
from redis import Redis

from bff.edge.limits.layer import Limited
from bff.edge.limits.limiter import Limiter
from bff.edge.limits.policies import Policies
from bff.edge.limits.subjects import Subjects
from bff.edge.routing import Route
from bff.settings import Settings
from domain.accounts import AccessTokens
from domain.database import Fences
from domain.redis import Address, Nodes
from imaging.shelves import Shelves
from infra.local.redis_cluster import RedisCluster
from tests.bff.edge.layers import around
from tests.bff.test_orders import bearer
from tests.serving import Proxy

Serve = Callable[[Settings], AbstractAsyncContextManager[httpx.AsyncClient]]
Limits = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]
Headers = dict[str, str]
LOGIN = {"email": "student1@campus.example", "password": "comanda"}
WRONG = LOGIN | {"password": "not that"}


@pytest.fixture
def limited(serve: Serve, settings: Settings, shelves: Shelves) -> Limits:
    """Starts the application with limits, and other settings, of the test's own."""

    def start(**changes: object) -> AbstractAsyncContextManager[httpx.AsyncClient]:
        return serve(msgspec.structs.replace(settings, **changes))

    return start


def behind(address: str) -> Headers:
    """A request that a proxy of ours has from this address."""
    return {"x-forwarded-for": address}


PROXIES = {"trusted_proxies": ("127.0.0.0/8",)}


async def statuses(asked: AsyncIterator[httpx.Response] | list[Any]) -> Counter[int]:
    return Counter(each.status_code for each in await asyncio.gather(*asked))  # type: ignore[misc]


@pytest.mark.parametrize("nodes", ["one node", "six nodes"])
async def test_of_fifty_clients_at_once_exactly_as_many_requests_pass_as_may(
    limited: Limits, nodes: str, request: pytest.FixtureRequest
) -> None:
    changes: dict[str, object] = {"limit_general": 100}
    if nodes == "six nodes":
        cluster: RedisCluster = request.getfixturevalue("redis_cluster")
        changes |= {"redis_url": cluster.url, "redis_cluster": True}
    async with limited(**changes) as client:
        who = await bearer(client, "student1")

        async def ask() -> list[httpx.Response]:
            return [await client.get("/api/categories", headers=who) for _ in range(4)]

        answers = [
            each for some in await asyncio.gather(*(ask() for _ in range(50))) for each in some
        ]
        other = await client.get("/api/categories", headers=await bearer(client, "student2"))
    assert Counter(each.status_code for each in answers) == {200: 100, 429: 100}
    left = sorted(int(each.headers["ratelimit"].split(";r=")[1].split(";")[0]) for each in answers)
    assert left == [0] * 100 + list(range(100))
    # It is a person's own, wherever they ask from.
    assert other.status_code == 200


async def test_who_asks_too_often_is_told_when_to_ask_again(limited: Limits) -> None:
    async with limited(limit_general=2) as client:
        who = await bearer(client, "student1")
        answers = [await client.get("/api/wallet", headers=who) for _ in range(3)]
    first, _, refused = answers
    assert first.headers["ratelimit-policy"] == '"general";q=2;w=60'
    assert first.headers["ratelimit"] == '"general";r=1;t=60'
    assert refused.status_code == 429
    told = refused.json()
    assert told["type"] == "urn:comanda:problem:too-many-requests"
    assert refused.headers["ratelimit"].startswith('"general";r=0;t=')
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert f"{refused.headers['retry-after']} s" in told["detail"]


async def test_without_a_token_an_address_is_counted_and_a_bad_token_is_none(
    limited: Limits,
) -> None:
    async with limited(limit_general=100, limit_anonymous=3, **PROXIES) as client:
        bad = {"authorization": "Bearer none"}
        mine = [
            await client.get("/api/categories", headers=behind("192.0.2.1")),
            await client.get("/nothing", headers=behind("192.0.2.1")),
            await client.get("/api/wallet", headers=behind("192.0.2.1") | bad),
            await client.get("/api/categories", headers=behind("192.0.2.1")),
        ]
        assert [each.status_code for each in mine] == [200, 404, 401, 429]
        # One subscriber of IPv6 has as many addresses as they like, and is one.
        networks = ["2001:db8::1", "2001:db8::2", "2001:db8::ffff:1", "2001:db8::4", "2001:db8:1::"]
        six = [await client.get("/api/categories", headers=behind(each)) for each in networks]
        assert [each.status_code for each in six] == [200, 200, 200, 429, 200]
        # Somebody who has a token is none of the crowd behind the same address.
        who = await bearer(client, "student1")
        known = await client.get("/api/wallet", headers=behind("192.0.2.1") | who)
        assert known.status_code == 200


def test_addresses_of_ipv4_stay_apart_where_one_socket_is_for_both() -> None:
    address = Subjects("x" * 32).address
    assert address("::ffff:192.0.2.1") == address("192.0.2.1")
    assert address("::ffff:192.0.2.1") != address("::ffff:192.0.2.2")


async def test_health_and_pictures_are_free(limited: Limits) -> None:
    async with limited(limit_anonymous=2) as client:
        for url in ("/health", "/ready", "/products/1", "/v/nothing"):
            for _ in range(3):
                answer = await client.get(url)
                assert answer.status_code != 429
                assert "ratelimit" not in answer.headers
        answers = [await client.get("/docs") for _ in range(3)]
        assert [each.status_code for each in answers] == [200, 200, 429]


async def unchanged_if_known(scope: Scope, receive: Receive, send: Send) -> None:
    """An application whose one answer never changes."""
    known = dict(scope["headers"]).get(b"if-none-match") in (b'"it"', b"*")
    await send({"type": "http.response.start", "status": 304 if known else 200, "headers": []})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def test_what_need_not_be_sent_again_is_free(redis_url: str) -> None:
    nodes = Nodes(redis_url)
    nodes.start()
    await nodes.look()
    limiter = Limiter(nodes, Fences(nodes))
    policies = Policies.of(general=1, anonymous=2, payment=1, login=1)
    secret = "x" * 32
    layer = Limited(
        unchanged_if_known,
        limiter,
        Subjects(secret),
        policies,
        AccessTokens(secret),
        route=lambda _: Route("/", {}),
        most=10,
    )
    async with around(layer) as client:
        known = {"if-none-match": '"it"'}
        assert [(await client.get("/", headers=known)).status_code for _ in range(9)] == [304] * 9
        # Of whatever there is, nobody has a copy.
        anything = {"if-none-match": "*"}
        answers = [await client.get("/", headers=anything) for _ in range(3)]
        assert [each.status_code for each in answers] == [304, 304, 429]
    assert limiter.decisions == {
        ("anonymous", "allowed", "redis"): 11,
        ("anonymous", "refused", "redis"): 1,
    }
    await nodes.close()


async def test_of_a_hundred_wrong_passwords_at_once_five_are_tried(
    limited: Limits,
) -> None:
    async with limited(limit_login=5, **PROXIES) as client:

        async def attempt(body: dict[str, str], address: str) -> httpx.Response:
            return await client.post("/auth/login", json=body, headers=behind(address))

        # However the account is spelled.
        bodies = [WRONG, WRONG | {"email": "Student1@CAMPUS.example"}] * 50
        assert await statuses([attempt(each, "192.0.2.1") for each in bodies]) == {401: 5, 429: 95}
        # Nobody is let in from there, but its owner from elsewhere, and others from there.
        refused = await attempt(LOGIN, "192.0.2.1")
        assert refused.status_code == 429
        assert 800 < int(refused.headers["retry-after"]) <= 900
        assert refused.headers["ratelimit"].startswith('"login";r=0;t=')
        assert (await attempt(LOGIN, "192.0.2.2")).status_code == 200
        other = LOGIN | {"email": "student2@campus.example"}
        assert (await attempt(other, "192.0.2.1")).status_code == 200
        # An account that is not there is limited like one that is.
        nobody = WRONG | {"email": "nobody@campus.example"}
        assert await statuses([attempt(nobody, "192.0.2.1") for _ in range(8)]) == {401: 5, 429: 3}


async def test_many_addresses_do_not_add_up_to_many_tries(limited: Limits) -> None:
    async with limited(limit_login=2, **PROXIES) as client:
        tried = [
            client.post("/auth/login", json=WRONG, headers=behind(f"192.0.2.{each}"))
            for each in range(12)
        ]
        assert await statuses(tried) == {401: 8, 429: 4}


async def test_who_logs_in_has_not_tried_in_vain(limited: Limits) -> None:
    async with limited(limit_login=2) as client:
        for _ in range(4):
            assert (await client.post("/auth/login", json=WRONG)).status_code == 401
            assert (await client.post("/auth/login", json=LOGIN)).status_code == 200
        # From all addresses four wrong ones still count, which is half of eight.
        for _ in range(2):
            answer = await client.post("/auth/login", json=WRONG)
        assert answer.headers["ratelimit"].startswith('"login";r=0;t=')
        assert '"account";r=2;t=' in answer.headers["ratelimit"]


async def test_the_password_of_a_session_is_no_way_around_the_login(
    limited: Limits,
) -> None:
    async with limited(limit_login=2) as client:
        who = await bearer(client, "student1")
        body = {"oldPassword": "not that", "newPassword": "correct horse"}
        tried = [await client.post("/auth/password", json=body, headers=who) for _ in range(3)]
        assert [each.status_code for each in tried] == [403, 403, 429]


async def top_up(
    client: httpx.AsyncClient, who: Headers, key: str, **more: object
) -> httpx.Response:
    headers = who | {"idempotency-key": key}
    return await client.post("/api/wallet/top-ups", json={"amount": "5.00"} | more, headers=headers)


async def test_top_ups_are_limited_and_their_replays_are_free(
    limited: Limits,
) -> None:
    async with limited(limit_payment=3, limit_general=100, payment_decline_rate=0.0) as client:
        who = await bearer(client, "student1")
        first = await top_up(client, who, "one")
        assert first.headers["ratelimit"] == '"general";r=99;t=60, "payment";r=2;t=900'
        assert "idempotent-replayed" not in first.headers
        for _ in range(5):
            again = await top_up(client, who, "one")
            assert again.headers["idempotent-replayed"] == "true"
            assert again.json() == first.json()
        others = [await top_up(client, who, key) for key in ("two", "three", "four", "one")]
        assert [each.status_code for each in others] == [201, 201, 429, 429]
        # What was refused was not counted by the general limit: two and seven were asked before.
        wallet = await client.get("/api/wallet", headers=who)
        assert wallet.headers["ratelimit"].startswith('"general";r=91;')
        # The counter takes the cash of a queue.
        staff = await bearer(client, "staff1")
        cash = [
            await top_up(client, staff, str(uuid4()), userId=wallet_of) for wallet_of in [1] * 5
        ]
        assert 429 not in {each.status_code for each in cash}


async def test_the_replay_of_what_has_no_limit_of_its_own_is_no_fault(
    limited: Limits, caplog: pytest.LogCaptureFixture
) -> None:
    async with limited(limit_general=100) as client:
        who = await bearer(client, "student1") | {"idempotency-key": "lunch"}
        basket = {"cafeteriaId": 1, "items": [{"productId": 1, "quantity": 1}]}
        first, again = [
            await client.post("/api/orders", json=basket, headers=who) for _ in range(2)
        ]
        assert (first.status_code, again.json()) == (201, first.json())
        assert again.headers["idempotent-replayed"] == "true"
        assert again.headers["ratelimit"].startswith('"general";r=98;')
    assert [each for each in caplog.records if each.levelname == "ERROR"] == []


@asynccontextmanager
async def redis_that_can_go(settings: Settings) -> AsyncIterator[tuple[Proxy, str]]:
    place = Address(settings.redis_url).seeds[0]
    proxy = Proxy(*place)
    await proxy.up()
    yield proxy, settings.redis_url.replace(f":{place.port}/", f":{proxy.port}/")
    await proxy.down()


async def test_without_redis_each_process_counts_alone_and_no_limit_is_off(
    limited: Limits, settings: Settings
) -> None:
    async with (
        redis_that_can_go(settings) as (proxy, url),
        limited(
            redis_url=url, limit_general=5, limit_login=3, limit_payment=2, payment_decline_rate=0.0
        ) as client,
    ):
        who = await bearer(client, "student1")
        await proxy.down()
        wallet = [await client.get("/api/wallet", headers=who) for _ in range(7)]
        assert Counter(each.status_code for each in wallet) == {200: 5, 429: 2}
        tries = [await client.post("/auth/login", json=WRONG) for _ in range(5)]
        assert Counter(each.status_code for each in tries) == {401: 3, 429: 2}
        other = await bearer(client, "student2")
        paid = [await top_up(client, other, str(each)) for each in range(4)]
        assert [each.status_code for each in paid] == [201, 201, 429, 429]
        await proxy.up()
        async with asyncio.timeout(30):
            # Redis has counted none of that, and is asked again by itself.
            while (await client.get("/api/wallet", headers=who)).status_code != 200:  # noqa: ASYNC110
                await asyncio.sleep(0.05)


async def test_addresses_and_accounts_are_not_to_be_read_in_redis(
    limited: Limits, redis_url: str
) -> None:
    async with limited(limit_anonymous=10, limit_login=5, **PROXIES) as client:
        await client.post("/auth/login", json=WRONG, headers=behind("192.0.2.77"))
        with Redis.from_url(redis_url) as redis:
            kept = {key.decode() for key in redis.keys("*:limit:*")}
    assert {each.split(":limit:")[1].split(":")[0] for each in kept} == {
        "anonymous",
        "login",
        "account",
    }
    assert not [each for each in kept if "192.0.2" in each or "student" in each]


async def test_an_own_write_is_seen_with_no_other_question_to_redis(
    limited: Limits, connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    of = Fences.of

    async def counted(self: Fences, person: int) -> int:
        asked.append(person)
        return await of(self, person)

    monkeypatch.setattr(Fences, "of", counted)
    async with limited(limit_general=100, payment_decline_rate=0.0) as client:
        who = await bearer(client, "student1")
        for number in range(5):
            before = (await client.get("/api/wallet", headers=who)).json()
            assert (await top_up(client, who, str(number))).status_code == 201
            after = (await client.get("/api/wallet", headers=who)).json()
            assert float(after["balance"]) == float(before["balance"]) + 5
    assert not asked


async def test_more_at_once_than_can_be_is_refused_at_once(
    limited: Limits, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting, go_on = asyncio.Semaphore(0), asyncio.Event()
    counted = Limited._counted

    async def slowly(self: Limited, *arguments: Any) -> None:
        waiting.release()
        await go_on.wait()
        await counted(self, *arguments)

    monkeypatch.setattr(Limited, "_counted", slowly)
    async with limited(most_in_flight=2) as client:
        held = [asyncio.create_task(client.get("/api/categories")) for _ in range(2)]
        for _ in held:
            await waiting.acquire()
        shed = await client.get("/api/categories")
        assert shed.status_code == 503
        assert shed.json()["type"] == "urn:comanda:problem:overloaded"
        assert shed.headers["retry-after"] == "1"
        assert shed.headers["x-content-type-options"] == "nosniff"
        assert (await client.get("/health")).status_code == 200
        assert (await client.get("/products/1")).status_code != 503
        go_on.set()
        assert [(await each).status_code for each in held] == [200, 200]
        assert (await client.get("/api/categories")).status_code == 200


def test_the_policies_of_a_person_lie_in_one_slot() -> None:
    policies = Policies.of(general=1, anonymous=1, payment=1, login=1)
    assert policies.account.limit > policies.login.limit
    assert {policies.payment.seconds, policies.login.seconds} == {900}
    strict = {name for name in Policies.__struct_fields__ if getattr(policies, name).is_strict}
    assert strict == {"payment", "login", "account", "password"}
