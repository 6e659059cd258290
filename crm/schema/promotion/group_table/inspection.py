"""What the database has of the table of a repeated group, and what is missing or differs."""

from collections.abc import Iterator

from django.db import connection

from crm.schema.promotion.group_table.columns import QuestionColumn
from crm.schema.promotion.group_table.functions import function_bodies
from crm.schema.promotion.group_table.layout import GroupTable
from crm.schema.promotion.group_table.statements import TRIGGERS, Trigger, foreign_key_name

COMMENT_SQL = "SELECT obj_description(to_regclass(%s), 'pg_class')"
COLUMNS_SQL = """
SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
 WHERE attrelid = to_regclass(%s) AND attnum > 4 AND NOT attisdropped
"""
FUNCTIONS_SQL = """
SELECT proname, prosrc FROM pg_proc WHERE proname = ANY (%s) AND pronamespace = current_schema()::regnamespace
"""
ENABLED_TRIGGERS_SQL = """
SELECT tgname FROM pg_trigger WHERE tgrelid IN (to_regclass(%s), to_regclass(%s)) AND tgenabled <> 'D'
"""
FOREIGN_KEY_SQL = """
SELECT convalidated FROM pg_constraint WHERE conrelid = to_regclass(%s) AND conname = %s AND contype = 'f'
"""
TABLES_SQL = """
SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace
   AND obj_description(oid, 'pg_class') LIKE 'Entries of %%, kept in step both ways.' ORDER BY relname
"""


def fetch(statement: str, *params: object) -> list[tuple]:
    with connection.cursor() as cursor:
        cursor.execute(statement, params)
        return cursor.fetchall()


def quoted(name: str) -> str:
    return connection.ops.quote_name(name)


def is_created(table: GroupTable) -> bool:
    """Return whether the table exists; one with its name that others made is not it."""
    return fetch(COMMENT_SQL, quoted(table.name)) == [(table.comment,)]


def find_tables() -> list[str]:
    """Return the names of all tables of repeated groups."""
    return [name for (name,) in fetch(TABLES_SQL)]


def wrong_columns(table: GroupTable) -> tuple[list[str], list[QuestionColumn]]:
    """Return the columns that belong to no question or have another type, and the questions without a column."""
    types = dict(fetch(COLUMNS_SQL, quoted(table.name)))
    wanted = {one.name: one.type.name for one in table.questions}
    surplus = sorted(name for name, kind in types.items() if wanted.get(name) != kind)
    missing = [one for one in table.questions if types.get(one.name) != one.type.name]
    return surplus, missing


def changed_functions(table: GroupTable) -> list[str]:
    """Return the functions that are missing or not as they should be."""
    wanted = {table.function_name(part): body for part, body in function_bodies(table).items()}
    bodies = dict(fetch(FUNCTIONS_SQL, list(wanted)))
    return [name for name, body in wanted.items() if bodies.get(name) != body]


def missing_triggers(table: GroupTable) -> list[Trigger]:
    """Return the triggers that are missing or disabled."""
    names = {name for (name,) in fetch(ENABLED_TRIGGERS_SQL, quoted(table.name), quoted(table.owner_table))}
    return [one for one in TRIGGERS if table.function_name(one.part) not in names]


def is_foreign_key_valid(table: GroupTable) -> bool | None:
    """Return whether each row is known to have an owner; None without a foreign key."""
    found = fetch(FOREIGN_KEY_SQL, quoted(table.name), foreign_key_name(table))
    return found[0][0] if found else None


def structure_problems(table: GroupTable) -> Iterator[str]:
    """Yield what is missing or differs of the table, as parts of sentences; not whether its rows are in step."""
    if not is_created(table):
        yield f"the table {table.name} is missing"
        return
    surplus, missing = wrong_columns(table)
    added = [one.name for one in missing]
    yield from (f"the column {name} of {table.name} is missing or has another type" for name in added)
    yield from (f"the column {name} of {table.name} belongs to no question" for name in surplus if name not in added)
    yield from (f"the function {name} is missing or was changed" for name in changed_functions(table))
    triggers = (table.function_name(one.part) for one in missing_triggers(table))
    yield from (f"the trigger {name} is missing or disabled" for name in triggers)
    if not is_foreign_key_valid(table):
        yield f"the foreign key {foreign_key_name(table)} is missing"
