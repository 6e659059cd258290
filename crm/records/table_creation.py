"""Operations of migrations: many tables at once, and an index that can be built again after a kill."""

from typing import Any

from django.contrib.postgres import operations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.operations import CreateModel
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState


class CreateTables(Operation):
    """Create the tables of an app at once, with their triggers.

    After each operation Django renders again every model that is related to the changed one, and in the end all are.
    With one operation a table, that takes most of the time of `migrate`; here the models are rendered once.
    """

    reversible = False
    serialization_expand_args = ["tables"]

    def __init__(self, tables: list[CreateModel]) -> None:
        self.tables = tables

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        state.__dict__.pop("apps", None)  # A cached property: the next reader renders the models.
        for table in self.tables:
            table.state_forwards(app_label, state)

    def database_forwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        for table in self.tables:
            table.database_forwards(app_label, schema_editor, from_state, to_state)

    def describe(self) -> str:
        return f"Create {len(self.tables)} tables"

    def references_model(self, name: str, app_label: str) -> bool:
        return any(table.references_model(name, app_label) for table in self.tables)

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        return "CreateTables", [], {"tables": self.tables}


class AddIndexConcurrently(operations.AddIndexConcurrently):
    """Build an index while others write, as Django does, in place of what a killed migration has left of it.

    Such a migration is no transaction: its first indexes stay, and the one that was being built stays invalid.
    """

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        name = schema_editor.quote_name(self.index.name)
        schema_editor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
        super().database_forwards(app_label, schema_editor, from_state, to_state)
