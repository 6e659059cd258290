"""Imports of files: the file, what a person decided about it, its progress and its outcome; saved mappings."""

from typing import Any

from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models.functions import Lower, Now
from django.utils import timezone
from uuid_utils.compat import uuid7

from crm.records.base import can_see_everyone, choices_check, json_field, json_type_check, not_blank_check
from crm.records.local_time import format_long_day


class ImportState(models.TextChoices):
    UPLOADED = "UPLOADED", "Uploaded"
    CHECKING = "CHECKING", "Checking"
    CHECKED = "CHECKED", "Checked"
    QUEUED = "QUEUED", "Queued"
    RUNNING = "RUNNING", "Importing"
    DONE = "DONE", "Imported"
    FAILED = "FAILED", "Failed"
    CANCELLED = "CANCELLED", "Cancelled"
    UNDOING = "UNDOING", "Undoing"
    UNDONE = "UNDONE", "Undone"


class ImportedTable(models.TextChoices):
    """What the rows of a file become."""

    LEADS = "leads", "Leads"
    CLIENTS = "clients", "Clients"
    CONTACTS = "contacts", "Contacts"
    POLICIES = "policies", "Policies"
    NOTES = "notes", "Notes"


NOUNS = {
    ImportedTable.LEADS: ("lead", "leads"),
    ImportedTable.CLIENTS: ("client", "clients"),
    ImportedTable.CONTACTS: ("contact", "contacts"),
    ImportedTable.POLICIES: ("policy", "policies"),
    ImportedTable.NOTES: ("note", "notes"),
}
TRANSITIONS = {
    ImportState.UPLOADED: {ImportState.CHECKING, ImportState.CANCELLED},
    ImportState.CHECKING: {ImportState.CHECKED, ImportState.FAILED, ImportState.CANCELLED},
    # Changed answers need another check.
    ImportState.CHECKED: {ImportState.UPLOADED, ImportState.CHECKING, ImportState.QUEUED, ImportState.CANCELLED},
    ImportState.QUEUED: {ImportState.RUNNING, ImportState.CANCELLED},
    ImportState.RUNNING: {ImportState.DONE, ImportState.FAILED, ImportState.CANCELLED},
    ImportState.FAILED: {ImportState.UPLOADED, ImportState.CHECKING, ImportState.CANCELLED},
    ImportState.CANCELLED: {ImportState.UPLOADED, ImportState.CHECKING},
    ImportState.DONE: {ImportState.UNDOING},
    # An undoing that fails leaves all leads, so the import is as it was.
    ImportState.UNDOING: {ImportState.UNDONE, ImportState.DONE},
    # What people have worked on stays, and can be undone later.
    ImportState.UNDONE: {ImportState.UNDOING},
}
# A job works on the batch, or is about to.
BUSY_STATES = frozenset({ImportState.CHECKING, ImportState.QUEUED, ImportState.RUNNING, ImportState.UNDOING})
# Columns and answers can be changed.
EDITABLE_STATES = frozenset({ImportState.UPLOADED, ImportState.CHECKED, ImportState.FAILED, ImportState.CANCELLED})
STATE_COLOURS = {
    ImportState.CHECKING: "blue",
    ImportState.CHECKED: "teal",
    ImportState.QUEUED: "blue",
    ImportState.RUNNING: "blue",
    ImportState.DONE: "green",
    ImportState.FAILED: "red",
    ImportState.CANCELLED: "amber",
    ImportState.UNDOING: "blue",
}


class ImportBatchQuerySet(models.QuerySet):
    """Named sets of imports."""

    def visible_to(self, user: Any) -> "ImportBatchQuerySet":
        """Return the imports of `user`; all of them to those who see the records of every owner."""
        return self if can_see_everyone(user) else self.filter(imported_by=user)


class ImportBatch(models.Model):
    """One import of a file: of leads, clients, contacts, policies or notes."""

    id = models.UUIDField(primary_key=True, default=uuid7, db_default=RandomUUID(), editable=False)
    state = models.CharField(
        max_length=10, choices=ImportState, default=ImportState.UPLOADED, db_default=ImportState.UPLOADED
    )
    table = models.CharField(
        max_length=10, choices=ImportedTable, default=ImportedTable.LEADS, db_default=ImportedTable.LEADS
    )
    file_name = models.CharField(max_length=200)
    # The SHA-256 of the contents: a file keeps it under another name.
    file_hash = models.CharField(max_length=64)
    # Where the file is stored; empty for an import by command, and once the file is deleted.
    file_path = models.CharField(max_length=500, blank=True, default="", db_default="")
    file_size = models.BigIntegerField(default=0, db_default=0)
    # How the file is read: encoding, other likely encodings, dialect and column names.
    reading = json_field(dict)
    # What a person decided: fields of columns, values, notation, key, columns known at arrival.
    options = json_field(dict)
    # What the last check or the import found: counts, reasons, examples, questions.
    outcome = json_field(dict)
    error_message = models.TextField(blank=True, default="", db_default="")
    rows_done = models.PositiveBigIntegerField(default=0, db_default=0)
    record_count = models.PositiveIntegerField(default=0, db_default=0)
    # The leads that existed before, that it changed, and whose changes are not undone.
    updated_count = models.PositiveIntegerField(default=0, db_default=0)
    # The column with the identifiers of the other system, by which a later file refers to these records.
    key_column = models.CharField(max_length=200, blank=True, default="", db_default="")
    created_at = models.DateTimeField(default=timezone.now, db_default=Now())
    imported_at = models.DateTimeField(null=True, blank=True)
    imported_by = models.ForeignKey("crm.User", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")

    objects = ImportBatchQuerySet.as_manager()

    class Meta:
        db_table = "import_batches"
        verbose_name, verbose_name_plural = "import", "imports"
        base_manager_name = "objects"
        default_permissions = ("view", "add")
        permissions = [("undo_importbatch", "Can undo an import")]
        constraints = [
            choices_check("import_batches", "state", ImportState),
            choices_check("import_batches", "table", ImportedTable),
            *(json_type_check("import_batches", name, "object") for name in ("reading", "options", "outcome")),
            models.CheckConstraint(
                name="import_batches_done_is_dated",
                condition=~models.Q(state__in=[ImportState.DONE, ImportState.UNDOING, ImportState.UNDONE])
                | models.Q(imported_at__isnull=False),
                violation_error_message="A finished import needs the time at which it was imported.",
            ),
        ]
        indexes = [models.Index(fields=["file_hash"], name="import_batches_by_hash")]

    def __str__(self) -> str:
        if self.imported_at is None:
            return self.file_name
        by = f" by {self.imported_by}" if self.imported_by else ""
        return f"{self.file_name}, imported on {format_long_day(self.imported_at)}{by} ({self.described_count})"

    @property
    def noun(self) -> str:
        """Return what a row of the file becomes, such as “lead”; `plural` for several."""
        return NOUNS[self.table][0]

    @property
    def plural(self) -> str:
        return NOUNS[self.table][1]

    @property
    def described_count(self) -> str:
        """Return the number of records that the import made, such as “12 leads”."""
        return f"{self.record_count:,} {self.noun if self.record_count == 1 else self.plural}"

    @property
    def is_busy(self) -> bool:
        return self.state in BUSY_STATES

    @property
    def is_editable(self) -> bool:
        return self.state in EDITABLE_STATES and bool(self.file_path)

    @property
    def is_cancellable(self) -> bool:
        return ImportState.CANCELLED in TRANSITIONS[ImportState(self.state)] and self.state != ImportState.FAILED

    @property
    def is_undoable(self) -> bool:
        return self.state in (ImportState.DONE, ImportState.UNDONE) and self.record_count + self.updated_count > 0

    @property
    def colour(self) -> str:
        return STATE_COLOURS.get(ImportState(self.state), "grey")


class ImportedRecord(models.Model):
    """A record that an import made, of another table than leads, which name their import themselves."""

    record_id = models.UUIDField(primary_key=True, editable=False)
    # The label of the table, such as `crm.client`. A file of policies can make clients too.
    record_type = models.CharField(max_length=60)
    batch = models.ForeignKey(ImportBatch, on_delete=models.CASCADE, related_name="made_records")

    class Meta:
        db_table = "imported_records"
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.record_type} {self.record_id}"


class ImportMapping(models.Model):
    """The columns of a file and what a person decided about them, under a name. All who import share it."""

    id = models.UUIDField(primary_key=True, default=uuid7, db_default=RandomUUID(), editable=False)
    name = models.CharField(max_length=100)
    table = models.CharField(
        max_length=10, choices=ImportedTable, default=ImportedTable.LEADS, db_default=ImportedTable.LEADS
    )
    # The names of the columns of the file for which it was saved.
    header = json_field(list)
    # The decisions, as `ImportBatch.options`.
    options = json_field(dict)
    saved_at = models.DateTimeField(default=timezone.now, db_default=Now())
    saved_by = models.ForeignKey("crm.User", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        db_table = "import_mappings"
        verbose_name = "import mapping"
        default_permissions = ()
        constraints = [
            not_blank_check("import_mappings", "name"),
            choices_check("import_mappings", "table", ImportedTable),
            json_type_check("import_mappings", "header", "array"),
            json_type_check("import_mappings", "options", "object"),
            models.UniqueConstraint(
                Lower("name"),
                "table",
                name="import_mappings_name_unique",
                violation_error_message="There is a mapping with this name already.",
            ),
        ]

    def __str__(self) -> str:
        return self.name
