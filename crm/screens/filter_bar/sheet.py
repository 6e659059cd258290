"""The filter sheet of a list. It costs more than the rows, so it is built only when a user opens it.

The questions of forms would be hundreds of inputs: the sheet has those of the form that the user chooses, and of forms
with a filter in force.
"""

from typing import Any

from django.db import models
from django_filters import FilterSet

from crm.screens.custom_fields.questions import load_question_forms
from crm.text.cleaning import strip_nul

# The parameter that names the form with the questions that the sheet shows.
QUESTIONS_PARAM = "questions"
# Names of custom fields are only offered as suggestions, so a sample of the table is enough.
SAMPLED_ROW_COUNT, MAX_FIELD_NAMES = 1_000, 200


def build_filter_sheet(filterset: FilterSet) -> dict[str, Any]:
    """Return the fields of the sheet with their present values, and the known names of custom fields."""
    custom_fields = getattr(filterset, "custom_fields", None)
    return {
        "fields": [field for field in filterset.form.visible_fields() if field.name != "q"],
        "search": filterset.data.get("q", ""),
        "has_custom_fields": custom_fields is not None,
        "custom_inputs": list(custom_fields.inputs()) if custom_fields else [],
        "plain_values": custom_fields.plain_values if custom_fields else {},
        "undefined_keys": undefined_keys(filterset) if custom_fields else [],
        **build_questions(filterset),
    }


def build_questions(filterset: FilterSet) -> dict[str, Any]:
    """Return the forms to choose from, and the inputs of the questions of the chosen one."""
    custom_fields = getattr(filterset, "custom_fields", None)
    if custom_fields is None:
        return {}
    chosen = strip_nul(filterset.data.get(QUESTIONS_PARAM, ""))
    forms = [(form.code, form.label) for form in load_question_forms(custom_fields.table)]
    return {
        "forms": forms,
        "chosen_form": chosen if chosen in dict(forms) else "",
        "question_groups": custom_fields.question_groups(chosen),
    }


def undefined_keys(filterset: FilterSet) -> list[str]:
    """Return the keys of custom fields in the newest rows that have no definition."""
    return sorted(sampled_keys(filterset.queryset) - filterset.custom_fields.fields.keys())


def sampled_keys(rows: models.QuerySet) -> set[str]:
    """Return the keys of custom fields in those of `rows` that are among the newest `SAMPLED_ROW_COUNT`."""
    newest = rows.model._base_manager.order_by("-pk").values("pk")[:SAMPLED_ROW_COUNT]
    key = models.Func(
        "custom_fields", function="jsonb_object_keys", output_field=models.TextField(), set_returning=True
    )
    keys = rows.filter(pk__in=newest, deleted_at__isnull=True).order_by().values_list(key, flat=True)
    return set(keys.distinct()[:MAX_FIELD_NAMES])
