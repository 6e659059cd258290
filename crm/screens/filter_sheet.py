"""The sheet in which people choose what a list shows: costlier than the rows, so made only when it is opened."""

from typing import Any

from django.db import models
from django_filters import FilterSet

# Suggestions to type, not an inventory: no table is read whole for them.
SAMPLED_ROW_COUNT, MAX_FIELD_NAMES = 1_000, 200


def build_filter_sheet(filterset: FilterSet) -> dict[str, Any]:
    """What can be asked, with what is asked in it, and the names of custom fields that are known."""
    has_custom_fields = getattr(filterset, "has_custom_fields", False)
    return {
        "fields": [field for field in filterset.form.visible_fields() if field.name != "q"],
        "search": filterset.data.get("q", ""),
        "has_custom_fields": has_custom_fields,
        "custom_filters": getattr(filterset, "custom_filters", {}),
        "known_names": known_custom_field_names(filterset.queryset) if has_custom_fields else [],
    }


def known_custom_field_names(rows: models.QuerySet) -> list[str]:
    """Names of custom fields in `rows`, as far as the newest `SAMPLED_ROW_COUNT` of their table tell."""
    newest = rows.model._base_manager.order_by("-pk").values("pk")[:SAMPLED_ROW_COUNT]
    key = models.Func(
        "custom_fields", function="jsonb_object_keys", output_field=models.TextField(), set_returning=True
    )
    keys = rows.filter(pk__in=newest, deleted_at__isnull=True).order_by().values_list(key, flat=True)
    return sorted(keys.distinct()[:MAX_FIELD_NAMES])
