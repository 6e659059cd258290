from django.apps import AppConfig
from django.utils.module_loading import import_string


class LeadsConfig(AppConfig):
    name = "leads"
    verbose_name = "Sales"

    def ready(self) -> None:
        """Register how leads are merged, what they say about people, and the questions that lists filter by."""
        import_string("leads.merging.register_lead_rules")()
        import_string("leads.privacy.register_lead_tables")()
        import_string("leads.lines.filter_fields.register_line_questions")()
