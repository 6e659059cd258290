"""Who may give a custom field which value.

Everyone who may edit the record, or only users with one of the field's roles; a reference only to a record that the
user may open.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from django.contrib.auth.models import Group
from django.db import models

from crm.exceptions import NotPermitted
from crm.models import CustomField, User
from crm.models.custom_field import REFERENCE_TABLES
from crm.records.activity import Actor
from crm.records.custom_fields.references import require_references

DELETED_ROLE = "a deleted role"
# Fields of which not every user may choose every value.
CHECKED_FIELDS = ~models.Q(editor_roles=[]) | models.Q(kind__in=list(REFERENCE_TABLES))


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
        InvalidInput: a reference differs, and names no record that `by` may refer to.
    """
    if (user := Actor.of(by).user) is None:
        return
    checked = list(CustomField.objects.of_table(table).filter(CHECKED_FIELDS))
    for field in locked_fields(checked, user):
        if before.get(field.key) != after.get(field.key):
            raise NotPermitted(explain_lock(field))
    require_references(checked, before, after, user)


def require_new_field_rights(row: models.Model, *, by: Actor | User, copied: Mapping[str, Any] | None = None) -> None:
    """Check that `by` may create `row` with its custom fields.

    A field that `by` may not edit is empty, has its default, or the value that is `copied` from another record.

    Raises:
        NotPermitted: it has another value.
        InvalidInput: a reference that is not copied names no record that `by` may refer to.
    """
    values = getattr(row, "custom_fields", None)
    if not values or not isinstance(values, dict):  # a constraint refuses what is no object
        return
    table, copied = row._meta.label_lower, copied or {}
    checked = CustomField.objects.of_table(table).filter(CHECKED_FIELDS, key__in=values)
    given = {
        field.key: values[field.key]
        for field in checked
        if values[field.key] in (field.default_value, copied.get(field.key))
    }
    require_field_rights(table, given, {**given, **values}, by=by)
