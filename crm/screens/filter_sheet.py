"""The sheet in which people choose what a list shows: costlier than the rows, so made only when it is opened."""

from typing import Any

from django.db import models
from django_filters import FilterSet

# Suggestions to type, not an inventory: no table is read whole for them.
SAMPLED_ROWS, MOST_KEYS = 1_000, 200


def filter_sheet(asked: FilterSet) -> dict[str, Any]:
    """What can be asked, with what is asked in it, and the names of custom fields that are known."""
    has_custom = getattr(asked, "has_custom", False)
    return {
        "fields": [field for field in asked.form.visible_fields() if field.name != "q"],
        "search": asked.data.get("q", ""),
        "has_custom": has_custom,
        "custom": getattr(asked, "custom", {}),
        "known": known_keys(asked.queryset) if has_custom else [],
    }


def known_keys(rows: models.QuerySet) -> list[str]:
    """Names of custom fields in `rows`, as far as the newest `SAMPLED_ROWS` of their table tell."""
    newest = rows.model._base_manager.order_by("-pk").values("pk")[:SAMPLED_ROWS]
    key = models.Func(
        "custom_fields", function="jsonb_object_keys", output_field=models.TextField(), set_returning=True
    )
    keys = rows.filter(pk__in=newest, deleted_at__isnull=True).order_by().values_list(key, flat=True)
    return sorted(keys.distinct()[:MOST_KEYS])
