"""The console as somebody at the counter has it before them."""

import time
from collections.abc import Callable
from typing import Any, Final, TypeVar

from selenium import webdriver
from selenium.common.exceptions import (
    ElementNotInteractableException,
    StaleElementReferenceException,
)
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from infra.demo.campus import PASSWORD

PATIENCE: Final = 30.0
_PAUSE: Final = 0.05
# The browser's own word on answers that are no success.
_OF_THE_NETWORK: Final = "network"
_ASKED: Final = "return performance.getEntriesByType('resource').map(({ name }) => name)"
SCREENS: Final = ("board", "orders", "transactions", "products", "reports", "health")

T = TypeVar("T")


class Page:
    """A browser at the console of one server."""

    def __init__(self, driver: webdriver.Chrome, url: str) -> None:
        self.driver = driver
        self._url = url

    def open(self) -> None:
        """The door, as nobody has been here before."""
        self.driver.get(f"{self._url}/console/README")
        self.run("localStorage.clear(); sessionStorage.clear()")
        self.driver.get(f"{self._url}/console")
        self.find("input[name=email]")

    def enter(self, account: str) -> None:
        """Try to sign in."""
        self.find("input[name=email]").send_keys(f"{account}@campus.example")
        self.find("input[name=password]").send_keys(f"{PASSWORD}\n")

    def sign_in(self, account: str) -> None:
        """Be at the board, live."""
        self.open()
        self.enter(account)
        self.find(".connection[data-state=live]")

    def go(self, screen: str) -> None:
        """To another screen, by its link."""
        self.find(f"nav a[href='#/{screen}']").click()
        self.find(f"main[data-screen={screen}]")

    def find(self, selector: str) -> WebElement:
        """The first that there is of it, as soon as there is one."""
        found = self.until(lambda: self.all(selector), selector)
        return found[0]

    def all(self, selector: str) -> list[WebElement]:
        """All that there are now."""
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def text(self, selector: str) -> str:
        """The words in it, as soon as they are seen: what has just come fades in."""
        return self.until(lambda: self.find(selector).text, f"words in {selector}")

    def tap(self, selector: str) -> None:
        """Press it, though it may be drawn anew meanwhile."""

        def pressed() -> bool:
            self.find(selector).click()
            return True

        self.until(pressed, selector)

    def run(self, script: str, *arguments: Any) -> Any:
        """What a script in the page returns."""
        return self.driver.execute_script(script, *arguments)

    def wait(self, script: str, *arguments: Any) -> Any:
        """What a script hands to its last argument."""
        return self.driver.execute_async_script(script, *arguments)

    def until(self, what: Callable[[], T], told: str) -> T:
        """What it gives as soon as that is something."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                if found := what():
                    return found
            except (ElementNotInteractableException, StaleElementReferenceException):
                # It is drawn anew, or not to be reached yet.
                pass
            assert time.monotonic() < deadline, f"not there: {told}\n{self.errors()}"
            time.sleep(_PAUSE)

    def size(self, width: int, height: int) -> None:
        """Have a window of so many CSS pixels."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def elsewhere(self) -> list[str]:
        """What the page has asked of anybody but the server."""
        asked: list[str] = self.run(_ASKED)
        return [each for each in asked if not each.startswith((self._url, "data:", "blob:"))]

    def errors(self) -> list[str]:
        """What the console of the browser was told since it was looked at last."""
        told: list[dict[str, str]] = self.driver.get_log("browser")  # type: ignore[no-untyped-call]
        return [each["message"] for each in told if each["source"] != _OF_THE_NETWORK]
