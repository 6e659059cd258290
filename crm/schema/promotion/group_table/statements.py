"""The statements that create the table of a repeated group and its triggers, and that remove them again."""

from collections.abc import Collection, Iterator
from typing import NamedTuple

from psycopg import sql

from crm.schema.promotion.group_table.columns import QuestionColumn
from crm.schema.promotion.group_table.functions import FUNCTIONS, create_functions
from crm.schema.promotion.group_table.layout import GroupTable

CREATE_TABLE_SQL = """
CREATE TABLE {table} (
    id uuid NOT NULL DEFAULT gen_random_uuid() CONSTRAINT {primary_key} PRIMARY KEY,
    {owner} uuid NOT NULL,
    position integer NOT NULL,
    data jsonb NOT NULL DEFAULT '{{}}',
    CONSTRAINT {places} UNIQUE ({owner}, position) DEFERRABLE
);
COMMENT ON TABLE {table} IS {comment}
"""
ADD_FOREIGN_KEY_SQL = """
ALTER TABLE {table} ADD CONSTRAINT {name} FOREIGN KEY ({owner}) REFERENCES {owners} (id) ON DELETE CASCADE NOT VALID
"""


class Trigger(NamedTuple):
    """A trigger by the part of its name, the table that has it, and what follows its name in CREATE TRIGGER."""

    part: str
    is_on_owners: bool
    definition: str


TRIGGERS = (
    Trigger(
        "inserted",
        True,
        "AFTER INSERT ON {owners} FOR EACH ROW WHEN (jsonb_typeof({new_list}) = 'array')"
        " EXECUTE FUNCTION {after_owner}()",
    ),
    # Compared as texts: 10 and 10.0 are equal as JSON, and both sides shall show the same.
    Trigger(
        "updated",
        True,
        "AFTER UPDATE ON {owners} FOR EACH ROW WHEN (({old_list})::text IS DISTINCT FROM ({new_list})::text)"
        " EXECUTE FUNCTION {after_owner}()",
    ),
    Trigger(
        "prepare",
        False,
        "BEFORE INSERT OR UPDATE OR DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION {prepare_row}()",
    ),
    Trigger(
        "rows_inserted",
        False,
        "AFTER INSERT ON {table} REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION {after_rows}()",
    ),
    Trigger(
        "rows_updated",
        False,
        "AFTER UPDATE ON {table} REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT"
        " EXECUTE FUNCTION {after_rows}()",
    ),
    Trigger(
        "rows_deleted",
        False,
        "AFTER DELETE ON {table} REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION {after_rows}()",
    ),
    Trigger("truncated", False, "AFTER TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION {after_truncate}()"),
)


def foreign_key_name(table: GroupTable) -> str:
    return table.function_name("owner_exists")


def create_table(table: GroupTable) -> sql.Composed:
    """Return the statement that creates the table, yet without the columns of the questions."""
    return sql.SQL(CREATE_TABLE_SQL).format(
        table=table.identifier,
        primary_key=table.function("pkey"),
        owner=sql.Identifier(table.owner_column),
        places=table.function("places"),
        comment=sql.Literal(table.comment),
    )


def change_columns(table: GroupTable, dropped: Collection[str], added: Collection[QuestionColumn]) -> sql.Composed:
    """Return the statement that drops columns and adds others; neither rewrites the table."""
    parts = [sql.SQL("DROP COLUMN {}").format(sql.Identifier(name)) for name in dropped]
    parts += [sql.SQL("ADD COLUMN {} {}").format(sql.Identifier(one.name), sql.SQL(one.type.name)) for one in added]
    return sql.SQL("ALTER TABLE {} {}").format(table.identifier, sql.SQL(", ").join(parts))


def replace_functions(table: GroupTable) -> sql.Composed:
    """Return the statements that create the functions or replace them, in one transaction."""
    return sql.SQL(";\n").join(create_functions(table))


def create_trigger(table: GroupTable, trigger: Trigger) -> sql.Composed:
    """Return the statement that creates `trigger`, or replaces a disabled one."""
    definition = sql.SQL(trigger.definition).format(
        table=table.identifier,
        owners=sql.Identifier(table.owner_table),
        old_list=table.stored_list("old"),
        new_list=table.stored_list("new"),
        **{part: table.function(part) for part in FUNCTIONS},
    )
    return sql.SQL("CREATE OR REPLACE TRIGGER {} {}").format(table.function(trigger.part), definition)


def add_foreign_key(table: GroupTable) -> sql.Composed:
    return sql.SQL(ADD_FOREIGN_KEY_SQL).format(
        table=table.identifier,
        name=sql.Identifier(foreign_key_name(table)),
        owner=sql.Identifier(table.owner_column),
        owners=sql.Identifier(table.owner_table),
    )


def validate_foreign_key(table: GroupTable) -> sql.Composed:
    return sql.SQL("ALTER TABLE {} VALIDATE CONSTRAINT {}").format(
        table.identifier, sql.Identifier(foreign_key_name(table))
    )


def remove_table(table: GroupTable) -> sql.Composed:
    """Return the statements that remove the triggers, the table and the functions, in one transaction."""
    return sql.SQL(";\n").join(remove_parts(table))


def remove_parts(table: GroupTable) -> Iterator[sql.Composed]:
    for trigger in TRIGGERS:
        if trigger.is_on_owners:
            yield sql.SQL("DROP TRIGGER IF EXISTS {} ON {}").format(
                table.function(trigger.part), sql.Identifier(table.owner_table)
            )
    yield sql.SQL("DROP TABLE IF EXISTS {}").format(table.identifier)
    for part, function in FUNCTIONS.items():
        yield sql.SQL("DROP FUNCTION IF EXISTS {}({})").format(table.function(part), sql.SQL(function.arguments))
