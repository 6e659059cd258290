"""What an erasure asks for, refuses and leaves to others."""

import pytest

from crm.exceptions import InvalidInput, NotPermitted
from crm.models import Client, Contact
from crm.records.privacy.erasure_plan import plan_erasure
from crm.records.privacy.person import Person
from crm.records.privacy.transitions import erase
from crm.text.cleaning import redact
from inbox.models import Thread
from leads.models import Lead, PolicyStatus, Task
from tests.cast import (
    browser,
    make_client,
    make_contact,
    make_lead,
    make_policy,
    make_thread,
    page_text,
)
from tests.privacy.person_records import ADDRESS, NAME

pytestmark = pytest.mark.django_db
REASON = "Request of 3 November"


def test_row_of_two_people_stays_with_the_other(ada):
    lead, other = make_lead(contact_name=NAME, contact_email=ADDRESS), make_client(name="Other")
    shared = make_thread(lead=lead, client=other, participant_emails=[ADDRESS])
    task = Task.objects.create(title="Both", lead=lead, client=other)
    own = make_thread(lead=lead)
    plan = plan_erasure(Person([lead]))
    assert (plan.shared[Thread], plan.shared[Task]) == ({shared.pk}, {task.pk})
    erase(Person([lead]), reason=REASON, by=ada)
    assert {thread.pk for thread in Thread.everything.all()} == {shared.pk}
    task.refresh_from_db()
    assert (task.lead, task.client) == (None, other) and own.pk not in Thread.everything.values_list("pk", flat=True)


def test_linked_contact_of_a_client_is_another_person(ada):
    client, contact = make_client(name=NAME), make_contact()
    contact.client_links.create(client=client)
    erase(Person([client]), reason=REASON, by=ada)
    assert Contact.objects.get() == contact and not contact.client_links.exists()


@pytest.mark.parametrize(
    ("reason", "refusal"), [("no", "5 to 1,000"), (f"{NAME.lower()} asked", "Do not name"), ("x" * 1_001, "5 to 1,000")]
)
def test_reason_is_checked(ada, reason, refusal):
    lead = make_lead(contact_name=NAME)
    with pytest.raises(InvalidInput, match=refusal):
        erase(Person([lead]), reason=reason, by=ada)


def test_erasure_needs_the_permission_and_every_owner(max, ann):
    lead = make_lead()
    with pytest.raises(NotPermitted):
        erase(Person([lead]), reason=REASON, by=max)
    assert browser(max).post(f"/leads/lead/{lead.pk}/privacy/erase/").status_code == 403
    assert "Review the erasure" not in browser(max).get(f"/leads/lead/{lead.pk}/privacy/").content.decode()


def test_page_shows_the_plan_asks_for_the_name_and_erases(ada):
    lead = make_lead(contact_name=NAME, contact_email=ADDRESS)
    make_policy(client=make_client(name=NAME, email=ADDRESS), status=PolicyStatus.LAPSED)
    page, url = browser(ada), f"/leads/lead/{lead.pk}/privacy/"
    assert "Review the erasure" in page_text(page.get(url))
    chosen = {"record": [f"crm.client:{Client.objects.get().pk}"]}
    review = page_text(page.post(f"{url}erase/", chosen))
    assert "Contracts are kept by law" in review and "Policy" in review and "Who did what and when stays" in review
    wrong = page.post(f"{url}erase/", {**chosen, "confirmation": "Somebody", "reason": REASON})
    assert wrong.status_code == 422 and f"To confirm, type the name “{NAME}”." in page_text(wrong)
    done = page.post(f"{url}erase/", {**chosen, "confirmation": f" {NAME.lower()} ", "reason": REASON}, follow=True)
    assert "The person is erased." in page_text(done)
    assert not Lead.everything.exists() and Client.objects.get().name == "Erased person"


def test_redaction_reaches_every_depth():
    value = {"Dana X": [{"a": "by DANA X."}, 3, None]}
    assert redact(value, ["dana x"]) == {"[erased]": [{"a": "by [erased]."}, 3, None]}
    assert redact("text", []) == "text"
