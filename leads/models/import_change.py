"""What an import changed of the records that existed before it, so that it can be undone."""

from django.db import models

from crm.records.base import json_field, json_type_check

# The foreign keys to the records that an import can change; a change has one of them.
CHANGED_RECORDS = ("lead", "client", "contact", "policy")


def changed_record(model: str) -> models.ForeignKey:
    """Return the foreign key to a changed record; a partial index below serves it."""
    return models.ForeignKey(model, null=True, on_delete=models.CASCADE, related_name="import_changes", db_index=False)


class ImportChange(models.Model):
    """The fields of one record that one import changed.

    `changes` maps a column to its value before and after: `[before, after]`. A JSON column maps each of its keys to
    such a pair, in which null means that there was no such key; `tags` holds the tags that were added.
    """

    id = models.BigAutoField(primary_key=True)
    batch = models.ForeignKey("leads.ImportBatch", on_delete=models.CASCADE, related_name="changes", db_index=False)
    lead = changed_record("leads.Lead")
    client = changed_record("crm.Client")
    contact = changed_record("crm.Contact")
    policy = changed_record("leads.Policy")
    line = models.PositiveBigIntegerField()
    changes = json_field(dict)

    class Meta:
        db_table = "import_changes"
        default_permissions = ()
        constraints = [
            json_type_check("import_changes", "changes", "object"),
            models.CheckConstraint(
                name="import_changes_one_record",
                condition=models.Q(
                    models.lookups.Exact(
                        models.Func(*CHANGED_RECORDS, function="num_nonnulls", output_field=models.IntegerField()), 1
                    )
                ),
                violation_error_message="A change by an import is that of one record.",
            ),
            *(
                models.UniqueConstraint(
                    fields=["batch", name],
                    condition=models.Q((f"{name}__isnull", False)),
                    name=f"import_changes_once_per_{name}",
                    violation_error_message=f"An import changes a {name} once.",
                )
                for name in CHANGED_RECORDS
            ),
        ]
        indexes = [
            models.Index(
                fields=[name], condition=models.Q((f"{name}__isnull", False)), name=f"import_changes_of_{name}"
            )
            for name in CHANGED_RECORDS
        ]

    def __str__(self) -> str:
        return f"line {self.line}: {', '.join(self.changes)}"
