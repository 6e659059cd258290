"""Lines of insurance. Each line is a row, with its form as a JSON Schema."""

import pgtrigger
from django.core.exceptions import ValidationError
from django.db import models

from crm.records.base import (
    LiveManager,
    Record,
    RecordQuerySet,
    json_field,
    json_type_check,
    not_blank_check,
    with_row_audit,
)
from crm.records.json_keys import key_path
from leads.lines.form_rules import form_problem

# The columns of leads for the data of these lines; the data of the other lines share one.
COLUMN_BY_LINE = {"auto": "auto_data", "home": "home_data"}


def answer_key(line: str, key: str) -> tuple[str, str]:
    """Return the JSON column of a lead and the path in it where the answer to the question `key` of `line` stands."""
    return (COLUMN_BY_LINE[line], key_path(key)) if line in COLUMN_BY_LINE else ("line_data", key_path(line, key))


class InsuranceTypeManager(LiveManager.from_queryset(RecordQuerySet)):
    def get_by_natural_key(self, code: str) -> "InsuranceType":
        return self.get(code=code)


@with_row_audit()
class InsuranceType(Record):
    """A line of insurance, with the form for the data of its leads."""

    code = models.SlugField(
        max_length=40, unique=True, help_text="Key of the data of this line. It cannot be changed later."
    )
    name = models.CharField(max_length=80)
    is_personal = models.BooleanField("personal", default=False, db_default=False)
    is_commercial = models.BooleanField("commercial", default=False, db_default=False)
    description = models.TextField(blank=True, default="", db_default="")
    form_schema = json_field(dict)
    schema_version = models.PositiveIntegerField(default=1, db_default=1)
    is_active = models.BooleanField("active", default=True, db_default=True)

    objects = InsuranceTypeManager()

    class Meta(Record.Meta):
        db_table = "insurance_types"
        verbose_name = "line of insurance"
        verbose_name_plural = "lines of insurance"
        permissions = [("restore_insurancetype", "Can restore a deleted line of insurance")]
        triggers = [
            pgtrigger.Trigger(
                name="next_version",
                operation=pgtrigger.Update,
                when=pgtrigger.Before,
                condition=pgtrigger.AnyChange("form_schema"),
                # Another label, order or help text leaves the answers as they are, and the version.
                func="""
                    IF form_shape(NEW.form_schema) IS DISTINCT FROM form_shape(OLD.form_schema) THEN
                        NEW.schema_version = OLD.schema_version + 1;
                    END IF;
                    RETURN NEW;""",
            )
        ]
        constraints = [
            not_blank_check("insurance_types", "name"),
            json_type_check("insurance_types", "form_schema", "object"),
        ]

    def __str__(self) -> str:
        return self.name

    def natural_key(self) -> tuple[str]:
        return (self.code,)

    def clean(self) -> None:
        if problem := form_problem(self.form_schema):
            raise ValidationError({"form_schema": problem})
