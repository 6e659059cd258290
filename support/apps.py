from django.apps import AppConfig
from django.utils.module_loading import import_string


class SupportConfig(AppConfig):
    name = "support"
    verbose_name = "Service"

    def ready(self) -> None:
        """Register what makes a ticket a person's, and what staff is told about tickets."""
        import_string("support.privacy.register_ticket_keys")()
        import_string("support.notices.register_notifications")()
