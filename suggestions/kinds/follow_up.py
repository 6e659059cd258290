"""FOLLOW_UP: add a task that is due, and draft its next step."""

import re
from datetime import datetime, time, timedelta
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from crm.exceptions import IllegalTransition, InvalidInput
from crm.records.activity import SYSTEM_ACTOR, Actor
from crm.records.local_time import agency_now, agency_today, in_agency_zone
from crm.records.transitions import describe_record, soft_delete
from crm.text.cleaning import shorten
from inbox.drafts.replies import reply_subject
from inbox.models import Direction, Message
from inbox.models.email_template import EmailTemplate, TemplateCategory
from leads.models import Task
from leads.transitions import add_task
from suggestions.choices import NEXT_STEP_TYPES, LabelCache
from suggestions.kinds.base import FollowOn, LocalKind, Payload
from suggestions.kinds.send_proposal import PROPOSAL_SENT_STAGE
from suggestions.kinds.task import active_owner
from suggestions.kinds.undo_checks import delete_untouched_task
from suggestions.models import Suggestion, SuggestionStatus, SuggestionType

DUE_IN = {"high": timedelta(), "medium": timedelta(days=2), "low": timedelta(days=7)}
MAX_TASK_TITLE_LENGTH = 200
TASK_TITLES = {
    SuggestionType.REPLY: "Reply to {}",
    SuggestionType.SEND_EMAIL: "Email {}",
    SuggestionType.SCHEDULE_CALL: "Call {}",
    SuggestionType.SEND_PROPOSAL: "Send a proposal to {}",
}
URGENCIES = ("low", "medium", "high")
STEP_CHANNELS = {
    SuggestionType.REPLY: frozenset({"email"}),
    SuggestionType.SEND_EMAIL: frozenset({"email"}),
    SuggestionType.SCHEDULE_CALL: frozenset({"email", "phone"}),
    SuggestionType.SEND_PROPOSAL: frozenset({"email"}),
}
NO_ADDRESS = "There is no address to write to: only the task was added."
# What the program cannot know of these, a person enters.
NOT_DRAFTED = {
    SuggestionType.SEND_PROPOSAL: "A proposal needs its amount: only the task was added.",
    SuggestionType.CHANGE_STATUS: "A stage change needs its stage: only the task was added.",
    SuggestionType.RESOLVE_TICKET: "A resolution needs its summary: only the task was added.",
}
EMPTY_EMAIL = "Hello {{first_name}},\n\n[[your message]]\n\nKind regards,\n{{sender_name}}"
EMPTY_SUBJECT = "[[subject]]"
CALL_HOURS = (time(10), time(15))
TYPE_CODE_PATTERN = re.compile(r"[A-Za-z]+(?:_[A-Za-z]+)*")
SATURDAY = 5


class FollowUpPayload(Payload):
    reason: str = Field(min_length=1, max_length=2_000, json_schema_extra={"widget": "textarea"})
    suggestedAction: str = Field(
        max_length=16,
        title="Next step",
        json_schema_extra={"choices": "next_steps"},
        description="It is drafted once this is approved.",
    )
    urgency: Literal["low", "medium", "high"] = "medium"
    message: str = Field(
        default="",
        max_length=5_000,
        title="Draft",
        json_schema_extra={"widget": "textarea"},
        description="The text of the next step, if there is one yet.",
    )

    @model_validator(mode="before")
    @classmethod
    def read_text_as_draft(cls, content: Any) -> Any:
        """Read the shape of earlier versions, in which the suggested action was the text of an email."""
        if not isinstance(content, dict) or "message" in content:
            return content
        action = content.get("suggestedAction")
        if not isinstance(action, str) or not action.strip() or TYPE_CODE_PATTERN.fullmatch(action.strip()):
            return content
        return {**content, "suggestedAction": SuggestionType.SEND_EMAIL.value, "message": action}

    @field_validator("suggestedAction", mode="before")
    @classmethod
    def upper_case(cls, value: Any) -> Any:
        return value.upper() if isinstance(value, str) else value

    @field_validator("suggestedAction")
    @classmethod
    def check_type(cls, value: str) -> str:
        if value not in NEXT_STEP_TYPES:
            raise ValueError(f"This must be one of {', '.join(NEXT_STEP_TYPES)}.")
        return value

    @field_validator("urgency", mode="before")
    @classmethod
    def rename_normal(cls, value: Any) -> Any:
        """Read the name of earlier versions."""
        return "medium" if value == "normal" else value


class FollowUpKind(LocalKind):
    type = SuggestionType.FOLLOW_UP
    Payload = FollowUpPayload
    permission, action_phrase = "leads.add_task", "add a task"
    summary_field = "reason"
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
    def contact_channels(cls, payload: FollowUpPayload) -> frozenset[str]:
        return STEP_CHANNELS.get(payload.suggestedAction, frozenset())

    @classmethod
    def urgency(cls, payload: FollowUpPayload) -> int:
        return URGENCIES.index(payload.urgency) + 1

    @classmethod
    def sentence(cls, payload: FollowUpPayload, suggestion: Suggestion, labels: LabelCache | None = None) -> str:
        days = DUE_IN[payload.urgency].days
        due = f"in {days} days" if days else "today"
        drafted = f", and draft the {next_step_label(payload)}" if can_draft(payload, suggestion) else ""
        owner = active_owner(suggestion)
        assigned = f" for {owner}" if owner else ", unassigned"
        return f"Create task “{task_title(payload, suggestion)}”{assigned}, due {due}{drafted}."

    @classmethod
    def execute(cls, payload: FollowUpPayload, suggestion: Suggestion, *, by: Actor) -> dict[str, Any]:
        task = Task(
            title=task_title(payload, suggestion),
            description="\n\n".join(filter(None, (payload.reason, payload.message))),
            due_on=agency_today() + DUE_IN[payload.urgency],
            assignee=active_owner(suggestion),
            lead=suggestion.lead,
            client=suggestion.client,
            project=suggestion.project,
        )
        add_task(task, by=by)
        return {"task": str(task.pk)}

    @classmethod
    def follow_ons(cls, payload: FollowUpPayload, suggestion: Suggestion, result: dict[str, Any]) -> list[FollowOn]:
        """Draft the next step, in the name of the agent that proposed the follow-up."""
        if payload.suggestedAction == SuggestionType.TASK:
            return []
        draft = Suggestion(
            type=payload.suggestedAction,
            lead=suggestion.lead,
            client=suggestion.client,
            thread=suggestion.thread,
            ticket=suggestion.ticket,
            reasoning=payload.reason,
            evidence=suggestion.evidence,
            suggested_content=next_step_content(payload, suggestion),
        )
        return [FollowOn(draft, as_draft=True, agent=suggestion.agent)]

    @classmethod
    def undo(cls, suggestion: Suggestion, *, by: Actor) -> None:
        delete_untouched_task(suggestion.result["task"], by=by)
        drafts = Suggestion.objects.filter(
            pk__in=suggestion.result.get("suggestions", []), status=SuggestionStatus.DRAFT
        )
        for draft in drafts:
            soft_delete(draft, by=SYSTEM_ACTOR, timeline_owner=suggestion.lead or suggestion.client)


def task_title(payload: FollowUpPayload, suggestion: Suggestion) -> str:
    """Return what to do and for which customer."""
    customer = suggestion.lead or suggestion.client
    title = TASK_TITLES.get(payload.suggestedAction, "Follow up with {}")
    return shorten(title.format(customer), MAX_TASK_TITLE_LENGTH)


def next_step_label(payload: FollowUpPayload) -> str:
    return SuggestionType(payload.suggestedAction).label.lower()


def can_draft(payload: FollowUpPayload, suggestion: Suggestion) -> bool:
    """Return whether the next step is probably drafted; what needs a query is left to the execution."""
    if payload.suggestedAction == SuggestionType.REPLY:
        return has_email_thread(suggestion)
    drafted = payload.suggestedAction in (SuggestionType.SEND_EMAIL, SuggestionType.SCHEDULE_CALL)
    return drafted and bool(contact_address(suggestion))


def has_email_thread(suggestion: Suggestion) -> bool:
    thread = suggestion.thread
    return thread is not None and not thread.is_deleted and thread.accepts_email


def contact_address(suggestion: Suggestion) -> str:
    lead, client = suggestion.lead, suggestion.client
    return (lead.contact_email if lead else "") or (client.email if client else "")


def next_step_content(payload: FollowUpPayload, suggestion: Suggestion) -> dict[str, Any]:
    """Return the content of the next step, with gaps where nothing is known.

    Raises:
        IllegalTransition: it cannot be drafted; the sentence says why.
    """
    type = payload.suggestedAction
    if type in NOT_DRAFTED:
        raise IllegalTransition(NOT_DRAFTED[type])
    if type == SuggestionType.REPLY:
        return reply_content(payload, suggestion)
    address = contact_address(suggestion)
    if not address:
        raise IllegalTransition(NO_ADDRESS)
    if type == SuggestionType.SCHEDULE_CALL:
        times = [at.isoformat() for at in next_call_times(agency_now())]
        return {"suggestedTimes": times, "message": payload.message}
    return {"to": [address], **email_text(payload, suggestion)}


def reply_content(payload: FollowUpPayload, suggestion: Suggestion) -> dict[str, Any]:
    inbound = Message.objects.filter(thread=suggestion.thread_id, direction=Direction.IN).exclude(from_email="")
    if not has_email_thread(suggestion) or not inbound.exists():
        raise IllegalTransition("There is no email to answer: only the task was added.")
    return {"thread": str(suggestion.thread_id), "body": payload.message or EMPTY_EMAIL}


def email_text(payload: FollowUpPayload, suggestion: Suggestion) -> dict[str, Any]:
    """Return subject and body: the drafted text, else after a proposal the template for that, else gaps."""
    subject = reply_subject(suggestion.thread.subject) if has_email_thread(suggestion) else EMPTY_SUBJECT
    if payload.message:
        return {"subject": subject, "body": payload.message}
    if suggestion.lead is not None and suggestion.lead.status_id == PROPOSAL_SENT_STAGE:
        template = EmailTemplate.objects.in_use().filter(category=TemplateCategory.FOLLOW_UP).first()
        if template is not None:
            return {"subject": template.subject, "body": template.body, "templateId": str(template.pk)}
    return {"subject": subject, "body": EMPTY_EMAIL}


def next_call_times(now: datetime) -> list[datetime]:
    """Return a time in the morning and one in the afternoon of the next two working days, for a person to check.

    `now` is the agency's time.
    """
    days: list[datetime] = []
    while len(days) < len(CALL_HOURS):
        day = (days[-1] if days else now) + timedelta(days=1)
        while day.weekday() >= SATURDAY:
            day += timedelta(days=1)
        days.append(day)
    return [in_agency_zone(datetime.combine(day.date(), hour)) for day, hour in zip(days, CALL_HOURS, strict=True)]
