"""What holds for every request of the application: an id, headers, and whom it is not for."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import httpx
import msgspec
import pytest
from litestar.types import Receive, Scope, Send

from bff.edge.exchange import Exchange
from bff.settings import Settings, SettingsError, from_environment
from tests.bff.edge.layers import around
from tests.bff.test_orders import bearer

Serve = Callable[[Settings], AbstractAsyncContextManager[httpx.AsyncClient]]
TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"
SECURITY = {
    "content-security-policy",
    "x-content-type-options",
    "x-frame-options",
    "referrer-policy",
    "permissions-policy",
    "cross-origin-opener-policy",
    "cross-origin-resource-policy",
}
PREFLIGHT = {"access-control-request-method": "POST", "access-control-request-headers": "x"}
APP = "https://app.campus.example"
SOCKETS = "/socket.io/?EIO=4&transport=polling"


async def plain(scope: Scope, receive: Receive, send: Send) -> None:
    """An application that answers everything."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"OK", "more_body": False})


async def failing(scope: Scope, receive: Receive, send: Send) -> None:
    """An application with a fault in its outer layers."""
    raise RuntimeError("secret")


# --- who asked what --------------------------------------------------------------------


@pytest.mark.parametrize(
    "given",
    [
        f"00-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-00",
        # Of a later version the first parts are the same.
        f"cc-{TRACE}-{SPAN}-01-what-the-future-brings",
    ],
)
async def test_a_trace_that_somebody_began_goes_on(given: str) -> None:
    async with around(plain) as client:
        answer = await client.get("/", headers={"traceparent": given})
    assert answer.headers["x-request-id"] == TRACE


@pytest.mark.parametrize(
    "given",
    [
        "",
        "soup",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE}-{SPAN}-01-more",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01\n{TRACE}",
    ],
)
async def test_any_other_trace_is_a_new_one(given: str) -> None:
    async with around(plain) as client:
        ids = {
            (await client.get("/", headers=[("traceparent", given)])).headers["x-request-id"]
            for _ in range(3)
        }
    assert len(ids) == 3
    assert TRACE not in ids
    assert all(len(each) == 32 and int(each, 16) for each in ids)


@pytest.mark.parametrize(
    ("method", "url"),
    [
        ("GET", "/nothing"),
        ("DELETE", "/health"),
        ("GET", "/api/products?limit=0"),
        ("GET", "/api/wallet"),
        ("POST", "/auth/login"),
        ("GET", "/products/1?w=wide"),
        ("GET", "/.env"),
        ("GET", "/socket.io/?EIO=3"),
        ("POST", f"{SOCKETS}&sid=nobody"),
    ],
)
async def test_a_problem_names_the_request_that_had_it(
    client: httpx.AsyncClient, method: str, url: str
) -> None:
    answer = await client.request(method, url)
    assert answer.is_error
    assert answer.json()["instance"] == f"urn:comanda:request:{answer.headers['x-request-id']}"


async def test_a_fault_is_answered_with_an_id_that_is_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with around(failing) as client:
        answer = await client.get("/somewhere")
    assert answer.status_code == 500
    assert set(answer.json()) == {"type", "title", "status", "instance"}
    assert answer.json()["instance"].endswith(answer.headers["x-request-id"])
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "secret" not in answer.text
    assert "secret" in caplog.text


# --- headers ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "url"),
    [
        ("GET", "/health"),
        ("GET", "/api/products"),
        ("HEAD", "/api/products"),
        ("OPTIONS", "/api/products"),
        ("GET", "/nothing"),
        ("HEAD", "/nothing"),
        ("DELETE", "/health"),
        ("GET", "/api/wallet"),
        ("HEAD", "/api/wallet"),
        ("GET", "/products/1"),
        ("GET", "/docs"),
        ("GET", "/schema/openapi.json"),
        ("GET", "/wp-login.php"),
        ("BREW", "/api/products"),
        ("GET", SOCKETS),
        ("HEAD", SOCKETS),
        ("OPTIONS", SOCKETS),
        ("BREW", SOCKETS),
        ("GET", "/socket.io/.env"),
    ],
)
async def test_every_answer_is_safe_for_a_browser(
    client: httpx.AsyncClient, method: str, url: str
) -> None:
    answer = await client.request(method, url)
    for name in SECURITY:
        assert len(answer.headers.get_list(name)) == 1, name
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert "server" not in answer.headers
    assert "strict-transport-security" not in answer.headers
    assert "default-src 'none'" in answer.headers["content-security-policy"]


async def test_a_page_may_use_its_own_files_and_an_answer_nothing(
    client: httpx.AsyncClient,
) -> None:
    page = (await client.get("/docs")).headers["content-security-policy"]
    assert "script-src 'self';" in page
    assert "frame-ancestors 'none'" in page
    data = (await client.get("/api/products")).headers["content-security-policy"]
    assert data == "default-src 'none'; frame-ancestors 'none'"


async def test_what_a_route_says_itself_stays(client: httpx.AsyncClient) -> None:
    picture = await client.get("/products/1")
    assert picture.headers["cross-origin-resource-policy"] == "cross-origin"
    assert picture.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert picture.headers["cache-control"] == "public, max-age=10, s-maxage=60"


async def test_what_is_private_is_for_no_cache_to_keep(client: httpx.AsyncClient) -> None:
    who = await bearer(client, "student1")
    wallet = await client.get("/api/wallet", headers=who)
    assert wallet.headers.get_list("cache-control") == ["private, no-cache"]
    refused = await client.get("/api/wallet")
    assert refused.headers.get_list("cache-control") == ["no-store"]
    async with around(plain) as client:
        # Where the route says nothing of it.
        for asked in (client.get("/", headers=who), client.post("/"), client.delete("/")):
            assert (await asked).headers["cache-control"] == "no-store"
        assert "cache-control" not in (await client.get("/")).headers


async def test_head_is_not_let_in_without_a_token(client: httpx.AsyncClient) -> None:
    for url in ("/api/wallet", "/api/orders", "/api/admin/cache"):
        answer = await client.head(url)
        assert (answer.status_code, answer.content) == (401, b"")


async def test_https_is_to_be_kept_to_once_it_was_used() -> None:
    async with around(plain, "https://comanda.test") as client:
        answer = await client.get("/")
        assert answer.headers["strict-transport-security"] == "max-age=31536000"
    async with around(plain, proxies=["127.0.0.1"]) as client:
        answer = await client.get("/", headers={"x-forwarded-proto": "https"})
        assert "strict-transport-security" in answer.headers
    async with around(plain, peer="192.0.2.1", proxies=["127.0.0.1"]) as client:
        answer = await client.get("/", headers={"x-forwarded-proto": "https"})
        assert "strict-transport-security" not in answer.headers
    async with around(plain, "https://comanda.test", hsts_seconds=0) as client:
        assert "strict-transport-security" not in (await client.get("/")).headers


# --- whom it is not for ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("agent", "status"),
    [
        ("Comanda/1.0 (Android 14)", 200),
        ("", 200),
        ("Mozilla/5.0 (compatible; Googlebot/2.1)", 403),
        ("ROBOTO/1", 403),
        ("FriendlyBot/1.0", 200),
        ("FriendlyBot/1.0 and another bot", 403),
        # A telephone.
        ("Mozilla/5.0 (Linux; Android 9; CUBOT_X19)", 200),
    ],
)
async def test_robots_are_served_if_they_are_approved(
    serve: Serve, settings: Settings, agent: str, status: int
) -> None:
    given = msgspec.structs.replace(settings, approved_bots=("cubot", "FriendlyBot"))
    async with serve(given) as client:
        answer = await client.get("/api/categories", headers={"user-agent": agent})
        assert answer.status_code == status
        nowhere = await client.get("/nothing", headers={"user-agent": agent})
        assert nowhere.status_code == (404 if status == 200 else 403)
        assert (await client.get(SOCKETS, headers={"user-agent": agent})).status_code == status
        # What watches us may be called so.
        assert (await client.get("/health", headers={"user-agent": agent})).status_code == 200
    if status == 403:
        assert answer.json()["type"] == "urn:comanda:problem:robot"


@pytest.mark.parametrize(
    ("path", "is_one"),
    [
        ("/.env", True),
        ("/.git/config", True),
        ("/api/.env", True),
        ("/wp-login.php", True),
        ("/WP-admin/x", True),
        ("//wp-includes/x", True),
        ("/index.php", True),
        ("/index.php/x", True),
        ("/cgi-bin/luci", True),
        ("/backup.sql", True),
        ("/.well-known/security.txt", False),
        ("/api/products", False),
        ("/docs/swagger-ui/swagger-ui.css", False),
        ("/v/1/abc/w_300.webp", False),
        ("/products/1", False),
    ],
)
async def test_what_only_scanners_ask_for_reaches_no_route(path: str, is_one: bool) -> None:
    seen = []

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["path"])
        await plain(scope, receive, send)

    async with around(application) as client:
        answer = await client.get(f"http://comanda.test{path}")
    assert (answer.status_code == 404, not seen) == (is_one, is_one)


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("api.campus.example", 200),
        ("API.campus.example:8443", 200),
        ("menu.cdn.example", 200),
        ("cdn.example", 421),
        ("campus.example", 421),
        ("api.campus.example.evil.example", 421),
        ("evil.example", 421),
        ("[2001:db8::1]:80", 200),
        ("[2001:db8::2]", 421),
        ("", 421),
    ],
)
async def test_another_host_is_not_answered_for(host: str, status: int) -> None:
    hosts = ["api.campus.example", "*.cdn.example", "[2001:db8::1]"]
    async with around(plain, hosts=hosts) as client:
        assert (await client.get("/", headers={"host": host})).status_code == status
        # Probes know an address only.
        assert (await client.get("/health", headers={"host": host})).status_code == 200


async def test_of_two_hosts_none_may_be_another() -> None:
    async with around(plain, hosts=["comanda.test"]) as client:
        twice = [("host", "comanda.test"), ("host", "evil.example")]
        assert (await client.get("/", headers=twice)).status_code == 421


# --- pages of other origins ------------------------------------------------------------


async def test_a_page_of_ours_may_ask_and_read(serve: Serve, settings: Settings) -> None:
    async with serve(msgspec.structs.replace(settings, cors_origins=(APP,))) as client:
        may = await client.options("/api/orders", headers={"origin": APP} | PREFLIGHT)
        assert may.status_code == 204
        assert may.headers["access-control-allow-origin"] == APP
        assert "POST" in may.headers["access-control-allow-methods"]
        allowed = may.headers["access-control-allow-headers"].lower()
        assert {"authorization", "content-type", "idempotency-key"} <= set(allowed.split(", "))
        for url in ("/api/categories", "/nothing", SOCKETS):
            answer = await client.get(url, headers={"origin": APP})
            assert answer.headers["access-control-allow-origin"] == APP
            assert "RateLimit" in answer.headers["access-control-expose-headers"]
            assert "access-control-allow-credentials" not in answer.headers
        # OPTIONS that is no preflight is the route's to answer.
        assert "POST" in (await client.options("/api/orders")).headers["allow"]


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", f"{APP}.evil.example", "http://app.campus.example"]
)
async def test_no_other_page_may_and_caches_are_told_why(
    serve: Serve, settings: Settings, origin: str
) -> None:
    async with serve(msgspec.structs.replace(settings, cors_origins=(APP,))) as client:
        answers = [
            await client.options("/api/orders", headers={"origin": origin} | PREFLIGHT),
            await client.get("/api/categories", headers={"origin": origin}),
            await client.get("/api/categories"),
            await client.options(SOCKETS, headers={"origin": origin} | PREFLIGHT),
            await client.get(SOCKETS, headers={"origin": origin}),
        ]
    for answer in answers:
        assert not [name for name in answer.headers if name.startswith("access-control")]
        assert "Origin" in answer.headers.get_list("vary", split_commas=True)


async def test_all_pages_may_where_the_settings_say_so_and_no_browser_adds_who_asks() -> None:
    async with around(plain, origins=["*"]) as client:
        answer = await client.get("/", headers={"origin": "https://evil.example"})
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in answer.headers
    assert "vary" not in answer.headers


async def test_without_origins_nobody_is_told_anything(client: httpx.AsyncClient) -> None:
    answer = await client.get("/api/categories", headers={"origin": APP})
    assert not [name for name in answer.headers if name.startswith("access-control")]


# --- what is known afterwards ----------------------------------------------------------


async def test_who_leaves_before_the_answer_is_known_to_have() -> None:
    seen: list[tuple[int, float]] = []

    def watch(exchange: Exchange, seconds: float) -> None:
        seen.append((exchange.status, seconds))

    async def leaving(scope: Scope, receive: Receive, send: Send) -> None:
        """An application whose client has gone."""

    async with around(leaving, watch=[watch]) as client:
        with pytest.raises(AssertionError):
            # httpx wants an answer.
            await client.get("/")
    assert [status for status, _ in seen] == [499]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("COMANDA_TRUSTED_PROXIES", "nowhere"),
        ("COMANDA_TRUSTED_PROXIES", "10.0.0.1/8"),
        ("COMANDA_PROXY_HEADER", "x-real-ip"),
        ("COMANDA_CORS_ORIGINS", "app.campus.example"),
        ("COMANDA_CORS_ORIGINS", "https://app.campus.example/"),
        ("COMANDA_HOSTS", "https://api.campus.example"),
        ("COMANDA_LIMIT_GENERAL", "-1"),
        ("COMANDA_MOST_IN_FLIGHT", "0"),
    ],
)
def test_a_setting_that_means_nothing_is_named(name: str, value: str) -> None:
    given = {
        "COMANDA_DATABASE_URL": "postgresql://comanda@db/comanda",
        "COMANDA_REDIS_URL": "redis://redis/0",
        "COMANDA_TOKEN_SECRET": "x" * 32,
    }
    from_environment(given)
    with pytest.raises(SettingsError, match=r"COMANDA_\*|" + name):
        from_environment(given | {name: value})
