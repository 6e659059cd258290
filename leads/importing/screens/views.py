"""The pages of an import: upload, file, columns, values, preview, progress and result."""

from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from uuid_utils.compat import uuid7

from crm.exceptions import ActionRefused, InvalidInput
from crm.models import CustomField, User
from crm.records.transitions import IMPORT_PERMISSION, permission_name
from crm.screens.filter_bar.sheet import sampled_keys
from leads.importing.batches.files import RESULT_FILES, open_result, open_stored_file
from leads.importing.batches.receiving import ReceivingHandler
from leads.importing.batches.transitions import (
    answer_questions,
    cancel_import,
    change_file_reading,
    change_sheet,
    choose_table,
    question_key,
    queue_check,
    queue_import,
    save_options,
    upload_file,
)
from leads.importing.batches.undo import UNDO_PERMISSION, kept_changes, kept_records, queue_undo
from leads.importing.exceptions import RepeatedUpload
from leads.importing.files.sheets import SheetFile
from leads.importing.files.tables import TableFile
from leads.importing.preview import ImportOptions, load_questions, preview_import
from leads.importing.screens.examples import example_rows, updated_rows
from leads.importing.screens.forms import (
    MAX_MAPPED_COLUMNS,
    ColumnsForm,
    ReadingForm,
    SheetForm,
    TableForm,
    UploadForm,
    ValuesForm,
)
from leads.importing.screens.mappings import mapping_offers, mapping_urls
from leads.importing.screens.value_rows import load_value_rows
from leads.importing.tables.base import ImportTable
from leads.importing.tables.guess import TableGuess, guess_table
from leads.importing.tables.registry import importable_tables, table_named
from leads.importing.updates.policy import DuplicatePolicy
from leads.models import ImportBatch, ImportedTable
from leads.prediction.transitions import ACTIVATE_MODEL_PERMISSION

VIEW_PERMISSION = "leads.view_importbatch"
BATCHES_PER_PAGE = 50
SAMPLE_ROWS_SHOWN, SAMPLE_COLUMNS_SHOWN = 3, 30
EXAMPLE_KINDS = {"new": "New", "updated": "Updated", "duplicate": "Duplicates", "rejected": "Refused"}
COUNT_NAMES = {"new": "imported", "updated": "updated", "duplicate": "duplicates", "rejected": "rejected"}
COMMANDS = {"check": queue_check, "import": queue_import, "cancel": cancel_import, "undo": queue_undo}


def import_urls(site: AdminSite) -> list[URLPattern]:
    """Return the addresses of the pages of imports."""
    name, wrap, keys = "leads_importbatch", site.admin_view, {"site": site}
    one = "leads/import/<uuid:pk>/"
    return [
        path("leads/import/", wrap(imports_view), keys, name=f"{name}_changelist"),
        path(one, wrap(import_view), keys, name=f"{name}_change"),
        path(f"{one}file/", wrap(file_view), keys, name=f"{name}_file"),
        path(f"{one}columns/", wrap(columns_view), keys, name=f"{name}_columns"),
        path(f"{one}values/", wrap(values_view), keys, name=f"{name}_values"),
        *mapping_urls(site),
        *(path(f"{one}{kind}/", wrap(result_view), {"kind": kind}, name=f"{name}_{kind}") for kind in RESULT_FILES),
    ]


def check_can_view(user: User) -> None:
    if not user.has_perm(VIEW_PERMISSION):
        raise PermissionDenied


def can_import(user: User) -> bool:
    return user.has_perm(IMPORT_PERMISSION) and bool(importable_tables(user))


def load_batch(request: HttpRequest, pk: UUID) -> ImportBatch:
    """Return the import of the page, if the user may see it. Only those who may import can send a form."""
    check_can_view(request.user)
    if request.method == "POST" and not can_import(request.user):
        raise PermissionDenied
    visible = ImportBatch.objects.visible_to(request.user).select_related("imported_by")
    return get_object_or_404(visible, pk=pk)


def page_url(name: str, batch: ImportBatch) -> str:
    return reverse(f"admin:leads_importbatch_{name}", args=[batch.pk])


def render_page(
    request: HttpRequest, site: AdminSite, template: str, batch: ImportBatch | None, **context: Any
) -> HttpResponse:
    title = f"Import of {batch.file_name}" if batch else "Imports"
    shared = {
        **site.each_context(request),
        "title": title,
        "opts": ImportBatch._meta,
        "batch": batch,
        "step": "" if template == "page" else template,
        "can_import": can_import(request.user),
    }
    return TemplateResponse(request, f"leads/imports/{template}.html", {**shared, **context})


# The handler of the upload must be set before the CSRF check reads the form.
@csrf_exempt
def imports_view(request: HttpRequest, site: AdminSite) -> HttpResponse:
    """List imports, the newest first, and take in a new file."""
    check_can_view(request.user)
    if request.method != "POST":
        return render_imports(request, site, UploadForm())
    if not can_import(request.user):
        raise PermissionDenied
    handler = ReceivingHandler(request)
    request.upload_handlers = [handler]
    return receive_file(request, site, handler)


@csrf_protect
def receive_file(request: HttpRequest, site: AdminSite, handler: ReceivingHandler) -> HttpResponse:
    """Make an import of the file or the rows in the form."""
    form, key = UploadForm(request.POST, request.FILES), parse_key(request.POST.get("key", ""))
    if handler.error or key is None:
        # The key is the last input of the form.
        messages.error(request, handler.error or "The upload was cut off before its end. Upload the file again.")
        return HttpResponseRedirect(request.path)
    try:
        if form.is_valid():
            batch = upload_file(*form.name_and_content(), by=request.user, key=key)
            return HttpResponseRedirect(page_url("file", batch))
    except RepeatedUpload as error:
        messages.info(request, str(error))
        return HttpResponseRedirect(page_url("change", error.batch))
    except ActionRefused as error:
        form.add_error(None, str(error))
    return render_imports(request, site, form)


def render_imports(request: HttpRequest, site: AdminSite, form: UploadForm) -> HttpResponse:
    batches = ImportBatch.objects.visible_to(request.user).select_related("imported_by")
    batches = batches.defer("reading", "options", "outcome").order_by("-pk")
    if (table := request.GET.get("table", "")) in ImportedTable.values:
        batches = batches.filter(table=table)
    if (before := parse_key(request.GET.get("before", ""))) is not None:
        batches = batches.filter(pk__lt=before)
    page = list(batches[: BATCHES_PER_PAGE + 1])
    older = page[BATCHES_PER_PAGE - 1].pk if len(page) > BATCHES_PER_PAGE else None
    shown = page[:BATCHES_PER_PAGE]
    lists = {"batches": shown, "older": older, "tables": ImportedTable.choices, "table": table}
    return render_page(request, site, "list", None, form=form, upload_key=uuid7(), **lists)


def parse_key(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def import_view(request: HttpRequest, site: AdminSite, pk: UUID) -> HttpResponse:
    """Show how far an import is and what it found; check, import, answer or cancel."""
    batch = load_batch(request, pk)
    if request.method == "POST":
        try:
            do_command(request, batch)
        except ActionRefused as error:
            messages.error(request, str(error))
        return HttpResponseRedirect(page_url("change", batch))
    kind = request.GET.get("show", "new")
    kind = kind if kind in EXAMPLE_KINDS else "new"
    outcome = batch.outcome
    kinds = {**EXAMPLE_KINDS} if table_named(batch.table).updates else {**EXAMPLE_KINDS, "updated": ""}
    tabs = [(name, label, outcome.get(COUNT_NAMES[name], 0)) for name, label in kinds.items() if label]
    return render_page(
        request,
        site,
        "page",
        batch,
        tabs=tabs,
        kind=kind,
        examples=updated_rows(batch, request.user) if kind == "updated" else example_rows(batch, kind, request.user),
        policy=ImportOptions.from_json(batch.options).duplicates,
        kept_changes=kept_changes(batch, request.user),
        questions=[{**question, "key": question_key(question)} for question in outcome.get("questions", [])],
        record_page=record_page(batch),
        row_word="Row" if "sheet" in batch.reading else "Line",
        kept=kept_records(batch, request.user),
        can_undo=request.user.has_perm(UNDO_PERMISSION) and batch.is_undoable,
        list_url=list_url(batch, request.user),
        has_work=bool(outcome.get("imported") or outcome.get("updated")),
        has_errors=bool(outcome.get("duplicates") or outcome.get("rejected")) and bool(batch.file_path),
        is_workbook="sheet" in batch.reading,
        has_doubts=bool(outcome.get("doubts")) and bool(batch.file_path),
    )


def list_url(batch: ImportBatch, user: User) -> str:
    """Return the address of the list of the records of `batch`; empty if there are none for `user` to see."""
    model = table_named(batch.table).model
    if not batch.record_count or not user.has_perm(permission_name(model, "view")):
        return ""
    page = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    return f"{page}?{urlencode({'import_batch': batch.pk, **table_named(batch.table).list_params})}"


def record_page(batch: ImportBatch) -> str:
    """Return the name of the address of the page of a record of `batch`."""
    meta = table_named(batch.table).model._meta
    return f"admin:{meta.app_label}_{meta.model_name}_change"


def do_command(request: HttpRequest, batch: ImportBatch) -> None:
    """Do what the pressed button says.

    Raises:
        ActionRefused: the import is not in the state for it.
    """
    command = request.POST.get("do", "")
    if command == "answer":
        answer_questions(batch, {key: request.POST[key] for key in request.POST}, by=request.user)
        queue_check(batch, by=request.user)
    elif command in COMMANDS:
        COMMANDS[command](batch, by=request.user)
    else:
        raise InvalidInput("Choose what to do with the import.")


def file_view(request: HttpRequest, site: AdminSite, pk: UUID) -> HttpResponse:
    """Show how the file is read, with its first rows, and change its encoding and separator, or its sheet."""
    batch = load_batch(request, pk)
    file = stored_file(request, batch)
    if file is None:
        return HttpResponseRedirect(page_url("change", batch))
    posted, tables = request.POST if request.method == "POST" else None, importable_tables(request.user)
    is_sheet = isinstance(file, SheetFile)
    form_class, change = (SheetForm, change_sheet) if is_sheet else (ReadingForm, change_file_reading)
    form = form_class(posted, file=file)
    guess = guess_table(batch.file_name, file.header, tables) if tables else TableGuess(table_named(batch.table), "")
    table_form = TableForm(posted, guess=guess, tables=tables, chosen=batch.table)
    if form.is_bound and form.is_valid() and table_form.is_valid():
        try:
            choose_table(batch, table_form.cleaned_data["table"] or batch.table, by=request.user)
            change(batch, **form.cleaned_data, by=request.user)
            return HttpResponseRedirect(page_url("file" if "show" in request.POST else "columns", batch))
        except ActionRefused as error:
            form.add_error(None, str(error))
    rows = [row.cells[:SAMPLE_COLUMNS_SHOWN] for row in file.sample()[:SAMPLE_ROWS_SHOWN]]
    header = file.header[:SAMPLE_COLUMNS_SHOWN]
    more = len(file.header) - len(header)
    return render_page(request, site, "file", batch, forms=[table_form, form], header=header, rows=rows, more=more)


def stored_file(request: HttpRequest, batch: ImportBatch) -> TableFile | None:
    """Return the file of an import that can still be changed; else None, with a message."""
    if batch.is_editable:
        try:
            return open_stored_file(batch)
        except ActionRefused as error:
            messages.error(request, str(error))
            return None
    messages.info(request, "This import can no longer be changed.")
    return None


@dataclass(frozen=True)
class ColumnRow:
    """A column of the file on the page that maps columns."""

    name: str
    samples: list[str]
    reason: str
    field: Any
    custom_name: Any
    arrival: Any


def columns_view(request: HttpRequest, site: AdminSite, pk: UUID) -> HttpResponse:
    """Map the columns of the file to fields."""
    batch = load_batch(request, pk)
    file = stored_file(request, batch)
    if file is None:
        return HttpResponseRedirect(page_url("change", batch))
    options, table = ImportOptions.from_json(batch.options), table_named(batch.table)
    plan, refusal = guess_plan(file, options, table)
    chosen = {"table": table, "header": file.header, "plan": plan, "options": options}
    chosen["asks_arrival"] = table.has_stages and request.user.has_perm(ACTIVATE_MODEL_PERMISSION)
    chosen["questions"] = load_questions().values() if table.has_line_questions else ()
    posted = request.POST if request.method == "POST" else None
    form = ColumnsForm(posted, **chosen)
    if posted is not None and form.is_valid():
        try:
            save_options(batch, form.chosen_options(), by=request.user)
            return HttpResponseRedirect(page_url("values", batch))
        except ActionRefused as error:
            form.add_error(None, str(error))
    return render_page(
        request,
        site,
        "columns",
        batch,
        form=form,
        columns=column_rows(file, form, plan.reasons if plan else {}),
        refusal="" if form.errors else refusal,
        templates=[form[f"all_{name}"] for name in table.templates],
        notations=[form["decimal"], form["dates"]],
        policies=[*DuplicatePolicy],
        custom_names=custom_names(table, request.user),
        mappings=mapping_offers(batch.table, file.header),
        more=max(0, len(file.header) - MAX_MAPPED_COLUMNS),
    )


def custom_names(table: ImportTable, user: User) -> list[str]:
    """Return the keys of the custom fields of `table`: the defined ones, and those of records that `user` may see."""
    if not hasattr(table.model, "custom_fields"):
        return []
    defined = CustomField.objects.filter(table=table.model._meta.label_lower, is_active=True)
    return sorted({*defined.values_list("key", flat=True), *sampled_keys(table.model.objects.visible_to(user))})


def guess_plan(file: TableFile, options: ImportOptions, table: ImportTable) -> tuple[Any, str]:
    """Return the plan for `file`, or None and why there is none."""
    try:
        return preview_import(file, options, table)[1].plan, ""
    except ActionRefused as error:
        return None, str(error)


def column_rows(file: TableFile, form: ColumnsForm, reasons: Any) -> list[ColumnRow]:
    sample = file.sample()
    rows = []
    for index, name in enumerate(form.header):
        cells = (row.cells[index].strip() for row in sample if index < len(row.cells))
        texts = list(dict.fromkeys(filter(None, cells)))[:SAMPLE_ROWS_SHOWN]
        arrival = form[f"arrival_{index}"] if f"arrival_{index}" in form.fields else None
        inputs = (form[f"field_{index}"], form[f"name_{index}"], arrival)
        rows.append(ColumnRow(name, texts, reasons.get(index, ""), *inputs))
    return rows


def values_view(request: HttpRequest, site: AdminSite, pk: UUID) -> HttpResponse:
    """Map the texts of stages, sources, owners and so on to our values."""
    batch = load_batch(request, pk)
    file = stored_file(request, batch)
    if file is None:
        return HttpResponseRedirect(page_url("change", batch))
    options = ImportOptions.from_json(batch.options)
    try:
        rows = load_value_rows(batch, file, replace(options, values={}))
    except ActionRefused as error:
        messages.error(request, str(error))
        return HttpResponseRedirect(page_url("columns", batch))
    posted = request.POST if request.method == "POST" else None
    form = ValuesForm(posted, rows=rows, saved=options.values)
    if posted is not None and form.is_valid():
        try:
            save_options(batch, replace(options, values=form.chosen_values()), by=request.user)
            queue_check(batch, by=request.user)
            return HttpResponseRedirect(page_url("change", batch))
        except ActionRefused as error:
            form.add_error(None, str(error))
    pairs = [(row, form[f"value_{place}"]) for place, row in enumerate(rows)]
    return render_page(request, site, "values", batch, form=form, rows=pairs)


def result_view(request: HttpRequest, pk: UUID, kind: str) -> HttpResponse:
    """Return a result file of an import: the skipped rows, or the cells that did not fit."""
    batch = load_batch(request, pk)
    if request.method == "POST":
        raise Http404
    file = open_result(batch, kind)
    if file is None:
        raise Http404("This import has no such file, or it was deleted.")
    return FileResponse(file, as_attachment=True, filename=f"{batch.file_name}, {RESULT_FILES[kind]}")
