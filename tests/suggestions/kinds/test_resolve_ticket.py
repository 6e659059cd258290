"""A ticket is closed with what solved it, once, and opened again."""

import pytest
from django.utils import timezone

from crm.exceptions import BadInput, IllegalMove
from crm.models import ActivityLog
from crm.records.activity import SYSTEM
from crm.records.transitions import soft_delete
from suggestions.models import SuggestionStatus, SuggestionType
from suggestions.transitions import OldNews, approve, undo
from support.models import SupportTicket, TicketStatus
from support.transitions import note, reopen, resolve
from tests.cast import make_suggestion, make_ticket
from tests.suggestions.kinds.waiting import approved_and_held, carried_out

RESOLVE = SuggestionType.RESOLVE_TICKET


def test_it_is_resolved_with_the_summary(ann):
    suggestion = make_suggestion(RESOLVE)
    approve(suggestion, by=ann)
    ticket = SupportTicket.objects.get()
    assert (ticket.status, ticket.resolution_summary) == (TicketStatus.RESOLVED, "Sent the card again.")
    assert suggestion.result == {"ticket": str(ticket.pk), "was": "Open"}


def test_the_ticket_may_stand_in_the_content_alone(ann):
    ticket = make_ticket()
    content = {"ticket": str(ticket.pk), "summary": "Done."}
    suggestion = make_suggestion(RESOLVE, lead=None, ticket=None, suggested_content=content)
    assert (suggestion.ticket, suggestion.client) == (ticket, ticket.client)


def test_it_says_which(ann):
    ticket = make_ticket(subject="No card")
    suggestion = make_suggestion(RESOLVE, ticket=ticket)
    approve(suggestion, by=ann)
    summary = ActivityLog.objects.done_to(suggestion).first().summary
    assert summary == f"Approved: Resolves the ticket {ticket}: Sent the card again."


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({"summary": " "}, "summary: This must not be empty."),
        ({"summary": "x" * 10_001}, "summary: This must have at most 10,000 characters."),
        ({"ticket": "17", "summary": "Done."}, "ticket: This must be the key of a record."),
    ],
)
def test_what_resolves_nothing_is_refused(db, content, sentence):
    with pytest.raises(BadInput) as refused:
        make_suggestion(RESOLVE, suggested_content=content)
    assert sentence in str(refused.value)


def test_another_ticket_than_it_is_about_is_refused(ann):
    suggestion, other = make_suggestion(RESOLVE), make_ticket()
    with pytest.raises(BadInput, match="It resolves the ticket"):
        approve(suggestion, by=ann, content={"ticket": str(other.pk), "summary": "Done."})


def test_worked_on_meanwhile_it_is_shown_before_it_is_approved(ann):
    suggestion = make_suggestion(RESOLVE)
    note(suggestion.ticket, "They called again.", internal=True, by=SYSTEM)
    with pytest.raises(OldNews, match="worked on since this was suggested .*They called again"):
        approve(suggestion, by=ann)
    approve(suggestion, by=ann, as_of=timezone.now())
    assert suggestion.status == SuggestionStatus.APPROVED


def test_resolved_by_somebody_meanwhile_it_fails(ann):
    suggestion = make_suggestion(RESOLVE)
    execution = approved_and_held(suggestion, ann)
    resolve(suggestion.ticket, summary="By hand.", by=SYSTEM)
    assert carried_out(suggestion, execution).state == "FAILED"
    assert suggestion.error_message == f"Ticket #{suggestion.ticket.number} is resolved already."
    assert SupportTicket.objects.get().resolution_summary == "By hand."


def test_a_ticket_deleted_between_approval_and_execution(ann):
    suggestion = make_suggestion(RESOLVE)
    execution = approved_and_held(suggestion, ann)
    soft_delete(suggestion.ticket, by=SYSTEM)
    assert carried_out(suggestion, execution).state == "FAILED"
    assert suggestion.error_message == f"Ticket #{suggestion.ticket.number} is deleted; restore it first."


def test_undone_it_is_open_and_says_why(ann):
    suggestion = make_suggestion(RESOLVE)
    approve(suggestion, by=ann)
    undo(suggestion, by=ann)
    ticket = SupportTicket.objects.get()
    assert (ticket.status, ticket.resolution_summary) == (TicketStatus.OPEN, "")
    assert "Its resolution was undone." in ticket.notes[-1]["body"]


def test_one_that_was_reopened_since_stays_so(ann):
    suggestion = make_suggestion(RESOLVE)
    approve(suggestion, by=ann)
    reopen(suggestion.ticket, why="Still broken.", by=ann)
    undo(suggestion, by=ann)
    assert len(SupportTicket.objects.get().notes) == 1


def test_one_that_was_resolved_otherwise_since_stays_so(ann):
    suggestion = make_suggestion(RESOLVE)
    approve(suggestion, by=ann)
    reopen(suggestion.ticket, why="Still broken.", by=ann)
    resolve(suggestion.ticket, summary="A new card.", by=ann)
    with pytest.raises(IllegalMove, match="resolved otherwise since"):
        undo(suggestion, by=ann)
    assert SupportTicket.objects.get().resolution_summary == "A new card."
