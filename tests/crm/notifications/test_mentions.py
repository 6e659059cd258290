"""Colleagues named in notes: told if they may open the record, offered while a name is typed."""

import pytest
from django.urls import reverse

from crm.models import Notification
from crm.records.notifications.mentions import find_names
from crm.records.transitions import add_note
from support.transitions import add_ticket_note
from tests.cast import (
    browser,
    make_client,
    make_contact,
    make_lead,
    make_policy,
    make_thread,
    make_ticket,
    make_user,
    page_text,
)

pytestmark = pytest.mark.django_db
OFFER = reverse("admin:mention_offer")


def mentioned():
    return set(Notification.objects.filter(kind="mentioned").values_list("reader__username", "target_id"))


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("@bob please call", ["bob"]),
        ("Ask @Bob, then (@ann.lee).", ["bob", "ann.lee"]),
        ("@bob and @bob", ["bob"]),
        ("bob@agency.example wrote; a@b", []),
        ("@ alone and @.", [""]),
    ],
)
def test_names_are_words_after_an_at_sign_and_no_addresses(text, names):
    assert find_names(text) == names


@pytest.mark.parametrize(
    "make", [make_lead, make_client, make_contact, make_policy, make_thread], ids=lambda make: make.__name__
)
def test_named_colleague_is_told_of_a_note(max, ann, make):
    record = make()
    assert add_note(record, "@ANN please look", by=max) == []
    assert mentioned() == {("ann", record.pk)}


def test_writer_unknown_names_and_former_colleagues_are_not_told(ann, bob):
    bob.is_active = False
    bob.save()
    assert add_note(make_lead(), "@ann @bob @nobody", by=ann) == []
    assert not mentioned()


def test_colleague_without_access_is_not_told_and_the_writer_learns_it(as_max, ann, bob, stranger):
    lead = make_lead(assigned_to=ann)
    url = reverse("admin:leads_lead_do", args=[lead.pk, "note"])
    answer = as_max.post(url, {"body": "@bob @ann @stranger see this"}, follow=True)
    assert "Note added. Bob and Stranger were not told: no access to this lead." in page_text(answer)
    assert mentioned() == {("ann", lead.pk)}


def test_only_an_internal_note_of_a_ticket_mentions(max, ann):
    ticket = make_ticket()
    add_ticket_note(ticket, "@ann is on it", internal=False, by=max)
    assert not mentioned()
    add_ticket_note(ticket, "@ann is on it", internal=True, by=max)
    assert mentioned() == {("ann", ticket.pk)}


def test_offered_are_active_colleagues_who_may_open_the_record(as_max, ann, bob, stranger, vera):
    lead = make_lead(assigned_to=ann)
    place = {"table": "leads.lead", "key": lead.pk}
    names = [one["username"] for one in as_max.get(OFFER, place).json()["names"]]
    assert names == ["ann", *(["vera"] if vera.has_perm("crm.see_everyone") else [])]
    assert as_max.get(OFFER, {**place, "typed": "AN"}).json() == {"names": [{"username": "ann", "name": "Ann"}]}
    assert as_max.get(OFFER, {**place, "typed": "b"}).json() == {"names": []}


def test_nothing_is_offered_for_a_hidden_record_or_a_wrong_address(as_ann, bob):
    lead = make_lead(assigned_to=bob)
    for place in (
        {"table": "leads.lead", "key": lead.pk},
        {"table": "leads.lead", "key": "x"},
        {"table": "crm.user", "key": bob.pk},
        {"table": "no.table", "key": lead.pk},
        {},
    ):
        assert as_ann.get(OFFER, place).json() == {"names": []}


def test_cost_of_an_offer_does_not_grow_with_the_staff(as_max, django_assert_max_num_queries):
    lead = make_lead()
    for number in range(6):
        make_user(f"agent{number}", "agent")
    with django_assert_max_num_queries(5):
        assert len(as_max.get(OFFER, {"table": "leads.lead", "key": lead.pk}).json()["names"]) == 6


def test_note_forms_ask_for_names(as_max):
    for record, name in ((make_lead(), "leads_lead"), (make_ticket(), "support_supportticket")):
        page = as_max.get(reverse(f"admin:{name}_change", args=[record.pk])).content.decode()
        assert f'data-names="{OFFER}?table={record._meta.label_lower}&amp;key={record.pk}"' in page
    assert browser(None).get(OFFER).status_code == 302
