"""What a user may do, read in one statement: every page asks for it."""

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.db import connection

PERMISSIONS_OF_USER = """
SELECT array_agg(type.app_label || '.' || permission.codename)
  FROM auth_permission AS permission
  JOIN django_content_type AS type ON type.id = permission.content_type_id
 WHERE permission.id IN (
       SELECT permission_id FROM users_user_permissions WHERE user_id = %(user)s
       UNION ALL
       SELECT of_role.permission_id
         FROM auth_group_permissions AS of_role
         JOIN users_groups AS role ON role.group_id = of_role.group_id
        WHERE role.user_id = %(user)s)
"""


class OneStatementBackend(ModelBackend):
    """Django's backend; it asks twice, for the permissions of the user and for those of the user's roles."""

    def get_all_permissions(self, user_obj: Any, obj: Any = None) -> set[str]:
        if not user_obj.is_active or user_obj.is_anonymous or user_obj.is_superuser or obj is not None:
            return super().get_all_permissions(user_obj, obj)
        if not hasattr(user_obj, "_perm_cache"):
            with connection.cursor() as cursor:
                cursor.execute(PERMISSIONS_OF_USER, {"user": user_obj.pk})
                user_obj._perm_cache = set(cursor.fetchone()[0] or ())
        return user_obj._perm_cache
