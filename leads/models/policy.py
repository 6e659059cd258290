"""Insurance policies of clients."""

from datetime import date, timedelta
from typing import Any

from django.contrib.postgres.indexes import GinIndex, OpClass
from django.db import models
from django.db.models.functions import Coalesce

from crm.models.people import Client
from crm.records.base import (
    LIVE,
    LiveManager,
    Record,
    RecordQuerySet,
    can_see_everyone,
    choices_check,
    custom_fields_index,
    json_field,
    json_type_check,
    owned_by_or_unassigned,
    search_field,
    search_index,
    with_row_audit,
)
from crm.records.local_time import agency_today
from leads.models.insurance_type import InsuranceType
from leads.models.lead import Lead
from leads.policies.terms import days_until

RENEWAL_WINDOW_DAYS = 60


class PolicyStatus(models.TextChoices):
    QUOTED = "QUOTED", "Quoted"
    BOUND = "BOUND", "Bound"
    ACTIVE = "ACTIVE", "Active"
    LAPSED = "LAPSED", "Lapsed"
    CANCELLED = "CANCELLED", "Cancelled"
    RENEWED = "RENEWED", "Renewed"


TRANSITIONS = {
    PolicyStatus.QUOTED: {PolicyStatus.BOUND, PolicyStatus.CANCELLED},
    PolicyStatus.BOUND: {PolicyStatus.ACTIVE, PolicyStatus.LAPSED, PolicyStatus.CANCELLED},
    PolicyStatus.ACTIVE: {PolicyStatus.LAPSED, PolicyStatus.CANCELLED, PolicyStatus.RENEWED},
    PolicyStatus.LAPSED: {PolicyStatus.RENEWED},
    PolicyStatus.CANCELLED: set(),
    # When the renewal is cancelled or deleted.
    PolicyStatus.RENEWED: {PolicyStatus.ACTIVE},
}
STATUS_COLOURS = {
    PolicyStatus.QUOTED: "blue",
    PolicyStatus.BOUND: "teal",
    PolicyStatus.ACTIVE: "green",
    PolicyStatus.LAPSED: "red",
    PolicyStatus.CANCELLED: "grey",
    PolicyStatus.RENEWED: "grey",
}
# A policy that is entered was sold already, or is only a quote.
FIRST_STATUSES = (PolicyStatus.QUOTED, PolicyStatus.BOUND, PolicyStatus.ACTIVE)
# Those that expire without a renewal.
RUNNING_STATUSES = (PolicyStatus.BOUND, PolicyStatus.ACTIVE)
RUNNING_POLICIES = LIVE & models.Q(status__in=RUNNING_STATUSES)
# Those that can be renewed: a quote has nothing to renew, a cancelled policy neither.
RENEWABLE_STATUSES = (*RUNNING_STATUSES, PolicyStatus.LAPSED)
# Those that cover something until they expire, whatever follows.
SOLD_STATUSES = (*RUNNING_STATUSES, PolicyStatus.LAPSED, PolicyStatus.RENEWED)
# A quote may lack its price and its dates, and so may a quote that was not taken.
UNPRICED_STATUSES = (PolicyStatus.QUOTED, PolicyStatus.CANCELLED)


class BillingPeriod(models.TextChoices):
    MONTHLY = "MONTHLY", "Monthly"
    QUARTERLY = "QUARTERLY", "Quarterly"
    SEMIANNUAL = "SEMIANNUAL", "Every six months"
    ANNUAL = "ANNUAL", "Yearly"


class CancellationReason(models.TextChoices):
    NOT_TAKEN = "NOT_TAKEN", "Quote not taken"
    CLIENT_REQUEST = "CLIENT_REQUEST", "Client's request"
    NON_PAYMENT = "NON_PAYMENT", "Premium not paid"
    REPLACED = "REPLACED", "Replaced by another policy"
    RISK_GONE = "RISK_GONE", "Sold or closed"
    CARRIER = "CARRIER", "Cancelled by the carrier"
    OTHER = "OTHER", "Other"


# Policies without an end come last.
EXPIRY_SORT_KEY = Coalesce("expires_on", models.Value(date.max, models.DateField()))
# A function of the database: the premium of a term as that of a year, by whole months where it has them, else by days.
ANNUAL_PREMIUM = models.Func(
    "premium",
    "effective_on",
    "expires_on",
    function="annual_premium",
    output_field=models.DecimalField(max_digits=16, decimal_places=2),
)
PREMIUM_SORT_KEY = Coalesce("premium", models.Value(-1), output_field=models.DecimalField())


class PolicyQuerySet(RecordQuerySet):
    """Named sets of policies."""

    def visible_to(self, user: Any) -> "PolicyQuerySet":
        """Return the policies of the clients that `user` may see."""
        return self if can_see_everyone(user) else self.filter(owned_by_or_unassigned(user, "client__assigned_to"))

    def identified_by(self, text: str) -> "PolicyQuerySet":
        """Return the policies with the number `text`; the index of the search narrows them down."""
        if "@" in text or not any(map(str.isdigit, text)):
            return self.none()
        return self.filter(search_text__contains=text.lower(), number__iexact=text)

    def active(self) -> "PolicyQuerySet":
        return self.filter(status=PolicyStatus.ACTIVE)

    def running(self) -> "PolicyQuerySet":
        """Return the policies that are bound or active, which expire unless they are renewed."""
        return self.filter(status__in=RUNNING_STATUSES)

    def expiring(self, today: date, days: int = RENEWAL_WINDOW_DAYS) -> "PolicyQuerySet":
        """Return the running policies that expire from `today` until `days` later, without a renewal."""
        return self.running().expiring_between(today, today + timedelta(days=days))

    def expiring_between(self, first: date | None, last: date | None) -> "PolicyQuerySet":
        """Return the policies that expire from `first` to `last`, by the sort key, which indexes serve."""
        rows = self.alias(_expiry=EXPIRY_SORT_KEY)
        rows = rows if first is None else rows.filter(_expiry__gte=first)
        return rows if last is None else rows.filter(_expiry__lte=last)

    def in_force(self, day: date) -> "PolicyQuerySet":
        """Return the policies that cover something on `day`, by what is known of them now; quotes do not.

        A policy covers from the day on which it takes effect until the day before it expires or was cancelled.
        """
        was_cancelled_later = models.Q(status=PolicyStatus.CANCELLED, cancelled_on__gt=day, premium__isnull=False)
        was_cancelled_later &= ~models.Q(carrier="") & ~models.Q(cancellation_reason=CancellationReason.NOT_TAKEN)
        was_sold = models.Q(status__in=SOLD_STATUSES)
        return self.filter(was_sold | was_cancelled_later, effective_on__lte=day, expires_on__gt=day)

    def with_annual_premium(self) -> "PolicyQuerySet":
        """Annotate each policy with `annual_premium`; None where its premium or a date is missing."""
        return self.annotate(annual_premium=ANNUAL_PREMIUM)

    def expired(self, today: date) -> "PolicyQuerySet":
        """Return the running policies that expired before `today` without a renewal."""
        return self.running().expiring_between(None, today - timedelta(days=1))


@with_row_audit(exclude=["search_text"])
class Policy(Record):
    """An insurance policy of a client, from the quote on."""

    client = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="policies")
    insurance_type = models.ForeignKey(
        InsuranceType, on_delete=models.PROTECT, related_name="policies", verbose_name="line"
    )
    carrier = models.CharField(max_length=120, blank=True, default="", db_default="")
    number = models.CharField("policy number", max_length=60, blank=True, default="", db_default="")
    status = models.CharField(
        max_length=10,
        choices=PolicyStatus,
        default=PolicyStatus.QUOTED,
        db_default=PolicyStatus.QUOTED,
    )
    premium = models.DecimalField(
        max_digits=12, decimal_places=2, null=True, blank=True, help_text="For the whole term of the policy."
    )
    billing_period = models.CharField(
        max_length=10, choices=BillingPeriod, default=BillingPeriod.ANNUAL, db_default=BillingPeriod.ANNUAL
    )
    effective_on = models.DateField("effective", null=True, blank=True)
    expires_on = models.DateField("expires", null=True, blank=True)
    lead = models.ForeignKey(Lead, null=True, blank=True, on_delete=models.SET_NULL, related_name="policies")
    data = json_field(dict)
    # What a file said of the policy that has no column and no question of the line.
    custom_fields = json_field(dict)
    renewal_lead = models.ForeignKey(
        Lead, null=True, blank=True, on_delete=models.SET_NULL, related_name="renewing_policies", editable=False
    )
    renewed_from = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.SET_NULL, related_name="renewals", editable=False
    )
    cancelled_on = models.DateField(null=True, blank=True, editable=False)
    cancellation_reason = models.CharField(
        max_length=20, choices=CancellationReason, blank=True, default="", db_default="", editable=False
    )
    search_text = search_field("number", "carrier")

    objects = LiveManager.from_queryset(PolicyQuerySet)()
    everything = models.Manager.from_queryset(PolicyQuerySet)()

    class Meta(Record.Meta):
        db_table = "policies"
        verbose_name_plural = "policies"
        permissions = [
            ("restore_policy", "Can restore a deleted policy"),
            ("purge_policy", "Can permanently delete a policy"),
        ]
        constraints = [
            choices_check("policies", "status", PolicyStatus),
            choices_check("policies", "billing_period", BillingPeriod),
            json_type_check("policies", "data", "object"),
            json_type_check("policies", "custom_fields", "object"),
            models.CheckConstraint(
                name="policies_premium_not_negative",
                condition=models.Q(premium__gte=0) | models.Q(premium__isnull=True),
                violation_error_message="The premium must not be negative.",
            ),
            models.CheckConstraint(
                name="policies_dates_in_order",
                condition=models.Q(expires_on__gt=models.F("effective_on"))
                | models.Q(expires_on__isnull=True)
                | models.Q(effective_on__isnull=True),
                violation_error_message="The policy must expire after it takes effect.",
            ),
            models.CheckConstraint(
                name="policies_terms_complete",
                condition=models.Q(status__in=UNPRICED_STATUSES)
                | (
                    ~models.Q(carrier="")
                    & models.Q(premium__isnull=False, effective_on__isnull=False, expires_on__isnull=False)
                ),
                violation_error_message="Only a quote may lack its carrier, premium, effective or expiry date.",
            ),
            models.CheckConstraint(
                name="policies_cancelled_with_reason",
                condition=models.Q(
                    status=PolicyStatus.CANCELLED,
                    cancelled_on__isnull=False,
                    cancellation_reason__in=CancellationReason.values,
                )
                | (~models.Q(status=PolicyStatus.CANCELLED) & models.Q(cancelled_on=None, cancellation_reason="")),
                violation_error_message="A cancelled policy, and no other, has a cancellation date and a reason.",
            ),
            models.CheckConstraint(
                name="policies_not_own_renewal",
                condition=models.Q(renewed_from__isnull=True) | ~models.Q(renewed_from=models.F("id")),
                violation_error_message="A policy cannot be its own renewal.",
            ),
            models.UniqueConstraint(
                "renewed_from",
                condition=LIVE & ~models.Q(status=PolicyStatus.CANCELLED),
                name="policies_one_renewal",
                violation_error_message="The policy already has a renewal.",
            ),
        ]
        indexes = [
            models.Index(EXPIRY_SORT_KEY, "id", condition=LIVE, name="policies_by_expiry"),
            models.Index("status", EXPIRY_SORT_KEY, "id", condition=LIVE, name="policies_status"),
            models.Index(EXPIRY_SORT_KEY, "id", condition=RUNNING_POLICIES, name="policies_running"),
            models.Index(PREMIUM_SORT_KEY.desc(), models.F("id").desc(), condition=LIVE, name="policies_premium"),
            models.Index(models.F("id").desc(), condition=~LIVE, name="policies_deleted"),
            # The book of business adds premiums up from the index alone.
            models.Index(
                fields=["expires_on", "effective_on"],
                include=[
                    *("status", "premium", "carrier", "insurance_type", "client"),
                    *("cancelled_on", "cancellation_reason"),
                ],
                condition=LIVE & ~models.Q(status=PolicyStatus.QUOTED),
                name="policies_book",
            ),
            search_index("policies"),
            custom_fields_index("policies"),
            GinIndex(OpClass("data", name="jsonb_path_ops"), condition=LIVE, name="policies_data"),
        ]

    def __str__(self) -> str:
        return " · ".join(part for part in (str(self.insurance_type), self.carrier, self.number) if part)

    @property
    def colour(self) -> str:
        return STATUS_COLOURS[self.status]

    @property
    def state(self) -> str:
        """Return the status in words, to be used in a sentence."""
        return self.get_status_display().lower()

    def current_renewal(self) -> "Policy | None":
        """Return the policy of the next term, unless it was cancelled or deleted."""
        renewals = self.renewals.filter(deleted_at=None).exclude(status=PolicyStatus.CANCELLED)
        return renewals.select_related("insurance_type").first()

    @property
    def expiry_text(self) -> str:
        """Return when the policy expires or expired, such as "in 12 days"; empty without a date."""
        return days_until(self.expires_on, agency_today()) if self.expires_on else ""

    @property
    def days_left(self) -> int | None:
        """Return the days until a running policy expires; negative when it has expired, None for any other policy."""
        if self.status not in RUNNING_STATUSES or self.expires_on is None:
            return None
        return (self.expires_on - agency_today()).days
