"""The menu, page by page."""

import asyncio
import unicodedata
from collections.abc import Callable
from datetime import datetime
from typing import Any

import asyncpg
import httpx
import pytest

from domain.menu_changes import MOST_PRODUCT_NAME


async def test_products_come_by_page_and_add_up(client: httpx.AsyncClient) -> None:
    seen: list[int] = []
    for page in range(1, 5):
        answer = (await client.get(f"/api/products?page={page}&limit=60")).json()
        place = answer["pagination"]
        assert (place.pop("nextCursor") is None) is (page == 4)
        assert place == {"total": 200, "page": page, "limit": 60, "totalPages": 4}
        seen += [product["id"] for product in answer["data"]]
    assert seen == sorted(set(seen))
    assert len(seen) == 200
    beyond = (await client.get("/api/products?page=5&limit=60")).json()
    assert beyond["data"] == []


async def test_a_category_has_its_products_only(client: httpx.AsyncClient) -> None:
    categories = (await client.get("/api/categories")).json()["data"]
    assert len(categories) == 12
    total = 0
    for category in categories:
        answer = (await client.get(f"/api/products?categoryId={category['id']}&limit=100")).json()
        assert {product["categoryId"] for product in answer["data"]} == {category["id"]}
        total += answer["pagination"]["total"]
    assert total == 200


async def test_what_can_be_had_what_cannot_and_all_are_three_lists(
    client: httpx.AsyncClient, connection: asyncpg.Connection
) -> None:
    await connection.execute("UPDATE products SET stock = 5, is_available = id > 50")
    totals = []
    cursors = set()
    for asked in ("", "&available=true", "&available=false"):
        place = (await client.get(f"/api/products?limit=1{asked}")).json()["pagination"]
        totals.append(place["total"])
        cursors.add(place["nextCursor"])
        strange = await client.get(
            f"/api/products?limit=1&available=false&cursor={place['nextCursor']}"
        )
        assert strange.status_code == (200 if asked.endswith("false") else 400)
    assert totals == [200, 150, 50]
    assert len(cursors) == 3


async def test_a_product_has_a_price_in_decimals_and_says_where_its_picture_is(
    client: httpx.AsyncClient, connection: asyncpg.Connection
) -> None:
    await connection.execute(
        "UPDATE products SET price_minor = 1205, picture_version = 'v7', picture_original = 'v7',"
        " picture_width = 900, picture_height = 600, picture_uploaded_at = now(),"
        " picture_color = '#aa5500' WHERE id = 1"
    )
    fields = "price,picture.url,picture.srcset,picture.sizes,picture.color,picture.height"
    url = f"/api/products?limit=2&fields={fields},picture.width"
    first, second = (await client.get(url)).json()["data"]
    assert first["price"] == "12.05"
    picture = first["picture"]
    assert (picture["width"], picture["height"], picture["color"]) == (900, 600, "#aa5500")
    assert picture["url"] == "/products/1?v=v7&w=640"
    assert picture["srcset"].split(", ")[-1] == "/products/1?v=v7&w=1080 900w"
    assert picture["sizes"]
    assert second["picture"] is None


async def test_cafeterias_tell_their_hours_and_whether_they_are_open(
    client: httpx.AsyncClient,
) -> None:
    cafeterias = {
        each["name"]: each for each in (await client.get("/api/cafeterias")).json()["data"]
    }
    assert len(cafeterias) == 5
    canteen = cafeterias["Comedor de Ingeniería"]
    monday = [each for each in canteen["hours"] if each["weekday"] == 1]
    assert [(each["opensAt"], each["closesAt"]) for each in monday] == [
        ("08:00", "11:30"),
        ("13:00", "16:30"),
    ]
    never_closes = cafeterias.pop("Cafetería Central")
    assert never_closes["isOpen"]
    assert never_closes["nextChange"] is None
    for each in cafeterias.values():
        assert each["isOpen"] is (each["closesAt"] is not None)
        turns = datetime.fromisoformat(each["nextChange"])
        assert turns.utcoffset() is not None


async def test_a_closed_day_closes(
    client: httpx.AsyncClient, connection: asyncpg.Connection
) -> None:
    await connection.execute(
        "UPDATE opening_intervals SET opens_at = '00:00', closes_at = '00:00'"
        " WHERE cafeteria_id = 5"
    )
    assert await is_open(client, 5)
    await connection.execute("DELETE FROM opening_exceptions WHERE cafeteria_id = 5")
    await connection.execute(
        "INSERT INTO opening_exceptions (cafeteria_id, on_date)"
        " SELECT 5, current_date + n FROM generate_series(-1, 1) n"
    )
    # It is heard of within a second, though no service has said so.
    async with asyncio.timeout(30):
        while True:
            if not await is_open(client, 5):
                break
            # What is ready takes the loop from nobody, and so gives it to nobody.
            await asyncio.sleep(0.01)


async def is_open(client: httpx.AsyncClient, cafeteria_id: int) -> bool:
    cafeterias = (await client.get("/api/cafeterias")).json()["data"]
    (found,) = (each["isOpen"] for each in cafeterias if each["id"] == cafeteria_id)
    return bool(found)


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("page=0", "page"),
        ("page=-1", "page"),
        ("page=one", "page"),
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("page=200&limit=100", "page"),
        ("categoryId=0", "categoryId"),
        ("categoryId=null", "categoryId"),
        ("categoryId=99999999999999999999", "categoryId"),
    ],
)
async def test_a_page_out_of_bounds_is_a_problem_that_names_the_parameter(
    client: httpx.AsyncClient, query: str, parameter: str
) -> None:
    answer = await client.get(f"/api/products?{query}")
    assert answer.status_code == 400
    assert [each["parameter"] for each in answer.json()["errors"]] == [parameter]


async def walked(client: httpx.AsyncClient, query: str) -> list[dict[str, Any]]:
    """All products of a list, by cursor."""
    seen: list[dict[str, Any]] = []
    cursor = ""
    while True:
        answer = (await client.get(f"/api/products?limit=30&{query}{cursor}")).json()
        seen += answer["data"]
        if answer["pagination"]["nextCursor"] is None:
            return seen
        cursor = f"&cursor={answer['pagination']['nextCursor']}"


@pytest.mark.parametrize(
    ("sort", "key", "is_reversed"),
    [
        ("price", lambda each: (float(each["price"]), each["id"]), False),
        ("-price", lambda each: (float(each["price"]), each["id"]), True),
        ("name", lambda each: (folded(each["name"]), each["id"]), False),
        ("-name", lambda each: (folded(each["name"]), each["id"]), True),
        ("id", lambda each: each["id"], False),
    ],
)
async def test_products_come_in_the_order_that_is_asked_for_each_once(
    client: httpx.AsyncClient, sort: str, key: Callable[[Any], Any], is_reversed: bool
) -> None:
    by_cursor = await walked(client, f"sort={sort}")
    assert len(by_cursor) == 200
    assert by_cursor == sorted(by_cursor, key=key, reverse=is_reversed)
    by_page = []
    for page in (1, 2):
        url = f"/api/products?limit=100&page={page}&sort={sort}"
        by_page += (await client.get(url)).json()["data"]
    assert by_page == by_cursor


async def test_products_are_filtered_by_all_that_is_said(
    client: httpx.AsyncClient, connection: asyncpg.Connection
) -> None:
    await connection.execute("UPDATE products SET stock = 0 WHERE id % 3 = 0")
    await connection.execute("UPDATE products SET is_available = false WHERE id % 5 = 0")
    await connection.execute("UPDATE products SET name = 'CAFÉ con leche' WHERE id % 20 = 1")
    rows = await connection.fetch("SELECT * FROM products ORDER BY id")

    async def ids(query: str) -> list[int]:
        return [each["id"] for each in await walked(client, query)]

    can = {row["id"] for row in rows if row["is_available"] and row["stock"] > 0}
    assert await ids("available=true") == [row["id"] for row in rows if row["id"] in can]
    assert await ids("available=false") == [row["id"] for row in rows if row["id"] not in can]
    of_two = [row["id"] for row in rows if row["cafeteria_id"] == 2]
    assert await ids("cafeteriaId=2") == of_two
    assert await ids("cafeteriaId=2&available=true") == [key for key in of_two if key in can]
    named = [row["id"] for row in rows if row["name"].startswith("CAFÉ")]
    found = await ids("q=leche%20cafe")
    assert set(named) <= set(found) < {row["id"] for row in rows}
    assert await ids("q=%20") == [row["id"] for row in rows]
    assert await ids("q=nothing%20of%20the%20sort") == []


async def test_a_list_by_cursor_is_not_disturbed_by_what_comes_meanwhile(
    client: httpx.AsyncClient, connection: asyncpg.Connection
) -> None:
    url = "/api/products?limit=100&sort=name"
    first = (await client.get(url)).json()
    await connection.execute(
        "INSERT INTO products (cafeteria_id, category_id, name, price_minor)"
        " SELECT 1, 1, 'AAA ' || n, 100 FROM generate_series(1, 20) n"
    )
    behind = f"{url}&cursor={first['pagination']['nextCursor']}"
    rest = (await client.get(behind)).json()["data"]
    ids = [each["id"] for each in first["data"] + rest]
    assert len(ids) == len(set(ids)) == 200


@pytest.mark.parametrize("letter", ["한", "ﷺ", "🍲"])
async def test_a_list_by_names_of_any_script_goes_on(
    client: httpx.AsyncClient, connection: asyncpg.Connection, letter: str
) -> None:
    # Without accents one becomes three letters, another one eighteen.
    name = letter * MOST_PRODUCT_NAME
    await connection.execute("UPDATE products SET name = $1 WHERE id IN (1, 2)", name)
    url, seen = "/api/products?sort=-name&limit=1&fields=id", []
    for _ in range(3):
        answer = (await client.get(url)).json()
        seen += [each["id"] for each in answer["data"]]
        cursor = answer["pagination"]["nextCursor"]
        url = f"/api/products?sort=-name&limit=1&fields=id&cursor={cursor}"
    assert seen[:2] == [2, 1]
    assert len(set(seen)) == 3


async def test_links_can_be_followed_from_end_to_end(client: httpx.AsyncClient) -> None:
    url, seen = "/api/products?categoryId=5&limit=5&fields=id", []
    while url:
        answer = await client.get(url)
        seen += [each["id"] for each in answer.json()["data"]]
        url = answer.links.get("next", {}).get("url", "")
    assert len(seen) == len(set(seen)) == answer.json()["pagination"]["total"]
    assert set(answer.links) == {"first", "prev", "last"}


@pytest.mark.parametrize(
    ("url", "several", "wrong", "closest"),
    [
        ("/api/products/1", ["price", "name", "version"], "pirce", "price"),
        ("/api/categories/1", ["position", "slug"], "postion", "position"),
        ("/api/cafeterias/1", ["isOpen", "lastOrderMinutes", "hours"], "isOpn", "isOpen"),
    ],
)
async def test_one_by_itself_comes_whole_or_as_its_fields_say(
    client: httpx.AsyncClient, url: str, several: list[str], wrong: str, closest: str
) -> None:
    whole = (await client.get(url)).json()
    some = await client.get(f"{url}?fields={','.join(several)}")
    assert some.json() == {name: whole[name] for name in several}
    assert (await client.get(url)).json() == whole
    refused = await client.get(f"{url}?fields={wrong}")
    assert (refused.status_code, refused.json()["errors"][0]["parameter"]) == (400, "fields")
    assert f"do you mean {closest}?" in refused.json()["detail"]


async def test_sorts_and_filters_are_in_the_description(client: httpx.AsyncClient) -> None:
    document = (await client.get("/schema/openapi.json")).json()
    told = {
        each["name"]: each["schema"]
        for each in document["paths"]["/api/products"]["get"]["parameters"]
    }
    assert {"categoryId", "cafeteriaId", "available", "q", "fields", "cursor"} <= set(told)
    (reference,) = told["sort"]["allOf"]
    order = document["components"]["schemas"][reference["$ref"].rsplit("/", 1)[1]]
    assert order["enum"] == ["id", "name", "-name", "price", "-price"]
    refused = await client.get("/api/products?sort=stock")
    assert (refused.status_code, refused.json()["errors"][0]["parameter"]) == (400, "sort")


def folded(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text.casefold())
    return "".join(each for each in plain if not unicodedata.combining(each))
