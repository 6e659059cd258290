"""What an import makes of the records of a table that its rows fit, as SQL. Pure: no database.

In the expressions, `imported` is the row of the file, `existing` the record, and `stage.moves` whether its stage or
status moves.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import models
from django.db.backends.utils import CursorWrapper

from leads.importing.updates.links import AddedLink
from leads.importing.updates.policy import DuplicatePolicy

Expressions = Mapping[str, str]
# A refusal of contact stays, and one in the file counts, whatever the policy.
COMMUNICATIONS_SQL = """
    CASE WHEN imported.communications = '{}' THEN existing.communications ELSE existing.communications || (
        SELECT coalesce(jsonb_object_agg(channel, own || (said
                   - CASE WHEN own @> '{"do_not_contact": true}' THEN 'do_not_contact' ELSE '' END
                   - CASE WHEN own @> '{"consent": false}' THEN 'consent' ELSE '' END)), '{}')
          FROM jsonb_each(imported.communications) AS file (channel, said),
               coalesce(existing.communications -> channel, '{}') AS own
         WHERE jsonb_typeof(own) = 'object') END
"""
TAGS_SQL = """
    CASE WHEN imported.tags <@ existing.tags THEN existing.tags ELSE existing.tags || ARRAY(
        SELECT tag FROM unnest(imported.tags) WITH ORDINALITY AS file (tag, place)
         WHERE NOT lower_tags(ARRAY[tag::text]) <@ lower_tags(existing.tags::text[]) ORDER BY place) END
"""


@dataclass(frozen=True)
class Correction:
    """A statement that takes planned changes back which are not possible, and the sentence about these records.

    `what` begins with a verb: “keeps its address”. `why` follows a colon.
    """

    statement: str
    what: str
    why: str


@dataclass(frozen=True)
class KeptValue:
    """What a record keeps although the file says something else. `fill_why` is the reason if empty fields are filled.

    `condition` is SQL, in which `{moves}` says whether the stage moves.
    """

    condition: str
    what: str
    why: str
    fill_why: str = ""

    def reason(self, policy: DuplicatePolicy) -> str:
        return self.fill_why if self.fill_why and policy == DuplicatePolicy.FILL else self.why


KEPT_REFUSAL = KeptValue(
    f"NOT ({COMMUNICATIONS_SQL.replace('{', '{{').replace('}', '}}')} @> imported.communications)",
    "refuses contact although the file allows it",
    "a refusal stays.",
)


@dataclass(frozen=True)
class UpdateRules:
    """How a file changes the records of `model`, and how that is undone.

    `update` and `fill` give the new value of each column where the file wins, or where only empty ones are filled.
    `answers` are further ones for files with answers to the questions of lines. `objects` are the JSON columns, which
    change key by key, `derived` the columns that follow from another and are not listed. `moves` says by policy whether
    the stage moves. `assignments` are set with a column that changes, or always (""). `statements` follow each chunk.
    `links` are the records that a row also names, and that the record is linked to. `about` is the record that has the
    line about the change on its timeline: label and key. `blocked` are conditions under which columns keep the value of
    the import when it is undone.
    """

    model: type[models.Model]
    update: Expressions
    fill: Expressions
    answers: Mapping[DuplicatePolicy, Expressions] = field(default_factory=dict)
    objects: tuple[str, ...] = ("custom_fields",)
    derived: Mapping[str, str] = field(default_factory=dict)
    moves: Mapping[DuplicatePolicy, str] = field(default_factory=dict)
    corrections: Sequence[Correction] = ()
    kept: Sequence[KeptValue] = ()
    assignments: Mapping[str, str] = field(default_factory=dict)
    statements: Sequence[str] = ()
    links: Sequence[AddedLink] = ()
    finish: Callable[[CursorWrapper, set[str], Mapping[str, Any]], None] | None = None
    about: tuple[str, str] = ("", "existing.id")
    blocked: Sequence[tuple[str, Iterable[str]]] = ()
    restored_assignments: Mapping[str, str] = field(default_factory=dict)
    restored_statements: Sequence[str] = ()

    @property
    def names(self) -> dict[str, str]:
        """Return the names that the statements need: of the table, and of the column of `import_changes`."""
        meta = self.model._meta
        label = self.about[0] or meta.label_lower
        return {
            "table": meta.db_table,
            "label": meta.label_lower,
            "link": f"{meta.model_name}_id",
            "about_label": label,
            "about": self.about[1],
        }

    def expressions(self, policy: DuplicatePolicy, *, has_answers: bool) -> dict[str, str]:
        """Return the new value of each column under `policy`."""
        own = {DuplicatePolicy.UPDATE: self.update, DuplicatePolicy.FILL: self.fill}.get(policy, {})
        return {**own, **(self.answers.get(policy, {}) if has_answers else {})}

    def moves_sql(self, policy: DuplicatePolicy) -> str:
        return self.moves.get(policy, "false")

    def blocked_columns(self) -> str:
        """Return SQL for the columns of a change that cannot get their earlier value back."""
        lost = ((lost_reference(column), [column.column]) for column in self.references())
        cases = [
            f"CASE WHEN {condition} THEN '{{{','.join(columns)}}}'::text[] ELSE '{{}}' END"
            for condition, columns in (*self.blocked, *lost)
        ]
        return " || ".join(cases) or "'{}'::text[]"

    def references(self) -> list[models.ForeignKey]:
        """Return the foreign keys to records that can disappear while an import can still be undone."""
        columns = self.model._meta.concrete_fields
        names = {*self.update, *self.fill}
        return [one for one in columns if isinstance(one, models.ForeignKey) and one.column in names]


def lost_reference(column: models.ForeignKey) -> str:
    """Return the condition that the record to which a change referred before is gone."""
    earlier, key = f"changes -> '{column.column}' ->> 0", column.target_field.column
    table = column.related_model._meta.db_table
    return f"{earlier} IS NOT NULL AND NOT EXISTS (SELECT FROM {table} AS other WHERE other.{key}::text = {earlier})"


def replacing_text(name: str) -> str:
    return f"coalesce(nullif(imported.{name}, ''), existing.{name})"


def filling_text(name: str) -> str:
    return f"coalesce(nullif(existing.{name}, ''), imported.{name})"


def replacing_value(name: str) -> str:
    return f"coalesce(imported.{name}, existing.{name})"


def filling_value(name: str) -> str:
    return f"coalesce(existing.{name}, imported.{name})"


def replacing_name(name: str) -> str:
    """Return the name of the row, if it has one: a record without a name is called by its address."""
    return f"CASE WHEN imported.is_named THEN imported.{name} ELSE existing.{name} END"


def replacing_address(name: str) -> str:
    """Return the address of the row, unless it differs in capital letters alone."""
    return (
        f"CASE WHEN lower(imported.{name}) IN ('', lower(existing.{name})) "
        f"THEN existing.{name} ELSE imported.{name} END"
    )


def replacing_phone(name: str) -> str:
    """Return the phone number of the row, unless it differs in its notation alone."""
    digits = [rf"regexp_replace({side}.{name}, '\D', '', 'g')" for side in ("imported", "existing")]
    return f"CASE WHEN imported.{name} = '' OR {digits[0]} = {digits[1]} THEN existing.{name} ELSE imported.{name} END"


def replacing_keys(name: str) -> str:
    return f"existing.{name} || imported.{name}"


def filling_keys(name: str) -> str:
    return f"imported.{name} || existing.{name}"


def keep_unique_address(model: type[models.Model], column: str, other_is_live: str, new_is_live: str) -> str:
    """Return the statement that leaves the address of a record where another record has it, or gets it from the file.

    `other_is_live` is the condition for records that cannot share an address, with `{row}` for the record;
    `new_is_live` that for rows of the file, called `new`, that become such a record.
    """
    return f"""
        UPDATE imported_updates AS planned
           SET new_{column} = existing.{column}, changes = changes - '{column}'
          FROM {model._meta.db_table} AS existing
         WHERE existing.id = planned.record_id AND {other_is_live.format(row="existing")} AND planned.number IN (
            SELECT own.number FROM imported_updates AS own JOIN {model._meta.db_table} AS other
                   ON lower(other.{column}) = lower(own.new_{column}) AND other.{column} <> ''
             WHERE changes ? '{column}' AND other.id <> own.record_id AND {other_is_live.format(row="other")}
            UNION ALL
            SELECT number FROM (
                SELECT number, row_number() OVER (PARTITION BY lower(new_{column}) ORDER BY number) AS place
                  FROM imported_updates WHERE changes ? '{column}') AS own WHERE place > 1
            UNION ALL
            SELECT own.number FROM imported_updates AS own JOIN imported_rows AS new
                   ON lower(new.{column}) = lower(own.new_{column}) AND {new_is_live}
             WHERE changes ? '{column}'
               AND NOT EXISTS (SELECT FROM imported_duplicates AS known WHERE known.number = new.number))
    """
