"""The column of a promoted key: names and statements, and what the database has of it.

A trigger keeps column and JSON in step. JSON stays what forms, imports and history read; the column is what filters,
orders and other programs read. Who writes one gets the other.
"""

from functools import cached_property
from typing import NamedTuple

from django.db import connection
from psycopg import sql

from crm.models import SchemaChange
from crm.schema.promotion.indexes import KeyIndex, PromotedKey, create_statistics, definitions_of, live_index
from crm.screens.custom_fields.promoted_columns import column_name
from crm.screens.custom_fields.sort_keys import SORT_KEYS

# How a value of the column is written in JSON, by the type of the column; other types have a form of their own there.
JSON_TEXTS = {
    "date": "to_char({}, 'YYYY-MM-DD')",
    # Without a fraction of a second unless there is one, as the forms write it.
    "timestamptz": "regexp_replace(to_char({} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US'), '[.]?0*$', '')"
    " || '+00:00'",
}
ADD_COLUMN_SQL = "ALTER TABLE {table} ADD COLUMN IF NOT EXISTS {name} {type}"
# A column that is left out of a statement keeps its value, so only a change says which side was written.
CREATE_FUNCTION_SQL = "CREATE OR REPLACE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS {body}"
FUNCTION_BODY_SQL = """
DECLARE
    stored {type} := {value_of_new};
    is_json_written boolean := coalesce(NEW.{data} -> {key}, 'null') <> 'null';
    is_column_written boolean := NEW.{name} IS NOT NULL;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        is_json_written := NEW.{data} -> {key} IS DISTINCT FROM OLD.{data} -> {key};
        is_column_written := NEW.{name} IS DISTINCT FROM OLD.{name};
    END IF;
    IF NEW.{name} IS NOT DISTINCT FROM stored THEN
        RETURN NEW;
    END IF;
    IF NOT is_column_written THEN
        NEW.{name} := stored;
        RETURN NEW;
    END IF;
    IF is_json_written THEN
        RAISE EXCEPTION USING ERRCODE = 'integrity_constraint_violation', MESSAGE = {two_values};
    END IF;
    NEW.{data} := CASE WHEN NEW.{name} IS NULL THEN NEW.{data} - {key}
                       ELSE NEW.{data} || jsonb_build_object({key}, {json_of_new}) END;
    IF NEW.{name} IS DISTINCT FROM {value_of_new} THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = {no_json};
    END IF;
    RETURN NEW;
END
"""
TRIGGER_SQL = """
CREATE OR REPLACE TRIGGER {trigger} BEFORE INSERT OR UPDATE OF {data}, {name} ON {table}
FOR EACH ROW EXECUTE FUNCTION {function}()
"""
# As one statement to the server, so that it is done whole or not at all. The check falls with the column.
DROP_SQL = """
DROP TRIGGER IF EXISTS {trigger} ON {table}; DROP FUNCTION IF EXISTS {function}();
ALTER TABLE {table} DROP COLUMN IF EXISTS {name}
"""
STATE_SQL = """
SELECT EXISTS (SELECT FROM pg_attribute WHERE attrelid = place.id AND attname = %(name)s AND NOT attisdropped),
       (SELECT tgenabled::text FROM pg_trigger WHERE tgrelid = place.id AND tgname = %(trigger)s),
       (SELECT convalidated FROM pg_constraint WHERE conrelid = place.id AND conname = %(check)s)
  FROM (SELECT to_regclass(%(table)s) AS id) AS place
"""


class ColumnState(NamedTuple):
    """Whether the column is there, when its trigger fires, and whether its check is validated; None if missing."""

    has_column: bool
    trigger_mode: str | None
    is_check_valid: bool | None

    @property
    def fires(self) -> bool | None:
        return None if self.trigger_mode is None else self.trigger_mode in {"O", "A"}


class KeyColumn:
    """The column that a key of a JSON column is promoted to."""

    def __init__(self, key: PromotedKey) -> None:
        self.key = key
        self.sort_key = SORT_KEYS[key.kind]
        self.name = column_name(key.table, key.column, key.key, key.kind)
        self.trigger_name = f"{self.name}_in_step"
        self.check_name = f"{self.name}_same"
        self.statistics_name = f"{self.name}_stats"

    @classmethod
    def of(cls, change: SchemaChange) -> "KeyColumn":
        return cls(PromotedKey.of(change))

    @cached_property
    def parts(self) -> dict[str, sql.Composable]:
        """The names and literals that the statements are made of."""
        new_value, json_text = sql.SQL("NEW.{}").format(self.identifier), JSON_TEXTS.get(self.column_type, "{}")
        label = self.key.key[:60]
        return {
            "table": sql.Identifier(self.key.db_table),
            "name": self.identifier,
            "type": sql.SQL(self.column_type),
            "data": sql.Identifier(self.key.column),
            "key": sql.SQL("{}::text").format(sql.Literal(self.key.key)),
            "function": sql.Identifier(self.trigger_name),
            "trigger": sql.Identifier(self.trigger_name),
            "check": sql.Identifier(self.check_name),
            "value_of_new": self.value_of(sql.SQL("NEW.{}").format(sql.Identifier(self.key.column))),
            "json_of_new": sql.SQL(json_text).format(new_value),
            "two_values": sql.Literal(
                f"The column {self.name} and the key “{label}” of {self.key.column} were given different values. "
                "Write only one of them: the other follows."
            ),
            "no_json": sql.Literal(
                f"This value of the column {self.name} cannot be stored under “{label}” in {self.key.column}."
            ),
        }

    @property
    def identifier(self) -> sql.Identifier:
        return sql.Identifier(self.name)

    @property
    def column_type(self) -> str:
        return self.sort_key.column_type

    def value_of(self, data: sql.Composable) -> sql.Composed:
        """Return what the column has for a row with the JSON `data`."""
        return self.sort_key.compose_value(data, self.key.key)

    @property
    def stored_value(self) -> sql.Composed:
        return self.value_of(sql.Identifier(self.key.column))

    def make(self, text: str) -> sql.Composed:
        return sql.SQL(text).format(**self.parts)

    @property
    def create(self) -> sql.Composed:
        """The statement that adds the column with its trigger, so that both are there or none."""
        parts = (self.make(ADD_COLUMN_SQL), self.create_function, self.make(TRIGGER_SQL))
        return sql.SQL(";").join(parts)

    @property
    def create_function(self) -> sql.Composed:
        # As a literal: a key may hold whatever would end a quotation.
        body = sql.Literal(self.make(FUNCTION_BODY_SQL).as_string(None))
        return sql.SQL(CREATE_FUNCTION_SQL).format(**self.parts, body=body)

    @property
    def enable_trigger(self) -> sql.Composed:
        return self.make("ALTER TABLE {table} ENABLE TRIGGER {trigger}")

    @property
    def drop(self) -> sql.Composed:
        return self.make(DROP_SQL)

    @property
    def add_check(self) -> sql.Composed:
        """The statement that lets the database refuse what the trigger would not have kept in step."""
        return sql.SQL(
            "ALTER TABLE {table} ADD CONSTRAINT {check} CHECK ({name} IS NOT DISTINCT FROM {value}) NOT VALID"
        ).format(**self.parts, value=self.stored_value)

    @property
    def validate_check(self) -> sql.Composed:
        return self.make("ALTER TABLE {table} VALIDATE CONSTRAINT {check}")

    @property
    def sort_expression(self) -> sql.Composed:
        return self.sort_key.compose_column(self.name)

    @property
    def indexes(self) -> tuple[KeyIndex, ...]:
        """The indexes of the column. They are partial on live rows, as the lists are."""
        definitions = definitions_of(self.sort_expression, self.identifier, self.key.kind)
        return tuple(
            live_index(f"{self.name}_{end}", label, self.key.db_table, text) for end, label, text in definitions
        )

    @property
    def create_statistics(self) -> sql.Composed:
        return create_statistics(self.statistics_name, self.sort_expression, self.key.db_table)

    def state(self) -> ColumnState:
        """Return what the database has of the column."""
        names = {"name": self.name, "trigger": self.trigger_name, "check": self.check_name}
        with connection.cursor() as cursor:
            cursor.execute(STATE_SQL, {**names, "table": connection.ops.quote_name(self.key.db_table)})
            return ColumnState(*cursor.fetchone())
