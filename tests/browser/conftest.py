"""A real browser for the screen tests."""

import os
import shutil
from collections.abc import Iterator

import pytest
from django.db import connections
from playwright.sync_api import Browser, Page, sync_playwright

from tests.cast import PASSWORD

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]


def chromium() -> str | None:
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture(scope="package")
def chrome(django_db_setup) -> Iterator[Browser]:
    """The browser, closed after this folder: its event loop would disturb tests that run their own."""
    path = chromium()
    assert path or not os.environ.get("CI"), "Chromium is missing: .ci/run installs it"
    if not path:
        pytest.skip("no Chromium on this machine: install the package chromium")
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        # Playwright's synchronous API runs an event loop in the test's thread, where Django does not expect one.
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()
        connections["default"].close()


@pytest.fixture
def opened(chrome, live_server):
    """Return a function that logs a user in and returns the page. Every script error fails the test."""
    contexts, errors = [], []

    def open_as(user, *, width: int = 1280, dark: bool = False, scripts: bool = True) -> Page:
        context = chrome.new_context(
            viewport={"width": width, "height": 900}, base_url=live_server.url, java_script_enabled=scripts
        )
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto("/login/")
        if dark:
            page.evaluate("localStorage.setItem('adminTheme', JSON.stringify('dark'))")
        page.fill("#id_username", user.username)
        page.fill("#id_password", PASSWORD)
        page.click("button[type=submit]")
        page.wait_for_url("**/")
        return page

    yield open_as
    for context in contexts:
        context.close()
    assert errors == []
