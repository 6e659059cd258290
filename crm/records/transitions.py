"""Deeds that any record can have done to it."""

from typing import Any

from django.apps import apps
from django.core.exceptions import TooManyFieldsSent
from django.db import models, transaction
from django.db.models import ProtectedError
from django.db.models.functions import Now
from django.http import QueryDict

from crm.exceptions import IllegalTransition, InvalidInput, errors_as_invalid_input
from crm.models import SavedView, User
from crm.records.activity import Actor, record
from crm.records.base import Record
from crm.text.cleaning import strip_nul

MAX_TIMELINE_NOTE_LENGTH = 10_000
MAX_VIEW_QUERY_LENGTH = 2_000


def permission_name(record_or_model: models.Model | type[models.Model], verb: str) -> str:
    """The permission's full name, such as `leads.purge_lead`."""
    meta = record_or_model._meta
    return f"{meta.app_label}.{verb}_{meta.model_name}"


def describe_record(row: models.Model) -> str:
    return f"{row._meta.verbose_name} “{row}”"


@transaction.atomic
def create(row: Record, *, by: Actor | User, timeline_owner: models.Model | None = None) -> None:
    """Save a new `row` and say so on its timeline.

    Raises:
        NotPermitted: `by` may not add such records.
        InvalidInput: a field or constraint refuses it.
    """
    Actor.of(by).require_permission(permission_name(row, "add"), f"add a {row._meta.verbose_name}")
    with errors_as_invalid_input():
        row.full_clean()
        row.save(force_insert=True)
    record(row, "created", by=by, timeline_owner=timeline_owner, summary=f"Created {describe_record(row)}")


@transaction.atomic
def soft_delete(row: Record, *, by: Actor | User, timeline_owner: models.Model | None = None) -> None:
    """Take `row` out of every list; it can be restored. It is told on the timeline of `timeline_owner`, or its own.

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
    """Bring a deleted `row` back.

    Raises:
        NotPermitted: `by` may not restore such records.
        IllegalTransition: it is not deleted.
        InvalidInput: something live has taken its place since (the same address, say).
    """
    Actor.of(by).require_permission(permission_name(row, "restore"), f"restore the {row._meta.verbose_name}")
    with errors_as_invalid_input():
        if type(row).everything.filter(pk=row.pk, deleted_at__isnull=False).update(deleted_at=None) != 1:
            raise IllegalTransition(f"The {describe_record(row)} is not deleted.")
    row.refresh_from_db()
    record(row, "restored", by=by, summary=f"Restored {describe_record(row)}")


@transaction.atomic
def purge(row: Record, *, by: Actor | User) -> None:
    """Remove a deleted `row` for ever; the activity log keeps the fact.

    Raises:
        NotPermitted: `by` may not purge such records.
        IllegalTransition: it is not deleted first, or other records still need it.
    """
    Actor.of(by).require_permission(permission_name(row, "purge"), f"purge the {row._meta.verbose_name}")
    current = type(row).everything.select_for_update().filter(pk=row.pk).first()
    if current is None or not current.is_deleted:
        raise IllegalTransition(f"The {describe_record(row)} must be deleted before it is purged.")
    record(row, "purged", by=by, summary=f"Purged {describe_record(row)}")
    try:
        with transaction.atomic():
            current.delete()
    except ProtectedError as error:
        dependents = ", ".join(sorted({str(describe_record(other)) for other in error.protected_objects})[:3])
        raise IllegalTransition(f"The {describe_record(row)} is still needed by {dependents}.") from error


@transaction.atomic
def record_edit(
    row: models.Model, changed: list[str], *, by: Actor | User, timeline_owner: models.Model | None = None
) -> None:
    """Write down that a person changed the fields named in `changed`."""
    if changed:
        names = ", ".join(str(row._meta.get_field(name).verbose_name) for name in changed)
        record(row, "changed", by=by, timeline_owner=timeline_owner, summary=f"Changed {names}", fields=changed)


@transaction.atomic
def add_note(row: Record, body: str, *, by: Actor | User) -> None:
    """Put a note on the timeline of `row`. A note is activity, not contact.

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
        raise InvalidInput("Write something: a note must not be empty.")
    if len(body) > MAX_TIMELINE_NOTE_LENGTH:
        raise InvalidInput(f"A note has at most {MAX_TIMELINE_NOTE_LENGTH:,} characters; this one has {len(body):,}.")
    record(row, "noted", by=by, summary=body)


@transaction.atomic
def assign(row: Any, owner: User | None, *, by: Actor | User) -> None:
    """Give a client, lead or ticket to `owner`, or to nobody.

    Taking what is free is open to whoever may change it; anything else is a reassignment.

    Raises:
        NotPermitted: `by` may not.
        IllegalTransition: `owner` has it already, or has left.
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
        raise IllegalTransition(f"The {describe_record(row)} already belongs to {owner or 'nobody'}.")
    if owner is not None and not owner.is_active:
        raise IllegalTransition(f"{owner} no longer works here.")
    previous_owner = locked.assigned_to
    type(row).everything.filter(pk=row.pk).update(assigned_to=owner)
    row.assigned_to = owner
    record(
        row,
        "assigned",
        by=by,
        summary=f"Owner: {previous_owner or 'nobody'} → {owner or 'nobody'}",
        was=str(previous_owner.pk) if previous_owner else None,
        now=str(owner.pk) if owner else None,
    )


@transaction.atomic
def save_view(*, name: str, table: str, query: str, shared: bool, by: User) -> SavedView:
    """Keep the query string of a list under a name of `by`'s own, replacing one of the same name.

    Raises:
        NotPermitted: `by` may not keep or not share views.
        InvalidInput: the name is empty or too long, there is no such table, or the query is none.
    """
    actor, name = Actor.of(by), strip_nul(name).strip()
    actor.require_permission("crm.add_savedview", "keep a view")
    if shared:
        actor.require_permission("crm.share_savedview", "share a view")
    if table not in {model._meta.label_lower for model in apps.get_models()}:
        raise InvalidInput("There is no such list.")
    view = SavedView.objects.select_for_update().filter(owner=by, table=table, name=name).first()
    view = view or SavedView(owner=by, table=table, name=name)
    view.query, view.shared = clean_view_query(query), shared
    with errors_as_invalid_input():
        view.full_clean()
        view.save()
    return view


def clean_view_query(query: str) -> str:
    """`query` if a list can be asked with it."""
    try:
        QueryDict(query)
    except TooManyFieldsSent as error:
        raise InvalidInput("That view asks for too much at once.") from error
    if len(query) > MAX_VIEW_QUERY_LENGTH:
        raise InvalidInput(f"A view's query has at most {MAX_VIEW_QUERY_LENGTH:,} characters.")
    return strip_nul(query)


@transaction.atomic
def delete_saved_view(view: SavedView, *, by: User) -> None:
    """Take a saved view of `by`'s own away.

    Raises:
        IllegalTransition: it is somebody else's, or already forgotten.
    """
    if SavedView.objects.filter(pk=view.pk, owner=by).update(deleted_at=Now()) != 1:
        raise IllegalTransition("That view is not yours, or is already forgotten.")
