"""The vehicles of leads become a table and a list again, while eight clients read and write them: who had to wait?"""

import json
import sys
import time
from uuid import UUID

from django.db import connection
from django.db.backends.utils import CursorWrapper

from bench.databases import scratch_database
from bench.promotion import (
    BASELINE_SECONDS,
    LEADS,
    Watch,
    blocked_phases,
    clients,
    median_seconds,
    render_phases,
    timed,
)
from bench.table import format_duration, format_verdict
from crm.models import SchemaChange
from crm.records.activity import SYSTEM_ACTOR
from crm.schema.promotion.group_table.following import count_diverging
from crm.schema.promotion.group_table.groups import group_table
from crm.schema.promotion.running import run_change
from crm.schema.promotion.transitions import undo_change
from crm.schema.requests.transitions import decide_request, request_change
from leads.filters import LeadFilter
from leads.models import Lead

FILL_SQL = """
INSERT INTO leads (contact_name, contact_email, status_id, source_type, client_type, auto_data)
SELECT 'Lead ' || n, 'lead' || n || '@example.com', 'ACTIVE', 'OTHER', 'Individual',
       jsonb_build_object('other_vehicles', (
           SELECT coalesce(jsonb_agg(jsonb_build_object('vin', 'V' || n || '-' || k, 'year', 1990 + k)), '[]')
             FROM generate_series(1, n %% 4) AS k))
  FROM generate_series(1, %s) AS n
"""
WRITE_SQL = "UPDATE leads SET auto_data = jsonb_set(auto_data, '{other_vehicles}', %s) WHERE id = %s"
QUERY = {"answer.auto.other_vehicles.vin": "V100003-2"}


def plans() -> None:
    """Do nothing; the tests of promotion read the plans."""


def run(repeat: int) -> bool:
    """Print the table; return whether no client was blocked too long and no list differs from its rows."""
    with scratch_database():
        with connection.cursor() as cursor:
            cursor.execute(FILL_SQL, [LEADS])
            cursor.execute("VACUUM ANALYZE leads")
        times = {"before": lookup_seconds(repeat)}
        with clients(write_vehicles) as begin_phase:
            phases = {"without": begin_phase()}
            time.sleep(BASELINE_SECONDS)
            change = decide_table()
            phases["building"] = begin_phase()
            seconds = {"without": BASELINE_SECONDS, "building": timed(lambda: run_change(change.pk))}
            change.refresh_from_db()
            diverging = count_diverging(group_table(change))
            phases["table"] = begin_phase()
            time.sleep(BASELINE_SECONDS)
            seconds["table"] = BASELINE_SECONDS
            begin_phase()
        times["after"] = lookup_seconds(repeat)
        diverging += count_diverging(group_table(change))
        with clients(write_vehicles) as begin_phase:
            undo_change(change, by=SYSTEM_ACTOR)
            phases["undoing"] = begin_phase()
            seconds["undoing"] = timed(lambda: run_change(change.pk))
    return report(phases, seconds, times, diverging)


def decide_table() -> SchemaChange:
    place = {"table": "leads.lead", "column": "auto_data", "key": "other_vehicles"}
    change = SchemaChange(**place, proposed="table", why="Slow.", expected_use="Daily.")
    request_change(change, by=SYSTEM_ACTOR)
    decide_request(change, decision="table", reason="VINs are searched.", by=SYSTEM_ACTOR)
    return change


def write_vehicles(cursor: CursorWrapper, lead: UUID, number: int) -> None:
    """Replace the vehicles of a lead by up to three others."""
    vehicles = [{"vin": f"N{number}-{place}", "year": 2000 + place} for place in range(number % 4)]
    cursor.execute(WRITE_SQL, [json.dumps(vehicles), lead])


def lookup_seconds(repeat: int) -> float:
    """Return how long the leads with a vehicle of one VIN take."""
    rows = LeadFilter(QUERY, Lead.objects.values("id")).qs
    with connection.cursor() as cursor:
        return median_seconds(cursor, cursor.mogrify(*rows.query.sql_with_params()), repeat)


def report(phases: dict[str, Watch], seconds: dict[str, float], times: dict[str, float], diverging: int) -> bool:
    sys.stdout.write(f"\n{__doc__}\n{LEADS:,} leads with up to three vehicles\n\n{render_phases(phases, seconds)}")
    for name, watch in phases.items():
        steps = ", ".join(f"{step} {seconds:.1f} s" for step, seconds in watch.step_seconds.items() if step)
        sys.stdout.write(f"{name}: {steps}\n" if steps else "")
    lookups = ", ".join(f"{name} {format_duration(value)}" for name, value in times.items())
    missed = blocked_phases(phases) + (["lists that differ from their rows"] if diverging else [])
    sys.stdout.write(f"\nLeads by the VIN of any vehicle: {lookups}. Lists that differ: {diverging}. ")
    sys.stdout.write(f"{format_verdict(missed)}\n")
    return not missed
