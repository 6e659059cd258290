"""The project's bottom app, and the admin site of all of them."""

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig
from django.core.checks import register
from django.db.backends.signals import connection_created

from crm.runtime.checks import check_credentials_keys, check_worker_patience, refuse_old_servers


class CrmConfig(AppConfig):
    name = "crm"
    verbose_name = "Clients & contacts"

    def ready(self) -> None:
        connection_created.connect(refuse_old_servers, dispatch_uid="crm.refuse_old_servers")
        register(check_worker_patience)
        register(check_credentials_keys, deploy=True)


class AdminSiteConfig(AdminConfig):
    default_site = "crm.screens.site.CrmSite"
