"""Django's checks find nothing, and cover the screens, although starting imports none of them."""

from io import StringIO

from django.contrib import admin
from django.core.checks import Tags, run_checks
from django.core.management import call_command

from crm.models import SavedView


def test_checks_find_nothing():
    assert run_checks() == []


def test_models_have_no_change_without_migration(db):
    output = StringIO()
    # It ends the program where there is a change.
    call_command("makemigrations", check=True, dry_run=True, stdout=output)
    assert output.getvalue() == "No changes detected\n"


def test_broken_screen_is_reported(monkeypatch):
    monkeypatch.setattr(admin.site._registry[SavedView], "list_display", ["no_such_column"])
    assert [error.id for error in run_checks(tags=[Tags.admin])] == ["admin.E108"]


def test_check_imports_the_screens_first(monkeypatch):
    imported = []
    monkeypatch.setattr(admin, "autodiscover", lambda: imported.append("screens"))
    run_checks(tags=[Tags.admin])
    assert imported == ["screens"]
