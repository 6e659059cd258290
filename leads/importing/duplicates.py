"""Find the rows of an import that already exist as leads, or occur twice in the file.

A row is compared by its address, its phone number in any notation, name and company, and the identifier of the other
system. An open row is compared with open leads, because a closed lead of the same customer is an earlier deal. A
closed row is the same deal only if stage, day of closing and value agree too.
"""

from collections.abc import Iterator
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
        (number bigint, reason text, rank int, lead_id uuid, first_line bigint) ON COMMIT DROP
"""
# The rows of `imported_rows` and the leads that may be the same sale.
SAME_SALE_SQL = """
    leads.deleted_at IS NULL AND CASE WHEN imported.is_open THEN leads.closed_at IS NULL
        ELSE leads.status_id = imported.status_id
             AND (imported.closed_at IS NULL OR leads.closed_at::date = imported.closed_at::date)
             AND leads.estimated_value IS NOT DISTINCT FROM imported.estimated_value END
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
CREATE_DUPLICATES_SQL = """
    CREATE TEMPORARY TABLE imported_duplicates ON COMMIT DROP AS
    SELECT DISTINCT ON (number) number, reason, lead_id, first_line
      FROM imported_matches ORDER BY number, rank, lead_id;
    ALTER TABLE imported_duplicates ADD PRIMARY KEY (number);
    ANALYZE imported_duplicates
"""
SELECT_DUPLICATES_SQL = """
    SELECT line, reason, contact_email, contact_phone, contact_name, company_name, record_key, lead_id, first_line,
           cells
      FROM imported_duplicates JOIN imported_rows USING (number) ORDER BY number
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
    # Whether the person who imports may open the lead.
    is_visible: bool = True

    @property
    def kind(self) -> str:
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
        """Return why the row is a duplicate; `row_word` is what its file calls a row."""
        lead = f"the lead {self.lead_id}" if self.is_visible else "a lead that you may not open"
        other = f"{row_word} {self.first_line}" if self.lead_id is None else lead
        shared = {
            "address": f"the address {self.address}",
            "phone": f"the phone number {self.phone}",
            "name": f"the name {self.name} and the company {self.company}",
            "key": f"the identifier {self.record_key}",
            "file": "this row of the same file",
        }[self.rule]
        return f"Duplicate: {other} already has {shared}."


def find_duplicates(
    cursor: CursorWrapper, *, key: str, is_key_chosen: bool, region: str, former: list[tuple[str, Any]]
) -> int:
    """Compare the staged rows with each other and with the leads. Return the number of duplicates.

    `key` is the column with the identifiers of the other system, or empty. `former` are earlier imports of the same
    file: identifier and time.
    """
    cursor.execute(LOCK_IMPORTS_SQL)
    cursor.execute(CREATE_MATCHES_SQL)
    cursor.execute(MATCH_ADDRESSES_SQL, {"key": key})
    cursor.execute(MATCH_NAMES_SQL, {"key": key})
    if key:
        cursor.execute(MATCH_KEYS_SQL, {"key": key, "is_chosen": is_key_chosen})
    if former:
        cursor.execute(
            COLLECT_FORMER_ROWS_SQL,
            {
                "imports": [name for name, _ in former],
                "firsts": [lowest_id_at(moment - MAX_IMPORT_DURATION) for _, moment in former],
                "lasts": [lowest_id_at(moment + ID_RESOLUTION) for _, moment in former],
            },
        )
        cursor.execute(MATCH_FORMER_ROWS_SQL)
    match_phones(cursor, key, region)
    for reason, rank, filled, same, condition in WITHIN_FILE:
        cursor.execute(
            MATCH_WITHIN_FILE_SQL.format(reason=reason, rank=rank, filled=filled, same=same, condition=condition)
        )
    cursor.execute(CREATE_DUPLICATES_SQL)
    cursor.execute("SELECT count(*) FROM imported_duplicates")
    return cursor.fetchone()[0]


def lowest_id_at(moment: datetime) -> UUID:
    """Return the lowest UUID of version 7 that could be made at `moment`."""
    return UUID(int=int(moment.timestamp() * 1000) << 80)


def match_phones(cursor: CursorWrapper, key: str, region: str) -> None:
    """Find the leads with the phone number of a row.

    The index finds numbers with the same last digits; whether they are the same number depends on their countries.
    """
    with connection.chunked_cursor() as candidates:
        candidates.execute(SELECT_PHONE_CANDIDATES_SQL, {"key": key})
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
    leads = {row.lead_id for row in rows if row.lead_id}
    visible = set(Lead.objects.visible_to(user).filter(pk__in=leads).values_list("pk", flat=True))
    for row in rows:
        yield row if row.lead_id is None or row.lead_id in visible else row._replace(is_visible=False)
