"""Import a file of leads in one transaction."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from django.db import DataError, IntegrityError, OperationalError, connection, transaction
from django.utils import timezone
from procrastinate.contrib.django import app
from psycopg.types.json import Jsonb

from crm.exceptions import IllegalTransition, InvalidInput, constraint_message
from crm.models import User
from crm.records.activity import Actor
from crm.runtime.job_queue import enqueue
from leads.importing.arrival import ArrivalAnswers
from leads.importing.cells import AmountParser, ChoiceParser, DateParser, normalize_name
from leads.importing.columns import ImportPlan, plan_import
from leads.importing.reading import CsvFile, open_csv
from leads.importing.report import ImportOutcome, ImportReport, open_report
from leads.importing.rows import LEAD_COLUMNS, ImportContext, LeadReader, RowRejected, encode_json, make_cell_matcher
from leads.importing.staging import STAGING_CHUNK_SIZE, StagingTable
from leads.models import OPEN_CATEGORIES, InsuranceType, Lead, LeadStatus, ScoringPolicy, StageCategory
from leads.prediction.transitions import PREDICT_ALL_TASK
from leads.transitions import SCORE_ALL_TASK

ProgressCallback = Callable[[str], None]


def import_leads(
    path: Path,
    *,
    by: Actor | User,
    column_fields: Mapping[str, str] | None = None,
    field_templates: Mapping[str, str] | None = None,
    errors: Path | None = None,
    encoding: str | None = None,
    dry_run: bool = False,
    known: Iterable[str] = (),
    later: Iterable[str] = (),
    tell: ProgressCallback = lambda sentence: None,
) -> ImportOutcome:
    """Create a lead for every valid row of the CSV file at `path`, in one transaction.

    `column_fields` maps columns to fields ("" keeps a column as a custom field), `field_templates` maps fields to
    texts with `{Column}` and `{row}` in them. `known` are the columns that were filled in when a lead arrived, `later`
    those recorded afterwards; predictions use only the first. Skipped rows go to the file `errors`, with line and
    reason. `tell` receives messages on how the file is read and on the progress.

    Raises:
        NotPermitted: `by` may not add leads, or the file names owners and `by` may not assign leads.
        InvalidInput: the file cannot be read as CSV, or a column or field does not exist.
        IllegalTransition: the rows conflict with a change made during the import.
    """
    actor = Actor.of(by)
    actor.require_permission("leads.add_lead", "import leads")
    file = open_csv(path, encoding)
    plan, reader = prepare_reader(file, column_fields or {}, field_templates or {}, actor=actor)
    arrival = ArrivalAnswers.from_columns(plan, known, later)
    for sentence in describe_import(file, plan, reader):
        tell(sentence)
    with open_report(file.header, path, errors) as report, all_or_nothing(path):
        outcome = import_rows(file, reader, report, actor=actor, dry_run=dry_run, tell=tell)
        for sentence in arrival.describe():
            tell(sentence)
        if not dry_run:
            arrival.save(by=actor, source=printable_file_name(path.name))
        return outcome


def prepare_reader(
    file: CsvFile, column_fields: Mapping[str, str], field_templates: Mapping[str, str], *, actor: Actor
) -> tuple[ImportPlan, LeadReader]:
    """Plan the import of `file` from its first rows, and return the plan with a reader for all rows.

    Raises:
        NotPermitted: the file names owners, and `actor` may not assign leads.
        InvalidInput: the file has no rows, or a column or field does not exist.
    """
    first_rows = file.sample()
    if not first_rows:
        raise InvalidInput(f"{file.path.name} has column names but no rows.")
    sample = [row.cells for row in first_rows if not row.fault]
    context = load_import_context()
    plan = plan_import(
        file.header,
        sample,
        make_cell_matcher(context),
        column_fields=column_fields,
        field_templates=field_templates,
    )
    if "assigned_to" in {*plan.columns, *plan.templates}:
        actor.require_permission("leads.reassign_lead", "assign leads to their owners")
    return plan, LeadReader(plan, context, sample, source_detail=printable_file_name(file.path.name))


def import_rows(
    file: CsvFile, reader: LeadReader, report: ImportReport, *, actor: Actor, dry_run: bool, tell: ProgressCallback
) -> ImportOutcome:
    """Stage the rows of `file`, find the duplicates, and insert the new leads."""
    with connection.cursor() as cursor:
        staging = StagingTable(cursor)
        progress = ImportProgress(tell)
        staging.copy(staging_rows(file, reader, report, progress))
        duplicates = staging.find_duplicates()
        for duplicate in staging.duplicates():
            report.add_duplicate(duplicate)
        new = progress.rows - report.rejected - duplicates
        imported = new if dry_run else insert_new_leads(staging, progress.rows, file.path, actor=actor, tell=tell)
    if imported != new:
        raise RuntimeError(f"Expected to insert {new} leads, but inserted {imported}.")
    return ImportOutcome(
        progress.rows, imported, duplicates, report.rejected, report.reason_counts, report.first_reasons
    )


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
        yield [number, row.line, encode_json(row.cells) if report.wants_cells else "", *values]


def insert_new_leads(staging: StagingTable, rows: int, path: Path, *, actor: Actor, tell: ProgressCallback) -> int:
    """Insert the staged rows as leads with their history, enqueue scoring, and return the number of leads."""
    metadata = {"file": printable_file_name(path.name), "import": str(uuid4())}
    created = 0
    for inserted in staging.insert(
        rows,
        at=timezone.now(),
        user=actor.user.pk if actor.user else None,
        actor_type=actor.type.value,
        file=printable_file_name(path.name),
        weights=Jsonb(ScoringPolicy.objects.active().weights),
        metadata=Jsonb({"name": actor.name, **metadata} if actor.name else metadata),
    ):
        created += inserted
        tell(f"{created:,} leads imported")
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


def printable_file_name(name: str) -> str:
    """Return a file name as text that the database accepts, cut to the length of the field."""
    max_length = Lead._meta.get_field("source_detail").max_length
    return name.encode(errors="replace").decode()[:max_length]


def load_import_context() -> ImportContext:
    """Load the current stages, lines, owners and scoring policy."""
    stages = list(LeadStatus.objects.all())
    labels = ", ".join(stage.label for stage in stages)
    lines = list(InsuranceType.objects.filter(is_active=True).order_by("name"))
    names = ", ".join(line.name for line in lines)
    return ImportContext(
        stage=ChoiceParser(
            {normalize_name(name): stage.pk for stage in stages for name in (stage.label, stage.pk)},
            f"is not a stage. The stages are: {labels}",
        ),
        line=ChoiceParser(
            {normalize_name(name): line.pk for line in lines for name in (line.name, line.code)},
            f"is not a line of insurance. The lines are: {names}",
        ),
        owner=ChoiceParser(user_ids_by_name(), "is not the name of an active user"),
        open_stages=frozenset(stage.pk for stage in stages if stage.category in OPEN_CATEGORIES),
        lost_stages=frozenset(stage.pk for stage in stages if stage.category == StageCategory.LOST),
        policy=ScoringPolicy.objects.active(),
    )


def user_ids_by_name() -> dict[str, Any]:
    """Map the username, email address and full name of each active user to the user's ID; skip ambiguous names."""
    ids_by_name: dict[str, set[Any]] = {}
    for user in User.objects.filter(is_active=True):
        for name in filter(
            None, {normalize_name(user.username), normalize_name(user.email), normalize_name(user.get_full_name())}
        ):
            ids_by_name.setdefault(name, set()).add(user.pk)
    return {name: keys.pop() for name, keys in ids_by_name.items() if len(keys) == 1}


def describe_import(file: CsvFile, plan: ImportPlan, reader: LeadReader) -> Iterator[str]:
    """Yield lines that describe the encoding, the source of each field, and the custom fields."""
    yield f"{file.path.name}: {file.encoding}, columns separated by {file.dialect}"
    for step in reader.steps:
        notation = f" ({step.parse})" if isinstance(step.parse, DateParser | AmountParser) else ""
        yield f"  {LEAD_COLUMNS[step.index]} ← {step.source}{notation}"
    if plan.custom_columns:
        yield f"  custom fields: {', '.join(plan.custom_columns.values())}"
