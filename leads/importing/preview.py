"""What an import will do with a file, before it does it: the mapping, the open questions, and sample rows."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.conf import settings

from crm.exceptions import InvalidInput
from crm.models import CustomField, User
from leads.importing.cells import ChoiceParser, normalize_name
from leads.importing.column_guesses import KnownHeadings
from leads.importing.columns import ImportPlan, column_index, plan_import
from leads.importing.custom_fields import CustomFields
from leads.importing.drafts import LEAD_MARKS
from leads.importing.exceptions import InvalidCell, InvalidImport, Question, RowRejected
from leads.importing.files.tables import TableFile, TableRow
from leads.importing.rows import RowReader
from leads.importing.synonyms import PEOPLE_WORDS, plain_name
from leads.importing.tables.base import ImportTable
from leads.importing.updates.policy import DuplicatePolicy
from leads.importing.values.amounts import AmountParser
from leads.importing.values.dates import DateParser
from leads.importing.values.line_questions import answerable_questions, question_headings
from leads.importing.values.parsers import UNDECIDED, AskedColumn, ImportContext, Notation
from leads.importing.values.stage_history import history_columns, history_headings
from leads.importing.values.stages import StageParser
from leads.models import OPEN_CATEGORIES, InsuranceType, Lead, LeadStatus, ScoringPolicy, StageCategory

SAMPLE_ROW_COUNT = 3
# Columns that say nothing in a sample.
TECHNICAL_COLUMNS = frozenset({"id", "priority_tier", "signals", *LEAD_MARKS, "has_status"})
EMPTY_JSON = ("{}", "[]")


@dataclass(frozen=True)
class ImportOptions:
    """What a person decided about a file.

    `column_fields` maps columns to fields ("": a custom field), `field_templates` fields to texts with `{Column}` and
    `{row}`, `values` texts of a column to ours. `notation` says how numbers and dates are written, `key` which column
    identifies a row. Predictions use `known` columns, filled in at arrival, not `later` ones. `duplicates` says what
    happens with a row that is a lead already, `create_clients` makes the clients that rows name and nobody has.
    """

    column_fields: Mapping[str, str] = field(default_factory=dict)
    field_templates: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[tuple[str, str], str] = field(default_factory=dict)
    notation: Notation = UNDECIDED
    key: str = ""
    known: Sequence[str] = ()
    later: Sequence[str] = ()
    duplicates: DuplicatePolicy = DuplicatePolicy.SKIP
    create_clients: bool = False

    def __post_init__(self) -> None:
        if self.duplicates not in DuplicatePolicy.values:
            raise InvalidInput(f"“{self.duplicates}” is none of: {', '.join(DuplicatePolicy.values)}.")
        object.__setattr__(self, "duplicates", DuplicatePolicy(self.duplicates))

    def to_json(self) -> dict[str, Any]:
        """Return the options as JSON, in which a pair of column and text cannot be a key."""
        return {
            "column_fields": dict(self.column_fields),
            "field_templates": dict(self.field_templates),
            "values": [[column, text, value] for (column, text), value in self.values.items()],
            "decimal": self.notation.decimal,
            "dates": self.notation.dates,
            "key": self.key,
            "known": [*self.known],
            "later": [*self.later],
            "duplicates": self.duplicates.value,
            "create_clients": self.create_clients,
        }

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> "ImportOptions":
        return cls(
            saved.get("column_fields", {}),
            saved.get("field_templates", {}),
            {(column, text): value for column, text, value in saved.get("values", [])},
            Notation(saved.get("decimal", ""), saved.get("dates", "")),
            saved.get("key", ""),
            tuple(saved.get("known", ())),
            tuple(saved.get("later", ())),
            DuplicatePolicy(saved.get("duplicates", DuplicatePolicy.SKIP)),
            saved.get("create_clients", False),
        )


@dataclass(frozen=True)
class FieldMapping:
    """Where a field comes from: its columns or text, why, and how numbers or dates are read."""

    field: str
    source: str
    reason: str
    notation: str = ""

    def __str__(self) -> str:
        why = ", ".join(filter(None, [self.reason, self.notation]))
        return f"{self.field} ← {self.source}{f' ({why})' if why else ''}"


@dataclass(frozen=True)
class ImportPreview:
    """What an import will do with a file. `samples` are the first rows, each as texts by field."""

    file: TableFile
    mappings: tuple[FieldMapping, ...]
    custom_columns: tuple[str, ...]
    key_column: str
    questions: tuple[Question, ...]
    encoding_samples: tuple[dict[str, str], ...]
    samples: tuple[dict[str, str], ...]

    def describe(self) -> Iterator[str]:
        """Yield lines that describe the file, the source of each field, the custom fields and sample rows."""
        yield f"{self.file.path.name}: {self.file}"
        for mapping in self.mappings:
            yield f"  {mapping}"
        if self.custom_columns:
            yield f"  custom fields: {', '.join(self.custom_columns)}"
        if self.key_column:
            yield f"  rows are told apart by: {self.key_column}"
        for texts in self.encoding_samples:
            for encoding, text in texts.items():
                yield f"  in {encoding}: {text[:200]}"
        for number, sample in enumerate(self.samples, start=1):
            yield f"  row {number}: {', '.join(f'{name} = {text}' for name, text in sample.items())}"


def preview_import(
    file: TableFile, options: ImportOptions, table: ImportTable, user: User | None = None
) -> tuple[ImportPreview, RowReader]:
    """Plan the import of `file` into `table` from its first rows, and return the preview with a reader for all rows.

    References are looked up among the records that `user` may open; without a user, among all.

    Raises:
        InvalidInput: the file has no rows, or a column, field or value does not exist.
    """
    if not (first_rows := file.sample()):
        raise InvalidInput(f"{file.path.name} has column names but no rows.")
    sample, context = [row.cells for row in first_rows if not row.fault], load_import_context()
    custom_fields = load_custom_fields(table, user)
    values = values_by_column(options.values, file.header)
    plan = plan_import(
        file.header,
        replace_values(sample, values),
        table.cell_matcher(context),
        column_fields=options.column_fields,
        field_templates=options.field_templates,
        key=options.key,
        fields=table.fields,
        headings=known_headings(table, context, custom_fields),
    )
    check_values(plan, values, context, table)
    source = printable_file_name(file.path.name)
    reader_args = {"table": table, "source_detail": source, "notation": options.notation, "values": values}
    reader_args |= {"creates_clients": options.create_clients, "custom_fields": custom_fields}
    trial = RowReader(plan, context, sample, **reader_args)
    preview = describe_plan(file, trial, read_samples(trial, first_rows))
    return preview, RowReader(plan, context, sample, **reader_args)


def describe_plan(file: TableFile, trial: RowReader, samples: tuple[dict[str, str], ...]) -> ImportPreview:
    """Return the preview of a plan, after `trial` has read the first rows as `samples`."""
    encoding_samples = tuple(file.encoding_samples(SAMPLE_ROW_COUNT))
    return ImportPreview(
        file,
        tuple(field_mappings(trial.plan, trial)),
        tuple(trial.plan.unused_columns()),
        trial.plan.key_field,
        (*encoding_questions(encoding_samples), *trial.questions),
        encoding_samples,
        samples,
    )


def known_headings(table: ImportTable, context: ImportContext, custom_fields: CustomFields) -> KnownHeadings:
    """Return the names of columns that are questions, the past or custom fields of the records of `table`."""
    return KnownHeadings(
        question_headings(context.questions) if table.has_line_questions else {},
        history_headings(context.questions) if table.has_stages else {},
        custom_fields.key_of,
        frozenset(map(plain_name, (*PEOPLE_WORDS, *table.fields.targets, *map(table.label_of, table.fields.targets)))),
    )


def encoding_questions(samples: tuple[dict[str, str], ...]) -> Iterator[Question]:
    """Ask which of the encodings of a file is right, if its letters do not tell."""
    if samples:
        first = next(iter(samples[0].values()))[:60]
        yield Question(
            "encoding", "", first, tuple((name, text[:60]) for name, text in samples[0].items()), "--encoding"
        )


def read_samples(reader: RowReader, rows: list[TableRow]) -> tuple[dict[str, str], ...]:
    """Read all of `rows`, so that their questions are met, and return the first leads as texts by field."""
    samples = []
    for number, row in enumerate(rows, start=1):
        try:
            values = reader.read_row(number, row)
        except RowRejected:
            continue
        if len(samples) < SAMPLE_ROW_COUNT:
            samples.append(
                {
                    name: f"{value:f}" if isinstance(value, Decimal) else str(value)
                    for name, value, default in zip(reader.table.columns, values, reader.defaults, strict=True)
                    if name not in TECHNICAL_COLUMNS and value != default and value not in EMPTY_JSON
                }
            )
    return tuple(samples)


def field_mappings(plan: ImportPlan, reader: RowReader) -> Iterator[FieldMapping]:
    for step in reader.steps:
        indexes = plan.columns_of(step.field) or plan.name_parts
        reason = "chosen" if step.field in plan.templates else plan.reasons.get(next(iter(indexes), -1), "")
        notation = str(step.parse) if isinstance(step.parse, AmountParser | DateParser) else ""
        yield FieldMapping(step.field, step.source, reason, notation)


def values_by_column(values: Mapping[tuple[str, str], str], header: list[str]) -> dict[int, dict[str, str]]:
    """Return the replacements of texts, without case, for each column by index."""
    by_column: dict[int, dict[str, str]] = {}
    for (column, text), value in values.items():
        by_column.setdefault(column_index(column, header), {})[text.casefold()] = value
    return by_column


def replace_values(rows: list[list[str]], values: Mapping[int, Mapping[str, str]]) -> list[list[str]]:
    if not values:
        return rows
    return [
        [values.get(index, {}).get(text.strip().casefold(), text) for index, text in enumerate(cells)] for cells in rows
    ]


def check_values(
    plan: ImportPlan, values: Mapping[int, Mapping[str, str]], context: ImportContext, table: ImportTable
) -> None:
    """Refuse a replacement in a column without a field, or by a text that is no value of the field."""
    fields = {index: name for name in plan.columns for index in plan.columns_of(name)}
    for index, replacements in values.items():
        column = plan.header[index]
        if index not in fields:
            raise InvalidImport(
                f"The column “{column}” has no field, so a value for its texts changes nothing.",
                screen="Choose its field first.",
                command="Give it one with --map.",
            )
        has_parser = fields[index] in table.columns or fields[index] in context.questions
        parse = table.parser(fields[index], context, []) if has_parser else None
        for value in filter(None, replacements.values()):
            try:
                parse(value) if parse else None
            except InvalidCell as error:
                raise InvalidInput(f"The value for “{column}” does not fit: “{value}” {error}.") from error


def printable_file_name(name: str) -> str:
    """Return a file name as text that the database accepts, cut to the length of the field."""
    max_length = Lead._meta.get_field("source_detail").max_length
    return name.encode(errors="replace").decode()[:max_length]


def load_import_context() -> ImportContext:
    """Load the current stages, lines, owners and scoring policy."""
    stages = list(LeadStatus.objects.order_by("position"))
    labels = ", ".join(stage.label for stage in stages)
    lines = list(InsuranceType.objects.filter(is_active=True).order_by("name"))
    names = ", ".join(line.name for line in lines)
    first_stages = {stage.category: stage.pk for stage in reversed(stages)}
    return ImportContext(
        stage=StageParser(
            {normalize_name(name): stage.pk for stage in stages for name in (stage.label, stage.pk)},
            first_stages,
            f"is not a stage. The stages are: {labels}",
        ),
        line=ChoiceParser(
            {normalize_name(name): line.pk for line in lines for name in (line.name, line.code)},
            f"is not a line of insurance. The lines are: {names}",
        ),
        owner=ChoiceParser(user_ids_by_name(), "is not the name of an active user"),
        open_stages=frozenset(stage.pk for stage in stages if stage.category in OPEN_CATEGORIES),
        lost_stages=frozenset(stage.pk for stage in stages if stage.category == StageCategory.LOST),
        won_stages=frozenset(stage.pk for stage in stages if stage.category == StageCategory.WON),
        first_stages=first_stages,
        policy=ScoringPolicy.objects.active(),
        phone_region=settings.PHONE_REGION,
        questions=answerable_questions(lines) | history_columns(stages),
    )


def load_custom_fields(table: ImportTable, user: User | None) -> CustomFields:
    """Return the custom fields in use of the records of `table`, for a file that `user` imports."""
    return CustomFields.of(CustomField.objects.of_table(table.model._meta.label_lower), user)


def load_questions() -> dict[str, AskedColumn]:
    """Return the questions of the active lines and what a column can say of the past of a lead, by target."""
    lines = InsuranceType.objects.filter(is_active=True).order_by("name")
    return answerable_questions(lines) | history_columns(LeadStatus.objects.order_by("position"))


def known_targets(table: ImportTable) -> frozenset[str]:
    """Return the fields and questions that a column can fill in `table`."""
    return frozenset(table.fields.targets) | frozenset(load_questions() if table.has_line_questions else ())


def user_ids_by_name() -> dict[str, Any]:
    """Map the username, email address and full name of each active user to the user's ID; skip ambiguous names."""
    ids_by_name: dict[str, set[Any]] = {}
    for user in User.objects.filter(is_active=True):
        for name in filter(
            None, {normalize_name(user.username), normalize_name(user.email), normalize_name(user.get_full_name())}
        ):
            ids_by_name.setdefault(name, set()).add(user.pk)
    return {name: keys.pop() for name, keys in ids_by_name.items() if len(keys) == 1}
