"""Triggers that keep on each row of some tables who sees it: threads, suggestions, tickets and tasks.

With the owner on the row itself, a list of an agent's own rows reads one table in the order of its index, without
a join. The function `{table}_owners(row)` of the database says who that is; the migration that adds it says why.
Migrations call these functions, so the SQL that they return must not change.
"""

from collections.abc import Iterable, Mapping

from django.db import connection

OWNER_SQL = """coalesce(
    (SELECT assigned_to_id FROM leads WHERE id = {row}.lead_id),
    (SELECT assigned_to_id FROM clients WHERE id = {row}.client_id)
)"""
ASSIGNABLE_OWNER_SQL = """coalesce(
    {row}.assigned_to_id,
    (SELECT assigned_to_id FROM leads WHERE id = {row}.lead_id),
    (SELECT assigned_to_id FROM clients WHERE id = {row}.client_id)
)"""
# Tables that take the owner from `ASSIGNABLE_OWNER_SQL`.
ASSIGNABLE_TABLES = {"threads"}
CREATE_OWNER_TRIGGERS_SQL = """
    CREATE FUNCTION {table}_take_owner() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        NEW.owner_id := {of_new};
        RETURN NEW;
    END $$;
    CREATE TRIGGER {table}_take_owner BEFORE INSERT OR UPDATE OF {columns} ON {table}
        FOR EACH ROW EXECUTE FUNCTION {table}_take_owner();

    CREATE FUNCTION {table}_follow_owner() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_TABLE_NAME = 'leads' THEN
            UPDATE {table} SET owner_id = {of_row} WHERE lead_id = NEW.id;
        ELSE
            UPDATE {table} SET owner_id = {of_row} WHERE client_id = NEW.id;
        END IF;
        RETURN NULL;
    END $$;
    CREATE TRIGGER {table}_follow_owner AFTER UPDATE OF assigned_to_id ON leads
        FOR EACH ROW WHEN (OLD.assigned_to_id IS DISTINCT FROM NEW.assigned_to_id)
        EXECUTE FUNCTION {table}_follow_owner();
    CREATE TRIGGER {table}_follow_owner AFTER UPDATE OF assigned_to_id ON clients
        FOR EACH ROW WHEN (OLD.assigned_to_id IS DISTINCT FROM NEW.assigned_to_id)
        EXECUTE FUNCTION {table}_follow_owner();
"""
# Calls `{table}_owners` for a row that is new, and after a change of its links or assignee. A link to another record
# ends the restriction that a purge left.
KEEP_OWNER_SQL = """
    DROP FUNCTION IF EXISTS {table}_take_owner CASCADE;
    DROP FUNCTION IF EXISTS {table}_follow_owner CASCADE;
    CREATE FUNCTION {table}_take_owner() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'UPDATE' AND ({newly_linked}) THEN
            NEW.restriction := 0;
        END IF;
        SELECT * INTO {targets} FROM {table}_owners(NEW);
        RETURN NEW;
    END $$;
    CREATE TRIGGER {table}_take_owner BEFORE INSERT OR UPDATE OF {columns} ON {table}
        FOR EACH ROW EXECUTE FUNCTION {table}_take_owner();
"""
FOLLOW_FUNCTION_SQL = """
    CREATE FUNCTION follow_owner() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        name text;
    BEGIN
        name := quote_ident(TG_ARGV[1]);
        EXECUTE 'UPDATE ' || quote_ident(TG_ARGV[0]) || ' SET ' || name || ' = ' || name || ' WHERE ' || name || ' = $1'
          USING NEW.id;
        RETURN NULL;
    END $$;
    CREATE FUNCTION follow_owner_of_project() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        EXECUTE 'UPDATE ' || quote_ident(TG_ARGV[0]) || ' SET project_id = project_id'
            ' WHERE project_id IN (SELECT id FROM projects WHERE client_id = $1)' USING NEW.id;
        RETURN NULL;
    END $$;
    CREATE FUNCTION restrict_after_purge() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        key uuid;
        is_purged boolean;
    BEGIN
        EXECUTE 'SELECT ($1).' || quote_ident(TG_ARGV[0]) INTO key USING OLD;
        EXECUTE 'SELECT NOT EXISTS (SELECT FROM ' || quote_ident(TG_ARGV[1]) || ' WHERE id = $1)'
           INTO is_purged USING key;
        IF is_purged THEN
            EXECUTE 'UPDATE ' || quote_ident(TG_TABLE_NAME) || ' SET restriction = 2 WHERE id = $1 AND '
                    || quote_ident(TG_ARGV[0]) || ' IS NULL' USING NEW.id;
        END IF;
        RETURN NULL;
    END $$;
"""
FOLLOW_SQL = """
    CREATE TRIGGER {table}_follow_{column} AFTER UPDATE{of_columns} ON {parent}
        FOR EACH ROW WHEN ({changed})
        EXECUTE FUNCTION follow_owner('{table}', '{column}');
"""
FOLLOW_PROJECT_SQL = """
    CREATE TRIGGER {table}_follow_client_of_project AFTER UPDATE OF assigned_to_id ON clients
        FOR EACH ROW WHEN (OLD.assigned_to_id IS DISTINCT FROM NEW.assigned_to_id)
        EXECUTE FUNCTION follow_owner_of_project('{table}');
"""
# Checked when the transaction ends: Django clears the column before it deletes the record.
RESTRICT_SQL = """
    CREATE CONSTRAINT TRIGGER {table}_restrict_{column} AFTER UPDATE OF {column} ON {table}
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (OLD.{column} IS NOT NULL AND NEW.{column} IS NULL)
        EXECUTE FUNCTION restrict_after_purge('{column}', '{parent}');
"""
# The columns of a record that say who sees it.
OWNER_COLUMNS = {
    "leads": ("assigned_to_id",),
    "clients": ("assigned_to_id",),
    "projects": ("client_id",),
    "threads": ("owner_id", "record_owner_id", "restriction"),
    "support_tickets": ("owner_id", "record_owner_id", "restriction"),
}
# The trigger computes the owner anew.
REPAIR_OWNERS_SQL = """
    UPDATE {table} SET lead_id = lead_id WHERE id IN (
        SELECT old.id FROM {table} AS old, LATERAL {table}_owners(old) AS kept WHERE ({old}) IS DISTINCT FROM ({kept})
    )
"""
# Tables with rows that can be assigned to another user than the owner of their record.
TABLES_WITH_RECORD_OWNER = {"threads", "suggestions", "support_tickets"}


def owner_sql(table: str, row: str) -> str:
    """Return the expression of the owner of a row of `table`, which is `row` in the statement."""
    return (ASSIGNABLE_OWNER_SQL if table in ASSIGNABLE_TABLES else OWNER_SQL).format(row=row)


def follow(table: str) -> str:
    """Return SQL that keeps the owner of each row of `table`: its assignee, else that of its lead or client."""
    columns = "lead_id, client_id, assigned_to_id" if table in ASSIGNABLE_TABLES else "lead_id, client_id"
    return CREATE_OWNER_TRIGGERS_SQL.format(
        table=table, columns=columns, of_new=owner_sql(table, "NEW"), of_row=owner_sql(table, table)
    )


def keep_owner(table: str, links: Mapping[str, str], *, others: Iterable[str] = ()) -> str:
    """Return SQL that keeps the owner of each row of `table` as the function `{table}_owners` says.

    `links` are the columns that refer to records, with the tables of those; `others` are columns that it reads as well.
    """
    newly_linked = " OR ".join(f"NEW.{one} IS NOT NULL AND NEW.{one} IS DISTINCT FROM OLD.{one}" for one in links)
    targets, columns = columns_of("NEW", kept_columns(table)), ", ".join([*links, *others])
    statements = [KEEP_OWNER_SQL.format(table=table, newly_linked=newly_linked, targets=targets, columns=columns)]
    for column, parent in links.items():
        statements.append(follow_record(table, column, parent))
        statements.append(RESTRICT_SQL.format(table=table, column=column, parent=parent))
    if "projects" in links.values():
        statements.append(FOLLOW_PROJECT_SQL.format(table=table))
    return "".join(statements)


def follow_record(table: str, column: str, parent: str) -> str:
    """Return SQL that computes the owner of the rows of `table` anew once a record of `parent` has another owner."""
    owner_columns = OWNER_COLUMNS[parent]
    changed = f"({columns_of('OLD', owner_columns)}) IS DISTINCT FROM ({columns_of('NEW', owner_columns)})"
    # A trigger sets the columns of these, and a change by a trigger is none of the statement's own columns.
    of_columns = "" if "owner_id" in owner_columns else f" OF {', '.join(owner_columns)}"
    return FOLLOW_SQL.format(table=table, column=column, parent=parent, of_columns=of_columns, changed=changed)


def kept_columns(table: str) -> list[str]:
    record_owner = ["record_owner_id"] if table in TABLES_WITH_RECORD_OWNER else []
    return ["owner_id", *record_owner, "restriction"]


def columns_of(row: str, columns: Iterable[str]) -> str:
    return ", ".join(f"{row}.{column}" for column in columns)


def repair_owner_column(table: str) -> int:
    """Correct the rows that were written while a record changed its owner. Return how many there were."""
    columns = kept_columns(table)
    statement = REPAIR_OWNERS_SQL.format(table=table, old=columns_of("old", columns), kept=columns_of("kept", columns))
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.rowcount
