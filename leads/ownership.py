"""Triggers that keep the column `owner_id` of threads, suggestions and other rows of a lead or client up to date.

With the owner on the row itself, a list of an agent's own rows reads one table in the order of its index, without
a join. The owner is the owner of the lead, else of the client. Rows of `ASSIGNABLE_TABLES` can have an assignee of
their own, who comes first. Migrations call `follow` and `follow_assigned`, so the SQL they return must not change;
a new rule needs a new function.
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
    CREATE TRIGGER {table}_take_owner BEFORE INSERT OR UPDATE OF lead_id, client_id ON {table}
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
# Replaces the rule in both functions, and fires the trigger of the table itself for `columns`.
REPLACE_OWNER_TRIGGERS_SQL = """
    CREATE OR REPLACE FUNCTION {table}_take_owner() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        NEW.owner_id := {of_new};
        RETURN NEW;
    END $$;
    DROP TRIGGER {table}_take_owner ON {table};
    CREATE TRIGGER {table}_take_owner BEFORE INSERT OR UPDATE OF {columns} ON {table}
        FOR EACH ROW EXECUTE FUNCTION {table}_take_owner();
    CREATE OR REPLACE FUNCTION {table}_follow_owner() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_TABLE_NAME = 'leads' THEN
            UPDATE {table} SET owner_id = {of_row} WHERE lead_id = NEW.id;
        ELSE
            UPDATE {table} SET owner_id = {of_row} WHERE client_id = NEW.id;
        END IF;
        RETURN NULL;
    END $$;
"""
DROP_OWNER_TRIGGERS_SQL = """
    DROP TRIGGER {table}_follow_owner ON clients;
    DROP TRIGGER {table}_follow_owner ON leads;
    DROP FUNCTION {table}_follow_owner();
    DROP TRIGGER {table}_take_owner ON {table};
    DROP FUNCTION {table}_take_owner();
"""
REPAIR_OWNERS_SQL = "UPDATE {table} SET owner_id = {of_row} WHERE owner_id IS DISTINCT FROM {of_row}"


def follow(table: str) -> str:
    """Return SQL that keeps `owner_id` of `table` equal to the owner of its lead or client."""
    return CREATE_OWNER_TRIGGERS_SQL.format(
        table=table, of_new=OWNER_SQL.format(row="NEW"), of_row=OWNER_SQL.format(row=table)
    )


def follow_assigned(table: str) -> str:
    """Return SQL that makes the assignee of a row its owner; `follow` must have run for `table` before."""
    of_new, of_row = ASSIGNABLE_OWNER_SQL.format(row="NEW"), ASSIGNABLE_OWNER_SQL.format(row=table)
    columns = "lead_id, client_id, assigned_to_id"
    return REPLACE_OWNER_TRIGGERS_SQL.format(table=table, of_new=of_new, of_row=of_row, columns=columns)


def leave_assigned(table: str) -> str:
    """Return SQL that undoes `follow_assigned`."""
    of_new, of_row = OWNER_SQL.format(row="NEW"), OWNER_SQL.format(row=table)
    return REPLACE_OWNER_TRIGGERS_SQL.format(table=table, of_new=of_new, of_row=of_row, columns="lead_id, client_id")


def leave(table: str) -> str:
    """Return SQL that undoes `follow`."""
    return DROP_OWNER_TRIGGERS_SQL.format(table=table)


def repair_owner_column(table: str) -> int:
    """Correct the rows that were written while their lead changed its owner. Return how many there were."""
    rule = ASSIGNABLE_OWNER_SQL if table in ASSIGNABLE_TABLES else OWNER_SQL
    with connection.cursor() as cursor:
        cursor.execute(REPAIR_OWNERS_SQL.format(table=table, of_row=rule.format(row=table)))
        return cursor.rowcount
