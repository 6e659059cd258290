"""Find the rows of an import that already exist as leads, or occur twice in the file.

A row is compared by its address, its phone number in any notation, name and company, and the identifier of the other
system. An open row is compared with open leads, because a closed lead of the same customer is an earlier deal. A
closed row is the same deal only if stage, day of closing and value agree too; if the import changes leads, it can also
be the end of an open lead that existed on its day of closing.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection
from django.db.backends.utils import CursorWrapper

from crm.models import User
from crm.records.base import PHONE_TAIL_SQL
from crm.text.phones import PHONE_TAIL_LENGTH, phone_key
from leads.models import Lead

# The lock makes the second of two simultaneous imports compare its rows with the leads of the first.
LOCK_IMPORTS_SQL = "SELECT pg_advisory_xact_lock(hashtext('leads.importing'))"
CREATE_MATCHES_SQL = """
    CREATE TEMPORARY TABLE imported_matches
        (number bigint, reason text, rank int, lead_id uuid, first_line bigint) ON COMMIT DROP;
    -- The rows that may change a lead; empty if the import skips duplicates.
    CREATE TEMPORARY TABLE imported_targets
        (number bigint PRIMARY KEY, lead_id uuid, other_lead_id uuid, other_reason text, fate text, first_line bigint)
        ON COMMIT DROP
"""
# The rows of `imported_rows` and the leads that may be the same sale.
SAME_SALE_SQL = """
    leads.deleted_at IS NULL AND CASE WHEN imported.is_open THEN leads.closed_at IS NULL
        ELSE leads.status_id = imported.status_id
             AND (imported.closed_at IS NULL OR leads.closed_at::date = imported.closed_at::date)
             AND leads.estimated_value IS NOT DISTINCT FROM imported.estimated_value
             OR %(ends_open)s AND leads.closed_at IS NULL
                AND leads.created_at::date <= coalesce(imported.closed_at, now())::date END
"""
# An identifier of the other system that differs makes two records, whatever else agrees.
OTHER_KEY_SQL = """
    (imported.record_key <> ''
     AND coalesce(leads.custom_fields ->> %(key)s, imported.record_key) <> imported.record_key)
"""
OTHER_ADDRESS_SQL = """
    (imported.contact_email <> '' AND leads.contact_email <> ''
     AND lower(imported.contact_email) <> lower(leads.contact_email))
"""
MATCH_ADDRESSES_SQL = f"""
    INSERT INTO imported_matches
    SELECT number, 'address', 2, leads.id, NULL
      FROM imported_rows AS imported JOIN leads
           ON lower(leads.contact_email) = lower(imported.contact_email) AND leads.contact_email <> ''
     WHERE imported.contact_email <> '' AND {SAME_SALE_SQL} AND (imported.is_open OR NOT {OTHER_KEY_SQL})
"""
# A number can be that of a household or a switchboard: two names with two addresses are two people.
SELECT_PHONE_CANDIDATES_SQL = f"""
    SELECT number, phone_key, leads.id, leads.contact_phone
      FROM imported_rows AS imported JOIN leads
           ON {PHONE_TAIL_SQL.format(column="leads.contact_phone")} = right(phone_key, {PHONE_TAIL_LENGTH})
              AND leads.contact_phone <> ''
     WHERE phone_key <> '' AND {SAME_SALE_SQL} AND NOT {OTHER_KEY_SQL}
           AND NOT ({OTHER_ADDRESS_SQL} AND lower(leads.contact_name) <> lower(imported.contact_name))
"""
COPY_PHONE_MATCHES_SQL = "COPY imported_matches (number, reason, rank, lead_id) FROM STDIN"
MATCH_NAMES_SQL = f"""
    INSERT INTO imported_matches
    SELECT number, 'name', 4, leads.id, NULL
      FROM imported_rows AS imported JOIN leads
           ON lower(leads.company_name) = lower(imported.company_name)
              AND lower(leads.contact_name) = lower(imported.contact_name) AND leads.company_name <> ''
     WHERE imported.company_name <> '' AND {SAME_SALE_SQL} AND NOT {OTHER_KEY_SQL} AND NOT {OTHER_ADDRESS_SQL}
"""
# Identifiers repeat between systems, so a guessed key needs the same name too.
MATCH_KEYS_SQL = """
    INSERT INTO imported_matches
    SELECT number, 'key', 1, leads.id, NULL
      FROM imported_rows AS imported JOIN leads
           ON leads.custom_fields @> jsonb_build_object(%(key)s::text, imported.custom_fields -> %(key)s)
              -- A number may be stored as a text.
              OR leads.custom_fields @> jsonb_build_object(%(key)s::text, record_key)
     WHERE record_key <> '' AND leads.deleted_at IS NULL
           AND (%(is_chosen)s OR lower(leads.contact_name) = lower(imported.contact_name))
"""
# An import gives its activities the IDs of its leads, which begin with the time: the primary key finds them. They get a
# table of their own with statistics, because the planner cannot guess their number.
COLLECT_FORMER_ROWS_SQL = """
    CREATE TEMPORARY TABLE formerly_imported ON COMMIT DROP AS
    SELECT (log.metadata ->> 'line')::bigint AS line, log.target_id AS lead_id
      FROM unnest(%(imports)s::text[], %(firsts)s::uuid[], %(lasts)s::uuid[]) AS former (import, first, last)
      JOIN activity_logs AS log ON log.id BETWEEN former.first AND former.last
     WHERE log.target_type = 'leads.lead' AND log.metadata ->> 'import' = former.import;
    ANALYZE formerly_imported
"""
MATCH_FORMER_ROWS_SQL = """
    INSERT INTO imported_matches
    SELECT imported.number, 'file', 0, leads.id, NULL
      FROM formerly_imported JOIN imported_rows AS imported USING (line)
      JOIN leads ON leads.id = lead_id AND leads.deleted_at IS NULL
"""
# Within the file: %(same)s is what the rows share. Closed rows may repeat: they are several deals of a customer.
MATCH_WITHIN_FILE_SQL = """
    INSERT INTO imported_matches
    SELECT number, '{reason}', {rank}, NULL, first_line FROM (
        SELECT number, first_value(number) OVER same AS first, first_value(line) OVER same AS first_line,
               lower(contact_email) AS address, first_value(lower(contact_email)) OVER same AS first_address,
               lower(contact_name) AS name, first_value(lower(contact_name)) OVER same AS first_name,
               record_key, first_value(record_key) OVER same AS first_key
          FROM imported_rows WHERE is_open AND {filled}
        WINDOW same AS (PARTITION BY {same} ORDER BY number)
    ) AS compared WHERE number <> first AND {condition}
"""
SAME_KEY_SQL = "(record_key = '' OR first_key = '' OR record_key = first_key)"
ONE_ADDRESS_SQL = "(address = '' OR first_address = '' OR address = first_address)"
WITHIN_FILE = (
    ("address", 2, "contact_email <> ''", "lower(contact_email)", "true"),
    ("phone", 3, "phone_key <> ''", "phone_key", f"{SAME_KEY_SQL} AND ({ONE_ADDRESS_SQL} OR name = first_name)"),
    (
        "name",
        4,
        "company_name <> ''",
        "lower(contact_name), lower(company_name)",
        f"{SAME_KEY_SQL} AND {ONE_ADDRESS_SQL}",
    ),
)
# A closed row can be the end of an open lead. It is not if the same deal is a closed lead already.
DELETE_WEAKER_MATCHES_SQL = """
    DELETE FROM imported_matches AS weaker
     USING imported_rows AS imported, leads
     WHERE imported.number = weaker.number AND NOT imported.is_open AND leads.id = weaker.lead_id
       AND leads.closed_at IS NULL
       AND EXISTS (SELECT FROM imported_matches AS other JOIN leads AS closed ON closed.id = other.lead_id
                    WHERE other.number = weaker.number AND closed.closed_at IS NOT NULL)
"""
CREATE_DUPLICATES_SQL = """
    CREATE TEMPORARY TABLE imported_duplicates ON COMMIT DROP AS
    SELECT DISTINCT ON (number) number, reason, lead_id, first_line
      FROM imported_matches ORDER BY number, rank, lead_id;
    ALTER TABLE imported_duplicates ADD PRIMARY KEY (number);
    ANALYZE imported_duplicates
"""
SELECT_DUPLICATES_SQL = """
    SELECT line, reason, contact_email, contact_phone, contact_name, company_name, record_key, duplicate.lead_id,
           coalesce(target.first_line, duplicate.first_line), cells, fate, other_lead_id, other_reason
      FROM imported_duplicates AS duplicate JOIN imported_rows USING (number)
      LEFT JOIN imported_targets AS target USING (number)
     WHERE fate IS DISTINCT FROM 'update' ORDER BY number
"""
PHONE_CHUNK_SIZE = 10_000
MAX_IMPORT_DURATION, ID_RESOLUTION = timedelta(days=1), timedelta(milliseconds=2)


class DuplicateRow(NamedTuple):
    """A row that already exists as a lead (`lead_id`), or as an earlier row of the file (`first_line`)."""

    line: int
    rule: str
    address: str
    phone: str
    name: str
    company: str
    record_key: str
    lead_id: UUID | None
    first_line: int | None
    cells: str
    # Why the row does not change its lead, if the import changes leads, and the second lead that fits.
    fate: str | None = None
    other_lead_id: UUID | None = None
    other_rule: str | None = None
    # The leads of the row that the importer may not open.
    hidden_leads: frozenset[UUID] = frozenset()

    @property
    def is_refused(self) -> bool:
        """Whether the row fits two leads, so that only a person can tell which one it is."""
        return self.fate == "two leads"

    @property
    def kind(self) -> str:
        if self.fate in KINDS_BY_FATE:
            return KINDS_BY_FATE[self.fate]
        if self.rule == "file":
            return "Duplicate: this row of the file was imported before."
        other = "an earlier row" if self.lead_id is None else "a lead"
        shared = {
            "address": "address",
            "phone": "phone number",
            "name": "name and company",
            "key": "identifier",
        }[self.rule]
        return f"Duplicate: {other} has the same {shared}."

    def reason(self, row_word: str) -> str:
        """Return why the row is set aside; `row_word` is what its file calls a row."""
        if self.is_refused:
            first, second = self.describe(self.lead_id, self.rule), self.describe(self.other_lead_id, self.other_rule)
            return f"Two leads fit the row: {first}, and {second}. Merge them, or import the row without one of these."
        if self.fate == "repeated":
            return f"Duplicate: {row_word} {self.first_line} is the same lead and changes it already."
        if self.fate == "other owner":
            return (
                f"Duplicate: {self.describe(self.lead_id, self.rule)}. It belongs to another owner and is not changed."
            )
        if self.lead_id is None:
            return f"Duplicate: {row_word} {self.first_line} already has {self.shared(self.rule)}."
        return f"Duplicate: {self.describe(self.lead_id, self.rule)}."

    def describe(self, lead: UUID | None, rule: str | None) -> str:
        name = "a lead that you may not open" if lead in self.hidden_leads else f"the lead {lead}"
        return f"{name} already has {self.shared(rule)}"

    def shared(self, rule: str | None) -> str:
        return {
            "address": f"the address {self.address}",
            "phone": f"the phone number {self.phone}",
            "name": f"the name {self.name} and the company {self.company}",
            "key": f"the identifier {self.record_key}",
            "file": "this row of the same file",
        }[rule or ""]


KINDS_BY_FATE = {
    "two leads": "Two leads fit the row.",
    "repeated": "Duplicate: an earlier row changes the same lead.",
    "other owner": "Duplicate: the lead belongs to another owner.",
}


@dataclass(frozen=True)
class DuplicateSearch:
    """How an import finds the leads that its rows are.

    `key` is the custom field with the identifiers of the other system, or empty. `former` are earlier imports of the
    same file: identifier and time. With `ends_open`, a closed row can be the end of an open lead.
    """

    key: str
    is_key_chosen: bool
    region: str
    former: list[tuple[str, Any]]
    ends_open: bool = False


def find_duplicates(cursor: CursorWrapper, search: DuplicateSearch) -> None:
    """Compare the staged rows with each other and with the leads, and list the duplicates."""
    values = {"key": search.key, "is_chosen": search.is_key_chosen, "ends_open": search.ends_open}
    cursor.execute(LOCK_IMPORTS_SQL)
    cursor.execute(CREATE_MATCHES_SQL)
    cursor.execute(MATCH_ADDRESSES_SQL, values)
    cursor.execute(MATCH_NAMES_SQL, values)
    if search.key:
        cursor.execute(MATCH_KEYS_SQL, values)
    if search.former:
        cursor.execute(
            COLLECT_FORMER_ROWS_SQL,
            {
                "imports": [name for name, _ in search.former],
                "firsts": [lowest_id_at(moment - MAX_IMPORT_DURATION) for _, moment in search.former],
                "lasts": [lowest_id_at(moment + ID_RESOLUTION) for _, moment in search.former],
            },
        )
        cursor.execute(MATCH_FORMER_ROWS_SQL)
    match_phones(cursor, values, search.region)
    if search.ends_open:
        cursor.execute(DELETE_WEAKER_MATCHES_SQL)
    for reason, rank, filled, same, condition in WITHIN_FILE:
        cursor.execute(
            MATCH_WITHIN_FILE_SQL.format(reason=reason, rank=rank, filled=filled, same=same, condition=condition)
        )
    cursor.execute(CREATE_DUPLICATES_SQL)


def count_duplicates(cursor: CursorWrapper) -> int:
    cursor.execute("SELECT count(*) FROM imported_duplicates")
    return cursor.fetchone()[0]


def lowest_id_at(moment: datetime) -> UUID:
    """Return the lowest UUID of version 7 that could be made at `moment`."""
    return UUID(int=int(moment.timestamp() * 1000) << 80)


def match_phones(cursor: CursorWrapper, values: dict[str, Any], region: str) -> None:
    """Find the leads with the phone number of a row.

    The index finds numbers with the same last digits; whether they are the same number depends on their countries.
    """
    with connection.chunked_cursor() as candidates:
        candidates.execute(SELECT_PHONE_CANDIDATES_SQL, values)
        while batch := candidates.fetchmany(PHONE_CHUNK_SIZE):
            same = [(number, lead) for number, known, lead, phone in batch if phone_key(phone, region) == known]
            with connection.wrap_database_errors, cursor.copy(COPY_PHONE_MATCHES_SQL) as copy:
                for number, lead in same:
                    copy.write_row((number, "phone", 3, lead))


def duplicate_rows(user: User | None) -> Iterator[DuplicateRow]:
    """Yield the duplicates in the order of the file, marked if `user` may not open their lead; None may open all."""
    with connection.chunked_cursor() as cursor:
        cursor.execute(SELECT_DUPLICATES_SQL)
        while batch := cursor.fetchmany(1000):
            rows = [DuplicateRow(*columns) for columns in batch]
            yield from rows if user is None else mark_invisible(rows, user)


def mark_invisible(rows: list[DuplicateRow], user: User) -> Iterator[DuplicateRow]:
    leads = {lead for row in rows for lead in (row.lead_id, row.other_lead_id) if lead}
    hidden = frozenset(leads) - set(Lead.objects.visible_to(user).filter(pk__in=leads).values_list("pk", flat=True))
    for row in rows:
        yield row._replace(hidden_leads=hidden) if hidden else row
