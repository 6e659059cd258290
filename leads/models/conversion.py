"""Conversions of leads to clients, remembered so that they can be undone."""

from datetime import datetime, timedelta
from typing import Any

from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models.functions import Now
from django.utils import timezone
from uuid_utils.compat import uuid7

from crm.records.base import json_field, json_type_check
from leads.models.lead import Lead

UNDO_PERIOD = timedelta(days=1)


def conversion_key(lead: Lead) -> str:
    """Return the key of the proposal to convert a won `lead`: another one each time that it is won."""
    return f"convert:{lead.pk}:{lead.closed_at.isoformat() if lead.closed_at else ''}"


class LeadConversionQuerySet(models.QuerySet):
    def not_undone(self) -> "LeadConversionQuerySet":
        """Return the conversions that were not undone."""
        return self.filter(undone_at=None)

    def undoable(self, now: datetime) -> "LeadConversionQuerySet":
        """Return the conversions that can still be undone at `now`, unless later work stands in the way."""
        return self.not_undone().filter(converted_at__gt=now - UNDO_PERIOD)


class LeadConversion(models.Model):
    """One conversion of a lead: what it made, linked and changed, and what was there before."""

    id = models.UUIDField(primary_key=True, default=uuid7, db_default=RandomUUID(), editable=False)
    lead = models.ForeignKey(Lead, on_delete=models.CASCADE, related_name="conversions")
    client = models.ForeignKey("crm.Client", on_delete=models.CASCADE, related_name="lead_conversions")
    is_new_client = models.BooleanField(default=False, db_default=False)
    converted_at = models.DateTimeField(default=timezone.now, db_default=Now())
    converted_by = models.ForeignKey("crm.User", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    # The records that the conversion added: a list of {model, id}.
    made = json_field(list)
    # The rows of the lead that it linked to the client: a list of {model, lead_column, client_column, ids}.
    linked = json_field(list)
    # The columns that it changed, as they were and as it left them.
    lead_before = json_field(dict)
    lead_after = json_field(dict)
    client_before = json_field(dict)
    client_after = json_field(dict)
    undone_at = models.DateTimeField(null=True, blank=True)
    undone_by = models.ForeignKey("crm.User", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")

    objects = LeadConversionQuerySet.as_manager()

    class Meta:
        db_table = "lead_conversions"
        # It has no screen of its own: the page of the lead shows it.
        default_permissions = ()
        constraints = [
            json_type_check("lead_conversions", "made", "array"),
            json_type_check("lead_conversions", "linked", "array"),
            json_type_check("lead_conversions", "lead_before", "object"),
            json_type_check("lead_conversions", "lead_after", "object"),
            json_type_check("lead_conversions", "client_before", "object"),
            json_type_check("lead_conversions", "client_after", "object"),
            models.UniqueConstraint(
                "lead",
                condition=models.Q(undone_at__isnull=True),
                name="lead_conversions_one_at_a_time",
                violation_error_message="This lead is already converted to a client.",
            ),
            models.CheckConstraint(
                name="lead_conversions_undone_later",
                condition=models.Q(undone_at__isnull=True) | models.Q(undone_at__gte=models.F("converted_at")),
                violation_error_message="A conversion cannot be undone before it was made.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.lead} → {self.client}"

    def made_keys(self, model: type[models.Model]) -> list[Any]:
        """Return the keys of the records of `model` that the conversion added."""
        return [entry["id"] for entry in self.made if entry["model"] == model._meta.label_lower]
