"""Definitions of custom fields: what a key in `custom_fields` of a table means."""

from typing import ClassVar

import pgtrigger
from django.db import models

from crm.records.base import (
    LIVE,
    LiveManager,
    Record,
    RecordQuerySet,
    choices_check,
    json_field,
    json_type_check,
    not_blank_check,
    with_row_audit,
)

MAX_KEY_LENGTH = 60


class CustomFieldTable(models.TextChoices):
    """The tables with custom fields, by model label."""

    LEAD = "leads.lead", "Leads"
    CLIENT = "crm.client", "Clients"
    CONTACT = "crm.contact", "Contacts"
    POLICY = "leads.policy", "Policies"


class CustomFieldKind(models.TextChoices):
    TEXT = "text", "Text"
    LONG_TEXT = "long_text", "Long text"
    NUMBER = "number", "Number"
    MONEY = "money", "Money"
    YES_NO = "yes_no", "Yes or no"
    DATE = "date", "Date"
    DATE_TIME = "date_time", "Date and time"
    CHOICE = "choice", "Choice"
    CHOICES = "choices", "Several choices"
    LINK = "link", "Link"
    EMAIL = "email", "Email"
    PHONE = "phone", "Phone"


KINDS_WITH_CHOICES = frozenset({CustomFieldKind.CHOICE, CustomFieldKind.CHOICES})


class CustomFieldQuerySet(RecordQuerySet):
    def of_table(self, table: str) -> "CustomFieldQuerySet":
        """Return the fields in use of `table` (a model label such as `leads.lead`), in the order of its form."""
        return self.filter(table=table, is_active=True, deleted_at__isnull=True).order_by("position", "label", "id")


@with_row_audit()
class CustomField(Record):
    """What a key in `custom_fields` of a table means. A retired field keeps its values and leaves the forms."""

    table = models.CharField(max_length=60, choices=CustomFieldTable.choices)
    key = models.CharField(max_length=MAX_KEY_LENGTH, help_text="The name that the values are stored under.")
    label = models.CharField(max_length=80)
    help_text = models.CharField(max_length=200, blank=True, default="", db_default="")
    kind = models.CharField(max_length=20, choices=CustomFieldKind.choices)
    # Each choice is {"value": text, "label": text, "retired": boolean}.
    choices = json_field(list)
    is_required = models.BooleanField("required", default=False, db_default=False)
    default_value = models.JSONField("default", null=True, blank=True)
    is_on_list = models.BooleanField("column of the list", default=False, db_default=False)
    is_filterable = models.BooleanField("offered as a filter", default=True, db_default=True)
    position = models.PositiveSmallIntegerField(
        default=0, db_default=0, help_text="Fields with a lower number come first."
    )
    is_active = models.BooleanField(default=True, db_default=True, editable=False)
    # How the key is promoted ("index" or "column"), in a row from `with_promotion`; empty: not at all.
    promotion: ClassVar[str] = ""
    # What filters also ask of a question of a line (`QuestionField`): where its values stand, and in which records.
    column: ClassVar[str] = "custom_fields"
    is_repeated: ClassVar[bool] = False
    scope: ClassVar[models.Q] = models.Q()
    asked: ClassVar[models.Q] = models.Q()

    objects = LiveManager.from_queryset(CustomFieldQuerySet)()
    everything = models.Manager.from_queryset(CustomFieldQuerySet)()

    class Meta(Record.Meta):
        db_table = "custom_fields"
        verbose_name = "custom field"
        permissions = [
            ("restore_customfield", "Can restore a deleted custom field"),
            ("retire_customfield", "Can retire a custom field and bring it back"),
        ]
        triggers = [
            pgtrigger.Protect(
                name="identity_is_fixed",
                operation=pgtrigger.Update,
                condition=pgtrigger.AnyChange("table", "key", "kind"),
            )
        ]
        constraints = [
            choices_check("custom_fields", "table", CustomFieldTable),
            choices_check("custom_fields", "kind", CustomFieldKind),
            not_blank_check("custom_fields", "key"),
            not_blank_check("custom_fields", "label"),
            json_type_check("custom_fields", "choices", "array"),
            models.CheckConstraint(
                name="custom_fields_choices_of_kind",
                condition=models.Q(kind__in=[kind.value for kind in CustomFieldKind if kind in KINDS_WITH_CHOICES])
                | models.Q(choices=[]),
                violation_error_message="Only a field of the kind “Choice” or “Several choices” has choices.",
            ),
            models.UniqueConstraint(
                "table",
                "key",
                condition=LIVE,
                name="custom_fields_key_once",
                violation_error_message="This table already has a field with this key.",
            ),
        ]

    def __str__(self) -> str:
        return self.label

    @property
    def promotion_label(self) -> str:
        """Say how filters and orders find the values."""
        return "column" if self.promotion == "column" else "indexed"

    @property
    def steps(self) -> tuple[str, ...]:
        return (self.key,)

    @property
    def has_choices(self) -> bool:
        return self.kind in KINDS_WITH_CHOICES

    def choice_labels(self, *, with_retired: bool = True) -> dict[str, str]:
        """Return the label of each choice by its value."""
        return {
            choice["value"]: choice.get("label") or choice["value"]
            for choice in self.choices
            if with_retired or not choice.get("retired")
        }

    def clean(self) -> None:
        super().clean()
        self.key = self.key.strip()
