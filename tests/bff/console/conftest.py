"""A server with the campus, and a browser at its console."""

from collections.abc import AsyncIterator, Iterator

import pytest
from selenium import webdriver

from bff.settings import Settings
from imaging.shelves import Shelves
from tests.bff.console.page import Page
from tests.bff.realtime.conftest import Person, running
from tests.browser import browser
from tests.serving import UNLIMITED, free_port, until_healthy


@pytest.fixture
async def server(
    settings: Settings, shelves: Shelves, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[str]:
    """The URL of a process of the application."""
    for name, none in UNLIMITED.items():
        monkeypatch.setenv(name, none)
    with running(settings, [free_port()]) as [url]:
        await until_healthy(url)
        yield url


@pytest.fixture(scope="module")
def driver() -> Iterator[webdriver.Chrome]:
    """A browser of a tablet's size."""
    with browser("--window-size=1180,820") as driver:
        yield driver


@pytest.fixture
def page(driver: webdriver.Chrome, server: str) -> Iterator[Page]:
    """The console, where nothing has gone wrong when the test is over."""
    page = Page(driver, server)
    yield page
    assert page.errors() == []
    driver.get("about:blank")


@pytest.fixture
async def student(server: str) -> Person:
    return await Person.at(server, "student1")


@pytest.fixture
async def staff(server: str) -> Person:
    """Another one of the first cafeteria's."""
    return await Person.at(server, "staff1")
