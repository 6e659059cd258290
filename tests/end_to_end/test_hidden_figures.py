"""Records that a user may not open change no figure that the user reads: no count, badge, chart, sum or list."""

import logging
import re
from collections.abc import Iterator
from difflib import unified_diff
from urllib.parse import urlencode

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.test import Client as Browser
from django.urls import reverse

from crm.screens.record_admin import RecordAdmin
from tests.cast import browser, make_user
from tests.end_to_end.addresses import ARGUMENTS, OPEN_TO_ALL, make_world, patterns, recalled
from tests.end_to_end.hidden_records import make_records
from tests.end_to_end.test_hidden_records import chart_urls

pytestmark = pytest.mark.django_db
# What differs between two readings of the same page: tokens, times and signed positions.
CHANGING = re.compile(
    r'(?:csrfmiddlewaretoken|name="key|name="as_of)" value="[^"]*"|"csrfToken": "[^"]*"|nonce="[^"]*"'
    r"|(?:after|before)=[\w:%-]+|\d+\s(?:second|minute)s?(?: ago)?|just now|now"
)
# The jobs of the program, for administrators, and the rules for passwords, which tests replace.
NOT_COMPARED = {"procrastinate_procrastinatejob_changelist", "password_change"}


def test_hidden_records_change_no_page_without_a_record(caplog):
    caplog.set_level(logging.CRITICAL, logger="django.request")
    reader, owner = make_user("reader", "agent"), make_user("owner-of-all", "agent")
    reader.user_permissions.set(Permission.objects.exclude(codename="see_everyone"))
    make_world()
    page = browser(reader)
    with recalled(reader):
        urls = list(dict.fromkeys(pages_of_no_record()))
        before = {url: read(page, url) for url in urls}
        make_records(owner)
        differences = {url: difference(before[url], read(page, url)) for url in urls}
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


def read(page: Browser, url: str) -> list[str]:
    """Return the lines of a page, without what changes by itself."""
    answer = page.get(url)
    content = b"".join(answer.streaming_content) if answer.streaming else answer.content
    return CHANGING.sub("…", content.decode(errors="replace")).split("\n")


def difference(before: list[str], after: list[str]) -> list[str]:
    """Return the lines that were added or left out, cut short."""
    lines = unified_diff(before, after, n=0, lineterm="")
    return [line.strip()[:200] for line in lines if line[:1] in "+-" and line[:3] not in {"+++", "---"}][:6]
