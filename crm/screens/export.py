"""Export the rows of a list as a CSV file: the filters and the order of the screen, and what the user may see."""

import csv
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, ClassVar

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import connection, models
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse

from crm.exceptions import ActionRefused, InvalidInput
from crm.models import User
from crm.records import transitions
from crm.records.consent import closed_channels
from crm.records.local_time import agency_today
from crm.screens.filters import unknown_filters
from crm.screens.lists import LIST_PARAMS, ORDER_PARAM
from crm.screens.paging import capped_count
from crm.text.spreadsheet_cells import escape_formula

# Excel opens 1,048,576 rows.
MAX_EXPORT_ROWS = 1_000_000
EXPORT_CHUNK_SIZE = 2_000
CUSTOM_FIELDS_HEADING = "Custom fields"
# More keys than these do not become columns of their own; their values then share one column, as JSON.
MAX_CUSTOM_FIELD_COLUMNS = 500


@dataclass(frozen=True)
class ExportColumn:
    """A column of the file: its heading, and how a row gives its value.

    `value` is the name of an attribute, with `__` before one of a related row, or a function of the row. What a row
    says of another record is read with `visible_name`.
    """

    heading: str
    value: str | Callable[[Any], Any]

    def cell_value(self, row: Any) -> Any:
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


def refuses(channel: str) -> Callable[[Any], bool]:
    """Return a function that tells whether a lead or client must not be contacted on `channel`, even to answer."""
    return lambda row: channel in closed_channels(row.communications, is_answer=True)


REFUSAL_COLUMNS = (
    ExportColumn("Do not email", refuses("email")),
    ExportColumn("Do not call", refuses("phone")),
    ExportColumn("Do not text", refuses("sms")),
)


@dataclass(frozen=True)
class ListExport:
    """How a list is exported. `prepare(rows, user)` loads what the columns read, in a bounded number of statements.

    With `has_custom_fields`, each key in `custom_fields` of the exported rows becomes a column as well; with
    `has_links`, the last column is the address of the record's page.
    """

    columns: tuple[ExportColumn, ...]
    prepare: Callable[[QuerySet, User], QuerySet] = lambda rows, user: rows
    has_custom_fields: bool = False
    has_links: bool = False
    max_rows: int = MAX_EXPORT_ROWS


class EchoBuffer:
    """A file object with a `write` that returns the text, so that `csv.writer` can stream."""

    def write(self, text: str) -> str:
        return text


def csv_lines(
    export: ListExport, rows: QuerySet, user: User, page_url: Callable[[Any], str] | None = None
) -> Iterator[str]:
    """Yield `rows` as lines of CSV for `user`, in their order, without holding more than a chunk of them.

    `page_url` returns the address of a row's page.
    """
    write = csv.writer(EchoBuffer()).writerow
    columns = [*export.columns, *(custom_field_columns(export, rows) if export.has_custom_fields else ())]
    if page_url and export.has_links:
        columns.append(ExportColumn("Link", page_url))
    # Excel recognises UTF-8 only by the byte order mark.
    yield "\ufeff" + write([escape_formula(column.heading) for column in columns])
    for row in export.prepare(rows, user)[: export.max_rows].iterator(EXPORT_CHUNK_SIZE):
        yield write([export_cell(column.cell_value(row)) for column in columns])


def custom_field_columns(export: ListExport, rows: QuerySet) -> list[ExportColumn]:
    """Return a column for each key of the custom fields of `rows`, by name; one for all if there are too many.

    A key with the heading of another column is called “Custom field: key”.
    """
    taken = {column.heading.casefold() for column in export.columns}
    keys = custom_field_keys(rows)
    if len(keys) > MAX_CUSTOM_FIELD_COLUMNS:
        return [ExportColumn(CUSTOM_FIELDS_HEADING, lambda row: row.custom_fields or None)]
    headings = (f"Custom field: {key}" if key.casefold() in taken else key for key in keys)
    return [
        ExportColumn(heading, lambda row, key=key: row.custom_fields.get(key))
        for heading, key in zip(headings, keys, strict=True)
    ]


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


def export_cell(value: Any) -> str:
    """Return `value` as the text of a cell: dates in ISO 8601, yes and no, lists by commas, other JSON as JSON."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float | Decimal):
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return escape_formula(", ".join(value))
    if isinstance(value, list | dict):
        return escape_formula(json.dumps(value, ensure_ascii=False))
    return escape_formula(str(value))


class ExportViewMixin:
    """For the admin class of a record: the view that exports its list, if `list_export` says how."""

    list_export: ClassVar[ListExport | None] = None

    def can_export(self, request: HttpRequest) -> bool:
        return self.list_export is not None and request.user.has_perm(transitions.EXPORT_PERMISSION)

    def export_view(self, request: HttpRequest) -> HttpResponse | StreamingHttpResponse:
        """Send the filtered list as a file; refuse filters and orders that cannot be used, and too many rows."""
        if not self.can_export(request) or not self.has_view_permission(request):
            raise PermissionDenied
        try:
            lines = self.export_lines(request, lambda row: request.build_absolute_uri(self.page_url(row)))
        except ActionRefused as error:
            messages.error(request, f"The list was not exported. {error}")
            return HttpResponseRedirect(f"{self.list_url()}?{request.GET.urlencode()}")
        file = StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8")
        name = str(self.opts.verbose_name_plural).lower().replace(" ", "-")
        file["Content-Disposition"] = f'attachment; filename="{name}-{agency_today()}.csv"'
        file["Cache-Control"] = "no-store"
        return file

    def export_lines(self, request: HttpRequest, page_url: Callable[[Any], str] | None = None) -> Iterator[str]:
        """Log the export of the list that `request.GET` describes, and return its lines.

        Raises:
            InvalidInput: a filter or the order is invalid, or there are too many rows.
            NotPermitted: the user lacks the permission to export.
        """
        filterset = self.filterset_class(request.GET, self.get_queryset(request), request=request)
        order = self.orders.get(request.GET.get(ORDER_PARAM) or next(iter(self.orders)))
        invalid = [*filterset.form.errors, *unknown_filters(filterset, LIST_PARAMS), *([] if order else [ORDER_PARAM])]
        if invalid:
            raise InvalidInput(f"The filter “{invalid[0][:40]}” is unknown or invalid. Correct it first.")
        rows = order.sort(order.annotate_keys(filterset.qs))
        number, plural = capped_count(rows, self.list_export.max_rows), str(self.opts.verbose_name_plural)
        if number > self.list_export.max_rows:
            raise InvalidInput(f"A file holds at most {self.list_export.max_rows:,} {plural}. Filter the list first.")
        filters = {name: value for name, value in request.GET.items() if value}
        noun = str(self.opts.verbose_name) if number == 1 else plural
        transitions.record_export(f"{number:,} {noun}", filters, by=request.user)
        return csv_lines(self.list_export, rows, request.user, page_url)
