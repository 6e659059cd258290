"""The constraints of the database on signals, and the trigger that sets the closing date of a lead."""

# A signal is {type, timestamp, weight −1..1, …}; the path finds everything else.
MALFORMED_SIGNAL_PATH = (
    '$[*] ? ((@.type() <> "object")'
    ' || (!exists(@.type ? (@.type() == "string" && @ <> "")))'
    ' || (!exists(@.timestamp ? (@.type() == "string" && @ like_regex "^[0-9]{4}-[0-9]{2}-[0-9]{2}T")))'
    ' || (!exists(@.weight ? (@.type() == "number" && @ >= -1 && @ <= 1))))'
)
# A timestamp such as 31 February would stop every run of the scoring, and the path above cannot detect it.
CHECK_SIGNAL_TIMESTAMPS_SQL = """
    PERFORM (signal ->> 'timestamp')::timestamptz FROM jsonb_array_elements(NEW.signals) AS signal;
    RETURN NEW;
EXCEPTION WHEN invalid_datetime_format OR datetime_field_overflow THEN
    RAISE check_violation USING CONSTRAINT = 'leads_signals_well_formed', TABLE = 'leads',
        MESSAGE = 'The timestamp of a signal is not a real date.';
"""
# The category of the stage decides whether a lead is closed, whatever wrote the row.
SYNC_CLOSED_AT_SQL = """
    SELECT CASE WHEN category IN ('open', 'paused') THEN NULL ELSE COALESCE(NEW.closed_at, now()) END
      INTO NEW.closed_at FROM lead_statuses WHERE code = NEW.status_id;
    RETURN NEW;
"""
