"""The sort orders of leads, and the named sets of leads."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import models
from django.db.models import Count, Sum
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Coalesce, Upper

from crm.records.owners.branches import disjoint_branches, union_all
from crm.records.people import PeopleQuerySet
from crm.text.vins import VIN_LENGTH, VIN_LETTERS, normalize_vin
from leads.models.lead_choices import Tier
from leads.models.stage import StageCategory

# Sort order of the tiers. Unscored leads come last.
TIER_RANK = {Tier.HOT: 4, Tier.WARM: 3, Tier.COLD: 2, Tier.DORMANT: 1}
UNSCORED_RANK = 0
PRIORITY_SORT_KEYS = {
    "urgency": models.Case(
        *(models.When(priority_tier=tier.value, then=models.Value(rank)) for tier, rank in TIER_RANK.items()),
        default=models.Value(UNSCORED_RANK),
        output_field=models.SmallIntegerField(),
    ),
    "score_or_less": Coalesce("overall_score", models.Value(-1), output_field=models.DecimalField()),
}
LAST_CONTACT_SORT_KEY = Coalesce("last_contact_at", "created_at")
VALUE_SORT_KEY = Coalesce("estimated_value", models.Value(-1), output_field=models.DecimalField())


class LeadQuerySet(PeopleQuerySet):
    """Named sets of leads."""

    owner_path = "assigned_to"
    email_field, phone_field = "contact_email", "contact_phone"

    def identified_by(self, text: str) -> "LeadQuerySet":
        """Return the leads with `text` as VIN of their vehicle, as email address or as phone number."""
        vin = normalize_vin(text)
        if len(vin) == VIN_LENGTH and VIN_LETTERS.fullmatch(vin):
            return self.alias(_vin=Upper(KeyTextTransform("vin", "auto_data"))).filter(_vin=vin)
        return super().identified_by(text)

    def open(self) -> "LeadQuerySet":
        return self.filter(closed_at__isnull=True)

    def closed(self) -> "LeadQuerySet":
        return self.filter(closed_at__isnull=False)

    def to_convert(self) -> "LeadQuerySet":
        """Return the leads that are won and not converted to a client."""
        return self.filter(status__category=StageCategory.WON, converted_at=None)

    def of_tier(self, tier: str | None) -> "LeadQuerySet":
        """Return the leads of `tier` (None: unscored). Compares the rank, so that the priority index is used."""
        return self.alias(_urgency=PRIORITY_SORT_KEYS["urgency"]).filter(_urgency=TIER_RANK.get(tier, UNSCORED_RANK))

    def without_contact_since(self, moment: datetime) -> "LeadQuerySet":
        """Return the leads without contact in either direction since `moment`, or since creation if there was none."""
        return self.alias(_heard=LAST_CONTACT_SORT_KEY).filter(_heard__lt=moment)

    def update_last_activity(self, at: datetime) -> int:
        """Set the date of the last activity to `at` where it is older. Return the number of updated leads."""
        behind = models.Q(last_activity_at__isnull=True) | models.Q(last_activity_at__lt=at)
        return self.filter(behind).update(last_activity_at=at)

    def sums_by_stage(self) -> dict[str, dict[str, Any]]:
        """Return the number of `leads`, their `value` and their `weighted` value (× probability) by stage."""
        weighted = models.F("estimated_value") * Coalesce("predicted_close_probability", Decimal(0))
        # Not a count of keys, which the index of these sums does not have.
        columns = {"leads": Count("*"), "value": Sum("estimated_value"), "weighted": Sum(weighted)}
        branches = [rows.values("status_id").annotate(**columns) for rows in disjoint_branches(self.order_by())]
        sums: dict[str, dict[str, Any]] = {}
        for row in union_all(branches):
            total = sums.setdefault(row["status_id"], dict.fromkeys(columns, 0))
            for name in columns:
                total[name] += row[name] or 0
        return sums

    def due_for_evaluation(self, now: datetime) -> "LeadQuerySet":
        """Return the open leads due for a next best action, latest change first."""
        return self.open().filter(next_look_at__lte=now).order_by("-next_look_at", "-id")

    def awaiting_reply(self) -> "LeadQuerySet":
        """Return the leads that owe us a reply, longest wait first."""
        return self.filter(awaiting_reply=True).order_by("last_contact_at")
