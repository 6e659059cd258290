"""Import a file of leads in one transaction."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.db import DataError, IntegrityError, OperationalError, connection, transaction
from django.template.defaultfilters import pluralize
from django.utils import timezone
from procrastinate.contrib.django import app
from psycopg.types.json import Jsonb

from crm.exceptions import IllegalTransition, InvalidInput, constraint_message
from crm.models import User
from crm.records.activity import Actor
from crm.records.base import can_see_everyone
from crm.runtime.job_queue import enqueue
from leads.importing.arrival import ArrivalAnswers
from leads.importing.columns import ImportPlan
from leads.importing.drafts import COLUMN_INDEX
from leads.importing.duplicates import duplicate_rows, find_duplicates
from leads.importing.exceptions import ImportCancelled, QuestionsUnanswered, RowRejected
from leads.importing.files.opening import open_table
from leads.importing.files.tables import TableFile
from leads.importing.preview import ImportOptions, ImportPreview, preview_import, printable_file_name
from leads.importing.report import MAX_EXAMPLES, ImportOutcome, ImportReport, closing_notice, open_report
from leads.importing.rows import LeadReader, encode_json
from leads.importing.staging import STAGING_CHUNK_SIZE, StagingTable
from leads.importing.values.parsers import UNDECIDED, Notation
from leads.models import ImportBatch, ImportState, ScoringPolicy
from leads.prediction.transitions import ACTIVATE_MODEL_PERMISSION, PREDICT_ALL_TASK
from leads.transitions import SCORE_ALL_TASK

ProgressCallback = Callable[[str], None]
# How often the caller hears how many rows are read. It may stop the import then.
ROWS_BETWEEN_COUNTS = 5_000


@dataclass(frozen=True)
class ImportRun:
    """One run through a file.

    Skipped rows go to the file `errors`, cells that do not fit to the file `doubts`, messages on the progress to `tell`
    and numbers of rows to `count`, which may raise an exception to stop the run. A dry run changes nothing.
    """

    file: TableFile
    actor: Actor
    batch: ImportBatch
    errors: Path | None = None
    doubts: Path | None = None
    dry_run: bool = False
    tell: ProgressCallback = lambda sentence: None
    count: Callable[[int], None] = lambda rows: None


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
    sheet: str = "",
    dry_run: bool = False,
    known: Iterable[str] = (),
    later: Iterable[str] = (),
    tell: ProgressCallback = lambda sentence: None,
) -> ImportOutcome:
    """Create a lead for every valid row of the file at `path`, in one transaction.

    The options are those of `ImportOptions`, the files those of `ImportRun`.

    Raises: as `run_import`; InvalidInput also if the file cannot be read.
    """
    actor = Actor.of(by)
    actor.require_permission("leads.add_lead", "import leads")
    options = ImportOptions(
        column_fields or {}, field_templates or {}, values or {}, notation, key, tuple(known), tuple(later)
    )
    file = open_table(path, encoding=encoding, sheet=sheet)
    batch = ImportBatch(
        state=ImportState.RUNNING,
        file_name=printable_file_name(path.name),
        file_hash=file_hash(path),
        file_size=path.stat().st_size,
        reading=file.to_json(),
        options=options.to_json(),
        imported_by=actor.user,
    )
    return run_import(ImportRun(file, actor, batch, errors, doubts, dry_run, tell), options)


def run_import(run: ImportRun, options: ImportOptions) -> ImportOutcome:
    """Read the whole file of `run`, and create its leads unless this is a dry run.

    Raises:
        NotPermitted: the actor may not add leads, or the file names owners and the actor may not assign leads.
        InvalidInput: a column, field or value does not exist.
        QuestionsUnanswered: cells have two readings, and no option decides; a dry run returns the questions instead.
        IllegalTransition: the rows conflict with a change made during the import, or the import was cancelled.
    """
    run.actor.require_permission("leads.add_lead", "import leads")
    preview, reader = preview_import(run.file, options)
    arrival = ArrivalAnswers.from_columns(reader.plan, options.known, options.later)
    check_preview(run, preview, reader, arrival)
    path = run.file.path
    with open_report(run.file, run.errors, reader.doubts, run.doubts) as report, all_or_nothing(path):
        outcome = import_rows(run, reader, preview, report)
        for sentence in arrival.describe():
            run.tell(sentence)
        if not run.dry_run:
            arrival.save(by=run.actor, source=run.batch.file_name)
            finish_batch(run.batch, outcome)
    return outcome


def check_preview(run: ImportRun, preview: ImportPreview, reader: LeadReader, arrival: ArrivalAnswers) -> None:
    """Report what the import will do, and refuse one that the actor may not do or that leaves questions open."""
    if "assigned_to" in {*reader.plan.columns, *reader.plan.templates}:
        run.actor.require_permission("leads.reassign_lead", "assign leads to their owners")
    if arrival.answers:
        run.actor.require_permission(ACTIVATE_MODEL_PERMISSION, "confirm features of the prediction")
    for sentence in preview.describe():
        run.tell(sentence)
    if preview.questions and not run.dry_run:
        raise QuestionsUnanswered(preview.questions)


def import_rows(run: ImportRun, reader: LeadReader, preview: ImportPreview, report: ImportReport) -> ImportOutcome:
    """Stage the rows of the file, find the duplicates, and insert the new leads."""
    former = former_imports(run)
    with connection.cursor() as cursor:
        staging, progress = StagingTable(cursor), ImportProgress(run)
        staging.copy(staging_rows(run.file, reader, report, progress))
        questions = tuple({*preview.questions, *reader.questions})
        if questions and not run.dry_run:
            raise QuestionsUnanswered(questions)
        duplicates = find_row_duplicates(cursor, reader, former)
        for duplicate in duplicate_rows(run.actor.user):
            report.add_duplicate(duplicate)
        examples = staging.new_examples(MAX_EXAMPLES)
        new = progress.rows - report.rejected - duplicates
        imported = new if run.dry_run else insert_new_leads(staging, progress.rows, run)
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
        doubted_texts=reader.doubts.texts,
        notices=(*closing_notice(reader.rules.undated_closings), *run.file.notices()),
        questions=questions,
        preview=preview,
        former_imports=tuple(describe_former(former, run.actor.user)),
        new_examples=examples,
        duplicate_examples=report.duplicate_examples,
        rejected_examples=report.rejected_examples,
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


def former_imports(run: ImportRun) -> list[ImportBatch]:
    """Return the earlier imports of a file with the same contents, the newest first, and name them."""
    batches = ImportBatch.objects.filter(file_hash=run.batch.file_hash, lead_count__gt=0)
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


def file_hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hash_blocks(blocks: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for block in blocks:
        digest.update(block)
    return digest.hexdigest()


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
    file: TableFile, reader: LeadReader, report: ImportReport, progress: ImportProgress
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


def insert_new_leads(staging: StagingTable, rows: int, run: ImportRun) -> int:
    """Insert the staged rows as leads with their history, enqueue scoring, and return the number of leads."""
    batch, actor = run.batch, run.actor
    batch.imported_at = timezone.now()
    if batch._state.adding:
        batch.save(force_insert=True)
    metadata = {"file": batch.file_name, "import": str(batch.pk)}
    for inserted in staging.insert(
        rows,
        at=batch.imported_at,
        batch=batch.pk,
        user=actor.user.pk if actor.user else None,
        actor_type=actor.type.value,
        file=batch.file_name,
        row_word=run.file.row_word,
        weights=Jsonb(ScoringPolicy.objects.active().weights),
        metadata=Jsonb({"name": actor.name, **metadata} if actor.name else metadata),
    ):
        batch.lead_count += inserted
        run.count(rows)
        run.tell(f"{batch.lead_count:,} lead{pluralize(batch.lead_count)} imported")
    if batch.lead_count:
        enqueue(app.configure_task(SCORE_ALL_TASK, queueing_lock=SCORE_ALL_TASK), timestamp=0)
        enqueue(app.configure_task(PREDICT_ALL_TASK, queueing_lock=PREDICT_ALL_TASK), timestamp=0)
    return batch.lead_count


def finish_batch(batch: ImportBatch, outcome: ImportOutcome) -> None:
    """Mark `batch` as done in the transaction that created its leads, unless it was cancelled meanwhile.

    Raises:
        ImportCancelled: it was cancelled; the caller's transaction must not be committed.
    """
    done = {
        "state": ImportState.DONE,
        "imported_at": batch.imported_at,
        "lead_count": batch.lead_count,
        "rows_done": outcome.rows_read,
        "outcome": outcome.to_json(),
        "error_message": "",
    }
    if ImportBatch.objects.filter(pk=batch.pk, state=ImportState.RUNNING).update(**done) != 1:
        raise ImportCancelled
    batch.refresh_from_db()


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
