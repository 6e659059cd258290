"""Imports of files, remembered so that the same file is recognised."""

from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models.functions import Now
from django.utils import timezone
from uuid_utils.compat import uuid7

from crm.records.local_time import format_long_day


class ImportBatch(models.Model):
    """One import of a file of leads."""

    id = models.UUIDField(primary_key=True, default=uuid7, db_default=RandomUUID(), editable=False)
    file_name = models.CharField(max_length=200)
    # The SHA-256 of the contents: a file keeps it under another name.
    file_hash = models.CharField(max_length=64)
    lead_count = models.PositiveIntegerField()
    imported_at = models.DateTimeField(default=timezone.now, db_default=Now())
    imported_by = models.ForeignKey("crm.User", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        db_table = "import_batches"
        indexes = [models.Index(fields=["file_hash"], name="import_batches_by_hash")]

    def __str__(self) -> str:
        leads = "1 lead" if self.lead_count == 1 else f"{self.lead_count:,} leads"
        by = f" by {self.imported_by}" if self.imported_by else ""
        return f"{self.file_name}, imported on {format_long_day(self.imported_at)}{by} ({leads})"
