from django.apps import AppConfig
from django.utils.module_loading import import_string


class SuggestionsConfig(AppConfig):
    name = "suggestions"
    verbose_name = "Approvals"

    def ready(self) -> None:
        """Register what is called from below: the outbox by the inbox, follow-ons by the outcome of an execution.

        And what suggestions say about people.
        """
        import_string("suggestions.transitions.registration.register_callbacks")()
        import_string("suggestions.privacy.register_tables")()
