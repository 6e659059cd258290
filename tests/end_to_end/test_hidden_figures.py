"""Records that a user may not open change no figure that the user reads: no count, badge, chart, sum or list."""

import logging
import re
from collections.abc import Iterator
from difflib import unified_diff
from unittest import mock
from urllib.parse import urlencode

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.test import Client as Browser
from django.urls import reverse
from django.utils import timezone

from crm.screens.record_admin import RecordAdmin
from tests.cast import browser, make_user
from tests.end_to_end.addresses import ARGUMENTS, OPEN_TO_ALL, make_world, patterns, recalled
from tests.end_to_end.hidden_records import make_records
from tests.end_to_end.test_hidden_records import chart_urls

pytestmark = pytest.mark.django_db
# What differs between two readings of the same page: tokens and signed positions.
CHANGING = re.compile(
    r'(?:csrfmiddlewaretoken|name="key)" value="[^"]*"|"csrfToken": "[^"]*"|nonce="[^"]*"|(?:after|before)=[\w:%-]+'
)
# The jobs of the program, for administrators; the own sessions, of which another one reads the pages again.
NOT_COMPARED = {"procrastinate_procrastinatejob_changelist", "own_sessions"}


def test_hidden_records_change_no_page_without_a_record(caplog):
    caplog.set_level(logging.CRITICAL, logger="django.request")
    reader, owner = make_user("reader", "agent"), make_user("owner-of-all", "agent")
    reader.user_permissions.set(Permission.objects.exclude(codename="see_everyone"))
    make_world()
    # Pages show how long ago things were, and offer times from now on.
    with recalled(reader), mock.patch("django.utils.timezone.now", return_value=timezone.now()):
        urls = list(dict.fromkeys(pages_of_no_record()))
        before = read_pages(browser(reader), urls)
        make_records(owner)
        # A session of its own: messages about the first reading are for that one.
        after = read_pages(browser(reader), urls)
    differences = {url: difference(before[url], after[url]) for url in urls}
    assert len(urls) > 150
    changed = {url: lines for url, lines in differences.items() if lines}
    assert not changed, "\n".join(f"{url}: {lines}" for url, lines in changed.items())


def pages_of_no_record() -> Iterator[str]:
    """Yield the pages that are not about one record: lists by each tab, filters, charts, reports and Today."""
    for pattern in patterns():
        if (
            pattern.name
            and not pattern.pattern.converters
            and pattern.name not in {*OPEN_TO_ALL, *ARGUMENTS, *NOT_COMPARED}
        ):
            yield reverse(f"admin:{pattern.name}")
    for model, screen in admin.site._registry.items():
        if isinstance(screen, RecordAdmin):
            list_url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
            yield from (f"{list_url}?{urlencode(tab.params)}" for tab in screen.tabs if tab.params)
    yield from chart_urls()


def read_pages(page: Browser, urls: list[str]) -> dict[str, list[str]]:
    """Return the lines of each page, without what changes by itself."""
    answers = ((url, page.get(url)) for url in urls)
    contents = ((url, answer.getvalue() if answer.streaming else answer.content) for url, answer in answers)
    return {url: CHANGING.sub("…", content.decode(errors="replace")).split("\n") for url, content in contents}


def difference(before: list[str], after: list[str]) -> list[str]:
    """Return the lines that were added or left out, cut short."""
    lines = unified_diff(before, after, n=0, lineterm="")
    return [line.strip()[:200] for line in lines if line[:1] in "+-" and line[:3] not in {"+++", "---"}][:6]
