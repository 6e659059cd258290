"""The statements that insert the staged rows of a table, its timeline and its list of records."""

from collections.abc import Iterable, Mapping

from django.db import models

from leads.importing.staging import NEW_ROWS_SQL

INSERT_RECORDS_SQL = """
    INSERT INTO {table} (updated_at, {columns}) SELECT %(at)s, {values} {rows}
"""
# The line of the import takes the ID of the record, which is ordered by time.
INSERT_ACTIVITY_SQL = """
    INSERT INTO activity_logs (id, actor_type, actor_id, verb, summary, target_type, target_id,
                               about_type, about_id, metadata, occurred_at, created_at)
    SELECT id, %(actor_type)s, %(user)s, 'created', {summary}, '{label}', id, {about},
           %(metadata)s::jsonb || jsonb_build_object({details}), %(at)s, %(at)s {rows}
"""
INSERT_IMPORTED_SQL = """
    INSERT INTO imported_records (record_id, record_type, batch_id) SELECT id, '{label}', %(batch)s {rows}
"""
FILE_AND_LINE_SQL = "format('Imported from %%s, %%s %%s', %(file)s::text, %(row_word)s::text, line)"


def insert_records(model: type[models.Model], columns: Iterable[str], values: Mapping[str, str]) -> str:
    """Return the statement that inserts the rows of a chunk; `values` replaces columns by expressions."""
    names = [model._meta.get_field(name).column for name in columns]
    expressions = {"created_at": "coalesce(created_at, %(at)s)", **values}
    return INSERT_RECORDS_SQL.format(
        table=model._meta.db_table,
        columns=", ".join(names),
        values=", ".join(expressions.get(name, name) for name in names),
        rows=NEW_ROWS_SQL,
    )


def insert_activity(
    model: type[models.Model], summary: str = FILE_AND_LINE_SQL, about: str = "", details: str = "'line', line"
) -> str:
    """Return the statement that writes one line for each record, on its own timeline or on that of `about`.

    `details` are the names and expressions of its metadata.
    """
    label = model._meta.label_lower
    return INSERT_ACTIVITY_SQL.format(
        label=label, about=about or f"'{label}', id", summary=summary, details=details, rows=NEW_ROWS_SQL
    )


def insert_imported(model: type[models.Model]) -> str:
    """Return the statement that notes which records the import made."""
    return INSERT_IMPORTED_SQL.format(label=model._meta.label_lower, rows=NEW_ROWS_SQL)
