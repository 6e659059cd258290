"""Suggestions of every type for the storm, each with its own people."""

from collections.abc import Callable
from datetime import timedelta

from django.utils import timezone

from crm.models import Client
from crm.records.activity import SYSTEM_ACTOR
from inbox.models import Direction, Message, Thread, ThreadSource
from inbox.transitions import add_to_thread
from leads.models import Lead
from leads.transitions import create_lead
from suggestions.models import Suggestion, SuggestionType
from support.models import SupportTicket
from support.transitions import open_ticket


def build_storm_suggestion(type: str, number: int) -> Suggestion:
    """Return the suggestion `number`, not yet proposed."""
    suggestion = MAKERS[SuggestionType(type)](number)
    suggestion.type, suggestion.agent = type, "storm"
    return suggestion


def make_storm_lead(number: int) -> Lead:
    lead = Lead(contact_name=f"Stormy Lead {number}", contact_email=f"lead{number}@storm-customers.example.com")
    create_lead(lead, by=SYSTEM_ACTOR)
    return lead


def make_storm_thread(number: int, **owner: Lead) -> Thread:
    """Return a conversation whose last message is theirs."""
    address = f"lead{number}@storm-customers.example.com"
    thread = Thread.objects.create(
        source=ThreadSource.EMAIL, subject=f"Question {number}", participant_emails=[address], **owner
    )
    add_to_thread(
        Message(
            thread=thread,
            direction=Direction.IN,
            from_email=address,
            message_id=f"<question.{number}@storm-customers.example.com>",
            subject=thread.subject,
            body_text="What would it cost?",
            sent_at=timezone.now() - timedelta(hours=1),
        )
    )
    thread.refresh_from_db()
    return thread


def make_task(number: int) -> Suggestion:
    return Suggestion(lead=make_storm_lead(number), suggested_content={"title": f"Call {number}"})


def make_pull_request(number: int) -> Suggestion:
    content = {
        "repository": "storm/site",
        "title": f"Change {number}",
        "body": "As discussed.",
        "head": f"change-{number}",
        "base": "main",
    }
    return Suggestion(lead=make_storm_lead(number), suggested_content=content)


def make_reply(number: int) -> Suggestion:
    lead = make_storm_lead(number)
    thread = make_storm_thread(number, lead=lead)
    content = {"body": "Hello {{first_name}}, we come back to you today.", "thread": str(thread.pk)}
    return Suggestion(lead=lead, thread=thread, suggested_content=content)


def make_follow_up(number: int) -> Suggestion:
    content = {"reason": "No reply for three days.", "suggestedAction": "Ask for the status.", "urgency": "low"}
    return Suggestion(lead=make_storm_lead(number), suggested_content=content)


def make_send_email(number: int) -> Suggestion:
    lead = make_storm_lead(number)
    content = {"subject": f"Offer {number}", "body": "Dear {{lead_name}}, here it is.", "to": [lead.contact_email]}
    return Suggestion(lead=lead, suggested_content=content)


def make_schedule_call(number: int) -> Suggestion:
    day = timezone.now() + timedelta(days=3)
    content = {"suggestedTimes": [day.isoformat()], "duration": 30, "meetingType": "phone"}
    return Suggestion(lead=make_storm_lead(number), suggested_content=content)


def make_send_proposal(number: int) -> Suggestion:
    until = (timezone.localdate() + timedelta(days=30)).isoformat()
    content = {"title": f"Proposal {number}", "amount": "1200.00", "validUntil": until, "body": "As we discussed."}
    return Suggestion(lead=make_storm_lead(number), suggested_content=content)


def make_change_status(number: int) -> Suggestion:
    lead = make_storm_lead(number)
    return Suggestion(lead=lead, suggested_content={"status": "ACTIVE", "fromStatus": lead.status_id})


def make_create_lead(number: int) -> Suggestion:
    content = {"contactName": f"Made in the storm {number}", "contactEmail": f"made{number}@storm.example.org"}
    return Suggestion(thread=make_storm_thread(number), suggested_content=content)


def make_link_thread(number: int) -> Suggestion:
    lead, thread = make_storm_lead(number), make_storm_thread(number)
    return Suggestion(lead=lead, thread=thread, suggested_content={"thread": str(thread.pk), "lead": str(lead.pk)})


def make_resolve_ticket(number: int) -> Suggestion:
    client = Client.objects.create(name=f"Stormy Client {number}")
    ticket = SupportTicket(client=client, subject=f"Trouble {number}")
    open_ticket(ticket, by=SYSTEM_ACTOR)
    content = {"ticket": str(ticket.pk), "summary": "The card was sent again."}
    return Suggestion(client=client, ticket=ticket, suggested_content=content)


def make_convert_lead(number: int) -> Suggestion:
    content = {"clientName": f"Converted in the storm {number}", "projectName": "Onboarding"}
    return Suggestion(lead=make_storm_lead(number), suggested_content=content)


MAKERS: dict[SuggestionType, Callable[[int], Suggestion]] = {
    SuggestionType.TASK: make_task,
    SuggestionType.PR: make_pull_request,
    SuggestionType.REPLY: make_reply,
    SuggestionType.FOLLOW_UP: make_follow_up,
    SuggestionType.SEND_EMAIL: make_send_email,
    SuggestionType.SCHEDULE_CALL: make_schedule_call,
    SuggestionType.SEND_PROPOSAL: make_send_proposal,
    SuggestionType.CHANGE_STATUS: make_change_status,
    SuggestionType.CREATE_LEAD: make_create_lead,
    SuggestionType.LINK_THREAD: make_link_thread,
    SuggestionType.RESOLVE_TICKET: make_resolve_ticket,
    SuggestionType.CONVERT_LEAD: make_convert_lead,
}
