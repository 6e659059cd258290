"""The history of a record from the row audit: earlier states, who changed them and from where."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.db import models

from crm.models import User
from crm.records.base import Record
from crm.records.local_time import format_day, format_moment

MAX_HISTORY_CHANGES = 100
HIDDEN_FIELDS = frozenset({"id", "created_at", "updated_at"})
# Returns the changes inside a JSON column: its name, its label, the old and the new value.
JsonChanges = Callable[[str, str, Any, Any], list[tuple[str, Any, Any]]]


@dataclass(frozen=True)
class Change:
    """One change of a row, with the old and new value of each changed field."""

    at: datetime
    changed_by: str
    source: str
    fields: list[tuple[str, Any, Any]]


def load_history(
    row: models.Model, json_changes: JsonChanges | None = None, *, reader: User | None = None
) -> list[Change]:
    """Return the changes of `row`, newest first. The audit stores old rows, so each is compared with the next.

    `json_changes` tells what changed inside a JSON column; without it, the whole values are shown.
    A record that `reader` may not see is not named.
    """
    if not hasattr(row, "events"):  # a table without an audit
        return []
    events = list(row.events.select_related("pgh_context").order_by("-pgh_created_at", "-pgh_id")[:MAX_HISTORY_CHANGES])
    contexts = [event.pgh_context.metadata if event.pgh_context else {} for event in events]
    staff = User.objects.in_bulk({context["user"] for context in contexts if context.get("user")})
    names = {str(pk): str(user) for pk, user in staff.items()}
    changes, newer = [], row
    for event, context in zip(events, contexts, strict=True):
        changes.append(
            Change(
                at=event.pgh_created_at,
                changed_by=names.get(str(context.get("user")), "The program"),
                source=context.get("url") or context.get("command") or "",
                fields=field_differences(event, newer, json_changes, reader),
            )
        )
        newer = event
    return changes


def field_differences(
    old: models.Model, new: models.Model, json_changes: JsonChanges | None = None, reader: User | None = None
) -> list[tuple[str, Any, Any]]:
    """Return the fields that differ between two states of a row, as display values."""
    differences = []
    for field in old._meta.concrete_fields:
        if field.name.startswith("pgh_") or field.name in HIDDEN_FIELDS:
            continue
        old_value, new_value = getattr(old, field.attname), getattr(new, field.attname)
        if old_value == new_value:
            continue
        label = str(field.verbose_name)
        if json_changes and (isinstance(old_value, dict | list) or isinstance(new_value, dict | list)):
            differences += json_changes(field.name, label, old_value, new_value)
        else:
            shown = (display_value(field, value, reader) for value in (old_value, new_value))
            differences.append((label, *shown))
    return differences


def display_value(field: models.Field, value: Any, reader: User | None = None) -> Any:
    """Return `value` for display: a record's name, a choice's label, a date, number or boolean as text."""
    if value is None or isinstance(value, dict | list):
        return value
    if field.is_relation:
        row = field.related_model._base_manager.filter(pk=value).first()
        return row.name_for(reader) if reader is not None and isinstance(row, Record) else str(row or "deleted")
    if isinstance(value, bool):
        return "Yes" if value else "No"
    if isinstance(value, int | float | Decimal):
        return str(value)
    if isinstance(value, date):
        return format_moment(value) if isinstance(value, datetime) else format_day(value)
    return dict(field.flatchoices).get(value, value)
