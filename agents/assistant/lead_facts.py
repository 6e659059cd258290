"""What the record of a lead says of it: who, where, how good, how warm, what is insured, how it ended."""

from collections.abc import Iterator
from datetime import datetime

from django.utils.text import slugify

from agents.assistant.facts import MOST_FIELDS, Fact, Source, day, fields_in, short
from agents.assistant.questions import Topic, words_of
from crm.models import Client, User
from crm.templatetags.crm import money, percent
from leads.models import ContactLead, Lead, LeadStageHistory, Rung, ScoringPolicy
from leads.prediction.screen import told
from leads.scoring.explanation import Share, why

MOST_SHARES, MOST_REASONS, MOST_MOVES, MOST_PEOPLE = 6, 5, 10, 15
LONGEST_NOTES = 1_000


def field(lead: Lead, label: str, place: str = "about") -> Source:
    return Source("lead", str(lead.pk), label, place)


def who(lead: Lead) -> Iterator[Fact]:
    """Names, kind and where they come from."""
    kind = lead.get_client_type_display().lower()
    company = f" of {lead.company_name}" if lead.company_name else ""
    yield Fact(Topic.WHO, f"{lead.contact_name}{company}, {kind}.", field(lead, "Who"))
    detail = f": {lead.source_detail}" if lead.source_detail else ""
    came = f"Came by {lead.get_source_type_display().lower()}{detail}, on {day(lead.created_at)}."
    yield Fact(Topic.WHO, came, field(lead, "Source"))
    named = (("Email", lead.contact_email), ("Phone", lead.contact_phone), ("Website", lead.company_website))
    for label, value in named:
        if value:
            yield Fact(Topic.REACH, f"{label}: {value}", field(lead, label))
    for label, value, _ in fields_in("How to reach them", lead.communications):
        yield Fact(Topic.REACH, f"{label}: {value}", field(lead, "How to reach them", "data-how-to-reach-them"))
    if lead.notes:
        yield Fact(Topic.NOTES, "Notes on the record:", field(lead, "Notes"), short(lead.notes, LONGEST_NOTES))
    if lead.tags:
        yield Fact(Topic.NOTES, f"Tags: {', '.join(lead.tags)}", field(lead, "Tags"))


def worth(lead: Lead) -> Iterator[Fact]:
    if lead.estimated_value is not None:
        weighted = lead.weighted_value
        and_so = f", weighted by its probability {money(weighted)}" if weighted is not None else ""
        said = f"It may be worth {money(lead.estimated_value)}{and_so}."
        yield Fact(Topic.VALUE, said, field(lead, "Value", "where"), ours=True)
    if lead.expected_close_date:
        at = lead.expected_close_date
        said = f"Expected to close on {at.day} {at:%b %Y}."
        yield Fact(Topic.VALUE, said, field(lead, "Expected close", "where"), ours=True)


def stages(lead: Lead) -> Iterator[Fact]:
    """The stage it stands in and how it came there, the latest move first."""
    rows = LeadStageHistory.objects.filter(lead=lead).select_related("from_status", "to_status", "by")
    moves = list(rows.order_by("-at", "-id")[:MOST_MOVES])
    since = f" since {day(moves[0].at)}" if moves and moves[0].to_status_id == lead.status_id else ""
    yield Fact(Topic.STAGE, f"It stands in {lead.status}{since}.", field(lead, "Stage", "where"))
    for move in moves:
        came = f"{move.from_status} → {move.to_status}" if move.from_status_id else f"Arrived in {move.to_status}"
        by = f", by {move.by}" if move.by else ""
        yield Fact(Topic.STAGE, f"{came} on {day(move.at)}{by}.", field(lead, "Stage move", "moves"), at=move.at)


def score(lead: Lead) -> Iterator[Fact]:
    """Score and tier, and what weighs most."""
    by_hand = ", set by hand" if lead.tier_override else ""
    tier = f" It is {lead.get_priority_tier_display()}{by_hand}." if lead.priority_tier else ""
    if lead.overall_score is None:
        if tier:
            yield Fact(Topic.SCORE, tier.strip(), field(lead, "Tier", "score"), ours=True)
        return
    explained = why(lead, ScoringPolicy.objects.active())
    moved = f" {explained.change} since a week ago." if explained.change else ""
    said = f"The score is {lead.overall_score}.{tier}{moved}"
    yield Fact(Topic.SCORE, said, field(lead, "Why this score", "score"), ours=True)
    for share in sorted(explained.now.shares, key=lambda one: -abs(one.share))[:MOST_SHARES]:
        detail = f", {share.detail}" if share.detail else ""
        when = f" ({day(share.at)})" if share.at else ""
        said = f"{share.label}{detail}{when} counts {share.shown_share} of {share.shown_weight}."
        yield Fact(Topic.SCORE, said, of_share(lead, share))


def of_share(lead: Lead, share: Share) -> Source:
    """Where a signal comes from: its message, or the part of the lead that gives it."""
    if share.message:
        return Source("message", str(share.message), "Its message")
    label, place = share.place or ("Signal", "score")
    return field(lead, label.capitalize(), place)


def chance(lead: Lead) -> Iterator[Fact]:
    """How likely it is to be won, and why."""
    if lead.predicted_close_probability is None:
        return
    source = field(lead, "Why this chance", "chance")
    said = f"The probability of winning it is {percent(lead.predicted_close_probability)}."
    yield Fact(Topic.CHANCE, said, source, ours=True)
    found = told(lead)
    if found is None or not lead.is_open:
        return
    if found.model.rung == Rung.STAGES and found.stage:
        said = f"Of {found.stage['n']} leads that came as far and have ended, {found.stage['won']} were won."
        yield Fact(Topic.CHANCE, said, source, ours=True)
    for reason in found.reasons[:MOST_REASONS]:
        said = f"{reason.feature.capitalize()}, {reason.shown}, counts {reason.points:+.2f} in log odds."
        yield Fact(Topic.CHANCE, said, source)


def data(lead: Lead) -> Iterator[Fact]:
    """Line, line data, additional insureds and custom fields, each field a fact that its words call."""
    if lead.insurance_type:
        said = f"The line is {lead.insurance_type.name}."
        yield Fact(Topic.DATA, said, field(lead, "Line", "where"), called=words_of("line insurance"))
    parts = (
        ("Auto", lead.auto_data),
        ("Home", lead.home_data),
        *((code.replace("_", " ").capitalize(), inner) for code, inner in lead.line_data.items()),
        ("Additional insureds", lead.additional_insureds),
        ("Custom fields", lead.custom_fields),
    )
    count = 0
    for title, value in parts:
        for label, shown, names in fields_in(title, value):
            count += 1
            if count > MOST_FIELDS:
                return
            source = field(lead, title, f"data-{slugify(title)}")
            yield Fact(Topic.DATA, f"{label}: {shown}", source, called=words_of(names))


def ended(lead: Lead, client: Client | None) -> Iterator[Fact]:
    """How it ended, if it has."""
    if lead.closed_at:
        why_lost = f", {lead.get_loss_reason_display().lower()}" if lead.loss_reason else ""
        said = f"Closed as {lead.status} on {day(lead.closed_at)}{why_lost}."
        yield Fact(Topic.ENDED, said, field(lead, "Closed", "where"), lead.loss_notes)
    if client is not None:
        said = f"Became the client {client} on {day(lead.converted_at)}."
        yield Fact(Topic.ENDED, said, Source("client", str(client.pk), "Client"))


def people(lead: Lead, user: User) -> Iterator[Fact]:
    """Who has a say."""
    links = ContactLead.objects.filter(lead=lead, contact__deleted_at=None).select_related("contact")
    may_open = user.has_perm("crm.view_contact")
    for link in links.order_by("-is_primary", "id")[:MOST_PEOPLE]:
        parts = [link.get_role_display(), link.contact.title, link.contact.email, link.contact.phone]
        first = "the primary contact: " if link.is_primary else ""
        said = f"{link.contact}, {first}{', '.join(filter(None, parts))}."
        page = Source("contact", str(link.contact_id), "Contact") if may_open else field(lead, "Stakeholder")
        yield Fact(Topic.PEOPLE, said, page)


def owner(lead: Lead) -> Iterator[Fact]:
    said = f"The lead is {lead.assigned_to}'s." if lead.assigned_to else "The lead is nobody's."
    yield Fact(Topic.OWNER, said, field(lead, "Owner"))


def last_contact(lead: Lead, now: datetime) -> Iterator[Fact]:
    source = field(lead, "Last contact", "where")
    if lead.last_contact_at is None:
        said = f"Nobody has spoken with them yet; the lead arrived on {day(lead.created_at)}."
        yield Fact(Topic.CONTACT, said, source, ours=True)
        return
    days = max((now - lead.last_contact_at).days, 0)
    ago = {0: "less than a day ago", 1: "a day ago"}.get(days, f"{days} days ago")
    said = f"The last contact was on {day(lead.last_contact_at)}, {ago}."
    yield Fact(Topic.CONTACT, said, source, ours=True, at=lead.last_contact_at)
    if lead.awaiting_reply:
        yield Fact(Topic.CONTACT, "They owe us a reply: we spoke last.", source, ours=True)
