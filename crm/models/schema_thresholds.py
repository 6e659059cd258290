"""The thresholds of the advice on keys: one row, which a schema admin edits with a reason."""

from django.db import models

from crm.records.base import Record, not_blank_check, range_check, with_row_audit

# The lowest and the highest value of each threshold.
THRESHOLD_RANGES: dict[str, tuple[int, int]] = {
    "window_days": (7, 365),
    "min_rows": (0, 100_000_000),
    "index_uses": (1, 1_000_000),
    "index_people": (1, 1_000),
    "column_uses": (1, 1_000_000),
    "column_filled_percent": (0, 100),
    "column_kind_percent": (50, 100),
    "gin_uses": (1, 1_000_000),
    "table_uses": (1, 1_000_000),
    "retire_filled_percent": (0, 100),
    "unused_days": (7, 730),
}


@with_row_audit()
class SchemaThresholds(Record):
    """When a key deserves an index, a column or a table of its own, and when it can be retired. There is one row."""

    is_only = models.BooleanField(default=True, db_default=True, editable=False)
    window_days = models.PositiveSmallIntegerField(
        "days counted", default=30, db_default=30, help_text="Only uses within this many days count."
    )
    min_rows = models.PositiveIntegerField(
        "records of the table",
        default=10_000,
        db_default=10_000,
        help_text="In a smaller table every key stays as it is: reading all of it is fast enough.",
    )
    index_uses = models.PositiveIntegerField(
        "uses for an index",
        default=20,
        db_default=20,
        help_text="From this many filters and sorts on, an expression index is advised.",
    )
    index_people = models.PositiveSmallIntegerField(
        "people for an index or column", default=2, db_default=2, help_text="At least this many people used the key."
    )
    column_uses = models.PositiveIntegerField(
        "uses for a column",
        default=200,
        db_default=200,
        help_text="From this many filters and sorts on, a column is advised.",
    )
    column_filled_percent = models.PositiveSmallIntegerField(
        "filled, % for a column", default=50, db_default=50, help_text="At least this share of the records has a value."
    )
    column_kind_percent = models.PositiveSmallIntegerField(
        "one kind, % for a column",
        default=98,
        db_default=98,
        help_text="At least this share of the values is of one kind.",
    )
    gin_uses = models.PositiveIntegerField(
        "uses for a GIN index",
        default=5,
        db_default=5,
        help_text="From this many filters by “is” on, a GIN index is advised, where the column has none.",
    )
    table_uses = models.PositiveIntegerField(
        "uses for a table",
        default=20,
        db_default=20,
        help_text="From this many filters and sorts of a list on, a table is advised.",
    )
    retire_filled_percent = models.PositiveSmallIntegerField(
        "filled, % at most to retire",
        default=5,
        db_default=5,
        help_text="An unused key that more of the records have stays.",
    )
    unused_days = models.PositiveSmallIntegerField(
        "days without use",
        default=90,
        db_default=90,
        help_text="After this many days a key or an index counts as unused.",
    )
    reason = models.TextField(help_text="Why the thresholds are changed.")

    class Meta(Record.Meta):
        db_table = "schema_thresholds"
        default_permissions = ("view", "change")
        verbose_name = "thresholds of the schema advice"
        verbose_name_plural = "thresholds of the schema advice"
        constraints = [
            models.UniqueConstraint(
                "is_only",
                name="schema_thresholds_one_row",
                violation_error_message="There is one row of thresholds.",
            ),
            models.CheckConstraint(
                name="schema_thresholds_stays",
                condition=models.Q(is_only=True, deleted_at__isnull=True),
                violation_error_message="The thresholds can be changed, but not deleted.",
            ),
            not_blank_check("schema_thresholds", "reason"),
            *(range_check("schema_thresholds", name, *bounds, null=False) for name, bounds in THRESHOLD_RANGES.items()),
            models.CheckConstraint(
                name="schema_thresholds_column_after_index",
                condition=models.Q(column_uses__gte=models.F("index_uses")),
                violation_error_message="A column needs at least as many uses as an index.",
            ),
        ]

    def __str__(self) -> str:
        return "Thresholds of the schema advice"
