"""The warning of possible duplicates on the forms of leads, clients and contacts."""

import pytest

from crm.models import Client, Contact
from leads.models import ContactLead, Lead
from tests.cast import browser, make_client, make_contact, make_lead, make_user, page_text
from tests.form_parser import read_form

pytestmark = pytest.mark.django_db
ADD_PAGES = {
    "leads/lead": {"contact_name": "Jon Smith", "contact_email": "jon@smith.example", "contact_phone": "4155550132"},
    "crm/client": {"name": "Jon Smith", "email": "jon@smith.example", "phone": "4155550132"},
    "crm/contact": {"name": "Jon Smith", "email": "jon@smith.example", "phone": "4155550132"},
}


def filled_form(page, table: str, values: dict[str, str]) -> dict[str, str]:
    form = page.get(f"/{table}/add/").content.decode()
    return {**read_form(form, f"{table.rpartition('/')[2]}_form"), **values}


@pytest.fixture
def page():
    return browser(make_user("max", "manager"))


@pytest.mark.parametrize("table", ADD_PAGES)
def test_nothing_is_saved_before_the_user_decides(page, table):
    client = make_client(name="John Smith", phone="+1 (415) 555-0132")
    values = filled_form(page, table, ADD_PAGES[table])
    answer = page.post(f"/{table}/add/", values)
    assert answer.status_code == 200
    assert "1 possible duplicate" in page_text(answer)
    assert "Same phone number, similar name" in page_text(answer)
    assert f'href="/crm/client/{client.pk}/change/"' in page_text(answer)
    assert Lead.everything.count() + Client.everything.count() + Contact.everything.count() == 1
    answer = page.post(f"/{table}/add/", {**values, "_save_anyway": f"{client.pk} "})
    assert answer.status_code == 302
    assert Lead.everything.count() + Client.everything.count() + Contact.everything.count() == 2


def test_duplicate_that_turned_up_meanwhile_is_shown_before_saving_anyway(page):
    client = make_client(name="John Smith", phone="4155550132")
    values = filled_form(page, "crm/client", ADD_PAGES["crm/client"])
    make_client(name="Another", email="jon@smith.example")
    answer = page.post("/crm/client/add/", {**values, "_save_anyway": str(client.pk)})
    assert "2 possible duplicates" in page_text(answer)
    assert Client.objects.count() == 2


def test_typed_values_are_compared_while_the_form_is_open(page):
    lead = make_lead(contact_name="John Smith", contact_phone="(415) 555-0132")
    part = page.get("/crm/contact/possible-duplicates/", {"name": "x", "phone": "+14155550132"})
    assert f'href="/leads/lead/{lead.pk}/change/"' in part.content.decode()
    assert "<html" not in part.content.decode()
    nothing = page.get("/crm/contact/possible-duplicates/", {"name": "Jo\x00", "record": "x", "email": "y" * 9_000})
    assert nothing.status_code == 200
    assert not nothing.content.strip()


def test_record_of_another_owner_is_not_mentioned():
    agent, other = make_user("alice", "agent"), make_user("bob", "agent")
    make_lead(contact_name="John Smith", contact_phone="4155550132", assigned_to=other)
    page = browser(agent)
    values = filled_form(page, "leads/lead", ADD_PAGES["leads/lead"])
    assert page.post("/leads/lead/add/", values).status_code == 302
    part = page.get("/leads/lead/possible-duplicates/", {"contact_phone": "4155550132", "contact_name": "John Smith"})
    assert "John Smith" not in part.content.decode().replace("Jon", "")


def test_user_who_may_not_write_cannot_ask():
    page = browser(make_user("vera", "viewer"))
    assert page.get("/leads/lead/possible-duplicates/", {"contact_phone": "4155550132"}).status_code == 403


def test_edit_asks_only_when_who_it_is_changes_and_not_about_linked_records(page):
    lead = make_lead(contact_name="John Smith", contact_email="john@smith.example")
    contact = make_contact(name="John Smith", email="john@smith.example")
    ContactLead.objects.create(lead=lead, contact=contact)
    make_client(name="Ann Lee", phone="4155550132")
    url = f"/leads/lead/{lead.pk}/change/?edit=1"
    form = read_form(page.get(url).content.decode(), "lead_form")
    assert page.post(url, {**form, "contact_name": "John T. Smith"}).status_code == 302
    form = read_form(page.get(url).content.decode(), "lead_form")
    answer = page.post(url, {**form, "contact_phone": "415 555 0132"})
    assert "Ann Lee" in page_text(answer)
    assert "1 possible duplicate" in page_text(answer)
    make_client(name="John Smith", email="john@smith.example")
    assert page.post(url, {**form, "notes": "Prefers the phone."}).status_code == 302


def test_window_of_a_picker_takes_the_existing_contact(page):
    contact = make_contact(name="John Smith", email="jon@smith.example")
    client = make_client(name="John Smith", email="")
    values = {**filled_form(page, "crm/contact", ADD_PAGES["crm/contact"]), "_popup": "1"}
    answer = page_text(page.post("/crm/contact/add/?_popup=1", values))
    assert f'name="_use_existing" value="{contact.pk}"' in answer
    assert f'value="{client.pk}"' not in answer
    answer = page.post("/crm/contact/add/?_popup=1", {"_popup": "1", "_use_existing": str(contact.pk)})
    assert answer.status_code == 200
    assert str(contact.pk) in answer.content.decode()
    assert Contact.objects.count() == 1
