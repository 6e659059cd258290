"""What members of staff are told about leads, clients, policies, tasks and imports."""

from datetime import datetime
from typing import Any

from django.db.models import DateTimeField, F
from django.db.models.functions import Cast

from crm.models import NotificationKind
from crm.records.local_time import agency_today
from crm.records.notifications.due import DUE_PERIOD, DUE_SOURCES
from crm.records.notifications.tables import NotifiedTable, Words, register_table
from leads.models import ImportBatch, Task
from leads.models.task import TaskQuerySet


def register_notifications() -> None:
    """Register the words of each table, and how due tasks are found; called once at start."""
    for label, noun, icon in (("leads.lead", "lead", "person_search"), ("crm.client", "client", "domain")):
        words = {
            NotificationKind.ASSIGNED: Words(f"{noun.capitalize()} assigned to you"),
            NotificationKind.MENTIONED: mention_words(noun),
        }
        register_table(label, NotifiedTable(icon, words))
    contact_words = {NotificationKind.MENTIONED: mention_words("contact")}
    register_table("crm.contact", NotifiedTable("contacts", contact_words))
    policy_words = {NotificationKind.MENTIONED: mention_words("policy")}
    policy = NotifiedTable("verified_user", policy_words, select_related=("insurance_type",))
    register_table("leads.policy", policy)
    task_words = {
        NotificationKind.ASSIGNED: Words("Task assigned to you"),
        NotificationKind.DUE: Words("Task due"),
    }
    register_table("leads.task", NotifiedTable("checklist", task_words))
    import_words = {NotificationKind.FAILED: Words("Import failed")}
    register_table("leads.importbatch", NotifiedTable("upload", import_words, name=file_name))
    DUE_SOURCES.append(due_tasks)


def mention_words(noun: str) -> Words:
    return Words(f"You were mentioned on a {noun}", f"{{count}} mentions on a {noun}")


def file_name(batch: ImportBatch, reader: Any) -> str:
    return batch.file_name


def due_tasks(now: datetime) -> TaskQuerySet:
    """Return the unfinished tasks that became due lately; a task belongs to its assignee first."""
    today = agency_today(now)
    tasks = Task.objects.due(today).filter(_due__gte=today - DUE_PERIOD)
    return tasks.filter(owner__isnull=False).annotate(_due_at=Cast(F("due_on"), DateTimeField()))
