"""TASK: put a task on somebody's list."""

from datetime import date
from typing import Any

from pydantic import Field

from crm.exceptions import BadInput, IllegalMove
from crm.models import User
from crm.records.activity import Actor
from crm.records.transitions import named
from leads.models import Task
from leads.transitions import add_task
from suggestions.choices import Names
from suggestions.kinds.base import Kind, Payload
from suggestions.kinds.undo_checks import take_back_task
from suggestions.models import Suggestion, SuggestionType


class TaskPayload(Payload):
    title: str = Field(min_length=1, max_length=200)
    description: str = Field(default="", max_length=10_000, json_schema_extra={"widget": "textarea"})
    dueOn: date | None = Field(default=None, title="Due on")
    assignee: str = Field(
        default="",
        max_length=150,
        title="Assignee",
        json_schema_extra={"choices": "staff", "blank": "Whoever owns the lead or client"},
    )


class TaskKind(Kind):
    type = SuggestionType.TASK
    Payload = TaskPayload
    permission, deed = "leads.add_task", "add a task"
    gist = "title"
    harmless = True

    @classmethod
    def guard(cls, payload: TaskPayload, suggestion: Suggestion) -> None:
        for whom in (suggestion.lead, suggestion.client, suggestion.project):
            if whom is not None and whom.is_deleted:
                raise IllegalMove(f"The {named(whom)} is deleted; restore it first.")
        if payload.assignee and assignee(payload, suggestion) is None:
            raise BadInput(f"Nobody of the name “{payload.assignee}” works here.")

    @classmethod
    def sentence(cls, payload: TaskPayload, suggestion: Suggestion, names: Names | None = None) -> str:
        due = f", due {payload.dueOn:%-d %b %Y}" if payload.dueOn else ""
        who = (names or Names()).label("staff", payload.assignee) if payload.assignee else owner(suggestion)
        return f"Adds the task “{payload.title}” for {who or 'nobody yet'}{due}."

    @classmethod
    def execute(cls, payload: TaskPayload, suggestion: Suggestion, *, by: Actor) -> dict[str, Any]:
        task = Task(
            title=payload.title,
            description=payload.description,
            due_on=payload.dueOn,
            assignee=assignee(payload, suggestion),
            lead=suggestion.lead,
            client=suggestion.client,
            project=suggestion.project,
        )
        add_task(task, by=by)
        return {"task": str(task.pk)}

    @classmethod
    def undo(cls, suggestion: Suggestion, *, by: Actor) -> None:
        take_back_task(suggestion.result["task"], by=by)


def assignee(payload: TaskPayload, suggestion: Suggestion) -> User | None:
    """Who is named, or the owner of the lead or client where nobody is."""
    if payload.assignee:
        return User.objects.filter(username=payload.assignee, is_active=True).first()
    return owner(suggestion)


def owner(suggestion: Suggestion) -> User | None:
    """Whose the lead or client of `suggestion` is, if they still work here."""
    whose = suggestion.lead or suggestion.client
    person = whose.assigned_to if whose else None
    return person if person is not None and person.is_active else None
