"""A column of a list: one of its own, a custom field, or a question of a line."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.utils.text import slugify

from crm.models import CustomField
from crm.records.custom_fields.schemas import SCHEMA_BY_KIND, Schema, value_schema
from crm.screens.custom_fields.filters import parameter_name
from crm.screens.custom_fields.questions import QuestionField
from crm.screens.custom_fields.sort_keys import FilterField

# In characters; a longer heading of a custom field is broken into lines.
LONG_HEADING = 24


@dataclass(frozen=True)
class Column:
    """A column of a list's own: its heading, and the Order that a click on it switches to.

    The row template has its cell, between `{% cell "Heading" %}` and `{% endcell %}`. A user may choose one that is not
    shown by default. `exports` are the headings of the exported file that say the same.
    """

    label: str
    order: str = ""
    css_class: str = ""
    is_default: bool = True
    exports: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The name of the column in addresses and saved choices."""
        return slugify(self.label)


def optional_column(label: str, *exports: str, order: str = "", css_class: str = "") -> Column:
    """Return a column that a list shows only to users who choose it."""
    return Column(label, order, css_class, is_default=False, exports=exports)


@dataclass(frozen=True)
class FieldColumn:
    """A column with the values of a custom field, or of the answers to a question."""

    field: FilterField

    @property
    def name(self) -> str:
        return parameter_name(self.field)

    @property
    def label(self) -> str:
        return self.field.label

    @property
    def order(self) -> str:
        """The name of the order by this field, which only a promoted one has."""
        return self.name

    @property
    def css_class(self) -> str:
        return "wrap" if len(self.label) > LONG_HEADING else ""

    @property
    def is_default(self) -> bool:
        return isinstance(self.field, CustomField) and self.field.is_on_list

    @cached_property
    def schema(self) -> Schema:
        """The schema by which a value is shown, without the names of records."""
        return value_schema(self.field) if isinstance(self.field, CustomField) else answer_schema(self.field)

    def value(self, row: Any) -> Any:
        """Return the value in `row`; None if it has none, or if the question is not one of its line."""
        if isinstance(self.field, QuestionField) and not self.field.is_asked_of(row):
            return None
        value = getattr(row, self.field.column)
        for step in self.field.steps:
            value = value.get(step) if isinstance(value, dict) else None
        return value


AnyColumn = Column | FieldColumn


def answer_schema(question: QuestionField) -> Schema:
    """Return the schema by which an answer to `question` is shown."""
    schema, labels = {**SCHEMA_BY_KIND[question.kind], "title": question.label}, question.choice_labels()
    if not labels:
        return schema
    return {**schema, "items": {"labels": labels}} if schema.get("type") == "array" else {**schema, "labels": labels}
