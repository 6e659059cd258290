"""Triggers that keep the column `owner_id` of threads, suggestions and other rows of a lead or client up to date.

With the owner on the row itself, a list of an agent's own rows reads one table in the order of its index, without
a join. The owner is the owner of the lead, else of the client. Rows of `ASSIGNABLE_TABLES` can have an assignee of
their own, who comes first. Migrations call `follow`, so the SQL that it returns must not change.
"""

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
REPAIR_OWNERS_SQL = "UPDATE {table} SET owner_id = {of_row} WHERE owner_id IS DISTINCT FROM {of_row}"


def owner_sql(table: str, row: str) -> str:
    """Return the expression of the owner of a row of `table`, which is `row` in the statement."""
    return (ASSIGNABLE_OWNER_SQL if table in ASSIGNABLE_TABLES else OWNER_SQL).format(row=row)


def follow(table: str) -> str:
    """Return SQL that keeps the owner of each row of `table`: its assignee, else that of its lead or client."""
    columns = "lead_id, client_id, assigned_to_id" if table in ASSIGNABLE_TABLES else "lead_id, client_id"
    return CREATE_OWNER_TRIGGERS_SQL.format(
        table=table, columns=columns, of_new=owner_sql(table, "NEW"), of_row=owner_sql(table, table)
    )


def repair_owner_column(table: str) -> int:
    """Correct the rows that were written while their lead changed its owner. Return how many there were."""
    with connection.cursor() as cursor:
        cursor.execute(REPAIR_OWNERS_SQL.format(table=table, of_row=owner_sql(table, table)))
        return cursor.rowcount
