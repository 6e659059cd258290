from django.apps import AppConfig
from django.utils.module_loading import import_string


class AiLogConfig(AppConfig):
    name = "ai_log"
    verbose_name = "AI log"

    def ready(self) -> None:
        """Register which calls are about a person."""
        import_string("ai_log.privacy.register_call_finder")()
