"""Find the stored JSON that does not fit: answers to the questions of lines, and values of custom fields."""

from collections.abc import Iterator
from typing import Any, NamedTuple
from uuid import UUID

from django.apps import apps
from django.db import connection
from psycopg import sql

from crm.models import CustomField, CustomFieldTable
from crm.models.custom_field import REFERENCE_TABLES
from crm.screens.custom_fields.display import custom_fields_schema
from leads.lines.answers import FormCheck
from leads.lines.form_schemas import line_schema
from leads.models import InsuranceType
from leads.models.insurance_type import COLUMN_BY_LINE

BATCH_SIZE = 2_000
CUSTOM_FIELDS, LINE_DATA = "custom_fields", "line_data"
NO_LINE, NO_QUESTION = "there is no such line", "there is no such question or field"
NO_RECORD = "the record that it refers to does not exist"
NO_TARGET_SQL = sql.SQL("""
    SELECT id FROM {table} AS referring WHERE json_uuid(custom_fields, {key}) IS NOT NULL
       AND NOT EXISTS (SELECT FROM {target} AS target WHERE target.id = json_uuid(referring.custom_fields, {key}))
     ORDER BY id
""")
COLUMNS = {"leads.lead": (*COLUMN_BY_LINE.values(), LINE_DATA), "leads.policy": ("insurance_type__code", "data")}


class Misfit(NamedTuple):
    """A value that does not fit: its table, line (or `custom_fields`), key, the reason, and its record."""

    table: str
    line: str
    key: str
    reason: str
    pk: UUID


class JsonCheck:
    """Reads the JSON of every record once, in batches; deleted records too, because they can be restored."""

    def __init__(self, *, reports_unknown_keys: bool = False) -> None:
        self.reports_unknown_keys = reports_unknown_keys
        self.lines = {line.code: FormCheck(line_schema(line)) for line in InsuranceType.objects.all()}

    def misfits(self) -> Iterator[Misfit]:
        """Yield each value that does not fit, record by record; then each reference without its record."""
        for table in CustomFieldTable:
            model, fields = apps.get_model(table.value), FormCheck(custom_fields_schema(table.value))
            for row in read_rows(model, ("pk", CUSTOM_FIELDS, *COLUMNS.get(table.value, ()))):
                blobs = [(CUSTOM_FIELDS, row[CUSTOM_FIELDS], fields), *self.line_blobs(row)]
                for line, values, check in blobs:
                    for key, reason in self.check_blob(values, check):
                        yield Misfit(model._meta.db_table, line, key, reason, row["pk"])
            for field in CustomField.objects.filter(table=table, kind__in=list(REFERENCE_TABLES)).order_by("key"):
                for pk in records_without_target(field):
                    yield Misfit(model._meta.db_table, CUSTOM_FIELDS, field.key, NO_RECORD, pk)

    def line_blobs(self, row: dict[str, Any]) -> Iterator[tuple[str, Any, FormCheck | None]]:
        """Yield the code, the answers and the check of each line that a lead or policy has answers of."""
        pairs = [(code, row.get(column)) for code, column in COLUMN_BY_LINE.items()]
        pairs += row.get(LINE_DATA, {}).items()
        pairs += [(row["insurance_type__code"], row["data"])] if "data" in row else []
        yield from ((code, answers, self.lines.get(code)) for code, answers in pairs if answers)

    def check_blob(self, values: Any, check: FormCheck | None) -> Iterator[tuple[str, str]]:
        """Yield the key and the reason of each value of a blob that does not fit."""
        if check is None:
            yield "", NO_LINE
            return
        yield from check.misfits(values)
        if self.reports_unknown_keys:
            yield from ((key, NO_QUESTION) for key in check.unknown_keys(values))


def read_rows(model: Any, columns: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """Yield the `columns` of every row of `model`, in the order of the primary key; holds one batch at a time."""
    rows, after = model.everything.order_by("pk").values(*columns), UUID(int=0)
    while batch := list(rows.filter(pk__gt=after)[:BATCH_SIZE]):
        yield from batch
        after = batch[-1]["pk"]


def records_without_target(field: CustomField) -> list[UUID]:
    """Return the records that refer by `field` to a record that does not exist; a deleted one does."""
    table, target = (sql.Identifier(apps.get_model(name)._meta.db_table) for name in (field.table, field.refers_to))
    key = sql.SQL("{}::text").format(sql.Literal(field.key))
    with connection.cursor() as cursor:
        cursor.execute(NO_TARGET_SQL.format(table=table, target=target, key=key).as_string())
        return [pk for (pk,) in cursor.fetchall()]
