"""Transitions shared by all records."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.apps import apps
from django.core.exceptions import TooManyFieldsSent
from django.db import models, transaction
from django.db.models import ProtectedError
from django.db.models.functions import Now
from django.http import QueryDict

from crm.exceptions import IllegalTransition, InvalidInput, NotPermitted, errors_as_invalid_input
from crm.models import CustomField, KindChangeValue, ListColumns, SavedView, User
from crm.models.saved_view import MAX_LIST_COLUMNS
from crm.records.activity import Actor, record
from crm.records.base import Record
from crm.records.custom_fields.reference_moves import empty_values
from crm.records.custom_fields.rights import require_field_rights, require_new_field_rights
from crm.records.local_time import known_time_zones
from crm.records.notifications.mentions import notify_mentioned
from crm.records.notifications.notify import ASSIGNEE_FIELDS, notify_assigned
from crm.records.owners import rows_left_by, without_other_records
from crm.text.cleaning import strip_nul

MAX_TIMELINE_NOTE_LENGTH = 10_000
MAX_VIEW_QUERY_LENGTH = 2_000
MAX_LOGGED_FILTER_LENGTH = 100
# Held by users who may take the rows of a list away as a file.
EXPORT_PERMISSION = "crm.export_records"
# Held by users who may import files. Each table needs the permission to add its records as well.
IMPORT_PERMISSION = "leads.add_importbatch"
# No clock is fast by more: a date further ahead that no person chose was written by a clock that ran ahead.
MAX_CLOCK_ERROR = timedelta(days=1)


def permission_name(record_or_model: models.Model | type[models.Model], verb: str) -> str:
    """Return the full name of a permission, such as `leads.purge_lead`."""
    meta = record_or_model._meta
    return f"{meta.app_label}.{verb}_{meta.model_name}"


def describe_record(row: models.Model) -> str:
    return f"{row._meta.verbose_name} “{row}”"


@transaction.atomic
def create(
    row: Record,
    *,
    by: Actor | User,
    timeline_owner: models.Model | None = None,
    copied_fields: Mapping[str, Any] | None = None,
) -> None:
    """Save a new `row` and record it on the timeline.

    `copied_fields` are the custom fields of the record that it is made from.

    Raises:
        NotPermitted: `by` may not add such records, or fill one of their custom fields.
        InvalidInput: a field or constraint refuses it.
    """
    save_new(row, by=by, copied_fields=copied_fields)
    record(row, "created", by=by, timeline_owner=timeline_owner, summary=f"Created {describe_record(row)}")
    notify_assigned(row, by=by)


def save_new(row: Record, *, by: Actor | User, copied_fields: Mapping[str, Any] | None = None) -> None:
    """Save a new `row`, which the caller records.

    Raises: as `create`.
    """
    Actor.of(by).require_permission(permission_name(row, "add"), f"add a {row._meta.verbose_name}")
    require_new_field_rights(row, by=by, copied=copied_fields)
    with errors_as_invalid_input():
        row.full_clean()
        row.save(force_insert=True)


@transaction.atomic
def soft_delete(row: Record, *, by: Actor | User, timeline_owner: models.Model | None = None) -> None:
    """Soft-delete `row`; it can be restored. Recorded on the timeline of `timeline_owner`, by default its own.

    Raises:
        NotPermitted: `by` may not delete such records.
        IllegalTransition: it is already deleted.
    """
    Actor.of(by).require_permission(permission_name(row, "delete"), f"delete the {row._meta.verbose_name}")
    if type(row).everything.filter(pk=row.pk, deleted_at__isnull=True).update(deleted_at=Now()) != 1:
        raise IllegalTransition(f"The {describe_record(row)} is already deleted.")
    row.refresh_from_db()
    record(row, "deleted", by=by, timeline_owner=timeline_owner, summary=f"Deleted {describe_record(row)}")


@transaction.atomic
def restore(row: Record, *, by: Actor | User) -> None:
    """Restore a deleted `row`.

    Raises:
        NotPermitted: `by` may not restore such records.
        IllegalTransition: it is not deleted.
        InvalidInput: a live record now conflicts with it, for example by the same email address.
    """
    Actor.of(by).require_permission(permission_name(row, "restore"), f"restore the {row._meta.verbose_name}")
    with errors_as_invalid_input():
        if type(row).everything.filter(pk=row.pk, deleted_at__isnull=False).update(deleted_at=None) != 1:
            raise IllegalTransition(f"The {describe_record(row)} is not deleted.")
    row.refresh_from_db()
    record(row, "restored", by=by, summary=f"Restored {describe_record(row)}")


@transaction.atomic
def purge(row: Record, *, by: Actor | User, with_rows: bool = False) -> None:
    """Delete a soft-deleted `row` permanently; the activity log keeps an entry. References to it are emptied.

    Conversations, tasks and the like about it are kept for users who see the records of every owner. Those about no
    other record are deleted as well `with_rows`.

    Raises:
        NotPermitted: `by` may not purge such records.
        IllegalTransition: it is not soft-deleted, or other records still reference it.
    """
    Actor.of(by).require_permission(permission_name(row, "purge"), f"purge the {row._meta.verbose_name}")
    current = type(row).everything.select_for_update().filter(pk=row.pk).first()
    if current is None or not current.is_deleted:
        raise IllegalTransition(f"The {describe_record(row)} must be deleted before it is purged.")
    purged_rows = purge_rows_about(row, by=by) if with_rows else ""
    record(row, "purged", by=by, summary=f"Purged {describe_record(row)}{purged_rows and f' with {purged_rows}'}")
    try:
        with errors_as_invalid_input():
            delete_unless_protected(current)
            empty_values(type(row), [row.pk])
            KindChangeValue.objects.filter(record_id=row.pk).delete()
    except InvalidInput as error:  # a row that refers to it cannot do without it
        raise IllegalTransition(f"The {describe_record(row)} cannot be purged. {error}") from error


def purge_rows_about(row: Record, *, by: Actor | User) -> str:
    """Delete what is about `row` and no other record. Return what it was, such as “3 conversations and 1 task”.

    Raises:
        NotPermitted: `by` may not purge one of these tables.
    """
    counts = []
    for rows in rows_left_by(row):
        rows = without_other_records(rows, row)
        if count := rows.count():
            noun = rows.model._meta.verbose_name_plural
            Actor.of(by).require_permission(permission_name(rows.model, "purge"), f"purge {noun}")
            counts.append((rows.model, count))
            rows.delete()
    return describe_counts(counts)


def describe_counts(counts: Iterable[tuple[type[models.Model], int]]) -> str:
    """Return numbers of rows by table as text, such as “3 leads and 1 task”."""
    parts = [
        f"{count:,} {model._meta.verbose_name if count == 1 else model._meta.verbose_name_plural}"
        for model, count in counts
    ]
    return " and ".join(filter(None, [", ".join(parts[:-1]), *parts[-1:]]))


def delete_unless_protected(row: Record) -> None:
    """Delete `row` from the database.

    Raises:
        IllegalTransition: other records still reference it.
    """
    try:
        row.delete()
    except ProtectedError as error:
        dependents = ", ".join(sorted({str(describe_record(other)) for other in error.protected_objects})[:3])
        raise IllegalTransition(f"The {describe_record(row)} is still referenced by {dependents}.") from error


@transaction.atomic
def save_edit(row: models.Model, changed: list[str], saved: models.Model, *, by: Actor | User) -> None:
    """Save the fields of `row` named in `changed`; `saved` is the row as it is in the database, locked.

    Raises:
        NotPermitted: a custom field differs that `by` may not edit.
        InvalidInput: a constraint refuses a value.
    """
    if "custom_fields" in changed:
        require_field_rights(row._meta.label_lower, saved.custom_fields, row.custom_fields, by=by)
    with errors_as_invalid_input():
        row.save(update_fields=[*changed, "updated_at"])
    record_edit(row, changed, by=by)
    if set(changed) & set(ASSIGNEE_FIELDS):
        notify_assigned(row, by=by)


@transaction.atomic
def record_edit(
    row: models.Model, changed: list[str], *, by: Actor | User, timeline_owner: models.Model | None = None
) -> None:
    """Record that a user edited the fields named in `changed`."""
    if changed:
        names = ", ".join(str(row._meta.get_field(name).verbose_name) for name in changed)
        record(row, "changed", by=by, timeline_owner=timeline_owner, summary=f"Changed {names}", fields=changed)


@transaction.atomic
def set_custom_field(row: Any, field: CustomField, value: Any, *, by: Actor | User) -> None:
    """Set the custom field `field` of `row` to a checked `value`; None clears it.

    Raises:
        NotPermitted: `by` may not change such records, or not this field.
        IllegalTransition: the record is deleted, the field is retired, or the value is this one already.
        InvalidInput: a constraint refuses the value.
    """
    Actor.of(by).require_permission(permission_name(row, "change"), f"change the {row._meta.verbose_name}")
    locked = type(row).everything.select_for_update().get(pk=row.pk)
    if locked.is_deleted:
        raise IllegalTransition(f"The {describe_record(row)} is deleted; restore it first.")
    if not CustomField.objects.of_table(row._meta.label_lower).filter(key=field.key).exists():
        raise IllegalTransition(f"The field “{field}” is retired.")
    others = {key: one for key, one in locked.custom_fields.items() if key != field.key}
    values = others if value is None else {**others, field.key: value}
    if values == locked.custom_fields:
        raise IllegalTransition(
            f"The {describe_record(row)} {'has no' if value is None else 'already has this'} value."
        )
    row.custom_fields = values
    save_edit(row, ["custom_fields"], locked, by=by)


@transaction.atomic
def add_note(row: Record, body: str, *, by: Actor | User) -> list[User]:
    """Add a note to the timeline of `row`. A note counts as activity, not as contact.

    Colleagues named in it as @username are told. Return those who are not, because they may not open `row`.

    Raises:
        NotPermitted: `by` may not change such records.
        IllegalTransition: the record is deleted.
        InvalidInput: the note is empty or longer than 10,000 characters.
    """
    Actor.of(by).require_permission(permission_name(row, "change"), f"write a note on the {row._meta.verbose_name}")
    if row.is_deleted:
        raise IllegalTransition(f"The {describe_record(row)} is deleted; restore it first.")
    body = strip_nul(body).strip()
    if not body:
        raise InvalidInput("The note is empty. Enter a text.")
    if len(body) > MAX_TIMELINE_NOTE_LENGTH:
        raise InvalidInput(
            f"A note can have at most {MAX_TIMELINE_NOTE_LENGTH:,} characters; this one has {len(body):,}."
        )
    record(row, "noted", by=by, summary=body)
    return notify_mentioned(row, body, by=by)


@transaction.atomic
def assign(row: Any, owner: User | None, *, by: Actor | User) -> None:
    """Assign a client, lead or ticket to `owner`, or unassign it with None.

    Users who may change the record may take it if it is unassigned; other assignments need `reassign`.

    Raises:
        NotPermitted: `by` may not assign it.
        IllegalTransition: `owner` already has it, or is inactive.
    """
    actor = Actor.of(by)
    locked = type(row).everything.select_for_update().get(pk=row.pk)
    is_taking_unassigned = locked.assigned_to_id is None and owner is not None and owner == actor.user
    actor.require_permission(
        permission_name(row, "change" if is_taking_unassigned else "reassign"), f"reassign the {row._meta.verbose_name}"
    )
    if locked.is_deleted:
        raise IllegalTransition(f"The {describe_record(row)} is deleted.")
    if locked.assigned_to == owner:
        raise IllegalTransition(
            f"The {describe_record(row)} is already {f'assigned to {owner}' if owner else 'unassigned'}."
        )
    if owner is not None and not owner.is_active:
        raise IllegalTransition(f"{owner} is inactive and cannot be an owner.")
    previous_owner = locked.assigned_to
    type(row).everything.filter(pk=row.pk).update(assigned_to=owner)
    row.assigned_to = owner
    record(
        row,
        "assigned",
        by=by,
        summary=f"Owner: {previous_owner or 'Unassigned'} → {owner or 'Unassigned'}",
        was=str(previous_owner.pk) if previous_owner else None,
        now=str(owner.pk) if owner else None,
    )
    notify_assigned(row, by=by)


@transaction.atomic
def save_view(*, name: str, table: str, query: str, shared: bool, by: User) -> SavedView:
    """Save the query string of a list as a view of `by`, replacing one with the same name.

    Raises:
        NotPermitted: `by` may not save or share views.
        InvalidInput: the name is empty or too long, or the table or query is invalid.
    """
    actor, name = Actor.of(by), strip_nul(name).strip()
    actor.require_permission("crm.add_savedview", "save a view")
    if shared:
        actor.require_permission("crm.share_savedview", "share a view")
    if table not in {model._meta.label_lower for model in apps.get_models()}:
        raise InvalidInput("This list does not exist.")
    view = SavedView.objects.select_for_update().filter(owner=by, table=table, name=name).first()
    view = view or SavedView(owner=by, table=table, name=name)
    view.query, view.shared = clean_view_query(query), shared
    with errors_as_invalid_input():
        view.full_clean()
        view.save()
    return view


def clean_view_query(query: str) -> str:
    """Return `query` if it is a valid query of a list."""
    try:
        QueryDict(query)
    except TooManyFieldsSent as error:
        raise InvalidInput("The view has too many filters.") from error
    if len(query) > MAX_VIEW_QUERY_LENGTH:
        raise InvalidInput(f"A view's query can have at most {MAX_VIEW_QUERY_LENGTH:,} characters.")
    return strip_nul(query)


@transaction.atomic
def save_preferences(user: User, *, time_zone: str, date_format: str, time_format: str, by: User) -> None:
    """Save the time zone and the formats in which `user` reads; a blank one means the agency's.

    Raises:
        NotPermitted: `by` is another user.
        InvalidInput: the time zone or a format is unknown.
    """
    if by.pk != user.pk:
        raise NotPermitted(f"{by} may not change the settings of {user}.")
    time_zone, date_format, time_format = (strip_nul(value).strip() for value in (time_zone, date_format, time_format))
    if time_zone and time_zone not in known_time_zones():
        raise InvalidInput(f"“{time_zone[:64]}” is not a time zone. Choose one such as Europe/Berlin.")
    preferences = {"time_zone": time_zone, "date_format": date_format, "time_format": time_format}
    with errors_as_invalid_input():
        User.objects.filter(pk=user.pk).update(**preferences)
    for name, value in preferences.items():
        setattr(user, name, value)


@transaction.atomic
def delete_saved_view(view: SavedView, *, by: User) -> None:
    """Delete a saved view of `by`.

    Raises:
        IllegalTransition: another user owns it, or it is already deleted.
    """
    if SavedView.objects.filter(pk=view.pk, owner=by).update(deleted_at=Now()) != 1:
        raise IllegalTransition("This view belongs to another user or is already deleted.")


@transaction.atomic
def save_list_columns(user: User, table: str, names: Sequence[str], *, by: User) -> None:
    """Save the columns that `user` wants to see in the list of `table`, a model label; none mean its default.

    Raises:
        NotPermitted: `by` is another user.
        InvalidInput: there are too many columns, or there is no such list.
    """
    if by.pk != user.pk:
        raise NotPermitted(f"{by} may not choose the columns of {user}.")
    names = list(dict.fromkeys(name for name in map(strip_nul, names) if name))
    if len(names) > MAX_LIST_COLUMNS:
        raise InvalidInput(f"A list shows at most {MAX_LIST_COLUMNS} columns. You chose {len(names)}.")
    if table not in {model._meta.label_lower for model in apps.get_models()}:
        raise InvalidInput("This list does not exist.")
    if not names:
        ListColumns.objects.filter(user=user, table=table).delete()
        return
    with errors_as_invalid_input():
        ListColumns.objects.update_or_create(user=user, table=table, defaults={"names": names})


def record_export(rows: str, filters: dict[str, str], *, by: User) -> None:
    """Log that `by` exports `rows`, such as “12 clients as CSV”. Call it before the first row leaves.

    Raises:
        NotPermitted: the user lacks the permission to export.
    """
    Actor.of(by).require_permission(EXPORT_PERMISSION, "export lists")
    chosen = ", ".join(f"{name}={value[:MAX_LOGGED_FILTER_LENGTH]}" for name, value in filters.items())
    record(by, "exported", by=by, summary=f"Exported {rows}{f' ({chosen})' if chosen else ''}.", filters=filters)


def pull_back_dates(rows: models.QuerySet, columns: Iterable[str], now: datetime, *, by: timedelta) -> int:
    """Set each of `columns` to `now` in those of `rows` where it lies further ahead than `by`; return how many.

    The newest date wins, or waits until it has come: one in a far year, left by a clock that ran ahead, would do so
    for ever.
    """
    return sum(rows.filter(**{f"{column}__gt": now + by}).update(**{column: now}) for column in columns)
