"""What a screen shows of a suggestion: what it does, what changed, and what came of it."""

from dataclasses import dataclass
from typing import Any

from django.utils import timezone

from ai_log.models import AIInteraction
from crm.exceptions import ActionRefused, InvalidInput
from crm.models import User
from crm.text.hidden_characters import find_hidden_text
from crm.text.links import find_link_targets
from suggestions import transitions
from suggestions.autonomy.kill_switch import find_pause
from suggestions.choices import LabelCache
from suggestions.kinds import KINDS
from suggestions.models import OPEN_STATUSES, Suggestion, SuggestionStatus, SuggestionType
from suggestions.screens.attempts import build_attempts, is_delivery_unconfirmed, load_executions, scheduled_at
from suggestions.screens.content_form import content_label, humanize_field_name, readable_fields, readonly_fields
from suggestions.screens.evidence import EvidenceSources, change_page_url, concerns_same_record
from suggestions.screens.existing_records import existing_records
from suggestions.transitions.state import DELETED_USER

MAX_RELATED = 5
UNSUPPORTED_TYPE_NOTICE = "This type cannot be executed yet. Do it yourself, or reject it."

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
    SuggestionType.CONVERT_LEAD: "how_to_reg",
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
# The pages of the records that a result may name.
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
    """A suggestion in one line of a list."""

    row: Suggestion
    sentence: str
    icon: str
    colour: str
    is_expired: bool
    # Whether the user can approve it without opening it: a known type, permitted, valid, complete and not expired.
    is_approvable: bool
    # What a person must write first.
    parts_to_write: list[str]


def has_kind_permission(row: Suggestion, user: User) -> bool:
    """Whether `user` has the permission for what `row` does."""
    return row.type in KINDS and user.has_perm(KINDS[row.type].permission)


def can_approve(row: Suggestion, user: User) -> bool:
    """Whether `user` may approve `row` now, or retry it."""
    unknown = row.status == SuggestionStatus.FAILED and is_delivery_unconfirmed(row)
    return row.status in transitions.DECIDABLE_STATUSES and has_kind_permission(row, user) and not unknown


def build_suggestion_line(row: Suggestion, names: LabelCache, user: User) -> SuggestionLine:
    sentence, problem = describe_suggestion(row, current_content(row), names)
    expired = row.status in transitions.DECIDABLE_STATUSES and transitions.is_expired(row, timezone.now())
    to_write = [] if problem else parts_to_write(row)
    return SuggestionLine(
        row,
        sentence,
        TYPE_ICONS.get(row.type, "lightbulb"),
        STATUS_COLOURS.get(row.status, "grey"),
        expired,
        not problem and not expired and not to_write and can_approve(row, user),
        to_write,
    )


def parts_to_write(row: Suggestion) -> list[str]:
    """Return what a person must write in `row` before it can be approved."""
    kind = KINDS.get(row.type)
    if kind is None or row.status not in OPEN_STATUSES:
        return []
    try:
        return kind.parts_to_write(kind.parse_content(transitions.content_to_decide(row)))
    except InvalidInput:
        return []


def current_content(row: Suggestion) -> Any:
    """Return the approved content, or before a decision the one to decide about."""
    return transitions.content_to_decide(row) if row.approved_content is None else row.approved_content


def describe_suggestion(row: Suggestion, content: Any, names: LabelCache) -> tuple[str, str]:
    """Return what `row` with `content` does as a sentence, and the problem if it cannot be done."""
    kind = KINDS.get(row.type)
    if kind is None:
        return str(row), UNSUPPORTED_TYPE_NOTICE
    try:
        return kind.sentence(kind.parse_content(content), row, names), ""
    except InvalidInput as error:
        return str(row), f"The content is not valid. {error}"


def readable_content(row: Suggestion, content: Any, names: LabelCache) -> list[tuple[str, Any]]:
    """Return label and value of each field of the content."""
    kind = KINDS.get(row.type)
    if kind is None or not isinstance(content, dict):
        fields = content.items() if isinstance(content, dict) else [("content", content)]
        return [(humanize_field_name(name), value) for name, value in fields]
    return readable_fields(kind.Payload, content, names)


def readonly_content(row: Suggestion, names: LabelCache) -> list[tuple[str, Any]]:
    """Return label and value of each field that cannot be edited."""
    kind = KINDS.get(row.type)
    return readonly_fields(kind.Payload, current_content(row), names) if kind else []


@dataclass(frozen=True)
class FieldChange:
    """A field that a person changed."""

    label: str
    was: Any
    now: Any


def changed_fields(row: Suggestion, content: Any, names: LabelCache) -> list[FieldChange]:
    """Return the fields in which `content`, if there is one, differs from the proposed content."""
    if content is None:
        return []
    was = dict(readable_content(row, row.suggested_content, names))
    now = dict(readable_content(row, content, names))
    labels = list(dict.fromkeys([*was, *now]))
    return [FieldChange(label, was.get(label), now.get(label)) for label in labels if was.get(label) != now.get(label)]


@dataclass(frozen=True)
class EarlierChanges:
    """What a person had changed before the approval was undone; the form holds it again."""

    fields: list[FieldChange]
    # "Your", or whose they are.
    whose: str


def earlier_changes(row: Suggestion, user: User, names: LabelCache) -> EarlierChanges | None:
    """Return the changes that the form of `row` holds; None if it holds what was proposed."""
    if row.status != SuggestionStatus.PENDING or row.edited_content is None:
        return None
    approver = next((execution.ordered_by for execution in load_executions(row) if not execution.by_policy), None)
    whose = "Your" if approver == user else f"{approver or DELETED_USER}’s"
    return EarlierChanges(changed_fields(row, row.edited_content, names), whose)


def readable_result(row: Suggestion) -> list[tuple[str, str, str]]:
    """Return label, text and page of each record that the execution made or changed."""
    result = row.result if isinstance(row.result, dict) else {}
    return [
        (label.replace("_", " ").capitalize(), "Open", change_page_url(RESULT_PAGES[label], one))
        if label in RESULT_PAGES
        else (label.replace("_", " ").capitalize(), str(one), "")
        for label, value in result.items()
        for one in (value if isinstance(value, list) else [value])
    ]


def visible_interaction(row: Suggestion, user: User) -> AIInteraction | None:
    """Return the model call that `row` came from, if `user` may see it."""
    if row.interaction is None or not user.has_perm("ai_log.view_aiinteraction"):
        return None
    is_known = bool(row.interaction.lead_id or row.interaction.client_id) and row.interaction.asked_by_id is None
    if is_known and concerns_same_record(row.interaction, row):
        return row.interaction
    return AIInteraction.objects.visible_to(user).filter(pk=row.interaction_id).first()


def related_suggestions(row: Suggestion, user: User) -> list[Suggestion]:
    """Return other suggestions for the same lead or client, newest first."""
    if row.lead_id is None and row.client_id is None:
        return []
    same = {"lead": row.lead_id} if row.lead_id else {"client": row.client_id}
    rows = Suggestion.objects.visible_to(user).filter(**same).exclude(pk=row.pk).select_related("lead")
    heavy = ("suggested_content", "approved_content", "edited_content", "evidence", "result", "reasoning")
    return list(rows.order_by("-created_at", "-id").defer(*heavy)[:MAX_RELATED])


def changed_since_proposed(row: Suggestion, content: Any) -> str:
    """Return what has changed since `row` was proposed; empty if nothing has, or it needs no decision."""
    if row.status not in transitions.DECIDABLE_STATUSES or row.type not in KINDS:
        return ""
    try:
        change = KINDS[row.type].change_since_proposed(KINDS[row.type].parse_content(content), row)
    except ActionRefused as error:
        return str(error)
    return change[1] if change else ""


def permission_notice(row: Suggestion, user: User) -> str:
    """Return why `user`, who may decide, cannot approve this one; empty if they can."""
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
        else f"You may not {kind.action_phrase}. Ask a user with that permission to approve this."
    )


def entry_sentences(entries: Any) -> list[str]:
    """Return the sentence of each finding or reason; a plain text is its own sentence."""
    return [
        str(entry.get("sentence", "")) if isinstance(entry, dict) else str(entry)
        for entry in (entries if isinstance(entries, list) else [])
    ]


def policy_context(row: Suggestion, user: User) -> dict[str, Any]:
    """Return what the policy found in `row`, and the state of its execution."""
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
    """Return what is hidden in `content`, and the preview of what would be sent or carried over."""
    kind = KINDS.get(row.type)
    read = list(content.items()) if isinstance(content, dict) else [("content", content)]
    named = [(content_label(kind.Payload if kind else None, name), value) for name, value in read]
    shown = {
        "hidden": find_hidden_text(named),
        "links": find_link_targets(named),
        "preview": None,
        "preview_title": kind.preview_title if kind else "",
        "preview_refused": "",
    }
    if kind is None or not kind.preview_title or row.status not in OPEN_STATUSES or is_delivery_unconfirmed(row):
        return shown
    try:
        return {**shown, "preview": kind.preview(kind.parse_content(content), row, user)}
    except ActionRefused as error:
        return {**shown, "preview": [], "preview_refused": str(error)}


def suggestion_context(row: Suggestion, user: User, names: LabelCache, *, alone: bool = True) -> dict[str, Any]:
    """Return what the page of `row` shows, without its action forms; related suggestions only if it is `alone`."""
    now = timezone.now()
    sources = EvidenceSources.of(row, user)
    sentence, problem = describe_suggestion(row, current_content(row), names)
    return {
        "row": row,
        "sentence": sentence,
        "parts_to_write": parts_to_write(row),
        "problem": problem if row.status in transitions.DECIDABLE_STATUSES else "",
        "icon": TYPE_ICONS.get(row.type, "lightbulb"),
        "colour": STATUS_COLOURS.get(row.status, "grey"),
        "content": readable_content(row, current_content(row), names),
        "fixed": readonly_content(row, names),
        "existing_records": existing_records(row, current_content(row), user),
        "changes": changed_fields(row, row.approved_content, names),
        "earlier_changes": earlier_changes(row, user, names),
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
