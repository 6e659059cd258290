from django.apps import AppConfig
from django.utils.module_loading import import_string


class InboxConfig(AppConfig):
    name = "inbox"
    verbose_name = "Inbox"

    def ready(self) -> None:
        """Register contact dates of merged leads, welcome emails, and what the inbox says about people."""
        import_string("inbox.merging.register_contact_dates")()
        import_string("inbox.drafts.welcome.register_welcome_drafts")()
        import_string("inbox.privacy.tables.register_inbox_tables")()
