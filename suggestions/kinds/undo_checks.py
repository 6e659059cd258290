"""Whether something that was made can be taken away again: nobody has done anything with it since."""

from django.db.models import Q

from crm.exceptions import IllegalMove
from crm.models import ActivityLog
from crm.records.activity import Actor
from crm.records.transitions import soft_delete
from leads.models import Lead, Task, TaskStatus
from suggestions.models import Suggestion


def take_back_task(key: str, *, by: Actor) -> None:
    """Delete the task `key`, which a suggestion has added; one that is gone already is as it should be.

    Raises:
        IllegalMove: somebody has worked on it since.
    """
    task = Task.objects.select_for_update(of=("self",)).filter(pk=key).first()
    if task is None:
        return
    if task.status != TaskStatus.ON_DECK:
        raise IllegalMove(f"The task “{task}” is {task.get_status_display().lower()}: it has been worked on.")
    refuse(f"The task “{task}”", ActivityLog.objects.done_to(task).exclude(verb="created").first())
    soft_delete(task, by=by, about=task.lead or task.client or task.project)


def refuse_worked_on(lead: Lead, suggestion: Suggestion) -> None:
    """See whether anything was done with `lead` since `suggestion` created it; what was only suggested is nothing.

    Raises:
        IllegalMove: something was, and the sentence says what.
    """
    mine = Q(verb="created", target_id=lead.pk) | Q(verb="linked", target_id=suggestion.thread_id)
    later = ActivityLog.objects.on_timeline_of(lead).exclude(mine).exclude(target_type=Suggestion._meta.label_lower)
    refuse(f"The lead “{lead}”", later.first())


def refuse(what: str, line: ActivityLog | None) -> None:
    if line is not None:
        raise IllegalMove(f"{what} has been worked on since ({line.summary}). Undo that first, or leave it.")
