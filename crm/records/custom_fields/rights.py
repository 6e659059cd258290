"""Who may edit a custom field: everyone who may edit the record, or only users with one of the field's roles."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.contrib.auth.models import Group
from django.db import models

from crm.exceptions import NotPermitted
from crm.models import CustomField, User
from crm.records.activity import Actor

DELETED_ROLE = "a deleted role"


def locked_fields(fields: Iterable[CustomField], user: User | None) -> list[CustomField]:
    """Return those of `fields` that `user` may not edit; without a user, none that are limited may be edited."""
    limited = [field for field in fields if field.editor_roles]
    if not limited or (user is not None and user.is_superuser):
        return []
    roles = set(user.groups.values_list("pk", flat=True)) if user is not None else set()
    return [field for field in limited if roles.isdisjoint(field.editor_roles)]


def role_names(field: CustomField) -> list[str]:
    """Return the names of the roles that may edit `field`; a deleted role stays among them, so that it is seen."""
    if not field.editor_roles:
        return []
    names = dict(Group.objects.filter(pk__in=field.editor_roles).values_list("pk", "name"))
    return [names.get(role, DELETED_ROLE) for role in field.editor_roles]


def explain_lock(field: CustomField) -> str:
    """Return which roles may edit `field`, as a sentence."""
    return f"“{field}” can be edited by these roles only: {', '.join(role_names(field))}."


def require_field_rights(table: str, before: Mapping[str, Any], after: Mapping[str, Any], *, by: Actor | User) -> None:
    """Check that `by` may change the custom fields of a record of `table` (a model label) from `before` to `after`.

    Only what a person changes is checked: the program, and visitors of web forms, file values by other rules.

    Raises:
        NotPermitted: a field that `by` may not edit differs.
    """
    if (user := Actor.of(by).user) is None:
        return
    limited = CustomField.objects.of_table(table).exclude(editor_roles=[])
    for field in locked_fields(limited, user):
        if before.get(field.key) != after.get(field.key):
            raise NotPermitted(explain_lock(field))


def require_new_field_rights(row: models.Model, *, by: Actor | User, copied: Mapping[str, Any] | None = None) -> None:
    """Check that `by` may create `row` with its custom fields.

    A field that `by` may not edit is empty, has its default, or the value that is `copied` from another record.

    Raises:
        NotPermitted: it has another value.
    """
    values = getattr(row, "custom_fields", None)
    if not values or not isinstance(values, dict):  # a constraint refuses what is no object
        return
    table, copied = row._meta.label_lower, copied or {}
    limited = CustomField.objects.of_table(table).filter(key__in=values).exclude(editor_roles=[])
    given = {
        field.key: values[field.key]
        for field in limited
        if values[field.key] in (field.default_value, copied.get(field.key))
    }
    require_field_rights(table, given, {**given, **values}, by=by)
