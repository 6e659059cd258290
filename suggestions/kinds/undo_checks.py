"""Checks before an undo: what was created must not have been worked on since."""

from django.db.models import Q

from crm.exceptions import IllegalTransition
from crm.models import ActivityLog
from crm.records.activity import Actor
from crm.records.transitions import soft_delete
from leads.models import Lead, Task, TaskStatus
from suggestions.models import Suggestion


def delete_untouched_task(key: str, *, by: Actor) -> None:
    """Delete the task `key`, which a suggestion added, unless it is deleted already.

    Raises:
        IllegalTransition: it has been worked on since.
    """
    task = Task.objects.select_for_update(of=("self",)).filter(pk=key).first()
    if task is None:
        return
    if task.status != TaskStatus.ON_DECK:
        raise IllegalTransition(f"The task “{task}” is {task.get_status_display().lower()}: it has been worked on.")
    refuse_if_worked_on(f"The task “{task}”", ActivityLog.objects.for_target(task).exclude(verb="created").first())
    soft_delete(task, by=by, timeline_owner=task.lead or task.client or task.project)


def check_lead_untouched(lead: Lead, suggestion: Suggestion) -> None:
    """Refuse if `lead` was worked on since `suggestion` created it; other suggestions do not count.

    Raises:
        IllegalTransition: it was; the message says how.
    """
    mine = Q(verb="created", target_id=lead.pk) | Q(verb="linked", target_id=suggestion.thread_id)
    later = ActivityLog.objects.on_timeline_of(lead).exclude(mine).exclude(target_type=Suggestion._meta.label_lower)
    refuse_if_worked_on(f"The lead “{lead}”", later.first())


def refuse_if_worked_on(what: str, line: ActivityLog | None) -> None:
    if line is not None:
        raise IllegalTransition(f"{what} has been worked on since ({line.summary}). Undo that first, or leave it.")
