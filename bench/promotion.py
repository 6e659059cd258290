"""A key of leads gets an index, then a column, and loses both, while eight clients read and write: who had to wait?"""

import random
import statistics
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import UUID

from django.contrib import admin
from django.db import connection
from django.db.backends.utils import CursorWrapper

from bench.databases import scratch_database
from bench.table import format_duration, format_verdict, render_table
from crm.models import CustomField, SchemaChange, SchemaDecision
from crm.records.activity import SYSTEM_ACTOR
from crm.schema.promotion.column_promotion import ColumnPromotion
from crm.schema.promotion.promotions import promotion_of
from crm.schema.promotion.running import run_change
from crm.schema.promotion.transitions import undo_change
from crm.schema.requests.transitions import decide_request, request_change
from leads.filters import LeadFilter
from leads.models import Lead

LEADS, KEYS, CLIENTS, BASELINE_SECONDS = 200_000, 40, 8, 5
MAX_BLOCK_SECONDS, MAX_RATIO = 0.1, 1.2
SAMPLE_SECONDS, TELL_SECONDS = 0.01, 30
# With a column by hand, to compare with: the clients do not write it.
FILL_SQL = f"""
INSERT INTO leads (contact_name, contact_email, status_id, source_type, client_type, custom_fields, by_hand)
SELECT 'Lead ' || n, 'lead' || n || '@example.com', 'ACTIVE', 'OTHER', 'Individual',
       (SELECT jsonb_object_agg('key_' || k, (n::bigint * k) %% 10000) FROM generate_series(1, {KEYS}) AS k),
       (n::bigint * 7) %% 10000
  FROM generate_series(1, %s) AS n
"""
# Filling a table is many times faster without its indexes and its audit.
INDEXES_SQL = """
SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index AS one
 WHERE indrelid = 'leads'::regclass AND NOT indisprimary
   AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = one.indexrelid)
"""
READ_SQL = "SELECT contact_name FROM leads WHERE id = %s"
WRITE_SQL = "UPDATE leads SET custom_fields = custom_fields || jsonb_build_object('key_7', %s::int) WHERE id = %s"
# How long sessions have waited for a lock that our session keeps from them, itself or by its place in the queue.
BLOCKED_SQL = """
SELECT coalesce(max(extract(epoch FROM clock_timestamp() - waitstart)), 0) FROM pg_locks
 WHERE NOT granted AND %s = ANY (pg_blocking_pids(pid))
"""
BY_HAND_INDEX_SQL = "CREATE INDEX leads_by_hand ON leads (by_hand, id) WHERE deleted_at IS NULL"
# What stands in for the promoted key in the statements of the list of leads.
COLUMN_SQL = '"leads"."by_hand"'
PROMOTION_STATEMENTS = (
    "CREATE INDEX",
    "DROP INDEX",
    "ANALYZE",
    "CREATE STATISTICS",
    "DROP STATISTICS",
    "ALTER TABLE",
    "DROP TRIGGER",
    'UPDATE "leads" SET "cf_',
    "CREATE OR REPLACE TRIGGER",
    'SELECT id FROM "leads" WHERE id = ANY',
    'SELECT "lead_',
)
STEP_SQL = "SELECT step, progress FROM schema_changes WHERE state IN ('RUNNING', 'UNDOING')"

# Writes a number to the lead with this key.
Write = Callable[[CursorWrapper, UUID, int], None]


@dataclass
class Watch:
    """What clients and a sampler see during one phase."""

    latencies: list[float] = field(default_factory=list)
    longest_block: float = 0.0
    step_seconds: Counter[str] = field(default_factory=Counter)


def plans() -> None:
    """Do nothing; the tests of promotion read the plans."""


def run(repeat: int, rows: int = LEADS) -> bool:
    """Print the table; return whether no client was blocked too long and no value differs."""
    with scratch_database():
        tell(f"Filling {rows:,} leads")
        fill(rows)
        CustomField.objects.create(table="leads.lead", key="key_7", label="Key 7", kind="number")
        with clients(write_key) as begin_phase:
            phases = {"without": begin_phase()}
            time.sleep(BASELINE_SECONDS)
            seconds, ratios, diverging = {"without": BASELINE_SECONDS}, {}, 0
            for decision in (SchemaDecision.INDEX, SchemaDecision.COLUMN):
                change = decide(decision)
                phases[f"building: {decision}"] = begin_phase()
                tell(f"Building: {decision}")
                seconds[f"building: {decision}"] = timed(lambda change=change: run_change(change.pk))
                begin_phase()
                tell("Comparing the values")
                diverging += count_diverging(change)
                tell("Comparing the times")
                ratios |= compare_with_column(change, repeat)
                change.refresh_from_db()
                undo_change(change, by=SYSTEM_ACTOR)
                phases[f"undoing: {decision}"] = begin_phase()
                tell(f"Undoing: {decision}")
                seconds[f"undoing: {decision}"] = timed(lambda change=change: run_change(change.pk))
    return report(phases, seconds, ratios, diverging, rows)


def tell(sentence: str) -> None:
    sys.stderr.write(f"{time.strftime('%H:%M:%S')}  {sentence}\n")


def fill(rows: int) -> None:
    """Fill `leads`, and give it its indexes again and one of the column by hand."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE leads ADD COLUMN by_hand numeric")
        cursor.execute(INDEXES_SQL)
        indexes = cursor.fetchall()
        for name, _ in indexes:
            cursor.execute(f"DROP INDEX {name}")
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(FILL_SQL, [rows])
        cursor.execute("SET session_replication_role = DEFAULT")
        tell(f"Building {len(indexes) + 1} indexes")
        for _, definition in [*indexes, ("", BY_HAND_INDEX_SQL)]:
            cursor.execute(definition)
        cursor.execute("VACUUM ANALYZE leads")


def decide(decision: str) -> SchemaChange:
    texts = {"why": "Slow.", "expected_use": "Daily."}
    change = SchemaChange(table="leads.lead", key="key_7", proposed=decision, **texts)
    request_change(change, by=SYSTEM_ACTOR)
    decide_request(change, decision=decision, reason="Used daily.", by=SYSTEM_ACTOR)
    return change


@contextmanager
def clients(write: Write) -> Iterator[Callable[[], Watch]]:
    """Let clients read and `write` inside the block; the yielded function begins a phase and returns its watch."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM leads")
        keys = [key for (key,) in cursor.fetchall()]
    current, stop = [Watch()], threading.Event()
    workers = [threading.Thread(target=work, args=(keys, current, stop, write)) for _ in range(CLIENTS)]
    workers += [threading.Thread(target=sample, args=(current, stop)) for sample in (sample_blocks, sample_steps)]
    for worker in workers:
        worker.start()

    def begin_phase() -> Watch:
        current[0] = Watch()
        return current[0]

    try:
        yield begin_phase
    finally:
        stop.set()
        for worker in workers:
            worker.join()


def write_key(cursor: CursorWrapper, lead: UUID, number: int) -> None:
    cursor.execute(WRITE_SQL, [number, lead])


def work(keys: list, current: list[Watch], stop: threading.Event, write: Write) -> None:
    own_connection, choose = connection.copy(), random.Random()
    with own_connection.cursor() as cursor:
        while not stop.is_set():
            started = time.perf_counter()
            if choose.random() < 0.5:
                cursor.execute(READ_SQL, [choose.choice(keys)])
            else:
                write(cursor, choose.choice(keys), choose.randrange(10_000))
            current[0].latencies.append(time.perf_counter() - started)
            stop.wait(0.005)
    own_connection.close()


def sample_blocks(current: list[Watch], stop: threading.Event) -> None:
    """Look how long others wait for the sessions of promotions."""
    own_connection = connection.copy()
    with own_connection.cursor() as cursor:
        while not stop.wait(SAMPLE_SECONDS):
            for builder in builders(cursor):
                cursor.execute(BLOCKED_SQL, [builder])
                current[0].longest_block = max(current[0].longest_block, float(cursor.fetchone()[0]))
    own_connection.close()


def sample_steps(current: list[Watch], stop: threading.Event) -> None:
    """Add up how long the promotion is at each step, and say now and then where it is."""
    own_connection, pause, last = connection.copy(), 10 * SAMPLE_SECONDS, time.monotonic()
    with own_connection.cursor() as cursor:
        while not stop.wait(pause):
            cursor.execute(STEP_SQL)
            for step, percent in cursor.fetchall():
                current[0].step_seconds[step.partition(":")[0]] += pause
                if time.monotonic() - last > TELL_SECONDS:
                    tell(step if percent is None else f"{step}: {percent} %")
                    last = time.monotonic()
    own_connection.close()


def builders(cursor: object) -> list[int]:
    """Return the sessions that run statements of a promotion now."""
    cursor.execute(
        "SELECT pid FROM pg_stat_activity"
        " WHERE datname = current_database() AND state IN ('active', 'idle in transaction') AND query ~ %s",
        [rf"^\s*({'|'.join(PROMOTION_STATEMENTS)})"],
    )
    return [pid for (pid,) in cursor.fetchall()]


def count_diverging(change: SchemaChange) -> int:
    """Return how many rows the index, or the column, has another value for than the JSON in the row."""
    promotion = promotion_of(change)
    with connection.cursor() as cursor:
        if isinstance(promotion, ColumnPromotion):
            column = promotion.column
            expression = column.stored_value.as_string(cursor.connection)
            cursor.execute(f'SELECT count(*) FROM leads WHERE "{column.name}" IS DISTINCT FROM {expression}')
            return cursor.fetchone()[0]
        expression, found = promotion.promoted.sort_expression.as_string(cursor.connection), []
        cursor.execute("VACUUM ANALYZE leads")
        cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        for setting in ("enable_seqscan", "enable_indexscan = off; SET LOCAL enable_bitmapscan"):
            cursor.execute(f"SET LOCAL {setting} = off")
            cursor.execute(f"SELECT id, {expression} FROM leads WHERE deleted_at IS NULL AND {expression} >= 0")
            found.append(set(cursor.fetchall()))
            cursor.execute("SET LOCAL enable_seqscan = on")
        cursor.execute("COMMIT")
    return len(found[0] ^ found[1])


def compare_with_column(change: SchemaChange, repeat: int) -> dict[str, float]:
    """Return the times on the promoted key ÷ those on a column by hand."""
    with connection.cursor() as cursor:
        # The column by hand may be older than many writes: both indexes shall be without the dead rows.
        cursor.execute("REINDEX INDEX CONCURRENTLY leads_by_hand")
        cursor.execute("VACUUM ANALYZE leads")
        return {
            f"{name} by {change.decision}": ratio_to_column(cursor, query, key_sql(change), repeat)
            for name, query in list_queries(cursor).items()
        }


def list_queries(cursor: object) -> dict[str, str]:
    """Return the statements of a page of leads, filtered by the key, and sorted by it."""
    screen = admin.site.get_model_admin(Lead)
    shown = Lead.objects.defer(*screen.list_defer).select_related(*screen.list_select_related)
    narrowed = LeadFilter({"cf.key_7~op": "between", "cf.key_7": "500", "cf.key_7~to": "505"}, shown)
    newest, by_key = screen.orders["newest"], screen.list_orders(narrowed)["cf.key_7"]
    pages = {"filter": newest.sort(newest.annotate_keys(narrowed.qs)), "sort": by_key.sort(by_key.annotate_keys(shown))}
    return {name: cursor.mogrify(*rows[:50].query.sql_with_params()) for name, rows in pages.items()}


def key_sql(change: SchemaChange) -> str:
    """Return how the list of leads names the promoted key in its statements."""
    promotion = promotion_of(change)
    if isinstance(promotion, ColumnPromotion):
        return f"""coalesce("leads"."{promotion.column.name}", '-Infinity'::numeric)"""
    return """json_number_key("leads"."custom_fields", 'key_7')"""


def ratio_to_column(cursor: object, query: str, key: str, repeat: int) -> float:
    """Return the time of `query` ÷ its time on the column by hand in the place of `key`."""
    by_hand = query.replace(key, COLUMN_SQL)
    if by_hand == query:
        raise ValueError(f"{key} is not in: {query}")
    return median_seconds(cursor, query, repeat) / median_seconds(cursor, by_hand, repeat)


def median_seconds(cursor: object, query: str, repeat: int) -> float:
    def once() -> None:
        cursor.execute(query)
        cursor.fetchall()

    once()
    return statistics.median(timed(once) for _ in range(4 * repeat))


def timed(action: Callable[[], None]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def render_phases(phases: dict[str, Watch], seconds: dict[str, float]) -> str:
    """Return what clients and sampler saw, a row for each phase."""
    rows = [
        [
            name,
            f"{seconds[name]:.1f} s",
            f"{len(watch.latencies):,}",
            format_duration(statistics.median(watch.latencies or [0])),
            format_duration(max(watch.latencies, default=0)),
            format_duration(watch.longest_block),
        ]
        for name, watch in phases.items()
    ]
    return render_table(["", "took", "statements", "median", "slowest", "longest block by us"], rows)


def blocked_phases(phases: dict[str, Watch]) -> list[str]:
    """Return the phases in which someone waited for us for too long."""
    return [name for name, watch in phases.items() if watch.longest_block > MAX_BLOCK_SECONDS]


def report(
    phases: dict[str, Watch], seconds: dict[str, float], ratios: dict[str, float], diverging: int, rows: int
) -> bool:
    sys.stdout.write(f"\n{__doc__}\n{rows:,} leads with {KEYS} keys\n\n")
    sys.stdout.write(render_phases(phases, seconds))
    missed = blocked_phases(phases)
    missed += [name for name, ratio in ratios.items() if ratio > MAX_RATIO]
    missed += ["diverging values"] if diverging else []
    times = ", ".join(f"{name} {ratio:.2f}×" for name, ratio in ratios.items())
    for name, watch in phases.items():
        steps = ", ".join(f"{step} {seconds:.1f} s" for step, seconds in watch.step_seconds.items() if step)
        sys.stdout.write(f"{name}: {steps}\n" if steps else "")
    copying = phases["building: column"].step_seconds["Copying the values"]
    sys.stdout.write(f"Values copied: {rows / max(copying, SAMPLE_SECONDS):,.0f} rows a second.\n")
    sys.stdout.write(f"\nBeside a column with an index by hand: {times}. Diverging values: {diverging}. ")
    sys.stdout.write(f"{format_verdict(missed)}\n")
    return not missed
