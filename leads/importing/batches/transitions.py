"""The steps of an import on the screen: upload, change, check, import, cancel. A job does what takes long."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.core.files.base import File
from django.db import IntegrityError, transaction

from crm.exceptions import IllegalTransition, InvalidInput, NotPermitted
from crm.models import NotificationKind, User
from crm.records.activity import SYSTEM_ACTOR, Actor
from crm.records.notifications.notify import notify
from crm.records.transitions import IMPORT_PERMISSION
from crm.runtime.job_queue import configure_job, enqueue
from leads.importing.arrival import ArrivalAnswers
from leads.importing.batches.files import (
    delete_stored_files,
    deleted_on_error,
    open_stored_file,
    store_file,
    stored_path,
)
from leads.importing.batches.receiving import delete_abandoned_uploads
from leads.importing.exceptions import RepeatedUpload
from leads.importing.files.decoding import SAMPLE_SIZE
from leads.importing.files.opening import hash_blocks, open_table
from leads.importing.files.sheets import open_sheet_file
from leads.importing.files.tables import TableFile
from leads.importing.preview import ImportOptions, preview_import, printable_file_name
from leads.importing.report import ImportOutcome
from leads.importing.tables.guess import guess_table
from leads.importing.tables.registry import TABLES, importable_tables, table_named
from leads.importing.transitions import require_option_permissions
from leads.models import ImportBatch, ImportState
from leads.models.import_batch import BUSY_STATES, EDITABLE_STATES, TRANSITIONS

RUN_IMPORT_TASK = "leads.run_import"
MAX_DELETED_BATCHES = 100


def require_import_permission(by: User, table: str = "") -> None:
    """Refuse users who may not import records of `table`; without one, those who may not import anything."""
    actor = Actor.of(by)
    actor.require_permission(IMPORT_PERMISSION, "import files")
    if table:
        table_named(table).require_permission(actor)
    elif not importable_tables(by):
        raise NotPermitted(f"{by} may not add the records of a file.")


def upload_file(name: str, content: File, *, by: User, key: UUID | None = None) -> ImportBatch:
    """Store an uploaded file, and return its new import.

    The `key` of the form becomes that of the import, so that a form that is sent twice makes one import.

    Raises:
        NotPermitted: `by` may not import anything.
        InvalidInput: the file is empty, is no table, cannot be stored, or its first row does not name columns.
        RepeatedUpload: the same form was sent before, with the same file.
    """
    require_import_permission(by)
    batch = ImportBatch(file_name=printable_file_name(name), imported_by=by, file_size=content.size)
    if not content.size:
        raise InvalidInput(f"{batch.file_name} is empty.")
    batch.file_hash = getattr(content, "sha256", "") or hash_blocks(content.chunks())
    if key is not None:
        refuse_repeated_upload(batch, key)
        batch.pk = key
    batch.file_path = store_file(batch, content)
    with deleted_on_error(batch.file_path):
        # Also refuses a first row without column names.
        file = open_table(stored_path(batch), limit=SAMPLE_SIZE)
        batch.reading = file.to_json()
        batch.table = guess_table(batch.file_name, file.header, importable_tables(by)).table.name
        try:
            with transaction.atomic():
                batch.save(force_insert=True)
        except IntegrityError:
            refuse_repeated_upload(batch, batch.pk)
            raise
    return batch


def refuse_repeated_upload(batch: ImportBatch, key: UUID) -> None:
    """Refuse the file of `batch` if the form with this `key` has brought a file before.

    Raises:
        RepeatedUpload: it was the same file.
        InvalidInput: it was another one.
    """
    known = ImportBatch.objects.filter(pk=key).first()
    if known is None:
        return
    if (known.imported_by, known.file_hash) == (batch.imported_by, batch.file_hash):
        raise RepeatedUpload(known)
    raise InvalidInput("This form was sent before. Reload the page, and upload the file again.")


def move(batch: ImportBatch, state: ImportState, sources: Iterable[str] = tuple(ImportState), **changes: Any) -> None:
    """Change the state of `batch`, if it is in one of `sources` from which this is allowed.

    Raises:
        IllegalTransition: it is in another state.
    """
    allowed = [source for source in sources if state in TRANSITIONS[ImportState(source)]]
    if ImportBatch.objects.filter(pk=batch.pk, state__in=allowed).update(state=state, **changes) != 1:
        batch.refresh_from_db()
        raise IllegalTransition(
            f"The import of {batch.file_name} is {batch.get_state_display().lower()} now, so this is not possible."
        )
    batch.refresh_from_db()


@transaction.atomic
def change_file_reading(batch: ImportBatch, *, encoding: str, delimiter: str, by: User) -> None:
    """Read the file in another encoding or with another separator. Other column names need new decisions.

    Raises:
        IllegalTransition: a job works on the import, or it is finished.
        InvalidInput: the file cannot be read so.
    """
    require_import_permission(by, batch.table)
    require_editable(batch)
    file = open_table(stored_path(batch), encoding=encoding, delimiter=delimiter)
    if encoding != batch.reading.get("encoding") or delimiter != batch.reading["dialect"][0]:
        save_reading(batch, file)


@transaction.atomic
def change_sheet(batch: ImportBatch, *, sheet: str, by: User) -> None:
    """Read another sheet of a workbook. Other column names need new decisions.

    Raises:
        IllegalTransition: a job works on the import, or it is finished.
        InvalidInput: there is no such sheet, or it is empty.
    """
    require_import_permission(by, batch.table)
    require_editable(batch)
    file = open_sheet_file(stored_path(batch), sheet)
    if file.sheet != batch.reading.get("sheet"):
        save_reading(batch, file)


def save_reading(batch: ImportBatch, file: TableFile) -> None:
    reading = file.to_json()
    options = batch.options if reading["header"] == batch.reading.get("header") else {}
    save_decisions(batch, reading=reading, options=options)


@transaction.atomic
def choose_table(batch: ImportBatch, table: str, *, by: User) -> None:
    """Say what the rows of the file of `batch` are. Another table needs new decisions about the columns.

    Raises:
        NotPermitted: `by` may not add such records.
        IllegalTransition: a job works on the import, or it is finished.
        InvalidInput: there is no such table.
    """
    if table not in TABLES:
        raise InvalidInput(f"Choose what is in the file: {', '.join(one.name.label for one in TABLES.values())}.")
    require_import_permission(by, table)
    require_editable(batch)
    if table != batch.table:
        save_decisions(batch, table=table, options={})


@transaction.atomic
def save_options(batch: ImportBatch, options: ImportOptions, *, by: User) -> None:
    """Save what a person decided about the file of `batch`.

    Raises:
        NotPermitted: `by` may not assign or change leads, or may not confirm features of the prediction.
        IllegalTransition: a job works on the import, or it is finished.
        InvalidInput: a column, field or value does not exist, or a field has two sources.
    """
    require_import_permission(by, batch.table)
    require_editable(batch)
    table = table_named(batch.table)
    _, reader = preview_import(open_stored_file(batch), options, table)
    arrival = ArrivalAnswers.of(table, reader.plan, options.known, options.later)
    require_option_permissions(Actor.of(by), options, reader, arrival)
    save_decisions(batch, options=options.to_json())


def require_editable(batch: ImportBatch) -> None:
    if not batch.is_editable:
        raise IllegalTransition(f"The import of {batch.file_name} can no longer be changed. Upload the file again.")


def save_decisions(batch: ImportBatch, **changes: Any) -> None:
    """Save decisions about an import that no job works on; the last check no longer counts."""
    rows = ImportBatch.objects.filter(pk=batch.pk, state__in=EDITABLE_STATES)
    if rows.update(state=ImportState.UPLOADED, outcome={}, error_message="", rows_done=0, **changes) != 1:
        raise IllegalTransition(f"The import of {batch.file_name} can no longer be changed. Reload the page.")
    batch.refresh_from_db()


def answer_questions(batch: ImportBatch, answers: dict[str, str], *, by: User) -> None:
    """Save answers to what the check asked: `decimal`, `dates`, and `column:text` for a stage.

    Raises: as `save_options`.
    """
    options = ImportOptions.from_json(batch.options)
    values = dict(options.values)
    for question in batch.outcome.get("questions", []):
        if question["kind"] == "value" and (answer := answers.get(question_key(question))):
            values[question["column"], question["example"]] = answer
    notation = replace(
        options.notation,
        decimal=answers.get("decimal") or options.notation.decimal,
        dates=answers.get("dates") or options.notation.dates,
    )
    if encoding := answers.get("encoding"):
        change_file_reading(batch, encoding=encoding, delimiter=batch.reading["dialect"][0], by=by)
    save_options(batch, replace(options, values=values, notation=notation), by=by)


def question_key(question: dict[str, Any]) -> str:
    """Return the name under which the answer to `question` is given."""
    return f"{question['column']}:{question['example']}" if question["kind"] == "value" else question["kind"]


@transaction.atomic
def queue_check(batch: ImportBatch, *, by: User) -> None:
    """Let a job read every row and say what the import would do.

    Raises:
        IllegalTransition: a job works on the import already, or it is finished.
    """
    require_import_permission(by, batch.table)
    stored_path(batch)
    move(batch, ImportState.CHECKING, rows_done=0, outcome={}, error_message="")
    queue_run(batch)


@transaction.atomic
def queue_import(batch: ImportBatch, *, by: User) -> None:
    """Let a job import the file of a checked batch.

    Raises:
        IllegalTransition: it is not checked, or questions are open.
    """
    require_import_permission(by, batch.table)
    if batch.outcome.get("questions"):
        raise IllegalTransition("Answer the questions first.")
    move(batch, ImportState.QUEUED, rows_done=0, error_message="")
    queue_run(batch)


def queue_run(batch: ImportBatch) -> None:
    enqueue(configure_job(RUN_IMPORT_TASK, queueing_lock=f"import {batch.pk}"), batch=str(batch.pk))


@transaction.atomic
def cancel_import(batch: ImportBatch, *, by: User) -> None:
    """Cancel an import that is not finished. One that is running stops, and nothing of it stays.

    Raises:
        IllegalTransition: it is finished.
    """
    require_import_permission(by, batch.table)
    move(batch, ImportState.CANCELLED, error_message="")


def claim_run(key: UUID) -> ImportBatch | None:
    """Return the batch that a job shall check, import or undo; None if there is nothing to do (any more).

    A job that follows a crash finds the batch as the crash left it, and does all of the work again.
    """
    ImportBatch.objects.filter(pk=key, state=ImportState.QUEUED).update(state=ImportState.RUNNING)
    runnable = BUSY_STATES - {ImportState.QUEUED}
    return ImportBatch.objects.select_related("imported_by").filter(pk=key, state__in=runnable).first()


def settle_encoding(batch: ImportBatch) -> None:
    """Detect the encoding of the whole file of `batch`, if only its beginning has shown it; a job has the time."""
    if batch.reading.get("is_sampled"):
        file = open_table(stored_path(batch), delimiter=batch.reading["dialect"][0])
        batch.reading = {**file.to_json(), "header": batch.reading["header"], "dialect": batch.reading["dialect"]}
        ImportBatch.objects.filter(pk=batch.pk).update(reading=batch.reading)


def save_check(batch: ImportBatch, outcome: ImportOutcome) -> None:
    """Save what a check found, unless it was cancelled meanwhile."""
    rows = ImportBatch.objects.filter(pk=batch.pk, state=ImportState.CHECKING)
    rows.update(state=ImportState.CHECKED, outcome=outcome.to_json(), rows_done=outcome.rows_read)


@transaction.atomic
def save_failure(batch: ImportBatch, message: str) -> None:
    """Save why a job stopped, unless it was cancelled meanwhile, and tell the user who imports the file.

    An import that could not be undone is as before.
    """
    state = ImportState.DONE if batch.state == ImportState.UNDOING else ImportState.FAILED
    rows = ImportBatch.objects.filter(pk=batch.pk, state__in=BUSY_STATES)
    if rows.update(state=state, error_message=message):
        notify(NotificationKind.FAILED, batch, [batch.imported_by], by=SYSTEM_ACTOR)


def delete_old_files(before: datetime) -> int:
    """Delete the files of imports uploaded before `before` that no job works on. Return their number.

    The import stays, with its counts. A crash in between repeats the rest.
    """
    delete_abandoned_uploads(before)
    rows = ImportBatch.objects.filter(created_at__lt=before).exclude(file_path="").exclude(state__in=BUSY_STATES)
    batches = list(rows.order_by("pk")[:MAX_DELETED_BATCHES])
    for batch in batches:
        delete_stored_files(batch.file_path)
        ImportBatch.objects.filter(pk=batch.pk).update(file_path="")
    return len(batches)
