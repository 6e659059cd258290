"""What a screen shows of a suggestion: what will happen, on what it rests, what became of it.

Evidence is a list of `{"quote", "source", "id", "at"}`; `source` is "message", "thread" or "lead" and `id` the
key of where the words stand. An entry may also be a mere text.
"""

from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import models
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from ai_log.models import AIInteraction
from crm.exceptions import BadInput, Refused
from crm.models import User
from inbox.models import Message, Thread
from leads.models import Lead
from suggestions import transitions
from suggestions.autonomy.kill_switch import held
from suggestions.choices import Names
from suggestions.kinds import KINDS
from suggestions.models import Suggestion, SuggestionStatus, SuggestionType
from suggestions.screens.attempts import attempts, goes_out_at, is_unknown
from suggestions.screens.content_form import fixed_of, label_of, told_of
from suggestions.screens.hidden_marks import hidden_in, links_in

MOST_EVIDENCE = 20
RELATED = 5
NOT_HERE = "This program cannot carry it out yet: do it yourself, or reject it."

ICONS = {
    SuggestionType.TASK: "add_task",
    SuggestionType.PR: "merge",
    SuggestionType.REPLY: "reply",
    SuggestionType.FOLLOW_UP: "update",
    SuggestionType.SEND_EMAIL: "mail",
    SuggestionType.SCHEDULE_CALL: "call",
    SuggestionType.SEND_PROPOSAL: "request_quote",
    SuggestionType.CHANGE_STATUS: "flag",
    SuggestionType.CREATE_LEAD: "person_add",
    SuggestionType.LINK_THREAD: "link",
    SuggestionType.RESOLVE_TICKET: "support_agent",
}
COLOURS = {
    SuggestionStatus.DRAFT: "purple",
    SuggestionStatus.PENDING: "blue",
    SuggestionStatus.APPROVED: "green",
    SuggestionStatus.MODIFIED: "teal",
    SuggestionStatus.REJECTED: "grey",
    SuggestionStatus.FAILED: "red",
}
# What a result may name, and the page of each.
PAGES = {
    "task": "leads_task",
    "lead": "leads_lead",
    "client": "crm_client",
    "thread": "inbox_thread",
    "ticket": "support_supportticket",
    "suggestions": "suggestions_suggestion",
}


@dataclass(frozen=True)
class Line:
    """A suggestion in a line or two."""

    row: Suggestion
    sentence: str
    icon: str
    colour: str
    expired: bool
    # Whether its reader can approve it without opening it: of a known type that is theirs to do, and not in doubt.
    ready: bool


def may_do(row: Suggestion, user: User) -> bool:
    """Whether `user` may do what `row` would do."""
    return row.type in KINDS and user.has_perm(KINDS[row.type].permission)


def can_be_approved(row: Suggestion, user: User) -> bool:
    """Whether it stands as something that `user` may let happen, now or once more."""
    unknown = row.status == SuggestionStatus.FAILED and is_unknown(row)
    return row.status in transitions.DECIDABLE and may_do(row, user) and not unknown


def line_of(row: Suggestion, names: Names, user: User) -> Line:
    sentence, problem = said(row, content_now(row), names)
    expired = row.status in transitions.DECIDABLE and transitions.expired(row, timezone.now())
    return Line(
        row,
        sentence,
        ICONS.get(row.type, "lightbulb"),
        COLOURS.get(row.status, "grey"),
        expired,
        not problem and not expired and can_be_approved(row, user),
    )


def content_now(row: Suggestion) -> Any:
    """The content that counts: what was let through, else what is proposed."""
    return row.suggested_content if row.approved_content is None else row.approved_content


def said(row: Suggestion, content: Any, names: Names) -> tuple[str, str]:
    """What `row` with `content` does, in words, and why that cannot be, if it cannot."""
    kind = KINDS.get(row.type)
    if kind is None:
        return str(row), NOT_HERE
    try:
        return kind.sentence(kind.check(content), row, names), ""
    except BadInput as refusal:
        return str(row), f"Its content is not what it should be. {refusal}"


def contents(row: Suggestion, content: Any, names: Names) -> list[tuple[str, Any]]:
    """The content to be read: label and value of each field."""
    kind = KINDS.get(row.type)
    if kind is None or not isinstance(content, dict):
        fields = content.items() if isinstance(content, dict) else [("content", content)]
        return [(label_of(name), value) for name, value in fields]
    return told_of(kind.Payload, content, names)


def fixed(row: Suggestion, names: Names) -> list[tuple[str, Any]]:
    """What of the content stands and cannot be edited: label and value of each field."""
    kind = KINDS.get(row.type)
    return fixed_of(kind.Payload, content_now(row), names) if kind else []


@dataclass(frozen=True)
class Change:
    """A field that was let through otherwise than it was proposed."""

    label: str
    was: Any
    now: Any


def changes(row: Suggestion, names: Names) -> list[Change]:
    """Field by field, what a person changed before letting it happen."""
    if row.approved_content is None:
        return []
    was = dict(contents(row, row.suggested_content, names))
    now = dict(contents(row, row.approved_content, names))
    labels = list(dict.fromkeys([*was, *now]))
    return [Change(label, was.get(label), now.get(label)) for label in labels if was.get(label) != now.get(label)]


@dataclass(frozen=True)
class Evidence:
    """Words that a suggestion rests on, and the page they stand on, where the user may open it."""

    quote: Any
    who: str = ""
    at: datetime | None = None
    url: str = ""
    where: str = ""


def page_of(name: str, pk: Any) -> str:
    try:
        return reverse(f"admin:{name}_change", args=[pk])
    except NoReverseMatch:
        return ""


def goes_with(other: Any, row: Suggestion) -> bool:
    """Whether `other` is about nobody but whom `row` is about: then who sees the one sees the other."""
    return other.lead_id in {None, row.lead_id} and other.client_id in {None, row.client_id}


@dataclass
class Sources:
    """The messages, conversations and leads that a suggestion names and `user` may see."""

    user: User
    messages: dict[str, Message] = field(default_factory=dict)
    threads: dict[str, Thread] = field(default_factory=dict)
    leads: dict[str, Lead] = field(default_factory=dict)
    # The latest word in the conversation that is later than the suggestion, whether `user` may see it or not.
    newer: Message | None = None

    @classmethod
    def of(cls, row: Suggestion, user: User) -> "Sources":
        """What `row` rests on, in as few queries as it takes."""
        sources, entries = cls(user), row.evidence[:MOST_EVIDENCE]
        messages = sources.said(row, keys(entries, "message"))
        if user.has_perm("inbox.view_thread"):
            sources.threads = sources.visible(row, keys(entries, "thread") | {m.thread_id for m in messages})
            sources.messages = {str(m.pk): m for m in messages if str(m.thread_id) in sources.threads}
        elsewhere = keys(entries, "lead") - {row.lead_id}
        if elsewhere and user.has_perm("leads.view_lead"):
            sources.leads = by_key(Lead.objects.visible_to(user).filter(pk__in=elsewhere))
        return sources

    def said(self, row: Suggestion, quoted: set[UUID]) -> list[Message]:
        """The messages that are quoted, the one that `row` answers, and the latest that came since."""
        wanted = quoted | ({row.message_id} if row.message_id else set())
        later = transitions.news(row)
        if not wanted and row.thread_id is None:
            return []
        asked = Message.objects.filter(models.Q(pk__in=wanted) | models.Q(pk__in=later.values("pk")[:1]))
        messages = list(asked.defer("body_html", "media", "attachments").order_by("sent_at", "id"))
        latest = [m for m in messages if m.thread_id == row.thread_id and m.sent_at > row.created_at]
        self.newer = latest[-1] if latest and row.status in transitions.DECIDABLE else None
        return messages

    def visible(self, row: Suggestion, wanted: set[UUID]) -> dict[str, Thread]:
        found = {}
        if row.thread is not None and not row.thread.is_deleted and goes_with(row.thread, row):
            found[str(row.thread_id)] = row.thread
            wanted = wanted - {row.thread_id}
        elif row.thread_id:
            wanted = wanted | {row.thread_id}
        return {**found, **by_key(Thread.objects.visible_to(self.user).filter(pk__in=wanted))} if wanted else found

    def evidence(self, row: Suggestion) -> list[Evidence]:
        """What `row` rests on, each with its source; what it answers, where nothing is quoted."""
        found = [self.read(row, entry) for entry in row.evidence[:MOST_EVIDENCE]]
        message = self.messages.get(str(row.message_id))
        if not found and message is not None:
            found = [self.read(row, {"quote": message.snippet, "source": "message", "id": str(message.pk)})]
        return found

    def read(self, row: Suggestion, entry: Any) -> Evidence:
        if not isinstance(entry, dict):
            return Evidence(entry)
        quote, at, key = entry.get("quote") or entry, moment(entry.get("at")), str(entry.get("id"))
        if entry.get("source") == "message" and (message := self.messages.get(key)):
            url = reverse("admin:inbox_thread_message", args=[message.pk])
            return Evidence(quote, message.from_email, at or message.sent_at, url, str(message))
        if entry.get("source") == "thread" and (thread := self.threads.get(key)):
            return Evidence(quote, "", at, page_of("inbox_thread", thread.pk), str(thread))
        lead = row.lead if key == str(row.lead_id) else self.leads.get(key)
        if entry.get("source") == "lead" and lead is not None and self.user.has_perm("leads.view_lead"):
            return Evidence(quote, "", at, page_of("leads_lead", lead.pk), str(lead))
        return Evidence(quote, "", at)


def moment(text: Any) -> datetime | None:
    try:
        found = parse_datetime(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return timezone.make_aware(found) if found and timezone.is_naive(found) else found


def keys(entries: list[Any], source: str) -> set[UUID]:
    """The keys of what `entries` quote of `source`; what is no key is passed over."""
    found = set()
    for entry in entries:
        if isinstance(entry, dict) and entry.get("source") == source:
            with suppress(KeyError, ValueError, TypeError, AttributeError):
                found.add(UUID(entry["id"]))
    return found


def by_key(rows: models.QuerySet) -> dict[str, Any]:
    return {str(row.pk): row for row in rows}


def outcome(row: Suggestion) -> list[tuple[str, str, str]]:
    """What came of it: label, text and the page of each thing it made or changed."""
    result = row.result if isinstance(row.result, dict) else {}
    return [
        (label.replace("_", " ").capitalize(), "Open", page_of(PAGES[label], one))
        if label in PAGES
        else (label.replace("_", " ").capitalize(), str(one), "")
        for label, value in result.items()
        for one in (value if isinstance(value, list) else [value])
    ]


def interaction_of(row: Suggestion, user: User) -> AIInteraction | None:
    """The call to a model that it came from, if `user` may see it."""
    if row.interaction is None or not user.has_perm("ai_log.view_aiinteraction"):
        return None
    if goes_with(row.interaction, row):
        return row.interaction
    return AIInteraction.objects.visible_to(user).filter(pk=row.interaction_id).first()


def related(row: Suggestion, user: User) -> list[Suggestion]:
    """What else is or was suggested for the same lead or client, newest first."""
    if row.lead_id is None and row.client_id is None:
        return []
    same = {"lead": row.lead_id} if row.lead_id else {"client": row.client_id}
    rows = Suggestion.objects.visible_to(user).filter(**same).exclude(pk=row.pk).select_related("lead")
    heavy = ("suggested_content", "approved_content", "evidence", "result", "reasoning")
    return list(rows.order_by("-created_at", "-id").defer(*heavy)[:RELATED])


def overtaken(row: Suggestion, content: Any) -> str:
    """How the world moved on since `row` was proposed; empty where it did not, or nothing is to be decided."""
    if row.status not in transitions.DECIDABLE or row.type not in KINDS:
        return ""
    try:
        moved = KINDS[row.type].overtaken(KINDS[row.type].check(content), row)
    except Refused as refusal:
        return str(refusal)
    return moved[1] if moved else ""


def not_entitled(row: Suggestion, user: User) -> str:
    """Why `user`, who may decide, is not offered to let this one happen; empty where it is offered."""
    kind = KINDS.get(row.type)
    if kind is None or row.status not in transitions.DECIDABLE or not user.has_perm(transitions.DECIDE):
        return ""
    return "" if user.has_perm(kind.permission) else f"You may not {kind.deed}: somebody who may has to approve this."


def sentences(entries: Any) -> list[str]:
    """What a list of findings or reasons says: of each its sentence, or itself where it is a mere text."""
    return [
        str(entry.get("sentence", "")) if isinstance(entry, dict) else str(entry)
        for entry in (entries if isinstance(entries, list) else [])
    ]


def what_was_found(row: Suggestion, user: User) -> dict[str, Any]:
    """What the policy said of `row`, and what is to be said of how it is carried out."""
    is_open = row.status in transitions.DECIDABLE
    content = transitions.proposed(row) if is_open else content_now(row)
    waits = is_open or goes_out_at(row) is not None or row.executed_at is None
    return {
        "attempts": attempts(row),
        "is_unknown": is_unknown(row),
        "goes_out_at": goes_out_at(row),
        "stopped": held(row.type) if waits and row.status != SuggestionStatus.REJECTED else None,
        "overtaken": overtaken(row, content),
        "found": sentences(row.findings),
        "held_because": sentences(row.held_because),
        "acknowledged": sentences(row.acknowledged),
        **leaving(row, content, user),
    }


def leaving(row: Suggestion, content: Any, user: User) -> dict[str, Any]:
    """What eyes miss in `content`, and what of it would leave the house: label and text of each part."""
    read = list(content.items()) if isinstance(content, dict) else [("content", content)]
    named = [(label_of(name, field_of(row, name)), value) for name, value in read]
    shown = {"hidden": hidden_in(named), "links": links_in(named), "preview": None, "preview_refused": ""}
    kind = KINDS.get(row.type)
    if kind is None or not kind.outward or row.status not in transitions.REJECTABLE or is_unknown(row):
        return shown
    try:
        return {**shown, "preview": kind.preview(kind.check(content), row, user)}
    except Refused as refusal:
        return {**shown, "preview": [], "preview_refused": str(refusal)}


def field_of(row: Suggestion, name: str) -> Any:
    kind = KINDS.get(row.type)
    return kind.Payload.model_fields.get(name) if kind else None


def detail(row: Suggestion, user: User, names: Names, *, alone: bool = True) -> dict[str, Any]:
    """Everything that the page of `row` shows, but the forms of its deeds; what else there is where it is `alone`."""
    now = timezone.now()
    sources = Sources.of(row, user)
    sentence, problem = said(row, content_now(row), names)
    return {
        "row": row,
        "sentence": sentence,
        "problem": problem if row.status in transitions.DECIDABLE else "",
        "icon": ICONS.get(row.type, "lightbulb"),
        "colour": COLOURS.get(row.status, "grey"),
        "content": contents(row, content_now(row), names),
        "fixed": fixed(row, names),
        "changes": changes(row, names),
        "evidence": sources.evidence(row),
        "thread": sources.threads.get(str(row.thread_id)),
        "newer": sources.newer,
        "newer_shown": sources.messages.get(str(sources.newer.pk)) if sources.newer else None,
        "as_of": now.isoformat(),
        "is_expired": row.status in transitions.DECIDABLE and transitions.expired(row, now),
        "is_snoozed": row.snoozed_until is not None and row.snoozed_until > now,
        "outcome": outcome(row),
        "interaction": interaction_of(row, user),
        "related": related(row, user) if alone else [],
        "not_entitled": not_entitled(row, user),
        **what_was_found(row, user),
    }
