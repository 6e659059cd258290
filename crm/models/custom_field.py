"""Definitions of custom fields: what a key in `custom_fields` of a table means."""

from typing import ClassVar

import pgtrigger
from django.contrib.postgres.fields import ArrayField
from django.db import models

from crm.models.badge_colour import BadgeColour
from crm.records.base import (
    LIVE,
    LiveManager,
    Record,
    RecordQuerySet,
    choices_check,
    json_field,
    json_type_check,
    jsonpath_exists,
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
    TICKET = "support.supportticket", "Tickets"


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
    LEAD = "lead", "Reference to a lead"
    CLIENT = "client", "Reference to a client"
    CONTACT = "contact", "Reference to a contact"
    POLICY = "policy", "Reference to a policy"
    TICKET = "ticket", "Reference to a ticket"
    PROJECT = "project", "Reference to a project"
    STAFF = "staff", "Reference to a user"


# Finds a colour that is none; a comparison with something that is no text would be unknown.
OTHER_COLOUR_PATH = f'$[*].colour ? (@.type() <> "string" || !(@ like_regex "^({"|".join(BadgeColour.values)})$"))'
KINDS_WITH_CHOICES = frozenset({CustomFieldKind.CHOICE, CustomFieldKind.CHOICES})
# The table (a model label) of the records that values of a kind name, by the text of their keys.
REFERENCE_TABLES: dict[str, str] = {
    CustomFieldKind.LEAD.value: "leads.lead",
    CustomFieldKind.CLIENT.value: "crm.client",
    CustomFieldKind.CONTACT.value: "crm.contact",
    CustomFieldKind.POLICY.value: "leads.policy",
    CustomFieldKind.TICKET.value: "support.supportticket",
    CustomFieldKind.PROJECT.value: "crm.project",
    CustomFieldKind.STAFF.value: "crm.user",
}


# A running change of kind, or its undoing, may set the kind that it is about, and nothing else may.
KIND_GUARD_SQL = """
    IF NOT EXISTS (
        SELECT 1 FROM kind_changes
         WHERE field_id = NEW.id
           AND (state = 'RUNNING' AND from_kind = OLD.kind AND to_kind = NEW.kind
                OR state = 'UNDOING' AND from_kind = NEW.kind AND to_kind = OLD.kind)
    ) THEN
        RAISE EXCEPTION 'Cannot update the kind of a custom field except by a change of kind';
    END IF;
    RETURN NEW;
"""


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
    # Each choice is {"value": text, "label": text, "retired": boolean, "colour": a BadgeColour, if it has one}.
    choices = json_field(list)
    is_required = models.BooleanField("required", default=False, db_default=False)
    default_value = models.JSONField("default", null=True, blank=True)
    is_on_list = models.BooleanField("column of the list", default=False, db_default=False)
    is_filterable = models.BooleanField("offered as a filter", default=True, db_default=True)
    position = models.PositiveSmallIntegerField(
        default=0, db_default=0, help_text="Fields with a lower number come first."
    )
    # The keys of groups. No foreign key: a deleted role leaves the field limited, and not open to everyone.
    editor_roles = ArrayField(
        models.IntegerField(),
        verbose_name="who may edit",
        default=list,
        blank=True,
        db_default=models.Value([], ArrayField(models.IntegerField())),
    )
    is_active = models.BooleanField(default=True, db_default=True, editable=False)
    # How the key is promoted ("index" or "column"), in a row from `with_promotion`; empty: not at all.
    promotion: ClassVar[str] = ""
    # What filters also ask of a question of a line (`QuestionField`): where its values stand, and in which records.
    column: ClassVar[str] = "custom_fields"
    indexed_column: ClassVar[str] = "custom_fields"
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
                condition=pgtrigger.AnyChange("table", "key"),
            ),
            pgtrigger.Trigger(
                name="kind_is_fixed",
                operation=pgtrigger.Update,
                when=pgtrigger.Before,
                condition=pgtrigger.AnyChange("kind"),
                func=KIND_GUARD_SQL,
            ),
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
            models.CheckConstraint(
                name="custom_fields_choice_colours",
                condition=~models.Q(jsonpath_exists("choices", OTHER_COLOUR_PATH)),
                violation_error_message=f"The colour of a choice must be one of: {', '.join(BadgeColour.values)}.",
            ),
            models.CheckConstraint(
                name="custom_fields_reference_without_default",
                condition=~models.Q(kind__in=list(REFERENCE_TABLES)) | models.Q(default_value__isnull=True),
                violation_error_message="A reference has no default.",
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

    @property
    def refers_to(self) -> str:
        """The table (a model label) of the records that the values name; empty if the kind is no reference."""
        return REFERENCE_TABLES.get(self.kind, "")

    def choice_labels(self, *, with_retired: bool = True) -> dict[str, str]:
        """Return the label of each choice by its value."""
        return {
            choice["value"]: choice.get("label") or choice["value"]
            for choice in self.choices
            if with_retired or not choice.get("retired")
        }

    def choice_colours(self) -> dict[str, str]:
        """Return the colour of each choice by its value; none at all if no choice has one."""
        colours = {choice["value"]: choice["colour"] for choice in self.choices if choice.get("colour")}
        return {**dict.fromkeys(self.choice_labels(), BadgeColour.GREY.value), **colours} if colours else {}

    def clean(self) -> None:
        super().clean()
        self.key = self.key.strip()
