from django.apps import AppConfig
from django.utils.module_loading import import_string


class LeadsConfig(AppConfig):
    name = "leads"
    verbose_name = "Sales"

    def ready(self) -> None:
        """Register how leads are merged; the transition is below, in `crm.records.merging`."""
        import_string("leads.merging.register_lead_rules")()
