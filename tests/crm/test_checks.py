"""Django's checks cover the screens, although starting imports none of them."""

from django.contrib import admin
from django.core.checks import Tags, run_checks

from crm.models import SavedView


def test_broken_screen_is_reported(monkeypatch):
    monkeypatch.setattr(admin.site._registry[SavedView], "list_display", ["no_such_column"])
    assert [error.id for error in run_checks(tags=[Tags.admin])] == ["admin.E108"]


def test_check_imports_the_screens_first(monkeypatch):
    imported = []
    monkeypatch.setattr(admin, "autodiscover", lambda: imported.append("screens"))
    run_checks(tags=[Tags.admin])
    assert imported == ["screens"]
