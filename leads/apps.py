from django.apps import AppConfig
from django.utils.module_loading import import_string


class LeadsConfig(AppConfig):
    name = "leads"
    verbose_name = "Sales"

    def ready(self) -> None:
        """Register merges, what leads say about people, the questions that lists filter by, and notifications."""
        import_string("leads.merging.register_lead_rules")()
        import_string("leads.privacy.register_lead_tables")()
        import_string("leads.lines.filter_fields.register_line_questions")()
        import_string("leads.lines.repeated_groups.register_lead_groups")()
        import_string("leads.notices.register_notifications")()
