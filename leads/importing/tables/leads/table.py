"""Leads as a table of an import: stages, scores, signals and consent are theirs alone."""

from typing import Any

from django.db import models
from psycopg.types.json import Jsonb

from leads.importing.cells import CellParser
from leads.importing.columns import LEAD_FIELDS
from leads.importing.drafts import LEAD_COLUMNS, LEAD_MARKS, STAGED_LEAD_COLUMNS
from leads.importing.lead_rules import LeadRules
from leads.importing.staging import NEW_ROWS_SQL, NO_DUPLICATE_SQL
from leads.importing.tables.base import ImportTable
from leads.importing.tables.headers import LEAD_SIGNS
from leads.importing.tables.leads.duplicates import LEAD_DUPLICATES
from leads.importing.tables.leads.updates import FREE_OTHER_DEALS_SQL, LEAD_UPDATES
from leads.importing.tables.statements import insert_activity
from leads.importing.tables.undo import UndoRule
from leads.importing.values.parsers import UNDECIDED, ImportContext, Notation, parser_for_field
from leads.models import ImportBatch, ImportedTable, Lead, ScoringPolicy, Source
from leads.prediction.transitions import PREDICT_ALL_TASK
from leads.transitions import SCORE_ALL_TASK

LEAD_COLUMN_NAMES = ", ".join(Lead._meta.get_field(field).column for field in LEAD_COLUMNS)
# Lines with a column of their own, and the others.
ANSWERS_SQL = """
    SELECT coalesce(line_answers -> 'auto', '{}') AS auto_answers,
           coalesce(line_answers -> 'home', '{}') AS home_answers,
           coalesce(line_answers - 'auto' - 'home', '{}') AS other_answers
"""
# Without answers to the questions of a line, a lead can only fit a line without questions. The subquery finds these
# lines once, not for every row.
IMPORTED_SIGNALS_SQL = """
    CASE WHEN source_type = 'REFERRAL' OR line_answers IS NOT NULL OR insurance_type_id IN (
             SELECT line.id FROM insurance_types AS line, unnest('{Individual,Business}'::text[]) AS type,
                    lead_fit(type, line.id, 'any', '', '{}', '{}', '{}', '{}') AS fit WHERE fit.share IS NOT NULL)
         THEN signals || lead_field_signals(
             %(weights)s, %(at)s, coalesce(created_at, %(at)s), source_type, client_type, insurance_type_id,
             contact_email, contact_phone, communications, auto_answers, home_answers, other_answers)
         ELSE signals END
"""
IMPORTED_VALUES_SQL = LEAD_COLUMN_NAMES.replace("created_at", "coalesce(created_at, %(at)s)").replace(
    "signals", IMPORTED_SIGNALS_SQL
)
INSERT_LEADS_SQL = f"""
    INSERT INTO leads (updated_at, last_activity_at, import_batch_id, rank, auto_data, home_data, line_data,
                       {LEAD_COLUMN_NAMES})
    SELECT %(at)s, %(at)s, %(batch)s, -extract(epoch FROM %(at)s::timestamptz),
           auto_answers, home_answers, other_answers, {IMPORTED_VALUES_SQL}
    {NEW_ROWS_SQL.replace("FROM imported_rows", f"FROM imported_rows, LATERAL ({ANSWERS_SQL}) AS answers", 1)}
"""
# A new lead has one row in each of these tables, so the row takes the ID of the lead, which is ordered by time.
# Of a closed lead the day is known on which it entered its stage; who moved it is not.
INSERT_STAGES_SQL = f"""
    INSERT INTO lead_stage_history (id, lead_id, to_status_id, at, by_id)
    SELECT id, id, status_id, coalesce(closed_at, %(at)s), CASE WHEN closed_at IS NULL THEN %(user)s::uuid END
    {NEW_ROWS_SQL.replace("WHERE", "WHERE stage_moves IS NULL AND", 1)}
"""
INSERT_MOVES_SQL = f"""
    INSERT INTO lead_stage_history (lead_id, from_status_id, to_status_id, at, by_id)
    SELECT id, lag(stage) OVER (PARTITION BY id ORDER BY place), stage, coalesce(moved_at, %(at)s),
           CASE WHEN moved_at IS NULL THEN %(user)s::uuid END
      FROM (SELECT id, place, move ->> 0 AS stage, (move ->> 1)::timestamptz AS moved_at
              FROM imported_rows, jsonb_array_elements(stage_moves) WITH ORDINALITY AS one (move, place)
             WHERE number > %(after)s AND number <= %(upto)s
               AND stage_moves IS NOT NULL AND {NO_DUPLICATE_SQL}) AS moves
     ORDER BY id, place
"""
UNDO_LEADS = UndoRule(
    Lead,
    made="leads.import_batch_id = %(batch)s",
    # Rows that the program makes for every lead, by the name of the relation.
    made_by_program=frozenset(
        {"stage_history", "snapshot", "tier_changes", "events", "suggestions", "ai_interactions"}
    ),
)


class LeadTable(ImportTable):
    """Rows that become leads."""

    name = ImportedTable.LEADS
    model = Lead
    fields = LEAD_FIELDS
    columns = STAGED_LEAD_COLUMNS
    staged = {**dict.fromkeys(LEAD_MARKS, "boolean"), **dict.fromkeys(("line_answers", "stage_moves"), "jsonb")}
    unset = frozenset({"status", "client_type"})
    rules = LeadRules
    duplicates = LEAD_DUPLICATES
    updates = LEAD_UPDATES
    free_rows = FREE_OTHER_DEALS_SQL
    phone_field = "contact_phone"
    owner_permission = "leads.reassign_lead"
    has_stages = True
    has_line_questions = True
    signs = LEAD_SIGNS
    templates = {"contact_name": "Name", "tags": "Tags", "notes": "Notes"}
    choice_fields = (
        *("status", "source_type", "assigned_to", "insurance_type", "client_type", "loss_reason", "tier_override"),
    )
    example = """concat_ws(' · ', contact_name, nullif(company_name, ''), nullif(contact_email, ''),
                           nullif(contact_phone, ''), lead_statuses.label)"""
    example_join = "JOIN lead_statuses ON code = status_id"
    list_params = {"state": "all"}
    jobs = (SCORE_ALL_TASK, PREDICT_ALL_TASK)
    undo_rules = (UNDO_LEADS,)
    insert_statements = (
        INSERT_LEADS_SQL,
        INSERT_STAGES_SQL,
        INSERT_MOVES_SQL,
        insert_activity(Lead, details="'status', status_id, 'line', line"),
    )

    def default_values(self, source_detail: str) -> list[Any]:
        values = super().default_values(source_detail)
        own = {"source_type": Source.IMPORT.value, "source_detail": source_detail, "communications": "{}"}
        for name, value in own.items():
            values[self.index[name]] = value
        return values

    def parser(self, name: str, context: ImportContext, texts: list[str], notation: Notation = UNDECIDED) -> CellParser:
        return parser_for_field(name, context, texts, notation)

    def update_values(self, reader: Any) -> dict[str, Any]:
        return {"source_detail": reader.default_of("source_detail"), "lost": sorted(reader.context.lost_stages)}

    @property
    def change_labels(self) -> dict[str, str]:
        return {**super().change_labels, "auto_data": "Auto", "home_data": "Home", "line_data": "Other lines"}

    def insert_values(self) -> dict[str, Any]:
        return {"weights": Jsonb(ScoringPolicy.objects.active().weights)}

    def records_of(self, batch: ImportBatch, model: type[models.Model]) -> models.QuerySet:
        return Lead.everything.filter(import_batch=batch)


LEADS = LeadTable()
