"""What a signal may be, and what follows a stage, as the database holds it for every row."""

from django.db import models

# A signal is {type, timestamp, weight −1..1, …}; the path finds the first that is anything else.
MALFORMED_SIGNAL_PATH = (
    '$[*] ? ((@.type() <> "object")'
    ' || (!exists(@.type ? (@.type() == "string" && @ <> "")))'
    ' || (!exists(@.timestamp ? (@.type() == "string" && @ like_regex "^[0-9]{4}-[0-9]{2}-[0-9]{2}T")))'
    ' || (!exists(@.weight ? (@.type() == "number" && @ >= -1 && @ <= 1))))'
)
# Strict, because the lax path above looks into a list within the list.
NON_OBJECT_SIGNAL_PATH = 'strict $[*] ? (@.type() <> "object")'
# A moment that no calendar has would stop every run of the scoring; the check of the shape cannot tell.
CHECK_SIGNAL_TIMESTAMPS_SQL = """
    PERFORM (signal ->> 'timestamp')::timestamptz FROM jsonb_array_elements(NEW.signals) AS signal;
    RETURN NEW;
EXCEPTION WHEN invalid_datetime_format OR datetime_field_overflow THEN
    RAISE check_violation USING CONSTRAINT = 'leads_signals_well_formed', TABLE = 'leads',
        MESSAGE = 'A signal names a moment that no calendar has.';
"""
# Closing and re-opening follow the stage's category, whoever writes the row.
SYNC_CLOSED_AT_SQL = """
    SELECT CASE WHEN category IN ('open', 'paused') THEN NULL ELSE COALESCE(NEW.closed_at, now()) END
      INTO NEW.closed_at FROM lead_statuses WHERE code = NEW.status_id;
    RETURN NEW;
"""


def jsonpath_exists(field: str, path: str) -> models.Func:
    quoted = path.replace("'", "''")
    return models.Func(
        models.F(field),
        template=f"jsonb_path_exists(%(expressions)s, '{quoted}'::jsonpath)",
        output_field=models.BooleanField(),
    )
