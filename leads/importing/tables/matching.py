"""Find the rows of an import that are records already, or occur twice in the file, by the rules of their table."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection, models
from django.db.backends.utils import CursorWrapper

from crm.models import User
from crm.records.people import PHONE_TAIL_SQL
from crm.text.phones import PHONE_TAIL_LENGTH, phone_key
from leads.importing.tables.staged import StagedImport
from leads.models.import_batch import NOUNS, ImportedTable

# In all statements, `imported` is the row of the file and `existing` the record.

# The lock makes the second of two simultaneous imports compare its rows with the records of the first.
LOCK_IMPORTS_SQL = "SELECT pg_advisory_xact_lock(hashtext('leads.importing'))"
CREATE_MATCHES_SQL = """
    CREATE TEMPORARY TABLE imported_matches
        (number bigint, rank int, rule text, shared text, record_id uuid, first_line bigint) ON COMMIT DROP;
    -- The rows that may change a record; empty if the import skips duplicates.
    CREATE TEMPORARY TABLE imported_targets
        (number bigint PRIMARY KEY, record_id uuid, other_record_id uuid, other_rule text, other_shared text,
         fate text, first_line bigint) ON COMMIT DROP
"""
MATCH_RECORDS_SQL = """
    INSERT INTO imported_matches
    SELECT imported.number, {rank}, '{rule}', {shared}, existing.id, NULL
      FROM imported_rows AS imported JOIN {table} AS existing ON {same}
     WHERE {live} AND {filled}
"""
# A number may be stored as a text. Identifiers repeat between systems, so a guessed key needs more in common.
KEY_SQL = """
    (existing.custom_fields @> jsonb_build_object(%(key)s::text, imported.custom_fields -> %(key)s)
     OR existing.custom_fields @> jsonb_build_object(%(key)s::text, imported.record_key))
"""
# An identifier of the other system that differs makes two records, whatever else agrees.
OTHER_KEY_SQL = """
    (imported.record_key <> ''
     AND coalesce(existing.custom_fields ->> %(key)s, imported.record_key) <> imported.record_key)
"""


def other_address(imported: str, existing: str) -> str:
    """Return the condition that row and record have addresses that differ."""
    return f"({imported} <> '' AND {existing} <> '' AND lower({imported}) <> lower({existing}))"


SELECT_PHONE_CANDIDATES_SQL = f"""
    SELECT number, phone_key, existing.id, existing.{{column}}, imported.{{column}}
      FROM imported_rows AS imported JOIN {{table}} AS existing
           ON {PHONE_TAIL_SQL.format(column="existing.{column}")} = right(phone_key, {PHONE_TAIL_LENGTH})
     WHERE phone_key <> '' AND existing.{{column}} <> '' AND {{live}} AND {{condition}}
"""
COPY_PHONES_SQL = "COPY imported_matches (number, rank, rule, shared, record_id) FROM STDIN"
# The lines of an import on the timelines have IDs that begin with the time: the primary key finds them. They get a
# table of their own with statistics, because the planner cannot guess their number.
COLLECT_FORMER_ROWS_SQL = """
    CREATE TEMPORARY TABLE formerly_imported ON COMMIT DROP AS
    SELECT (log.metadata ->> 'line')::bigint AS line, {record} AS record_id
      FROM unnest(%(imports)s::text[], %(firsts)s::uuid[], %(lasts)s::uuid[]) AS former (import, first, last)
      JOIN activity_logs AS log ON log.id BETWEEN former.first AND former.last
     WHERE {is_own} AND log.metadata ->> 'import' = former.import;
    ANALYZE formerly_imported
"""
MATCH_FORMER_ROWS_SQL = """
    INSERT INTO imported_matches
    SELECT imported.number, 0, 'file', '', existing.id, NULL
      FROM formerly_imported JOIN imported_rows AS imported USING (line)
      JOIN {table} AS existing ON existing.id = record_id AND {live}
"""
MATCH_WITHIN_FILE_SQL = """
    INSERT INTO imported_matches
    SELECT number, {rank}, '{rule}', shared, NULL, first_line FROM (
        SELECT number, first_value(number) OVER same AS first, first_value(line) OVER same AS first_line,
               {shared} AS shared, {compared}
          FROM imported_rows AS imported WHERE {filled}
        WINDOW same AS (PARTITION BY {group} ORDER BY number)
    ) AS compared WHERE number <> first AND {condition}
"""
SAME_KEY_SQL = "(record_key = '' OR first_record_key = '' OR record_key = first_record_key)"
CREATE_DUPLICATES_SQL = """
    CREATE TEMPORARY TABLE imported_duplicates ON COMMIT DROP AS
    SELECT DISTINCT ON (number) number, rule, shared, record_id, first_line
      FROM imported_matches ORDER BY number, rank, record_id;
    ALTER TABLE imported_duplicates ADD PRIMARY KEY (number);
    ANALYZE imported_duplicates
"""
SELECT_DUPLICATES_SQL = """
    SELECT line, duplicate.rule, duplicate.shared, duplicate.record_id,
           coalesce(target.first_line, duplicate.first_line), cells, fate, other_record_id, other_rule, other_shared
      FROM imported_duplicates AS duplicate JOIN imported_rows USING (number)
      LEFT JOIN imported_targets AS target USING (number)
     WHERE fate IS DISTINCT FROM 'update' ORDER BY number
"""
PHONE_CHUNK_SIZE = 10_000
MAX_IMPORT_DURATION, ID_RESOLUTION = timedelta(days=1), timedelta(milliseconds=2)
RULE_WORDS = {
    "key": "identifier",
    "email": "address",
    "phone": "phone number",
    "name": "name",
    "company": "name and company",
    "number": "policy number and term",
    "term": "line, carrier and term",
    "note": "time and text",
}


@dataclass(frozen=True)
class RecordRule:
    """A row is the record that fulfils `same`, if it has what is compared (`filled`). `shared` is quoted."""

    rule: str
    rank: int
    same: str
    shared: str
    filled: str = "true"


@dataclass(frozen=True)
class FileRule:
    """Rows of the file that share `group` are one record, if they fulfil `condition`; `shared` is quoted.

    The condition compares the values of `DuplicateRules.compared` of a row with those of the first row of the group.
    """

    rule: str
    rank: int
    group: str
    shared: str
    filled: str
    condition: str = SAME_KEY_SQL


@dataclass(frozen=True)
class DuplicateRules:
    """When a row is a record of `model` already.

    `phone` is the further condition for the same phone number, `key` that for the same identifier in a guessed
    column; without it, identifiers are not compared. `refine` deletes matches that others make invalid, where
    the import changes records.
    """

    table: ImportedTable
    model: type[models.Model]
    records: Sequence[RecordRule]
    file: Sequence[FileRule]
    phone: str = ""
    phone_column: str = "phone"
    key: str = "lower(existing.name) = lower(imported.name)"
    live: str = "existing.deleted_at IS NULL"
    refine: str = ""
    compared: Mapping[str, str] = field(default_factory=lambda: {"record_key": "record_key"})
    # Which lines on timelines are those of an imported row, and of which record.
    former_line: str = "log.target_type = '{label}'"
    former_record: str = "log.target_id"

    @property
    def names(self) -> dict[str, str]:
        return {"table": self.model._meta.db_table, "live": self.live}

    def key_rules(self, key: str) -> tuple[RecordRule, ...]:
        """Return the rule for rows with the identifier of a record in the custom field `key`."""
        same = f"{KEY_SQL} AND (%(is_chosen)s OR {self.key})"
        return (RecordRule("key", 1, same, "record_key", "record_key <> ''"),) if self.key and key else ()


class DuplicateRow(NamedTuple):
    """A row that is a record already (`record_id`), or an earlier row of the file (`first_line`)."""

    line: int
    rule: str
    shared: str
    record_id: UUID | None
    first_line: int | None
    cells: str
    # Why the row does not change its record, if the import changes records, and the second record that fits.
    fate: str | None = None
    other_record_id: UUID | None = None
    other_rule: str | None = None
    other_shared: str | None = None
    nouns: tuple[str, str] = ("", "")
    # The records of the row that the importer may not open.
    hidden: frozenset[UUID] = frozenset()

    @property
    def is_refused(self) -> bool:
        """Whether the row fits two records, so that only a person can tell which one it is."""
        return self.fate == "several"

    @property
    def kind(self) -> str:
        noun, plural = self.nouns
        if self.fate == "several":
            return f"Two {plural} fit the row."
        if self.fate == "repeated":
            return f"Duplicate: an earlier row changes the same {noun}."
        if self.fate == "other owner":
            return f"Duplicate: the {noun} belongs to another owner."
        if self.rule == "file":
            return "Duplicate: this row of the file was imported before."
        other = "an earlier row" if self.record_id is None else f"a {noun}"
        return f"Duplicate: {other} has the same {RULE_WORDS[self.rule]}."

    def reason(self, row_word: str) -> str:
        """Return why the row is set aside; `row_word` is what its file calls a row."""
        noun, plural = self.nouns
        if self.fate == "several":
            second = self.describe(self.other_record_id, self.other_rule, self.other_shared)
            advice = "Merge them, or import the row without one of these."
            return f"Two {plural} fit the row: {self.describe_record()}, and {second}. {advice}"
        if self.fate == "repeated":
            return f"Duplicate: {row_word} {self.first_line} is the same {noun} and changes it already."
        if self.fate == "other owner":
            return f"Duplicate: {self.describe_record()}. It belongs to another owner and is not changed."
        if self.record_id is None:
            return f"Duplicate: {row_word} {self.first_line} already has {describe_shared(self.rule, self.shared)}."
        return f"Duplicate: {self.describe_record()}."

    def describe_record(self) -> str:
        return self.describe(self.record_id, self.rule, self.shared)

    def describe(self, record: UUID | None, rule: str | None, shared: str | None) -> str:
        noun = self.nouns[0]
        name = f"a {noun} that you may not open" if record in self.hidden else f"the {noun} {record}"
        return f"{name} already has {describe_shared(rule, shared)}"


def describe_shared(rule: str | None, shared: str | None) -> str:
    return "this row of the same file" if rule == "file" else f"the {RULE_WORDS[rule or '']} {shared}"


def find_duplicates(staged: StagedImport, rules: DuplicateRules, *, changes_records: bool) -> None:
    """Compare the staged rows with each other and with the records, and list the duplicates."""
    cursor = staged.cursor
    values = {"key": staged.key, "is_chosen": staged.plan.is_key_chosen, "changes_records": changes_records}
    cursor.execute(LOCK_IMPORTS_SQL)
    cursor.execute(CREATE_MATCHES_SQL)
    for rule in (*rules.key_rules(staged.key), *rules.records):
        cursor.execute(MATCH_RECORDS_SQL.format(**rules.names, **vars(rule)), values)
    if rules.phone:
        match_phones(staged, rules, values)
    match_former_rows(staged, rules)
    if changes_records and rules.refine:
        cursor.execute(rules.refine)
    compared = ", ".join(
        f"{value} AS {name}, first_value({value}) OVER same AS first_{name}" for name, value in rules.compared.items()
    )
    for rule in rules.file:
        cursor.execute(MATCH_WITHIN_FILE_SQL.format(compared=compared, **vars(rule)))
    cursor.execute(CREATE_DUPLICATES_SQL)


def count_duplicates(cursor: CursorWrapper) -> int:
    cursor.execute("SELECT count(*) FROM imported_duplicates")
    return cursor.fetchone()[0]


def match_former_rows(staged: StagedImport, rules: DuplicateRules) -> None:
    """Find the records that the same rows of an earlier import of the file made or changed."""
    if not staged.former:
        return
    moments = [batch.imported_at for batch in staged.former]
    is_own = rules.former_line.format(label=rules.model._meta.label_lower)
    staged.cursor.execute(
        COLLECT_FORMER_ROWS_SQL.format(record=rules.former_record, is_own=is_own),
        {
            "imports": [str(batch.pk) for batch in staged.former],
            "firsts": [lowest_id_at(moment - MAX_IMPORT_DURATION) for moment in moments],
            "lasts": [lowest_id_at(moment + ID_RESOLUTION) for moment in moments],
        },
    )
    staged.cursor.execute(MATCH_FORMER_ROWS_SQL.format(**rules.names))


def lowest_id_at(moment: datetime) -> UUID:
    """Return the lowest UUID of version 7 that could be made at `moment`."""
    return UUID(int=int(moment.timestamp() * 1000) << 80)


def match_phones(staged: StagedImport, rules: DuplicateRules, values: dict[str, Any]) -> None:
    """Find the records with the phone number of a row.

    The index finds numbers with the same last digits; whether they are the same number depends on their countries.
    """
    names = {**rules.names, "column": rules.phone_column, "condition": rules.phone}
    with connection.chunked_cursor() as candidates:
        candidates.execute(SELECT_PHONE_CANDIDATES_SQL.format(**names), values)
        while batch := candidates.fetchmany(PHONE_CHUNK_SIZE):
            same = [
                (number, 3, "phone", shown, pk)
                for number, known, pk, phone, shown in batch
                if phone_key(phone, staged.phone_region) == known
            ]
            with connection.wrap_database_errors, staged.cursor.copy(COPY_PHONES_SQL) as copy:
                for row in same:
                    copy.write_row(row)


def duplicate_rows(rules: DuplicateRules, user: User | None) -> Iterator[DuplicateRow]:
    """Yield the duplicates in the order of the file, marked if `user` may not open their record; None may open all."""
    nouns = NOUNS[rules.table]
    with connection.chunked_cursor() as cursor:
        cursor.execute(SELECT_DUPLICATES_SQL)
        while batch := cursor.fetchmany(1000):
            rows = [DuplicateRow(*columns, nouns=nouns) for columns in batch]
            hidden = frozenset() if user is None else hidden_records(rules.model, rows, user)
            yield from (row._replace(hidden=hidden) for row in rows)


def hidden_records(model: type[models.Model], rows: list[DuplicateRow], user: User) -> frozenset[UUID]:
    """Return the records of `rows` that `user` may not open."""
    keys = frozenset(key for row in rows for key in (row.record_id, row.other_record_id) if key)
    visible = model._default_manager.visible_to(user).filter(pk__in=keys)
    return keys - frozenset(visible.values_list("pk", flat=True))
