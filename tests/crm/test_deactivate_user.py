"""Tests of deactivating a user who still owns records."""

import pytest

from crm.models import ActivityLog, User
from crm.records.activity import SYSTEM_ACTOR
from crm.records.handover import describe_owned_records
from inbox.models import Mailbox
from leads.models import Lead, Task
from support.transitions import resolve
from tests.cast import browser, make_client, make_lead, make_ticket

pytestmark = pytest.mark.django_db


@pytest.fixture
def as_root(ada):
    ada.is_superuser = True
    ada.save()
    return browser(ada)


def deactivate(page, user, **fields):
    data = {"username": user.username, "first_name": user.first_name, "email": user.email, "is_staff": "on"}
    data |= {"date_joined_0": "2026-01-01", "date_joined_1": "00:00:00", **fields}
    response = page.post(f"/crm/user/{user.pk}/change/", data)
    user.refresh_from_db()
    return response


def give_records(bob):
    make_lead(assigned_to=bob, contact_name="Open")
    make_lead(assigned_to=bob, contact_name="Won", status_id="CLOSED_WON")
    make_client(assigned_to=bob)
    make_ticket(assigned_to=bob)
    resolve(make_ticket(assigned_to=bob), summary="Done", by=SYSTEM_ACTOR)
    Task.objects.create(title="Call", assignee=bob)
    Mailbox.objects.create(address="bob@agency.example", owner=bob)


def test_deactivation_says_what_the_user_still_owns(as_root, bob):
    give_records(bob)
    text = deactivate(as_root, bob).content.decode()
    assert bob.is_active
    owned = describe_owned_records(bob)
    assert f"Bob still owns {owned}. Choose a user under" in text.replace("&quot;", '"')
    for part in ("1 lead", "1 client", "1 mailbox", "1 task"):
        assert part in owned


def test_records_are_handed_over_and_it_is_on_the_timeline(as_root, bob, ann):
    give_records(bob)
    response = deactivate(as_root, bob, hand_over_to=str(ann.pk))
    assert response.status_code == 302
    assert not bob.is_active
    assert describe_owned_records(bob) == ""
    lead = Lead.objects.get(contact_name="Open")
    assert lead.assigned_to == ann
    assert Lead.objects.get(contact_name="Won").assigned_to == bob
    assert ActivityLog.objects.on_timeline_of(lead)[0].summary == "Owner: Bob → Ann, because Bob has left"


def test_user_can_keep_the_records_on_purpose(as_root, bob):
    give_records(bob)
    assert deactivate(as_root, bob, keep_records="on").status_code == 302
    assert not bob.is_active
    assert Lead.objects.get(contact_name="Open").assigned_to == bob


def test_user_without_records_is_deactivated_at_once(as_root, bob):
    assert deactivate(as_root, bob).status_code == 302
    assert not bob.is_active


def test_records_are_not_handed_over_to_the_leaver_or_without_leaving(as_root, bob, ann):
    give_records(bob)
    assert deactivate(as_root, bob, hand_over_to=str(bob.pk)).status_code == 200
    assert deactivate(as_root, bob, hand_over_to=str(ann.pk), is_active="on").status_code == 200
    assert deactivate(as_root, bob, hand_over_to=str(ann.pk), keep_records="on").status_code == 200
    User.objects.filter(pk=ann.pk).update(is_active=False)
    assert deactivate(as_root, bob, hand_over_to=str(ann.pk)).status_code == 200
    assert bob.is_active
    assert Lead.objects.get(contact_name="Open").assigned_to == bob
