"""RESOLVE_TICKET: close a ticket with what solved it."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import Field

from crm.exceptions import BadInput, IllegalMove
from crm.models import ActivityLog
from crm.records.activity import Actor
from suggestions.choices import Names
from suggestions.kinds.base import Kind, Payload
from suggestions.models import Suggestion, SuggestionType
from support.models import SupportTicket, TicketStatus
from support.transitions import reopen, resolve


class ResolveTicketPayload(Payload):
    ticket: UUID = Field(title="Ticket", json_schema_extra={"readonly": True, "record": "ticket"})
    summary: str = Field(
        min_length=1, max_length=10_000, title="What solved it", json_schema_extra={"widget": "textarea"}
    )


class ResolveTicketKind(Kind):
    type = SuggestionType.RESOLVE_TICKET
    Payload = ResolveTicketPayload
    permission, deed = "support.resolve_supportticket", "change the status of a ticket"
    gist = "summary"

    @classmethod
    def completed(cls, content: Any, suggestion: Suggestion) -> Any:
        """The ticket is the suggestion's where it names none, and the other way round."""
        if not isinstance(content, dict):
            return content
        if suggestion.ticket_id:
            content = {"ticket": str(suggestion.ticket_id), **content}
        ticket = ticket_of(cls.check(content))
        suggestion.ticket = suggestion.ticket or ticket
        if suggestion.lead_id is None and suggestion.client_id is None:
            suggestion.client = ticket.client
        return content

    @classmethod
    def guard(cls, payload: ResolveTicketPayload, suggestion: Suggestion) -> None:
        ticket = ticket_of(payload)
        if suggestion.ticket_id != payload.ticket:
            raise BadInput("It resolves the ticket that it is about.")
        if ticket.status == TicketStatus.RESOLVED:
            raise IllegalMove(f"Ticket #{ticket.number} is resolved already.")

    @classmethod
    def sentence(cls, payload: ResolveTicketPayload, suggestion: Suggestion, names: Names | None = None) -> str:
        read = suggestion.ticket_id == payload.ticket
        ticket = suggestion.ticket if read else (names or Names()).record("ticket", payload.ticket)
        return f"Resolves the ticket {ticket}: {payload.summary}"

    @classmethod
    def execute(cls, payload: ResolveTicketPayload, suggestion: Suggestion, *, by: Actor) -> dict[str, Any]:
        ticket = ticket_of(payload)
        was = ticket.get_status_display()
        resolve(ticket, summary=payload.summary, by=by)
        return {"ticket": str(ticket.pk), "was": was}

    @classmethod
    def overtaken(cls, payload: ResolveTicketPayload, suggestion: Suggestion) -> tuple[datetime, str] | None:
        ticket = ticket_of(payload)
        later = ActivityLog.objects.done_to(ticket).filter(occurred_at__gt=suggestion.created_at)
        done = later.exclude(verb="opened").first()
        if done is None or ticket.status == TicketStatus.RESOLVED:
            return None
        return done.occurred_at, f"The ticket has been worked on since this was suggested ({done.summary})."

    @classmethod
    def undo(cls, suggestion: Suggestion, *, by: Actor) -> None:
        payload = cls.check(suggestion.approved_content)
        ticket = ticket_of(payload)
        if ticket.status != TicketStatus.RESOLVED:
            return
        if ticket.resolution_summary != payload.summary:
            raise IllegalMove(f"Ticket #{ticket.number} has been resolved otherwise since: reopen it by hand.")
        reopen(ticket, why="Its resolution was undone.", by=by)


def ticket_of(payload: ResolveTicketPayload) -> SupportTicket:
    ticket = SupportTicket.everything.select_related("client").filter(pk=payload.ticket).first()
    if ticket is None:
        raise IllegalMove("The ticket of this suggestion no longer exists.")
    if ticket.is_deleted:
        raise IllegalMove(f"Ticket #{ticket.number} is deleted; restore it first.")
    return ticket
