"""How a file changes leads that exist, and how that is undone: fields, the stage, its history and its warnings."""

import json
from collections.abc import Mapping
from typing import Any

from django.db import connection
from django.db.backends.utils import CursorWrapper
from psycopg.types.json import Jsonb

from leads.importing.updates.applying import CHUNK_SQL
from leads.importing.updates.policy import DuplicatePolicy
from leads.importing.updates.rules import (
    COMMUNICATIONS_SQL,
    KEPT_REFUSAL,
    TAGS_SQL,
    Correction,
    KeptValue,
    UpdateRules,
    filling_keys,
    filling_text,
    filling_value,
    keep_unique_address,
    replacing_address,
    replacing_keys,
    replacing_name,
    replacing_phone,
    replacing_text,
    replacing_value,
)
from leads.models import Lead, LeadStageHistory
from leads.scoring.stage_moves import WARNING_SIGNAL_TYPE, signals_after_move

TEXT_COLUMNS = ("company_name", "company_website", "notes")
NULLABLE_COLUMNS = ("assigned_to_id", "insurance_type_id", "estimated_value", "expected_close_date")
LOSS_COLUMNS = ("loss_reason", "loss_notes")
# These columns change together.
STAGE_COLUMNS = ("status_id", "closed_at", *LOSS_COLUMNS)
# Does the file say what the row's default does not?
SOURCE_TYPE_SQL = "nullif(imported.source_type, 'IMPORT')"
SOURCE_DETAIL_SQL = "nullif(nullif(imported.source_detail, ''), %(source_detail)s)"
# Closed leads are not opened again by a file, and a converted one keeps its stage.
STAGE_MOVES_SQL = """
    imported.has_stage AND imported.status_id <> existing.status_id AND existing.converted_at IS NULL
    AND (NOT imported.is_open OR existing.closed_at IS NULL)
"""
LOST_SQL = "CASE WHEN stage.moves THEN imported.status_id ELSE existing.status_id END = ANY(%(lost)s)"
CLOSED_AT_SQL = """
    CASE WHEN stage.moves AND NOT imported.is_open THEN coalesce(imported.closed_at, existing.closed_at, %(at)s)
         WHEN existing.closed_at IS NOT NULL AND imported.status_id = existing.status_id
              AND existing.converted_at IS NULL
              AND imported.closed_at::date <> existing.closed_at::date THEN imported.closed_at
         ELSE existing.closed_at END
"""
TIER_SQL = "coalesce(existing.tier_override, imported.tier_override)"
SHARED_EXPRESSIONS = {
    "communications": COMMUNICATIONS_SQL,
    "tags": TAGS_SQL,
    # A tier that a person chose stays.
    "tier_override": TIER_SQL,
    "priority_tier": f"coalesce({TIER_SQL}, existing.priority_tier)",
}


def loss_expression(name: str, first: str, second: str) -> str:
    """Return the reason or the notes of a loss: of a lost lead the first that is filled; of another its own."""
    filled = f"coalesce(nullif({first}.{name}, ''), {second}.{name})"
    return f"CASE WHEN {LOST_SQL} THEN {filled} WHEN stage.moves THEN '' ELSE existing.{name} END"


UPDATE_EXPRESSIONS = {
    "contact_name": replacing_name("contact_name"),
    "contact_email": replacing_address("contact_email"),
    "contact_phone": replacing_phone("contact_phone"),
    **{name: replacing_text(name) for name in TEXT_COLUMNS},
    **{name: replacing_value(name) for name in NULLABLE_COLUMNS},
    "client_type": "CASE WHEN imported.has_type THEN imported.client_type ELSE existing.client_type END",
    "source_type": f"coalesce({SOURCE_TYPE_SQL}, existing.source_type)",
    "source_detail": f"coalesce({SOURCE_DETAIL_SQL}, existing.source_detail)",
    "status_id": "CASE WHEN stage.moves THEN imported.status_id ELSE existing.status_id END",
    "closed_at": CLOSED_AT_SQL,
    "created_at": (
        "CASE WHEN imported.created_at <= coalesce(existing.closed_at, %(at)s) "
        "THEN imported.created_at ELSE existing.created_at END"
    ),
    **{name: loss_expression(name, "imported", "existing") for name in LOSS_COLUMNS},
    "custom_fields": replacing_keys("custom_fields"),
    **SHARED_EXPRESSIONS,
}
FILL_EXPRESSIONS = {
    **{name: filling_text(name) for name in ("contact_email", "contact_phone", *TEXT_COLUMNS)},
    **{name: filling_value(name) for name in NULLABLE_COLUMNS},
    "source_detail": f"coalesce(nullif(existing.source_detail, ''), {SOURCE_DETAIL_SQL}, '')",
    **{name: loss_expression(name, "existing", "imported") for name in LOSS_COLUMNS},
    "custom_fields": filling_keys("custom_fields"),
    **SHARED_EXPRESSIONS,
}


def answer_expressions(policy: DuplicatePolicy) -> dict[str, str]:
    """Return the new answers to the questions of lines: answers of the file win, or fill what is not answered."""

    def united(own: str, file: str) -> str:
        own, file = f"coalesce({own}, '{{}}')", f"coalesce({file}, '{{}}')"
        return f"{own} || {file}" if policy == DuplicatePolicy.UPDATE else f"{file} || {own}"

    others = f"""
        CASE WHEN imported.line_answers IS NULL THEN existing.line_data ELSE existing.line_data || (
            SELECT coalesce(jsonb_object_agg(line, {united("existing.line_data -> line", "answers")}), '{{}}')
              FROM jsonb_each(imported.line_answers - 'auto' - 'home') AS file (line, answers)) END
    """
    return {
        "auto_data": united("existing.auto_data", "imported.line_answers -> 'auto'"),
        "home_data": united("existing.home_data", "imported.line_answers -> 'home'"),
        "line_data": others,
    }


# A lead that moves goes on top of its column of the board.
RANK_SQL = """
    rank = CASE WHEN planned.new_status_id <> existing.status_id THEN -extract(epoch FROM %(at)s::timestamptz)
                ELSE existing.rank END
"""
ACTIVITY_SQL = """
    last_activity_at = greatest(existing.last_activity_at, %(at)s),
    next_look_at = CASE WHEN existing.closed_at IS NULL THEN %(at)s ELSE existing.next_look_at END
"""
INSERT_MOVES_SQL = f"""
    INSERT INTO lead_stage_history (lead_id, from_status_id, to_status_id, at, by_id)
    SELECT record_id, changes -> 'status_id' ->> 0, changes -> 'status_id' ->> 1, %(at)s, %(user)s
      FROM imported_updates AS planned WHERE changes ? 'status_id' AND {CHUNK_SQL}
"""
INSERT_MOVE_LINES_SQL = f"""
    INSERT INTO activity_logs (actor_type, actor_id, verb, summary, target_type, target_id,
                               about_type, about_id, metadata, occurred_at, created_at)
    SELECT %(actor_type)s, %(user)s, 'moved', format('Stage: %%s → %%s', was.label, now.label),
           'leads.lead', record_id, 'leads.lead', record_id,
           %(metadata)s::jsonb || jsonb_build_object('was', was.code, 'now', now.code), %(at)s, %(at)s
      FROM imported_updates AS planned
      JOIN lead_statuses AS was ON was.code = changes -> 'status_id' ->> 0
      JOIN lead_statuses AS now ON now.code = changes -> 'status_id' ->> 1
     WHERE {CHUNK_SQL}
"""
# The moves that add or remove a warning: the other leads keep their signals.
SELECT_WARNED_MOVES_SQL = """
    SELECT leads.id, leads.signals, move.id
      FROM imported_updates AS planned JOIN leads ON leads.id = planned.record_id
      JOIN lead_stage_history AS move ON move.lead_id = leads.id AND move.at = %(at)s
      JOIN lead_statuses AS was ON was.code = move.from_status_id
      JOIN lead_statuses AS now ON now.code = move.to_status_id
     WHERE changes ? 'status_id' AND leads.closed_at IS NULL
       AND (now.category = 'paused' OR now.position < was.position
            OR leads.signals @> jsonb_build_array(jsonb_build_object('type', %(warning)s)))
"""
UPDATE_SIGNALS_SQL = """
    UPDATE leads SET signals = new.signals
      FROM unnest(%s::uuid[], %s::jsonb[]) AS new (id, signals) WHERE leads.id = new.id
"""
SIGNALS_CHUNK_SIZE = 1_000
# A second closed row of a customer with one open lead is another deal.
FREE_OTHER_DEALS_SQL = """
    WITH freed AS (
        DELETE FROM imported_targets AS target USING imported_rows AS imported, leads
         WHERE fate = 'repeated' AND imported.number = target.number AND NOT imported.is_open
           AND leads.id = target.record_id AND leads.closed_at IS NULL
           AND EXISTS (SELECT FROM imported_duplicates AS best
                        WHERE best.number = target.number AND best.rule NOT IN ('key', 'file'))
        RETURNING target.number)
    DELETE FROM imported_duplicates USING freed WHERE imported_duplicates.number = freed.number
"""
OTHER_OPEN_LEAD_SQL = """
    EXISTS (SELECT FROM leads AS other WHERE lower(other.contact_email) = lower({address}) AND other.contact_email <> ''
               AND other.id <> existing.id AND other.deleted_at IS NULL AND other.closed_at IS NULL)
"""
REOPENS_SQL = """
    existing.closed_at IS NOT NULL AND EXISTS (
        SELECT FROM lead_statuses WHERE code = changes -> 'status_id' ->> 0 AND category IN ('open', 'paused'))
"""
STAGE_BLOCKED_SQL = f"""
    changes ? 'status_id' AND (existing.status_id <> changes -> 'status_id' ->> 1
        OR existing.converted_at IS NOT NULL
        OR {REOPENS_SQL} AND {OTHER_OPEN_LEAD_SQL.format(address="existing.contact_email")})
"""
ADDRESS_BLOCKED_SQL = f"""
    changes ? 'contact_email' AND existing.closed_at IS NULL
    AND {OTHER_OPEN_LEAD_SQL.format(address="(changes -> 'contact_email' ->> 0)")}
"""
# The warning of a step back that the import made.
REMOVE_WARNINGS_SQL = """
    UPDATE leads SET signals = (
            SELECT coalesce(jsonb_agg(signal ORDER BY place), '[]')
              FROM jsonb_array_elements(signals) WITH ORDINALITY AS one (signal, place)
             WHERE signal ->> 'source' IS DISTINCT FROM 'stage:' || move.id)
      FROM undone_changes AS undone JOIN lead_stage_history AS move
           ON move.lead_id = undone.record_id AND move.at = %(imported_at)s
     WHERE leads.id = undone.record_id AND undone.fields ? 'status_id'
       AND leads.signals @> jsonb_build_array(jsonb_build_object('source', 'stage:' || move.id))
"""
INSERT_RESTORED_MOVES_SQL = """
    INSERT INTO lead_stage_history (lead_id, from_status_id, to_status_id, at, by_id)
    SELECT record_id, changes -> 'status_id' ->> 1, changes -> 'status_id' ->> 0, %(at)s, %(user)s
      FROM undone_changes WHERE fields ? 'status_id'
"""


def update_warnings(cursor: CursorWrapper, changed: set[str], values: Mapping[str, Any]) -> None:
    """Add a warning to the leads that moved back, and remove it from those that moved on, as a move by hand does."""
    if "status_id" not in changed:
        return
    weights = values["weights"].obj
    with connection.chunked_cursor() as moved:
        moved.execute(SELECT_WARNED_MOVES_SQL, {"at": values["at"], "warning": WARNING_SIGNAL_TYPE})
        while rows := moved.fetchmany(SIGNALS_CHUNK_SIZE):
            moves = LeadStageHistory.objects.select_related("from_status", "to_status").in_bulk(row[2] for row in rows)
            signals = {key: (json.loads(old), moves[move]) for key, old, move in rows}
            after = {key: signals_after_move(old, move, weights) for key, (old, move) in signals.items()}
            new = {key: value for key, value in after.items() if value != signals[key][0]}
            cursor.execute(UPDATE_SIGNALS_SQL, [[*new], [Jsonb(value) for value in new.values()]])


LEAD_UPDATES = UpdateRules(
    Lead,
    update=UPDATE_EXPRESSIONS,
    fill=FILL_EXPRESSIONS,
    answers={policy: answer_expressions(policy) for policy in (DuplicatePolicy.UPDATE, DuplicatePolicy.FILL)},
    objects=("communications", "custom_fields", "auto_data", "home_data", "line_data"),
    derived={"priority_tier": "tier_override"},
    moves={DuplicatePolicy.UPDATE: STAGE_MOVES_SQL},
    # Two open leads cannot share an address.
    corrections=(
        Correction(
            keep_unique_address(
                Lead, "contact_email", "{row}.deleted_at IS NULL AND {row}.closed_at IS NULL", "new.is_open"
            ),
            "keeps its address",
            "another open lead has that of the file.",
        ),
    ),
    kept=(
        KeptValue(
            "imported.has_stage AND imported.status_id <> existing.status_id AND NOT ({moves})",
            "keeps its stage, which differs from the file",
            "a file does not open closed leads again, nor change the stage of clients.",
            fill_why="only empty fields are filled.",
        ),
        KEPT_REFUSAL,
        KeptValue(
            "jsonb_array_length(imported.stage_moves) > 1",
            "keeps its own stage history",
            "only new leads get that of the file.",
        ),
    ),
    assignments={"": ACTIVITY_SQL, "status_id": RANK_SQL},
    statements=(INSERT_MOVES_SQL, INSERT_MOVE_LINES_SQL),
    finish=update_warnings,
    blocked=((STAGE_BLOCKED_SQL, STAGE_COLUMNS), (ADDRESS_BLOCKED_SQL, ("contact_email",))),
    restored_assignments={
        "": ACTIVITY_SQL,
        "tier_override": "priority_tier = coalesce(undone.tier_override, existing.priority_tier)",
    },
    restored_statements=(REMOVE_WARNINGS_SQL, INSERT_RESTORED_MOVES_SQL),
)
