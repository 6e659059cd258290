"""The bottom app of the project, and the admin site of all apps."""

import sys
from typing import Any

from django.apps import AppConfig
from django.contrib import admin
from django.contrib.admin.apps import SimpleAdminConfig
from django.contrib.admin.checks import check_admin_app, check_dependencies
from django.core.checks import CheckMessage, Tags, register
from django.db import connections
from django.db.backends.signals import connection_created
from django.db.models.signals import post_migrate

from crm.records.foreign_keys import sync_on_delete_actions
from crm.runtime.after_migrate import install_statement_statistics, replace_audit_functions
from crm.runtime.backup.after_restore import register_change
from crm.runtime.checks import (
    KNOWN_MIGRATIONS_UID,
    check_credentials_keys,
    check_stalled_worker_timeout,
    require_known_migrations,
    require_supported_server,
)

# As many as a number of PostgreSQL can have. Other programs may write one into JSON, and its record must stay readable.
MAX_NUMBER_DIGITS = 131_072 + 16_383
RENAME_ROLE_PERMISSIONS_SQL = """
    UPDATE auth_permission SET name = replace(name, 'group', 'role') FROM django_content_type AS type
     WHERE type.id = content_type_id AND type.app_label = 'auth' AND type.model = 'group' AND name LIKE '%group%'
"""


class CrmConfig(AppConfig):
    name = "crm"
    verbose_name = "Clients & contacts"

    def ready(self) -> None:
        sys.set_int_max_str_digits(MAX_NUMBER_DIGITS)
        self.call_groups_roles()
        connection_created.connect(require_supported_server, dispatch_uid="crm.refuse_old_servers")
        connection_created.connect(require_known_migrations, dispatch_uid=KNOWN_MIGRATIONS_UID)
        post_migrate.connect(sync_on_delete_actions, sender=self, dispatch_uid="crm.sync_on_delete_actions")
        post_migrate.connect(replace_audit_functions, sender=self, dispatch_uid="crm.replace_audit_functions")
        post_migrate.connect(install_statement_statistics, sender=self, dispatch_uid="crm.install_statement_statistics")
        post_migrate.connect(let_permissions_say_role, sender=self, dispatch_uid="crm.let_permissions_say_role")
        register_change("crm.records.notifications.digest.hold_back_emails")
        register(check_stalled_worker_timeout)
        register(check_credentials_keys, deploy=True)

    def call_groups_roles(self) -> None:
        """Let every screen say "role" where Django says "group". Migrations compare other attributes."""
        role, user = self.apps.get_model("auth", "Group"), self.get_model("User")
        user._meta.get_field("groups").verbose_name = "roles"
        for model, one, many in (
            (role, "role", "roles"),
            (role.permissions.through, "permission of a role", "permissions of roles"),
            (user.groups.through, "role of a user", "roles of users"),
        ):
            model._meta.verbose_name, model._meta.verbose_name_plural = one, many


def let_permissions_say_role(using: str, **kwargs: Any) -> None:
    """Rename the permissions for roles, which Django names after its groups when it creates them."""
    with connections[using].cursor() as cursor:
        cursor.execute(RENAME_ROLE_PERMISSIONS_SQL)


class AdminSiteConfig(SimpleAdminConfig):
    """The admin. Its screens are imported with the URLs, because most commands need neither."""

    default_site = "crm.screens.site.CrmSite"

    def ready(self) -> None:
        register(check_dependencies, Tags.admin)
        register(check_screens, Tags.admin)


def check_screens(app_configs: Any, **options: Any) -> list[CheckMessage]:
    """Return what Django's checks say about every screen, also when the URLs have not been imported yet."""
    admin.autodiscover()
    return check_admin_app(app_configs, **options)
