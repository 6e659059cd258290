"""Asking the database what a model is told about a suggestion before it is asked."""

from datetime import datetime

from django.utils import timezone

from agents.drafting.prompts import Brief, Quote
from agents.drafting.read_prospect import Mail
from ai_log.memory import memory
from crm.models import Client
from crm.text.addresses import house
from crm.text.quotes import own_words
from inbox.email_templates.placeholders import values_for
from inbox.models import Direction, Message, Nature
from inbox.thread_state import IN_THEIR_WORDS, SAID
from leads.models import InsuranceType, Lead
from suggestions.kinds.email import owner
from suggestions.models import Suggestion

MOST_SAID, LONGEST_SAID, LONGEST_BODY = 6, 2_000, 20_000


def agency() -> str:
    return house()[0] or "our agency"


def brief_of(suggestion: Suggestion, now: datetime) -> Brief:
    """What a model is told of `suggestion`: what was said, who they are, nothing that staff noted for themselves."""
    whom = suggestion.lead or suggestion.client
    gaps = values_for(whom, owner(suggestion)) if whom else {}
    return Brief(
        type=suggestion.type,
        content=suggestion.suggested_content,
        why=suggestion.reasoning,
        house=agency(),
        today=timezone.localdate(now),
        facts={**facts_of(whom), **fixed(suggestion)},
        named=named_of(whom),
        gaps=tuple(name for name, value in gaps.items() if value.strip() and name != "estimated_value"),
        said=tuple(said_around(suggestion)),
        memory=memory(suggestion.lead) if suggestion.lead else "",
    )


def facts_of(whom: Lead | Client | None) -> dict[str, str]:
    """What our records say of them, in words of ours."""
    if not isinstance(whom, Lead):
        return {}
    line, last = whom.insurance_type, whom.last_contact_at
    return {
        "Stage": whom.status.label,
        "Line of insurance": line.name if line else "not known",
        "Last contact": f"{timezone.localtime(last):%-d %B %Y}" if last else "never",
    }


def fixed(suggestion: Suggestion) -> dict[str, str]:
    """What stands in the suggestion and is not the model's to word."""
    content = suggestion.suggested_content
    told = {"Offer": content.get("title"), "Sum": content.get("amount"), "Valid until": content.get("validUntil")}
    return {name: str(value) for name, value in told.items() if value}


def named_of(whom: Lead | Client | None) -> dict[str, str]:
    if whom is None:
        return {}
    lead = isinstance(whom, Lead)
    told = {"Name": whom.contact_name if lead else whom.name, "Company": whom.company_name if lead else ""}
    return {name: value for name, value in told.items() if value}


def said_around(suggestion: Suggestion) -> list[Quote]:
    """The newest that persons said in the conversation, else in those of the lead; the newest last."""
    rows = Message.objects.filter(state__in=SAID, nature=Nature.PERSON, thread__source__in=IN_THEIR_WORDS)
    if suggestion.thread_id:
        rows = rows.filter(thread=suggestion.thread_id)
    elif suggestion.lead_id:
        rows = rows.filter(thread__lead=suggestion.lead_id, thread__deleted_at=None)
    else:
        return []
    newest = rows.order_by("-sent_at", "-id").values_list("direction", "sent_at", "body_text")[:MOST_SAID]
    return [quote(*row) for row in reversed(newest)]


def quote(direction: str, at: datetime, body: str) -> Quote:
    who = "theirs" if direction == Direction.IN else "ours"
    words = own_words(body[:LONGEST_BODY]) or body
    return Quote(f"message of {who}, {timezone.localtime(at):%-d %B %Y}", words[:LONGEST_SAID])


def mail_of(suggestion: Suggestion) -> Mail | None:
    """The mail that whoever may become a lead wrote; None where it is gone."""
    message = suggestion.message
    if message is None:
        return None
    lines = InsuranceType.objects.filter(is_active=True).order_by("code").values_list("code", "name")
    return Mail(message.subject, message.from_name, message.body_text, dict(lines))
