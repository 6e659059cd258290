"""Find the records that the rows of an import refer to: by identifier, by address, by name, in this order.

Only records that the importer may see are found. A row that refers to nothing, or to several records, is set aside. A
client that a row names can be made with it, if the importer has chosen so.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.db import connection, models

from crm.models import Client, Contact, User
from leads.importing.staging import NO_DUPLICATE_SQL
from leads.importing.tables.matching import other_address
from leads.importing.tables.staged import StagedImport
from leads.models import ImportBatch, ImportedTable, Lead

DROP_TABLES_SQL = """
    DROP TABLE IF EXISTS pg_temp.imported_candidates, pg_temp.imported_clients, pg_temp.imported_refusals
"""
CREATE_TABLES_SQL = """
    CREATE TEMPORARY TABLE imported_candidates (number bigint, rank int, record_id uuid) ON COMMIT DROP;
    CREATE TEMPORARY TABLE imported_refusals (number bigint PRIMARY KEY, kind text, reason text) ON COMMIT DROP;
    CREATE TEMPORARY TABLE imported_clients
        (id uuid PRIMARY KEY, identity text, name text, email text, phone text, client_type text, custom_fields jsonb,
         communications jsonb NOT NULL DEFAULT '{}') ON COMMIT DROP
"""
# Identifiers are custom fields of the records: numbers, where a number says exactly what the cell did.
KEY_VALUE_SQL = r"""
    CASE WHEN {key} ~ '^-?(0|[1-9][0-9]{{0,14}})(\.[0-9]{{0,14}}[1-9])?$' AND {key} <> '-0'
         THEN to_jsonb({key}::numeric) ELSE to_jsonb({key}) END
"""
# A record with another identifier is another record, whatever else agrees.
HAS_OTHER_KEY_SQL = "(imported.{key} <> '' AND existing.custom_fields ?| %(keys)s::text[])"
INSERT_CANDIDATES_SQL = """
    INSERT INTO imported_candidates
    SELECT imported.number, {rank}, existing.id FROM imported_rows AS imported JOIN {table} AS existing ON {same}
     WHERE imported.{filled} <> '' AND existing.deleted_at IS NULL AND existing.id IN ({visible})
"""
SET_REFERENCE_SQL = """
    ANALYZE imported_candidates;
    WITH best AS (
        SELECT number, (array_agg(record_id))[1] AS record_id, count(*) AS records FROM (
            SELECT DISTINCT number, record_id, rank, min(rank) OVER (PARTITION BY number) AS best_rank
              FROM imported_candidates) AS ranked
         WHERE rank = best_rank GROUP BY number),
    several AS (
        INSERT INTO imported_refusals
        SELECT number, 'Several {plural} fit.',
               format('There are %s {plural} “%s”. Add an identifier or another address.', records, {quoted})
          FROM best JOIN imported_rows AS imported USING (number) WHERE records > 1
            ON CONFLICT DO NOTHING)
    UPDATE imported_rows AS imported SET {name}_id = best.record_id
      FROM best WHERE imported.number = best.number AND records = 1
"""
UNREFUSED_SQL = "NOT EXISTS (SELECT FROM imported_refusals AS refusal WHERE refusal.number = imported.number)"
MISSING_SQL = f"""
    imported.{{name}}_id IS NULL AND concat({{name}}_key, {{name}}_email, {{name}}_name) <> '' AND {UNREFUSED_SQL}
"""
REFUSE_MISSING_SQL = """
    INSERT INTO imported_refusals
    SELECT number, 'The {noun} is not found.', format('There is no {noun} “%s” that you may see.', {quoted})
      FROM imported_rows AS imported WHERE {missing}
"""
# The client takes the time in the ID of the row, so that lists order it by time.
COLLECT_CLIENTS_SQL = """
    INSERT INTO imported_clients (id, identity, name, email, phone, client_type, custom_fields)
    SELECT DISTINCT ON (identity) (left(id::text, 19) || right(gen_random_uuid()::text, 17))::uuid, identity,
           client_name, client_email, client_phone, client_type,
           CASE WHEN client_key = '' THEN '{{}}' ELSE jsonb_build_object(%(key)s::text, {value}) END
      FROM (SELECT *, {identity} AS identity FROM imported_rows AS imported
             WHERE {missing} AND client_name <> '') AS named
     ORDER BY identity, number;
    UPDATE imported_rows AS imported SET client_id = made.id
      FROM imported_clients AS made WHERE {missing} AND client_name <> '' AND made.identity = {identity}
"""
# Several rows can name one client: a refusal in any of them counts.
SET_PREFERENCES_SQL = """
    UPDATE imported_clients AS made SET communications = said.preferences
      FROM (SELECT client_id, jsonb_object_agg(channel, choice) AS preferences FROM (
                SELECT client_id, channel, jsonb_strip_nulls(jsonb_build_object(
                           'do_not_contact', bool_or((said ->> 'do_not_contact')::boolean),
                           'consent', bool_and((said ->> 'consent')::boolean))) AS choice
                  FROM imported_rows, jsonb_each(communications) AS file (channel, said)
                 WHERE communications <> '{}' GROUP BY client_id, channel) AS choices
             GROUP BY client_id) AS said
     WHERE said.client_id = made.id
"""
IDENTITY_SQL = """
    CASE WHEN client_key <> '' THEN 'key ' || client_key WHEN client_email <> '' THEN 'email ' || lower(client_email)
         ELSE 'name ' || lower(client_name) END
"""
SELECT_REFUSALS_SQL = """
    SELECT line, refusal.kind, refusal.reason, cells
      FROM imported_refusals AS refusal JOIN imported_rows USING (number) ORDER BY number
"""
REMOVE_REFUSED_SQL = """
    DELETE FROM imported_rows USING imported_refusals AS refusal WHERE imported_rows.number = refusal.number
"""

NEEDED_CLIENTS_SQL = f"""
      FROM imported_clients AS made
     WHERE EXISTS (SELECT FROM imported_rows WHERE imported_rows.client_id = made.id AND {NO_DUPLICATE_SQL})
"""
INSERT_CLIENTS_SQL = f"""
    INSERT INTO clients (id, created_at, updated_at, name, email, phone, client_type, custom_fields, communications)
    SELECT id, %(at)s, %(at)s, name, email, phone, client_type, custom_fields, communications
    {NEEDED_CLIENTS_SQL} ORDER BY id
"""
INSERT_CLIENT_ACTIVITY_SQL = f"""
    INSERT INTO activity_logs (id, actor_type, actor_id, verb, summary, target_type, target_id,
                               about_type, about_id, metadata, occurred_at, created_at)
    SELECT id, %(actor_type)s, %(user)s, 'created', format('Imported from %%s', %(file)s::text), 'crm.client', id,
           'crm.client', id, %(metadata)s::jsonb, %(at)s, %(at)s {NEEDED_CLIENTS_SQL} ORDER BY id
"""
INSERT_IMPORTED_CLIENTS_SQL = f"""
    INSERT INTO imported_records (record_id, record_type, batch_id)
    SELECT id, 'crm.client', %(batch)s {NEEDED_CLIENTS_SQL}
"""
CREATE_CLIENT_STATEMENTS = (INSERT_CLIENTS_SQL, INSERT_CLIENT_ACTIVITY_SQL, INSERT_IMPORTED_CLIENTS_SQL)


@dataclass(frozen=True)
class Reference:
    """A record that a row refers to, by the staged columns `<name>_key`, `<name>_email` and `<name>_name`.

    `<name>_id` takes the key of the record. `order` is added to the rank of a match: the lowest counts.
    """

    name: str
    model: type[models.Model]
    table: ImportedTable
    email_column: str = "email"
    name_column: str = "name"
    order: str = "0"

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(f"{self.name}_{part}" for part in ("key", "email", "name"))

    @property
    def quoted(self) -> str:
        """Return the SQL expression of what the row says of the record."""
        return "coalesce({})".format(", ".join(f"nullif(imported.{column}, '')" for column in self.columns))


CLIENT = Reference("client", Client, ImportedTable.CLIENTS)
# A row about a customer with an open lead is about that lead.
LEAD = Reference(
    "lead", Lead, ImportedTable.LEADS, "contact_email", "contact_name", "(existing.closed_at IS NOT NULL)::int"
)
CONTACT = Reference("contact", Contact, ImportedTable.CONTACTS)


class UnresolvedRow(NamedTuple):
    """A row that refers to nothing, or to several records."""

    line: int
    kind: str
    why: str
    cells: str
    is_refused: bool = True

    def reason(self, row_word: str) -> str:
        """Return why the row is set aside."""
        return self.why


def resolve_references(
    staged: StagedImport, references: Sequence[Reference], *, is_one_enough: bool = False
) -> Iterator[UnresolvedRow]:
    """Find the records of `references`; yield and remove the rows that lack one of those they name.

    With `is_one_enough`, a row needs one record of any table.
    """
    staged.cursor.execute(DROP_TABLES_SQL)
    staged.cursor.execute(CREATE_TABLES_SQL)
    for reference in references:
        find_candidates(staged, reference)
        names = {"name": reference.name, "noun": reference.name, "plural": f"{reference.name}s"}
        staged.cursor.execute(SET_REFERENCE_SQL.format(quoted=reference.quoted, **names))
        missing = MISSING_SQL.format(**names)
        if reference is CLIENT and staged.creates_clients:
            collect_clients(staged, missing)
        if not is_one_enough:
            staged.cursor.execute(REFUSE_MISSING_SQL.format(quoted=reference.quoted, missing=missing, **names))
    if is_one_enough:
        refuse_without_any(staged, references)
    yield from remove_refused(staged)


def refuse_without_any(staged: StagedImport, references: Sequence[Reference]) -> None:
    """Refuse the rows that none of `references` has found a record for."""
    *first, last = (reference.name for reference in references)
    missing = " AND ".join(f"imported.{reference.name}_id IS NULL" for reference in references)
    quoted = f"coalesce({', '.join(reference.quoted for reference in references)})"
    noun = f"{', '.join(first)} or {last}" if first else last
    staged.cursor.execute(REFUSE_MISSING_SQL.format(noun=noun, quoted=quoted, missing=f"{missing} AND {UNREFUSED_SQL}"))


def remove_refused(staged: StagedImport) -> Iterator[UnresolvedRow]:
    """Yield the refused rows in the order of the file, and remove them from the staging table."""
    with connection.chunked_cursor() as cursor:
        cursor.execute(SELECT_REFUSALS_SQL)
        while batch := cursor.fetchmany(1000):
            yield from (UnresolvedRow(*columns) for columns in batch)
    staged.cursor.execute(REMOVE_REFUSED_SQL)


def find_candidates(staged: StagedImport, reference: Reference) -> None:
    """Collect the records that fit the rows, the better matches with a lower rank."""
    cursor, keys = staged.cursor, key_columns(staged, reference)
    cursor.execute("TRUNCATE imported_candidates")
    visible, parameters = visible_rows(reference.model, staged.user)
    key, email, name = reference.columns
    other_key = HAS_OTHER_KEY_SQL.format(key=key)
    other_email = other_address(f"imported.{email}", f"existing.{reference.email_column}")
    value = KEY_VALUE_SQL.format(key=f"imported.{key}")
    by_key = f"existing.custom_fields @> jsonb_build_object(%(key)s::text, {value})"
    by_email = f"lower(existing.{reference.email_column}) = lower(imported.{email}) AND NOT {other_key}"
    by_name = (
        f"lower(existing.{reference.name_column}) = lower(imported.{name}) AND NOT {other_key} AND NOT {other_email}"
    )
    matches = [(1, key, by_key, column) for column in keys] + [(3, email, by_email, ""), (5, name, by_name, "")]
    for rank, filled, same, column in matches:
        statement = INSERT_CANDIDATES_SQL.format(
            rank=f"{rank} + {reference.order}",
            table=reference.model._meta.db_table,
            same=same,
            filled=filled,
            visible=visible,
        )
        cursor.execute(statement, {**parameters, "key": column, "keys": keys})


def key_columns(staged: StagedImport, reference: Reference) -> list[str]:
    """Return the custom fields that can hold the identifiers: the columns by which imports told such records apart."""
    batches = ImportBatch.objects.filter(table=reference.table, record_count__gt=0).exclude(key_column="")
    own = [staged.plan.header[place] for place in staged.plan.columns_of(reference.columns[0])]
    return sorted({*own, *batches.values_list("key_column", flat=True).distinct()})


def visible_rows(model: type[models.Model], user: User | None) -> tuple[str, dict[str, Any]]:
    """Return a statement for the keys of the rows that `user` may see, and its parameters; None may see all."""
    rows = model._default_manager.all() if user is None else model._default_manager.visible_to(user)
    statement, values = rows.order_by().values("pk").query.sql_with_params()
    names = [f"visible_{place}" for place in range(len(values))]
    return statement % tuple(f"%({name})s" for name in names), dict(zip(names, values, strict=True))


def collect_clients(staged: StagedImport, missing: str) -> None:
    """Prepare a client for each one that rows name and that does not exist; the rows of one client share it."""
    (place,) = staged.plan.columns_of("client_key")[:1] or (None,)
    key = "Client ID" if place is None else staged.plan.header[place]
    value = KEY_VALUE_SQL.format(key="client_key")
    staged.cursor.execute(COLLECT_CLIENTS_SQL.format(missing=missing, identity=IDENTITY_SQL, value=value), {"key": key})
    staged.cursor.execute(SET_PREFERENCES_SQL)


def created_clients_notice() -> tuple[str, ...]:
    """Return the sentence about the clients that the import makes beside its records."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) {NEEDED_CLIENTS_SQL}")
        (count,) = cursor.fetchone()
    if not count:
        return ()
    clients = "1 client that did not exist is" if count == 1 else f"{count:,} clients that did not exist are"
    return (f"{clients} created.",)
