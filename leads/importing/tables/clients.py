"""Clients as a table of an import."""

from collections.abc import Mapping
from typing import Any

from crm.forms import ADDRESS_SCHEMA
from crm.models import Client, ClientType
from crm.records.consent import CLOSED_LABELS, closed_channel_path
from crm.records.local_time import agency_today
from leads.importing.cells import CellParser, LineParser
from leads.importing.columns import CONSENT_FIELDS, CONSENT_LABELS
from leads.importing.drafts import RowDraft, encode_json
from leads.importing.lead_rules import name_the_nameless, refuse_total, split_name_and_address
from leads.importing.tables.base import ImportTable, RowRules
from leads.importing.tables.fields import TableFields
from leads.importing.tables.headers import CLIENT_AMBIGUOUS, CLIENT_KEYS, CLIENT_SIGNS, CLIENT_SYNONYMS
from leads.importing.tables.matching import OTHER_KEY_SQL, DuplicateRules, FileRule, RecordRule, other_address
from leads.importing.tables.parsers import column_parser
from leads.importing.tables.statements import insert_activity, insert_imported, insert_records
from leads.importing.tables.undo import UndoRule
from leads.importing.updates.rules import (
    COMMUNICATIONS_SQL,
    KEPT_REFUSAL,
    TAGS_SQL,
    UpdateRules,
    filling_keys,
    filling_text,
    filling_value,
    replacing_address,
    replacing_keys,
    replacing_name,
    replacing_phone,
    replacing_text,
    replacing_value,
)
from leads.importing.values.dates import as_moment, local_day
from leads.importing.values.parsers import CLIENT_TYPE_PARSER, UNDECIDED, ImportContext, Notation, consent_parser
from leads.models import ImportedTable

ADDRESS_LENGTHS: Mapping[str, int] = {
    name: question["maxLength"] for name, question in ADDRESS_SCHEMA["properties"].items()
}
CLIENT_COLUMNS = (
    *("id", "name", "client_type", "email", "phone", "address", "notes", "assigned_to", "tags"),
    *("created_at", "communications", "custom_fields"),
)
STAGED_TEXTS = ("company_name", *ADDRESS_LENGTHS)
# What tells the values of a row from those that it has for want of its own.
STAGED_MARKS = ("is_named", "has_type")
OTHER_ADDRESS_SQL = other_address("imported.email", "existing.email")
# Two people can have one name; a business has one, and so have two people in one street.
SAME_PLACE_SQL = """
    (imported.client_type = 'Business' AND existing.client_type = 'Business'
     OR imported.street <> '' AND lower(imported.street) = lower(existing.address ->> 'street'))
"""
CLOSED_LABELS_SQL = ", ".join(
    f"CASE WHEN communications @? '{closed_channel_path(channel)}' THEN '{label}' END"
    for channel, label in CLOSED_LABELS.items()
)
CLIENT_DUPLICATES = DuplicateRules(
    ImportedTable.CLIENTS,
    Client,
    records=(
        RecordRule(
            "email",
            2,
            f"lower(existing.email) = lower(imported.email) AND NOT {OTHER_KEY_SQL}",
            "imported.email",
            "imported.email <> ''",
        ),
        RecordRule(
            "name",
            4,
            f"lower(existing.name) = lower(imported.name) AND {SAME_PLACE_SQL} "
            f"AND NOT {OTHER_KEY_SQL} AND NOT {OTHER_ADDRESS_SQL}",
            "imported.name",
        ),
    ),
    phone=f"NOT {OTHER_KEY_SQL} AND NOT ({OTHER_ADDRESS_SQL} AND lower(existing.name) <> lower(imported.name))",
    file=(
        FileRule("key", 1, "record_key", "record_key", "record_key <> ''"),
        FileRule("email", 2, "lower(email)", "email", "email <> ''"),
        FileRule("phone", 3, "phone_key, lower(name)", "phone", "phone_key <> ''"),
        FileRule("name", 4, "lower(name), lower(email)", "name", "client_type = 'Business'"),
    ),
)
CLIENT_UPDATES = UpdateRules(
    Client,
    update={
        "name": replacing_name("name"),
        "client_type": "CASE WHEN imported.has_type THEN imported.client_type ELSE existing.client_type END",
        "email": replacing_address("email"),
        "phone": replacing_phone("phone"),
        "notes": replacing_text("notes"),
        "assigned_to_id": replacing_value("assigned_to_id"),
        "created_at": replacing_value("created_at"),
        "address": replacing_keys("address"),
        "custom_fields": replacing_keys("custom_fields"),
        "communications": COMMUNICATIONS_SQL,
        "tags": TAGS_SQL,
    },
    fill={
        **{name: filling_text(name) for name in ("email", "phone", "notes")},
        "assigned_to_id": filling_value("assigned_to_id"),
        "address": filling_keys("address"),
        "custom_fields": filling_keys("custom_fields"),
        "communications": COMMUNICATIONS_SQL,
        "tags": TAGS_SQL,
    },
    objects=("address", "communications", "custom_fields"),
    kept=(KEPT_REFUSAL,),
)


class ClientRules(RowRules):
    """Complete the clients of one import."""

    def complete(self, draft: RowDraft) -> None:
        refuse_total(draft)
        draft.is_named = bool(draft.get("name"))
        split_name_and_address(draft, self.label("name"), "name", "email")
        name_by_company(draft, self.label("name"), self.label("company_name"))
        draft.set("is_named", draft.is_named or draft.get("name") == draft.get("company_name") != "")
        draft.set("has_type", bool(draft.get("client_type")))
        name_the_nameless(draft, "name", ("email", "phone"))
        draft.set("client_type", draft.get("client_type") or ClientType.INDIVIDUAL.value)
        date_the_creation(draft, self.label("created_at"))
        parts = {name: text for name in ADDRESS_LENGTHS if (text := draft.get(name))}
        draft.set("address", encode_json(parts))
        draft.set_preferences()


def name_by_company(draft: RowDraft, name_label: str, company_label: str, field: str = "name") -> None:
    """Name the client by its company, unless the row says that it is a person. The other name is kept as text."""
    company, name = draft.get("company_name"), draft.get(field)
    if not company:
        return
    if draft.get("client_type") == ClientType.INDIVIDUAL and name:
        draft.keep_text("company_name", company_label, company)
        return
    if name and name != company:
        draft.keep_text(field, name_label, name)
    draft.set(field, company)
    draft.set("client_type", ClientType.BUSINESS.value)


def date_the_creation(draft: RowDraft, label: str) -> None:
    """Give a record the moment when the other system created it, unless it is in the future."""
    created = draft.get("created_at")
    if not created:
        return
    if local_day(created) > agency_today():
        draft.withdraw("created_at", label, "is in the future")
    else:
        draft.set("created_at", as_moment(created))


class ClientTable(ImportTable):
    """Rows that become clients."""

    name = ImportedTable.CLIENTS
    model = Client
    fields = TableFields(
        noun="client",
        fields=(
            *("name", "company_name", "client_type", "email", "phone", *ADDRESS_LENGTHS),
            *("assigned_to", "tags", "notes", "created_at"),
        ),
        synonyms=CLIENT_SYNONYMS,
        ambiguous=CLIENT_AMBIGUOUS,
        keys=CLIENT_KEYS,
        required="the name of a person, a company, an email address or a phone number",
        full_name="name",
        identifying=frozenset({"name", "company_name", "first_name", "last_name", "email", "phone"}),
        consent=tuple(CONSENT_FIELDS),
        alike=frozenset({"email", "phone", "company_name", "street"}),
        free_text=frozenset({"name", "company_name", "street", "city", "notes", "tags"}),
        repeated=frozenset(
            {"client_type", "city", "state", "zip", "country", "assigned_to", "tags", "created_at", *CONSENT_FIELDS}
        ),
        labels={
            "name": "Full name",
            "client_type": "Person or business",
            "assigned_to": "Owner",
            "created_at": "Created on",
            "zip": "ZIP",
            **CONSENT_LABELS,
        },
    )
    columns = (*CLIENT_COLUMNS, *STAGED_TEXTS, *STAGED_MARKS)
    staged = {**dict.fromkeys(STAGED_TEXTS, "text"), **dict.fromkeys(STAGED_MARKS, "boolean")}
    rules = ClientRules
    duplicates = CLIENT_DUPLICATES
    updates = CLIENT_UPDATES
    phone_field = "phone"
    owner_permission = "crm.reassign_client"
    signs = CLIENT_SIGNS
    templates = {"name": "Name", "tags": "Tags", "notes": "Notes"}
    choice_fields = ("client_type", "assigned_to")
    example = f"""concat_ws(' · ', name, nullif(email, ''), nullif(phone, ''), nullif(city, ''), client_type,
                            {CLOSED_LABELS_SQL})"""
    insert_statements = (
        insert_records(Client, CLIENT_COLUMNS, {}),
        insert_activity(Client),
        insert_imported(Client),
    )
    undo_rules = (UndoRule(Client),)

    def default_values(self, source_detail: str) -> list[Any]:
        values = super().default_values(source_detail)
        for name in STAGED_TEXTS:
            values[self.index[name]] = ""
        # A row without a type is that of a person, unless it has a company.
        values[self.index["client_type"]] = ""
        values[self.index["address"]] = values[self.index["communications"]] = "{}"
        return values

    def parser(self, name: str, context: ImportContext, texts: list[str], notation: Notation = UNDECIDED) -> CellParser:
        if name == "client_type":
            return CLIENT_TYPE_PARSER
        if name in CONSENT_FIELDS:
            return consent_parser(name)
        if name in STAGED_TEXTS:
            return LineParser(ADDRESS_LENGTHS.get(name, 200))
        return column_parser(Client._meta.get_field(name), context, texts, notation)


CLIENTS = ClientTable()
