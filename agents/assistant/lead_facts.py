"""The facts in the record of a lead: identity, stage, score, probability, value, data, people, contact, outcome."""

from collections.abc import Iterator
from datetime import datetime

from django.utils.text import capfirst, slugify

from agents.assistant.facts import MAX_FIELD_FACTS, Fact, FactSource, flatten_fields, format_date
from agents.assistant.questions import Topic, keywords_of
from crm.models import Client, User
from crm.records.custom_fields.references import named_values
from crm.records.local_time import agency_style
from crm.templatetags.crm import money, percent
from crm.text.cleaning import shorten
from leads.models import ContactLead, Lead, LeadStageHistory, Rung, ScoringPolicy
from leads.prediction.screen import probability_explanation
from leads.scoring.explanation import SignalContribution, score_explanation

MAX_SCORE_FACTS, MAX_PROBABILITY_REASONS, MAX_STAGE_MOVES, MAX_STAKEHOLDERS = 6, 5, 10, 15
MAX_NOTES_LENGTH = 1_000


def lead_source(lead: Lead, label: str, place: str = "about") -> FactSource:
    """Return a place on the page of `lead` as a source."""
    return FactSource("lead", str(lead.pk), label, place)


def identity_facts(lead: Lead) -> Iterator[Fact]:
    """Yield name, type, source, contact details, notes and tags."""
    kind = lead.get_client_type_display().lower()
    company = f" of {lead.company_name}" if lead.company_name else ""
    yield Fact(Topic.IDENTITY, f"{lead.contact_name}{company}, {kind}.", lead_source(lead, "Name"))
    detail = f": {lead.source_detail}" if lead.source_detail else ""
    text = f"Source: {lead.get_source_type_display().lower()}{detail}. Created on {format_date(lead.created_at)}."
    yield Fact(Topic.IDENTITY, text, lead_source(lead, "Source"))
    channels = (("Email", lead.contact_email), ("Phone", lead.contact_phone), ("Website", lead.company_website))
    for label, value in channels:
        if value:
            yield Fact(Topic.CONTACT_DETAILS, f"{label}: {value}", lead_source(lead, label))
    for label, value, _ in flatten_fields("Contact details", lead.communications):
        yield Fact(
            Topic.CONTACT_DETAILS,
            f"{label}: {value}",
            lead_source(lead, "Contact preferences", "data-contact-preferences"),
        )
    if lead.notes:
        yield Fact(
            Topic.NOTES, "Notes on the record:", lead_source(lead, "Notes"), shorten(lead.notes, MAX_NOTES_LENGTH)
        )
    if lead.tags:
        yield Fact(Topic.NOTES, f"Tags: {', '.join(lead.tags)}", lead_source(lead, "Tags"))


def value_facts(lead: Lead) -> Iterator[Fact]:
    """Yield the estimated value and the expected close date."""
    if lead.estimated_value is not None:
        weighted = lead.weighted_value
        weighted_text = f", weighted by its probability {money(weighted)}" if weighted is not None else ""
        text = f"The estimated value is {money(lead.estimated_value)}{weighted_text}."
        yield Fact(Topic.VALUE, text, lead_source(lead, "Value", "where"), is_internal=True)
    if lead.expected_close_date:
        at = lead.expected_close_date
        text = f"Expected to close on {agency_style().day(at)}."
        yield Fact(Topic.VALUE, text, lead_source(lead, "Expected close", "where"), is_internal=True)


def stage_facts(lead: Lead) -> Iterator[Fact]:
    """Yield the stage and its history, the latest move first."""
    rows = LeadStageHistory.objects.filter(lead=lead).select_related("from_status", "to_status", "by")
    moves = list(rows.order_by("-at", "-id")[:MAX_STAGE_MOVES])
    since = f" since {format_date(moves[0].at)}" if moves and moves[0].to_status_id == lead.status_id else ""
    yield Fact(Topic.STAGE, f"The stage is {lead.status}{since}.", lead_source(lead, "Stage", "where"))
    for move in moves:
        text = f"{move.from_status} → {move.to_status}" if move.from_status_id else f"Created in {move.to_status}"
        by = f", by {move.by}" if move.by else ""
        yield Fact(
            Topic.STAGE, f"{text} on {format_date(move.at)}{by}.", lead_source(lead, "Stage move", "moves"), at=move.at
        )


def score_facts(lead: Lead) -> Iterator[Fact]:
    """Yield score and tier, and the signals with the most weight."""
    by_hand = ", set by hand" if lead.tier_override else ""
    tier = f" It is {lead.get_priority_tier_display()}{by_hand}." if lead.priority_tier else ""
    if lead.overall_score is None:
        if tier:
            yield Fact(Topic.SCORE, tier.strip(), lead_source(lead, "Tier", "score"), is_internal=True)
        return
    explained = score_explanation(lead, ScoringPolicy.objects.active())
    trend_text = f" {explained.change_text} since a week ago." if explained.change_text else ""
    text = f"The score is {lead.overall_score}.{tier}{trend_text}"
    yield Fact(Topic.SCORE, text, lead_source(lead, "Why this score", "score"), is_internal=True)
    for share in sorted(explained.current.contributions, key=lambda one: -abs(one.contribution))[:MAX_SCORE_FACTS]:
        detail = f", {share.detail}" if share.detail else ""
        when = f" ({format_date(share.at)})" if share.at else ""
        text = f"{share.label}{detail}{when} counts {share.contribution_text} of {share.weight_text}."
        yield Fact(Topic.SCORE, text, share_source(lead, share))


def share_source(lead: Lead, share: SignalContribution) -> FactSource:
    """Return the source of a signal: its message, or the part of the lead that it comes from."""
    if share.message:
        return FactSource("message", str(share.message), "Message")
    label, place = share.source_link or ("Signal", "score")
    return lead_source(lead, label.capitalize(), place)


def probability_facts(lead: Lead) -> Iterator[Fact]:
    """Yield the probability of winning the lead, and its reasons."""
    if lead.predicted_close_probability is None:
        return
    source = lead_source(lead, "Why this probability", "chance")
    text = f"The probability of winning it is {percent(lead.predicted_close_probability)}."
    yield Fact(Topic.PROBABILITY, text, source, is_internal=True)
    prediction = probability_explanation(lead)
    if prediction is None or not lead.is_open:
        return
    if prediction.model.rung == Rung.STAGES and prediction.stage:
        text = f"Of {prediction.stage['n']} closed leads that reached this stage, {prediction.stage['won']} were won."
        yield Fact(Topic.PROBABILITY, text, source, is_internal=True)
    for reason in prediction.reasons[:MAX_PROBABILITY_REASONS]:
        text = f"{capfirst(reason.feature)}, {reason.value_text}, changes the log odds by {reason.points:+.2f}."
        yield Fact(Topic.PROBABILITY, text, source)


def field_facts(lead: Lead, user: User) -> Iterator[Fact]:
    """Yield line, line data, additional insureds and custom fields; each field is a fact with keywords.

    References are named as `user` may read them.
    """
    if lead.insurance_type:
        text = f"The line is {lead.insurance_type.name}."
        yield Fact(Topic.DATA, text, lead_source(lead, "Line", "where"), keywords=keywords_of("line insurance"))
    parts = (
        ("Auto", lead.auto_data),
        ("Home", lead.home_data),
        *((code.replace("_", " ").capitalize(), inner) for code, inner in lead.line_data.items()),
        ("Additional insureds", lead.additional_insureds),
        ("Custom fields", named_values(lead._meta.label_lower, lead.custom_fields, user)),
    )
    count = 0
    for title, value in parts:
        for label, shown, names in flatten_fields(title, value):
            count += 1
            if count > MAX_FIELD_FACTS:
                return
            source = lead_source(lead, title, f"data-{slugify(title)}")
            yield Fact(Topic.DATA, f"{label}: {shown}", source, keywords=keywords_of(names))


def closing_facts(lead: Lead, client: Client | None) -> Iterator[Fact]:
    """Yield how the lead was closed, if it was."""
    if lead.closed_at:
        why_lost = f", {lead.get_loss_reason_display().lower()}" if lead.loss_reason else ""
        text = f"Closed as {lead.status} on {format_date(lead.closed_at)}{why_lost}."
        yield Fact(Topic.OUTCOME, text, lead_source(lead, "Closed", "where"), lead.loss_notes)
    if client is not None:
        text = f"Became the client {client} on {format_date(lead.converted_at)}."
        yield Fact(Topic.OUTCOME, text, FactSource("client", str(client.pk), "Client"))


def stakeholder_facts(lead: Lead, user: User) -> Iterator[Fact]:
    """Yield the stakeholders."""
    links = ContactLead.objects.filter(lead=lead, contact__deleted_at=None).select_related("contact")
    may_open = user.has_perm("crm.view_contact")
    for link in links.order_by("-is_primary", "id")[:MAX_STAKEHOLDERS]:
        parts = [link.get_role_display(), link.contact.title, link.contact.email, link.contact.phone]
        first = "the primary contact: " if link.is_primary else ""
        text = f"{link.contact}, {first}{', '.join(filter(None, parts))}."
        page = FactSource("contact", str(link.contact_id), "Contact") if may_open else lead_source(lead, "Stakeholder")
        yield Fact(Topic.STAKEHOLDERS, text, page)


def owner_facts(lead: Lead) -> Iterator[Fact]:
    """Yield the owner."""
    text = f"The owner is {lead.assigned_to}." if lead.assigned_to else "The lead is unassigned."
    yield Fact(Topic.OWNER, text, lead_source(lead, "Owner"))


def contact_facts(lead: Lead, now: datetime) -> Iterator[Fact]:
    """Yield the last contact, and whether we wait for a reply."""
    source = lead_source(lead, "Last contact", "where")
    if lead.last_contact_at is None:
        text = f"No contact yet; the lead was created on {format_date(lead.created_at)}."
        yield Fact(Topic.LAST_CONTACT, text, source, is_internal=True)
        return
    days = max((now - lead.last_contact_at).days, 0)
    ago = {0: "less than a day ago", 1: "a day ago"}.get(days, f"{days} days ago")
    text = f"The last contact was on {format_date(lead.last_contact_at)}, {ago}."
    yield Fact(Topic.LAST_CONTACT, text, source, is_internal=True, at=lead.last_contact_at)
    if lead.awaiting_reply:
        yield Fact(Topic.LAST_CONTACT, "We are waiting for their reply.", source, is_internal=True)
