"""The first screen of the app: everything in one trip, and whatever of it can be had."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
import pytest

from bff.representation import views
from bff.representation.shared import Made, Make, Shared
from bff.routes import home
from domain.cache import changes
from domain.model.menu import Product
from tests.bff.test_orders import bearer, order
from tests.domain.conftest import met_at

UNAVAILABLE = "urn:comanda:problem:unavailable"


@pytest.fixture(autouse=True)
def _time_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that is busy is no reason for a part to be missed."""
    monkeypatch.setattr(home, "PATIENCE", 60.0)


@pytest.fixture
async def student(client: httpx.AsyncClient) -> dict[str, str]:
    return await bearer(client, "student1")


async def shown(client: httpx.AsyncClient, headers: dict[str, str] | None = None) -> Any:
    answer = await client.get("/api/home", headers=headers)
    assert answer.status_code == 200
    return answer.json()


async def ordered(client: httpx.AsyncClient, who: dict[str, str]) -> Any:
    basket = {"cafeteriaId": 1, "items": [{"productId": 1, "quantity": 1}]}
    answer = await order(client, who, basket)
    assert answer.status_code == 201
    return answer.json()


async def test_it_shows_what_seven_requests_would(
    client: httpx.AsyncClient, student: dict[str, str], connection: asyncpg.Connection
) -> None:
    # Two are under way, the one that came after them is not, and one of three notices was read.
    _, newest, last = [await ordered(client, student) for _ in range(3)]
    cancel = f"/api/orders/{last['id']}/cancel"
    assert (await client.post(cancel, json={"version": 1}, headers=student)).status_code == 200
    await connection.execute(
        "INSERT INTO notifications (user_id, kind, title, body, is_read)"
        " SELECT $1, 'order:ready', '', '', each = 1 FROM generate_series(1, 3) AS each",
        newest["userId"],
    )
    screen = await shown(client, student)
    me = (await client.get("/api/me", headers=student)).json()
    unread = (await client.get("/api/notifications/unread", headers=student)).json()
    wallet = (await client.get("/api/wallet", headers=student)).json()
    categories = (await client.get("/api/categories")).json()
    assert screen["greeting"] == {"name": me["name"], "notice": None}
    assert screen["activeOrder"] == newest
    assert (screen["unread"], screen["balance"]) == (unread["count"], wallet["balance"])
    for section, listed in zip(screen["categories"], categories["data"], strict=True):
        assert listed == {name: section[name] for name in listed}
    places = {each["id"]: each for each in (await client.get("/api/cafeterias")).json()["data"]}
    assert len(screen["cafeterias"]) == len(places)
    for door in screen["cafeterias"]:
        assert door == {name: places[door["id"]][name] for name in door}
    is_open = [door["isOpen"] for door in screen["cafeterias"]]
    assert is_open == sorted(is_open, reverse=True)
    assert screen["problems"] == {}


async def test_who_is_new_is_shown_nothing_of_what_is_others(
    client: httpx.AsyncClient, student: dict[str, str], connection: asyncpg.Connection
) -> None:
    await connection.execute(
        "INSERT INTO users (email, name, password_hash)"
        " SELECT 'new@campus.example', 'Nueva', password_hash FROM users"
        " WHERE email = 'student1@campus.example'"
    )
    await ordered(client, student)
    screen = await shown(client, await bearer(client, "new"))
    assert screen["greeting"]["name"] == "Nueva"
    assert (screen["activeOrder"], screen["unread"], screen["balance"]) == (None, 0, "0.00")
    assert screen["problems"] == {}


async def test_what_is_sold_most_and_can_be_had_comes_first(
    client: httpx.AsyncClient, connection: asyncpg.Connection
) -> None:
    sold = [
        row["product_id"]
        for row in await connection.fetch(
            "SELECT product_id FROM product_sales_daily WHERE day >= current_date - 7"
            " GROUP BY product_id ORDER BY sum(portions) DESC, product_id"
        )
    ]
    assert len(sold) > 10
    await connection.execute("UPDATE products SET stock = 5, is_available = true")
    await connection.execute("UPDATE products SET stock = 0 WHERE id = $1", sold[0])
    await connection.execute("UPDATE products SET is_available = false WHERE id = $1", sold[1])
    await connection.execute(
        "UPDATE products SET is_available = false, withdrawn_at = now() WHERE id = $1", sold[2]
    )
    screen = await shown(client)
    assert [each["id"] for each in screen["bestsellers"]] == sold[3:11]


async def test_what_is_everybodys_is_made_once_until_it_changes(
    client: httpx.AsyncClient, student: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # A process that is never too busy to hear of changes.
    monkeypatch.setattr(changes, "TRUST", 60.0)
    made: list[int] = []
    said = views.product

    def product(dish: Product) -> views.ProductView:
        made.append(dish.id)
        return said(dish)

    monkeypatch.setattr(views, "product", product)
    first = (await shown(client, student))["bestsellers"]
    assert made == [each["id"] for each in first] != []
    assert (await shown(client))["bestsellers"] == first
    assert len(made) == len(first)
    admin = await bearer(client, "admin1") | {"if-match": "*"}
    dish = f"/api/products/{first[0]['id']}"
    changed = await client.patch(dish, json={"price": "9.87"}, headers=admin)
    assert changed.status_code == 200
    fence = {"comanda-fence": changed.headers["comanda-fence"]}
    after = (await shown(client, fence))["bestsellers"]
    assert after == [first[0] | {"price": "9.87", "version": 2}, *first[1:]]


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> dict[str, Made]:
    """What is everybody's, as it was made last, by its key."""
    made: dict[str, Made] = {}

    async def said(_: Shared, key: str, make: Make) -> Any:
        made[key] = await make()
        return made[key].says

    monkeypatch.setattr(Shared, "said", said)
    return made


async def test_a_door_is_shown_no_longer_than_until_it_turns(
    client: httpx.AsyncClient, made: dict[str, Made]
) -> None:
    doors = (await shown(client))["cafeterias"]
    turns = [datetime.fromisoformat(each["nextChange"]) for each in doors if each["nextChange"]]
    assert made["/api/home#cafeterias"].until == min(turns)


async def test_where_nothing_was_sold_yet_it_is_looked_again_soon(
    client: httpx.AsyncClient, made: dict[str, Made], connection: asyncpg.Connection
) -> None:
    await connection.execute("UPDATE products SET stock = 0")
    assert (await shown(client))["bestsellers"] == []
    soon = made["/api/home#bestsellers"].until
    assert soon is not None
    assert soon < datetime.now(UTC) + timedelta(minutes=1)


async def test_who_has_not_logged_in_sees_what_is_everybodys(client: httpx.AsyncClient) -> None:
    screen = await shown(client)
    assert screen["greeting"] == {"name": None, "notice": None}
    assert screen["cafeterias"]
    assert screen["categories"]
    assert (screen["activeOrder"], screen["unread"], screen["balance"]) == (None, None, None)
    assert screen["problems"] == {}
    refused = await client.get("/api/home", headers={"authorization": "Bearer none"})
    assert refused.status_code == 401


async def test_a_part_that_does_not_come_is_missed_and_the_screen_is_shown(
    client: httpx.AsyncClient,
    student: dict[str, str],
    connection: asyncpg.Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = await shown(client, student)
    waiting = None
    async with connection.transaction():
        await connection.execute("LOCK TABLE notifications IN ACCESS EXCLUSIVE MODE")
        with monkeypatch.context() as hurried:
            hurried.setattr(home, "PATIENCE", 0.2)
            screen = await shown(client, student)
        # It goes on, and comes to the lock though that be later.
        async with asyncio.timeout(60):
            while waiting is None:
                await connection.execute("SELECT pg_stat_clear_snapshot()")
                waiting = await connection.fetchval(
                    "SELECT pid FROM pg_stat_activity"
                    " WHERE wait_event_type = 'Lock' AND datname = current_database()"
                )
    assert screen["unread"] is None
    problem = screen["problems"]["unread"]
    assert (problem["type"], problem["status"]) == (UNAVAILABLE, 503)
    assert (await shown(client, student))["unread"] == whole["unread"]
    # Its connection was not given up for that.
    assert await connection.fetchval("SELECT 1 FROM pg_stat_activity WHERE pid = $1", waiting)


async def test_no_more_parts_go_on_than_a_process_has_room_for(
    client: httpx.AsyncClient,
    student: dict[str, str],
    connection: asyncpg.Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(home, "PATIENCE", 0.2)
    monkeypatch.setattr(home, "MOST_LATE", 2)
    async with connection.transaction():
        await connection.execute("LOCK TABLE notifications IN ACCESS EXCLUSIVE MODE")
        for _ in range(4):
            assert (await shown(client, student))["unread"] is None
        assert len(home._late) <= 2
    monkeypatch.setattr(home, "PATIENCE", 60.0)
    assert (await shown(client, student))["unread"] is not None


async def test_a_part_that_fails_is_missed_and_tells_nobody_why(
    client: httpx.AsyncClient, student: dict[str, str], connection: asyncpg.Connection
) -> None:
    await connection.execute("ALTER TABLE wallets RENAME TO purses")
    screen = await shown(client, student)
    told = screen["problems"]
    # All that is one's own is read at once.
    for name in ("greeting", "activeOrder", "unread", "balance"):
        assert screen[name] is None
        assert told.pop(name)["type"] == "urn:comanda:problem:internal"
    assert told == {}
    assert screen["cafeterias"]
    assert "wallets" not in str(screen)


async def test_its_parts_are_fetched_at_the_same_time(
    client: httpx.AsyncClient, student: dict[str, str], connection: asyncpg.Connection
) -> None:
    lock = "LOCK TABLE notifications, categories, cafeterias IN ACCESS EXCLUSIVE MODE"
    async with met_at(connection, lock, 3):
        asked = asyncio.create_task(shown(client, student))
    assert (await asked)["problems"] == {}


async def test_a_notice_is_shown_to_everybody_until_it_is_taken_away(
    client: httpx.AsyncClient,
) -> None:
    admin = await bearer(client, "admin1") | {"if-match": "*"}
    url = "/api/admin/configuration/home.notice"
    for notice in ("Mañana cerramos a las 15:00", None):
        put = await client.put(url, json={"value": notice}, headers=admin)
        assert put.status_code == 200
        assert (await shown(client))["greeting"]["notice"] == notice
    url = "/api/admin/configuration/home.bestsellers"
    assert (await client.put(url, json={"value": 3}, headers=admin)).status_code == 200
    assert len((await shown(client))["bestsellers"]) == 3
