"""What an import changed of the leads that existed before it, so that it can be undone."""

from django.db import models

from crm.records.base import json_field, json_type_check


class ImportChange(models.Model):
    """The fields of one lead that one import changed.

    `changes` maps a column to its value before and after: `[before, after]`. A JSON column maps each of its keys to
    such a pair, in which null means that there was no such key; `tags` holds the tags that were added.
    """

    id = models.BigAutoField(primary_key=True)
    batch = models.ForeignKey("leads.ImportBatch", on_delete=models.CASCADE, related_name="changes", db_index=False)
    lead = models.ForeignKey("leads.Lead", on_delete=models.CASCADE, related_name="import_changes")
    line = models.PositiveBigIntegerField()
    changes = json_field(dict)

    class Meta:
        db_table = "import_changes"
        default_permissions = ()
        constraints = [
            json_type_check("import_changes", "changes", "object"),
            models.UniqueConstraint(
                fields=["batch", "lead"],
                name="import_changes_once_per_lead",
                violation_error_message="An import changes a lead once.",
            ),
        ]

    def __str__(self) -> str:
        return f"line {self.line}: {', '.join(self.changes)}"
