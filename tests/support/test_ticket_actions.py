"""Tests of the actions on tickets: open, note, assign, rate, set priority."""

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from crm.exceptions import IllegalTransition, InvalidInput, NotPermitted
from crm.models import ActivityLog
from crm.records.activity import SYSTEM_ACTOR
from crm.records.transitions import assign, soft_delete
from support.models import SupportTicket, TicketPriority, TicketStatus
from support.service_levels.levels import DueTimes, load_service_levels
from support.transitions import add_ticket_note, open_ticket, rate_ticket, resolve, set_priority
from tests.cast import browser, make_client, make_lead, make_thread, make_ticket

pytestmark = pytest.mark.django_db
ADD = "/support/supportticket/add/"


def ticket_data(client, **kw) -> dict[str, str]:
    return {"client": str(client.pk), "subject": "Wrong address", "priority": "high", "issue_type": "Mail", **kw}


def test_opened_ticket_has_number_creator_and_due_times(ann):
    ticket = SupportTicket(client=make_client(), subject="Wrong address", priority="urgent")
    open_ticket(ticket, by=ann)
    assert ticket.number > 1_000
    assert ticket.created_by == "Ann"
    assert (ticket.first_response_due_at, ticket.resolve_due_at) == due_by_level(ticket)
    assert ActivityLog.objects.on_timeline_of(ticket.client)[0].summary == f"Ticket “{ticket}” opened"


def test_ticket_numbers_are_unique(ann):
    tickets = [make_ticket() for _ in range(3)]
    assert len({ticket.number for ticket in tickets}) == 3


def test_ticket_numbers_have_no_gaps(ann):
    """Each new ticket draws one number, whatever the number of tickets before it."""
    numbers = [make_ticket().number for _ in range(4)]
    assert numbers == list(range(numbers[0], numbers[0] + 4))


def test_opening_needs_subject_and_permission(ann, vera):
    with pytest.raises(InvalidInput, match="Enter a subject or a description"):
        open_ticket(SupportTicket(client=make_client(), subject=""), by=ann)
    with pytest.raises(NotPermitted):
        open_ticket(SupportTicket(client=make_client(), subject="x"), by=vera)
    assert not SupportTicket.everything.exists()


def test_form_is_prefilled_and_opens_ticket(as_ann):
    client, lead, thread = make_client(name="Works"), make_lead(contact_name="Mia"), make_thread(subject="Hello")
    page = as_ann.get(ADD, {"client": client.pk, "lead": lead.pk, "thread": thread.pk}).content.decode()
    assert "Works" in page
    assert "Mia" in page
    assert "Hello" in page
    answer = as_ann.post(ADD, ticket_data(client, lead=str(lead.pk), thread=str(thread.pk)))
    ticket = SupportTicket.objects.get()
    assert answer["Location"] == f"/support/supportticket/{ticket.pk}/change/"
    assert (ticket.client, ticket.lead, ticket.thread, ticket.assigned_to) == (client, lead, thread, None)
    assert ticket.resolve_due_at is not None


def test_form_refuses_hidden_client_and_assignee_from_agent(as_ann, as_max, bob):
    hidden_client = make_client(assigned_to=bob)
    assert "Select a valid choice" in as_ann.post(ADD, ticket_data(hidden_client)).content.decode()
    as_ann.post(ADD, ticket_data(make_client(), assigned_to=str(bob.pk)))
    assert SupportTicket.objects.get().assigned_to is None
    as_max.post(ADD, ticket_data(make_client(), assigned_to=str(bob.pk), subject="Second"))
    assert SupportTicket.objects.get(subject="Second").assigned_to == bob


def test_note_stores_author_and_time(ann):
    ticket = make_ticket()
    add_ticket_note(ticket, " She called \x00", internal=True, by=ann)
    line = ticket.notes[0]
    assert (line["body"], line["by"], line["internal"]) == ("She called", "Ann", True)
    assert line["at"].startswith(f"{timezone.now():%Y-}")
    assert ticket.first_responded_at is None


def test_first_customer_note_sets_first_response(ann):
    ticket = make_ticket()
    add_ticket_note(ticket, "On its way", internal=False, by=ann)
    first = ticket.first_responded_at
    add_ticket_note(ticket, "Arrived?", internal=False, by=ann)
    assert ticket.first_responded_at == first is not None


@pytest.mark.parametrize(("body", "sentence"), [(" ", "must not be empty"), ("x" * 10_001, "at most 10,000")])
def test_invalid_note_is_refused(ann, body, sentence):
    ticket = make_ticket()
    with pytest.raises(InvalidInput, match=sentence):
        add_ticket_note(ticket, body, internal=True, by=ann)
    ticket.refresh_from_db()
    assert ticket.notes == []


def test_deleted_ticket_takes_no_note(ann):
    ticket = make_ticket()
    soft_delete(ticket, by=SYSTEM_ACTOR)
    with pytest.raises(IllegalTransition, match="is deleted; restore it first"):
        add_ticket_note(ticket, "Too late", internal=True, by=ann)


def test_priority_change_updates_due_times_except_met_ones(ann):
    ticket = make_ticket()
    set_priority(ticket, "urgent", by=ann)
    urgent = due_by_level(ticket)
    assert (ticket.first_response_due_at, ticket.resolve_due_at) == urgent
    add_ticket_note(ticket, "On it", internal=False, by=ann)
    set_priority(ticket, "low", by=ann)
    assert ticket.first_response_due_at == urgent.first_response
    assert ticket.resolve_due_at == due_by_level(ticket).resolution


def test_invalid_priority_is_refused(ann, vera):
    ticket = make_ticket()
    with pytest.raises(InvalidInput, match="must be one of"):
        set_priority(ticket, "yesterday", by=ann)
    with pytest.raises(IllegalTransition, match="already has normal priority"):
        set_priority(ticket, TicketPriority.NORMAL, by=ann)
    with pytest.raises(NotPermitted):
        set_priority(ticket, "low", by=vera)
    resolve(ticket, summary="Sent", by=ann)
    with pytest.raises(IllegalTransition, match="is resolved"):
        set_priority(ticket, "low", by=ann)
    other = make_ticket()
    soft_delete(other, by=SYSTEM_ACTOR)
    with pytest.raises(IllegalTransition, match="is deleted"):
        set_priority(other, "low", by=ann)


@pytest.mark.parametrize("satisfaction", [1, 5])
def test_resolved_ticket_can_be_rated(ann, satisfaction):
    ticket = make_ticket()
    resolve(ticket, summary="Sent", by=ann)
    rate_ticket(ticket, satisfaction, by=ann)
    assert ticket.satisfaction == satisfaction
    assert f"satisfaction {satisfaction} of 5" in ActivityLog.objects.for_target(ticket)[0].summary


@pytest.mark.parametrize("satisfaction", [0, 6, -1])
def test_rating_out_of_range_is_refused(ann, satisfaction):
    ticket = make_ticket()
    resolve(ticket, summary="Sent", by=ann)
    with pytest.raises(InvalidInput, match="from 1 to 5"):
        rate_ticket(ticket, satisfaction, by=ann)
    with pytest.raises(IntegrityError), transaction.atomic():
        SupportTicket.objects.filter(pk=ticket.pk).update(satisfaction=satisfaction)


def test_unresolved_ticket_cannot_be_rated(ann):
    with pytest.raises(IllegalTransition, match="is not resolved yet"):
        rate_ticket(make_ticket(), 5, by=ann)


def test_agent_can_take_ticket_and_manager_can_reassign(ann, bob, max):
    ticket = make_ticket()
    assign(ticket, ann, by=ann)
    with pytest.raises(NotPermitted):
        assign(ticket, bob, by=ann)
    assign(ticket, bob, by=max)
    assert SupportTicket.objects.get(pk=ticket.pk).assigned_to == bob


def test_each_page_action_works(as_max, max):
    ticket = make_ticket()
    data_by_verb = {
        "take": {},
        "note": {"body": "She called"},
        "priority": {"priority": "high"},
        "wait": {},
        "answered": {},
        "due": {"first_response": "", "resolution": "2030-01-02T10:00"},
        "escalate": {"why": "Third time"},
        "start": {},
        "resolve": {"summary": "Sent again"},
        "rate": {"satisfaction": "4"},
        "reopen": {"why": "It is back"},
    }
    for verb, data in data_by_verb.items():
        answer = as_max.post(f"/support/supportticket/{ticket.pk}/do/{verb}/", data)
        assert answer.status_code == 302, (verb, answer.content.decode()[:2_000])
    ticket.refresh_from_db()
    assert (ticket.assigned_to, ticket.priority, ticket.status) == (max, "high", TicketStatus.OPEN)
    assert [line["body"][:8] for line in ticket.notes] == ["She call", "Reopened"]


def test_refused_action_keeps_typed_values(as_ann):
    ticket = make_ticket()
    answer = as_ann.post(f"/support/supportticket/{ticket.pk}/do/reopen/", {"why": "It is back again"})
    assert answer.status_code == 422
    page = answer.content.decode()
    assert "is open and cannot become open" in page
    assert "It is back again" in page


def test_resolve_action_refuses_empty_summary(as_ann):
    ticket = make_ticket()
    answer = as_ann.post(f"/support/supportticket/{ticket.pk}/do/resolve/", {"summary": "  "})
    assert answer.status_code == 422
    ticket.refresh_from_db()
    assert ticket.status == TicketStatus.OPEN


def test_bulk_escalate_reports_each_result(as_ann, ann):
    tickets = [make_ticket(), make_ticket()]
    resolve(tickets[1], summary="Sent", by=ann)
    data = {"action": "escalate", "index": "0", "apply": "1", "why": "Storm"}
    data["_selected_action"] = [str(ticket.pk) for ticket in tickets]
    page = as_ann.post("/support/supportticket/?state=all", data, follow=True).content.decode()
    assert "1 ticket escalated." in page
    assert f"Ticket #{tickets[1].number} is resolved and cannot become escalated." in page


def test_subject_can_be_edited_but_not_due_times(as_ann):
    ticket = make_ticket()
    due = ticket.resolve_due_at
    data = {"subject": "Better words", "resolve_due_at": "2030-01-01", "status": "Resolved", "priority": "low"}
    as_ann.post(f"/support/supportticket/{ticket.pk}/change/", data)
    ticket.refresh_from_db()
    assert (ticket.subject, ticket.status, ticket.priority) == ("Better words", TicketStatus.OPEN, "normal")
    assert ticket.resolve_due_at == due


def test_viewer_is_forbidden(vera):
    ticket, page = make_ticket(), browser(vera)
    assert page.get(ADD).status_code == 403
    for verb in ("start", "resolve", "note", "take"):
        assert page.post(f"/support/supportticket/{ticket.pk}/do/{verb}/").status_code == 403


def due_by_level(ticket: SupportTicket) -> DueTimes:
    """Return the due times that the service levels give `ticket`."""
    return load_service_levels().due_times(ticket)
