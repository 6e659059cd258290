"""Tasks."""

from datetime import date

from django.db import models
from django.db.models.functions import Coalesce

from crm.records.base import (
    LIVE,
    LiveManager,
    Record,
    choices_check,
    not_blank_check,
    with_row_audit,
)
from crm.records.local_time import agency_today
from crm.records.owners import OwnedByRecords, OwnedByRecordsQuerySet


class TaskStatus(models.TextChoices):
    ON_DECK = "ON_DECK", "On deck"
    IN_PROGRESS = "IN_PROGRESS", "In progress"
    BLOCKED = "BLOCKED", "Blocked"
    DONE = "DONE", "Done"
    ARCHIVED = "ARCHIVED", "Archived"


UNFINISHED_STATUSES = (TaskStatus.ON_DECK, TaskStatus.IN_PROGRESS, TaskStatus.BLOCKED)


# A task to call someone begins with the word.
IS_CALL = models.Q(title__iregex=r"^(call|phone|ring) ")
UNFINISHED = models.Q(status__in=UNFINISHED_STATUSES)
# Tasks without a date come last.
DUE_SORT_KEY = Coalesce("due_on", models.Value(date.max, models.DateField()))


class TaskQuerySet(OwnedByRecordsQuerySet):
    """Named sets of tasks. A task belongs to its assignee, else to the owner of what it is about."""

    def unfinished(self) -> "TaskQuerySet":
        return self.filter(UNFINISHED)

    def due(self, day: date) -> "TaskQuerySet":
        """Return the unfinished tasks due on or before `day`, oldest first."""
        return self.unfinished().alias(_due=DUE_SORT_KEY).filter(_due__lte=day).order_by("_due", "id")


@with_row_audit(exclude=["owner", "restriction"])
class Task(OwnedByRecords):
    """A task for a lead, a client or a project, or on its own."""

    owner_links = ("lead", "client", "project")

    title = models.CharField(max_length=200)
    description = models.TextField(blank=True, default="", db_default="")
    status = models.CharField(
        max_length=12, choices=TaskStatus, default=TaskStatus.ON_DECK, db_default=TaskStatus.ON_DECK
    )
    due_on = models.DateField(null=True, blank=True)
    assignee = models.ForeignKey("crm.User", null=True, blank=True, on_delete=models.SET_NULL, related_name="tasks")
    lead = models.ForeignKey("leads.Lead", null=True, blank=True, on_delete=models.SET_NULL, related_name="tasks")
    client = models.ForeignKey("crm.Client", null=True, blank=True, on_delete=models.SET_NULL, related_name="tasks")
    project = models.ForeignKey("crm.Project", null=True, blank=True, on_delete=models.SET_NULL, related_name="tasks")

    objects = LiveManager.from_queryset(TaskQuerySet)()
    everything = models.Manager.from_queryset(TaskQuerySet)()

    class Meta(Record.Meta):
        db_table = "tasks"
        permissions = [
            ("restore_task", "Can restore a deleted task"),
            ("purge_task", "Can permanently delete a task"),
        ]
        constraints = [choices_check("tasks", "status", TaskStatus), not_blank_check("tasks", "title")]
        indexes = [
            models.Index(DUE_SORT_KEY, "id", condition=LIVE & UNFINISHED, name="tasks_next_due"),
            models.Index(
                "assignee", DUE_SORT_KEY, "id", condition=LIVE & UNFINISHED, name="tasks_next_due_of_assignee"
            ),
            models.Index("owner", DUE_SORT_KEY, "id", condition=LIVE & UNFINISHED, name="tasks_next_due_of_owner"),
            models.Index(
                "status",
                DUE_SORT_KEY,
                "id",
                include=["owner", "restriction"],
                condition=LIVE,
                name="tasks_status_by_due",
            ),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def is_late(self) -> bool:
        return self.due_on is not None and self.status in UNFINISHED_STATUSES and self.due_on < agency_today()
