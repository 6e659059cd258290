"""FOLLOW_UP: add a task that is due, with a draft email."""

import re
from datetime import timedelta
from typing import Any, Literal

from django.utils import timezone
from pydantic import Field

from crm.exceptions import IllegalTransition, InvalidInput
from crm.records.activity import SYSTEM_ACTOR, Actor
from crm.records.transitions import describe_record, soft_delete
from crm.text.cleaning import shorten
from inbox.models import Direction, Message, ThreadSource
from leads.models import Task
from leads.transitions import add_task
from suggestions.choices import LabelCache
from suggestions.kinds.base import FollowOn, Kind, Payload
from suggestions.kinds.task import active_owner
from suggestions.kinds.undo_checks import delete_untouched_task
from suggestions.models import Suggestion, SuggestionStatus, SuggestionType

DUE_IN = {"high": timedelta(), "normal": timedelta(days=2), "low": timedelta(days=7)}
MAX_TASK_TITLE_LENGTH = 200
GREETING_PATTERN = re.compile(r"(?:hello|hi|dear|good (?:morning|day|afternoon))\b[^.?!]*,$", re.IGNORECASE)


class FollowUpPayload(Payload):
    reason: str = Field(min_length=1, max_length=2_000, json_schema_extra={"widget": "textarea"})
    suggestedAction: str = Field(min_length=1, max_length=5_000, json_schema_extra={"widget": "textarea"})
    urgency: Literal["low", "normal", "high"] = "normal"


class FollowUpKind(Kind):
    type = SuggestionType.FOLLOW_UP
    Payload = FollowUpPayload
    permission, action_phrase = "leads.add_task", "add a task"
    summary_field = "suggestedAction"
    is_harmless = True

    @classmethod
    def guard(cls, payload: FollowUpPayload, suggestion: Suggestion) -> None:
        customers = [one for one in (suggestion.lead, suggestion.client) if one is not None]
        if not customers:
            raise InvalidInput("A follow-up is for a lead or a client.")
        for one in customers:
            if one.is_deleted:
                raise IllegalTransition(f"The {describe_record(one)} is deleted; restore it first.")

    @classmethod
    def sentence(cls, payload: FollowUpPayload, suggestion: Suggestion, labels: LabelCache | None = None) -> str:
        days = DUE_IN[payload.urgency].days
        due = f"in {days} days" if days else "today"
        draft_text = ", with a draft email" if can_email(suggestion) else ""
        who = active_owner(suggestion) or "no one yet"
        return f"Create task “{task_title(payload)}” for {who}, due {due}{draft_text}."

    @classmethod
    def execute(cls, payload: FollowUpPayload, suggestion: Suggestion, *, by: Actor) -> dict[str, Any]:
        task = Task(
            title=task_title(payload),
            description=f"{payload.reason}\n\n{payload.suggestedAction}",
            due_on=timezone.localdate() + DUE_IN[payload.urgency],
            assignee=active_owner(suggestion),
            lead=suggestion.lead,
            client=suggestion.client,
            project=suggestion.project,
        )
        add_task(task, by=by)
        return {"task": str(task.pk)}

    @classmethod
    def follow_ons(cls, payload: FollowUpPayload, suggestion: Suggestion, result: dict[str, Any]) -> list[FollowOn]:
        draft_spec = draft_type_and_content(suggestion)
        if draft_spec is None:
            raise IllegalTransition("There is no address to write to: only the task was added.")
        type, content = draft_spec
        draft = Suggestion(
            type=type,
            lead=suggestion.lead,
            client=suggestion.client,
            thread=suggestion.thread,
            reasoning=payload.reason,
            evidence=suggestion.evidence,
            suggested_content={**content, "body": payload.suggestedAction},
        )
        if type == SuggestionType.SEND_EMAIL:
            draft.suggested_content["subject"] = task_title(payload)
        return [FollowOn(draft, as_draft=True)]

    @classmethod
    def undo(cls, suggestion: Suggestion, *, by: Actor) -> None:
        delete_untouched_task(suggestion.result["task"], by=by)
        drafts = Suggestion.objects.filter(
            pk__in=suggestion.result.get("suggestions", []), status=SuggestionStatus.DRAFT
        )
        for draft in drafts:
            soft_delete(draft, by=SYSTEM_ACTOR, timeline_owner=suggestion.lead or suggestion.client)


def task_title(payload: FollowUpPayload) -> str:
    """Return the first line of the suggested action that is not a greeting, shortened to a title."""
    lines = [line for line in map(str.strip, payload.suggestedAction.splitlines()) if line]
    line = next((one for one in lines if not GREETING_PATTERN.match(one)), lines[0])
    return shorten(line, MAX_TASK_TITLE_LENGTH)


def can_email(suggestion: Suggestion) -> bool:
    """Return whether there is an email thread or an address."""
    return has_email_thread(suggestion) or bool(contact_address(suggestion))


def has_email_thread(suggestion: Suggestion) -> bool:
    thread = suggestion.thread
    return thread is not None and not thread.is_deleted and thread.source == ThreadSource.EMAIL


def contact_address(suggestion: Suggestion) -> str:
    lead, client = suggestion.lead, suggestion.client
    return (lead.contact_email if lead else "") or (client.email if client else "")


def draft_type_and_content(suggestion: Suggestion) -> tuple[str, dict[str, Any]] | None:
    """Return the type that writes to the customer, and its content without the text; None without an address."""
    inbound = Message.objects.filter(thread=suggestion.thread_id, direction=Direction.IN).exclude(from_email="")
    if has_email_thread(suggestion) and inbound.exists():
        return SuggestionType.REPLY, {"thread": str(suggestion.thread_id)}
    address = contact_address(suggestion)
    return (SuggestionType.SEND_EMAIL, {"to": [address]}) if address else None
