"""Deeds that any record can have done to it."""

from typing import Any

from django.apps import apps
from django.core.exceptions import TooManyFieldsSent
from django.db import models, transaction
from django.db.models import ProtectedError
from django.db.models.functions import Now
from django.http import QueryDict

from crm.exceptions import BadInput, IllegalMove, refusing
from crm.models import SavedView, User
from crm.records.activity import Actor, record
from crm.records.base import Record
from crm.text.cleaning import without_nul

NOTE_LENGTH = 10_000
LONGEST_QUERY = 2_000


def permission(record_or_model: models.Model | type[models.Model], deed: str) -> str:
    """The permission's full name, such as `leads.purge_lead`."""
    meta = record_or_model._meta
    return f"{meta.app_label}.{deed}_{meta.model_name}"


def named(row: models.Model) -> str:
    return f"{row._meta.verbose_name} “{row}”"


@transaction.atomic
def create(row: Record, *, by: Actor | User, about: models.Model | None = None) -> None:
    """Save a new `row` and say so on its timeline.

    Raises:
        NotAllowed: `by` may not add such records.
        BadInput: a field or constraint refuses it.
    """
    Actor.of(by).require(permission(row, "add"), f"add a {row._meta.verbose_name}")
    with refusing():
        row.full_clean()
        row.save(force_insert=True)
    record(row, "created", by=by, about=about, summary=f"Created {named(row)}")


@transaction.atomic
def soft_delete(row: Record, *, by: Actor | User, about: models.Model | None = None) -> None:
    """Take `row` out of every list; it can be restored. It is told on the timeline of `about`, or its own.

    Raises:
        NotAllowed: `by` may not delete such records.
        IllegalMove: it is already deleted.
    """
    Actor.of(by).require(permission(row, "delete"), f"delete the {row._meta.verbose_name}")
    if type(row).everything.filter(pk=row.pk, deleted_at__isnull=True).update(deleted_at=Now()) != 1:
        raise IllegalMove(f"The {named(row)} is already deleted.")
    row.refresh_from_db()
    record(row, "deleted", by=by, about=about, summary=f"Deleted {named(row)}")


@transaction.atomic
def restore(row: Record, *, by: Actor | User) -> None:
    """Bring a deleted `row` back.

    Raises:
        NotAllowed: `by` may not restore such records.
        IllegalMove: it is not deleted.
        BadInput: something live has taken its place since (the same address, say).
    """
    Actor.of(by).require(permission(row, "restore"), f"restore the {row._meta.verbose_name}")
    with refusing():
        if type(row).everything.filter(pk=row.pk, deleted_at__isnull=False).update(deleted_at=None) != 1:
            raise IllegalMove(f"The {named(row)} is not deleted.")
    row.refresh_from_db()
    record(row, "restored", by=by, summary=f"Restored {named(row)}")


@transaction.atomic
def purge(row: Record, *, by: Actor | User) -> None:
    """Remove a deleted `row` for ever; the activity log keeps the fact.

    Raises:
        NotAllowed: `by` may not purge such records.
        IllegalMove: it is not deleted first, or other records still need it.
    """
    Actor.of(by).require(permission(row, "purge"), f"purge the {row._meta.verbose_name}")
    current = type(row).everything.select_for_update().filter(pk=row.pk).first()
    if current is None or not current.is_deleted:
        raise IllegalMove(f"The {named(row)} must be deleted before it is purged.")
    record(row, "purged", by=by, summary=f"Purged {named(row)}")
    try:
        with transaction.atomic():
            current.delete()
    except ProtectedError as error:
        needed = ", ".join(sorted({str(named(other)) for other in error.protected_objects})[:3])
        raise IllegalMove(f"The {named(row)} is still needed by {needed}.") from error


@transaction.atomic
def edited(row: models.Model, changed: list[str], *, by: Actor | User, about: models.Model | None = None) -> None:
    """Write down that a person changed the fields named in `changed`."""
    if changed:
        names = ", ".join(str(row._meta.get_field(name).verbose_name) for name in changed)
        record(row, "changed", by=by, about=about, summary=f"Changed {names}", fields=changed)


@transaction.atomic
def note(row: Record, body: str, *, by: Actor | User) -> None:
    """Put a note on the timeline of `row`. A note is activity, not contact.

    Raises:
        NotAllowed: `by` may not change such records.
        IllegalMove: the record is deleted.
        BadInput: the note is empty or longer than 10,000 characters.
    """
    Actor.of(by).require(permission(row, "change"), f"write a note on the {row._meta.verbose_name}")
    if row.is_deleted:
        raise IllegalMove(f"The {named(row)} is deleted; restore it first.")
    body = without_nul(body).strip()
    if not body:
        raise BadInput("Write something: a note must not be empty.")
    if len(body) > NOTE_LENGTH:
        raise BadInput(f"A note has at most {NOTE_LENGTH:,} characters; this one has {len(body):,}.")
    record(row, "noted", by=by, summary=body)


@transaction.atomic
def assign(row: Any, owner: User | None, *, by: Actor | User) -> None:
    """Give a client, lead or ticket to `owner`, or to nobody.

    Taking what is free is open to whoever may change it; anything else is a reassignment.

    Raises:
        NotAllowed: `by` may not.
        IllegalMove: `owner` has it already, or has left.
    """
    actor = Actor.of(by)
    locked = type(row).everything.select_for_update().get(pk=row.pk)
    takes_free = locked.assigned_to_id is None and owner is not None and owner == actor.user
    actor.require(permission(row, "change" if takes_free else "reassign"), f"reassign the {row._meta.verbose_name}")
    if locked.is_deleted:
        raise IllegalMove(f"The {named(row)} is deleted.")
    if locked.assigned_to == owner:
        raise IllegalMove(f"The {named(row)} already belongs to {owner or 'nobody'}.")
    if owner is not None and not owner.is_active:
        raise IllegalMove(f"{owner} no longer works here.")
    was = locked.assigned_to
    type(row).everything.filter(pk=row.pk).update(assigned_to=owner)
    row.assigned_to = owner
    record(
        row,
        "assigned",
        by=by,
        summary=f"Owner: {was or 'nobody'} → {owner or 'nobody'}",
        was=str(was.pk) if was else None,
        now=str(owner.pk) if owner else None,
    )


@transaction.atomic
def save_view(*, name: str, table: str, query: str, shared: bool, by: User) -> SavedView:
    """Keep the query string of a list under a name of `by`'s own, replacing one of the same name.

    Raises:
        NotAllowed: `by` may not keep or not share views.
        BadInput: the name is empty or too long, there is no such table, or the query is none.
    """
    actor, name = Actor.of(by), without_nul(name).strip()
    actor.require("crm.add_savedview", "keep a view")
    if shared:
        actor.require("crm.share_savedview", "share a view")
    if table not in {model._meta.label_lower for model in apps.get_models()}:
        raise BadInput("There is no such list.")
    view = SavedView.objects.select_for_update().filter(owner=by, table=table, name=name).first()
    view = view or SavedView(owner=by, table=table, name=name)
    view.query, view.shared = readable(query), shared
    with refusing():
        view.full_clean()
        view.save()
    return view


def readable(query: str) -> str:
    """`query` if a list can be asked with it."""
    try:
        QueryDict(query)
    except TooManyFieldsSent as error:
        raise BadInput("That view asks for too much at once.") from error
    if len(query) > LONGEST_QUERY:
        raise BadInput(f"A view's query has at most {LONGEST_QUERY:,} characters.")
    return without_nul(query)


@transaction.atomic
def forget_view(view: SavedView, *, by: User) -> None:
    """Take a saved view of `by`'s own away.

    Raises:
        IllegalMove: it is somebody else's, or already forgotten.
    """
    if SavedView.objects.filter(pk=view.pk, owner=by).update(deleted_at=Now()) != 1:
        raise IllegalMove("That view is not yours, or is already forgotten.")
