"""The column that a key of a JSON column is promoted to: its name, and the expression by which queries read it."""

import json
import re
from hashlib import sha256
from typing import Any

from django.db import models
from django.db.models.expressions import Col, Combinable

# Of the columns, triggers, indexes and statistics of promoted keys.
NAME_PREFIX = "cf_"
READABLE_LENGTH, HASH_LENGTH = 36, 10


def column_name(table: str, column: str, key: str, kind: str) -> str:
    """Return the name of the column for `key` of the JSON column `column` of `table` (a model label).

    It is readable where the key is. The hash keeps apart keys that read alike, and the prefix keeps it apart from the
    columns of models and from the words of SQL.
    """
    readable = re.sub("[^a-z0-9]+", "_", key.lower())[:READABLE_LENGTH].strip("_") or "key"
    identity = json.dumps([table, column, key, kind])
    return f"{NAME_PREFIX}{readable}_{sha256(identity.encode()).hexdigest()[:HASH_LENGTH]}"


class PromotedColumn(Combinable):
    """Reads a promoted column, which no model has, of the table that a query is about.

    `json_column` and `key` say where the value is in JSON.
    """

    def __init__(self, name: str, output_field: models.Field, json_column: str, key: str) -> None:
        self.json_column, self.key = json_column, key
        self.target = output_field.clone()
        self.target.set_attributes_from_name(name)

    def resolve_expression(self, query: Any, *args: Any, **kwargs: Any) -> Col:
        return Col(query.get_initial_alias(), self.target)
