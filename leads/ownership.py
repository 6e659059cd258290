"""The owner of what hangs on a lead or client, kept on the row itself by the database.

A list of an agent's own conversations or suggestions then reads one table in the order of its index, and asks
no other whose each row is. The owner is the lead's, else the client's. Migrations call `follow`: what it returns
never changes for a table that has it; a new rule is a new function.
"""

from django.db import connection

RULE = """coalesce(
    (SELECT assigned_to_id FROM leads WHERE id = {row}.lead_id),
    (SELECT assigned_to_id FROM clients WHERE id = {row}.client_id)
)"""
FOLLOW = """
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
LEAVE = """
    DROP TRIGGER {table}_follow_owner ON clients;
    DROP TRIGGER {table}_follow_owner ON leads;
    DROP FUNCTION {table}_follow_owner();
    DROP TRIGGER {table}_take_owner ON {table};
    DROP FUNCTION {table}_take_owner();
"""
REPAIR = "UPDATE {table} SET owner_id = {of_row} WHERE owner_id IS DISTINCT FROM {of_row}"


def follow(table: str) -> str:
    """SQL that lets `owner_id` of `table` follow the owner of its lead or client."""
    return FOLLOW.format(table=table, of_new=RULE.format(row="NEW"), of_row=RULE.format(row=table))


def leave(table: str) -> str:
    """SQL that undoes `follow`."""
    return LEAVE.format(table=table)


def repair(table: str) -> str:
    """SQL that sets every wrong `owner_id` of `table` right."""
    return REPAIR.format(table=table, of_row=RULE.format(row=table))


def repaired(table: str) -> int:
    """Set right the rows that were written while their lead changed hands; returns how many."""
    with connection.cursor() as cursor:
        cursor.execute(repair(table))
        return cursor.rowcount
