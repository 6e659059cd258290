"""The functions and triggers that keep the table of a repeated group in step with the list in JSON.

The list and the rows are compared, and only what differs is written, so that writing one side ends after the other.
Writing a row locks its owner first, so two writers of one list take turns. Each statement is followed at its end,
so in one transaction the last one decides; in one statement that writes both, the part that PostgreSQL runs first
does, which is the main statement before its WITH queries.
"""

from collections.abc import Iterator
from typing import NamedTuple

from django.db import connection
from psycopg import sql

from crm.schema.promotion.group_table.layout import NO_LIST, GroupTable

# Far shorter than `deadlock_timeout`: of two writers that wait for each other, the one of the table gives up.
OWNER_LOCK_TIMEOUT_MS = 100
# Set while the functions write, so that the triggers of the table leave those rows alone.
IN_STEP = "crm.rows_in_step"
IS_IN_STEP = f"coalesce(current_setting('{IN_STEP}', true), '') = 'on'"

FUNCTION_SQL = """
CREATE OR REPLACE FUNCTION {name}({arguments}) RETURNS {returns} LANGUAGE plpgsql {settings} AS {body}
"""
# A question may have the key of a variable, such as owner_ids.
VARIABLES_FIRST = "#variable_conflict use_variable"
# The lists in JSON become rows.
READ_JSON_SQL = """
BEGIN
    WITH wanted AS MATERIALIZED (
        SELECT owner.id AS owner_id, (entry.ordinality - 1)::integer AS position, entry.value AS data
          FROM {owners} AS owner CROSS JOIN LATERAL jsonb_array_elements({entries}) WITH ORDINALITY AS entry
         WHERE owner.id = ANY (owner_ids)
    ), removed AS (
        DELETE FROM {table} AS old WHERE old.{owner} = ANY (owner_ids) AND NOT EXISTS (
            SELECT FROM wanted WHERE wanted.owner_id = old.{owner} AND wanted.position = old.position)
    ), changed AS (
        UPDATE {table} AS old SET data = wanted.data FROM wanted
         WHERE old.{owner} = ANY (owner_ids) AND wanted.owner_id = old.{owner} AND wanted.position = old.position
           AND (wanted.data::text <> old.data::text OR {stored_values} IS DISTINCT FROM {values})
    )
    INSERT INTO {table} ({owner}, position, data) SELECT owner_id, position, data FROM wanted
     WHERE NOT EXISTS (
        SELECT FROM {table} AS old
         WHERE old.{owner} = ANY (owner_ids) AND old.{owner} = wanted.owner_id AND old.position = wanted.position);
END
"""
AFTER_OWNER_SQL = "\nBEGIN PERFORM {read_json}(ARRAY[NEW.id]); RETURN NULL; END"
LOCK_OWNERS_SQL = """
BEGIN
    PERFORM FROM {owners} WHERE id = ANY (owner_ids) ORDER BY id FOR NO KEY UPDATE;
EXCEPTION WHEN lock_not_available THEN
    RAISE EXCEPTION USING ERRCODE = 'lock_not_available', MESSAGE = {locked};
END
"""
# The columns and the entry of a row are one: what was written to a column goes into the entry, and the columns follow.
PREPARE_ROW_SQL = """
BEGIN
    IF NOT ({in_step}) THEN
        IF TG_OP = 'DELETE' THEN
            PERFORM {lock_owners}(ARRAY[OLD.{owner}]);
            RETURN OLD;
        ELSIF TG_OP = 'UPDATE' THEN
            PERFORM {lock_owners}(ARRAY[OLD.{owner}, NEW.{owner}]);
            {fold_changed}
        ELSE
            PERFORM {lock_owners}(ARRAY[NEW.{owner}]);
            NEW.position := coalesce(
                NEW.position, (SELECT max(position) + 1 FROM {table} WHERE {owner} = NEW.{owner}), 0);
            {fold_given}
        END IF;
    ELSIF TG_OP = 'DELETE' THEN
        RETURN OLD;
    END IF;
    {fill_columns}
    RETURN NEW;
END
"""
FOLD_CHANGED_SQL = """
            IF NEW.{column} IS DISTINCT FROM OLD.{column} THEN
                {require_object}
                NEW.data := CASE WHEN NEW.{column} IS NULL THEN NEW.data - {key}
                                 ELSE jsonb_set(NEW.data, ARRAY[{key}], {json}) END;
            END IF;"""
FOLD_GIVEN_SQL = """
            IF NEW.{column} IS NOT NULL THEN
                {require_object}
                NEW.data := jsonb_set(NEW.data, ARRAY[{key}], {json});
            END IF;"""
REQUIRE_OBJECT_SQL = """IF jsonb_typeof(NEW.data) <> 'object' THEN
                    RAISE EXCEPTION USING ERRCODE = 'check_violation', MESSAGE = {no_object};
                END IF;"""
FILL_COLUMN_SQL = "NEW.{column} := {value};"
# The rows become the lists in JSON.
WRITE_JSON_SQL = """
DECLARE
    refused uuid;
BEGIN
    SELECT owner.id INTO refused FROM {owners} AS owner
     WHERE owner.id = ANY (owner_ids) AND EXISTS (SELECT FROM {table} AS entry WHERE entry.{owner} = owner.id)
       AND NOT ({is_replaceable}) LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'check_violation', MESSAGE = {refusal} || refused || '.';
    END IF;
    UPDATE {table} AS entry SET position = numbered.place FROM (
        SELECT id, (row_number() OVER (PARTITION BY {owner} ORDER BY position) - 1)::integer AS place
          FROM {table} WHERE {owner} = ANY (owner_ids)) AS numbered
     WHERE entry.id = numbered.id AND entry.position <> numbered.place;
    UPDATE {owners} AS owner SET {column} = {changed}, updated_at = now() FROM (
        SELECT each.id, coalesce(jsonb_agg(entry.data ORDER BY entry.position) FILTER (WHERE entry.id IS NOT NULL),
                                 {no_list}) AS list
          FROM unnest(owner_ids) AS each (id) LEFT JOIN {table} AS entry ON entry.{owner} = each.id
         GROUP BY each.id) AS rows
     WHERE owner.id = rows.id AND rows.list::text <> ({entries})::text;
END
"""
AFTER_ROWS_SQL = """
DECLARE
    owner_ids uuid[];
BEGIN
    IF {in_step} THEN
        RETURN NULL;
    ELSIF TG_OP = 'INSERT' THEN
        owner_ids := ARRAY(SELECT DISTINCT {owner} FROM new_rows);
    ELSIF TG_OP = 'DELETE' THEN
        owner_ids := ARRAY(SELECT DISTINCT {owner} FROM old_rows);
    ELSE
        owner_ids := ARRAY(SELECT {owner} FROM new_rows UNION SELECT {owner} FROM old_rows);
    END IF;
    IF owner_ids <> '{{}}' THEN
        PERFORM {write_json}(owner_ids);
    END IF;
    RETURN NULL;
END
"""
AFTER_TRUNCATE_SQL = """
BEGIN
    IF EXISTS (SELECT FROM {owners} AS owner WHERE {entries} <> {no_list}) THEN
        RAISE EXCEPTION USING ERRCODE = 'restrict_violation', MESSAGE = {truncated};
    END IF;
    RETURN NULL;
END
"""


class Function(NamedTuple):
    """A function of the table: its body with names in braces, its arguments, what it returns, and its settings."""

    body: str
    arguments: str = ""
    returns: str = "trigger"
    settings: str = ""


# A session keeps the plans that it made while the table was empty; they shall look rows up by their owner.
WRITING = f"SET {IN_STEP} = 'on' SET enable_seqscan = 'off'"
OWNER_IDS = "owner_ids uuid[]"
FUNCTIONS = {
    "read_json": Function(READ_JSON_SQL, OWNER_IDS, "void", WRITING),
    "after_owner": Function(AFTER_OWNER_SQL),
    "lock_owners": Function(LOCK_OWNERS_SQL, OWNER_IDS, "void", f"SET lock_timeout = {OWNER_LOCK_TIMEOUT_MS}"),
    "prepare_row": Function(PREPARE_ROW_SQL),
    "write_json": Function(WRITE_JSON_SQL, OWNER_IDS, "void", WRITING),
    "after_rows": Function(AFTER_ROWS_SQL),
    "after_truncate": Function(AFTER_TRUNCATE_SQL),
}


def function_bodies(table: GroupTable) -> dict[str, str]:
    """Return the body of each function of the table by the part of its name, as the database stores it."""
    parts = body_parts(table)
    return {
        part: sql.SQL(VARIABLES_FIRST + one.body).format(**parts).as_string(connection.connection)
        for part, one in FUNCTIONS.items()
    }


def create_functions(table: GroupTable) -> Iterator[sql.Composed]:
    """Yield the statements that create the functions or replace them."""
    for part, body in function_bodies(table).items():
        function = FUNCTIONS[part]
        yield sql.SQL(FUNCTION_SQL).format(
            name=table.function(part),
            arguments=sql.SQL(function.arguments),
            returns=sql.SQL(function.returns),
            settings=sql.SQL(function.settings),
            body=sql.Literal(body),
        )


def body_parts(table: GroupTable) -> dict[str, sql.Composable]:
    """Return what the bodies of the functions are made from."""
    wanted = sql.SQL("wanted.data")
    return {
        "owners": sql.Identifier(table.owner_table),
        "owner": sql.Identifier(table.owner_column),
        "table": table.identifier,
        "column": sql.Identifier(table.column),
        "entries": table.entries("owner"),
        "no_list": NO_LIST,
        "in_step": sql.SQL(IS_IN_STEP),
        "values": table.values(wanted),
        "stored_values": table.stored_values("old"),
        "is_replaceable": is_replaceable(table),
        "changed": changed_column(table),
        "refusal": sql.Literal(f"{table.list_label} is no list, so no row can be added to {table.owner_table} "),
        "locked": sql.Literal(f"Another transaction writes this record of {table.owner_table}. Try again."),
        "truncated": sql.Literal(f"TRUNCATE would leave the lists in {table.owner_table} as they are. Use DELETE."),
        "fold_changed": fold(table, FOLD_CHANGED_SQL),
        "fold_given": fold(table, FOLD_GIVEN_SQL),
        "fill_columns": sql.SQL("\n    ").join(
            sql.SQL(FILL_COLUMN_SQL).format(
                column=sql.Identifier(one.name), value=one.value(sql.Identifier("new", "data"))
            )
            for one in table.questions
        ),
        **{part: table.function(part) for part in ("read_json", "write_json", "lock_owners")},
    }


def fold(table: GroupTable, template: str) -> sql.Composed:
    no_object = f"This entry of {table.list_label} is no object, so its answers cannot be written. Change data instead."
    require_object = sql.SQL(REQUIRE_OBJECT_SQL).format(no_object=sql.Literal(no_object))
    return sql.SQL("").join(
        sql.SQL(template).format(
            column=sql.Identifier(one.name),
            key=sql.Literal(one.key),
            json=one.as_json(sql.Identifier("new", one.name)),
            require_object=require_object,
        )
        for one in table.questions
    )


def is_replaceable(table: GroupTable) -> sql.Composed:
    """Return whether the place of the list in `owner` has a list or nothing, and each group around it likewise."""
    conditions = [
        sql.SQL("coalesce(jsonb_typeof({}), 'null') IN ({}, 'null')").format(
            table.member("owner", table.steps[:depth]),
            sql.SQL("'array'" if depth == len(table.steps) else "'object'"),
        )
        for depth in range(1, len(table.steps) + 1)
    ]
    return sql.SQL(" AND ").join(conditions)


def changed_column(table: GroupTable) -> sql.Composed:
    """Return the JSON column of `owner` with `rows.list` in the place of the list."""
    changed = sql.Composed([sql.SQL("rows.list")])
    for depth in reversed(range(len(table.steps))):
        outer = table.member("owner", table.steps[:depth])
        changed = sql.SQL(
            "CASE jsonb_typeof({0}) WHEN 'object' THEN {0} ELSE '{{}}' END || jsonb_build_object({1}, {2})"
        ).format(outer, sql.Literal(table.steps[depth]), changed)
        changed = sql.SQL("({})").format(changed)
    return changed
