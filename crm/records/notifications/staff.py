"""Members of staff with their permissions, and whether one of them may open a record."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.contrib.auth import get_permission_codename
from django.contrib.postgres.fields import ArrayField
from django.db.models import QuerySet, TextField
from django.db.models.expressions import RawSQL

from crm.models import User
from crm.records.base import Record

PERMISSIONS_OF_USER = """
(SELECT array_agg(type.app_label || '.' || permission.codename)
  FROM auth_permission AS permission
  JOIN django_content_type AS type ON type.id = permission.content_type_id
 WHERE permission.id IN (
       SELECT permission_id FROM users_user_permissions WHERE user_id = users.id
       UNION ALL
       SELECT of_role.permission_id
         FROM auth_group_permissions AS of_role
         JOIN users_groups AS role ON role.group_id = of_role.group_id
        WHERE role.user_id = users.id))
"""


def active_staff() -> QuerySet[User]:
    return User.objects.filter(is_active=True, is_staff=True)


def load_with_permissions(users: QuerySet[User]) -> list[User]:
    """Return `users` with their permissions, in one statement."""
    permissions = RawSQL(PERMISSIONS_OF_USER, [], output_field=ArrayField(TextField()))
    rows = list(users.annotate(_permissions=permissions))
    for user in rows:
        if not user.is_superuser:  # has every permission
            user._perm_cache = set(user._permissions or ())
    return rows


def load_readers(keys: Iterable[UUID]) -> dict[UUID, User]:
    """Return the active members of staff among the users `keys`, with their permissions."""
    return {user.pk: user for user in load_with_permissions(active_staff().filter(pk__in=set(keys)))}


def may_view(user: User, meta: Any) -> bool:
    """Return whether `user` may view the table of a record with these model options, as far as it has a permission."""
    permission = f"{meta.app_label}.{get_permission_codename('view', meta)}"
    return "view" not in meta.default_permissions or user.has_perm(permission)


def may_open(user: User, record: Any) -> bool:
    """Return whether `user` may open `record`; not every table says so row by row."""
    if not may_view(user, record._meta):
        return False
    if isinstance(record, Record):
        return record.is_visible_to(user)
    return type(record)._default_manager.visible_to(user).filter(pk=record.pk).exists()
