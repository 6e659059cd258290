"""The bottom app of the project, and the admin site of all apps."""

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig
from django.core.checks import register
from django.db.backends.signals import connection_created
from django.db.models.signals import post_migrate

from crm.records.foreign_keys import sync_on_delete_actions
from crm.runtime.checks import (
    KNOWN_MIGRATIONS_UID,
    check_credentials_keys,
    check_stalled_worker_timeout,
    require_known_migrations,
    require_supported_server,
)


class CrmConfig(AppConfig):
    name = "crm"
    verbose_name = "Clients & contacts"

    def ready(self) -> None:
        connection_created.connect(require_supported_server, dispatch_uid="crm.refuse_old_servers")
        connection_created.connect(require_known_migrations, dispatch_uid=KNOWN_MIGRATIONS_UID)
        post_migrate.connect(sync_on_delete_actions, sender=self, dispatch_uid="crm.sync_on_delete_actions")
        register(check_stalled_worker_timeout)
        register(check_credentials_keys, deploy=True)


class AdminSiteConfig(AdminConfig):
    default_site = "crm.screens.site.CrmSite"
