"""Contacts as a table of an import: people of a client or of a lead."""

from collections.abc import Iterator
from typing import Any

from crm.models import Client, ClientType, Contact, Role
from leads.importing.cells import CellParser, LineParser
from leads.importing.columns import CONSENT_FIELDS, CONSENT_LABELS
from leads.importing.drafts import RowDraft
from leads.importing.lead_rules import name_the_nameless, refuse_total, split_name_and_address
from leads.importing.staging import NEW_ROWS_SQL
from leads.importing.tables.base import ImportTable, RowRules, SkippedRow
from leads.importing.tables.clients import date_the_creation
from leads.importing.tables.fields import TableFields
from leads.importing.tables.headers import CONTACT_AMBIGUOUS, CONTACT_KEYS, CONTACT_SIGNS, CONTACT_SYNONYMS
from leads.importing.tables.matching import OTHER_KEY_SQL, DuplicateRules, FileRule, RecordRule, other_address
from leads.importing.tables.parsers import column_parser
from leads.importing.tables.references import (
    CLIENT,
    CREATE_CLIENT_STATEMENTS,
    LEAD,
    created_clients_notice,
    resolve_references,
)
from leads.importing.tables.staged import StagedImport
from leads.importing.tables.statements import insert_activity, insert_imported, insert_records
from leads.importing.tables.undo import UndoRule
from leads.importing.updates.links import AddedLink
from leads.importing.updates.rules import (
    TAGS_SQL,
    Correction,
    UpdateRules,
    filling_keys,
    filling_text,
    keep_unique_address,
    replacing_address,
    replacing_keys,
    replacing_name,
    replacing_phone,
    replacing_text,
    replacing_value,
)
from leads.importing.values.consent import ConsentParser
from leads.importing.values.parsers import UNDECIDED, ImportContext, Notation, consent_parser
from leads.importing.values.stages import choice_parser
from leads.models import ImportedTable

REFERENCE_FIELDS = ("client_key", "client_email", "client_name", "lead_key", "lead_email", "lead_name")
CONTACT_COLUMNS = ("id", "name", "email", "phone", "title", "tags", "created_at", "custom_fields")
STAGED_COLUMNS = {
    **dict.fromkeys((*REFERENCE_FIELDS, "client_phone", "client_type", "role"), "text"),
    "client_id": "uuid",
    "lead_id": "uuid",
    **dict.fromkeys(("is_primary", "is_named"), "boolean"),
    "communications": "jsonb",
}
ROLE_PARSER = choice_parser(
    Role.choices,
    main=Role.PRIMARY,
    owner=Role.DECISION_MAKER,
    decider=Role.DECISION_MAKER,
    entscheider=Role.DECISION_MAKER,
    decideur=Role.DECISION_MAKER,
    billing=Role.FINANCIAL,
    finance=Role.FINANCIAL,
    accounting=Role.FINANCIAL,
    buchhaltung=Role.FINANCIAL,
    user=Role.END_USER,
    employee=Role.END_USER,
)
SAME_CLIENT_SQL = """
    EXISTS (SELECT FROM contact_clients AS link WHERE link.contact_id = existing.id AND link.deleted_at IS NULL
               AND link.client_id = imported.client_id)
"""
OTHER_ADDRESS_SQL = other_address("imported.email", "existing.email")
CONTACT_DUPLICATES = DuplicateRules(
    ImportedTable.CONTACTS,
    Contact,
    records=(
        # Two contacts cannot share an address, whatever else differs.
        RecordRule(
            "email", 2, "lower(existing.email) = lower(imported.email)", "imported.email", "imported.email <> ''"
        ),
        RecordRule(
            "name",
            4,
            f"lower(existing.name) = lower(imported.name) AND {SAME_CLIENT_SQL} AND NOT {OTHER_KEY_SQL} "
            f"AND NOT {OTHER_ADDRESS_SQL}",
            "imported.name",
        ),
    ),
    phone=f"lower(existing.name) = lower(imported.name) AND NOT {OTHER_KEY_SQL} AND NOT {OTHER_ADDRESS_SQL}",
    file=(
        FileRule("key", 1, "record_key", "record_key", "record_key <> ''"),
        FileRule("email", 2, "lower(email)", "email", "email <> ''", "true"),
        FileRule("name", 4, "lower(name), client_id, lead_id, lower(email)", "name", "true"),
    ),
)
# A client has one primary contact: the one that it has, else the first of the file.
KEEP_PRIMARY_SQL = """
    UPDATE imported_rows AS imported SET is_primary = false
     WHERE is_primary AND (
        EXISTS (SELECT FROM contact_{name}s AS link
                 WHERE link.{name}_id = imported.{name}_id AND link.is_primary AND link.deleted_at IS NULL)
        OR EXISTS (SELECT FROM imported_rows AS earlier
                    WHERE earlier.{name}_id = imported.{name}_id AND earlier.is_primary
                      AND earlier.number < imported.number))
"""
# The link takes the ID of the contact: undoing the import tells it from the links that people made.
INSERT_LINKS_SQL = """
    INSERT INTO contact_{name}s (id, contact_id, {name}_id, role, is_primary, created_at, updated_at)
    SELECT id, id, {name}_id, role, is_primary, %(at)s, %(at)s {rows}
"""
LINKED_ROWS_SQL = {
    name: NEW_ROWS_SQL.replace("WHERE", f"WHERE {name}_id IS NOT NULL AND", 1) for name in ("client", "lead")
}
OTHER_CONTACT_SQL = """
    EXISTS (SELECT FROM contacts AS other WHERE lower(other.email) = lower(changes -> 'email' ->> 0)
               AND other.email <> '' AND other.id <> existing.id AND other.deleted_at IS NULL)
"""
CONTACT_UPDATES = UpdateRules(
    Contact,
    update={
        "name": replacing_name("name"),
        "email": replacing_address("email"),
        "phone": replacing_phone("phone"),
        "title": replacing_text("title"),
        "created_at": replacing_value("created_at"),
        "custom_fields": replacing_keys("custom_fields"),
        "tags": TAGS_SQL,
    },
    fill={
        **{name: filling_text(name) for name in ("email", "phone", "title")},
        "custom_fields": filling_keys("custom_fields"),
        "tags": TAGS_SQL,
    },
    corrections=(
        Correction(
            keep_unique_address(Contact, "email", "{row}.deleted_at IS NULL", "true"),
            "keeps its address",
            "another contact has that of the file.",
        ),
    ),
    blocked=((f"changes ? 'email' AND {OTHER_CONTACT_SQL}", ("email",)),),
    links=(
        AddedLink("clients", "crm.client", "contact_clients", "contact_id", "client_id", "clients"),
        AddedLink("leads", "leads.lead", "contact_leads", "contact_id", "lead_id", "leads"),
    ),
)


class ContactRules(RowRules):
    """Complete the contacts of one import."""

    def complete(self, draft: RowDraft) -> None:
        refuse_total(draft)
        draft.is_named = bool(draft.get("name"))
        split_name_and_address(draft, self.label("name"), "name", "email")
        draft.set("is_named", draft.is_named)
        name_the_nameless(draft, "name", ("email", "phone"))
        date_the_creation(draft, self.label("created_at"))
        draft.set_preferences()


class ContactTable(ImportTable):
    """Rows that become contacts."""

    name = ImportedTable.CONTACTS
    model = Contact
    fields = TableFields(
        noun="contact",
        fields=(
            *REFERENCE_FIELDS,
            *("client_phone", "name", "email", "phone", "title", "role", "is_primary", "tags", "created_at"),
        ),
        synonyms=CONTACT_SYNONYMS,
        ambiguous=CONTACT_AMBIGUOUS,
        keys=CONTACT_KEYS,
        required="the name of a person, an email address or a phone number",
        full_name="name",
        identifying=frozenset({"name", "first_name", "last_name", "email", "phone"}),
        consent=tuple(CONSENT_FIELDS),
        alike=frozenset({"email", "phone", "client_name"}),
        free_text=frozenset({"name", "title", "client_name", "lead_name", "tags"}),
        repeated=frozenset({"title", "role", "is_primary", "tags", "created_at", "client_name", *CONSENT_FIELDS}),
        labels={
            "client_key": "Client: identifier",
            "client_email": "Client: address",
            "client_name": "Client: name",
            "client_phone": "Client: phone",
            "lead_key": "Lead: identifier",
            "lead_email": "Lead: address",
            "lead_name": "Lead: name",
            "name": "Full name",
            "is_primary": "Primary contact",
            "created_at": "Created on",
            **CONSENT_LABELS,
        },
    )
    columns = (*CONTACT_COLUMNS, *STAGED_COLUMNS)
    staged = STAGED_COLUMNS
    rules = ContactRules
    duplicates = CONTACT_DUPLICATES
    updates = CONTACT_UPDATES
    preparing_statements = tuple(KEEP_PRIMARY_SQL.format(name=name) for name in ("client", "lead"))
    phone_field = "phone"
    signs = CONTACT_SIGNS
    templates = {"name": "Name", "tags": "Tags"}
    choice_fields = ("role",)
    can_create_clients = True
    example = "concat_ws(' · ', imported_rows.name, nullif(imported_rows.email, ''), nullif(title, ''), client_name)"
    statements_before = CREATE_CLIENT_STATEMENTS
    insert_statements = (
        insert_records(Contact, CONTACT_COLUMNS, {}),
        *(INSERT_LINKS_SQL.format(name=name, rows=rows) for name, rows in LINKED_ROWS_SQL.items()),
        insert_activity(Contact),
        insert_imported(Contact),
    )
    undo_rules = (UndoRule(Contact, own_rows=frozenset({"client_links", "lead_links"})), UndoRule(Client))

    def default_values(self, source_detail: str) -> list[Any]:
        values = super().default_values(source_detail)
        texts = dict.fromkeys((*REFERENCE_FIELDS, "client_phone"), "")
        own = {
            **texts,
            "communications": "{}",
            "client_type": ClientType.BUSINESS.value,
            "role": Role.OTHER.value,
            "is_primary": False,
        }
        for name, value in own.items():
            values[self.index[name]] = value
        return values

    def parser(self, name: str, context: ImportContext, texts: list[str], notation: Notation = UNDECIDED) -> CellParser:
        if name in CONSENT_FIELDS:
            return consent_parser(name)
        if name in ("role", "is_primary"):
            return ROLE_PARSER if name == "role" else ConsentParser(is_refusal=False)
        if name in self.staged:
            part = name.rpartition("_")[2]
            if part == "key":
                return LineParser(200)
            return column_parser(Client._meta.get_field(part), context, texts, notation)
        return column_parser(Contact._meta.get_field(name), context, texts, notation)

    def resolve(self, staged: StagedImport) -> Iterator[SkippedRow]:
        yield from resolve_references(staged, (CLIENT, LEAD))

    def notices(self) -> tuple[str, ...]:
        return created_clients_notice()


CONTACTS = ContactTable()
