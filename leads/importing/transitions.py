"""Importing a file of leads: all of it or nothing."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from django.db import DataError, IntegrityError, OperationalError, connection, transaction
from django.utils import timezone
from procrastinate.contrib.django import app
from psycopg.types.json import Jsonb

from crm.exceptions import BadInput, IllegalMove, constraint_sentence
from crm.models import User
from crm.records.activity import Actor
from crm.runtime.job_queue import enqueue
from leads.importing.cells import Amount, Choice, Day, plain
from leads.importing.columns import Plan, plan_of
from leads.importing.reading import CsvFile, open_csv
from leads.importing.report import Outcome, Report, reporting
from leads.importing.rows import COLUMNS, Known, LeadReader, Refusal, borne_out_by, quoted
from leads.importing.staging import CHUNK, Staging
from leads.models import OPEN_CATEGORIES, Category, InsuranceType, Lead, LeadStatus, ScoringPolicy
from leads.prediction.transitions import PREDICT_ALL
from leads.transitions import SCORE_ALL

Tell = Callable[[str], None]


def import_leads(
    path: Path,
    *,
    by: Actor | User,
    maps: Mapping[str, str] | None = None,
    sets: Mapping[str, str] | None = None,
    errors: Path | None = None,
    encoding: str | None = None,
    dry_run: bool = False,
    tell: Tell = lambda sentence: None,
) -> Outcome:
    """Make a lead of every row of the CSV file at `path` that can be one, in one transaction.

    `maps` gives the field of a column ("" keeps it as a custom field), `sets` the text of a field, with
    `{Column}` and `{row}` in it. What is left out goes to the file `errors`, with line and reason. `tell` is
    told how the file is read, and how far the import is.

    Raises:
        NotAllowed: `by` may not add leads, or may not give them to owners.
        BadInput: the file is no CSV file that can be read, or a column or field is not known.
        IllegalMove: something changed in the database meanwhile that the rows conflict with.
    """
    actor = Actor.of(by)
    actor.require("leads.add_lead", "import leads")
    file = open_csv(path, encoding)
    first_rows = file.sample()
    if not first_rows:
        raise BadInput(f"{path.name} has column names and no rows below them.")
    sample = [row.cells for row in first_rows if not row.fault]
    known = known_names()
    plan = plan_of(file.header, sample, borne_out_by(known), maps=maps or {}, sets=sets or {})
    if "assigned_to" in {*plan.columns, *plan.templates}:
        actor.require("leads.reassign_lead", "give leads to their owners")
    reader = LeadReader(plan, known, sample, source_detail=printable(path.name))
    for sentence in described(file, plan, reader):
        tell(sentence)
    with reporting(file.header, path, errors) as report, all_or_nothing(path):
        return carry_out(file, reader, report, actor=actor, dry_run=dry_run, tell=tell)


def carry_out(file: CsvFile, reader: LeadReader, report: Report, *, actor: Actor, dry_run: bool, tell: Tell) -> Outcome:
    """Stage the rows of `file`, compare them, and insert those that are new."""
    with connection.cursor() as cursor:
        staging = Staging(cursor)
        progress = Progress(tell)
        staging.copy(staged(file, reader, report, progress))
        duplicates = staging.find_duplicates()
        for duplicate in staging.duplicates():
            report.duplicate(duplicate)
        new = progress.rows - report.refused - duplicates
        imported = new if dry_run else insert(staging, progress.rows, file.path, actor=actor, tell=tell)
    if imported != new:
        raise RuntimeError(f"{new} rows should have become leads, and {imported} did.")
    return Outcome(progress.rows, imported, duplicates, report.refused, report.kinds, report.first)


class Progress:
    """Counts the rows read, and says so now and then."""

    def __init__(self, tell: Tell) -> None:
        self.rows = 0
        self._tell = tell

    def count(self) -> int:
        self.rows += 1
        if self.rows % CHUNK == 0:
            self._tell(f"{self.rows:,} rows read")
        return self.rows


def staged(file: CsvFile, reader: LeadReader, report: Report, progress: Progress) -> Iterator[list[Any]]:
    """Each row that can be a lead, as the staging table takes it."""
    for row in file.rows():
        number = progress.count()
        try:
            values = reader.read(number, row)
        except Refusal as refusal:
            report.refuse(row, refusal)
            continue
        yield [number, row.line, quoted(row.cells) if report.wants_cells else "", *values]


def insert(staging: Staging, rows: int, path: Path, *, actor: Actor, tell: Tell) -> int:
    """How many leads were made, each with the first line of its history; jobs score them."""
    metadata = {"file": printable(path.name), "import": str(uuid4())}
    made = 0
    for more in staging.insert(
        rows,
        at=timezone.now(),
        user=actor.user.pk if actor.user else None,
        actor_type=actor.type.value,
        file=printable(path.name),
        weights=Jsonb(ScoringPolicy.objects.active().weights),
        metadata=Jsonb({"name": actor.name, **metadata} if actor.name else metadata),
    ):
        made += more
        tell(f"{made:,} leads made")
    if made:
        enqueue(app.configure_task(SCORE_ALL, queueing_lock=SCORE_ALL), timestamp=0)
        enqueue(app.configure_task(PREDICT_ALL, queueing_lock=PREDICT_ALL), timestamp=0)
    return made


@contextmanager
def all_or_nothing(path: Path) -> Iterator[None]:
    """One transaction; what the database or the disk objects to becomes a sentence."""
    try:
        with transaction.atomic():
            yield
    except IntegrityError as error:
        raise IllegalMove(
            f"{constraint_sentence(error)} Something has changed while {path.name} was read, so nothing was "
            "imported. Import it again."
        ) from error
    except (DataError, OperationalError) as error:
        raise BadInput(f"The database stopped the import, and nothing was imported: {error}") from error
    except OSError as error:
        where = error.filename or path
        raise BadInput(f"The import stopped, and nothing was imported: {error.strerror} ({where}).") from error


def printable(name: str) -> str:
    """A file's name as text that the database takes, however it is spelt, and no longer than a field."""
    longest = Lead._meta.get_field("source_detail").max_length
    return name.encode(errors="replace").decode()[:longest]


def known_names() -> Known:
    """The stages, lines and owners that a file may name, as they are now."""
    stages = list(LeadStatus.objects.all())
    labels = ", ".join(stage.label for stage in stages)
    lines = list(InsuranceType.objects.filter(is_active=True).order_by("name"))
    names = ", ".join(line.name for line in lines)
    return Known(
        stage=Choice(
            {plain(name): stage.pk for stage in stages for name in (stage.label, stage.pk)},
            f"is not a stage; the stages are: {labels}",
        ),
        line=Choice(
            {plain(name): line.pk for line in lines for name in (line.name, line.code)},
            f"is not a line of insurance; the lines are: {names}",
        ),
        owner=Choice(owners(), "is nobody who works here"),
        open_stages=frozenset(stage.pk for stage in stages if stage.category in OPEN_CATEGORIES),
        lost_stages=frozenset(stage.pk for stage in stages if stage.category == Category.LOST),
        policy=ScoringPolicy.objects.active(),
    )


def owners() -> dict[str, Any]:
    """The people who work here by login, address and full name; a name that two of them have is left out."""
    found: dict[str, set[Any]] = {}
    for user in User.objects.filter(is_active=True):
        for name in filter(None, {plain(user.username), plain(user.email), plain(user.get_full_name())}):
            found.setdefault(name, set()).add(user.pk)
    return {name: keys.pop() for name, keys in found.items() if len(keys) == 1}


def described(file: CsvFile, plan: Plan, reader: LeadReader) -> Iterator[str]:
    """How the file is read: its encoding, each field with its source, and what is kept as it is."""
    yield f"{file.path.name}: {file.encoding}, columns separated by {file.dialect}"
    for step in reader.steps:
        way = f" ({step.parse})" if isinstance(step.parse, Day | Amount) else ""
        yield f"  {COLUMNS[step.place]} ← {step.source}{way}"
    if plan.custom:
        yield f"  custom fields: {', '.join(plan.custom.values())}"
