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
from tests.bff.console.conftest import aside
from tests.bff.console.npm import axe
from tests.bff.console.page import SCREENS, Page
from tests.bff.realtime.clients import WEBSOCKET, clients
from tests.bff.realtime.conftest import Person
from tests.browser import needs_browser
from tests.clients_page import snippets
from tests.serving import free_port

pytestmark = needs_browser

# Rows that are scrolled through at a time.
PART: Final = 5000
# Elements of the page, and bytes that are left of all rows but a part: their cursors.
MOST_ELEMENTS: Final = 600
MOST_GROWTH: Final = 1_000_000
# Of which the bell is.
NOTES: Final = 2
MANY: Final = """
INSERT INTO orders (user_id, cafeteria_id, status, total_minor, version, created_at, updated_at)
SELECT (SELECT min(id) FROM users WHERE role = 'customer'), 1, 'delivered', 100 + n % 900, 4,
    moment, moment
FROM (SELECT n, now() - interval '1 day' - n * interval '1 second' AS moment
      FROM generate_series(1, $1::integer) AS n) AS made
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
# Counts each note of the bell.
LISTEN: Final = """
window.notes = 0;
const { start } = OscillatorNode.prototype;
OscillatorNode.prototype.start = function (...given) {
  window.notes += 1;
  start.apply(this, given);
};
"""
# What would run if a name were read as markup, and not as the words that it is.
HOSTILE: Final = "<img src=x onerror=window.hurt=1>"
RENAMES: Final = (
    "UPDATE users SET name = $1 || id",
    "UPDATE products SET name = $1 || id",
    "UPDATE categories SET name = $1 || id",
    "UPDATE cafeterias SET name = $1 || id",
)
LISTS: Final = ("orders", "transactions", "products")
HURT: Final = "return [window.hurt ?? null, document.querySelectorAll('img[src=x]').length]"
IMAGE: Final = snippets()["image.js"].replace("export ", "")
CANDIDATES: Final = """
return document.querySelector("main > img").srcset.split(", ")
  .map((each) => new URL(each.split(" ")[0], location).href);
"""
# That is there, and not on its way.
ROW: Final = ".row:not([hidden], [aria-busy=true])"
STATES: Final = f"""
return [...new Set([...document.querySelectorAll("{ROW} [data-state]")]
  .map((each) => each.dataset.state))];
"""
NUMBERS: Final = f"""
return [...document.querySelectorAll("{ROW} .link")].map((each) => Number(each.dataset.id));
"""
KEPT: Final = "return sessionStorage.getItem('comanda-console-session')"
SIGN_OUT: Final = """
import("/console/session.js").then(({ session }) => session.signOut()).then(arguments[0]);
"""
CHECK: Final = """
const [done] = arguments;
axe.run(document).then(({ violations }) =>
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
        # The news have neither items nor a name: they come behind.
        page.until(lambda: order["items"][0]["productName"] in page.text(card), "items")
        assert page.text(f"{card} .customer")
        page.until(lambda: page.text(figure) == str(placed + 1), "one more")

        page.tap(f"{card} .primary")
        page.find(column("accepted", order["id"]))
        heard = await phones.next("phone", "order:accepted")
        assert heard["orderId"] == order["id"]
        # It comes to nothing, and both sides are told why.
        page.tap(f"{column('accepted', order['id'])} .quiet")
        page.find("dialog [name=reason]").send_keys(" \n")
        assert page.all("dialog")
        page.tap("dialog .usual button")
        page.tap("dialog .danger")
        page.until(lambda: not page.all(f"[data-order='{order['id']}']"), "gone")
        heard = await phones.next("phone", "order:updated")
        assert (heard["status"], heard["reason"]) == ("cancelled", "Se ha agotado")
        assert "Cancelado (Se ha agotado)" in page.text(".message")
        # The answer to the move may be quicker than the news of it.
        page.until(lambda: page.text(figure) == str(placed), "one less")


async def test_a_new_order_is_heard_and_counted_wherever_one_looks_unless_that_is_not_wanted(
    page: Page, student: Person
) -> None:
    page.sign_in("staff1")
    # And touched, without which no page may sound.
    page.go("products")
    page.run(LISTEN)
    waiting = len(page.run("return [...document.title.matchAll(/[0-9]+/g)]"))
    assert waiting == 0
    await student.order(1)
    page.until(lambda: page.driver.title == "(1) Productos · Comanda", "counted")
    page.until(lambda: page.run("return window.notes") == NOTES, "heard")
    page.tap(".menu summary")
    for switch in page.all(".menu [role=switch]"):
        switch.click()
    assert page.driver.title == "Productos · Comanda"
    order = await student.order(1)
    page.go("board")
    page.find(column("created", order["id"]))
    assert page.driver.title == "Comandas · Comanda"
    assert page.run("return window.notes") == NOTES


async def test_who_is_second_sees_what_the_first_has_done(
    page: Page, student: Person, staff: Person
) -> None:
    theirs, order = await student.order(1), await student.order(1)
    page.sign_in("staff1")
    card = column("created", order["id"])
    page.find(card)
    # Who prepares it sees that nobody wants it any more, and why.
    await student.cancel(theirs, "Me he equivocado")
    page.until(lambda: "Cancelado (Me he equivocado)" in page.text(".message"), "why")
    assert not page.all(f"[data-order='{theirs['id']}']")
    # Nothing is heard any more of what others do.
    page.run("import('/console/live.js').then(({ live }) => live.close())")
    page.find(".connection[data-state=lost]")
    await staff.move(order, "rejected")
    page.tap(f"{card} .primary")
    page.until(lambda: "Rechazado" in page.text(".message.bad"), "what it is by now")
    page.until(lambda: not page.all(f"[data-order='{order['id']}']"), "gone")


async def test_a_restart_of_the_server_is_shown_and_caught_up_with(
    settings: Settings, shelves: Shelves, driver: webdriver.Chrome, connection: asyncpg.Connection
) -> None:
    port = free_port()
    page = Page(driver, f"http://127.0.0.1:{port}")
    with aside(settings, port) as url:
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
    with aside(settings, port):
        page.find(column("created", order))
        page.find(".connection[data-state=live]")
        page.tap(f"{column('created', order)} .primary")
        page.find(column("accepted", order))
        driver.get("about:blank")
    assert page.errors() == []


async def test_only_the_counter_is_let_in_and_a_session_that_is_over_is_told_of(
    page: Page, student: Person, connection: asyncpg.Connection
) -> None:
    await connection.execute("DELETE FROM sessions")
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
    assert set(kept) == {"language", "theme", "sound", "badge", "cafeteria"}
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
    assert page.run(KEPT) is None


async def test_of_who_leaves_nothing_is_left_for_who_comes_next(
    page: Page, student: Person, connection: asyncpg.Connection
) -> None:
    page.sign_in("staff1")
    order, other = await student.order(1), await student.order(1)
    page.find(column("created", order["id"]))
    await student.cancel(order, "Nobody else's business")
    page.until(lambda: "Nobody else's business" in page.text(".message"), "told")
    page.tap(f"{column('created', other['id'])} .code")
    page.find("dialog .facts")
    sessions = await connection.fetchval("SELECT count(*) FROM sessions")
    page.wait(SIGN_OUT)
    page.find("input[name=email]")
    assert not page.all("dialog, .message, .card")
    assert page.run(KEPT) is None
    assert await connection.fetchval("SELECT count(*) FROM sessions") == sessions - 1
    page.enter("staff20")
    page.find(".connection[data-state=live]")
    assert not page.all(".message")
    page.wait(SIGN_OUT)
    page.find("input[name=email]")
    page.driver.back()
    page.driver.forward()
    page.find("input[name=email]")


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
    await connection.execute("UPDATE products SET description = 'Sin sal' WHERE id = $1", dish)
    price.clear()
    price.send_keys("9,95")
    page.tap("dialog .primary")
    page.until(lambda: "Sin sal" in page.text("dialog [role=alert]"), "what has changed")
    # That some of it was sold since is nobody's change.
    await connection.execute("UPDATE products SET stock = 77 WHERE id = $1", dish)
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
    shown = "return [...document.querySelectorAll('.size img')].map((each) => each.naturalWidth)"
    await connection.execute("UPDATE products SET stock = 55 WHERE id = $1", dish)
    chooser.send_keys(str(photograph))
    page.until(lambda: page.run(shown) == [160, 320, 640], "the sizes of phones")
    # And now: with the picture came what else has changed.
    stock = page.find("dialog [type=number]")
    page.until(lambda: stock.get_attribute("value") == "55", "what is left")
    async with httpx.AsyncClient(base_url=server, trust_env=False) as client:
        product = (await client.get(f"/api/products/{dish}")).json()
    assert (product["picture"]["width"], product["picture"]["height"]) == (1600, 1200)
    # And another page shows it as docs/clients.md says.
    page.run(f"{IMAGE} document.querySelector('main').append(image(arguments[0]))", product)
    asked = "return document.querySelector('main > img').currentSrc"
    page.until(lambda: page.run(asked) in page.run(CANDIDATES), "a picture of its srcset")


async def test_orders_and_money_are_filtered_found_and_exported(
    page: Page, student: Person, tmp_path: Path
) -> None:
    order = await student.order(1)
    page.sign_in("staff1")
    page.go("orders")
    page.find(f".list .link[data-id='{order['id']}']")
    Select(page.find(".filters select")).select_by_value("ready")
    page.until(lambda: page.run(STATES) == ["ready"], "only what is ready")

    Select(page.find(".filters select")).select_by_value("")
    who = page.find(".filters input[type=search]")
    who.send_keys(order["pickupCode"].lower())
    page.until(lambda: page.run(NUMBERS) == [order["id"]], "the only one of that code")

    page.find(".filters [inputmode=numeric]").send_keys(f"{order['id']}\n")
    page.until(lambda: order["pickupCode"] in page.text("dialog h2"), "the order")
    assert order["items"][0]["productName"] in page.text("dialog table")
    page.tap("dialog .choices button")

    save = {"behavior": "allow", "downloadPath": str(tmp_path)}
    page.driver.execute_cdp_cmd("Browser.setDownloadBehavior", save)
    Select(page.find(".filters select")).select_by_value("created")
    page.tap(".filters button[type=button]")
    heads, *rows = saved(page, tmp_path, "comanda-2*.csv")
    assert heads == "id,createdAt,cafeteriaId,userId,status,totalAmount"
    assert any(row.startswith(f"{order['id']},") for row in rows)
    assert {row.split(",")[4] for row in rows} == {"created"}

    page.go("transactions")
    page.find(".filters [inputmode=numeric]").send_keys(f"{order['id']}\n")
    page.until(lambda: page.run(NUMBERS) == [order["id"]], "what was paid for it")
    assert "Pago" in page.text(f"{ROW}:not(.head)")
    page.tap(f"{ROW} .link")
    page.until(lambda: order["pickupCode"] in page.text("dialog h2"), "the order")
    page.tap("dialog .choices button")

    page.go("products")
    page.tap(".filters button[type=button]")
    heads, *rows = saved(page, tmp_path, "comanda-productos.csv")
    assert heads == "id,cafeteriaId,category,name,price,stock,isAvailable"
    assert any(order["items"][0]["productName"] in row for row in rows)


def saved(page: Page, directory: Path, name: str) -> list[str]:
    """The lines of a file that the browser was told to save. It keeps the name by an empty file, to
    which it moves what has come."""
    [path] = page.until(
        lambda: [each for each in directory.glob(name) if each.stat().st_size], name
    )
    return path.read_text().splitlines()


# As many as are asked for take a minute: only `make test-long` has patience for it.
@pytest.mark.parametrize("rows", [10_000, pytest.param(100_000, marks=pytest.mark.long)])
async def test_a_list_of_any_length_is_scrolled_in_a_few_elements(
    page: Page, connection: asyncpg.Connection, rows: int
) -> None:
    await connection.execute(MANY, rows)
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

    # In parts, for no driver waits for long.
    page.wait(SCROLL, PART)
    before = heap()
    for most in (*range(2 * PART, rows, PART), 2 * rows):
        seen = page.wait(SCROLL, most)
        assert seen["elements"] <= MOST_ELEMENTS
    assert seen["seen"] >= rows
    assert heap() - before < MOST_GROWTH
    page.find(f".list .link[data-id='{oldest}']")
    # And what was let go of comes again.
    page.run("document.querySelector('.scroll').scrollTop = 0")
    page.find(f".list .link[data-id='{newest}']")


async def test_axe_finds_nothing_on_any_screen_and_no_name_is_read_as_markup(
    page: Page, student: Person, connection: asyncpg.Connection, subtests: pytest.Subtests
) -> None:
    for rename in RENAMES:
        await connection.execute(rename, HOSTILE)
    undone = await student.order(1)
    source = axe()
    page.open()

    def look(name: str) -> None:
        # As the tablet lies, and as it stands.
        for theme, size in (("light", (1180, 820)), ("dark", (820, 1180))):
            page.size(*size)
            page.run("document.documentElement.dataset.theme = arguments[0]", theme)
            with subtests.test(screen=name, theme=theme):
                assert page.wait(CHECK) == []
        page.size(1180, 820)
        assert page.run(HURT) == [None, 0]

    page.run(source)
    look("door")
    page.enter("admin1")
    page.find(".connection[data-state=live]")
    page.find(column("created", undone["id"]))
    await student.cancel(undone, HOSTILE)
    page.until(lambda: HOSTILE in page.text(".message"), "why")
    # An address that leads nowhere leads to the board.
    page.run("location.hash = '#/constructor'")
    page.find("main[data-screen=board]")
    for screen in SCREENS:
        page.go(screen)
        page.until(lambda: not page.all("[aria-busy=true]"), "drawn")
        look(screen)
        if screen in LISTS:
            page.until(lambda: HOSTILE in page.text(".list .scroll"), "names")
    page.tap(".menu summary")
    look("menu")
    page.go("board")
    card = column("created", (await student.order(1))["id"])
    page.until(lambda: HOSTILE in page.text(f"{card} .contents"), "items")
    assert HOSTILE in page.text(f"{card} .customer")
    page.tap(f"{card} .quiet")
    page.find("dialog [name=reason]")
    look("reason")
    page.tap("dialog .choices button")
    page.go("orders")
    page.tap(f".list .link[data-id='{undone['id']}']")
    page.find("dialog")
    assert HOSTILE in page.text("dialog .facts")
    look("order")
    page.tap("dialog .choices button")
    page.go("products")
    page.tap(".list .link[data-id]")
    page.find("dialog")
    look("product")
    page.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
