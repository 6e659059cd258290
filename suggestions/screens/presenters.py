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
from crm.exceptions import ActionRefused, InvalidInput
from crm.models import User
from inbox.models import Message, Thread
from leads.models import Lead
from suggestions import transitions
from suggestions.autonomy.kill_switch import find_pause
from suggestions.choices import LabelCache
from suggestions.kinds import KINDS
from suggestions.models import Suggestion, SuggestionStatus, SuggestionType
from suggestions.screens.attempts import build_attempts, is_delivery_unconfirmed, scheduled_at
from suggestions.screens.content_form import content_label, humanize_field_name, readable_fields, readonly_fields
from suggestions.screens.hidden_marks import find_hidden_text, find_link_targets

MAX_EVIDENCE = 20
MAX_RELATED = 5
UNSUPPORTED_TYPE_NOTICE = "This program cannot carry it out yet: do it yourself, or reject it."

TYPE_ICONS = {
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
STATUS_COLOURS = {
    SuggestionStatus.DRAFT: "purple",
    SuggestionStatus.PENDING: "blue",
    SuggestionStatus.APPROVED: "green",
    SuggestionStatus.MODIFIED: "teal",
    SuggestionStatus.REJECTED: "grey",
    SuggestionStatus.FAILED: "red",
}
# What a result may name, and the page of each.
RESULT_PAGES = {
    "task": "leads_task",
    "lead": "leads_lead",
    "client": "crm_client",
    "thread": "inbox_thread",
    "ticket": "support_supportticket",
    "suggestions": "suggestions_suggestion",
}


@dataclass(frozen=True)
class SuggestionLine:
    """A suggestion in a line or two."""

    row: Suggestion
    sentence: str
    icon: str
    colour: str
    is_expired: bool
    # Whether its reader can approve it without opening it: of a known type that is theirs to do, and not in doubt.
    is_approvable: bool


def has_kind_permission(row: Suggestion, user: User) -> bool:
    """Whether `user` may do what `row` would do."""
    return row.type in KINDS and user.has_perm(KINDS[row.type].permission)


def can_approve(row: Suggestion, user: User) -> bool:
    """Whether it stands as something that `user` may let happen, now or once more."""
    unknown = row.status == SuggestionStatus.FAILED and is_delivery_unconfirmed(row)
    return row.status in transitions.DECIDABLE_STATUSES and has_kind_permission(row, user) and not unknown


def build_suggestion_line(row: Suggestion, names: LabelCache, user: User) -> SuggestionLine:
    sentence, problem = describe_suggestion(row, current_content(row), names)
    expired = row.status in transitions.DECIDABLE_STATUSES and transitions.is_expired(row, timezone.now())
    return SuggestionLine(
        row,
        sentence,
        TYPE_ICONS.get(row.type, "lightbulb"),
        STATUS_COLOURS.get(row.status, "grey"),
        expired,
        not problem and not expired and can_approve(row, user),
    )


def current_content(row: Suggestion) -> Any:
    """The content that counts: what was let through, else what is proposed."""
    return row.suggested_content if row.approved_content is None else row.approved_content


def describe_suggestion(row: Suggestion, content: Any, names: LabelCache) -> tuple[str, str]:
    """What `row` with `content` does, in words, and why that cannot be, if it cannot."""
    kind = KINDS.get(row.type)
    if kind is None:
        return str(row), UNSUPPORTED_TYPE_NOTICE
    try:
        return kind.sentence(kind.parse_content(content), row, names), ""
    except InvalidInput as error:
        return str(row), f"Its content is not what it should be. {error}"


def readable_content(row: Suggestion, content: Any, names: LabelCache) -> list[tuple[str, Any]]:
    """The content to be read: label and value of each field."""
    kind = KINDS.get(row.type)
    if kind is None or not isinstance(content, dict):
        fields = content.items() if isinstance(content, dict) else [("content", content)]
        return [(humanize_field_name(name), value) for name, value in fields]
    return readable_fields(kind.Payload, content, names)


def readonly_content(row: Suggestion, names: LabelCache) -> list[tuple[str, Any]]:
    """What of the content stands and cannot be edited: label and value of each field."""
    kind = KINDS.get(row.type)
    return readonly_fields(kind.Payload, current_content(row), names) if kind else []


@dataclass(frozen=True)
class FieldChange:
    """A field that was let through otherwise than it was proposed."""

    label: str
    was: Any
    now: Any


def changed_fields(row: Suggestion, names: LabelCache) -> list[FieldChange]:
    """Field by field, what a person changed before letting it happen."""
    if row.approved_content is None:
        return []
    was = dict(readable_content(row, row.suggested_content, names))
    now = dict(readable_content(row, row.approved_content, names))
    labels = list(dict.fromkeys([*was, *now]))
    return [FieldChange(label, was.get(label), now.get(label)) for label in labels if was.get(label) != now.get(label)]


@dataclass(frozen=True)
class EvidenceItem:
    """Words that a suggestion rests on, and the page they stand on, where the user may open it."""

    quote: Any
    who: str = ""
    at: datetime | None = None
    url: str = ""
    where: str = ""


def change_page_url(name: str, pk: Any) -> str:
    try:
        return reverse(f"admin:{name}_change", args=[pk])
    except NoReverseMatch:
        return ""


def concerns_same_record(other: Any, row: Suggestion) -> bool:
    """Whether `other` is about nobody but whom `row` is about: then who sees the one sees the other."""
    return other.lead_id in {None, row.lead_id} and other.client_id in {None, row.client_id}


@dataclass
class EvidenceSources:
    """The messages, conversations and leads that a suggestion names and `user` may see."""

    user: User
    messages: dict[str, Message] = field(default_factory=dict)
    threads: dict[str, Thread] = field(default_factory=dict)
    leads: dict[str, Lead] = field(default_factory=dict)
    # The latest word in the conversation that is later than the suggestion, whether `user` may see it or not.
    newer_message: Message | None = None

    @classmethod
    def of(cls, row: Suggestion, user: User) -> "EvidenceSources":
        """What `row` rests on, in as few queries as it takes."""
        sources, entries = cls(user), row.evidence[:MAX_EVIDENCE]
        messages = sources.load_messages(row, evidence_ids(entries, "message"))
        if user.has_perm("inbox.view_thread"):
            sources.threads = sources.visible_threads(
                row, evidence_ids(entries, "thread") | {m.thread_id for m in messages}
            )
            sources.messages = {str(m.pk): m for m in messages if str(m.thread_id) in sources.threads}
        elsewhere = evidence_ids(entries, "lead") - {row.lead_id}
        if elsewhere and user.has_perm("leads.view_lead"):
            sources.leads = index_by_pk(Lead.objects.visible_to(user).filter(pk__in=elsewhere))
        return sources

    def load_messages(self, row: Suggestion, quoted: set[UUID]) -> list[Message]:
        """The messages that are quoted, the one that `row` answers, and the latest that came since."""
        wanted = quoted | ({row.message_id} if row.message_id else set())
        later = transitions.newer_messages(row)
        if not wanted and row.thread_id is None:
            return []
        wanted_messages = Message.objects.filter(models.Q(pk__in=wanted) | models.Q(pk__in=later.values("pk")[:1]))
        messages = list(wanted_messages.defer("body_html", "media", "attachments").order_by("sent_at", "id"))
        latest = [m for m in messages if m.thread_id == row.thread_id and m.sent_at > row.created_at]
        self.newer_message = latest[-1] if latest and row.status in transitions.DECIDABLE_STATUSES else None
        return messages

    def visible_threads(self, row: Suggestion, wanted: set[UUID]) -> dict[str, Thread]:
        found = {}
        if row.thread is not None and not row.thread.is_deleted and concerns_same_record(row.thread, row):
            found[str(row.thread_id)] = row.thread
            wanted = wanted - {row.thread_id}
        elif row.thread_id:
            wanted = wanted | {row.thread_id}
        return {**found, **index_by_pk(Thread.objects.visible_to(self.user).filter(pk__in=wanted))} if wanted else found

    def evidence(self, row: Suggestion) -> list[EvidenceItem]:
        """What `row` rests on, each with its source; what it answers, where nothing is quoted."""
        items = [self.build_evidence_item(row, entry) for entry in row.evidence[:MAX_EVIDENCE]]
        message = self.messages.get(str(row.message_id))
        if not items and message is not None:
            items = [
                self.build_evidence_item(row, {"quote": message.snippet, "source": "message", "id": str(message.pk)})
            ]
        return items

    def build_evidence_item(self, row: Suggestion, entry: Any) -> EvidenceItem:
        if not isinstance(entry, dict):
            return EvidenceItem(entry)
        quote, at, key = entry.get("quote") or entry, parse_timestamp(entry.get("at")), str(entry.get("id"))
        if entry.get("source") == "message" and (message := self.messages.get(key)):
            url = reverse("admin:inbox_thread_message", args=[message.pk])
            return EvidenceItem(quote, message.from_email, at or message.sent_at, url, str(message))
        if entry.get("source") == "thread" and (thread := self.threads.get(key)):
            return EvidenceItem(quote, "", at, change_page_url("inbox_thread", thread.pk), str(thread))
        lead = row.lead if key == str(row.lead_id) else self.leads.get(key)
        if entry.get("source") == "lead" and lead is not None and self.user.has_perm("leads.view_lead"):
            return EvidenceItem(quote, "", at, change_page_url("leads_lead", lead.pk), str(lead))
        return EvidenceItem(quote, "", at)


def parse_timestamp(text: Any) -> datetime | None:
    try:
        found = parse_datetime(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return timezone.make_aware(found) if found and timezone.is_naive(found) else found


def evidence_ids(entries: list[Any], source: str) -> set[UUID]:
    """The keys of what `entries` quote of `source`; what is no key is passed over."""
    found = set()
    for entry in entries:
        if isinstance(entry, dict) and entry.get("source") == source:
            with suppress(KeyError, ValueError, TypeError, AttributeError):
                found.add(UUID(entry["id"]))
    return found


def index_by_pk(rows: models.QuerySet) -> dict[str, Any]:
    return {str(row.pk): row for row in rows}


def readable_result(row: Suggestion) -> list[tuple[str, str, str]]:
    """What came of it: label, text and the page of each thing it made or changed."""
    result = row.result if isinstance(row.result, dict) else {}
    return [
        (label.replace("_", " ").capitalize(), "Open", change_page_url(RESULT_PAGES[label], one))
        if label in RESULT_PAGES
        else (label.replace("_", " ").capitalize(), str(one), "")
        for label, value in result.items()
        for one in (value if isinstance(value, list) else [value])
    ]


def visible_interaction(row: Suggestion, user: User) -> AIInteraction | None:
    """The call to a model that it came from, if `user` may see it."""
    if row.interaction is None or not user.has_perm("ai_log.view_aiinteraction"):
        return None
    if concerns_same_record(row.interaction, row):
        return row.interaction
    return AIInteraction.objects.visible_to(user).filter(pk=row.interaction_id).first()


def related_suggestions(row: Suggestion, user: User) -> list[Suggestion]:
    """What else is or was suggested for the same lead or client, newest first."""
    if row.lead_id is None and row.client_id is None:
        return []
    same = {"lead": row.lead_id} if row.lead_id else {"client": row.client_id}
    rows = Suggestion.objects.visible_to(user).filter(**same).exclude(pk=row.pk).select_related("lead")
    heavy = ("suggested_content", "approved_content", "evidence", "result", "reasoning")
    return list(rows.order_by("-created_at", "-id").defer(*heavy)[:MAX_RELATED])


def changed_since_proposed(row: Suggestion, content: Any) -> str:
    """How the world moved on since `row` was proposed; empty where it did not, or nothing is to be decided."""
    if row.status not in transitions.DECIDABLE_STATUSES or row.type not in KINDS:
        return ""
    try:
        change = KINDS[row.type].change_since_proposed(KINDS[row.type].parse_content(content), row)
    except ActionRefused as error:
        return str(error)
    return change[1] if change else ""


def permission_notice(row: Suggestion, user: User) -> str:
    """Why `user`, who may decide, is not offered to let this one happen; empty where it is offered."""
    kind = KINDS.get(row.type)
    if (
        kind is None
        or row.status not in transitions.DECIDABLE_STATUSES
        or not user.has_perm(transitions.DECIDE_PERMISSION)
    ):
        return ""
    return (
        ""
        if user.has_perm(kind.permission)
        else f"You may not {kind.action_phrase}: somebody who may has to approve this."
    )


def entry_sentences(entries: Any) -> list[str]:
    """What a list of findings or reasons says: of each its sentence, or itself where it is a mere text."""
    return [
        str(entry.get("sentence", "")) if isinstance(entry, dict) else str(entry)
        for entry in (entries if isinstance(entries, list) else [])
    ]


def policy_context(row: Suggestion, user: User) -> dict[str, Any]:
    """What the policy said of `row`, and what is to be said of how it is carried out."""
    is_open = row.status in transitions.DECIDABLE_STATUSES
    content = transitions.content_to_decide(row) if is_open else current_content(row)
    waits = is_open or scheduled_at(row) is not None or row.executed_at is None
    return {
        "attempts": build_attempts(row),
        "is_unknown": is_delivery_unconfirmed(row),
        "goes_out_at": scheduled_at(row),
        "stopped": find_pause(row.type) if waits and row.status != SuggestionStatus.REJECTED else None,
        "changed_since_proposed": changed_since_proposed(row, content),
        "finding_sentences": entry_sentences(row.findings),
        "held_because": entry_sentences(row.held_because),
        "acknowledged": entry_sentences(row.acknowledged),
        **preview_context(row, content, user),
    }


def preview_context(row: Suggestion, content: Any, user: User) -> dict[str, Any]:
    """What eyes miss in `content`, and what of it would leave the house: label and text of each part."""
    kind = KINDS.get(row.type)
    read = list(content.items()) if isinstance(content, dict) else [("content", content)]
    named = [(content_label(kind.Payload if kind else None, name), value) for name, value in read]
    shown = {
        "hidden": find_hidden_text(named),
        "links": find_link_targets(named),
        "preview": None,
        "preview_refused": "",
    }
    if (
        kind is None
        or not kind.is_outward
        or row.status not in transitions.REJECTABLE_STATUSES
        or is_delivery_unconfirmed(row)
    ):
        return shown
    try:
        return {**shown, "preview": kind.preview(kind.parse_content(content), row, user)}
    except ActionRefused as error:
        return {**shown, "preview": [], "preview_refused": str(error)}


def suggestion_context(row: Suggestion, user: User, names: LabelCache, *, alone: bool = True) -> dict[str, Any]:
    """Everything that the page of `row` shows, but the forms of its deeds; what else there is where it is `alone`."""
    now = timezone.now()
    sources = EvidenceSources.of(row, user)
    sentence, problem = describe_suggestion(row, current_content(row), names)
    return {
        "row": row,
        "sentence": sentence,
        "problem": problem if row.status in transitions.DECIDABLE_STATUSES else "",
        "icon": TYPE_ICONS.get(row.type, "lightbulb"),
        "colour": STATUS_COLOURS.get(row.status, "grey"),
        "content": readable_content(row, current_content(row), names),
        "fixed": readonly_content(row, names),
        "changes": changed_fields(row, names),
        "evidence": sources.evidence(row),
        "thread": sources.threads.get(str(row.thread_id)),
        "newer_message": sources.newer_message,
        "visible_newer_message": sources.messages.get(str(sources.newer_message.pk)) if sources.newer_message else None,
        "as_of": now.isoformat(),
        "is_expired": row.status in transitions.DECIDABLE_STATUSES and transitions.is_expired(row, now),
        "is_snoozed": row.snoozed_until is not None and row.snoozed_until > now,
        "outcome": readable_result(row),
        "interaction": visible_interaction(row, user),
        "related": related_suggestions(row, user) if alone else [],
        "permission_notice": permission_notice(row, user),
        **policy_context(row, user),
    }
