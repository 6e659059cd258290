"""Map the columns of a file to the fields of a table. Pure: no database."""

import itertools
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from crm.exceptions import InvalidInput
from leads.importing.column_guesses import NO_HEADINGS, CellsMatchField, KnownHeadings, guess_columns
from leads.importing.exceptions import InvalidImport
from leads.importing.synonyms import (
    AMBIGUOUS_SYNONYMS,
    FIELD_SYNONYMS,
    RECORD_KEYS,
    plain_name,
)
from leads.importing.tables.fields import (
    CUSTOM_PREFIX,
    LEFT_OUT,
    NAME_PARTS,
    TableFields,
    custom_key,
    is_field,
    validate_field,
    validate_target,
)

IMPORTABLE_FIELDS = (
    *("contact_name", "contact_email", "contact_phone", "company_name", "company_website", "client_type"),
    *("source_type", "source_detail", "assigned_to", "notes", "status", "insurance_type"),
    *("loss_reason", "loss_notes", "overall_score", "tier_override", "predicted_close_probability"),
    *("estimated_value", "expected_close_date", "closed_at", "created_at", "tags"),
)
# Consent and its refusal, which become `communications`: field, channels, key. Several columns can feed one.
CONSENT_FIELDS = {
    "do_not_contact": (("email", "phone", "sms"), "do_not_contact"),
    "do_not_email": (("email",), "do_not_contact"),
    "do_not_call": (("phone",), "do_not_contact"),
    "do_not_text": (("sms",), "do_not_contact"),
    "email_consent": (("email",), "consent"),
    "phone_consent": (("phone",), "consent"),
    "sms_consent": (("sms",), "consent"),
}
CONSENT_LABELS = {
    "do_not_contact": "Do not contact",
    "do_not_email": "Do not email",
    "do_not_call": "Do not call",
    "do_not_text": "Do not text",
    "sms_consent": "SMS consent",
}
# Several columns of these fields are united.
JOINED_FIELDS = frozenset({"tags"})
# Of several columns for one of these fields, the first cell that is filled and fits counts.
LIKE_COLUMN_FIELDS = frozenset(
    {"contact_email", "contact_phone", "company_name", "company_website", "closed_at", "status", "assigned_to"}
)
IDENTIFYING_FIELDS = frozenset({"contact_name", "contact_email", "contact_phone", "company_name", *NAME_PARTS})
LEAD_FIELDS = TableFields(
    noun="lead",
    fields=IMPORTABLE_FIELDS,
    synonyms=FIELD_SYNONYMS,
    ambiguous=AMBIGUOUS_SYNONYMS,
    keys=RECORD_KEYS,
    required="the name of a person, a company, an email address or a phone number",
    full_name="contact_name",
    identifying=IDENTIFYING_FIELDS,
    consent=tuple(CONSENT_FIELDS),
    alike=LIKE_COLUMN_FIELDS,
    free_text=frozenset({"contact_name", "company_name", "source_detail", "notes", "loss_notes", "tags"}),
    repeated=frozenset(
        {"client_type", "source_type", "assigned_to", "status", "insurance_type", "loss_reason", "tags"}
        | {"expected_close_date", "closed_at", "created_at", *CONSENT_FIELDS}
    ),
    labels={
        "contact_name": "Full name",
        "company_website": "Website",
        "client_type": "Person or business",
        "tier_override": "Tier",
        "created_at": "Created on",
        "closed_at": "Closed at",
        **CONSENT_LABELS,
    },
)
# The error file begins with these columns; the import skips them, so that a corrected error file can be imported.
ERROR_COLUMNS = ["line", "reason"]
ROW_NUMBER_PLACEHOLDER = "row"
TEMPLATE_PLACEHOLDER_PATTERN = re.compile(r"\{([^{}]*)\}")
EMAIL_OR_URL_PATTERN = re.compile(r"\S+@\S+|https?://.*", re.IGNORECASE)
NUMBER_OR_DATE_PATTERN = re.compile(r"[-+$€£]?\d[\d.,:/ -]*%?")
CHOSEN = "chosen"


@dataclass(frozen=True)
class ImportPlan:
    """The source of each field of a record: a column, by its index, or a template.

    `alternatives` are further columns of a field, by index, for rows in which its column is empty. `reasons` says
    for each column with a field why it has that field. `key` is the column with the identifiers of the other system.
    """

    header: list[str]
    columns: Mapping[str, int]
    templates: Mapping[str, str]
    alternatives: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    reasons: Mapping[int, str] = field(default_factory=dict)
    key: int | None = None
    is_key_chosen: bool = False
    fields: TableFields = LEAD_FIELDS
    # The names that a person gave to custom fields, by column, and the columns that a person leaves out.
    custom_names: Mapping[int, str] = field(default_factory=dict)
    left_out: frozenset[int] = frozenset()

    @property
    def custom_columns(self) -> dict[int, str]:
        """Return the columns without a field, by index, with the name of the custom field that each becomes."""
        error_columns = range(len(ERROR_COLUMNS)) if self.header[: len(ERROR_COLUMNS)] == ERROR_COLUMNS else ()
        used = {*self.columns.values(), *error_columns, *self.left_out}
        names = {index: name for index, name in enumerate(self.header) if index not in used}
        return {index: self.custom_names.get(index, name) for index, name in names.items()}

    @property
    def key_field(self) -> str:
        """The custom field with the identifiers of the other system; empty if there is none."""
        return "" if self.key is None else self.custom_names.get(self.key, self.header[self.key])

    def unused_columns(self) -> list[str]:
        """Return the names of the columns that become custom fields in every row."""
        used = {index for indexes in self.alternatives.values() for index in indexes}
        return [name for index, name in self.custom_columns.items() if index not in used]

    @property
    def name_parts(self) -> list[int]:
        return [self.columns[part] for part in NAME_PARTS if part in self.columns]

    def columns_of(self, target: str) -> tuple[int, ...]:
        """Return the columns of a field, the first choice first."""
        first = (self.columns[target],) if target in self.columns else ()
        return first + tuple(self.alternatives.get(target, ()))


def plan_import(
    header: list[str],
    rows: list[list[str]],
    cells_match: CellsMatchField,
    *,
    column_fields: Mapping[str, str],
    field_templates: Mapping[str, str],
    key: str = "",
    fields: TableFields = LEAD_FIELDS,
    headings: KnownHeadings = NO_HEADINGS,
) -> ImportPlan:
    """Decide the source of each field: as `column_fields` and `field_templates` say, else guessed from the names.

    `column_fields` maps a column to a field, to a question of a line, to "" or `custom:name` to keep it as a custom
    field, or to "-" to leave it out. `field_templates` maps a field to a template. `key` names the column that
    identifies a row. `rows` are the first rows of the file, `headings` the names of columns that are no fields.

    Raises:
        InvalidInput: a column or field does not exist, a field has two sources, or nothing names or reaches a person.
    """
    mapped = validate_columns(column_fields, field_templates, header, fields, headings.targets)
    chosen, further = group_by_field({index: name for index, name in mapped.items() if is_field(name)})
    used = {*chosen, *field_templates}
    guesses, keys = guess_columns(header, rows, cells_match, headings, fields=fields, mapped=mapped, used=used)
    plan = ImportPlan(
        header,
        {**chosen, **guesses.columns},
        field_templates,
        {**guesses.alternatives, **further},
        {**guesses.reasons, **dict.fromkeys((index for index, name in mapped.items() if name), CHOSEN)},
        column_index(key, header) if key else find_key(header, fields.keys),
        bool(key),
        fields,
        keys | {index: custom_key(name) for index, name in mapped.items() if name.startswith(CUSTOM_PREFIX)},
        frozenset(index for index, name in mapped.items() if name == LEFT_OUT),
    )
    check_identity(plan)
    check_custom_names(plan)
    return plan


def validate_columns(
    column_fields: Mapping[str, str],
    field_templates: Mapping[str, str],
    header: list[str],
    fields: TableFields,
    questions: Collection[str],
) -> dict[int, str]:
    """Return the target of each chosen column, by index.

    Raises:
        InvalidInput: a column or field does not exist, or a field has two sources.
    """
    mapped = {
        column_index(column, header): validate_target(name, fields, questions) for column, name in column_fields.items()
    }
    check_header_row(header, mapped, fields)
    templates = [validate_field(name, fields) for name in field_templates]
    check_single_source([*filter(is_field, mapped.values()), *templates], fields)
    check_placeholders(field_templates, header)
    return mapped


def check_custom_names(plan: ImportPlan) -> None:
    """Refuse two columns that would become one custom field, and an identifier that is left out."""
    columns = plan.custom_columns
    names = [*columns.values()]
    if repeated := next((name for name in plan.custom_names.values() if names.count(name) > 1), None):
        pair = " and ".join(f"“{plan.header[index]}”" for index, name in columns.items() if name == repeated)
        raise InvalidInput(f"The columns {pair} would become one custom field, “{repeated}”. Give them two names.")
    if plan.is_key_chosen and plan.key in plan.left_out:
        raise InvalidInput(f"The column “{plan.header[plan.key]}” identifies a row, so it cannot be left out.")


def check_identity(plan: ImportPlan) -> None:
    """Refuse a file with nothing of what identifies a record."""
    fields, columns = plan.fields, f"The columns are: {', '.join(plan.header)}."
    if fields.identifying.isdisjoint({*plan.columns, *plan.templates}):
        name, noun = fields.full_name, fields.noun
        enter = f", or enter a name for every {noun}, such as Applicant {{row}}" if name else ""
        build = f", or build names: --set {name}='Applicant {{row}}'" if name else ""
        raise InvalidImport(
            f"No column holds {fields.required}.",
            screen=f"Choose the field of one{enter}. {columns}",
            command=f"Choose one with --map{build}. {columns}",
        )


def group_by_field(mapped: Mapping[int, str]) -> tuple[dict[str, int], dict[str, tuple[int, ...]]]:
    """Return the first column of each field, and the further columns of the fields that have several."""
    first: dict[str, int] = {}
    further: dict[str, tuple[int, ...]] = {}
    for index, name in mapped.items():
        if name and first.setdefault(name, index) != index:
            further[name] = (*further.get(name, ()), index)
    return first, further


def find_key(header: list[str], keys: tuple[str, ...] = RECORD_KEYS) -> int | None:
    """Return the column that identifies a row in the other system, if there is one."""
    names = [plain_name(name) for name in header]
    return next((names.index(name) for name in keys if name in names), None)


def column_index(column: str, header: list[str]) -> int:
    """Return the index of `column`, ignoring case.

    Raises:
        InvalidInput: there is no such column.
    """
    for index, name in enumerate(header):
        if name.casefold() == " ".join(column.split()).casefold():
            return index
    raise InvalidInput(f"There is no column “{column}”. The columns are: {', '.join(header)}.")


def check_placeholders(field_templates: Mapping[str, str], header: list[str]) -> None:
    """Refuse a template that names a column that does not exist."""
    for name in itertools.chain.from_iterable(map(TEMPLATE_PLACEHOLDER_PATTERN.findall, field_templates.values())):
        if name != ROW_NUMBER_PLACEHOLDER:
            column_index(name, header)


def check_single_source(names: list[str], fields: TableFields = LEAD_FIELDS) -> None:
    for index, name in enumerate(names):
        is_repeated = name in names[:index] and name not in fields.consent and name not in JOINED_FIELDS
        if is_repeated or fields.conflicts_with_name_parts(name, {*names[:index]}):
            raise InvalidImport(
                f"The field {name} has two sources.",
                screen=f"Choose another field for one of its columns, or leave the text for every {fields.noun} empty.",
                command="Remove one of its --map or --set options.",
            )


def check_header_row(header: list[str], mapped: Mapping[int, str], fields: TableFields = LEAD_FIELDS) -> None:
    """Refuse a first row that holds data instead of column names."""
    names = fields.known_headers
    has_column_names = bool(mapped) or any(plain_name(cell) in names for cell in header)
    data_pattern = (
        EMAIL_OR_URL_PATTERN
        if has_column_names
        else re.compile(f"{EMAIL_OR_URL_PATTERN.pattern}|{NUMBER_OR_DATE_PATTERN.pattern}", re.IGNORECASE)
    )
    if data := next((cell for cell in header if data_pattern.fullmatch(cell)), None):
        raise InvalidInput(
            f"The first row must name the columns, but “{data[:60]}” looks like data. Add a row with column names."
        )
