"""Load what a model is told about a suggestion."""

from datetime import datetime

from agents.drafting.prompts import DraftBrief, QuotedMessage
from agents.drafting.read_prospect import ProspectEmail
from ai_log.memory import load_memory
from crm.models import Client
from crm.records.local_time import agency_time, agency_today
from crm.text.addresses import agency_sender
from crm.text.dates import SPELLED_STYLE
from crm.text.email_bodies.quotes import own_text
from inbox.email_templates.custom_placeholders import CUSTOM_PREFIX
from inbox.email_templates.placeholders import placeholder_values
from inbox.models import Direction, Message, Nature
from inbox.thread_state import DELIVERED_STATES, VERBATIM_SOURCES
from leads.models import InsuranceType, Lead
from suggestions.kinds.email import default_sender
from suggestions.models import Suggestion

MAX_BRIEF_MESSAGES, MAX_BRIEF_MESSAGE_LENGTH, MAX_BRIEF_BODY_LENGTH = 6, 2_000, 20_000


def agency_name() -> str:
    return agency_sender()[0] or "our agency"


def load_brief(suggestion: Suggestion, now: datetime) -> DraftBrief:
    """Return the brief of `suggestion`: the messages and the lead's details, without internal notes."""
    recipient = suggestion.lead or suggestion.client
    placeholders = placeholder_values(recipient, default_sender(suggestion)) if recipient else {}
    return DraftBrief(
        type=suggestion.type,
        content=suggestion.suggested_content,
        reasoning=suggestion.reasoning,
        agency=agency_name(),
        today=agency_today(now),
        facts={**record_facts(recipient), **fixed_terms(suggestion)},
        recipient_names=recipient_names_of(recipient),
        placeholders=tuple(name for name, value in placeholders.items() if value.strip() and is_offered(name)),
        messages=tuple(load_quoted_messages(suggestion)),
        memory=load_memory(suggestion.lead) if suggestion.lead else "",
    )


def is_offered(placeholder: str) -> bool:
    """Whether a model may use the placeholder: what the agency notes about a person is not for it to tell."""
    return placeholder != "estimated_value" and not placeholder.startswith(CUSTOM_PREFIX)


def record_facts(recipient: Lead | Client | None) -> dict[str, str]:
    """Return what our records say about the lead, in our words."""
    if not isinstance(recipient, Lead):
        return {}
    line, last = recipient.insurance_type, recipient.last_contact_at
    return {
        "Stage": recipient.status.label,
        "Line of insurance": line.name if line else "not known",
        "Last contact": SPELLED_STYLE.long_day(agency_time(last)) if last else "never",
    }


def fixed_terms(suggestion: Suggestion) -> dict[str, str]:
    """Return the parts of the suggestion that a model may not change."""
    content = suggestion.suggested_content
    values = {"Offer": content.get("title"), "Sum": content.get("amount"), "Valid until": content.get("validUntil")}
    return {name: str(value) for name, value in values.items() if value}


def recipient_names_of(recipient: Lead | Client | None) -> dict[str, str]:
    if recipient is None:
        return {}
    lead = isinstance(recipient, Lead)
    values = {
        "Name": recipient.contact_name if lead else recipient.name,
        "Company": recipient.company_name if lead else "",
    }
    return {name: value for name, value in values.items() if value}


def load_quoted_messages(suggestion: Suggestion) -> list[QuotedMessage]:
    """Return the newest messages between persons in the thread, else in the lead's threads; newest last."""
    rows = Message.objects.filter(state__in=DELIVERED_STATES, nature=Nature.PERSON, thread__source__in=VERBATIM_SOURCES)
    if suggestion.thread_id:
        rows = rows.filter(thread=suggestion.thread_id)
    elif suggestion.lead_id:
        rows = rows.filter(thread__lead=suggestion.lead_id, thread__deleted_at=None)
    else:
        return []
    newest = rows.order_by("-sent_at", "-id").values_list("direction", "sent_at", "body_text")[:MAX_BRIEF_MESSAGES]
    return [build_quoted_message(*row) for row in reversed(newest)]


def build_quoted_message(direction: str, at: datetime, body: str) -> QuotedMessage:
    who = "theirs" if direction == Direction.IN else "ours"
    words = own_text(body[:MAX_BRIEF_BODY_LENGTH]) or body
    return QuotedMessage(
        f"message of {who}, {SPELLED_STYLE.long_day(agency_time(at))}", words[:MAX_BRIEF_MESSAGE_LENGTH]
    )


def load_prospect_email(suggestion: Suggestion) -> ProspectEmail | None:
    """Return the email of the possible lead; None if it was deleted."""
    message = suggestion.message
    if message is None:
        return None
    lines = InsuranceType.objects.filter(is_active=True).order_by("code").values_list("code", "name")
    return ProspectEmail(message.subject, message.from_name, message.body_text, dict(lines))
