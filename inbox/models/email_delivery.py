"""The delivery of one outgoing email."""

from django.contrib.postgres.fields import ArrayField
from django.db import models

from crm.records.base import choices_check, range_check
from crm.runtime.delivery import RETRY_DELAYS


class EmailOrigin(models.TextChoices):
    """Who composed an email: the origin rechecks it before it goes out, and learns the outcome."""

    COMPOSER = "composer", "Composer"
    SUGGESTION = "suggestion", "Suggestion"


class EmailDeliveryQuerySet(models.QuerySet):
    """Named sets of deliveries."""

    def scheduled(self) -> "EmailDeliveryQuerySet":
        """Return the deliveries that wait for the time that their sender chose."""
        return self.filter(finished_at__isnull=True, scheduled_for__isnull=False)


class EmailDelivery(models.Model):
    """Hands one email over to the mail server. The state of the message says how far the delivery has come."""

    message = models.OneToOneField("inbox.Message", primary_key=True, on_delete=models.CASCADE, related_name="delivery")
    origin = models.CharField(
        max_length=12, choices=EmailOrigin, default=EmailOrigin.COMPOSER, db_default=EmailOrigin.COMPOSER
    )
    ordered_by = models.ForeignKey("crm.User", null=True, on_delete=models.SET_NULL, related_name="+")
    # The email can be withdrawn until then.
    run_after = models.DateTimeField()
    # The time that the sender chose; None for an email that leaves at once.
    scheduled_for = models.DateTimeField(null=True)
    # When the sender chose it: a newer message in the conversation holds the email.
    scheduled_at = models.DateTimeField(null=True)
    # The digests of the unknown recipients that the sender confirmed.
    confirmed_digests = ArrayField(
        models.CharField(max_length=64),
        default=list,
        db_default=models.Value([], ArrayField(models.CharField(max_length=64))),
    )
    retry_count = models.PositiveSmallIntegerField(default=0, db_default=0)
    # When a worker last claimed it.
    claimed_at = models.DateTimeField(null=True)
    # When it was settled: sent, failed, withdrawn, held or unconfirmed.
    finished_at = models.DateTimeField(null=True)

    objects = EmailDeliveryQuerySet.as_manager()

    class Meta:
        db_table = "email_deliveries"
        default_permissions = ()
        constraints = [
            choices_check("email_deliveries", "origin", EmailOrigin),
            range_check("email_deliveries", "retry_count", 0, len(RETRY_DELAYS), null=False),
            models.CheckConstraint(
                name="email_deliveries_schedule_complete",
                condition=models.Q(scheduled_for__isnull=True, scheduled_at__isnull=True)
                | models.Q(scheduled_for__isnull=False, scheduled_at__isnull=False),
                violation_error_message="A scheduled email needs the time at which it was scheduled.",
            ),
        ]
        indexes = [
            models.Index("run_after", condition=models.Q(finished_at__isnull=True), name="email_deliveries_open"),
            models.Index(
                "scheduled_for",
                condition=models.Q(finished_at__isnull=True, scheduled_for__isnull=False),
                name="email_deliveries_scheduled",
            ),
        ]

    def __str__(self) -> str:
        return f"Delivery of {self.message_id}"

    @property
    def is_from_composer(self) -> bool:
        return self.origin == EmailOrigin.COMPOSER
