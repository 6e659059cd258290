"""Import a file of leads in one transaction."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.db import DataError, IntegrityError, OperationalError, connection, models, transaction
from django.template.defaultfilters import pluralize
from procrastinate.contrib.django import app
from psycopg.types.json import Jsonb

from crm.exceptions import IllegalTransition, InvalidInput, constraint_message
from crm.models import User
from crm.records.activity import Actor
from crm.records.base import can_see_everyone
from crm.runtime.job_queue import enqueue
from leads.importing.arrival import ArrivalAnswers
from leads.importing.drafts import COLUMN_INDEX
from leads.importing.duplicates import duplicate_rows
from leads.importing.exceptions import ImportCancelled, Question, QuestionsUnanswered, RowRejected
from leads.importing.files.reading import CsvFile, open_csv
from leads.importing.preview import ImportOptions, ImportPreview, preview_import, printable_file_name
from leads.importing.report import MAX_EXAMPLES, ImportOutcome, ImportReport, closing_notice, open_report
from leads.importing.rows import LeadReader, encode_json
from leads.importing.staging import STAGING_CHUNK_SIZE, StagingTable
from leads.importing.updates.lead_updates import LeadUpdates
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

    file: CsvFile
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
    errors: Path | None = None,
    doubts: Path | None = None,
    encoding: str | None = None,
    dry_run: bool = False,
    tell: ProgressCallback = lambda sentence: None,
    **decisions: Any,
) -> ImportOutcome:
    """Create a lead for every valid row of the CSV file at `path`, in one transaction.

    The decisions are those of `ImportOptions`, the files those of `ImportRun`.

    Raises: as `run_import`; InvalidInput also if the file cannot be read as CSV.
    """
    actor = Actor.of(by)
    actor.require_permission("leads.add_lead", "import leads")
    options, file = ImportOptions(**decisions), open_csv(path, encoding)
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
    check_preview(run, options, preview, reader, arrival)
    path = run.file.path
    with open_report(run.file.header, path, run.errors, reader.doubts, run.doubts) as report, all_or_nothing(path):
        outcome = import_rows(run, options, reader, preview, report)
        for sentence in arrival.describe():
            run.tell(sentence)
        if not run.dry_run:
            arrival.save(by=run.actor, source=run.batch.file_name)
            finish_batch(run.batch, outcome)
    return outcome


def check_preview(
    run: ImportRun, options: ImportOptions, preview: ImportPreview, reader: LeadReader, arrival: ArrivalAnswers
) -> None:
    """Report what the import will do, and refuse one that the actor may not do or that leaves questions open."""
    require_option_permissions(run.actor, options, reader, arrival)
    for sentence in preview.describe():
        run.tell(sentence)
    if preview.questions and not run.dry_run:
        raise QuestionsUnanswered(preview.questions)


def require_option_permissions(
    actor: Actor, options: ImportOptions, reader: LeadReader, arrival: ArrivalAnswers
) -> None:
    """Refuse decisions about a file that need a permission of their own.

    Raises:
        NotPermitted: the actor lacks it.
    """
    if "assigned_to" in {*reader.plan.columns, *reader.plan.templates}:
        actor.require_permission("leads.reassign_lead", "assign leads to their owners")
    if arrival.answers:
        actor.require_permission(ACTIVATE_MODEL_PERMISSION, "confirm features of the prediction")
    if options.duplicates.changes_leads:
        actor.require_permission("leads.change_lead", "change leads")


def import_rows(
    run: ImportRun, options: ImportOptions, reader: LeadReader, preview: ImportPreview, report: ImportReport
) -> ImportOutcome:
    """Stage the rows of the file, find the duplicates, change their leads, and insert the new leads."""
    former = former_imports(run)
    with connection.cursor() as cursor:
        staging, progress = StagingTable(cursor), ImportProgress(run)
        staging.copy(staging_rows(run.file, reader, report, progress))
        questions = open_questions(run, preview, reader)
        updates = LeadUpdates(cursor, options.duplicates, reader, run.actor.user)
        updates.find(former)
        for duplicate in duplicate_rows(run.actor.user):
            report.add_duplicate(duplicate)
        new = progress.rows - report.rejected - updates.known_rows
        plan = updates.plan(lock=not run.dry_run)
        new_examples, updated_examples = staging.new_examples(MAX_EXAMPLES), updates.examples(MAX_EXAMPLES)
        imported = new if run.dry_run else write_leads(staging, updates, progress.rows, run)
    if imported != new:
        raise RuntimeError(f"Expected to insert {new} leads, but inserted {imported}.")
    return ImportOutcome(
        rows_read=progress.rows,
        imported=imported,
        updated=plan.changed,
        unchanged=updates.targets - plan.changed,
        duplicates=updates.duplicates,
        rejected=report.rejected,
        reason_counts=report.reason_counts,
        first_reasons=report.first_reasons,
        doubt_counts=reader.doubts.counts,
        first_doubts=reader.doubts.first,
        doubted_texts=reader.doubts.texts,
        notices=(*closing_notice(reader.rules.undated_closings), *plan.notices),
        questions=questions,
        preview=preview,
        former_imports=tuple(describe_former(former, run.actor.user)),
        new_examples=new_examples,
        updated_examples=updated_examples,
        duplicate_examples=report.duplicate_examples,
        rejected_examples=report.rejected_examples,
    )


def open_questions(run: ImportRun, preview: ImportPreview, reader: LeadReader) -> tuple[Question, ...]:
    """Return the questions that the whole file leaves open; an import that is no dry run must not have any."""
    questions = tuple({*preview.questions, *reader.questions})
    if questions and not run.dry_run:
        raise QuestionsUnanswered(questions)
    return questions


def former_imports(run: ImportRun) -> list[ImportBatch]:
    """Return the earlier imports of a file with the same contents, the newest first, and name them."""
    batches = ImportBatch.objects.filter(file_hash=run.batch.file_hash).filter(
        models.Q(lead_count__gt=0) | models.Q(updated_count__gt=0)
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


def file_hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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
    file: CsvFile, reader: LeadReader, report: ImportReport, progress: ImportProgress
) -> Iterator[list[Any]]:
    """Yield each valid row in the format of the staging table, and report the rejected ones."""
    for row in file.rows():
        number = progress.count()
        try:
            draft = reader.read_draft(number, row)
        except RowRejected as rejection:
            report.add_rejected(row, rejection)
            continue
        cells = encode_json(row.cells) if report.wants_cells else ""
        values = draft.values
        is_open = values[COLUMN_INDEX["status"]] in reader.context.open_stages
        keys = (reader.phone_key(values), reader.record_key(row))
        yield [number, row.line, cells, *keys, is_open, draft.is_named, draft.has_stage, draft.has_type, *values]


def write_leads(staging: StagingTable, updates: LeadUpdates, rows: int, run: ImportRun) -> int:
    """Change the leads of staged rows and insert the others, enqueue scoring, and return the number of new leads."""
    batch, actor = run.batch, run.actor
    batch.imported_at = updates.at
    if batch._state.adding:
        batch.save(force_insert=True)
    metadata = {"file": batch.file_name, "import": str(batch.pk)}
    values = {
        "batch": batch.pk,
        "user": actor.user.pk if actor.user else None,
        "actor_type": actor.type.value,
        "file": batch.file_name,
        "weights": Jsonb(ScoringPolicy.objects.active().weights),
        "metadata": Jsonb({"name": actor.name, **metadata} if actor.name else metadata),
    }
    for updated in updates.apply(rows, **values):
        batch.updated_count += updated
        run.count(rows)
        run.tell(f"{batch.updated_count:,} lead{pluralize(batch.updated_count)} updated")
    for inserted in staging.insert(rows, at=batch.imported_at, **values):
        batch.lead_count += inserted
        run.count(rows)
        run.tell(f"{batch.lead_count:,} lead{pluralize(batch.lead_count)} imported")
    if batch.lead_count or batch.updated_count:
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
        "updated_count": batch.updated_count,
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
