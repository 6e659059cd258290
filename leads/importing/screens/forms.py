"""The forms of an import: the upload, how the file is read, the field of each column, the value of each text."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from django import forms
from django.core.files.base import ContentFile, File

from leads.importing.columns import ImportPlan
from leads.importing.files.reading import CsvFile
from leads.importing.files.sheets import SheetFile
from leads.importing.preview import ImportOptions
from leads.importing.tables.base import ImportTable
from leads.importing.tables.fields import CUSTOM_PREFIX, LEFT_OUT, MAX_CUSTOM_KEY_LENGTH, NAME_PARTS
from leads.importing.tables.guess import TableGuess
from leads.importing.updates.policy import DuplicatePolicy
from leads.importing.values.dates import DAY_FIRST, MONTH_FIRST
from leads.importing.values.line_questions import LineQuestion
from leads.importing.values.parsers import Notation

ENCODINGS = (
    ("utf-8", "UTF-8"),
    ("utf-16", "UTF-16"),
    ("cp1252", "Western European (Windows-1252)"),
    ("iso8859_15", "Western European (ISO 8859-15)"),
    ("cp1250", "Central European (Windows-1250)"),
    ("iso8859_2", "Central European (ISO 8859-2)"),
    ("cp1251", "Cyrillic (Windows-1251)"),
    ("cp1253", "Greek (Windows-1253)"),
    ("cp1254", "Turkish (Windows-1254)"),
    ("mac_roman", "Mac Roman"),
)
DELIMITER_CHOICES = ((",", "Comma"), (";", "Semicolon"), ("\t", "Tab"), ("|", "Vertical bar"))
CUSTOM, GUESSED = "", "?"
NOT_ANSWERED, KNOWN, LATER = "", "known", "later"
# A form has at most 1,000 inputs.
MAX_MAPPED_COLUMNS = 300
MAX_PASTED_LENGTH = 1_000_000
PASTED_NAME = "Pasted rows.csv"


def target_choices(table: ImportTable, questions: Iterable[LineQuestion]) -> list[tuple[str, Any]]:
    """Return the fields and the questions of lines that a column can fill, in groups."""
    fields = table.fields
    names = (*(NAME_PARTS if fields.full_name else ()), *fields.fields)
    choices: list[tuple[str, Any]] = [(CUSTOM, "Custom field"), (LEFT_OUT, "Leave out")]
    choices.append((table.name.label, [(name, table.label_of(name)) for name in names]))
    if fields.consent:
        choices.append(("Consent", [(name, table.label_of(name)) for name in fields.consent]))
    by_line: dict[str, list[tuple[str, str]]] = {}
    for question in questions:
        by_line.setdefault(question.line_name, []).append((question.target, question.label))
    return [*choices, *by_line.items()]


class UploadForm(forms.Form):
    """A file, or rows pasted from a spreadsheet."""

    file = forms.FileField(
        label="CSV or Excel file",
        required=False,
        help_text="CSV in any encoding, or XLSX. The first row names the columns.",
        widget=forms.FileInput(attrs={"accept": ".csv,.tsv,.txt,.xlsx,.xlsm,text/csv"}),
    )
    rows = forms.CharField(
        label="Or paste rows",
        required=False,
        max_length=MAX_PASTED_LENGTH,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text="Copied from a spreadsheet, with the column names first.",
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        has_rows = bool((cleaned.get("rows") or "").strip())
        if not self.errors and bool(cleaned.get("file")) == has_rows:
            raise forms.ValidationError("Choose a file or paste rows, one of the two.")
        return cleaned

    def name_and_content(self) -> tuple[str, File]:
        if file := self.cleaned_data["file"]:
            return file.name, file
        return PASTED_NAME, ContentFile(self.cleaned_data["rows"].encode())


class ReadingForm(forms.Form):
    """The encoding and the separator of a file."""

    encoding = forms.ChoiceField(label="Encoding")
    delimiter = forms.ChoiceField(label="Columns separated by", choices=DELIMITER_CHOICES)

    def __init__(self, *args: Any, file: CsvFile, **kwargs: Any) -> None:
        initial = {"encoding": file.encoding, "delimiter": file.dialect.delimiter}
        super().__init__(*args, initial=initial, **kwargs)
        known = dict(ENCODINGS)
        found = {name: known.get(name, name) for name in (file.encoding, *file.other_encodings)}
        self.fields["encoding"].choices = [*found.items(), *(one for one in ENCODINGS if one[0] not in found)]
        if file.dialect.delimiter not in dict(DELIMITER_CHOICES):
            self.fields["delimiter"].choices = [
                (file.dialect.delimiter, file.dialect.delimiter),
                *DELIMITER_CHOICES,
            ]


class TableForm(forms.Form):
    """What the rows of a file are."""

    table = forms.ChoiceField(label="What is in the file?", required=False)

    def __init__(self, *args: Any, guess: TableGuess, tables: list[ImportTable], chosen: str, **kwargs: Any) -> None:
        super().__init__(*args, initial={"table": chosen}, **kwargs)
        self.fields["table"].choices = [(table.name.value, table.name.label) for table in tables]
        if guess.reason:
            label = guess.table.name.label
            self.fields["table"].help_text = f"{label}, as it seems from {guess.reason}."


class SheetForm(forms.Form):
    """The sheet of a workbook."""

    sheet = forms.ChoiceField(label="Sheet")

    def __init__(self, *args: Any, file: SheetFile, **kwargs: Any) -> None:
        super().__init__(*args, initial={"sheet": file.sheet}, **kwargs)
        self.fields["sheet"].choices = [
            (name, f"{name} (hidden)" if is_hidden else name) for name, is_hidden in file.sheets
        ]


def create_clients_field(options: ImportOptions) -> forms.BooleanField:
    """Return the question whether clients that rows name are made with them."""
    return forms.BooleanField(
        label="Create clients that do not exist",
        required=False,
        initial=options.create_clients,
        help_text="From the name of the client in the row. Without it, such rows are refused.",
    )


def duplicates_field(table: ImportTable, options: ImportOptions) -> forms.ChoiceField:
    """Return the question what happens with rows that are records already."""
    return forms.ChoiceField(
        label=f"Rows that are {table.name.label.lower()} already",
        choices=[(policy.value, policy.label) for policy in DuplicatePolicy],
        required=False,
        initial=options.duplicates.value,
    )


class ColumnsForm(forms.Form):
    """The field of each column, and whether the column was known when the lead arrived."""

    key = forms.ChoiceField(
        label="Column that identifies a row",
        required=False,
        help_text="An ID of the other system. A row with the same ID is a duplicate.",
    )
    decimal = forms.ChoiceField(
        label="Decimal mark",
        choices=[("", "As each column shows"), (".", "Point: 1,500.25"), (",", "Comma: 1.500,25")],
        required=False,
    )
    dates = forms.ChoiceField(
        label="Dates",
        choices=[("", "As each column shows"), (DAY_FIRST, "Day before month"), (MONTH_FIRST, "Month before day")],
        required=False,
    )

    def __init__(
        self,
        *args: Any,
        table: ImportTable,
        header: list[str],
        plan: ImportPlan | None,
        options: ImportOptions,
        questions: Iterable[LineQuestion],
        asks_arrival: bool,
    ) -> None:
        notation = options.notation
        super().__init__(*args, initial={"key": options.key, "decimal": notation.decimal, "dates": notation.dates})
        self.templates = table.templates
        self.header, self.options, self.asks_arrival = header[:MAX_MAPPED_COLUMNS], options, asks_arrival
        self.initial_targets = initial_targets(header, plan)
        choices = target_choices(table, questions)
        for index, name in enumerate(self.header):
            self.add_column(index, name, choices)
        self.fields["key"].choices = [("", "Found by the program"), *((name, name) for name in self.header)]
        if table.can_create_clients:
            self.fields["create_clients"] = create_clients_field(options)
        if table.updates:
            self.fields["duplicates"] = duplicates_field(table, options)
        for name, label in self.templates.items():
            self.add_template(name, f"{label} of every {table.fields.noun}")

    def add_template(self, name: str, label: str) -> None:
        """Add the input of a text that every record gets."""
        self.fields[f"all_{name}"] = forms.CharField(
            label=label, required=False, max_length=200, initial=self.options.field_templates.get(name, "")
        )

    def add_column(self, index: int, name: str, choices: list[tuple[str, Any]]) -> None:
        """Add the inputs of one column."""
        target = self.initial_targets[index]
        self.fields[f"field_{index}"] = forms.ChoiceField(
            label=f"Field of {name}", choices=choices, required=False, initial=field_of(target)
        )
        self.fields[f"name_{index}"] = forms.CharField(
            label=f"Name of the custom field for {name}",
            required=False,
            max_length=MAX_CUSTOM_KEY_LENGTH,
            initial=name_of(target),
            widget=forms.TextInput(attrs={"placeholder": name, "class": "custom-name", "list": "custom-names"}),
        )
        if self.asks_arrival:
            self.fields[f"arrival_{index}"] = forms.ChoiceField(
                label=f"Was {name} known at arrival?",
                choices=[(NOT_ANSWERED, "Not answered"), (KNOWN, "Known"), (LATER, "Recorded later")],
                required=False,
                initial=arrival_answer(name, self.options),
            )

    def column_fields(self) -> dict[str, str]:
        """Return the fields that a person chose: those that differ from the guess, and earlier choices."""
        chosen = dict(self.options.column_fields)
        for index, name in enumerate(self.header):
            target = self.cleaned_data[f"field_{index}"]
            custom_name = self.cleaned_data[f"name_{index}"]
            if target == CUSTOM and custom_name and custom_name != name:
                target = f"{CUSTOM_PREFIX}{custom_name}"
            if target != self.initial_targets[index]:
                chosen[name] = target
        return chosen

    def chosen_options(self) -> ImportOptions:
        """Return the options with what the form says."""
        data = self.cleaned_data
        arrivals = {name: data.get(f"arrival_{index}") for index, name in enumerate(self.header)}
        return replace(
            self.options,
            column_fields=self.column_fields(),
            field_templates={name: text for name in self.templates if (text := data[f"all_{name}"])},
            notation=Notation(data["decimal"], data["dates"]),
            key=data["key"],
            known=tuple(name for name, answer in arrivals.items() if answer == KNOWN),
            later=tuple(name for name, answer in arrivals.items() if answer == LATER),
            duplicates=data.get("duplicates") or self.options.duplicates,
            create_clients=data.get("create_clients", False),
        )


def initial_targets(header: list[str], plan: ImportPlan | None) -> list[str]:
    """Return the field of each column in `plan`; without one, every column is a custom field."""
    targets = [CUSTOM] * len(header)
    for index, name in plan.custom_names.items() if plan else ():
        targets[index] = f"{CUSTOM_PREFIX}{name}"
    for index in plan.left_out if plan else ():
        targets[index] = LEFT_OUT
    for name in {**plan.columns, **plan.alternatives} if plan else ():
        for index in plan.columns_of(name):
            targets[index] = name
    return targets


def field_of(target: str) -> str:
    return CUSTOM if target.startswith(CUSTOM_PREFIX) else target


def name_of(target: str) -> str:
    return target.removeprefix(CUSTOM_PREFIX) if target.startswith(CUSTOM_PREFIX) else ""


def arrival_answer(column: str, options: ImportOptions) -> str:
    if column in options.known:
        return KNOWN
    return LATER if column in options.later else NOT_ANSWERED


class ValuesForm(forms.Form):
    """Our value for each text of a column with a list of values."""

    def __init__(self, *args: Any, rows: list[Any], saved: Mapping[tuple[str, str], str]) -> None:
        super().__init__(*args)
        self.rows, self.saved = rows, saved
        for place, row in enumerate(rows):
            self.fields[f"value_{place}"] = forms.ChoiceField(
                label=f"{row.column}: {row.text}",
                required=False,
                initial=saved.get((row.column, row.text), GUESSED),
                choices=[(GUESSED, row.automatic_label), ("", "Leave empty"), *row.choices],
            )

    def chosen_values(self) -> dict[tuple[str, str], str]:
        """Return the values of all texts; those of columns that the form does not show stay."""
        values = dict(self.saved)
        for place, row in enumerate(self.rows):
            chosen = self.cleaned_data[f"value_{place}"]
            if chosen == GUESSED:
                values.pop((row.column, row.text), None)
            else:
                values[row.column, row.text] = chosen
        return values
