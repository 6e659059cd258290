"""Keys of custom fields that have values and no definition: from imports, other programs, deleted definitions."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.apps import apps
from django.db import connection
from django.utils.text import capfirst

from crm.models import CustomField, CustomFieldKind, CustomFieldTable, User
from crm.models.custom_field import REFERENCE_TABLES
from crm.records.json_keys import ISO_DATE_PATTERN

# Reading every row of a large table takes too long for a page, so the newest are read; the page says so.
SAMPLED_ROW_COUNT, MAX_KEYS = 10_000, 200
COUNT_KINDS_SQL = """
SELECT key, count(*),
       count(*) FILTER (WHERE jsonb_typeof(value) = 'number'),
       count(*) FILTER (WHERE jsonb_typeof(value) = 'boolean'),
       count(*) FILTER (WHERE text ~ '{iso_date}$'),
       count(*) FILTER (WHERE text ~* '^https?://[^[:space:]]+$'),
       count(*) FILTER (WHERE text ~ '^[^@[:space:]]+@[^@[:space:]]+[.][^@[:space:]]+$'),
       count(json_uuid(newest.custom_fields, key)),
       max(length(text))
FROM ({newest}) AS newest,
     jsonb_each(newest.custom_fields), LATERAL (SELECT value #>> '{{}}' AS text) AS plain
WHERE key <> ALL (%s)
GROUP BY key ORDER BY 2 DESC, key LIMIT %s
"""
RECORD_KEYS_SQL = """
SELECT DISTINCT json_uuid(newest.custom_fields, %s) FROM ({newest}) AS newest
 WHERE json_uuid(newest.custom_fields, %s) IS NOT NULL
"""
KINDS_IN_ORDER = (
    CustomFieldKind.NUMBER,
    CustomFieldKind.YES_NO,
    CustomFieldKind.DATE,
    CustomFieldKind.LINK,
    CustomFieldKind.EMAIL,
)
SHORT_TEXT_LENGTH = 200


@dataclass(frozen=True)
class UndefinedKey:
    """A key without a definition, in how many of the sampled rows it has a value, and the kind that fits them all."""

    table: CustomFieldTable
    key: str
    row_count: int
    kind: CustomFieldKind

    @property
    def label(self) -> str:
        return capfirst(self.key.replace("_", " ").strip())

    @property
    def definition_query(self) -> str:
        """The query string of the form that defines this key."""
        return urlencode({"table": self.table, "key": self.key, "label": self.label, "kind": self.kind})


def find_undefined_keys(table: CustomFieldTable, user: User) -> list[UndefinedKey]:
    """Return the undefined keys in the newest rows of `table` that `user` may see, the most used first."""
    defined = list(CustomField.objects.filter(table=table).values_list("key", flat=True))
    rows = apps.get_model(table.value).objects.visible_to(user).order_by("-id")
    newest, params = rows.values("custom_fields")[:SAMPLED_ROW_COUNT].query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(COUNT_KINDS_SQL.format(newest=newest, iso_date=ISO_DATE_PATTERN), [*params, defined, MAX_KEYS])
        counted = cursor.fetchall()
    found = []
    for key, count, *fitting, record_keys, longest in counted:
        kind = guess_kind(count, tuple(fitting), longest)
        if record_keys == count:
            kind = guess_reference(key, newest, params, user) or kind
        found.append(UndefinedKey(table, key, count, kind))
    return found


def guess_reference(key: str, newest: str, params: Any, user: User) -> CustomFieldKind | None:
    """Return the kind of reference that fits all values of `key`, keys of records; None if no table has them all.

    `newest` is the statement of the sampled rows, with its `params`. Only records that `user` may see count.
    """
    with connection.cursor() as cursor:
        cursor.execute(RECORD_KEYS_SQL.format(newest=newest), [key, *params, key])
        keys = [found for (found,) in cursor.fetchall()]
    for kind, label in REFERENCE_TABLES.items():
        rows = apps.get_model(label)._base_manager.filter(pk__in=keys).order_by()
        visible = rows.visible_to(user) if hasattr(rows, "visible_to") else rows
        if visible.count() == len(keys):
            return CustomFieldKind(kind)
    return None


def guess_kind(count: int, fitting_counts: tuple[int, ...], longest: Any) -> CustomFieldKind:
    """Return the kind that fits all `count` values, given how many fit each of `KINDS_IN_ORDER`."""
    for kind, fitting in zip(KINDS_IN_ORDER, fitting_counts, strict=True):
        if fitting == count:
            return kind
    return CustomFieldKind.TEXT if (longest or 0) <= SHORT_TEXT_LENGTH else CustomFieldKind.LONG_TEXT
