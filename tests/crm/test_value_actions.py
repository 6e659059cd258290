"""Actions that set one value: taken in the row of a list or on the page, undone, and taken for many with a preview."""

import re
from html import unescape

import pytest
from django.contrib.messages import get_messages
from django.utils import timezone

from crm.models import Client
from crm.records.transitions import soft_delete
from leads.models import Lead, Task
from tests.cast import browser, make_client, make_lead, make_ticket, page_text

pytestmark = pytest.mark.django_db
LEADS, TASKS, TICKETS = "/leads/lead/", "/leads/task/", "/support/supportticket/"


def said(response) -> list[str]:
    response.client.cookies.pop("messages", None)
    return [str(message) for message in get_messages(response.wsgi_request)]


def take(page, lead: Lead, verb: str, **sent) -> list[str]:
    response = page.post(f"{LEADS}{lead.pk}/do/{verb}/", {"next": LEADS, **sent})
    assert (response.status_code, response["Location"]) == (302, LEADS)
    return said(response)


def press_undo(page, message: str) -> list[str]:
    """Send the form of the undo button in `message`."""
    action = re.search(r'action="([^"]+)"', message)[1]
    sent = dict(re.findall(r'name="(\w+)" value="([^"]*)"', message))
    response = page.post(action, {name: unescape(value) for name, value in sent.items()})
    assert response.status_code == 302
    return said(response)


def test_form_in_place_has_the_value_alone(as_max):
    lead = make_lead()
    form = as_max.get(f"{LEADS}{lead.pk}/do/stage/?in_place=1").content.decode()
    assert '<option value="NEW_OPPORTUNITIES" selected>' in form
    assert 'name="expected" value="NEW_OPPORTUNITIES"' in form
    assert "loss_reason" not in form and "<html" not in form


def test_stage_is_changed_in_its_row_and_put_back(as_max):
    lead = make_lead(contact_name="Olin")
    (message,) = take(as_max, lead, "stage", stage="ACTIVE", expected="NEW_OPPORTUNITIES")
    assert message.startswith("Olin moved to ") and ">Undo</button>" in message
    press_undo(as_max, message)
    lead.refresh_from_db()
    assert lead.status_id == "NEW_OPPORTUNITIES"


def test_only_a_change_of_the_same_value_is_a_conflict(as_max, max):
    lead = make_lead(contact_name="Olin")
    Lead.objects.filter(pk=lead.pk).update(contact_name="Olina", assigned_to=max)
    assert take(as_max, lead, "stage", stage="ACTIVE", expected="NEW_OPPORTUNITIES")[0].startswith("Olina moved")
    refused = as_max.post(f"{LEADS}{lead.pk}/do/stage/", {"stage": "ON_ICE", "expected": "NEW_OPPORTUNITIES"})
    assert refused.status_code == 422
    assert "was changed since you saw it. Nothing was changed." in page_text(refused)
    lead.refresh_from_db()
    assert lead.status_id == "ACTIVE"


def test_undo_is_refused_once_the_value_has_changed_again(as_max):
    lead = make_lead()
    (message,) = take(as_max, lead, "stage", stage="ACTIVE", expected="NEW_OPPORTUNITIES")
    Lead.objects.filter(pk=lead.pk).update(status="ON_ICE")
    action = re.search(r'action="([^"]+)"', message)[1]
    refused = as_max.post(action, {"stage": "NEW_OPPORTUNITIES", "expected": "ACTIVE"})
    assert refused.status_code == 422
    lead.refresh_from_db()
    assert lead.status_id == "ON_ICE"


def test_stage_that_needs_more_opens_its_form(as_max):
    lead = make_lead()
    for stage in ("CLOSED_LOST", "CLOSED_WON"):
        answer = as_max.post(
            f"{LEADS}{lead.pk}/do/stage/", {"stage": stage, "expected": "NEW_OPPORTUNITIES", "next": LEADS}
        )
        assert answer.status_code == 422
        page = page_text(answer)
        assert 'name="loss_reason"' in page and f'name="next" value="{LEADS}"' in page
        lead.refresh_from_db()
        assert lead.status_id == "NEW_OPPORTUNITIES"


def test_undo_of_a_reopened_lead_brings_its_reason_back(as_max):
    lead = make_lead()
    take(as_max, lead, "stage", stage="CLOSED_LOST", loss_reason="BUDGET")
    (message,) = take(as_max, lead, "stage", stage="ACTIVE", expected="CLOSED_LOST")
    press_undo(as_max, message)
    lead.refresh_from_db()
    assert (lead.status_id, lead.loss_reason) == ("CLOSED_LOST", "BUDGET")


def test_value_that_stays_the_same_changes_nothing(as_max):
    lead = make_lead(contact_name="Olin")
    sent = {"stage": "NEW_OPPORTUNITIES", "expected": "NEW_OPPORTUNITIES"}
    assert take(as_max, lead, "stage", **sent) == ["The stage of Olin is as before."]


def test_owner_is_changed_in_its_row_and_put_back(as_max, ann, bob):
    lead = make_lead(assigned_to=ann)
    (message,) = take(as_max, lead, "assign", owner=str(bob.pk), expected=str(ann.pk))
    press_undo(as_max, message)
    lead.refresh_from_db()
    assert lead.assigned_to == ann


def edit_links(page, url: str, **params) -> set[str]:
    text = page.get(url, params).content.decode()
    return {re.sub(r"^[0-9a-f-]{36}/", "", link) for link in re.findall(r'href="([^"]+)" data-edit', text)}


def test_rows_offer_what_their_reader_may_change(as_max, as_ann, ann, vera):
    make_lead(assigned_to=ann)
    lead_links = {"do/stage/", "do/assign/", "field/estimated_value/"}
    assert edit_links(as_max, LEADS) == lead_links
    assert edit_links(as_ann, LEADS) == lead_links - {"do/assign/"}
    assert edit_links(browser(vera), LEADS) == set()
    assert edit_links(as_max, LEADS, _popup="1") == set()
    Task.objects.create(title="Call", assignee=ann)
    assert edit_links(as_max, TASKS) == {"do/move/", "field/due_on/", "field/assignee/"}
    make_ticket(assigned_to=ann)
    assert edit_links(as_max, TICKETS) == {"do/priority/", "do/assign/"}
    make_client(assigned_to=ann)
    assert edit_links(as_max, "/crm/client/") == {"do/assign/"}


def test_deleted_rows_offer_no_change(as_max, ada):
    soft_delete(make_lead(), by=ada)
    assert edit_links(browser(ada), LEADS, deleted="true") == set()


def test_due_date_of_a_task_is_changed_in_its_row_and_put_back(as_max, max):
    task = Task.objects.create(title="Call", assignee=max)
    form = as_max.get(f"{TASKS}{task.pk}/field/due_on/?in_place=1").content.decode()
    digest = re.search(r'name="loaded_digest" value="([^"]*)"', form)[1]
    sent = {"due_on": "2027-01-31", "loaded_digest": digest, "next": TASKS}
    (message,) = said(as_max.post(f"{TASKS}{task.pk}/field/due_on/", sent))
    task.refresh_from_db()
    assert f"{task.due_on}" == "2027-01-31"
    press_undo(as_max, message)
    task.refresh_from_db()
    assert task.due_on is None


# Many at once


def bulk(page, rows, verb: str, url: str = LEADS, **sent):
    keys = [str(row.pk) for row in rows]
    return page.post(url, {"action": verb, "index": "0", "_selected_action": keys, "apply": "1", **sent})


def test_preview_says_what_would_change_and_what_would_be_refused_and_changes_nothing(as_max):
    moved, there = make_lead(contact_name="Olin"), make_lead(contact_name="Zed", status_id="ACTIVE")
    page = page_text(bulk(as_max, [moved, there], "stage", stage="ACTIVE", preview="1"))
    assert "1 lead would change, 1 would be refused. Nothing is changed yet." in page
    assert page.index("Zed") < page.index("Olin")
    assert "Refused:" in page and "Olin moved to" in page
    assert "Apply to 1 lead" in page
    moved.refresh_from_db()
    assert moved.status_id == "NEW_OPPORTUNITIES"
    assert not moved.stage_history.filter(to_status="ACTIVE").exists()


def test_preview_is_what_happens_then(as_max):
    leads = [make_lead(contact_name=name) for name in ("Olin", "Zed")]
    preview = bulk(as_max, leads, "stage", stage="ACTIVE", preview="1").context["changes"]
    done = said(bulk(as_max, leads, "stage", stage="ACTIVE"))
    assert {change.outcome for change in preview} == {f"{lead} moved to {lead.status}." for lead in Lead.objects.all()}
    assert done[0].startswith("2 leads moved to ")


def test_bulk_change_is_undone_except_where_it_changed_again(as_max, ann, bob):
    first, second, third = make_lead(assigned_to=ann), make_lead(), make_lead(contact_name="Zed")
    (message,) = said(bulk(as_max, [first, second, third], "assign", owner=str(bob.pk)))
    Lead.objects.filter(pk=third.pk).update(assigned_to=ann)
    assert press_undo(as_max, message) == [
        "2 leads as before.",
        "Zed was changed again since, and stays as it is.",
    ]
    owners = dict(Lead.objects.values_list("pk", "assigned_to"))
    assert owners == {first.pk: ann.pk, second.pk: None, third.pk: ann.pk}


def test_foreign_offer_to_undo_is_refused(as_max, as_ann, ann, bob):
    lead = make_lead(assigned_to=ann)
    (message,) = said(bulk(as_max, [lead], "assign", owner=str(bob.pk)))
    response = as_max.post(f"{LEADS}undo/", {"offer": "forged"})
    assert said(response) == ["This change can no longer be undone. Nothing was changed."]
    offer = re.search(r'name="offer" value="([^"]*)"', message)[1]
    assert as_ann.post(f"{LEADS}undo/", {"offer": offer}).status_code == 403
    lead.refresh_from_db()
    assert lead.assigned_to == bob
    assert as_max.get(f"{LEADS}undo/").status_code == 405


def test_selected_rows_of_the_bin_are_restored_with_what_belongs_to_them(ada):
    page = browser(ada)
    clients = [make_client(name=f"C{number}") for number in range(3)]
    lead = make_lead(contact_name="Olin")
    task = Task.objects.create(title="Call", lead=lead)
    for row in (*clients, lead):
        soft_delete(row, by=ada)
    actions = [
        verb for verb, _ in page.get("/crm/client/?deleted=true").context["action_form"].fields["action"].choices
    ]
    assert [verb for verb in actions if verb] == ["restore"]
    assert said(bulk(page, clients, "restore", "/crm/client/?deleted=true")) == ["3 clients restored."]
    assert Client.objects.count() == 3
    bulk(page, [lead], "restore", f"{LEADS}?deleted=true")
    assert list(Lead.objects.get().tasks.all()) == [task]


def test_bin_of_tasks_lists_deleted_ones_of_every_status(ada):
    for status in ("DONE", "ON_DECK"):
        Task.objects.create(title=status, status=status, deleted_at=timezone.now())
    page = browser(ada)
    assert {row.title for row in page.get(f"{TASKS}?deleted=true").context["cl"].page.rows} == {"DONE", "ON_DECK"}
