"""The screen of the thresholds of the advice: one row, changed with a reason."""

from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.http import HttpRequest

from crm.models import SchemaThresholds
from crm.models.schema_thresholds import THRESHOLD_RANGES
from crm.screens.filters import LiveRowsFilter
from crm.screens.lists import Column
from crm.screens.paging import Order
from crm.screens.record_admin import RecordAdmin
from crm.screens.record_forms import RecordForm


class SchemaThresholdsForm(RecordForm):
    """Change the thresholds, and say why."""

    class Meta:
        model = SchemaThresholds
        fields = (*THRESHOLD_RANGES, "reason")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # The reason of the last change is none for the next one.
        self.initial["reason"] = ""

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if not self.errors and not set(self.changed_data) & THRESHOLD_RANGES.keys():
            raise ValidationError("Nothing was changed. Change a threshold, or go back.")
        return cleaned


class SchemaThresholdsFilter(LiveRowsFilter):
    class Meta:
        model = SchemaThresholds
        fields: list[str] = []


class SchemaThresholdsAdmin(RecordAdmin):
    form = SchemaThresholdsForm
    filterset_class = SchemaThresholdsFilter
    row_template = "crm/rows/schema_thresholds.html"
    page_template = "crm/schema_thresholds.html"
    columns = (
        Column("Thresholds"),
        Column("Index from", "", "num"),
        Column("Column from", "", "num"),
        Column("Reason"),
    )
    orders = {"only": Order("The only row", {"id": models.F("id")})}
    fields = (
        ("window_days", "min_rows"),
        ("index_uses", "index_people"),
        ("column_uses", "column_filled_percent"),
        ("column_kind_percent", "gin_uses"),
        "table_uses",
        ("retire_filled_percent", "unused_days"),
        "reason",
        "loaded_digest",
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def page_context(self, request: HttpRequest, row: SchemaThresholds) -> dict[str, Any]:
        fields = [self.opts.get_field(name) for name in THRESHOLD_RANGES]
        values = [(field.verbose_name, getattr(row, field.name), field.help_text) for field in fields]
        return {**super().page_context(request, row), "thresholds": values}
