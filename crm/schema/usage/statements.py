"""Statements of other programs that read JSON columns, from the server's statistics. Only read.

The server replaces constants by `$1`, so the key in `custom_fields ->> $1` is unknown: what is known is the column, how
often the statement ran, for how long, and how many rows it returned. No value of a record is among it.
"""

import re
from typing import NamedTuple

from django.apps import apps
from django.db import DatabaseError, connection, transaction
from django.utils.text import Truncator

from crm.models import ScannedTable
from crm.records.field_usage import json_columns

MAX_STATEMENTS, MAX_SHOWN_LENGTH = 50, 600
STATEMENTS_SQL = """
SELECT query, calls, total_exec_time, rows FROM pg_stat_statements
 WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
   AND query ~* '^[[:space:]]*(select|with|insert|update|delete)[[:space:]]'
   AND query ~ %s AND query ~ '->|#>|@>|@[?]|jsonb_' AND query !~ %s
 ORDER BY total_exec_time DESC LIMIT %s
"""
# Statements of scans and trials, and those that Django writes, with every name in quotation marks.
OWN_STATEMENTS = r'scan_sample|trial_sample|"[a-z_]+"\."(id|deleted_at)"'


class Statement(NamedTuple):
    """A normalised statement, the JSON columns that it names, and its figures; `milliseconds` is the mean."""

    text: str
    columns: list[str]
    calls: int
    milliseconds: float
    rows: int


def load_statements() -> list[Statement] | None:
    """Return the statements of most time; None where the server keeps no statistics, or this user may not read them."""
    columns = sorted({column for table in ScannedTable for column in json_columns(apps.get_model(table.value))})
    pattern = re.compile(r"\b(" + "|".join(columns) + r")\b")
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            named = r"\m(" + "|".join(columns) + r")\M"
            cursor.execute(STATEMENTS_SQL, [named, OWN_STATEMENTS, MAX_STATEMENTS])
            rows = cursor.fetchall()
    except DatabaseError:
        return None
    return [
        Statement(
            text=Truncator(" ".join(text.split())).chars(MAX_SHOWN_LENGTH),
            columns=sorted(set(pattern.findall(text))),
            calls=calls,
            milliseconds=total / calls if calls else 0.0,
            rows=returned,
        )
        for text, calls, total, returned in rows
    ]
