"""What a user still owns, and handing it over to a colleague."""

from collections.abc import Iterator

from django.apps import apps
from django.db import models, transaction

from crm.exceptions import IllegalTransition
from crm.models import NotificationKind, User
from crm.records.activity import Actor, record
from crm.records.base import Record
from crm.records.notifications.notify import Notice, notify_owners
from crm.records.notifications.tables import has_words
from crm.records.transitions import describe_counts

# How the tables name the user who works on a record.
OWNER_FIELDS = ("assigned_to", "assignee", "owner")
# The sets of records that still need work; of other tables, all live records do.
UNFINISHED_SETS = ("open", "unresolved", "unfinished")


def owned_records(user: User) -> Iterator[tuple[models.QuerySet, str]]:
    """Yield the live, unfinished records of `user` table by table, with the name of the column of the owner."""
    for model in apps.get_models():
        if not issubclass(model, Record):
            continue
        for field in model._meta.concrete_fields:
            if field.name in OWNER_FIELDS and field.related_model is User and field.editable:
                rows = model._default_manager.filter(**{field.name: user})
                unfinished = next((getattr(rows, name) for name in UNFINISHED_SETS if hasattr(rows, name)), None)
                yield (unfinished() if unfinished else rows), field.name


def describe_owned_records(user: User) -> str:
    """Return what `user` still owns, such as “3 leads and 1 task”; empty if nothing."""
    counts = [(rows.model, rows.count()) for rows, _ in owned_records(user)]
    return describe_counts((model, count) for model, count in counts if count)


@transaction.atomic
def hand_over(user: User, to: User, *, by: Actor | User) -> int:
    """Make `to` the owner of all unfinished records of `user`. Return how many there were.

    Raises:
        NotPermitted: `by` may not change users.
        IllegalTransition: `to` is inactive, or is `user`.
    """
    Actor.of(by).require_permission("crm.change_user", "hand over the records of a user")
    if to == user or not to.is_active:
        raise IllegalTransition(f"{to} cannot take over these records. Choose another active user.")
    count = 0
    for rows, field in owned_records(user):
        handed_over = list(rows)
        for row in handed_over:
            type(row)._base_manager.filter(pk=row.pk).update(**{field: to})
            summary = f"Owner: {user} → {to}, because {user} has left"
            record(row, "assigned", by=by, summary=summary, was=str(user.pk), now=str(to.pk))
        count += len(handed_over)
        if has_words(NotificationKind.ASSIGNED, rows.model._meta.label_lower) and to != Actor.of(by).user:
            notices = [Notice(to.pk, row.pk) for row in handed_over]
            notify_owners(NotificationKind.ASSIGNED, rows.model, notices)
    return count
