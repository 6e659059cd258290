"""Leads: possible sales."""

from datetime import datetime
from time import time
from typing import Any

import pgtrigger
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.db import models
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Extract, Lower, Now, Upper
from django.db.models.lookups import IsNull
from django.utils import timezone

from crm.models.people import ClientType
from crm.records.base import (
    LIVE,
    NON_OBJECT_PATH,
    LiveManager,
    Record,
    choices_check,
    custom_fields_index,
    distinct_tags_check,
    json_field,
    json_type_check,
    jsonpath_exists,
    merged_into_field,
    merged_into_index,
    merged_is_deleted_check,
    no_empty_tag_check,
    not_blank_check,
    owned_tags_indexes,
    range_check,
    search_index,
    tags_field,
    with_row_audit,
)
from crm.records.people import digits_only, name_key, people_search_field, phone_tail
from leads.models.insurance_type import InsuranceType
from leads.models.lead_choices import LossReason, Source, Tier
from leads.models.lead_queryset import LAST_CONTACT_SORT_KEY, PRIORITY_SORT_KEYS, VALUE_SORT_KEY, LeadQuerySet
from leads.models.signal_constraints import (
    CHECK_SIGNAL_TIMESTAMPS_SQL,
    MALFORMED_SIGNAL_PATH,
    SYNC_CLOSED_AT_SQL,
)
from leads.models.stage import LeadStatus

OPEN_LEADS = models.Q(deleted_at__isnull=True, closed_at__isnull=True)


def all_vins(field: str) -> models.Func:
    """Return the VINs of all vehicles in a JSON column, wherever they stand, as one text."""
    return models.Func(
        models.F(field),
        template="jsonb_path_query_array(%(expressions)s, '$.**.vin')::text",
        output_field=models.TextField(),
    )


def newest_on_top() -> float:
    """Return a rank (negative seconds) that puts a lead on top of its column of the board."""
    return -time()


@with_row_audit(
    exclude=[
        "overall_score",
        "priority_tier",
        "signals",
        "last_scored_at",
        "predicted_close_probability",
        "last_contact_at",
        "last_activity_at",
        "awaiting_reply",
        "considered_at",
        "next_look_at",
        "rank",
        "search_text",
        "import_batch",
    ]
)
class Lead(Record):
    """A possible sale."""

    contact_name = models.CharField("name", max_length=200)
    contact_email = models.EmailField("email", blank=True, default="", db_default="")
    contact_phone = models.CharField("phone", max_length=40, blank=True, default="", db_default="")
    company_name = models.CharField("company", max_length=200, blank=True, default="", db_default="")
    company_website = models.URLField("website", blank=True, default="", db_default="")
    client_type = models.CharField(
        max_length=20, choices=ClientType, default=ClientType.INDIVIDUAL, db_default=ClientType.INDIVIDUAL
    )
    source_type = models.CharField(
        "source", max_length=10, choices=Source, default=Source.OTHER, db_default=Source.OTHER
    )
    source_detail = models.CharField(max_length=200, blank=True, default="", db_default="")
    # The import that made the lead.
    import_batch = models.ForeignKey(
        "leads.ImportBatch",
        null=True,
        blank=True,
        editable=False,
        on_delete=models.SET_NULL,
        related_name="leads",
        db_index=False,
        verbose_name="import",
    )
    assigned_to = models.ForeignKey(
        "crm.User",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="leads",
        db_index=False,
        verbose_name="owner",
    )
    notes = models.TextField(blank=True, default="", db_default="")

    status = models.ForeignKey(
        LeadStatus,
        on_delete=models.PROTECT,
        related_name="leads",
        default="NEW_OPPORTUNITIES",
        db_default="NEW_OPPORTUNITIES",
        db_index=False,
        verbose_name="stage",
    )
    closed_at = models.DateTimeField(null=True, blank=True, editable=False)
    rank = models.FloatField(
        default=newest_on_top,
        db_default=-Extract(Now(), "epoch"),
        editable=False,
        help_text="Order within a column of the board, lowest first.",
    )
    insurance_type = models.ForeignKey(
        InsuranceType,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="leads",
        db_index=False,
        verbose_name="line",
    )
    loss_reason = models.CharField(max_length=12, choices=LossReason, blank=True, default="", db_default="")
    loss_notes = models.TextField(blank=True, default="", db_default="")

    overall_score = models.DecimalField("score", max_digits=3, decimal_places=2, null=True, blank=True)
    priority_tier = models.CharField("tier", max_length=8, choices=Tier, null=True, blank=True)
    tier_override = models.CharField(max_length=8, choices=Tier, null=True, blank=True)
    signals = json_field(list)
    last_scored_at = models.DateTimeField(null=True, blank=True)
    predicted_close_probability = models.DecimalField(
        "probability", max_digits=3, decimal_places=2, null=True, blank=True
    )
    estimated_value = models.DecimalField("value", max_digits=12, decimal_places=2, null=True, blank=True)
    expected_close_date = models.DateField(null=True, blank=True)

    last_contact_at = models.DateTimeField("last contact", null=True, blank=True)
    last_activity_at = models.DateTimeField(null=True, blank=True)
    awaiting_reply = models.BooleanField(default=False, db_default=False)
    # When the agent last looked for a next best action, and when it will look again: at once after a change.
    considered_at = models.DateTimeField(null=True, blank=True, editable=False)
    next_look_at = models.DateTimeField(null=True, blank=True, editable=False, default=timezone.now, db_default=Now())

    converted_at = models.DateTimeField(null=True, blank=True)
    converted_to_client = models.ForeignKey(
        "crm.Client", null=True, blank=True, on_delete=models.PROTECT, related_name="converted_leads"
    )

    auto_data = json_field(dict)
    home_data = json_field(dict)
    line_data = json_field(dict)
    additional_insureds = json_field(list)
    communications = json_field(dict)
    tags = tags_field()
    custom_fields = json_field(dict)
    merged_into = merged_into_field()
    search_text = people_search_field(
        "contact_name",
        "contact_email",
        "company_name",
        "contact_phone",
        digits_only("contact_phone"),
        all_vins("auto_data"),
        all_vins("line_data"),
    )

    objects = LiveManager.from_queryset(LeadQuerySet)()
    everything = models.Manager.from_queryset(LeadQuerySet)()

    class Meta(Record.Meta):
        db_table = "leads"
        permissions = [
            ("reassign_lead", "Can reassign a lead"),
            ("restore_lead", "Can restore a deleted lead"),
            ("merge_lead", "Can merge leads and undo it"),
            ("purge_lead", "Can permanently delete a lead"),
        ]
        triggers = [
            pgtrigger.Trigger(
                name="closed_follows_stage",
                operation=pgtrigger.Insert | pgtrigger.UpdateOf("status_id"),
                when=pgtrigger.Before,
                func=SYNC_CLOSED_AT_SQL,
            ),
            pgtrigger.Trigger(
                name="signals_have_moments",
                operation=pgtrigger.Insert | pgtrigger.UpdateOf("signals"),
                when=pgtrigger.Before,
                condition=pgtrigger.Condition("NEW.signals <> '[]' AND jsonb_typeof(NEW.signals) = 'array'"),
                func=CHECK_SIGNAL_TIMESTAMPS_SQL,
            ),
        ]
        constraints = [
            not_blank_check("leads", "contact_name"),
            choices_check("leads", "client_type", ClientType),
            choices_check("leads", "source_type", Source),
            choices_check("leads", "priority_tier", Tier, null=True),
            choices_check("leads", "tier_override", Tier, null=True),
            models.CheckConstraint(
                name="leads_override_is_tier",
                condition=models.Q(tier_override__isnull=True) | models.Q(priority_tier=models.F("tier_override")),
                violation_error_message="The tier must be equal to the tier override while there is one.",
            ),
            models.CheckConstraint(
                name="leads_loss_reason_valid",
                condition=models.Q(loss_reason__in=["", *LossReason.values]),
                violation_error_message=f"The loss reason must be one of: {', '.join(LossReason.values)}.",
            ),
            range_check("leads", "overall_score", 0, 1),
            range_check("leads", "predicted_close_probability", 0, 1),
            models.CheckConstraint(
                name="leads_value_not_negative",
                condition=models.Q(estimated_value__isnull=True) | models.Q(estimated_value__gte=0),
                violation_error_message="The value must not be negative.",
            ),
            models.CheckConstraint(
                name="leads_converted_together",
                condition=models.Q(converted_at__isnull=True, converted_to_client__isnull=True)
                | models.Q(converted_at__isnull=False, converted_to_client__isnull=False),
                violation_error_message="Set both the conversion date and the client, or neither.",
            ),
            json_type_check("leads", "signals", "array"),
            models.CheckConstraint(
                name="leads_signals_well_formed",
                condition=~models.Q(jsonpath_exists("signals", MALFORMED_SIGNAL_PATH))
                & ~models.Q(jsonpath_exists("signals", NON_OBJECT_PATH)),
                violation_error_message="A signal needs a type, an ISO timestamp and a weight from -1 to 1.",
            ),
            json_type_check("leads", "auto_data", "object"),
            json_type_check("leads", "home_data", "object"),
            json_type_check("leads", "line_data", "object"),
            json_type_check("leads", "additional_insureds", "array"),
            json_type_check("leads", "communications", "object"),
            json_type_check("leads", "custom_fields", "object"),
            no_empty_tag_check("leads"),
            distinct_tags_check("leads"),
            merged_is_deleted_check("leads"),
            models.UniqueConstraint(
                Lower("contact_email"),
                condition=OPEN_LEADS & ~models.Q(contact_email=""),
                name="leads_email_unique",
                violation_error_message="Another open lead already has this address.",
            ),
        ]
        indexes = [
            models.Index(
                fields=["import_batch", "id"], condition=models.Q(import_batch__isnull=False), name="leads_by_import"
            ),
            # Incoming email is matched with a company by the domain of its website.
            models.Index(
                Lower("company_website"), condition=LIVE & ~models.Q(company_website=""), name="leads_by_website"
            ),
            # An import looks for the leads that its rows are already.
            models.Index(Lower("contact_email"), condition=LIVE & ~models.Q(contact_email=""), name="leads_by_address"),
            models.Index(
                phone_tail("contact_phone"), condition=LIVE & ~models.Q(contact_phone=""), name="leads_by_phone"
            ),
            models.Index(name_key("contact_name"), condition=LIVE, name="leads_by_name_key"),
            models.Index(
                Lower("company_name"),
                Lower("contact_name"),
                condition=LIVE & ~models.Q(company_name=""),
                name="leads_by_company",
            ),
            models.Index(
                *(e.desc() for e in PRIORITY_SORT_KEYS.values()),
                models.F("id").desc(),
                condition=LIVE,
                name="leads_priority",
            ),
            models.Index(
                *(e.desc() for e in PRIORITY_SORT_KEYS.values()),
                models.F("id").desc(),
                # With the tier in the index, the count of a tab needs no access to the table.
                include=["priority_tier"],
                condition=OPEN_LEADS,
                name="leads_open_priority",
            ),
            models.Index(
                "status",
                *(e.desc() for e in PRIORITY_SORT_KEYS.values()),
                models.F("id").desc(),
                condition=LIVE,
                name="leads_status",
            ),
            models.Index(
                "assigned_to",
                *(e.desc() for e in PRIORITY_SORT_KEYS.values()),
                models.F("id").desc(),
                # With them in the index, the tabs of an agent and filters by value and by last contact read no table.
                include=[
                    "closed_at",
                    "priority_tier",
                    "overall_score",
                    "estimated_value",
                    "last_contact_at",
                    "created_at",
                ],
                condition=LIVE,
                name="leads_by_owner",
            ),
            models.Index(
                "insurance_type",
                *(e.desc() for e in PRIORITY_SORT_KEYS.values()),
                models.F("id").desc(),
                condition=LIVE,
                name="leads_line",
            ),
            models.Index("status", "rank", "id", condition=OPEN_LEADS, name="leads_board"),
            # The sums of the pipeline and the board are read from the index alone, those of an owner from a part of it.
            models.Index(
                fields=["assigned_to", "status"],
                include=["estimated_value", "predicted_close_probability"],
                condition=OPEN_LEADS,
                name="leads_owner_pipeline",
            ),
            models.Index(
                "awaiting_reply",
                "last_contact_at",
                condition=LIVE & models.Q(awaiting_reply=True),
                name="leads_awaiting",
            ),
            models.Index(
                models.F("next_look_at").desc(), models.F("id").desc(), condition=OPEN_LEADS, name="leads_to_look_at"
            ),
            models.Index(LAST_CONTACT_SORT_KEY.desc(), models.F("id").desc(), condition=LIVE, name="leads_last_heard"),
            models.Index(VALUE_SORT_KEY.desc(), models.F("id").desc(), condition=LIVE, name="leads_value"),
            models.Index(
                models.F("closed_at").desc(),
                models.F("id").desc(),
                condition=LIVE & models.Q(closed_at__isnull=False),
                name="leads_closed",
            ),
            models.Index(models.F("deleted_at").desc(), models.F("id").desc(), condition=~LIVE, name="leads_deleted"),
            merged_into_index("leads"),
            *owned_tags_indexes("leads"),
            custom_fields_index("leads"),
            GinIndex(OpClass("auto_data", name="jsonb_path_ops"), condition=LIVE, name="leads_auto_data"),
            GinIndex(OpClass("home_data", name="jsonb_path_ops"), condition=LIVE, name="leads_home_data"),
            GinIndex(OpClass("line_data", name="jsonb_path_ops"), condition=LIVE, name="leads_line_data"),
            models.Index(Upper(KeyTextTransform("vin", "auto_data")), condition=LIVE, name="leads_vin"),
            # For the SQL of other programs, which compares the VIN as it is written and sorts tiers by name.
            models.Index(
                KeyTextTransform("vin", "auto_data"),
                condition=LIVE & models.Q(IsNull(KeyTextTransform("vin", "auto_data"), False)),
                name="leads_vin_as_written",
            ),
            models.Index(
                "priority_tier", models.F("overall_score").desc(), condition=LIVE, name="leads_tier_and_score"
            ),
            search_index("leads"),
        ]

    def __str__(self) -> str:
        return f"{self.contact_name} · {self.company_name}" if self.company_name else self.contact_name

    @property
    def is_open(self) -> bool:
        return self.closed_at is None

    def update_last_activity(self, at: datetime) -> None:
        """Set the date of the last activity to `at`, unless it is already later."""
        if self.last_activity_at is None or self.last_activity_at < at:
            Lead.everything.filter(pk=self.pk).update_last_activity(at)

    @property
    def weighted_value(self) -> Any:
        """Return value × probability, or None if either is unknown."""
        if self.estimated_value is None or self.predicted_close_probability is None:
            return None
        return self.estimated_value * self.predicted_close_probability
