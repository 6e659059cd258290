"""The view that exports a list: the filters and the order of the screen, and what the user may see."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.utils.text import capfirst

from crm.exceptions import ActionRefused, InvalidInput
from crm.models import CustomField, User
from crm.records import transitions
from crm.records.json_keys import key_path
from crm.records.local_time import agency_today
from crm.screens.columns.choice import COLUMN_PARAM, choose_columns
from crm.screens.columns.column import Column, FieldColumn
from crm.screens.columns.screen import ColumnsViewMixin
from crm.screens.export.columns import ExportColumn, ExportTable, ListExport, custom_field_column, export_table
from crm.screens.export.csv_file import csv_chunks
from crm.screens.export.xlsx_file import MAX_SHEET_ROWS, xlsx_chunks
from crm.screens.filters import valid_rows
from crm.screens.lists import LIST_PARAMS, ORDER_PARAM
from crm.screens.paging import capped_count

FORMAT_PARAM = "format"
# Whether the file has the columns of the list, or all.
COLUMNS_PARAM, AS_SEEN = "columns", "seen"


@dataclass(frozen=True)
class FileFormat:
    """A format of the file. `write(table, title, row_count)` yields its bytes."""

    label: str
    content_type: str
    write: Callable[[ExportTable, str, int], Iterator[bytes]]
    max_rows: int | None = None


class ExportedFile(NamedTuple):
    """The bytes of a file, which are made as they are read, and the number of its rows."""

    chunks: Iterator[bytes]
    row_count: int


CSV, XLSX = "csv", "xlsx"
FILE_FORMATS = {
    CSV: FileFormat("CSV", "text/csv; charset=utf-8", lambda table, title, row_count: csv_chunks(table)),
    XLSX: FileFormat(
        "Excel",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        xlsx_chunks,
        MAX_SHEET_ROWS,
    ),
}


def field_column(shown: FieldColumn, user: User, *, taken: Collection[str]) -> ExportColumn:
    """Return the column of the file for a shown custom field or question; its heading is none of `taken`."""
    field = shown.field
    heading = f"{field.label} ({field.key})" if field.label in taken else field.label
    if isinstance(field, CustomField):
        return custom_field_column(heading, field.key, field, user)
    return ExportColumn(heading, shown.value, (field.column, key_path(*field.steps)))


class ExportViewMixin(ColumnsViewMixin):
    """For the admin class of a record: the view that exports its list, if `list_export` says how."""

    list_export: ClassVar[ListExport | None] = None

    def can_export(self, request: HttpRequest) -> bool:
        return self.list_export is not None and request.user.has_perm(transitions.EXPORT_PERMISSION)

    def export_view(self, request: HttpRequest) -> HttpResponse | StreamingHttpResponse:
        """Send the filtered list as a file; refuse filters and orders that cannot be used, and too many rows."""
        if not self.can_export(request) or not self.has_view_permission(request):
            raise PermissionDenied
        extension = request.POST.get(FORMAT_PARAM, CSV)
        try:
            exported = self.export_file(request, extension, lambda row: request.build_absolute_uri(self.page_url(row)))
        except ActionRefused as error:
            messages.error(request, f"The list was not exported. {error}")
            return HttpResponseRedirect(f"{self.list_url()}?{request.GET.urlencode()}")
        file = StreamingHttpResponse(exported.chunks, content_type=FILE_FORMATS[extension].content_type)
        name = str(self.opts.verbose_name_plural).lower().replace(" ", "-")
        file["Content-Disposition"] = f'attachment; filename="{name}-{agency_today()}.{extension}"'
        file["Cache-Control"] = "no-store"
        return file

    def export_file(
        self, request: HttpRequest, extension: str, page_url: Callable[[Any], str] | None = None
    ) -> ExportedFile:
        """Log the export of the list that `request.GET` describes, and return the file.

        Raises:
            InvalidInput: a filter, the order or the format is invalid, or there are too many rows.
            NotPermitted: the user lacks the permission to export.
        """
        if extension not in FILE_FORMATS:
            raise InvalidInput(f"“{extension[:10]}” is no format of an exported file. Choose csv or xlsx.")
        file_format, rows = FILE_FORMATS[extension], self.exported_rows(request)
        number = self.count_exported(rows, file_format)
        filters = {name: value for name, value in request.GET.items() if value and name != COLUMN_PARAM}
        noun = str(self.opts.verbose_name if number == 1 else self.opts.verbose_name_plural)
        transitions.record_export(f"{number:,} {noun} as {file_format.label}", filters, by=request.user)
        seen = self.seen_columns(request) if request.POST.get(COLUMNS_PARAM) == AS_SEEN else None
        table = export_table(self.list_export, rows, request.user, page_url, columns=seen)
        chunks = file_format.write(table, capfirst(str(self.opts.verbose_name_plural)), number)
        return ExportedFile(chunks, number)

    def seen_columns(self, request: HttpRequest) -> list[ExportColumn]:
        """Return the columns of the file for those that the list shows the user, in their order."""
        filterset = self.filterset_class(request.GET, self.get_queryset(request), request=request)
        own = {column.heading: column for column in self.list_export.columns}
        columns: dict[str, ExportColumn] = {}
        for shown in choose_columns(self, filterset, request).shown:
            if isinstance(shown, Column):
                columns |= {heading: own[heading] for heading in shown.exports}
            else:
                column = field_column(shown, request.user, taken=columns.keys())
                columns[column.heading] = column
        return list(columns.values())

    def exported_rows(self, request: HttpRequest) -> Any:
        """Return the rows that `request.GET` describes, in its order.

        Raises:
            InvalidInput: a filter or the order is unknown or invalid.
        """
        filterset = self.filterset_class(request.GET, self.get_queryset(request), request=request)
        rows = valid_rows(filterset, LIST_PARAMS)
        name = request.GET.get(ORDER_PARAM) or next(iter(self.orders))
        order = self.list_orders(filterset).get(name)
        if order is None:
            raise InvalidInput(f"Unknown sort order “{name[:40]}”. Choose another one first.")
        return order.sort(order.annotate_keys(rows))

    def count_exported(self, rows: Any, file_format: FileFormat) -> int:
        """Return the number of `rows`.

        Raises:
            InvalidInput: they are more than a file of this format holds.
        """
        limit = min(self.list_export.max_rows, file_format.max_rows or self.list_export.max_rows)
        number, plural = capped_count(rows, limit), str(self.opts.verbose_name_plural)
        if number <= limit:
            return number
        if limit < self.list_export.max_rows:
            raise InvalidInput(
                f"An {file_format.label} file holds at most {limit:,} {plural}. Export them as CSV, or filter the list."
            )
        raise InvalidInput(f"A file holds at most {limit:,} {plural}. Filter the list first.")
