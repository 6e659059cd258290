from django.apps import AppConfig
from django.utils.module_loading import import_string


class InboxConfig(AppConfig):
    name = "inbox"
    verbose_name = "Inbox"

    def ready(self) -> None:
        """Register merges, welcome emails, restores, what the inbox says about people, and notifications."""
        import_string("inbox.linking.contact_dates.register_contact_dates")()
        register_welcome_emails = import_string("leads.conversion.welcome.register_welcome_emails")
        register_welcome_emails("inbox.drafts.welcome.write_welcome_draft", "inbox.drafts.welcome.welcome_templates")
        register_change = import_string("crm.runtime.backup.after_restore.register_change")
        register_change("inbox.outgoing.after_restore.hold_waiting_emails")
        import_string("inbox.privacy.tables.register_inbox_tables")()
        import_string("inbox.notices.register_notifications")()
