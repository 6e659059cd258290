"""`manage.py demo`: what is loaded, when, and what it leaves alone."""

import json
from datetime import date, datetime, timedelta
from io import StringIO
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from django.apps import apps
from django.contrib.auth import authenticate
from django.core.management import CommandError, call_command
from django.db import transaction
from django.test import override_settings
from django.utils import timezone

from crm.models import Client, Contact, User
from demo import agency
from inbox.models import Message, Thread
from leads.models import Lead, Task
from suggestions.models import Suggestion
from suggestions.transitions import content_digest
from support.models import SupportTicket
from tests.cast import make_contact, make_user

pytestmark = pytest.mark.django_db
# What it hashes with is not the question here, and the real hashers are slow on purpose.
HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
TABLES = {row["model"] for row in agency.fixture_rows()}


@pytest.fixture(autouse=True)
def development(settings):
    settings.DEBUG = True
    settings.PASSWORD_HASHERS = HASHERS


def run():
    said = StringIO()
    call_command("demo", stdout=said)
    return said.getvalue()


def counts():
    return {table: apps.get_model(table)._base_manager.count() for table in TABLES}


@pytest.fixture(scope="class")
def output(django_db_setup, django_db_blocker):
    """Load the demo for the tests of a class; return what the command printed."""
    development = override_settings(DEBUG=True, PASSWORD_HASHERS=HASHERS)
    with django_db_blocker.unblock(), development, transaction.atomic():
        yield run()
        transaction.set_rollback(True)


@pytest.mark.usefixtures("db")
class TestLoadedDemo:
    """The demo is loaded once for these."""

    def test_demo_prints_a_working_login_for_every_role(self, output):
        table = [line.split("  ") for line in output.splitlines() if line.startswith("  ")]
        logins = [[cell.strip() for cell in line if cell.strip()] for line in table[1:]]
        assert {role for _, _, role, _ in logins} == {"viewer", "agent", "manager", "schema admin", "administrator"}
        for username, name, role, password in logins:
            user = authenticate(username=username, password=password)
            assert (user.get_full_name(), [group.name for group in user.groups.all()]) == (name, [role])
            assert user.is_staff
            assert not user.is_superuser

    def test_second_run_adds_nothing(self, output):
        assert f"{len(agency.fixture_rows()):,} rows" in output
        before = counts()
        assert "Nothing was changed" in run()
        assert counts() == before
        assert sum(before.values()) == len(agency.fixture_rows())

    def test_second_run_keeps_user_changes(self, output):
        lead = Lead.objects.get(contact_name="Grace Holloway")
        Lead.objects.filter(pk=lead.pk).update(notes="Called her.")
        Client.everything.get(name="Eleanor Pruitt").delete()
        dana = User.objects.get(username="dana")
        dana.set_password("something of her own")
        dana.save()
        assert "(changed)" in next(line for line in run().splitlines() if "dana" in line)
        lead.refresh_from_db()
        assert lead.notes == "Called her."
        assert not Client.everything.filter(name="Eleanor Pruitt").exists()

    def test_new_records_sort_above_demo_records(self, output):
        thread = Thread.objects.create(source="NOTE", subject="New")
        assert thread.pk > max(Thread.objects.exclude(pk=thread.pk).values_list("pk", flat=True))
        new = Lead.objects.create(contact_name="Nora New")
        assert new.rank < min(Lead.objects.exclude(pk=new.pk).values_list("rank", flat=True))


def test_demo_is_refused_without_debug(settings):
    settings.DEBUG = False
    with pytest.raises(CommandError, match="with DEBUG on"):
        run()
    assert not User.objects.exists()


def test_existing_username_is_refused():
    make_user("dana", "agent")
    with pytest.raises(CommandError, match="these usernames are taken: dana"):
        run()
    assert User.objects.count() == 1


def test_refused_row_rolls_back_everything():
    make_contact(email="JAMAL.whitaker@example.com")
    with pytest.raises(CommandError, match="Another contact already has this address"):
        run()
    assert (User.objects.count(), Client.objects.count(), Contact.objects.count()) == (0, 0, 1)


def test_dates_shift_and_keep_their_hour(settings):
    settings.TIME_ZONE = "America/Chicago"
    today = date(2031, 7, 4)
    with timezone.override(ZoneInfo("America/Chicago")):
        agency.load_demo(today)
    eve = today - timedelta(days=1)
    accepted = Message.objects.get(body_text__startswith="Anika,\n\nRuss and I have read every page")
    assert accepted.sent_at == datetime(2031, 7, 3, 7, 38, tzinfo=ZoneInfo("America/Chicago"))
    assert f"\nOn {eve - timedelta(days=6)} at 09:30, Anika Bose" in accepted.body_text
    lead = Lead.objects.get(company_name="Whitcomb Orchards")
    assert "2031-07-03T07:38:00-05:00" in {signal["timestamp"] for signal in lead.signals}
    assert lead.line_data["commercial_property"]["renewal_date"] == "2031-07-15"
    assert Task.objects.get(title__startswith="Bind Larkspur Court").due_on == today
    note = SupportTicket.objects.get(subject__startswith="Truck 14").notes[-1]
    assert note["at"] == "2031-07-03T20:50:00-05:00"
    approved = Suggestion.objects.get(status="MODIFIED")
    assert approved.evidence[0]["at"] == "2031-06-27T14:44:00-05:00"
    assert approved.approved_content["dueOn"] == "2031-07-01"
    assert approved.content_hash == content_digest(approved.approved_content)


def test_fixture_loads_without_the_command():
    call_command("loaddata", "demo", verbosity=0)
    assert sum(counts().values()) == len(agency.fixture_rows())
    assert not any(user.has_usable_password() for user in User.objects.all())
    for suggestion in Suggestion.objects.exclude(approved_content=None):
        assert suggestion.content_hash == content_digest(suggestion.approved_content)


@pytest.mark.django_db(transaction=True)
def test_fixture_loaded_twice_is_refused_in_a_sentence():
    call_command("loaddata", "demo", verbosity=0)
    before = counts()
    with pytest.raises(CommandError, match=r"^Nothing was loaded: the demo was loaded before\.$"):
        call_command("loaddata", "demo", verbosity=0)
    assert counts() == before


@pytest.mark.django_db(transaction=True)
def test_fixture_that_the_database_refuses_is_reported_in_a_sentence(tmp_path):
    row = {"model": "leads.lead", "pk": str(UUID(int=1)), "fields": {"contact_name": "Lee", "overall_score": 2}}
    fixture = tmp_path / "refused.json"
    fixture.write_text(json.dumps([row]))
    with pytest.raises(CommandError, match=r"^Nothing was loaded\. Problem installing fixture .*\.$"):
        call_command("loaddata", str(fixture), verbosity=0)
    assert not Lead.objects.exists()


@pytest.mark.parametrize("text", ["no JSON", '[{"model": "no.such"}]', '[{"model": "leads.lead", "fields": {"x": 1}}]'])
def test_fixture_that_cannot_be_read_is_reported_in_a_sentence(tmp_path, text):
    fixture = tmp_path / "broken.json"
    fixture.write_text(text)
    with pytest.raises(CommandError, match=r"^Nothing was loaded\. "):
        call_command("loaddata", str(fixture), verbosity=0)
