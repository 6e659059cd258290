from django.apps import AppConfig
from django.utils.module_loading import import_string


class SuggestionsConfig(AppConfig):
    name = "suggestions"
    verbose_name = "Approvals"

    def ready(self) -> None:
        """Register who owns the emails of suggestions, what they say about people, and what approvers are told."""
        register_owner = import_string("inbox.outgoing.owner_registry.register_owner")
        register_owner("suggestion", "suggestions.transitions.email_delivery.ExecutionOwner")
        import_string("suggestions.privacy.register_tables")()
        import_string("suggestions.notices.register_notifications")()
