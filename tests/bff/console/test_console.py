"""The counter's console in a real browser, over a real server and its customers' real sockets."""

import json
from pathlib import Path
from typing import Final

import asyncpg
import httpx
import pytest
from redis import Redis
from selenium import webdriver
from selenium.webdriver.support.select import Select

from bff.settings import Settings
from imaging.shelves import Shelves
from infra.demo.pictures import draw_jpeg
from tests.bff.console.npm import axe
from tests.bff.console.page import SCREENS, Page
from tests.bff.realtime.clients import WEBSOCKET, Clients, clients
from tests.bff.realtime.conftest import Person, running
from tests.browser import needs_browser
from tests.clients_page import snippets
from tests.serving import free_port, until_healthy

pytestmark = needs_browser

ROWS: Final = 100_000
# Elements of the page, and bytes that are left of 90,000 rows: their cursors.
MOST_ELEMENTS: Final = 600
MOST_GROWTH: Final = 1_000_000
MANY: Final = """
INSERT INTO orders (user_id, cafeteria_id, status, total_minor, version, created_at, updated_at)
SELECT $1, 1, 'delivered', 100 + n % 900, 4, moment, moment
FROM (SELECT n, now() - interval '1 day' - n * interval '1 second' AS moment
      FROM generate_series(1, $2::integer) AS n) AS made
"""
# Down to the last of so many rows, as fast as they come.
SCROLL: Final = """
const [most, done] = arguments;
const list = document.querySelector(".list"), body = list.querySelector(".scroll");
let elements = 0;
const step = () => {
  elements = Math.max(elements, document.querySelectorAll("*").length);
  const rows = Number(list.getAttribute("aria-rowcount"));
  const seen = Math.ceil((body.scrollTop + body.clientHeight) / 44);
  if (seen >= (rows < 0 ? most : Math.min(most, rows - 1))) done({ elements, seen });
  else { body.scrollTop = body.scrollHeight; requestAnimationFrame(step); }
};
step();
"""
IMAGE: Final = snippets()["image.js"].replace("export ", "")
CANDIDATES: Final = """
return document.querySelector("main > img").srcset.split(", ")
  .map((each) => new URL(each.split(" ")[0], location).href);
"""
CHECK: Final = """
const [rules, done] = arguments;
const options = rules.length ? { runOnly: { type: "rule", values: rules } } : {};
axe.run(document, options).then(({ violations }) =>
  done(violations.map(({ id, nodes }) => `${id}: ${nodes.map((each) => each.html).join(" ")}`)));
"""


def column(state: str, order: int) -> str:
    return f"[data-state={state}] [data-order='{order}']"


async def test_an_order_appears_is_accepted_by_a_tap_and_its_customer_hears_it(
    page: Page, server: str, student: Person
) -> None:
    page.sign_in("staff1")
    figure = "[data-figure=orders]"
    page.until(lambda: page.text(figure).isdecimal(), "the report of today")
    placed = int(page.text(figure))
    async with clients() as phones:
        await phones.open("phone", server, student.auth, WEBSOCKET)
        order = await student.order(1)
        card = column("created", order["id"])
        assert order["pickupCode"] in page.text(card)
        # The news have no items: they come behind.
        page.until(lambda: order["items"][0]["productName"] in page.text(card), "items")
        page.until(lambda: page.text(figure) == str(placed + 1), "one more")
        waiting = len(page.all("[data-state=created] .card"))
        assert page.driver.title == f"({waiting}) Comandas · Comanda"

        page.tap(f"{card} .primary")
        page.find(column("accepted", order["id"]))
        heard = await phones.next("phone", "order:accepted")
        assert heard["orderId"] == order["id"]
        await undone_after_a_question(page, phones, order["id"])
        # The answer to the move may be quicker than the news of it.
        page.until(lambda: page.text(figure) == str(placed), "one less")


async def undone_after_a_question(page: Page, phones: Clients, order: int) -> None:
    page.tap(f"{column('accepted', order)} .quiet")
    page.tap("dialog .danger")
    page.until(lambda: not page.all(f"[data-order='{order}']"), "gone")
    assert (await phones.next("phone", "order:updated"))["status"] == "cancelled"


async def test_who_is_second_sees_what_the_first_has_done(
    page: Page, student: Person, staff: Person
) -> None:
    order = await student.order(1)
    page.sign_in("staff1")
    card = column("created", order["id"])
    page.find(card)
    # Nothing is heard any more of what others do.
    page.run("import('/console/live.js').then(({ live }) => live.close())")
    page.find(".connection[data-state=lost]")
    await staff.move(order, "rejected")
    page.tap(f"{card} .primary")
    assert "Rechazado" in page.text(".message.bad")
    page.until(lambda: not page.all(f"[data-order='{order['id']}']"), "gone")


async def test_a_restart_of_the_server_is_shown_and_caught_up_with(
    settings: Settings, shelves: Shelves, driver: webdriver.Chrome, connection: asyncpg.Connection
) -> None:
    port = free_port()
    page = Page(driver, f"http://127.0.0.1:{port}")
    with running(settings, [port]) as [url]:
        await until_healthy(url)
        page.sign_in("staff1")
        before = await (await Person.at(url, "student1")).order(1)
        card = column("created", before["id"])
        # All that there was is known: nothing is left to be asked for.
        page.until(lambda: before["items"][0]["productName"] in page.text(card), "items")
    page.find(".connection[data-state=lost]")
    # Nobody will tell of this one: not Redis, which has forgotten all, and not the outbox.
    with Redis.from_url(settings.redis_url) as redis:
        redis.flushdb()
    order = await connection.fetchval(
        "INSERT INTO orders (user_id, cafeteria_id, total_minor)"
        " SELECT user_id, 1, 0 FROM orders WHERE id = $1 RETURNING id",
        before["id"],
    )
    with running(settings, [port]) as [url]:
        await until_healthy(url)
        page.find(column("created", order))
        page.find(".connection[data-state=live]")
        page.tap(f"{column('created', order)} .primary")
        page.find(column("accepted", order))
        driver.get("about:blank")
    assert page.errors() == []


async def test_only_the_counter_is_let_in_and_a_session_that_is_over_is_told_of(
    page: Page, connection: asyncpg.Connection
) -> None:
    page.open()
    page.enter("student1")
    page.until(lambda: "personal" in page.text("[role=alert]"), "refusal")
    assert await connection.fetchval("SELECT count(*) FROM sessions") == 0
    page.sign_in("staff1")
    # Another language is another page, and the session goes on in it.
    page.tap(".menu summary")
    Select(page.find("select[aria-label=Idioma]")).select_by_value("en")
    page.until(lambda: page.text("nav [aria-current]") == "Board", "English")
    page.find(".connection[data-state=live]")
    # Nothing that opens a door outlives the tab.
    kept = json.loads(page.run("return localStorage.getItem('comanda-console')"))
    assert kept["language"] == "en"
    assert page.run("return [localStorage.length, location.search]") == [1, ""]
    assert set(kept) == {"language", "theme", "sound", "cafeteria"}
    # A tab that is duplicated has no part in the session, for two that have end it.
    own = page.driver.current_window_handle
    page.run("window.open('/console')")
    page.driver.switch_to.window(page.driver.window_handles[-1])
    page.find("input[name=email]")
    page.driver.close()
    page.driver.switch_to.window(own)
    await connection.execute("DELETE FROM sessions")
    page.run("import('/console/session.js').then(({ session }) => session.renew().catch(() => {}))")
    page.find("input[name=email]")
    assert "is over" in page.text("[role=alert]")
    assert page.run("return sessionStorage.getItem('comanda-console-session')") is None


async def test_a_dish_is_sold_out_changed_by_two_and_gets_a_picture(
    page: Page, server: str, staff: Person, connection: asyncpg.Connection, tmp_path: Path
) -> None:
    page.sign_in("staff1")
    page.go("products")
    opener = page.find(".list .link[data-id]")
    dish = int(str(opener.get_attribute("data-id")))
    page.tap(f"[role=switch][data-id='{dish}']")
    page.find(f"[role=switch][data-id='{dish}'][aria-checked=false]")
    assert await connection.fetchval("SELECT NOT is_available FROM products WHERE id = $1", dish)

    page.tap(f".link[data-id='{dish}']")
    price = page.find("dialog [inputmode=decimal]")
    # Somebody else is quicker, and changes something else.
    await connection.execute("UPDATE products SET stock = 77 WHERE id = $1", dish)
    price.clear()
    price.send_keys("9,95")
    page.tap("dialog .primary")
    page.until(lambda: "77" in page.text("dialog [role=alert]"), "what has changed")
    page.tap("dialog .primary")
    page.until(lambda: not page.all("dialog"), "saved")
    row = await connection.fetchrow("SELECT price_minor, stock FROM products WHERE id = $1", dish)
    assert tuple(row or ()) == (995, 77)

    page.tap(f".link[data-id='{dish}']")
    chooser = page.find("dialog [type=file]")
    fake = tmp_path / "fake.png"
    fake.write_text("no picture")
    chooser.send_keys(str(fake))
    page.until(lambda: "no es una imagen" in page.text("dialog .picture"), "refusal")
    photograph = tmp_path / "dish.jpg"
    photograph.write_bytes(draw_jpeg("salads", 1, (1600, 1200)))
    chooser.send_keys(str(photograph))
    shown = "return [...document.querySelectorAll('.size img')].map((each) => each.naturalWidth)"
    page.until(lambda: page.run(shown) == [160, 320, 640], "the sizes of phones")
    async with httpx.AsyncClient(base_url=server, trust_env=False) as client:
        product = (await client.get(f"/api/products/{dish}")).json()
    assert (product["picture"]["width"], product["picture"]["height"]) == (1600, 1200)
    # And another page shows it as docs/clients.md says.
    page.run(f"{IMAGE} document.querySelector('main').append(image(arguments[0]))", product)
    asked = "return document.querySelector('main > img').currentSrc"
    page.until(lambda: page.run(asked) in page.run(CANDIDATES), "a picture of its srcset")


async def test_orders_are_filtered_found_by_number_and_exported(
    page: Page, student: Person, tmp_path: Path
) -> None:
    order = await student.order(1)
    page.sign_in("staff1")
    page.go("orders")
    page.find(f".list .link[data-id='{order['id']}']")
    Select(page.find(".filters select")).select_by_value("ready")
    states = "return [...new Set([...document.querySelectorAll('.row:not([hidden]) [data-state]')]"
    states += ".map((each) => each.dataset.state))]"
    page.until(lambda: page.run(states) == ["ready"], "only what is ready")

    page.find(".filters input[type=search]").send_keys(f"{order['id']}\n")
    page.until(lambda: order["pickupCode"] in page.text("dialog h2"), "the order")
    assert order["items"][0]["productName"] in page.text("dialog table")
    page.tap("dialog .choices button")

    save = {"behavior": "allow", "downloadPath": str(tmp_path)}
    page.driver.execute_cdp_cmd("Browser.setDownloadBehavior", save)
    page.tap(".filters button[type=button]")
    [saved] = page.until(lambda: list(tmp_path.glob("comanda-*.csv")), "a file")
    heads, *rows = saved.read_text().splitlines()
    assert heads == "id,createdAt,cafeteriaId,userId,status,totalAmount"
    assert any(row.startswith(f"{order['id']},") for row in rows)


async def test_a_hundred_thousand_rows_are_scrolled_in_a_few_elements(
    page: Page, connection: asyncpg.Connection
) -> None:
    customer = await connection.fetchval("SELECT min(id) FROM users WHERE role = 'customer'")
    await connection.execute(MANY, customer, ROWS)
    oldest = await connection.fetchval(
        "SELECT id FROM orders WHERE cafeteria_id = 1 ORDER BY created_at, id LIMIT 1"
    )
    page.sign_in("staff1")
    page.go("orders")
    page.find(".list .link[data-id]")
    newest = page.text(".list .link[data-id]")

    def heap() -> float:
        page.driver.execute_cdp_cmd("HeapProfiler.collectGarbage", {})
        return float(page.driver.execute_cdp_cmd("Runtime.getHeapUsage", {})["usedSize"])

    begun = page.wait(SCROLL, ROWS // 10)
    before = heap()
    seen = page.wait(SCROLL, 2 * ROWS)
    assert seen["seen"] >= ROWS > begun["seen"]
    assert seen["elements"] <= MOST_ELEMENTS
    assert heap() - before < MOST_GROWTH
    page.find(f".list .link[data-id='{oldest}']")
    # And what was let go of comes again.
    page.run("document.querySelector('.scroll').scrollTop = 0")
    page.find(f".list .link[data-id='{newest}']")


async def test_axe_finds_nothing_on_any_screen_in_light_or_dark(
    page: Page, subtests: pytest.Subtests
) -> None:
    source = axe()
    page.open()

    def look(name: str) -> None:
        for theme, rules in (("light", []), ("dark", ["color-contrast"])):
            page.run("document.documentElement.dataset.theme = arguments[0]", theme)
            with subtests.test(screen=name, theme=theme):
                assert page.wait(CHECK, rules) == []

    page.run(source)
    look("door")
    page.enter("admin1")
    page.find(".connection[data-state=live]")
    for screen in SCREENS:
        page.go(screen)
        page.until(lambda: not page.all("[aria-busy=true]"), "drawn")
        look(screen)
    page.tap(".menu summary")
    look("menu")
    page.go("orders")
    page.tap(".list .link[data-id]")
    page.find("dialog")
    look("order")
    page.tap("dialog .choices button")
    page.go("products")
    page.tap(".list .link[data-id]")
    page.find("dialog")
    look("product")
