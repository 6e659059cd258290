"""How a file changes policies that exist, and how that is undone."""

from leads.importing.tables.policies.move_lines import insert_move_lines
from leads.importing.updates.applying import CHUNK_SQL
from leads.importing.updates.policy import DuplicatePolicy
from leads.importing.updates.rules import (
    Correction,
    KeptValue,
    UpdateRules,
    filling_keys,
    filling_text,
    filling_value,
    replacing_keys,
    replacing_text,
    replacing_value,
)
from leads.models import Policy, PolicyStatus
from leads.models.policy import TRANSITIONS, UNPRICED_STATUSES

DATES = ("effective_on", "expires_on")
# These columns change together.
STATUS_COLUMNS = ("status", "cancelled_on", "cancellation_reason")
# A policy that the file calls active was bound and activated. Only a renewal makes the policy before it renewed.
MOVES = [
    (source.value, target.value)
    for source, targets in TRANSITIONS.items()
    for target in targets | ({PolicyStatus.ACTIVE} if source == PolicyStatus.QUOTED else set())
    if PolicyStatus.RENEWED not in (source, target)
]
# As by hand, an active policy has a number, and a policy lapses when its term is over. Cancelling a renewal makes the
# policy before it active again, which is left to a person.
STATUS_MOVES_SQL = f"""
    imported.has_status
    AND (existing.status, imported.status) IN ({", ".join(f"('{source}', '{target}')" for source, target in MOVES)})
    AND (imported.status <> 'ACTIVE' OR imported.policy_number <> '' OR existing.number <> '')
    AND (imported.status <> 'LAPSED' OR coalesce(imported.expires_on, existing.expires_on) < %(today)s)
    AND (imported.status <> 'CANCELLED' OR existing.renewed_from_id IS NULL)
"""
CANCELLED_ON_SQL = f"""
    CASE WHEN imported.status <> 'CANCELLED' OR NOT (stage.moves OR existing.status = 'CANCELLED')
         THEN existing.cancelled_on
         ELSE coalesce(imported.cancelled_on, existing.cancelled_on,
                       least({replacing_value("expires_on")}, %(today)s)) END
"""
REASON_SQL = """
    CASE WHEN imported.status <> 'CANCELLED' OR NOT (stage.moves OR existing.status = 'CANCELLED')
         THEN existing.cancellation_reason
         ELSE coalesce(nullif(imported.cancellation_reason, ''), nullif(existing.cancellation_reason, ''), 'OTHER') END
"""
# The term of the file and that of the policy do not fit together: one has the first day, the other an earlier end.
KEEP_DATES_SQL = """
    UPDATE imported_updates AS planned
       SET new_effective_on = existing.effective_on, new_expires_on = existing.expires_on,
           changes = changes - 'effective_on' - 'expires_on'
      FROM policies AS existing WHERE existing.id = planned.record_id AND new_expires_on <= new_effective_on
"""
INSERT_STATUS_LINES_SQL = insert_move_lines(
    "changes -> 'status' ->> 0",
    "changes -> 'status' ->> 1",
    f"JOIN imported_updates AS planned ON planned.record_id = policies.id WHERE changes ? 'status' AND {CHUNK_SQL}",
)


def restored_value(column: str, cast: str) -> str:
    """Return the value that an undoing would give to `column`: that of the import goes, a later one stays."""
    entry = f"changes -> '{column}'"
    return (
        f"CASE WHEN to_jsonb(existing.{column}) IS NOT DISTINCT FROM {entry} -> 1 AND changes ? '{column}' "
        f"THEN ({entry} ->> 0)::{cast} ELSE existing.{column} END"
    )


DATES_BLOCKED_SQL = f"""
    changes ?| ARRAY['effective_on', 'expires_on']
    AND ({restored_value("expires_on", "date")}) <= ({restored_value("effective_on", "date")})
"""


def term_blocked(column: str) -> str:
    """Return the condition that the earlier value was none, but the status no longer allows that."""
    unpriced = ", ".join(f"'{status.value}'" for status in UNPRICED_STATUSES)
    return (
        f"changes ? '{column}' AND coalesce(changes -> '{column}' ->> 0, '') = '' "
        f"AND ({restored_value('status', 'text')}) NOT IN ({unpriced})"
    )


POLICY_UPDATES = UpdateRules(
    Policy,
    update={
        "carrier": replacing_text("carrier"),
        "number": "coalesce(nullif(imported.policy_number, ''), existing.number)",
        "premium": replacing_value("premium"),
        "billing_period": replacing_text("billing_period"),
        **{name: replacing_value(name) for name in DATES},
        "status": "CASE WHEN stage.moves THEN imported.status ELSE existing.status END",
        "cancelled_on": CANCELLED_ON_SQL,
        "cancellation_reason": REASON_SQL,
        "custom_fields": replacing_keys("custom_fields"),
    },
    fill={
        "carrier": filling_text("carrier"),
        "number": "coalesce(nullif(existing.number, ''), imported.policy_number)",
        "premium": filling_value("premium"),
        **{name: filling_value(name) for name in DATES},
        "custom_fields": filling_keys("custom_fields"),
    },
    moves={DuplicatePolicy.UPDATE: STATUS_MOVES_SQL},
    corrections=(
        Correction(KEEP_DATES_SQL, "keeps its dates", "with those of the file it would expire before it takes effect."),
    ),
    kept=(
        KeptValue(
            "imported.has_status AND imported.status <> existing.status AND NOT ({moves})",
            "keeps its status, which differs from the file",
            "a file makes no move that cannot be made by hand.",
            fill_why="only empty fields are filled.",
        ),
        KeptValue(
            "imported.insurance_type_id <> existing.insurance_type_id",
            "keeps its line, which differs from the file",
            "its answers belong to the line.",
        ),
    ),
    statements=(INSERT_STATUS_LINES_SQL,),
    about=("crm.client", "existing.client_id"),
    blocked=(
        ("changes ? 'status' AND existing.status <> changes -> 'status' ->> 1", STATUS_COLUMNS),
        (DATES_BLOCKED_SQL, DATES),
        *((term_blocked(name), (name,)) for name in ("carrier", "premium", *DATES)),
    ),
)
