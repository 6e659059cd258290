"""Insert many rows with PostgreSQL's COPY, several times faster than INSERT."""

import json
from collections.abc import Callable, Sequence
from typing import Any

from django.db import connection, models


def copy_rows(rows: Sequence[models.Model], field_names: Sequence[str]) -> None:
    """Insert `rows` of one model with the fields `field_names`; other columns get the database's defaults.

    Only the database validates the rows, and no signals are sent.

    Raises:
        IntegrityError, DataError: the database refuses a row; then no row is inserted.
    """
    if not rows:
        return
    meta = rows[0]._meta
    fields = [meta.get_field(name) for name in field_names]
    converters: list[Callable[[Any], Any]] = [
        json.dumps if isinstance(field, models.JSONField) else keep_as_is for field in fields
    ]
    quote_name_sql = connection.ops.quote_name
    columns = ", ".join(quote_name_sql(field.column) for field in fields)
    statement = f"COPY {quote_name_sql(meta.db_table)} ({columns}) FROM STDIN"
    with connection.cursor() as cursor, connection.wrap_database_errors, cursor.copy(statement) as copy:
        for row in rows:
            values = (field.pre_save(row, add=True) for field in fields)
            copy.write_row([convert(value) for convert, value in zip(converters, values, strict=True)])


def keep_as_is(value: Any) -> Any:
    return value
