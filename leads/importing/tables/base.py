"""A table that rows of a file can become records of: its fields, its rules, its staging, and how it is undone."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, Protocol

from django.db import models
from django.db.backends.utils import CursorWrapper

from crm.models import User
from crm.records.activity import Actor
from leads.importing.cells import CellParser
from leads.importing.column_guesses import CellsMatchField
from leads.importing.columns import ImportPlan
from leads.importing.drafts import RowDraft
from leads.importing.tables.fields import TableFields
from leads.importing.tables.matching import DuplicateRules
from leads.importing.tables.staged import StagedImport
from leads.importing.tables.undo import UndoRule, delete_unused
from leads.importing.updates.rules import UpdateRules
from leads.importing.values.parsers import UNDECIDED, ImportContext, Notation, can_parse
from leads.models import ImportBatch, ImportedRecord, ImportedTable


class RowRules(ABC):
    """The rules between the fields of the rows of one import."""

    def __init__(self, plan: ImportPlan, context: ImportContext) -> None:
        self.context = context
        self.labels = {name: plan.header[index] for name, index in plan.columns.items()}

    def label(self, name: str) -> str:
        """Return the name of the column that fills a field."""
        return self.labels.get(name, name)

    @abstractmethod
    def complete(self, draft: RowDraft) -> None:
        """Complete `draft`, or raise RowRejected."""

    def notices(self) -> tuple[str, ...]:
        """Return sentences about what the file left to the import."""
        return ()


class SkippedRow(Protocol):
    """A row that the database refused to take in: a duplicate, or one that refers to nothing."""

    line: int
    # The row as JSON, for the error file.
    cells: str
    # Whether the row is wrong, not only a record already.
    is_refused: bool
    # The same sentence for all rows with this problem.
    kind: str

    def reason(self, row_word: str) -> str:
        """Return why the row is set aside; `row_word` is what its file calls a row."""


class ImportTable(ABC):
    """How rows of a file become records of `model`.

    `columns` are those of the staging table; `staged` gives the SQL type of those that the model lacks.
    """

    name: ImportedTable
    model: type[models.Model]
    fields: TableFields
    columns: tuple[str, ...]
    # The rules between the fields of a row.
    rules: type[RowRules]
    # When a row is a record already, and how it changes it; without `updates`, records that exist stay as they are.
    duplicates: DuplicateRules
    updates: UpdateRules | None = None
    # The statements that change the staged rows before they are compared with the records.
    preparing_statements: tuple[str, ...] = ()
    # The statement that takes rows out of the duplicates that become records of their own after all.
    free_rows = ""
    staged: Mapping[str, str] = {}
    phone_field = ""
    owner_permission = ""
    has_stages = False
    # Whether columns can answer the questions of lines.
    has_line_questions = False
    # The columns that a row has only if a cell says something; its rules fill them.
    unset: frozenset[str] = frozenset()
    # Names of columns, as `plain_name` writes them, that show that a file is of this table.
    signs: frozenset[str] = frozenset()
    # The texts that a person can give to every record: field and label.
    templates: Mapping[str, str] = {}
    # The fields with values of ours, by which a person can replace the texts of a file.
    choice_fields: tuple[str, ...] = ()
    # Whether a client that a row names can be made with it.
    can_create_clients = False
    # An SQL expression that describes a staged row; `example_join` are the tables that it needs.
    example = "''"
    example_join = ""
    # The statements that insert the rows of a chunk, of which the first one makes the records, and those that are
    # executed once before and after all chunks.
    insert_statements: tuple[str, ...] = ()
    statements_before: tuple[str, ...] = ()
    statements_after: tuple[str, ...] = ()
    # What the list of the records needs to show all of an import.
    list_params: Mapping[str, str] = {}
    # The jobs that follow an import.
    jobs: tuple[str, ...] = ()
    # The tables of which an import makes records, in the order of their undoing.
    undo_rules: tuple[UndoRule, ...] = ()

    @property
    def permission(self) -> str:
        return f"{self.model._meta.app_label}.add_{self.model._meta.model_name}"

    def may_import(self, user: User) -> bool:
        return user.has_perm(self.permission)

    def require_permission(self, actor: Actor) -> None:
        """Refuse an actor who may not add such records."""
        actor.require_permission(self.permission, f"import {self.name.label.lower()}")

    @cached_property
    def index(self) -> dict[str, int]:
        return {name: place for place, name in enumerate(self.columns)}

    @property
    def database_columns(self) -> list[str]:
        """Return the columns of the staging table, as the database names them."""
        return [name if name in self.staged else self.model._meta.get_field(name).column for name in self.columns]

    def default_values(self, source_detail: str) -> list[Any]:
        """Return the values of a row that says nothing. `source_detail` is the name of the file."""
        return [None if name in self.staged else default_value(self.model, name) for name in self.columns]

    def label_of(self, name: str) -> str:
        """Return the label of a field of the table."""
        if name in self.fields.labels:
            return self.fields.labels[name]
        if name in self.columns and name not in self.staged:
            return str(self.model._meta.get_field(name).verbose_name).capitalize()
        return name.replace("_", " ").capitalize()

    @abstractmethod
    def parser(self, name: str, context: ImportContext, texts: list[str], notation: Notation = UNDECIDED) -> CellParser:
        """Return the parser for cells of a field; `texts` show how the column writes dates and numbers."""

    def cell_matcher(self, context: ImportContext) -> CellsMatchField:
        """Return a function that tells whether one of some texts can be a value of a field."""

        def cells_match(name: str, texts: list[str]) -> bool:
            parse = self.parser(name, context, texts)
            return any(can_parse(parse, text) for text in texts)

        return cells_match

    def resolve(self, staged: StagedImport) -> Iterator[SkippedRow]:
        """Find the records that the rows refer to; yield and remove the rows that refer to nothing, or to several."""
        return iter(())

    def link_rows(self, staged: StagedImport) -> int:
        """Relate the rows that are no duplicates to each other and to records. Return how many cannot be related."""
        return 0

    def update_values(self, reader: Any) -> dict[str, Any]:
        """Return the parameters that `updates` needs beside the time."""
        return {}

    @property
    def change_labels(self) -> dict[str, str]:
        """Return the label of each column that an import changes, by the name of the column."""
        names = [name for name in self.columns if name not in self.staged and name != "id"]
        links = {link.name: link.name.capitalize() for link in (self.updates.links if self.updates else ())}
        return {self.model._meta.get_field(name).column: self.label_of(name) for name in names} | links

    @property
    def change_permission(self) -> str:
        return f"{self.model._meta.app_label}.change_{self.model._meta.model_name}"

    def notices(self) -> tuple[str, ...]:
        """Return sentences about what the import makes beside the records."""
        return ()

    def records_of(self, batch: ImportBatch, model: type[models.Model]) -> models.QuerySet:
        """Return the records of `model` that `batch` made and that are left, deleted ones too."""
        made = ImportedRecord.objects.filter(batch=batch, record_type=model._meta.label_lower)
        return model._base_manager.filter(pk__in=made.values("record_id"))

    def insert_values(self) -> dict[str, Any]:
        """Return the parameters that the statements of this table need beside the shared ones."""
        return {}

    def undo(self, cursor: CursorWrapper, batch: ImportBatch) -> int:
        """Delete the records that `batch` made and that have no later work on them. Return their number."""
        return sum(delete_unused(cursor, rule, batch) for rule in self.undo_rules)


def default_value(model: type[models.Model], name: str) -> Any:
    """Return the value of a column for a row that has none."""
    column = model._meta.get_field(name)
    if column.has_default() and name != "created_at":
        value = column.get_default()
        return getattr(value, "value", value)
    # The moment of the import, which the database knows.
    return None if column.null or column.is_relation or name == "created_at" else ""
