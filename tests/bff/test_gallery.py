"""The gallery in a real browser: the right width and format, and nothing that shifts."""

from collections.abc import AsyncIterator
from typing import NamedTuple, cast

import pytest
from selenium import webdriver

from bff.settings import Settings
from domain.catalogue import Catalogue
from domain.database import Cluster, Database
from imaging.facts import facts
from imaging.intake import shelve
from imaging.pyramid import levels
from imaging.shelves import Shelves
from infra.demo.pictures import draw_jpeg
from tests.browser import needs_browser
from tests.serving import free_port, running, until_healthy

DISHES = 6
# The candidates of an original 1600 pixels wide.
OFFERED = (160, 320, 480, 640, 800, 1080, 1600)
# Windows in CSS pixels, and the screen's pixels to one of them.
SCREENS = [(390, 1), (390, 2), (390, 3), (700, 1), (1200, 1), (1200, 2), (1200, 3), (1920, 2)]


@pytest.fixture
async def gallery(settings: Settings, shelves: Shelves) -> AsyncIterator[str]:
    """The URL of a real server whose first dishes have pictures."""
    cluster = Cluster(settings.database_url, [])
    for product_id in range(1, DISHES + 1):
        body = draw_jpeg("salads", product_id, (1600, 1200))
        picture = await shelve(shelves, product_id, body, facts(body), levels(body))
        await Catalogue(Database(cluster)).hang(product_id, picture)
    await cluster.close()
    with running(settings, [free_port()]) as (url,):
        await until_healthy(url)
        yield f"{url}/gallery"


WATCH_SHIFTS = """
window.shift = 0; window.errors = [];
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shift += entry.value;
}).observe({ type: "layout-shift", buffered: true });
const told = (event) => window.errors.push(String(event.message || event.target.src));
addEventListener("error", told, true);
"""
ALL_LOADED = """
const resolve = arguments[arguments.length - 1];
const look = () => {
  const images = [...document.querySelectorAll(".dish img")];
  for (const image of images) image.loading = "eager";
  const told = images.filter((image) => image.complete && image.dataset.format);
  if (images.length && told.length === images.length) resolve(images.length);
  else setTimeout(look, 50);
};
look();
"""
SHOWN = """
return [...document.querySelectorAll(".dish img")].map((image) => ({
  asked: Number(new URL(image.currentSrc).searchParams.get("w")),
  wanted: image.clientWidth * devicePixelRatio,
  natural: image.naturalWidth,
  format: image.dataset.format,
  blurred: image.parentElement.style.backgroundImage.startsWith("url(\\"data:image/png"),
}))
"""


class Seen(NamedTuple):
    """How many dishes were loaded, how each is shown, by how much they shifted, and errors."""

    loaded: int
    shown: list[dict[str, object]]
    shift: float
    errors: list[str]


def visit(page: webdriver.Chrome, gallery: str, width: int, density: int) -> Seen:
    """The gallery in a window of `width` CSS pixels at `density` pixels each, anew."""
    screen = {"width": width, "height": 900, "deviceScaleFactor": density, "mobile": width < 700}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    page.execute_cdp_cmd("Network.clearBrowserCache", {})
    page.get("about:blank")
    page.get(gallery)
    loaded = page.execute_async_script(ALL_LOADED)
    shift, errors = page.execute_script("return [window.shift, window.errors]")
    return Seen(loaded, page.execute_script(SHOWN), shift, errors)


@needs_browser
async def test_the_browser_picks_the_width_it_needs_and_nothing_shifts(
    gallery: str, driver: webdriver.Chrome, subtests: pytest.Subtests
) -> None:
    watch = {"source": WATCH_SHIFTS}
    watching = driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", watch)
    every = [visit(driver, gallery, *screen) for screen in SCREENS]
    driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", watching)
    driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    driver.get("about:blank")
    for (width, density), seen in zip(SCREENS, every, strict=True):
        with subtests.test(width=width, density=density):
            assert seen.loaded == DISHES
            # What `sizes` says of this width: the candidate that covers it at this density.
            slot = (width if width <= 640 else min(width * 0.33, 389)) * density
            expected = next((size for size in OFFERED if size >= slot), OFFERED[-1])
            for each in seen.shown:
                assert each["asked"] == expected, each
                # And `sizes` says what the page really does, or the picture would be another's.
                assert abs(cast("float", each["wanted"]) - slot) <= 0.1 * slot
                assert each["format"] in ("avif", "webp")
                assert each["blurred"]
            assert (seen.shift, seen.errors) == (0, [])
