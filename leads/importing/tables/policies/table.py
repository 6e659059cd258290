"""Policies as a table of an import: of a client that the row names, and renewals of earlier policies."""

from collections.abc import Iterator
from datetime import date
from typing import Any

from django.db.backends.utils import CursorWrapper

from crm.models import Client, ClientType
from crm.records.local_time import agency_today
from leads.importing.cells import CellParser, LineParser
from leads.importing.columns import CONSENT_FIELDS, CONSENT_LABELS, ImportPlan
from leads.importing.drafts import RowDraft
from leads.importing.exceptions import RowRejected
from leads.importing.lead_rules import refuse_total
from leads.importing.tables.base import ImportTable, RowRules, SkippedRow
from leads.importing.tables.clients import name_by_company
from leads.importing.tables.fields import TableFields
from leads.importing.tables.headers import POLICY_AMBIGUOUS, POLICY_KEYS, POLICY_SIGNS, POLICY_SYNONYMS
from leads.importing.tables.matching import KEY_SQL, DuplicateRules, FileRule, RecordRule
from leads.importing.tables.parsers import column_parser
from leads.importing.tables.policies.renewals import RENEW_STATEMENTS, link_renewals, remember_renewed, restore_renewed
from leads.importing.tables.policies.updates import POLICY_UPDATES
from leads.importing.tables.policies.values import BILLING_PARSER, REASON_PARSER, STATUS_PARSER, line_parser
from leads.importing.tables.references import (
    CLIENT,
    CREATE_CLIENT_STATEMENTS,
    created_clients_notice,
    resolve_references,
)
from leads.importing.tables.staged import StagedImport
from leads.importing.tables.statements import insert_activity, insert_imported, insert_records
from leads.importing.tables.undo import UndoRule
from leads.importing.values.parsers import UNDECIDED, ImportContext, Notation, consent_parser
from leads.models import BillingPeriod, CancellationReason, ImportBatch, ImportedTable, Policy, PolicyStatus
from leads.models.policy import UNPRICED_STATUSES

CLIENT_FIELDS = ("client_key", "client_email", "client_name", "company_name", "client_phone")
POLICY_COLUMNS = (
    *("id", "client", "insurance_type", "carrier", "status", "premium", "billing_period", "effective_on"),
    *("expires_on", "cancelled_on", "cancellation_reason", "renewed_from", "custom_fields"),
)
STAGED_TEXTS = (*CLIENT_FIELDS, "client_type", "policy_number", "previous_number")
STAGED_COLUMNS = {**dict.fromkeys(STAGED_TEXTS, "text"), "has_status": "boolean", "communications": "jsonb"}
# What a policy has if its row does not say it.
ASSUMED_VALUES = {
    "number": "policy_number",
    "created_at": "%(at)s",
    "billing_period": f"coalesce(nullif(billing_period, ''), '{BillingPeriod.ANNUAL.value}')",
    "cancelled_on": "CASE WHEN status = 'CANCELLED' THEN coalesce(cancelled_on, least(expires_on, %(today)s)) END",
    "cancellation_reason": (
        f"CASE WHEN status = 'CANCELLED' AND cancellation_reason = '' THEN '{CancellationReason.OTHER.value}' "
        "ELSE cancellation_reason END"
    ),
}
TERMS = {"carrier": "carrier", "premium": "premium", "effective_on": "effective date", "expires_on": "expiry date"}
POLICY_DUPLICATES = DuplicateRules(
    ImportedTable.POLICIES,
    Policy,
    records=(
        # The terms of a policy can share an identifier, and a policy stays with its client.
        RecordRule(
            "key",
            1,
            f"existing.client_id = imported.client_id AND {KEY_SQL} "
            "AND (%(is_chosen)s OR existing.effective_on IS NOT DISTINCT FROM imported.effective_on)",
            "record_key",
            "record_key <> ''",
        ),
        RecordRule(
            "number",
            2,
            "existing.client_id = imported.client_id AND lower(existing.number) = lower(imported.policy_number) "
            "AND existing.effective_on IS NOT DISTINCT FROM imported.effective_on",
            "policy_number",
            "policy_number <> ''",
        ),
        RecordRule(
            "term",
            3,
            "existing.client_id = imported.client_id AND existing.insurance_type_id = imported.insurance_type_id "
            "AND lower(existing.carrier) = lower(imported.carrier) AND existing.effective_on = imported.effective_on "
            "AND (existing.number = '' OR imported.policy_number = '')",
            "imported.carrier",
        ),
    ),
    file=(
        FileRule("key", 1, "client_id, record_key, effective_on", "record_key", "record_key <> ''"),
        FileRule("number", 2, "client_id, lower(policy_number), effective_on", "policy_number", "policy_number <> ''"),
        FileRule(
            "term",
            3,
            "client_id, insurance_type_id, lower(carrier), effective_on",
            "carrier",
            "policy_number = '' AND effective_on IS NOT NULL",
        ),
    ),
    key="",
)
POLICY_SUMMARY_SQL = """
    format('Policy %%s: %%s', lower(status), concat_ws(' · ',
           (SELECT name FROM insurance_types AS line WHERE line.id = insurance_type_id),
           nullif(carrier, ''), nullif(policy_number, '')))
"""


class PolicyRules(RowRules):
    """Complete the policies of one import."""

    def __init__(self, plan: ImportPlan, context: ImportContext) -> None:
        super().__init__(plan, context)
        self.today = agency_today()
        # The rows without a status, and the cancelled ones without a day or a reason.
        self.unstated, self.undated = 0, 0

    def complete(self, draft: RowDraft) -> None:
        refuse_total(draft)
        draft.set("client_type", "")
        name_by_company(draft, self.label("client_name"), self.label("company_name"), "client_name")
        draft.set("client_type", draft.get("client_type") or ClientType.INDIVIDUAL.value)
        if not any(draft.get(name) for name in ("client_key", "client_email", "client_name")):
            raise RowRejected("The row names no client.")
        if not draft.get("insurance_type"):
            raise RowRejected(self.missing_line(draft), "The row has no line of insurance that is known.")
        self.check_dates(draft)
        draft.set_preferences()
        self.set_status(draft)
        self.check_terms(draft)

    def missing_line(self, draft: RowDraft) -> str:
        label = self.label("insurance_type")
        text = next((text for name, text, _ in draft.doubts if name == label), "")
        return f"{label} “{text}” is not a line of insurance." if text else "The row has no line of insurance."

    def check_dates(self, draft: RowDraft) -> None:
        first, last = draft.get("effective_on"), draft.get("expires_on")
        if first and last and last <= first:
            raise RowRejected(
                f"The policy expires on {last} but takes effect on {first}.",
                "The policy expires before it takes effect.",
            )

    def set_status(self, draft: RowDraft) -> None:
        """Set the status by the dates where the row says none, and what a cancelled policy needs."""
        draft.set("has_status", bool(draft.get("status")))
        if not draft.get("status"):
            self.unstated += 1
            draft.set("status", status_by_dates(draft, self.today))
        if draft.get("status") != PolicyStatus.CANCELLED:
            for name in ("cancelled_on", "cancellation_reason"):
                if draft.get(name):
                    draft.withdraw(name, self.label(name), "is about a cancellation, but the policy is not cancelled")
            return
        self.undated += not (draft.get("cancelled_on") and draft.get("cancellation_reason"))

    def check_terms(self, draft: RowDraft) -> None:
        status = PolicyStatus(draft.get("status"))
        missing = [words for name, words in TERMS.items() if draft.get(name) in (None, "")]
        if missing and status not in UNPRICED_STATUSES:
            article = "an" if status == PolicyStatus.ACTIVE else "a"
            needs = f"which {article} {status.label.lower()} policy needs"
            raise RowRejected(f"The row lacks the {' and the '.join(missing)}, {needs}.")

    def notices(self) -> tuple[str, ...]:
        sentences = []
        if self.unstated:
            rows = "1 policy has" if self.unstated == 1 else f"{self.unstated:,} policies have"
            sentences.append(f"{rows} no status in the file: the dates and the premium decide it.")
        if self.undated:
            rows = "1 cancelled policy lacks" if self.undated == 1 else f"{self.undated:,} cancelled policies lack"
            sentences.append(f"{rows} the day or the reason: the end of the term, and “Other”, stand there.")
        return tuple(sentences)


def status_by_dates(draft: RowDraft, today: date) -> str:
    """Return the status of a policy by its term: a quote lacks something of it."""
    if any(draft.get(name) in (None, "") for name in TERMS):
        return PolicyStatus.QUOTED.value
    return (PolicyStatus.ACTIVE if draft.get("expires_on") >= today else PolicyStatus.LAPSED).value


class PolicyTable(ImportTable):
    """Rows that become policies."""

    name = ImportedTable.POLICIES
    model = Policy
    fields = TableFields(
        noun="policy",
        fields=(
            *("previous_number", "policy_number", *CLIENT_FIELDS, "insurance_type", "carrier", "status", "premium"),
            *("billing_period", "effective_on", "expires_on", "cancelled_on", "cancellation_reason"),
        ),
        synonyms=POLICY_SYNONYMS,
        ambiguous=POLICY_AMBIGUOUS,
        keys=POLICY_KEYS,
        required="the client of a policy: an identifier, an address or a name",
        full_name="client_name",
        identifying=frozenset({*CLIENT_FIELDS, "first_name", "last_name"}),
        consent=tuple(CONSENT_FIELDS),
        alike=frozenset({"client_email", "client_phone", "company_name"}),
        free_text=frozenset({"client_name", "company_name", "carrier"}),
        repeated=frozenset(
            {"insurance_type", "carrier", "status", "billing_period", "effective_on", "expires_on"}
            | {"cancelled_on", "cancellation_reason", *CONSENT_FIELDS}
        ),
        labels={
            "client_key": "Client: identifier",
            "client_email": "Client: address",
            "client_name": "Client: name",
            "company_name": "Client: company",
            "client_phone": "Client: phone",
            "previous_number": "Previous policy number",
            "cancelled_on": "Cancelled on",
            **CONSENT_LABELS,
        },
    )
    columns = (*POLICY_COLUMNS, *STAGED_COLUMNS)
    staged = STAGED_COLUMNS
    rules = PolicyRules
    duplicates = POLICY_DUPLICATES
    updates = POLICY_UPDATES
    signs = POLICY_SIGNS
    templates = {"carrier": "Carrier"}
    choice_fields = ("insurance_type", "status", "billing_period", "cancellation_reason")
    can_create_clients = True
    example = """concat_ws(' · ', coalesce(nullif(client_name, ''), nullif(client_email, ''), client_key), line.name,
                           nullif(carrier, ''), nullif(policy_number, ''), lower(status))"""
    example_join = "JOIN insurance_types AS line ON line.id = insurance_type_id"
    # A renewal can come in an earlier chunk than the policy that it renews.
    statements_before = (*CREATE_CLIENT_STATEMENTS, "SET CONSTRAINTS ALL DEFERRED")
    insert_statements = (
        insert_records(Policy, ("number", *POLICY_COLUMNS), ASSUMED_VALUES),
        insert_activity(Policy, POLICY_SUMMARY_SQL, about="'crm.client', client_id"),
        insert_imported(Policy),
    )
    statements_after = (*RENEW_STATEMENTS, "SET CONSTRAINTS ALL IMMEDIATE")
    undo_rules = (UndoRule(Policy, side="target"), UndoRule(Client))

    def default_values(self, source_detail: str) -> list[Any]:
        values = super().default_values(source_detail)
        for name in (*STAGED_TEXTS, "status", "billing_period"):
            values[self.index[name]] = ""
        values[self.index["communications"]] = "{}"
        return values

    def parser(self, name: str, context: ImportContext, texts: list[str], notation: Notation = UNDECIDED) -> CellParser:
        choices = {
            "status": STATUS_PARSER,
            "billing_period": BILLING_PARSER,
            "cancellation_reason": REASON_PARSER,
            "insurance_type": line_parser(context),
        }
        if name in choices:
            return choices[name]
        if name in CONSENT_FIELDS:
            return consent_parser(name)
        if name in ("policy_number", "previous_number"):
            return LineParser(Policy._meta.get_field("number").max_length)
        if name in CLIENT_FIELDS:
            column = {"client_email": "email", "client_phone": "phone"}.get(name, "name")
            return column_parser(Client._meta.get_field(column), context, texts, notation)
        return column_parser(Policy._meta.get_field(name), context, texts, notation)

    def resolve(self, staged: StagedImport) -> Iterator[SkippedRow]:
        yield from resolve_references(staged, (CLIENT,))

    def insert_values(self) -> dict[str, Any]:
        return {"today": agency_today()}

    def update_values(self, reader: Any) -> dict[str, Any]:
        return self.insert_values()

    @property
    def change_labels(self) -> dict[str, str]:
        return {**super().change_labels, "number": self.label_of("policy_number")}

    def link_rows(self, staged: StagedImport) -> int:
        return link_renewals(staged)

    def notices(self) -> tuple[str, ...]:
        return created_clients_notice()

    def undo(self, cursor: CursorWrapper, batch: ImportBatch) -> int:
        remember_renewed(cursor, batch)
        deleted = super().undo(cursor, batch)
        restore_renewed(cursor, batch)
        return deleted


POLICIES = PolicyTable()
