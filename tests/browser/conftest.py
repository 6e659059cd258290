"""A real browser for the screen tests."""

import os
import shutil
from collections.abc import Iterator

import pytest
from django.conf import settings
from django.db import connections
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from crm.models import User
from tests.cast import begin_session

# Tells what the Content-Security-Policy forbids, also in the frames of a page, as an error of the console.
REPORT_VIOLATIONS = """addEventListener("securitypolicyviolation", (event) => console.error(
  `Content-Security-Policy: ${event.effectiveDirective} forbids ${event.blockedURI} in ${event.sourceFile}`))"""
# Alpine only warns of an expression that it cannot read.
FAULTS_IN_CONSOLE = ("Content-Security-Policy", "Content Security Policy", "Alpine")
# The headless shell is Chromium without the windows and menus that no test sees, at a quarter of the processor time.
PROGRAMS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]


def chromium() -> str | None:
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


@pytest.fixture(scope="package")
def chrome(django_db_setup) -> Iterator[Browser]:
    """The browser, closed after this folder: its event loop would disturb tests that run their own."""
    path = chromium()
    assert path or not os.environ.get("CI"), "Chromium is missing: .ci/run installs it"
    if not path:
        pytest.skip("no Chromium on this machine: install the package chromium-headless-shell")
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        # Playwright's synchronous API runs an event loop in the test's thread, where Django does not expect one.
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()
        connections["default"].close()


def is_fault(line: ConsoleMessage) -> bool:
    return line.type in {"error", "warning"} and any(word in line.text for word in FAULTS_IN_CONSOLE)


def session_cookie(user: User, url: str) -> dict[str, str]:
    """Return the cookie of a user who has logged in, which spares the form and its page."""
    return {"name": settings.SESSION_COOKIE_NAME, "value": begin_session(user).session_key, "url": url}


@pytest.fixture
def opened(chrome, live_server):
    """Return a function that opens the first page of a user who has logged in; for None, of a visitor.

    Every script error fails the test, and everything that a page tries and its policy forbids.
    """
    contexts, errors = [], []

    def open_as(user, *, width: int = 1280, dark: bool = False, scripts: bool = True) -> Page:
        context = chrome.new_context(
            viewport={"width": width, "height": 900}, base_url=live_server.url, java_script_enabled=scripts
        )
        contexts.append(context)
        context.add_init_script(REPORT_VIOLATIONS)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda line: errors.append(f"{line.text} on {page.url}") if is_fault(line) else None)
        if dark:
            page.add_init_script("localStorage.setItem('adminTheme', JSON.stringify('dark'))")
        if user is not None:
            context.add_cookies([session_cookie(user, live_server.url)])
        page.goto("/")
        return page

    yield open_as
    for context in contexts:
        context.close()
    assert errors == []
