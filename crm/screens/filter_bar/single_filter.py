"""One filter of a list: the fields that belong to it, and all filters by name."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.http import QueryDict
from django_filters import FilterSet

from crm.screens.custom_fields.filters import PREFIX, parameter_name
from crm.screens.custom_fields.questions import QUESTION_PREFIX, load_question_forms
from crm.text.cleaning import strip_nul

# The name under which a key without a definition is asked for.
OTHER_VALUE = "cf."
# A field of a filter set that only says how another one filters.
COMPANIONS = {"tags": ("tags", "tags_mode")}


@dataclass(frozen=True)
class FilterName:
    """A filter to choose; `group` says where its values stand. One that is `found_only` is listed once searched for."""

    name: str
    label: str
    group: str = ""
    found_only: bool = False


def fields_of_filter(filterset: FilterSet, name: str) -> tuple[str, ...]:
    """Return the fields of the filter that the field `name` belongs to, such as the two ends of a range."""
    ranges = getattr(filterset, "ranges", {}).values()
    return next((ends for ends in (*ranges, *COMPANIONS.values()) if name in ends), (name,))


def label_of_filter(filterset: FilterSet, name: str) -> str:
    """Return the label of the filter that the field `name` belongs to."""
    ranges = getattr(filterset, "ranges", {})
    return next((label for label, ends in ranges.items() if name in ends), str(filterset.form.fields[name].label))


def filter_names(filterset: FilterSet) -> Iterator[FilterName]:
    """Yield every filter of the list: its own, those by custom fields, then those by questions of lines."""
    fields = {
        name: field for name, field in filterset.form.fields.items() if name != "q" and not field.widget.is_hidden
    }
    for name in dict.fromkeys(fields_of_filter(filterset, name)[0] for name in fields):
        yield FilterName(name, label_of_filter(filterset, name))
    custom_fields = getattr(filterset, "custom_fields", None)
    if custom_fields is None:
        return
    for field in custom_fields.fields.values():
        if field.is_filterable:
            yield FilterName(parameter_name(field), field.label, "custom field")
    for form in load_question_forms(custom_fields.table):
        for question in form.fields:
            if question.is_filterable:
                yield FilterName(question.parameter, question.label, "answer", found_only=True)
    yield FilterName(OTHER_VALUE, "Other value…", "by its key")


def with_filter(data: QueryDict, name: str) -> QueryDict:
    """Return the parameters of a list with the filter `name` among them, so that its question is loaded."""
    data = data.copy()
    if name.startswith(QUESTION_PREFIX) and name not in data:
        data[name] = ""
    return data


def describe_filter_form(filterset: FilterSet, name: str) -> dict[str, Any] | None:
    """Return the inputs of the filter `name` with their present values; None if there is no such filter."""
    name = strip_nul(name)
    custom_fields = getattr(filterset, "custom_fields", None)
    if name in filterset.form.fields and not filterset.form.fields[name].widget.is_hidden and name != "q":
        names = fields_of_filter(filterset, name)
        return {
            "label": label_of_filter(filterset, name),
            "fields": [filterset.form[one] for one in names],
            "names": {*names},
        }
    if custom_fields is None:
        return None
    if name == OTHER_VALUE:
        return {"label": "Other value", "is_other": True, "names": set()}
    if defined := custom_fields.find_field(name):
        names = {parameter_name(defined) + suffix for suffix in ("", "~op", "~to")}
        return {
            "label": defined.label,
            "input": next(custom_fields.describe_fields([defined], all_of_them=True)),
            "names": names,
        }
    key = name.removeprefix(PREFIX)
    if key in custom_fields.plain_values:
        return {"label": key, "key": key, "value": custom_fields.plain_values[key], "names": {name}}
    return None
