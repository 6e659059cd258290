"""Pairs of records that may be the same, found by a job and judged by a person."""

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models.functions import Now
from django.utils import timezone
from uuid_utils.compat import uuid7


class DuplicatePairQuerySet(models.QuerySet):
    def undecided(self) -> "DuplicatePairQuerySet":
        """Return the pairs that no user has dismissed."""
        return self.filter(dismissed_at__isnull=True)

    def dismissed(self) -> "DuplicatePairQuerySet":
        return self.filter(dismissed_at__isnull=False)


class DuplicatePair(models.Model):
    """Two records that may be the same. Each digest is that of the values that were compared.

    A pair counts as long as both records still have these values (`crm.records.duplicates.pairs.current_pairs`).
    """

    id = models.UUIDField(primary_key=True, default=uuid7, db_default=RandomUUID(), editable=False)
    # The older record of a table is the first one, and a client comes before a lead.
    first_table = models.CharField(max_length=60)
    first_id = models.UUIDField()
    first_digest = models.CharField(max_length=32)
    second_table = models.CharField(max_length=60)
    second_id = models.UUIDField()
    second_digest = models.CharField(max_length=32)
    reasons = ArrayField(models.CharField(max_length=20))
    # From 1 to 100; the list shows the most likely pairs first.
    score = models.PositiveSmallIntegerField()
    # A digest of what the two share. A dismissed pair comes back when this changes.
    shared_digest = models.CharField(max_length=32)
    found_at = models.DateTimeField(default=timezone.now, db_default=Now(), editable=False)
    dismissed_at = models.DateTimeField(null=True, blank=True)
    dismissed_by = models.ForeignKey("crm.User", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")

    objects = models.Manager.from_queryset(DuplicatePairQuerySet)()

    class Meta:
        db_table = "duplicate_pairs"
        default_permissions = ()
        verbose_name = "possible duplicate"
        constraints = [
            models.CheckConstraint(
                name="duplicate_pairs_of_two_records",
                condition=~models.Q(first_id=models.F("second_id")),
                violation_error_message="A record is no duplicate of itself.",
            ),
            models.CheckConstraint(
                name="duplicate_pairs_score_range",
                condition=models.Q(score__gte=1, score__lte=100),
                violation_error_message="The score must lie between 1 and 100.",
            ),
            models.UniqueConstraint(
                "first_id",
                "second_id",
                name="duplicate_pairs_once",
                violation_error_message="This pair is known already.",
            ),
        ]
        indexes = [
            models.Index(
                models.F("score").desc(),
                models.F("id").desc(),
                condition=models.Q(dismissed_at__isnull=True),
                name="duplicate_pairs_ranked",
            )
        ]

    def __str__(self) -> str:
        return f"possible duplicate {self.pk}"
