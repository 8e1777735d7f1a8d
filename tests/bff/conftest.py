"""A browser, one for all tests of a worker that look at pages."""

from collections.abc import Iterator

import pytest
from selenium import webdriver

from tests.browser import browser


@pytest.fixture(scope="session")
def driver() -> Iterator[webdriver.Chrome]:
    """A browser of a tablet's size."""
    with browser("--window-size=1180,820") as driver:
        yield driver
