from django.apps import AppConfig
from django.utils.module_loading import import_string


class InboxConfig(AppConfig):
    name = "inbox"
    verbose_name = "Inbox"

    def ready(self) -> None:
        """Register what recomputes the contact dates of merged leads, and how welcome emails are drafted."""
        import_string("inbox.merging.register_contact_dates")()
        import_string("inbox.drafts.welcome.register_welcome_drafts")()
