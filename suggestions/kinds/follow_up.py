"""FOLLOW_UP: a task that is due, and the words to begin with."""

import re
from datetime import timedelta
from typing import Any, Literal

from django.utils import timezone
from pydantic import Field

from crm.exceptions import BadInput, IllegalMove
from crm.records.activity import SYSTEM, Actor
from crm.records.transitions import named, soft_delete
from inbox.models import Direction, Message, ThreadSource
from leads.models import Task
from leads.transitions import add_task
from suggestions.choices import Names
from suggestions.kinds.base import FollowOn, Kind, Payload
from suggestions.kinds.task import owner
from suggestions.kinds.undo_checks import take_back_task
from suggestions.models import Suggestion, SuggestionStatus, SuggestionType

DUE_IN = {"high": timedelta(), "normal": timedelta(days=2), "low": timedelta(days=7)}
TITLE_LENGTH = 200
GREETING = re.compile(r"(?:hello|hi|dear|good (?:morning|day|afternoon))\b[^.?!]*,$", re.IGNORECASE)


class FollowUpPayload(Payload):
    reason: str = Field(min_length=1, max_length=2_000, json_schema_extra={"widget": "textarea"})
    suggestedAction: str = Field(min_length=1, max_length=5_000, json_schema_extra={"widget": "textarea"})
    urgency: Literal["low", "normal", "high"] = "normal"


class FollowUpKind(Kind):
    type = SuggestionType.FOLLOW_UP
    Payload = FollowUpPayload
    permission, deed = "leads.add_task", "add a task"
    gist = "suggestedAction"
    harmless = True

    @classmethod
    def guard(cls, payload: FollowUpPayload, suggestion: Suggestion) -> None:
        whom = [one for one in (suggestion.lead, suggestion.client) if one is not None]
        if not whom:
            raise BadInput("A follow-up is for a lead or a client.")
        for one in whom:
            if one.is_deleted:
                raise IllegalMove(f"The {named(one)} is deleted; restore it first.")

    @classmethod
    def sentence(cls, payload: FollowUpPayload, suggestion: Suggestion, names: Names | None = None) -> str:
        days = DUE_IN[payload.urgency].days
        due = f"in {days} days" if days else "today"
        drafted = ", and drafts the words" if can_write(suggestion) else ""
        return f"Adds the task “{title(payload)}” for {owner(suggestion) or 'nobody yet'}, due {due}{drafted}."

    @classmethod
    def execute(cls, payload: FollowUpPayload, suggestion: Suggestion, *, by: Actor) -> dict[str, Any]:
        task = Task(
            title=title(payload),
            description=f"{payload.reason}\n\n{payload.suggestedAction}",
            due_on=timezone.localdate() + DUE_IN[payload.urgency],
            assignee=owner(suggestion),
            lead=suggestion.lead,
            client=suggestion.client,
            project=suggestion.project,
        )
        add_task(task, by=by)
        return {"task": str(task.pk)}

    @classmethod
    def leads_to(cls, payload: FollowUpPayload, suggestion: Suggestion, result: dict[str, Any]) -> list[FollowOn]:
        wanted = writing_to(suggestion)
        if wanted is None:
            raise IllegalMove("There is no address to write to: only the task was added.")
        type, content = wanted
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
            draft.suggested_content["subject"] = title(payload)
        return [FollowOn(draft, as_draft=True)]

    @classmethod
    def undo(cls, suggestion: Suggestion, *, by: Actor) -> None:
        take_back_task(suggestion.result["task"], by=by)
        drafts = Suggestion.objects.filter(
            pk__in=suggestion.result.get("suggestions", []), status=SuggestionStatus.DRAFT
        )
        for draft in drafts:
            soft_delete(draft, by=SYSTEM, about=suggestion.lead or suggestion.client)


def title(payload: FollowUpPayload) -> str:
    """The first line of what is suggested that greets nobody, as long as a title may be."""
    lines = [line for line in map(str.strip, payload.suggestedAction.splitlines()) if line]
    line = next((one for one in lines if not GREETING.match(one)), lines[0])
    return line if len(line) <= TITLE_LENGTH else f"{line[: TITLE_LENGTH - 1]}…"


def can_write(suggestion: Suggestion) -> bool:
    """Whether there is a conversation by mail, or an address."""
    return answerable(suggestion) or bool(address_of(suggestion))


def answerable(suggestion: Suggestion) -> bool:
    thread = suggestion.thread
    return thread is not None and not thread.is_deleted and thread.source == ThreadSource.EMAIL


def address_of(suggestion: Suggestion) -> str:
    lead, client = suggestion.lead, suggestion.client
    return (lead.contact_email if lead else "") or (client.email if client else "")


def writing_to(suggestion: Suggestion) -> tuple[str, dict[str, Any]] | None:
    """The type of suggestion that writes to them, and its content but the words; None where there is no way."""
    said = Message.objects.filter(thread=suggestion.thread_id, direction=Direction.IN).exclude(from_email="")
    if answerable(suggestion) and said.exists():
        return SuggestionType.REPLY, {"thread": str(suggestion.thread_id)}
    address = address_of(suggestion)
    return (SuggestionType.SEND_EMAIL, {"to": [address]}) if address else None
