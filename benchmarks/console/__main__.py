"""`python -m benchmarks.console`: the console's budget, and with --screens pictures of it."""

import argparse
import asyncio
import io
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from statistics import median, quantiles
from typing import Any, Final

import asyncpg
from PIL import Image

from benchmarks import page as document
from benchmarks.pictures.application import environment, prepare, start
from benchmarks.servers import data_directory
from bff.objects import store
from bff.settings import from_environment
from domain.catalogue import Catalogue
from domain.database import Cluster, Database, dsn
from domain.events import Outbox
from imaging.facts import facts
from imaging.intake import shelve
from imaging.pyramid import levels
from imaging.shelves import Shelves
from infra.demo import loader
from infra.demo.pictures import draw_jpeg
from infra.local.stack import Stack
from tests.bff.console.page import SCREENS, Page
from tests.browser import browser
from tests.serving import UNLIMITED, free_port

DOCS: Final = Path(__file__).parents[2] / "docs"
ORDERS: Final = 20_000
# As a cheap tablet is slower than this machine.
SLOWDOWN: Final = 4
ROWS: Final = 100_000
# It is scrolled through in so many parts, for no driver waits for long.
PARTS: Final = 20
# Some five rows in each of so many frames.
FLUNG: Final = 220
FRAMES: Final = 400
# CSS pixels.
WINDOWS: Final = {"desktop": (1440, 900), "tablet": (820, 1180)}
THEMES: Final = ("light", "dark")
QUALITY: Final = 75
MANY: Final = """
INSERT INTO orders (user_id, cafeteria_id, status, total_minor, version, created_at, updated_at)
SELECT (SELECT min(id) FROM users WHERE role = 'customer'), 2, 'delivered', 100 + n % 900, 4,
    moment, moment
FROM (SELECT n, now() - interval '1 day' - n * interval '1 second' AS moment
      FROM generate_series(1, $1::integer) AS n) AS made
"""
# Tasks of more than 50 ms keep a finger waiting; what is beyond that is called blocked.
WATCH: Final = """
window.blocked = 0;
new PerformanceObserver((list) => {
  for (const { duration } of list.getEntries()) window.blocked += duration - 50;
}).observe({ type: "longtask", buffered: true });
"""
READY: Final = """
const [selector, done] = arguments;
const look = () => {
  if (document.querySelector(selector)) requestAnimationFrame(() => done(performance.now()));
  else requestAnimationFrame(look);
};
look();
"""
WEIGHT: Final = """
const parts = ["navigation", "resource"].flatMap((kind) => performance.getEntriesByType(kind))
  .filter(({ name }) => new URL(name).pathname.match(/^[/](console|gallery)/));
return [parts.length, parts.reduce((sum, { transferSize }) => sum + transferSize, 0)];
"""
# Down to the last of so many rows, as fast as they come; and then up again as a finger flings.
SCROLL: Final = """
const [most, done] = arguments;
const body = document.querySelector(".list .scroll");
let elements = 0;
const step = () => {
  elements = Math.max(elements, document.querySelectorAll("*").length);
  const seen = Math.ceil((body.scrollTop + body.clientHeight) / 44);
  body.scrollTop = body.scrollHeight;
  if (seen < most) requestAnimationFrame(step);
  else done(elements);
};
step();
"""
FLING: Final = """
const [most, pixels, done] = arguments;
const body = document.querySelector(".list .scroll"), frames = [];
let before = null;
const step = (now) => {
  if (before !== null) frames.push(now - before);
  before = now;
  body.scrollTop -= pixels;
  if (frames.length < most) requestAnimationFrame(step);
  else done(frames);
};
requestAnimationFrame(step);
"""


def main() -> None:
    """Measure and print, with --write into docs/console.md; or show the screens."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.console", description=__doc__)
    parser.add_argument("--write", action="store_true", help="into docs/console.md, too")
    parser.add_argument("--screens", action="store_true", help="into docs/images, and no more")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="comanda-console-") as directory, ExitStack() as stack:
        url = _served(Path(directory), stack)
        if given.screens:
            _screens(url, DOCS / "images")
            return
        text = "\n".join(_budget(url)) + "\n"
    print(text)
    if given.write:
        document.write("console", text, DOCS / "console.md")


def _served(directory: Path, running: ExitStack) -> str:
    servers = running.enter_context(Stack(data_directory(directory), replicas=0))
    given = environment(servers) | UNLIMITED
    asyncio.run(prepare(given))
    asyncio.run(_filled(given))
    peer = start("Comanda", free_port(), given, None)
    running.callback(peer.stop)
    return f"http://127.0.0.1:{peer.port}"


async def _filled(given: dict[str, str]) -> None:
    """The campus, pictures of the first cafeteria's dishes, and a long list at the second one."""
    url = given["COMANDA_DATABASE_URL"]
    await loader.load(url, ORDERS, lambda told: print(told, file=sys.stderr))
    connection = await asyncpg.connect(dsn(url))
    shelves, cluster = Shelves(store(from_environment(given))), Cluster(url, [])
    database = Database(cluster)
    try:
        await connection.execute(MANY, ROWS)
        await connection.execute("ANALYZE orders")
        dishes = await connection.fetch(
            "SELECT products.id, slug FROM products JOIN categories ON category_id = categories.id"
            " WHERE cafeteria_id = 1"
        )
        for product_id, slug in dishes:
            body = draw_jpeg(slug, product_id, (1600, 1200))
            picture = await shelve(shelves, product_id, body, facts(body), levels(body))
            change = await Catalogue(database).hang(product_id, picture)
            # Or the application would prepare them while it is measured.
            await Outbox(database).delivered(change.id)
    finally:
        await connection.close()
        await cluster.close()
        shelves.close()


def _budget(url: str) -> Iterator[str]:
    width, height = WINDOWS["tablet"]
    with browser(f"--window-size={width},{height}") as driver:
        page = Page(driver, url)
        driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": WATCH})
        driver.execute_cdp_cmd("Emulation.setCPUThrottlingRate", {"rate": SLOWDOWN})
        yield f"| on a processor {SLOWDOWN} times slower than this one | requests | bytes |" + (
            " usable after, ms | blocked, ms |"
        )
        yield "|---|---|---|---|---|"
        driver.execute_cdp_cmd("Network.enable", {})
        driver.execute_cdp_cmd("Network.setCacheDisabled", {"cacheDisabled": True})
        yield _visit(page, url, "the door, for the first time", "input[name=email]")
        page.enter("staff1")
        page.find(".connection[data-state=live]")
        yield _visit(page, url, "the board, for the first time", ".card .contents")
        driver.execute_cdp_cmd("Network.setCacheDisabled", {"cacheDisabled": False})
        page.driver.get(f"{url}/console")
        page.find(".card .contents")
        yield _visit(page, url, "the board, again", ".card .contents")
        yield ""
        yield from _scrolled(page)


def _visit(page: Page, url: str, name: str, usable: str) -> str:
    page.driver.get("about:blank")
    page.driver.get(f"{url}/console")
    after = page.wait(READY, usable)
    requests, size = page.run(WEIGHT)
    blocked = page.run("return window.blocked")
    return f"| {name} | {requests} | {size:,.0f} | {after:,.0f} | {blocked:,.0f} |"


def _scrolled(page: Page) -> Iterator[str]:
    page.driver.execute_cdp_cmd("Emulation.setCPUThrottlingRate", {"rate": 1})
    page.sign_in("admin1")
    page.run(
        "arguments[0].value = 2; arguments[0].dispatchEvent(new Event('change'))", _places(page)
    )
    page.go("orders")
    page.find(".list .link[data-id]")
    heaps, elements = [], 0
    for rows in range(ROWS // PARTS, ROWS + 1, ROWS // PARTS):
        elements = max(elements, page.wait(SCROLL, rows))
        heaps.append(_heap(page))
    yield f"| {ROWS:,} orders scrolled through | |"
    yield "|---|---|"
    yield f"| elements of the page, at most | {elements} |"
    first = f"heap after the first {ROWS // PARTS:,}, and after all, MB"
    yield f"| {first} | {heaps[0]:.1f}, {heaps[-1]:.1f} |"
    for rate in (1, SLOWDOWN):
        page.driver.execute_cdp_cmd("Emulation.setCPUThrottlingRate", {"rate": rate})
        frames = page.wait(FLING, FRAMES, FLUNG)
        slow = "" if rate == 1 else f", {rate} times slower"
        told = f"{median(frames):.1f}, {quantiles(frames, n=20)[-1]:.1f}"
        yield f"| time of a frame at {FLUNG} pixels a frame{slow}, ms: median, 95 % | {told} |"


def _places(page: Page) -> Any:
    return page.find("header select")


def _heap(page: Page) -> float:
    page.driver.execute_cdp_cmd("HeapProfiler.collectGarbage", {})
    used = page.driver.execute_cdp_cmd("Runtime.getHeapUsage", {})["usedSize"]
    return float(used) / 1e6


def _screens(url: str, directory: Path) -> None:
    """Each screen by day and by night, on a desk and on a tablet held upright."""
    directory.mkdir(exist_ok=True)
    with browser() as driver:
        page = Page(driver, url)
        page.open()
        for name in ("door", *SCREENS, "product"):
            _show(page, name)
            for device, (width, height) in WINDOWS.items():
                metrics = {
                    "width": width,
                    "height": height,
                    "deviceScaleFactor": 1,
                    "mobile": False,
                }
                driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
                for theme in THEMES:
                    page.run("document.documentElement.dataset.theme = arguments[0]", theme)
                    _keep(page, directory / f"console-{name}-{theme}-{device}.webp")


def _show(page: Page, name: str) -> None:
    if name == "door":
        return
    if name == SCREENS[0]:
        page.enter("admin1")
        page.find(".card .contents")
    elif name == "product":
        page.go("products")
        page.tap(".list .link[data-id]")
        page.until(lambda: page.all("dialog .size img"), "pictures")
    else:
        page.go(name)
    drawn = "return ![...document.images].some((each) => !each.complete)"
    page.until(lambda: not page.all("[aria-busy=true]") and page.run(drawn), "drawn")


def _keep(page: Page, path: Path) -> None:
    # Two frames: the list is drawn in the one after the window has another size.
    page.wait(
        "requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(arguments[0], 200)))"
    )
    Image.open(io.BytesIO(page.driver.get_screenshot_as_png())).convert("RGB").save(
        path, quality=QUALITY, method=6
    )


if __name__ == "__main__":
    main()
