"""A server with the campus, and a browser at its console."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

import pytest
from selenium import webdriver

from bff.settings import Settings
from imaging.shelves import Shelves
from tests.bff.console.page import Page
from tests.bff.realtime.conftest import Person, inside


@contextmanager
def aside(settings: Settings, port: int | None = None) -> Iterator[str]:
    """The application in a thread, for who drives a browser waits without a loop; its URL."""
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever)
    thread.start()
    serving = inside(settings, port)
    try:
        yield asyncio.run_coroutine_threadsafe(serving.__aenter__(), loop).result().url
    finally:
        asyncio.run_coroutine_threadsafe(serving.__aexit__(None, None, None), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.fixture
def server(settings: Settings, shelves: Shelves) -> Iterator[str]:
    """The URL of the application; `shelves` has made its buckets."""
    with aside(settings) as url:
        yield url


@pytest.fixture
def page(driver: webdriver.Chrome, server: str) -> Iterator[Page]:
    """The console, where nothing has gone wrong, and nothing was asked of anybody else, when the
    test is over."""
    page = Page(driver, server)
    yield page
    assert page.errors() == []
    assert page.elsewhere() == []
    driver.get("about:blank")


@pytest.fixture
async def student(server: str) -> Person:
    return await Person.at(server, "student1")


@pytest.fixture
async def staff(server: str) -> Person:
    """Another one of the first cafeteria's."""
    return await Person.at(server, "staff1")
