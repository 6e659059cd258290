"""Import a file in one transaction: all rows that can be taken in, or none."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.db import (
    connection,
    models,
)
from django.db.backends.utils import CursorWrapper
from psycopg.types.json import Jsonb

from crm.exceptions import InvalidInput
from crm.models import CustomField, FieldUse, User
from crm.records.activity import Actor
from crm.records.base import can_see_everyone
from crm.records.custom_fields.rights import explain_lock, locked_fields
from crm.records.field_usage import count_use, write_counts
from crm.records.json_keys import key_path
from crm.runtime.job_queue import configure_job, enqueue
from leads.importing.arrival import ArrivalAnswers
from leads.importing.batches.saving import all_or_nothing
from leads.importing.exceptions import ImportCancelled, InvalidImport, Question, QuestionsUnanswered, RowRejected
from leads.importing.files.opening import file_hash, open_table, refuse_changed_file
from leads.importing.files.tables import TableFile, TableRow
from leads.importing.preview import ImportOptions, ImportPreview, preview_import, printable_file_name
from leads.importing.report import MAX_EXAMPLES, ImportOutcome, ImportReport, open_report
from leads.importing.rows import RowReader
from leads.importing.saved_mappings.loading import options_with_mapping
from leads.importing.staging import STAGING_CHUNK_SIZE, StagingTable
from leads.importing.tables.base import ImportTable
from leads.importing.tables.matching import duplicate_rows
from leads.importing.tables.registry import table_named
from leads.importing.tables.staged import StagedImport
from leads.importing.updates.known_rows import KnownRows
from leads.models import ImportBatch, ImportedTable, ImportState
from leads.models.insurance_type import answer_key
from leads.prediction.transitions import ACTIVATE_MODEL_PERMISSION

ProgressCallback = Callable[[str], None]
# How often the caller hears how many rows are read; it may stop the import then.
ROWS_BETWEEN_COUNTS = 5_000


@dataclass(frozen=True)
class ImportRun:
    """One run through a file.

    Skipped rows go to each of the files `errors`, cells that do not fit to the file `doubts`, messages on the progress
    to `tell` and numbers of rows to `count`, which may raise an exception to stop the run. A dry run changes nothing.
    """

    file: TableFile
    actor: Actor
    batch: ImportBatch
    errors: Sequence[Path] = ()
    doubts: Path | None = None
    dry_run: bool = False
    tell: ProgressCallback = lambda sentence: None
    count: Callable[[int], None] = lambda rows: None

    @property
    def table(self) -> ImportTable:
        return table_named(self.batch.table)


def import_file(
    path: Path,
    *,
    by: Actor | User,
    table: str = ImportedTable.LEADS,
    errors: Path | None = None,
    doubts: Path | None = None,
    encoding: str | None = None,
    sheet: str = "",
    dry_run: bool = False,
    tell: ProgressCallback = lambda sentence: None,
    mapping: str = "",
    **decisions: Any,
) -> ImportOutcome:
    """Create a record of `table` for every valid row of the file at `path`, in one transaction.

    The decisions are those of `ImportOptions`, `doubts` that of `ImportRun`. Skipped rows go to the file `errors`, a
    workbook if its name ends with .xlsx. `mapping` is the name of a saved
    mapping; the decisions come before it.

    Raises: as `run_import`; InvalidInput also if the file cannot be read, or there is no such mapping.
    """
    actor, options = Actor.of(by), ImportOptions(**decisions)
    file = open_table(path, encoding=encoding, sheet=sheet)
    if mapping:
        options = options_with_mapping(mapping, decisions, table_named(table), file.header, tell)
    batch = ImportBatch(
        state=ImportState.RUNNING,
        table=table,
        file_name=printable_file_name(path.name),
        file_hash=file_hash(path),
        file_size=path.stat().st_size,
        reading=file.to_json(),
        options=options.to_json(),
        imported_by=actor.user,
    )
    skipped = (errors,) if errors else ()
    return run_import(ImportRun(file, actor, batch, skipped, doubts, dry_run, tell), options)


def run_import(run: ImportRun, options: ImportOptions) -> ImportOutcome:
    """Read the whole file of `run`, and create its records unless this is a dry run.

    Raises:
        NotPermitted: the actor may not add such records, or names owners and may not assign records to them.
        InvalidInput: a column, field or value does not exist.
        QuestionsUnanswered: cells have two readings, and no option decides; a dry run returns the questions instead.
        IllegalTransition: the rows conflict with a change made during the import, or the import was cancelled.
    """
    run.table.require_permission(run.actor)
    preview, reader = preview_import(run.file, options, run.table, run.actor.user)
    arrival = ArrivalAnswers.of(run.table, reader.plan, options.known, options.later)
    check_preview(run, options, preview, reader, arrival)
    path = run.file.path
    report_files = open_report(run.file, run.errors, reader.doubts, run.doubts)
    with report_files as report, all_or_nothing(run.batch, path):
        with refuse_changed_file(path):
            outcome = import_rows(run, options, reader, preview, report)
        for sentence in arrival.describe():
            run.tell(sentence)
        if not run.dry_run:
            arrival.save(by=run.actor, source=run.batch.file_name)
            finish_batch(run.batch, outcome)
    if not run.dry_run:
        count_imported_keys(run, reader)
    return outcome


def count_imported_keys(run: ImportRun, reader: RowReader) -> None:
    """Count that the actor filled the custom fields and the answers that columns of the file became."""
    table, user = run.table.model._meta.label_lower, run.actor.user
    names = (key_path(name) for name in reader.plan.custom_columns.values())
    count_use(FieldUse.EDITED, table, "custom_fields", names, user)
    for target in reader.plan.columns:
        if question := reader.context.questions.get(target):
            column, key = answer_key(question.line, question.key)
            count_use(FieldUse.EDITED, table, column, [key], user)
    # A worker answers no requests, so it writes at once.
    write_counts()


def check_preview(
    run: ImportRun, options: ImportOptions, preview: ImportPreview, reader: RowReader, arrival: ArrivalAnswers
) -> None:
    """Report what the import will do, and refuse one that the actor may not do or that leaves questions open."""
    require_option_permissions(run.actor, options, reader, arrival)
    for sentence in preview.describe():
        run.tell(sentence)
    if preview.questions and not run.dry_run:
        raise QuestionsUnanswered(preview.questions)


def require_column_rights(actor: Actor, reader: RowReader) -> None:
    """Refuse a column that becomes a custom field that the actor may not edit.

    Raises:
        InvalidImport: there is one.
    """
    if actor.user is None:
        return
    columns = {key: index for index, key in reader.plan.custom_columns.items()}
    fields = CustomField.objects.of_table(reader.table.model._meta.label_lower)
    for field in locked_fields(fields.filter(key__in=columns).exclude(editor_roles=[]), actor.user):
        raise InvalidImport(
            f"The column “{reader.header[columns[field.key]]}” is a custom field. {explain_lock(field)}",
            screen="Leave the column out.",
            command="Leave it out with --map.",
        )


def require_option_permissions(
    actor: Actor, options: ImportOptions, reader: RowReader, arrival: ArrivalAnswers
) -> None:
    """Refuse decisions about a file that need a permission of their own, or that its table does not know.

    Raises:
        NotPermitted: the actor lacks it.
        InvalidInput: only leads can be changed by a file.
    """
    table = reader.table
    if "assigned_to" in {*reader.plan.columns, *reader.plan.templates}:
        actor.require_permission(table.owner_permission, f"assign {table.name.label.lower()} to their owners")
    require_column_rights(actor, reader)
    if arrival.answers:
        actor.require_permission(ACTIVATE_MODEL_PERMISSION, "confirm features of the prediction")
    if options.duplicates.changes_records:
        if table.updates is None:
            raise InvalidInput(f"{table.name.label} that exist cannot be changed by a file. They are left out.")
        actor.require_permission(table.change_permission, f"change {table.name.label.lower()}")
    if options.create_clients:
        actor.require_permission("crm.add_client", "create clients")


def import_rows(
    run: ImportRun, options: ImportOptions, reader: RowReader, preview: ImportPreview, report: ImportReport
) -> ImportOutcome:
    """Stage the rows of the file, set aside those that are no new records, change records, and insert the others."""
    former, table = former_imports(run), run.table
    with connection.cursor() as cursor:
        staging, progress = StagingTable(cursor, table), ImportProgress(run)
        staged = stage_import(cursor, run, reader, former)
        staging.copy(staging_rows(rows, run.file, reader, report, progress) for rows in reader.chunks(run.file))
        questions = open_questions(run, preview, reader)
        known = KnownRows(table, staged, options.duplicates, reader)
        set_rows_aside(staged, table, known, report)
        new = progress.rows - report.rejected - known.rows
        plan = known.plan(lock=not run.dry_run)
        shown = example_rows(staging, known)
        imported = new if run.dry_run else write_records(staging, known, progress.rows, run, staged)
    if imported != new:
        raise RuntimeError(f"Expected to insert {new} {run.batch.plural}, but inserted {imported}.")
    return ImportOutcome(
        rows_read=progress.rows,
        imported=imported,
        updated=plan.changed,
        unchanged=known.targets - plan.changed,
        duplicates=known.duplicates,
        rejected=report.rejected,
        reason_counts=report.reason_counts,
        first_reasons=report.first_reasons,
        doubt_counts=reader.doubts.counts,
        first_doubts=reader.doubts.first,
        doubted_texts=reader.doubts.texts,
        notices=(*reader.rules.notices(), *table.notices(), *plan.notices, *run.file.notices()),
        questions=questions,
        preview=preview,
        former_imports=tuple(describe_former(former, run.actor.user)),
        **shown,
        duplicate_examples=report.duplicate_examples,
        rejected_examples=report.rejected_examples,
    )


def example_rows(staging: StagingTable, known: KnownRows) -> dict[str, Any]:
    """Return the first new and the first updated rows, for the preview. Writing the records removes them."""
    return {"new_examples": staging.new_examples(MAX_EXAMPLES), "updated_examples": known.examples(MAX_EXAMPLES)}


def open_questions(run: ImportRun, preview: ImportPreview, reader: RowReader) -> tuple[Question, ...]:
    """Return the questions that the whole file leaves open; an import that is no dry run must not have any."""
    questions = tuple({*preview.questions, *reader.questions})
    if questions and not run.dry_run:
        raise QuestionsUnanswered(questions)
    return questions


def stage_import(cursor: CursorWrapper, run: ImportRun, reader: RowReader, former: list[ImportBatch]) -> StagedImport:
    """Return what the table of an import needs to know of it."""
    return StagedImport(
        cursor,
        run.batch,
        run.actor,
        reader.plan,
        reader.context.phone_region,
        reader.doubts,
        creates_clients=reader.creates_clients,
        former=former,
    )


def set_rows_aside(staged: StagedImport, table: ImportTable, known: KnownRows, report: ImportReport) -> None:
    """Report the rows that refer to nothing, and those that are records or earlier rows already."""
    for row in table.resolve(staged):
        report.add_unresolved(row)
    known.find()
    for duplicate in duplicate_rows(table.duplicates, staged.user):
        report.add_duplicate(duplicate)


def former_imports(run: ImportRun) -> list[ImportBatch]:
    """Return the earlier imports of a file with the same contents, the newest first, and name them."""
    batches = ImportBatch.objects.filter(file_hash=run.batch.file_hash, table=run.batch.table).filter(
        models.Q(record_count__gt=0) | models.Q(updated_count__gt=0)
    )
    former = list(batches.select_related("imported_by").order_by("-imported_at")[:10])
    for description in describe_former(former, run.actor.user):
        run.tell(f"This file is known: {description}.")
    return former


def describe_former(former: list[ImportBatch], user: User | None) -> list[str]:
    """Return each earlier import in words; those that `user` may not see have no name. None may see all."""
    return [
        str(batch)
        if user is None or batch.imported_by_id == user.pk or can_see_everyone(user)
        else "an import by a colleague"
        for batch in former
    ]


class ImportProgress:
    """Count the rows read, and report the count from time to time."""

    def __init__(self, run: ImportRun) -> None:
        self.rows = 0
        self._run = run

    def count(self) -> int:
        self.rows += 1
        if self.rows % ROWS_BETWEEN_COUNTS == 0:
            self._run.count(self.rows)
        if self.rows % STAGING_CHUNK_SIZE == 0:
            self._run.tell(f"{self.rows:,} rows read")
        return self.rows


def staging_rows(
    rows: Iterable[TableRow], file: TableFile, reader: RowReader, report: ImportReport, progress: ImportProgress
) -> Iterator[list[Any]]:
    """Yield each valid row of `rows` in the format of the staging table, and report the rejected ones."""
    for row in rows:
        number = progress.count()
        try:
            values = reader.read_row(number, row)
        except RowRejected as rejection:
            report.add_rejected(row, rejection)
            continue
        cells = file.encode_cells(row.cells) if report.wants_cells else ""
        yield [number, row.line, cells, reader.phone_key(values), reader.record_key(row), *values]


def write_records(staging: StagingTable, known: KnownRows, rows: int, run: ImportRun, staged: StagedImport) -> int:
    """Change the records of staged rows, insert the other rows as records, and return the number of new records."""
    batch, actor, table = run.batch, run.actor, run.table
    batch.imported_at, batch.key_column = known.at, staged.key
    if batch._state.adding:
        batch.save(force_insert=True)
    metadata = {"file": batch.file_name, "import": str(batch.pk)}
    values = {
        "batch": batch.pk,
        "user": actor.user.pk if actor.user else None,
        "actor_type": actor.type.value,
        "file": batch.file_name,
        "row_word": run.file.row_word,
        "metadata": Jsonb({"name": actor.name, **metadata} if actor.name else metadata),
        **table.insert_values(),
    }
    for updated in known.apply(rows, **values):
        batch.updated_count += updated
        run.count(rows)
        run.tell(f"{batch.updated_count:,} updated")
    for inserted in staging.insert(rows, at=batch.imported_at, **values):
        batch.record_count += inserted
        run.count(rows)
        run.tell(f"{batch.described_count} imported")
    for job in table.jobs if batch.record_count or batch.updated_count else ():
        enqueue(configure_job(job, queueing_lock=job), timestamp=0)
    return batch.record_count


def finish_batch(batch: ImportBatch, outcome: ImportOutcome) -> None:
    """Mark `batch` as done in the transaction that created its records, unless it was cancelled meanwhile.

    Raises:
        ImportCancelled: it was cancelled; the caller's transaction must not be committed.
    """
    done = {
        "state": ImportState.DONE,
        "imported_at": batch.imported_at,
        "record_count": batch.record_count,
        "updated_count": batch.updated_count,
        "key_column": batch.key_column,
        "rows_done": outcome.rows_read,
        "outcome": outcome.to_json(),
        "error_message": "",
    }
    if ImportBatch.objects.filter(pk=batch.pk, state=ImportState.RUNNING).update(**done) != 1:
        raise ImportCancelled
    batch.refresh_from_db()
