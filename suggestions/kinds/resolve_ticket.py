"""RESOLVE_TICKET: resolve a ticket with a summary of the solution."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import Field

from crm.exceptions import IllegalTransition, InvalidInput
from crm.models import ActivityLog
from crm.records.activity import Actor
from suggestions.choices import LabelCache
from suggestions.kinds.base import Kind, Payload
from suggestions.models import Suggestion, SuggestionType
from support.models import SupportTicket, TicketStatus
from support.transitions import resolve, undo_resolution


class ResolveTicketPayload(Payload):
    ticket: UUID = Field(title="Ticket", json_schema_extra={"readonly": True, "record": "ticket"})
    summary: str = Field(
        min_length=1, max_length=10_000, title="What solved it", json_schema_extra={"widget": "textarea"}
    )


class ResolveTicketKind(Kind):
    type = SuggestionType.RESOLVE_TICKET
    Payload = ResolveTicketPayload
    permission, action_phrase = "support.resolve_supportticket", "change the status of a ticket"
    summary_field = "summary"

    @classmethod
    def fill_defaults(cls, content: Any, suggestion: Suggestion) -> Any:
        """Fill in the ticket from the suggestion, and the other way round."""
        if not isinstance(content, dict):
            return content
        if suggestion.ticket_id:
            content = {"ticket": str(suggestion.ticket_id), **content}
        ticket = require_ticket(cls.parse_content(content))
        suggestion.ticket = suggestion.ticket or ticket
        if suggestion.lead_id is None and suggestion.client_id is None:
            suggestion.client, suggestion.lead = ticket.client, None if ticket.client_id else ticket.lead
        return content

    @classmethod
    def guard(cls, payload: ResolveTicketPayload, suggestion: Suggestion) -> None:
        ticket = require_ticket(payload)
        if suggestion.ticket_id != payload.ticket:
            raise InvalidInput("The ticket is not the one of this suggestion.")
        if ticket.status == TicketStatus.RESOLVED:
            raise IllegalTransition(f"Ticket #{ticket.number} is resolved already.")

    @classmethod
    def urgency(cls, payload: ResolveTicketPayload) -> int:
        return 2

    @classmethod
    def sentence(cls, payload: ResolveTicketPayload, suggestion: Suggestion, labels: LabelCache | None = None) -> str:
        is_loaded = suggestion.ticket_id == payload.ticket
        ticket = suggestion.ticket if is_loaded else (labels or LabelCache()).record_label("ticket", payload.ticket)
        return f"Resolve ticket {ticket}: {payload.summary}"

    @classmethod
    def execute(cls, payload: ResolveTicketPayload, suggestion: Suggestion, *, by: Actor) -> dict[str, Any]:
        ticket = require_ticket(payload)
        was = ticket.get_status_display()
        resolve(ticket, summary=payload.summary, by=by)
        return {"ticket": str(ticket.pk), "was": was}

    @classmethod
    def change_since_proposed(
        cls, payload: ResolveTicketPayload, suggestion: Suggestion
    ) -> tuple[datetime, str] | None:
        ticket = require_ticket(payload)
        later = ActivityLog.objects.for_target(ticket).filter(occurred_at__gt=suggestion.created_at)
        newer_entry = later.exclude(verb="opened").first()
        if newer_entry is None or ticket.status == TicketStatus.RESOLVED:
            return None
        return (
            newer_entry.occurred_at,
            f"The ticket has been worked on since this was suggested ({newer_entry.summary}).",
        )

    @classmethod
    def undo(cls, suggestion: Suggestion, *, by: Actor) -> None:
        payload = cls.parse_content(suggestion.approved_content)
        ticket = require_ticket(payload)
        if ticket.status != TicketStatus.RESOLVED:
            return
        if ticket.resolution_summary != payload.summary:
            raise IllegalTransition(f"Ticket #{ticket.number} has been resolved otherwise since: reopen it by hand.")
        was = next((status for status in TicketStatus if status.label == suggestion.result["was"]), TicketStatus.OPEN)
        undo_resolution(ticket, was, by=by)


def require_ticket(payload: ResolveTicketPayload) -> SupportTicket:
    ticket = SupportTicket.everything.select_related("client", "lead").filter(pk=payload.ticket).first()
    if ticket is None:
        raise IllegalTransition("The ticket of this suggestion no longer exists.")
    if ticket.is_deleted:
        raise IllegalTransition(f"Ticket #{ticket.number} is deleted; restore it first.")
    return ticket
