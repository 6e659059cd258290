"""A promotion to a column survives kills, locks and writers, and its undo waits for those who may read the column."""

from contextlib import ExitStack

import pytest
from django.db import connection
from psycopg.types.json import Jsonb

from crm.models import Client, SchemaChange
from crm.schema.promotion import backfill, column_promotion, index_builds, patience, readers, running
from crm.schema.promotion.backfill import Backfill
from crm.schema.promotion.columns import KeyColumn
from crm.schema.promotion.promotions import promotion_of
from crm.schema.promotion.running import run_change
from crm.schema.promotion.transitions import pause_change, resume_change, undo_change
from tests.crm.schema.promotions import (
    decided,
    fill_clients,
    job,
    make_field,
    other_session,
    our_objects,
    promote,
    state_of,
    step_of,
    wait_until,
)
from tests.killing import Point, run_killed, with_endings

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("no_indexes_left", "short_pauses"),
    pytest.mark.storm,
]
SLOW_TRIGGER_SQL = """
CREATE FUNCTION slow_row() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.005); RETURN NEW; END';
CREATE TRIGGER slow_row BEFORE UPDATE ON clients FOR EACH ROW EXECUTE FUNCTION slow_row()
"""
UPDATE_SQL = "UPDATE clients SET custom_fields = %s WHERE id = ANY (%s)"
INSERT_SQL = "INSERT INTO clients (name, client_type, custom_fields) VALUES ('New', 'Business', %s)"
VALUES = ["Blue", 5, 10.50, None, "", ["a"], True]
KILLS = [
    Point((running,), "claim_change", 1),
    Point((column_promotion,), "run_patiently", 1),
    Point((Backfill,), "fill", 1),
    Point((Backfill,), "fill", 3),
    Point((Backfill,), "count_diverging", 2),
    Point((column_promotion,), "run_patiently", 3),
    Point((column_promotion,), "run_patiently", 4),
    Point((index_builds,), "run_patiently", 2),
    Point((index_builds,), "run_patiently", 4),
    Point((column_promotion,), "run_patiently", 5),
    Point((running,), "mark_applied", 1),
]
UNDO_KILLS = [
    Point((column_promotion,), "wait_for_readers", 1),
    Point((index_builds,), "run_patiently", 1),
    Point((column_promotion,), "run_patiently", 1),
    Point((column_promotion,), "run_patiently", 2),
]


def stored_json() -> list:
    return list(Client.objects.order_by("pk").values_list("pk", "name", "custom_fields", "updated_at"))


def run_in_small_batches(change: SchemaChange) -> None:
    backfill.FIRST_BATCH_ROWS = backfill.MIN_BATCH_ROWS = backfill.MAX_BATCH_ROWS = 10
    run_change(change.pk)


@pytest.mark.parametrize(("point", "ending"), list(with_endings(KILLS)))
def test_killed_worker_leaves_what_the_next_one_finishes_or_removes(ada, point, ending):
    fill_clients(VALUES * 7)
    before = stored_json()
    change = decided(make_field(), "column")
    run_killed(run_in_small_batches, change, at=point)
    change.refresh_from_db()
    if ending == "UNDONE":
        undo_change(change, by=ada)
    run_change(change.pk)
    assert (state_of(change), change.error_message) == (ending, "")
    assert stored_json() == before
    if ending == "UNDONE":
        assert our_objects() == []
    else:
        assert list(promotion_of(change).problems()) == []


@pytest.mark.parametrize("point", UNDO_KILLS, ids=lambda point: f"{point.name} {point.number}")
def test_killed_undoing_is_finished_by_the_next_worker(ada, point):
    fill_clients(VALUES)
    before, change = stored_json(), promote(make_field(), "column")
    undo_change(change, by=ada)
    run_killed(run_in_small_batches, change, at=point)
    run_change(change.pk)
    assert (state_of(change), our_objects(), stored_json()) == ("UNDONE", [], before)


def test_rows_that_others_write_or_lock_meanwhile_are_in_step_at_the_end(monkeypatch):
    monkeypatch.setattr(backfill, "FIRST_BATCH_ROWS", 10)
    fill_clients([], rows=40)
    first, locked, *_, last = Client.objects.order_by("pk")
    change = decided(make_field(kind="number"), "column")
    name, whole, count, seen = KeyColumn.of(change).name, Backfill.fill, Backfill.count_diverging, []
    with other_session() as writer, other_session() as holder:

        def fill_beside_others(self, *bounds):
            if not seen:
                holder.execute("BEGIN")
                holder.execute("UPDATE clients SET name = 'Held' WHERE id = %s", [locked.pk])
            seen.append("filled")
            changed = Jsonb({"level": 1_000})
            writer.execute(UPDATE_SQL, [changed, [first.pk, last.pk]])
            writer.execute(INSERT_SQL, [changed])
            return whole(self, *bounds)

        def count_then_release(self, *bounds):
            seen.append(count(self, *bounds))
            holder.execute("COMMIT")
            return seen[-1]

        monkeypatch.setattr(Backfill, "fill", fill_beside_others)
        monkeypatch.setattr(Backfill, "count_diverging", count_then_release)
        run_change(change.pk)
    assert state_of(change) == "APPLIED"
    counts = [one for one in seen if one != "filled"]
    assert counts[0] == 1, "the row that another transaction held was passed over, and filled later"
    assert list(promotion_of(change).problems()) == []
    with connection.cursor() as cursor:
        cursor.execute(f'SELECT sum("{name}") FROM clients WHERE id = ANY (%s)', [[first.pk, last.pk]])
        assert cursor.fetchone()[0] == 2_000


@pytest.mark.parametrize("undoing", [False, True])
def test_statement_that_locks_others_out_lets_them_pass_while_it_waits(ada, undoing, monkeypatch):
    monkeypatch.setattr(patience, "FIRST_LOCK_TIMEOUT_MS", 60_000)
    change = decided(make_field(kind="number"), "column")
    if undoing:
        run_change(change.pk)
        undo_change(change, by=ada)
        monkeypatch.setattr(column_promotion, "wait_for_readers", lambda *args: None)
        monkeypatch.setattr(column_promotion, "remove_indexes", lambda *args: None)
    with other_session() as holder, other_session() as writer:
        holder.execute("BEGIN; SELECT count(*) FROM clients")
        writer.execute("SET lock_timeout = '1s'")
        with job(change) as errors:
            wait_until(lambda: "waiting for other work" in step_of(writer, change))
            for number in range(20):
                writer.execute("INSERT INTO clients (name, client_type) VALUES (%s, 'Business')", [f"N{number}"])
            holder.execute("ROLLBACK")
    assert errors == []
    assert state_of(change) == ("UNDONE" if undoing else "APPLIED")
    assert Client.objects.count() == 20


def test_undoing_waits_for_a_transaction_that_may_know_the_column(ada):
    fill_clients([1])
    change = promote(make_field(kind="number"), "column")
    name = KeyColumn.of(change).name
    with other_session() as reader, other_session() as cursor, ExitStack() as open_request:
        reader.execute("BEGIN; SELECT state FROM schema_changes")
        open_request.callback(reader.execute, "COMMIT")
        undo_change(change, by=ada)
        with job(change) as errors:
            wait_until(lambda: "Waiting for requests" in step_of(cursor, change))
            for _ in range(10):
                cursor.execute("SELECT pg_sleep(0.02)")
                reader.execute(f'SELECT "{name}" FROM clients')
            open_request.close()
    assert errors == []
    assert (state_of(change), our_objects()) == ("UNDONE", [])


def test_undoing_gives_requests_without_a_transaction_time_to_end(ada, monkeypatch):
    monkeypatch.setattr(readers, "GRACE_SECONDS", 0.3)
    change = promote(make_field(kind="number"), "column")
    undo_change(change, by=ada)
    with other_session() as cursor, job(change) as errors:
        wait_until(lambda: "Waiting for requests" in step_of(cursor, change))
        cursor.execute(f'SELECT "{KeyColumn.of(change).name}" FROM clients')
    assert (errors, state_of(change)) == ([], "UNDONE")


def test_paused_promotion_keeps_what_it_copied_and_goes_on_later(ada, monkeypatch):
    monkeypatch.setattr(backfill, "FIRST_BATCH_ROWS", 10)
    monkeypatch.setattr(backfill, "MAX_BATCH_ROWS", 10)
    fill_clients([], rows=60)
    change = decided(make_field(kind="number"), "column")
    whole, calls = Backfill.fill, []

    def fill_then_pause(self, *bounds):
        calls.append(whole(self, *bounds))
        if len(calls) == 2:
            pause_change(SchemaChange.objects.get(pk=change.pk), by=ada)
            self.monitor.stopped.wait(20)
        return calls[-1]

    monkeypatch.setattr(Backfill, "fill", fill_then_pause)
    run_change(change.pk)
    assert (state_of(change), calls) == ("PAUSED", [10, 10])
    Client.objects.create(name="Later", custom_fields={"level": 7})
    resume_change(change, by=ada)
    run_change(change.pk)
    assert (state_of(change), sum(calls)) == ("APPLIED", 60)
    assert list(promotion_of(change).problems()) == []


def test_batch_that_takes_too_long_is_tried_again_with_fewer_rows_and_more_time(monkeypatch):
    monkeypatch.setattr(backfill, "FIRST_BATCH_ROWS", 40)
    fill_clients([], rows=40)
    change = decided(make_field(kind="number"), "column")
    with connection.cursor() as cursor:
        cursor.execute(SLOW_TRIGGER_SQL)
    whole, outcomes = Backfill.attempt, []

    def attempt(self, *args):
        outcomes.append(whole(self, *args))
        return outcomes[-1]

    monkeypatch.setattr(Backfill, "attempt", attempt)
    try:
        run_change(change.pk)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP FUNCTION slow_row CASCADE")
    assert (state_of(change), change.error_message) == ("APPLIED", "")
    assert outcomes[:2] == [None, None] and sum(count for _, count in filter(None, outcomes)) == 40


def test_lock_on_the_whole_table_delays_copying_and_does_not_fail_it(monkeypatch):
    fill_clients([], rows=5)
    change = decided(make_field(kind="number"), "column")
    whole, waits = Backfill.fill, []
    with other_session() as holder:

        def fill(self, *bounds):
            if not waits:
                holder.execute("BEGIN; LOCK TABLE clients")
                monkeypatch.setattr(self.monitor, "wait", lambda seconds: waits.append(holder.execute("ROLLBACK")))
            return whole(self, *bounds)

        monkeypatch.setattr(Backfill, "fill", fill)
        run_change(change.pk)
    assert (state_of(change), change.error_message) == ("APPLIED", "")
    assert waits, "the lock was met"


def test_backfill_waits_for_replicas_and_leaves_room_for_others(monkeypatch):
    waits, loads = [], iter([(0, 0), (backfill.MAX_LAG_BYTES + 1, 4), (0, 0)])

    class Monitor:
        step, percent = "", None
        wait = staticmethod(waits.append)

    walker = Backfill("clients", "name", None, Monitor())
    monkeypatch.setattr(walker, "measure_load", lambda: next(loads))
    walker.pause(0.1)
    walker.pause(0.1)
    assert waits == [0, pytest.approx(0.1), backfill.LAG_PAUSE_SECONDS]
    assert next(loads, None) is None
