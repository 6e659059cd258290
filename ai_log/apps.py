from django.apps import AppConfig


class AiLogConfig(AppConfig):
    name = "ai_log"
    verbose_name = "AI log"
