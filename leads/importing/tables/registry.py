"""The tables that rows of a file can become records of."""

from crm.models import User
from leads.importing.tables.base import ImportTable
from leads.importing.tables.clients import CLIENTS
from leads.importing.tables.contacts import CONTACTS
from leads.importing.tables.leads.table import LEADS
from leads.importing.tables.notes import NOTES
from leads.importing.tables.policies.table import POLICIES

TABLES: dict[str, ImportTable] = {table.name.value: table for table in (LEADS, CLIENTS, CONTACTS, POLICIES, NOTES)}


def table_named(name: str) -> ImportTable:
    return TABLES[name]


def importable_tables(user: User) -> list[ImportTable]:
    """Return the tables into which `user` may import."""
    return [table for table in TABLES.values() if table.may_import(user)]
