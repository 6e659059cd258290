"""The pairs of possible duplicates: how they are found, decided and vanish."""

import re

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext

from crm.exceptions import IllegalTransition, NotPermitted
from crm.models import Client, DuplicatePair
from crm.records.duplicates import pairs
from crm.records.duplicates.pairs import current_pairs, find_all_pairs
from crm.records.duplicates.transitions import dismiss, restore
from crm.records.merging.transitions import merge
from crm.records.transitions import soft_delete
from leads.models import Lead
from tests.cast import browser, make_client, make_contact, make_lead, make_user, page_text

pytestmark = pytest.mark.django_db
LIST = "/crm/duplicatepair/"


@pytest.fixture
def max_(db):
    return make_user("max", "manager")


def search() -> list[DuplicatePair]:
    list(find_all_pairs())
    return list(DuplicatePair.objects.order_by("-score", "-id"))


def names(pair: DuplicatePair) -> set[str]:
    records = pairs.load_sides([pair])
    return {str(records[pair.first_id]), str(records[pair.second_id])}


def test_pairs_of_each_table_and_of_leads_and_clients_are_found():
    make_lead(contact_name="Ann Lee", contact_phone="(415) 555-0101")
    make_lead(contact_name="Anne Lee", contact_phone="+14155550101")
    make_client(name="Bo Client", email="bo@example.com")
    make_lead(contact_name="Bo Lead", contact_email="BO@example.com")
    make_client(name="Cy Olson")
    make_client(name="CY OLSON")
    make_contact(name="Di Contact", email="", phone="4155550102")
    make_contact(name="Di Contakt", email="", phone="(415) 555-0102")
    make_contact(name="Bo Client", email="bo@example.com")
    found = [(names(pair), pair.reasons) for pair in search()]
    assert sorted(map(repr, found)) == sorted(
        map(
            repr,
            [
                ({"Ann Lee", "Anne Lee"}, ["phone", "similar_name"]),
                ({"Bo Client", "Bo Lead"}, ["email"]),
                ({"Cy Olson", "CY OLSON"}, ["name"]),
                ({"Di Contact", "Di Contakt"}, ["phone", "similar_name"]),
            ],
        )
    )


def test_closed_lead_and_converted_lead_make_no_pair():
    make_lead(contact_name="Ann Lee", contact_phone="4155550101")
    make_lead(contact_name="Ann Lee", contact_phone="4155550101", status_id="CLOSED_WON")
    assert search() == []


def test_value_that_many_records_share_makes_few_pairs():
    for number in range(14):
        make_lead(contact_name=f"Person {number}", contact_phone="415 555 0101", contact_email="")
        make_lead(contact_name=f"Other {number}", contact_phone="000", contact_email="")
    found = search()
    assert len(found) == 45
    assert {tuple(pair.reasons) for pair in found} == {("phone",)}


@pytest.mark.parametrize("size", [2, 3, 4, 100])
def test_windows_of_any_size_find_the_same_pairs(monkeypatch, size):
    for number in range(4):
        make_lead(contact_name="Ann Lee", contact_email="", contact_phone=f"41555501{number:02}")
        make_lead(contact_name="Bo Lead", contact_email="", contact_phone=f"41555501{number:02}")
        make_client(name=f"Client {number}", email=f"c{number % 2}@example.com")
    monkeypatch.setattr(pairs, "WINDOW_SIZE", size)
    found = search()
    assert sorted(map(str, (pair.reasons for pair in found))) == ["['email']"] * 2 + ["['phone']"] * 4


def test_second_search_changes_nothing_and_keeps_decisions(max_):
    make_lead(contact_name="Ann Lee", contact_phone="4155550101")
    lead = make_lead(contact_name="Anne Lee", contact_phone="4155550101")
    (pair,) = search()
    dismiss(pair, by=max_)
    assert [one.pk for one in search()] == [pair.pk]
    assert list(current_pairs(max_).dismissed()) == [pair]
    Lead.objects.filter(pk=lead.pk).update(company_name="Acme")
    (pair,) = search()
    assert (pair.dismissed_by, current_pairs(max_).undecided().count()) == (max_, 0)
    Lead.objects.filter(pk=lead.pk).update(contact_name="Ann Lee")
    (pair,) = search()
    assert pair.dismissed_at is None
    assert list(current_pairs(max_).undecided()) == [pair]


def test_dismissed_pair_can_be_taken_back_once(max_):
    make_client(name="Cy Olson")
    make_client(name="Cy Olson")
    (pair,) = search()
    dismiss(pair, by=max_)
    with pytest.raises(IllegalTransition):
        dismiss(pair, by=max_)
    restore(pair, by=max_)
    with pytest.raises(IllegalTransition):
        restore(pair, by=max_)
    assert list(current_pairs(max_).undecided()) == [pair]


@pytest.mark.parametrize("event", ["merge", "delete", "change", "close"])
def test_pair_vanishes_at_once_when_a_record_is_gone_or_changed(max_, event):
    one, other = (make_lead(contact_name=name, contact_phone="4155550101") for name in ("Ann Lee", "Anne Lee"))
    (pair,) = search()
    if event == "merge":
        merge(one, other, {}, by=max_)
    elif event == "delete":
        soft_delete(other, by=max_)
    elif event == "close":
        Lead.objects.filter(pk=other.pk).update(status="CLOSED_WON")
    else:
        Lead.objects.filter(pk=other.pk).update(contact_phone="4155550199")
    assert not current_pairs(max_).exists()
    with pytest.raises(IllegalTransition):
        dismiss(pair, by=max_)
    assert search() == ([] if event != "change" else list(current_pairs(max_)))


def test_only_pairs_of_which_the_user_may_see_both_are_listed(max_):
    agent = make_user("alice", "agent")
    for codename in ("merge_lead", "merge_client"):
        agent.user_permissions.add(Permission.objects.get(codename=codename))
    make_lead(contact_name="Ann Lee", contact_phone="4155550101", assigned_to=agent)
    make_lead(contact_name="Anne Lee", contact_phone="4155550101", assigned_to=max_)
    make_client(name="Cy Olson", assigned_to=agent)
    make_client(name="Cy Olson")
    make_contact(name="Di Contact", email="", phone="4155550102")
    make_contact(name="Di Contact", email="", phone="4155550102")
    search()
    assert [pair.first_table for pair in current_pairs(agent)] == ["crm.client"]
    assert current_pairs(max_).count() == 3
    text = page_text(browser(agent).get(LIST))
    assert "Cy Olson" in text
    assert "Ann" not in text
    assert "Di Contact" not in text


def test_list_shows_both_records_the_reason_and_what_to_do(max_):
    one, other = (make_lead(contact_name=name, contact_phone="(415) 555-0101") for name in ("Ann Lee", "Anne Lee"))
    client = make_client(name="Bo Client", email="bo@example.com")
    lead = make_lead(contact_name="Bo Lead", contact_email="bo@example.com")
    search()
    page = browser(max_)
    text = page_text(page.get(LIST))
    assert "Same phone number, similar name" in text
    assert f'href="/leads/lead/{one.pk}/merge/?other={other.pk}"' in text
    assert f'href="/leads/lead/{lead.pk}/convert/?client={client.pk}"' in text
    assert "<mark>(415) 555-0101</mark>" in text
    conversion = page_text(page.get(f"/leads/lead/{lead.pk}/convert/?client={client.pk}"))
    assert re.search(rf'value="{client.pk}"\s+checked', conversion)
    assert "Ann Lee" in page_text(page.get(f"/leads/lead/{one.pk}/merge/?other={other.pk}"))
    for table in ("leads/lead", "crm/client", "crm/contact"):
        assert f'href="{LIST}"' in page_text(page.get(f"/{table}/"))
    assert "Bo Client" not in page_text(page.get(f"{LIST}?reason=phone"))
    assert "Ann Lee" not in page_text(page.get(f"{LIST}?table=crm.client"))
    assert "Ann Lee" not in page_text(page.get(f"{LIST}?q=bo+client"))


def test_pair_is_dismissed_and_put_back_on_the_page(max_):
    make_client(name="Cy Olson")
    make_client(name="Cy Olson")
    (pair,) = search()
    page = browser(max_)
    assert "Dismissed." in page_text(page.post(f"{LIST}{pair.pk}/dismiss/", follow=True))
    assert "Cy Olson" not in page_text(page.get(LIST))
    dismissed = page_text(page.get(f"{LIST}?state=dismissed"))
    assert "by Max" in dismissed
    assert "Cy Olson" in dismissed
    page.post(f"{LIST}{pair.pk}/restore/")
    assert "Cy Olson" in page_text(page.get(LIST))


def test_agent_without_permission_to_merge_reaches_no_page_of_pairs():
    make_client(name="Cy Olson")
    make_client(name="Cy Olson")
    (pair,) = search()
    agent = make_user("alice", "agent")
    page = browser(agent)
    answers = [
        page.get(LIST),
        page.post(f"{LIST}search/"),
        page.post(f"{LIST}{pair.pk}/dismiss/"),
        page.post(f"{LIST}{pair.pk}/restore/"),
    ]
    assert {answer.status_code for answer in answers} <= {403, 404}
    assert f'href="{LIST}"' not in page_text(page.get("/crm/client/"))
    with pytest.raises(NotPermitted):
        dismiss(pair, by=agent)
    assert DuplicatePair.objects.undecided().count() == 1


def test_list_costs_the_same_statements_for_one_pair_and_for_many(max_):
    page = browser(max_)

    def statements() -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            assert page.get(LIST).status_code == 200
        return len(captured)

    make_client(name="Cy Olson")
    make_client(name="Cy Olson")
    make_lead(contact_name="Cy Olson", contact_email="")
    make_contact(name="Cy Olson", email="", phone="4155550101")
    make_contact(name="Cy Olson", email="", phone="4155550101")
    search()
    few = statements()
    for _ in range(8):
        make_client(name="Cy Olson")
    search()
    assert Client.objects.count() == 10
    assert DuplicatePair.objects.count() > 40
    assert statements() == few
