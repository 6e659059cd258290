"""People who were erased: digests of their addresses, and until when something about them is kept."""

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.functions import RandomUUID
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from uuid_utils.compat import uuid7


class ErasedPerson(models.Model):
    """A person who was erased on request.

    `digests` are those of the person's email addresses and phone numbers. A new lead or client with one of them must
    not be contacted: triggers see to it (crm/records/privacy/suppression.py).
    """

    id = models.UUIDField(primary_key=True, default=uuid7, db_default=RandomUUID(), editable=False)
    digests = ArrayField(
        models.CharField(max_length=64),
        default=list,
        db_default=models.Value([], ArrayField(models.CharField(max_length=64))),
    )
    # The client without a name that has policies which must be kept, and until when.
    client = models.ForeignKey("crm.Client", null=True, on_delete=models.SET_NULL, related_name="erasures")
    keep_until = models.DateField(null=True)

    class Meta:
        db_table = "erased_people"
        verbose_name_plural = "erased people"
        default_permissions = ()
        constraints = [
            models.CheckConstraint(
                name="erased_people_client_until",
                condition=models.Q(client__isnull=True) | models.Q(keep_until__isnull=False),
                violation_error_message="What is kept needs a date until when.",
            )
        ]
        indexes = [
            GinIndex(fields=["digests"], name="erased_people_digests"),
            models.Index("keep_until", condition=models.Q(client__isnull=False), name="erased_people_kept"),
        ]

    def __str__(self) -> str:
        return "Erased person"
