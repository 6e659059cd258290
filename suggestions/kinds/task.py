"""TASK: add a task for a member of staff."""

from datetime import date
from typing import Any

from pydantic import Field

from crm.exceptions import IllegalTransition, InvalidInput
from crm.models import User
from crm.records.activity import Actor
from crm.records.local_time import agency_today, format_day
from crm.records.transitions import describe_record
from leads.models import Task
from leads.transitions import add_task
from suggestions.choices import LabelCache
from suggestions.kinds.base import LocalKind, Payload
from suggestions.kinds.undo_checks import delete_untouched_task
from suggestions.models import Suggestion, SuggestionType

SOON_DAYS = 2


class TaskPayload(Payload):
    title: str = Field(min_length=1, max_length=200)
    description: str = Field(default="", max_length=10_000, json_schema_extra={"widget": "textarea"})
    dueOn: date | None = Field(default=None, title="Due on")
    assignee: str = Field(
        default="",
        max_length=150,
        title="Assignee",
        json_schema_extra={"choices": "staff", "blank": "The owner of the lead or client"},
    )


class TaskKind(LocalKind):
    type = SuggestionType.TASK
    Payload = TaskPayload
    permission, action_phrase = "leads.add_task", "add a task"
    summary_field = "title"
    is_harmless = True

    @classmethod
    def guard(cls, payload: TaskPayload, suggestion: Suggestion) -> None:
        for record in (suggestion.lead, suggestion.client, suggestion.project):
            if record is not None and record.is_deleted:
                raise IllegalTransition(f"The {describe_record(record)} is deleted; restore it first.")
        if payload.assignee and resolve_assignee(payload, suggestion) is None:
            raise InvalidInput(f"There is no active member of staff “{payload.assignee}”.")

    @classmethod
    def urgency(cls, payload: TaskPayload) -> int:
        if payload.dueOn is None:
            return 1
        days = (payload.dueOn - agency_today()).days
        return 3 if days <= 0 else 2 if days <= SOON_DAYS else 1

    @classmethod
    def sentence(cls, payload: TaskPayload, suggestion: Suggestion, labels: LabelCache | None = None) -> str:
        due = f", due {format_day(payload.dueOn)}" if payload.dueOn else ""
        who = (
            (labels or LabelCache()).label("staff", payload.assignee) if payload.assignee else active_owner(suggestion)
        )
        assigned = f" for {who}" if who else ", unassigned"
        return f"Create task “{payload.title}”{assigned}{due}."

    @classmethod
    def execute(cls, payload: TaskPayload, suggestion: Suggestion, *, by: Actor) -> dict[str, Any]:
        task = Task(
            title=payload.title,
            description=payload.description,
            due_on=payload.dueOn,
            assignee=resolve_assignee(payload, suggestion),
            lead=suggestion.lead,
            client=suggestion.client,
            project=suggestion.project,
        )
        add_task(task, by=by)
        return {"task": str(task.pk)}

    @classmethod
    def undo(cls, suggestion: Suggestion, *, by: Actor) -> None:
        delete_untouched_task(suggestion.result["task"], by=by)


def resolve_assignee(payload: TaskPayload, suggestion: Suggestion) -> User | None:
    """Return the named assignee, or else the owner of the lead or client."""
    if payload.assignee:
        return User.objects.filter(username=payload.assignee, is_active=True).first()
    return active_owner(suggestion)


def active_owner(suggestion: Suggestion) -> User | None:
    """Return the owner of the lead or client of `suggestion`, if still active."""
    customer = suggestion.lead or suggestion.client
    person = customer.assigned_to if customer else None
    return person if person is not None and person.is_active else None
