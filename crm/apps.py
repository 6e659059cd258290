"""The bottom app of the project, and the admin site of all apps."""

import sys
from typing import Any

from django.apps import AppConfig
from django.contrib import admin
from django.contrib.admin.apps import SimpleAdminConfig
from django.contrib.admin.checks import check_admin_app, check_dependencies
from django.core.checks import CheckMessage, Tags, register
from django.db.backends.signals import connection_created
from django.db.models.signals import post_migrate

from crm.records.foreign_keys import sync_on_delete_actions
from crm.runtime.after_migrate import install_statement_statistics, replace_audit_functions
from crm.runtime.checks import (
    KNOWN_MIGRATIONS_UID,
    check_credentials_keys,
    check_stalled_worker_timeout,
    require_known_migrations,
    require_supported_server,
)

# As many as a number of PostgreSQL can have. Other programs may write one into JSON, and its record must stay readable.
MAX_NUMBER_DIGITS = 131_072 + 16_383


class CrmConfig(AppConfig):
    name = "crm"
    verbose_name = "Clients & contacts"

    def ready(self) -> None:
        sys.set_int_max_str_digits(MAX_NUMBER_DIGITS)
        connection_created.connect(require_supported_server, dispatch_uid="crm.refuse_old_servers")
        connection_created.connect(require_known_migrations, dispatch_uid=KNOWN_MIGRATIONS_UID)
        post_migrate.connect(sync_on_delete_actions, sender=self, dispatch_uid="crm.sync_on_delete_actions")
        post_migrate.connect(replace_audit_functions, sender=self, dispatch_uid="crm.replace_audit_functions")
        post_migrate.connect(install_statement_statistics, sender=self, dispatch_uid="crm.install_statement_statistics")
        register(check_stalled_worker_timeout)
        register(check_credentials_keys, deploy=True)


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
