"""Import a file of leads in one transaction."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.db import DataError, IntegrityError, OperationalError, connection, transaction
from django.template.defaultfilters import pluralize
from procrastinate.contrib.django import app
from psycopg.types.json import Jsonb

from crm.exceptions import IllegalTransition, InvalidInput, constraint_message
from crm.models import User
from crm.records.activity import Actor
from crm.runtime.job_queue import enqueue
from leads.importing.arrival import ArrivalAnswers
from leads.importing.columns import ImportPlan
from leads.importing.drafts import COLUMN_INDEX
from leads.importing.duplicates import duplicate_rows, find_duplicates
from leads.importing.exceptions import QuestionsUnanswered, RowRejected
from leads.importing.files.reading import CsvFile, open_csv
from leads.importing.preview import ImportOptions, ImportPreview, preview_import, printable_file_name
from leads.importing.report import ImportOutcome, ImportReport, closing_notice, open_report
from leads.importing.rows import LeadReader, encode_json
from leads.importing.staging import STAGING_CHUNK_SIZE, StagingTable
from leads.importing.values.parsers import UNDECIDED, Notation
from leads.models import ImportBatch, ScoringPolicy
from leads.prediction.transitions import ACTIVATE_MODEL_PERMISSION, PREDICT_ALL_TASK
from leads.transitions import SCORE_ALL_TASK

ProgressCallback = Callable[[str], None]


def import_leads(
    path: Path,
    *,
    by: Actor | User,
    column_fields: Mapping[str, str] | None = None,
    field_templates: Mapping[str, str] | None = None,
    values: Mapping[tuple[str, str], str] | None = None,
    notation: Notation = UNDECIDED,
    key: str = "",
    errors: Path | None = None,
    doubts: Path | None = None,
    encoding: str | None = None,
    dry_run: bool = False,
    known: Iterable[str] = (),
    later: Iterable[str] = (),
    tell: ProgressCallback = lambda sentence: None,
) -> ImportOutcome:
    """Create a lead for every valid row of the CSV file at `path`, in one transaction.

    `column_fields` maps columns to fields ("": a custom field), `field_templates` fields to texts with `{Column}` and
    `{row}`, `values` texts of a column to ours. `notation` says how numbers and dates are written, `key` which column
    identifies a row. Predictions use `known` columns, filled in at arrival, not `later` ones. Skipped rows go to the
    file `errors`, cells that do not fit to the file `doubts`, messages on the progress to `tell`.

    Raises:
        NotPermitted: `by` may not add leads, or the file names owners and `by` may not assign leads.
        InvalidInput: the file cannot be read as CSV, or a column, field or value does not exist.
        QuestionsUnanswered: cells have two readings, and no option decides; a dry run returns the questions instead.
        IllegalTransition: the rows conflict with a change made during the import.
    """
    actor = Actor.of(by)
    actor.require_permission("leads.add_lead", "import leads")
    options = ImportOptions(column_fields or {}, field_templates or {}, values or {}, notation, key)
    preview, reader = preview_import(open_csv(path, encoding), options)
    arrival = ArrivalAnswers.from_columns(reader.plan, known, later)
    check_preview(preview, reader, arrival, actor=actor, dry_run=dry_run, tell=tell)
    with open_report(preview.file.header, path, errors, reader.doubts, doubts) as report, all_or_nothing(path):
        outcome = import_rows(preview.file, reader, preview, report, actor=actor, dry_run=dry_run, tell=tell)
        save_answers(arrival, path, actor=actor, dry_run=dry_run, tell=tell)
    return outcome


def check_preview(
    preview: ImportPreview,
    reader: LeadReader,
    arrival: ArrivalAnswers,
    *,
    actor: Actor,
    dry_run: bool,
    tell: ProgressCallback,
) -> None:
    """Report what the import will do, and refuse one that `actor` may not do or that leaves questions open."""
    if "assigned_to" in {*reader.plan.columns, *reader.plan.templates}:
        actor.require_permission("leads.reassign_lead", "assign leads to their owners")
    if arrival.answers:
        actor.require_permission(ACTIVATE_MODEL_PERMISSION, "confirm features of the prediction")
    for sentence in preview.describe():
        tell(sentence)
    if preview.questions and not dry_run:
        raise QuestionsUnanswered(preview.questions)


def save_answers(arrival: ArrivalAnswers, path: Path, *, actor: Actor, dry_run: bool, tell: ProgressCallback) -> None:
    """Record which columns were known at arrival, and tell what the staged rows say of the others."""
    for sentence in arrival.describe():
        tell(sentence)
    if not dry_run:
        arrival.save(by=actor, source=printable_file_name(path.name))


def import_rows(
    file: CsvFile,
    reader: LeadReader,
    preview: ImportPreview,
    report: ImportReport,
    *,
    actor: Actor,
    dry_run: bool,
    tell: ProgressCallback,
) -> ImportOutcome:
    """Stage the rows of `file`, find the duplicates, and insert the new leads."""
    former = former_imports(file.path, tell)
    with connection.cursor() as cursor:
        staging = StagingTable(cursor)
        progress = ImportProgress(tell)
        staging.copy(staging_rows(file, reader, report, progress))
        questions = tuple({*preview.questions, *reader.questions})
        if questions and not dry_run:
            raise QuestionsUnanswered(questions)
        duplicates = find_row_duplicates(cursor, reader, former)
        for duplicate in duplicate_rows():
            report.add_duplicate(duplicate)
        new = progress.rows - report.rejected - duplicates
        imported = new if dry_run else insert_new_leads(staging, progress.rows, file.path, actor=actor, tell=tell)
    if imported != new:
        raise RuntimeError(f"Expected to insert {new} leads, but inserted {imported}.")
    return ImportOutcome(
        rows_read=progress.rows,
        imported=imported,
        duplicates=duplicates,
        rejected=report.rejected,
        reason_counts=report.reason_counts,
        first_reasons=report.first_reasons,
        doubt_counts=reader.doubts.counts,
        first_doubts=reader.doubts.first,
        notices=closing_notice(reader.rules.undated_closings),
        questions=questions,
        preview=preview,
        former_imports=tuple(map(str, former)),
    )


def find_row_duplicates(cursor: Any, reader: LeadReader, former: list[ImportBatch]) -> int:
    plan: ImportPlan = reader.plan
    return find_duplicates(
        cursor,
        key="" if plan.key is None else plan.header[plan.key],
        is_key_chosen=plan.is_key_chosen,
        region=reader.context.phone_region,
        former=[(str(batch.pk), batch.imported_at) for batch in former],
    )


def former_imports(path: Path, tell: ProgressCallback) -> list[ImportBatch]:
    """Return the earlier imports of a file with the same contents, the newest first, and name them."""
    batches = ImportBatch.objects.filter(file_hash=file_hash(path), lead_count__gt=0)
    former = list(batches.select_related("imported_by").order_by("-imported_at")[:10])
    for batch in former:
        tell(f"This file is known: {batch}.")
    return former


def file_hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class ImportProgress:
    """Count the rows read, and report the count after each chunk."""

    def __init__(self, tell: ProgressCallback) -> None:
        self.rows = 0
        self._tell = tell

    def count(self) -> int:
        self.rows += 1
        if self.rows % STAGING_CHUNK_SIZE == 0:
            self._tell(f"{self.rows:,} rows read")
        return self.rows


def staging_rows(
    file: CsvFile, reader: LeadReader, report: ImportReport, progress: ImportProgress
) -> Iterator[list[Any]]:
    """Yield each valid row in the format of the staging table, and report the rejected ones."""
    for row in file.rows():
        number = progress.count()
        try:
            values = reader.read_row(number, row)
        except RowRejected as rejection:
            report.add_rejected(row, rejection)
            continue
        cells = encode_json(row.cells) if report.wants_cells else ""
        is_open = values[COLUMN_INDEX["status"]] in reader.context.open_stages
        yield [number, row.line, cells, reader.phone_key(values), reader.record_key(row), is_open, *values]


def insert_new_leads(staging: StagingTable, rows: int, path: Path, *, actor: Actor, tell: ProgressCallback) -> int:
    """Insert the staged rows as leads with their history, enqueue scoring, and return the number of leads."""
    batch = ImportBatch(
        file_name=printable_file_name(path.name), file_hash=file_hash(path), lead_count=0, imported_by=actor.user
    )
    metadata = {"file": batch.file_name, "import": str(batch.pk)}
    created = 0
    for inserted in staging.insert(
        rows,
        at=batch.imported_at,
        user=actor.user.pk if actor.user else None,
        actor_type=actor.type.value,
        file=batch.file_name,
        weights=Jsonb(ScoringPolicy.objects.active().weights),
        metadata=Jsonb({"name": actor.name, **metadata} if actor.name else metadata),
    ):
        created += inserted
        tell(f"{created:,} lead{pluralize(created)} imported")
    batch.lead_count = created
    batch.save(force_insert=True)
    if created:
        enqueue(app.configure_task(SCORE_ALL_TASK, queueing_lock=SCORE_ALL_TASK), timestamp=0)
        enqueue(app.configure_task(PREDICT_ALL_TASK, queueing_lock=PREDICT_ALL_TASK), timestamp=0)
    return created


@contextmanager
def all_or_nothing(path: Path) -> Iterator[None]:
    """Run the block in one transaction, and turn database and file errors into readable exceptions."""
    try:
        with transaction.atomic():
            yield
    except IntegrityError as error:
        raise IllegalTransition(
            f"{constraint_message(error)} The database changed while {path.name} was read, so nothing was "
            "imported. Import the file again."
        ) from error
    except (DataError, OperationalError) as error:
        raise InvalidInput(f"Nothing was imported, because the database stopped the import: {error}") from error
    except OSError as error:
        where = error.filename or path
        raise InvalidInput(f"Nothing was imported: {error.strerror} ({where}).") from error
