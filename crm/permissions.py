"""Who may log in, and what a user may do, read in one statement: every page asks for it."""

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.db.models import Exists, OuterRef, TextField
from django.db.models.expressions import RawSQL
from django.http import HttpRequest

from crm.accounts.client_address import network_address
from crm.accounts.demo_logins import DemoLoginRefused, refuse_demo_password
from crm.accounts.known_browsers import browser_token
from crm.accounts.login_limits import LoginBlocked, LoginTry, count_try, release
from crm.accounts.transitions import record_failed_login
from crm.models import RoleSecurity, User
from crm.records.notifications.staff import PERMISSIONS_OF_USER


class OneStatementBackend(ModelBackend):
    """Django's backend with a limit of failed logins.

    Django asks twice for permissions, those of the user and those of the user's roles; this asks once.
    """

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **kwargs: Any
    ) -> User | None:
        """Return the user with this password, or None. A try beyond the limits ends before it is hashed.

        The reason is then left in `request.login_refusal` for the form: Django passes on no other answer.
        """
        if username is None or password is None:
            return None
        if request is None:  # a program, which has no address
            return super().authenticate(request, username, password, **kwargs)
        login = LoginTry(username, network_address(request), browser_token(request, username))
        try:
            refuse_demo_password(password)
            counts = count_try(login)
        except (DemoLoginRefused, LoginBlocked) as refusal:
            request.login_refusal = refusal
            raise PermissionDenied from refusal
        user = super().authenticate(request, username, password, **kwargs)
        if user is None:
            record_failed_login(login, counts, User.objects.filter(username=username).first())
        else:
            release(counts)
        return user

    def get_user(self, user_id: Any) -> User | None:
        """Return the user of a session, with the permissions and the need for a second factor in one statement."""
        needed = RoleSecurity.objects.filter(role__user=OuterRef("pk"), needs_second_factor=True)
        permissions = RawSQL(PERMISSIONS_OF_USER, [], output_field=ArrayField(TextField()))
        rows = User.objects.filter(pk=user_id).annotate(_needs_second_factor=Exists(needed), _permissions=permissions)
        user = rows.first()
        if user is None or not self.user_can_authenticate(user):
            return None
        user.needs_second_factor = user._needs_second_factor
        if not user.is_superuser:  # Django reads the permissions of superusers
            user._perm_cache = set(user._permissions or ())
        return user

    def get_all_permissions(self, user_obj: Any, obj: Any = None) -> set[str]:
        if not user_obj.is_active or user_obj.is_anonymous or user_obj.is_superuser or obj is not None:
            return super().get_all_permissions(user_obj, obj)
        if not hasattr(user_obj, "_perm_cache"):
            with connection.cursor() as cursor:
                cursor.execute(f"SELECT {PERMISSIONS_OF_USER} FROM users WHERE id = %s", [user_obj.pk])
                user_obj._perm_cache = set(cursor.fetchone()[0] or ())
        return user_obj._perm_cache
