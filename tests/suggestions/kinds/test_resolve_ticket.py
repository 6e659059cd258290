"""A ticket is closed with what solved it, once, and opened again."""

from datetime import UTC, datetime

import pytest
from django.utils import timezone

from crm.exceptions import IllegalTransition, InvalidInput
from crm.models import ActivityLog
from crm.records.activity import SYSTEM_ACTOR
from crm.records.transitions import soft_delete
from suggestions.models import SuggestionStatus, SuggestionType
from suggestions.transitions import StaleSuggestion, approve, undo
from support.models import SupportTicket, TicketStatus
from support.transitions import add_ticket_note, reopen, resolve
from tests.cast import make_suggestion, make_ticket
from tests.suggestions.kinds.held_execution import approve_while_paused, resume_and_run

RESOLVE = SuggestionType.RESOLVE_TICKET


def test_ticket_is_resolved_with_summary(ann):
    suggestion = make_suggestion(RESOLVE)
    approve(suggestion, by=ann)
    ticket = SupportTicket.objects.get()
    assert (ticket.status, ticket.resolution_summary) == (TicketStatus.RESOLVED, "Sent the card again.")
    assert suggestion.result == {"ticket": str(ticket.pk), "was": "Open"}


def test_ticket_is_taken_from_content(ann):
    ticket = make_ticket()
    content = {"ticket": str(ticket.pk), "summary": "Done."}
    suggestion = make_suggestion(RESOLVE, lead=None, ticket=None, suggested_content=content)
    assert (suggestion.ticket, suggestion.client) == (ticket, ticket.client)


def test_summary_names_ticket(ann):
    ticket = make_ticket(subject="No card")
    suggestion = make_suggestion(RESOLVE, ticket=ticket)
    approve(suggestion, by=ann)
    summary = ActivityLog.objects.for_target(suggestion).first().summary
    assert summary == f"Approved: Resolve ticket {ticket}: Sent the card again."


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({"summary": " "}, "summary: This must not be empty."),
        ({"summary": "x" * 10_001}, "summary: This must have at most 10,000 characters."),
        ({"ticket": "17", "summary": "Done."}, "ticket: This must be the key of a record."),
    ],
)
def test_invalid_content_is_refused(db, content, sentence):
    with pytest.raises(InvalidInput) as refused:
        make_suggestion(RESOLVE, suggested_content=content)
    assert sentence in str(refused.value)


def test_changing_the_ticket_on_approval_is_refused(ann):
    suggestion, other = make_suggestion(RESOLVE), make_ticket()
    with pytest.raises(InvalidInput, match="The ticket is not the one of this suggestion"):
        approve(suggestion, by=ann, content={"ticket": str(other.pk), "summary": "Done."})


def test_ticket_changed_before_approval_asks_again(ann):
    suggestion = make_suggestion(RESOLVE)
    add_ticket_note(suggestion.ticket, "They called again.", internal=True, by=SYSTEM_ACTOR)
    with pytest.raises(StaleSuggestion, match="worked on since this was suggested .*They called again"):
        approve(suggestion, by=ann)
    approve(suggestion, by=ann, as_of=timezone.now())
    assert suggestion.status == SuggestionStatus.APPROVED


def test_ticket_resolved_before_execution_fails(ann):
    suggestion = make_suggestion(RESOLVE)
    execution = approve_while_paused(suggestion, ann)
    resolve(suggestion.ticket, summary="By hand.", by=SYSTEM_ACTOR)
    assert resume_and_run(suggestion, execution).state == "FAILED"
    assert suggestion.error_message == f"Ticket #{suggestion.ticket.number} is resolved already."
    assert SupportTicket.objects.get().resolution_summary == "By hand."


def test_ticket_deleted_before_execution_fails(ann):
    suggestion = make_suggestion(RESOLVE)
    execution = approve_while_paused(suggestion, ann)
    soft_delete(suggestion.ticket, by=SYSTEM_ACTOR)
    assert resume_and_run(suggestion, execution).state == "FAILED"
    assert suggestion.error_message == f"Ticket #{suggestion.ticket.number} is deleted; restore it first."


def test_undo_reopens_ticket_with_note(ann):
    suggestion = make_suggestion(RESOLVE)
    approve(suggestion, by=ann)
    undo(suggestion, by=ann)
    ticket = SupportTicket.objects.get()
    assert (ticket.status, ticket.resolution_summary) == (TicketStatus.OPEN, "")
    assert "Its resolution was undone." in ticket.notes[-1]["body"]


@pytest.mark.parametrize("was", [TicketStatus.OPEN, TicketStatus.IN_PROGRESS, TicketStatus.ESCALATED])
@pytest.mark.parametrize("responded_at", [None, datetime(2026, 1, 2, 9, tzinfo=UTC)])
def test_undo_restores_status_and_times(ann, was, responded_at):
    """A resolution that was a mistake must not give a late ticket new due times."""
    ticket = make_ticket()
    times = {
        "first_response_due_at": datetime(2026, 1, 2, 10, tzinfo=UTC),
        "resolve_due_at": datetime(2026, 1, 5, 10, tzinfo=UTC),
        "escalated_at": datetime(2026, 1, 6, 10, tzinfo=UTC) if was == TicketStatus.ESCALATED else None,
        "first_responded_at": responded_at,
    }
    SupportTicket.objects.update(status=was, **times)
    suggestion = make_suggestion(RESOLVE, ticket=SupportTicket.objects.get())
    approve(suggestion, by=ann)
    assert SupportTicket.objects.get().first_responded_at is not None
    undo(suggestion, by=ann)
    ticket.refresh_from_db()
    assert (ticket.status, ticket.resolved_at) == (was, None)
    assert {name: getattr(ticket, name) for name in times} == times


def test_undo_keeps_already_reopened_ticket(ann):
    suggestion = make_suggestion(RESOLVE)
    approve(suggestion, by=ann)
    reopen(suggestion.ticket, why="Still broken.", by=ann)
    undo(suggestion, by=ann)
    assert len(SupportTicket.objects.get().notes) == 1


def test_undo_is_refused_after_another_resolution(ann):
    suggestion = make_suggestion(RESOLVE)
    approve(suggestion, by=ann)
    reopen(suggestion.ticket, why="Still broken.", by=ann)
    resolve(suggestion.ticket, summary="A new card.", by=ann)
    with pytest.raises(IllegalTransition, match="resolved otherwise since"):
        undo(suggestion, by=ann)
    assert SupportTicket.objects.get().resolution_summary == "A new card."
