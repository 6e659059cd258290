"""What a reader sees of notifications. Names are read now, of records that the reader may open now."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.apps import apps
from django.urls import reverse

from crm.models import Notification, User
from crm.records.notifications.staff import may_view
from crm.records.notifications.tables import NOTIFIED_TABLES

UNAVAILABLE = "No longer available to you"


@dataclass(frozen=True)
class NotificationLine:
    """A notification as its reader sees it. Without a `url` the record may not be opened, and is not named."""

    row: Notification
    headline: str
    name: str
    icon: str
    url: str = ""

    @property
    def sentence(self) -> str:
        return f"{self.headline}: {self.name}"


def describe(rows: Iterable[Notification], reader: User) -> list[NotificationLine]:
    """Return a line for each of `rows`, in one statement for each table that they are about."""
    rows, keys_by_table = list(rows), {}
    for row in rows:
        keys_by_table.setdefault(row.target_type, set()).add(row.target_id)
    records = {label: load_records(label, keys, reader) for label, keys in keys_by_table.items()}
    return [describe_one(row, records[row.target_type].get(row.target_id), reader) for row in rows]


def load_records(label: str, keys: Collection[UUID], reader: User) -> dict[UUID, Any]:
    """Return those of the records `keys` that `reader` may open; none that is deleted."""
    table = NOTIFIED_TABLES.get(label)
    model = apps.get_model(label) if table else None
    if model is None or not may_view(reader, model._meta):
        return {}
    rows = model.objects.filter(pk__in=keys).visible_to(reader)
    return {row.pk: row for row in (rows.select_related(*table.select_related) if table.select_related else rows)}


def describe_one(row: Notification, record: Any, reader: User) -> NotificationLine:
    table = NOTIFIED_TABLES.get(row.target_type)
    words = table.words.get(row.kind) if table else None
    headline = words.of(row.count) if words else row.get_kind_display()
    icon = table.icon if table else "notifications"
    if record is None:
        return NotificationLine(row, headline, UNAVAILABLE, icon)
    url = reverse(f"admin:{row.target_type.replace('.', '_')}_change", args=[record.pk])
    return NotificationLine(row, headline, table.name(record, reader), icon, url)
