"""What an exported list holds: its columns, the values of its rows, and what the user may see of them."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from itertools import islice
from typing import Any, NamedTuple

from django.db import connection, models
from django.db.models import OuterRef, QuerySet, Subquery

from crm.models import CustomField, FieldUse, User
from crm.records.consent import closed_channels
from crm.records.custom_fields.references import ReferenceNames, stored_record_key
from crm.records.field_usage import count_use
from crm.records.json_keys import key_path

MAX_EXPORT_ROWS = 10_000_000
EXPORT_CHUNK_SIZE = 2_000
CUSTOM_FIELDS_HEADING, CUSTOM_FIELD_PREFIX = "Custom fields", "Custom field: "
# More keys than these do not become columns of their own; their values then share one column, as JSON.
MAX_CUSTOM_FIELD_COLUMNS = 500
CellValue = str | int | float | Decimal | date | datetime | None


@dataclass(frozen=True)
class ExportColumn:
    """A column of the file: its heading, and how a row gives its value.

    `value` is the name of an attribute, with `__` before one of a related row, or a function of the row. What a row
    says of another record is read with `visible_name`. `json_key` names the JSON column and the path of the key that
    the value is read from, if it is. `prepare(rows)` reads at once what the values of some rows are made of.
    """

    heading: str
    value: str | Callable[[Any], Any]
    json_key: tuple[str, str] | None = None
    prepare: Callable[[list[Any]], None] | None = None

    def read_value(self, row: Any) -> Any:
        """Return the value for `row`: the label of a choice, None if a related row is missing."""
        if callable(self.value):
            return self.value(row)
        *path, name = self.value.split("__")
        for part in path:
            row = getattr(row, part)
            if row is None:
                return None
        label = getattr(row, f"get_{name}_display", None)
        return label() if label else getattr(row, name)


def refuses(channel: str) -> Callable[[Any], bool | None]:
    """Return a function that tells whether a lead or client must not be contacted on `channel`, even to answer.

    Blank where nothing forbids it: a "no" would come back from an import as a permission.
    """
    return lambda row: channel in closed_channels(row.communications, is_answer=True) or None


def consents(channel: str) -> Callable[[Any], bool | None]:
    """Return a function that tells what a lead or client said about consent; None if nothing."""
    return lambda row: (row.communications.get(channel) or {}).get("consent")


PREFERENCE_COLUMNS = (
    ExportColumn("Do not email", refuses("email")),
    ExportColumn("Do not call", refuses("phone")),
    ExportColumn("Do not text", refuses("sms")),
    ExportColumn("Email consent", consents("email")),
    ExportColumn("Phone consent", consents("phone")),
    ExportColumn("SMS consent", consents("sms")),
)


@dataclass(frozen=True)
class ListExport:
    """How a list is exported. `prepare(rows, user)` loads what the columns read, in a bounded number of statements.

    `find_columns(rows)` returns columns that depend on the exported rows. With `has_custom_fields`, each key in
    `custom_fields` of the rows becomes a column as well; with `has_links`, the last column is the address of the
    record's page.
    """

    columns: tuple[ExportColumn, ...]
    prepare: Callable[[QuerySet, User], QuerySet] = lambda rows, user: rows
    find_columns: Callable[[QuerySet], Iterable[ExportColumn]] = lambda rows: ()
    has_custom_fields: bool = False
    has_links: bool = False
    max_rows: int = MAX_EXPORT_ROWS


class ExportTable(NamedTuple):
    """The headings of a file, and the values of its rows in their order, read in chunks."""

    headings: list[str]
    rows: Iterator[list[CellValue]]


def export_table(
    export: ListExport,
    rows: QuerySet,
    user: User,
    page_url: Callable[[Any], str] | None = None,
    *,
    columns: list[ExportColumn] | None = None,
) -> ExportTable:
    """Return `rows` as a table for `user`, with all columns or with `columns` only.

    `page_url` returns the address of a row's page.
    """
    columns = columns or all_columns(export, rows, user, page_url)
    for column, key in filter(None, (column.json_key for column in columns)):
        count_use(FieldUse.EXPORTED, rows.model._meta.label_lower, column, [key], user)
    records = prepared(export.prepare(rows, user)[: export.max_rows].iterator(EXPORT_CHUNK_SIZE), columns)
    values = ([cell_value(column.read_value(record)) for column in columns] for record in records)
    return ExportTable([column.heading for column in columns], values)


def all_columns(
    export: ListExport, rows: QuerySet, user: User, page_url: Callable[[Any], str] | None
) -> list[ExportColumn]:
    columns = [*export.columns, *export.find_columns(rows)]
    if export.has_custom_fields:
        columns += custom_field_columns(rows, user, {column.heading.casefold() for column in columns})
    if page_url and export.has_links:
        columns.append(ExportColumn("Link", page_url))
    return columns


def prepared(records: Iterator[Any], columns: Iterable[ExportColumn]) -> Iterator[Any]:
    """Yield `records`, after each chunk of them was prepared for `columns`."""
    steps = [column.prepare for column in columns if column.prepare]
    while chunk := list(islice(records, EXPORT_CHUNK_SIZE)):
        for prepare in steps:
            prepare(chunk)
        yield from chunk


def custom_field_columns(rows: QuerySet, user: User, taken: set[str]) -> list[ExportColumn]:
    """Return a column for each key of the custom fields of `rows`; one for all if there are too many.

    The heading is the label of the field, or the key of one that is not defined, with the key in brackets if two are
    the same. One with the heading of another column is called “Custom field: label”.
    """
    keys = custom_field_keys(rows)
    defined = {field.key: field for field in CustomField.objects.filter(table=rows.model._meta.label_lower)}
    if len(keys) > MAX_CUSTOM_FIELD_COLUMNS:
        return [all_custom_fields_column(defined.values(), user)]
    headings = unique_names({key: defined[key].label if key in defined else key for key in keys})
    return [
        custom_field_column(
            f"{CUSTOM_FIELD_PREFIX}{heading}" if heading.casefold() in taken else heading, key, defined.get(key), user
        )
        for key, heading in headings.items()
    ]


def all_custom_fields_column(fields: Iterable[CustomField], user: User) -> ExportColumn:
    """Return the column of all custom fields as JSON, with references as in columns of their own."""
    names = {field.key: ReferenceNames(field.refers_to, user) for field in fields if field.refers_to}

    def value(row: Any) -> dict[str, Any] | None:
        cells = {key: reference_cell(row.custom_fields.get(key), inner) for key, inner in names.items()}
        shown = {key: cells.get(key, one) for key, one in row.custom_fields.items()}
        return {key: one for key, one in shown.items() if key not in names or one is not None} or None

    def prepare(chunk: list[Any]) -> None:
        for key, inner in names.items():
            inner.reload(row.custom_fields.get(key) for row in chunk)

    return ExportColumn(CUSTOM_FIELDS_HEADING, value, prepare=prepare)


def custom_field_column(heading: str, key: str, field: CustomField | None, user: User) -> ExportColumn:
    """Return the column of the values of `key`; the records of references are read for a chunk of rows at once."""
    json_key = ("custom_fields", key_path(key))
    if field is None or not field.refers_to:
        return ExportColumn(heading, lambda row: row.custom_fields.get(key), json_key)
    names = ReferenceNames(field.refers_to, user)
    return ExportColumn(
        heading,
        lambda row: reference_cell(row.custom_fields.get(key), names),
        json_key,
        lambda chunk: names.reload(row.custom_fields.get(key) for row in chunk),
    )


def reference_cell(value: Any, names: ReferenceNames) -> Any:
    """Return a reference with the key of its record, as an import reads it; nothing if the reader may not refer to it.

    An import leaves what a blank cell stands for as it is.
    """
    key = stored_record_key(value)
    if not key:
        return value
    return f"{names[key].text} ({key})" if names[key].can_be_chosen else None


def unique_names(names: Mapping[str, str]) -> dict[str, str]:
    """Return the name of each key, with the key in brackets if another has the same."""
    used = Counter(name.casefold() for name in names.values())
    return {key: f"{name} ({key})" if used[name.casefold()] > 1 else name for key, name in names.items()}


def custom_field_keys(rows: QuerySet) -> list[str]:
    """Return the keys of the custom fields of `rows` in alphabetical order, at most one more than can be columns."""
    inner = rows.order_by().values("custom_fields").exclude(custom_fields={})
    sql, params = inner.query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT DISTINCT key FROM ({sql}) AS exported, jsonb_object_keys(exported.custom_fields) AS key "
            f"ORDER BY key LIMIT {MAX_CUSTOM_FIELD_COLUMNS + 1}",
            params,
        )
        return [key for (key,) in cursor.fetchall()]


def visible_name(model: type[models.Model], column: str, field: str, user: User) -> Subquery:
    """Return the expression for `field` of the record that `column` refers to: null if `user` may not see it."""
    return Subquery(model.objects.visible_to(user).filter(pk=OuterRef(column)).values(field)[:1])


def cell_value(value: Any) -> CellValue:
    """Return what a cell holds of `value`: yes and no, lists by commas, other JSON as JSON, else as it is."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or isinstance(value, int | float | Decimal | date):
        return value
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ", ".join(value)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else str(value)
