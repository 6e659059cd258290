"""Find the rows of an import that are records already, or occur twice in the file, by the rules of their table."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection, models

from crm.models import User
from crm.records.base import PHONE_TAIL_SQL
from crm.text.phones import PHONE_TAIL_LENGTH, phone_key
from leads.importing.tables.base import StagedImport

# The lock makes the second of two simultaneous imports compare its rows with the records of the first.
LOCK_IMPORTS_SQL = "SELECT pg_advisory_xact_lock(hashtext('leads.importing'))"
CREATE_MATCHES_SQL = """
    CREATE TEMPORARY TABLE imported_matches
        (number bigint, rank int, rule text, shared text, record_id uuid, first_line bigint) ON COMMIT DROP
"""
MATCH_RECORDS_SQL = """
    INSERT INTO imported_matches
    SELECT imported.number, {rank}, '{rule}', {shared}, existing.id, NULL
      FROM imported_rows AS imported JOIN {table} AS existing ON {same}
     WHERE {live} AND {filled}
"""
# The key is that of the file; a guessed one needs the same name too, because identifiers repeat between systems.
KEY_SQL = """existing.custom_fields @> jsonb_build_object(%(key)s::text, imported.custom_fields -> %(key)s)
             AND (%(is_chosen)s OR lower(existing.name) = lower(imported.name))"""
OTHER_KEY_SQL = """
    (imported.record_key <> ''
     AND coalesce(existing.custom_fields ->> %(key)s, imported.record_key) <> imported.record_key)
"""
MATCH_WITHIN_FILE_SQL = """
    INSERT INTO imported_matches
    SELECT number, {rank}, '{rule}', {shared}, NULL, first_line FROM (
        SELECT imported_rows.*, first_value(number) OVER same AS first, first_value(line) OVER same AS first_line,
               first_value(record_key) OVER same AS first_key
          FROM imported_rows WHERE {filled}
        WINDOW same AS (PARTITION BY {group} ORDER BY number)
    ) AS imported WHERE number <> first AND (record_key = '' OR first_key = ''
                                                    OR record_key = first_key OR {ignores_key})
"""
SELECT_PHONE_CANDIDATES_SQL = f"""
    SELECT number, phone_key, existing.id, existing.phone, imported.phone
      FROM imported_rows AS imported JOIN {{table}} AS existing
           ON {PHONE_TAIL_SQL.format(column="existing.phone")} = right(phone_key, {PHONE_TAIL_LENGTH})
     WHERE phone_key <> '' AND existing.phone <> '' AND existing.deleted_at IS NULL AND {{filled}}
"""
COPY_PHONES_SQL = "COPY imported_matches (number, rank, rule, shared, record_id) FROM STDIN"
# The lines that an earlier import of the same file wrote have the IDs of its records.
MATCH_FORMER_ROWS_SQL = """
    INSERT INTO imported_matches
    SELECT imported.number, 0, 'file', '', made.record_id, NULL
      FROM imported_records AS made JOIN activity_logs AS log ON log.id = made.record_id
      JOIN imported_rows AS imported ON imported.line = (log.metadata ->> 'line')::bigint
      JOIN {table} AS existing ON existing.id = made.record_id AND {live}
     WHERE made.batch_id = ANY(%(former)s) AND made.record_type = '{label}'
"""
CREATE_DUPLICATES_SQL = """
    CREATE TEMPORARY TABLE imported_duplicates ON COMMIT DROP AS
    SELECT DISTINCT ON (number) number, rule, shared, record_id, first_line
      FROM imported_matches ORDER BY number, rank, record_id;
    ALTER TABLE imported_duplicates ADD PRIMARY KEY (number);
    ANALYZE imported_duplicates
"""
SELECT_DUPLICATES_SQL = """
    SELECT line, rule, shared, record_id, first_line, cells
      FROM imported_duplicates JOIN imported_rows USING (number) ORDER BY number
"""
PHONE_CHUNK_SIZE = 10_000
RULE_WORDS = {
    "key": "identifier",
    "email": "address",
    "phone": "phone number",
    "name": "name",
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
    """Rows of the file that share `group` are one record, unless their identifiers differ (and are not ignored)."""

    rule: str
    rank: int
    group: str
    shared: str
    filled: str
    ignores_key: bool = False


@dataclass(frozen=True)
class DuplicateRules:
    """When a row is a record of `model` already. `phone` is the further condition for the same phone number."""

    model: type[models.Model]
    records: Sequence[RecordRule]
    file: Sequence[FileRule]
    phone: str = ""
    has_key: bool = True
    live: str = "existing.deleted_at IS NULL"


class DuplicateOfRecord(NamedTuple):
    """A row that is a record already (`record_id`), or an earlier row of the file (`first_line`)."""

    line: int
    rule: str
    shared: str
    record_id: UUID | None
    first_line: int | None
    cells: str
    noun: str = ""
    # Whether the person who imports may open the record.
    is_visible: bool = True
    is_refused: bool = False

    @property
    def kind(self) -> str:
        if self.rule == "file":
            return "Duplicate: this row of the file was imported before."
        other = "an earlier row" if self.record_id is None else f"a {self.noun}"
        return f"Duplicate: {other} has the same {RULE_WORDS[self.rule]}."

    def reason(self, row_word: str) -> str:
        """Return why the row is a duplicate; `row_word` is what its file calls a row."""
        known = f"the {self.noun} {self.record_id}" if self.is_visible else f"a {self.noun} that you may not open"
        other = f"{row_word} {self.first_line}" if self.record_id is None else known
        if self.rule == "file":
            return f"Duplicate: {other} already has this row of the same file."
        return f"Duplicate: {other} already has the {RULE_WORDS[self.rule]} {self.shared}."


def find_record_duplicates(staged: StagedImport, rules: DuplicateRules) -> int:
    """Compare the staged rows with each other and with the records. Return the number of duplicates."""
    cursor, table = staged.cursor, rules.model._meta.db_table
    parameters = {"key": staged.key, "is_chosen": staged.plan.is_key_chosen}
    cursor.execute(LOCK_IMPORTS_SQL)
    cursor.execute(CREATE_MATCHES_SQL)
    keys = (RecordRule("key", 1, KEY_SQL, "record_key", "record_key <> ''"),) if rules.has_key and staged.key else ()
    for rule in (*keys, *rules.records):
        names = {"rank": rule.rank, "rule": rule.rule, "same": rule.same, "shared": rule.shared, "filled": rule.filled}
        cursor.execute(MATCH_RECORDS_SQL.format(table=table, live=rules.live, **names), parameters)
    if rules.phone:
        match_phones(staged, rules, parameters)
    match_former_rows(staged, rules)
    for rule in rules.file:
        cursor.execute(MATCH_WITHIN_FILE_SQL.format(**vars(rule)))
    cursor.execute(CREATE_DUPLICATES_SQL)
    cursor.execute("SELECT count(*) FROM imported_duplicates")
    return cursor.fetchone()[0]


def match_former_rows(staged: StagedImport, rules: DuplicateRules) -> None:
    """Find the records that the same rows of an earlier import of the file made."""
    if staged.former:
        meta = rules.model._meta
        statement = MATCH_FORMER_ROWS_SQL.format(table=meta.db_table, label=meta.label_lower, live=rules.live)
        staged.cursor.execute(statement, {"former": [batch.pk for batch in staged.former]})


def match_phones(staged: StagedImport, rules: DuplicateRules, parameters: dict[str, Any]) -> None:
    """Find the records with the phone number of a row, in whatever notation."""
    statement = SELECT_PHONE_CANDIDATES_SQL.format(table=rules.model._meta.db_table, filled=rules.phone)
    with connection.chunked_cursor() as candidates:
        candidates.execute(statement, parameters)
        while batch := candidates.fetchmany(PHONE_CHUNK_SIZE):
            same = [
                (number, 3, "phone", shown, pk)
                for number, known, pk, phone, shown in batch
                if phone_key(phone, staged.phone_region) == known
            ]
            with connection.wrap_database_errors, staged.cursor.copy(COPY_PHONES_SQL) as copy:
                for row in same:
                    copy.write_row(row)


def record_duplicates(rules: DuplicateRules, noun: str, user: User | None) -> Iterator[DuplicateOfRecord]:
    """Yield the duplicates in the order of the file, marked if `user` may not open the record; None may open all."""
    with connection.chunked_cursor() as cursor:
        cursor.execute(SELECT_DUPLICATES_SQL)
        while batch := cursor.fetchmany(1000):
            rows = [DuplicateOfRecord(*columns, noun=noun) for columns in batch]
            keys = {row.record_id for row in rows if row.record_id}
            visible = keys if user is None else visible_keys(rules.model, keys, user)
            yield from (row._replace(is_visible=row.record_id in visible) for row in rows)


def visible_keys(model: type[models.Model], keys: set[UUID], user: User) -> set[UUID]:
    return set(model._default_manager.visible_to(user).filter(pk__in=keys).values_list("pk", flat=True))
