"""A promotion survives kills, ended sessions, locks of others and full disks, and two jobs never share one."""

import threading
import time
from contextlib import ExitStack, contextmanager

import pytest
from django.db import OperationalError, connection, transaction

from crm.exceptions import IllegalTransition
from crm.models import Client, KindChange, SchemaChange
from crm.schema.change_lock import ChangeLocked, change_lock
from crm.schema.kind_changes.transitions import change_kind
from crm.schema.promotion import index_builds, index_promotion, patience, running
from crm.schema.promotion.indexes import KeyIndex, PromotedKey
from crm.schema.promotion.running import run_change
from crm.schema.promotion.transitions import (
    RUN_CHANGE_TASK,
    pause_change,
    queue_unfinished_changes,
    resume_change,
    undo_change,
)
from crm.schema.requests.transitions import decide_request, request_change
from tests.crm.schema.promotions import (
    decided_index,
    fill_clients,
    is_valid,
    job,
    make_field,
    other_session,
    our_objects,
    promote,
    state_of,
    step_of,
    wait_until,
)
from tests.forking import forked
from tests.killing import Point, run_killed, with_endings
from tests.queued_jobs import queued_jobs

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("no_indexes_left", "short_pauses"),
    pytest.mark.storm,
]
# The view has the builds in all databases, and tests run in several.
WAITING_BUILD_SQL = """
SELECT pid FROM pg_stat_progress_create_index WHERE datname = current_database() AND phase LIKE 'waiting for%%'
"""
DISK_FULL_SQL = """
CREATE FUNCTION refuse_index() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$;
CREATE EVENT TRIGGER disk_is_full ON ddl_command_start WHEN TAG IN ('CREATE INDEX') EXECUTE FUNCTION refuse_index()
"""


def index_key(cursor, change: SchemaChange) -> int:
    cursor.execute("SELECT to_regclass(%s)::oid", [PromotedKey.of(change).indexes[0].name])
    return cursor.fetchone()[0]


def waiting_builder(cursor) -> int:
    """Return the session of a build that waits for the transactions of others; 0 if there is none."""
    cursor.execute(WAITING_BUILD_SQL)
    row = cursor.fetchone()
    return row[0] if row else 0


@contextmanager
def open_transaction():
    """Hold a transaction open that has read and written the table, as a long statement does."""
    with other_session() as cursor:
        cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        cursor.execute("INSERT INTO clients (name, client_type) VALUES ('Slow', 'Individual')")
        try:
            yield
        finally:
            cursor.execute("ROLLBACK")


JOB_MODULES = (running, index_builds, index_promotion)
# Drop and create of two indexes, statistics, analyze; then the mark.
STEPS = [("claim_change", 1), *(("run_patiently", number) for number in range(1, 7)), ("mark_applied", 1)]


@pytest.mark.parametrize(("point", "ending"), list(with_endings(Point(JOB_MODULES, *step) for step in STEPS)))
def test_killed_job_is_resumed_or_undone_after_every_step(ada, point, ending):
    fill_clients(["Blue", 5])
    change = decided_index(make_field())
    run_killed(run_change, change.pk, at=point)
    change.refresh_from_db()
    if ending == "UNDONE":
        undo_change(change, by=ada)
    run_change(change.pk)
    assert state_of(change) == ending
    assert is_valid(change) == ([True, True] if ending == "APPLIED" else [None, None])
    assert len(our_objects()) == (3 if ending == "APPLIED" else 0)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_killed_undoing_is_finished_by_the_next_job(ada, number):
    change = promote(make_field())
    undo_change(change, by=ada)
    run_killed(run_change, change.pk, at=Point(JOB_MODULES, "run_patiently", number))
    run_change(change.pk)
    assert (state_of(change), our_objects()) == ("UNDONE", [])


def test_build_of_a_killed_process_goes_on_and_the_next_job_waits_for_it(monkeypatch):
    monkeypatch.setattr(patience, "FIRST_LOCK_TIMEOUT_MS", 60_000)
    seen, whole = [], KeyIndex.is_built_elsewhere
    monkeypatch.setattr(KeyIndex, "is_built_elsewhere", lambda index: seen.append(whole(index)) or seen[-1])
    change = decided_index(make_field(kind="number"))
    with other_session() as cursor, ExitStack() as slow:
        slow.enter_context(open_transaction())
        with forked(run_change, change.pk) as child:
            builder = wait_until(lambda: waiting_builder(cursor))
            child.kill()
            child.wait()
        with job(change) as errors:
            wait_until(lambda: any(seen))
            assert waiting_builder(cursor) == builder
            built = index_key(cursor, change)
            slow.close()
        assert errors == []
        assert (state_of(change), is_valid(change)) == ("APPLIED", [True])
        assert index_key(cursor, change) == built, "what the killed process began was thrown away"


def test_ended_session_is_tried_again_and_its_invalid_index_removed():
    change = decided_index(make_field(kind="number"))
    with other_session() as cursor, ExitStack() as slow:
        slow.enter_context(open_transaction())
        with job(change) as errors:
            builder = wait_until(lambda: waiting_builder(cursor))
            cursor.execute("SELECT pg_terminate_backend(%s)", [builder])
        (error,) = errors
        assert isinstance(error, OperationalError)
        assert (state_of(change), is_valid(change)) == ("RUNNING", [False])
        slow.close()
        run_change(change.pk)
    assert (state_of(change), is_valid(change)) == ("APPLIED", [True])


def test_lock_of_another_session_is_waited_for_without_blocking_writers():
    change = decided_index(make_field(kind="number"))
    with other_session() as holder, other_session() as writer:
        holder.execute("BEGIN; LOCK TABLE clients IN SHARE UPDATE EXCLUSIVE MODE")
        writer.execute("SET lock_timeout = '1s'")
        with job(change) as errors:
            wait_until(lambda: "waiting for other work" in step_of(writer, change))
            for number in range(20):
                writer.execute("INSERT INTO clients (name, client_type) VALUES (%s, 'Business')", [f"N{number}"])
                time.sleep(0.01)
            holder.execute("ROLLBACK")
    assert errors == []
    assert (state_of(change), is_valid(change)) == ("APPLIED", [True])
    assert Client.objects.count() == 20


def test_long_transaction_delays_the_build_and_does_not_fail_it(monkeypatch):
    monkeypatch.setattr(patience, "FIRST_LOCK_TIMEOUT_MS", 5)
    change = decided_index(make_field(kind="number"))
    with other_session() as cursor, ExitStack() as slow:
        slow.enter_context(open_transaction())
        with job(change) as errors:
            wait_until(lambda: "waiting for other work" in step_of(cursor, change))
            slow.close()
    assert errors == []
    assert (state_of(change), is_valid(change)) == ("APPLIED", [True])


@pytest.mark.parametrize(("stop", "ending"), [(pause_change, "PAUSED"), (undo_change, "UNDONE")])
def test_build_that_a_person_stops_leaves_no_index(ada, stop, ending, monkeypatch):
    monkeypatch.setattr(patience, "FIRST_LOCK_TIMEOUT_MS", 60_000)
    change = decided_index(make_field(kind="number"))
    with other_session() as cursor, ExitStack() as slow:
        slow.enter_context(open_transaction())
        with job(change) as errors:
            wait_until(lambda: waiting_builder(cursor))
            change.refresh_from_db()
            stop(change, by=ada)
            wait_until(lambda: not waiting_builder(cursor))
            slow.close()
    assert errors == []
    run_change(change.pk)
    assert (state_of(change), our_objects()) == (ending, [])
    if ending == "PAUSED":
        resume_change(change, by=ada)
        run_change(change.pk)
        assert (state_of(change), is_valid(change)) == ("APPLIED", [True])


def test_full_disk_is_said_in_a_sentence_and_resumed_later(ada):
    change = decided_index(make_field(kind="number"))
    try:
        with connection.cursor() as cursor:
            cursor.execute(DISK_FULL_SQL)
        run_change(change.pk)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP EVENT TRIGGER disk_is_full; DROP FUNCTION refuse_index()")
    assert (state_of(change), our_objects()) == ("FAILED", [])
    assert change.error_message.startswith("The disk of the database is full.")
    resume_change(change, by=ada)
    run_change(change.pk)
    assert (state_of(change), change.error_message) == ("APPLIED", "")


def test_only_one_job_works_on_a_change(ada):
    change = decided_index(make_field(kind="number"))
    with change_lock(change.pk), job(change) as errors:
        pass
    assert [type(error) for error in errors] == [ChangeLocked]
    run_change(change.pk)
    assert state_of(change) == "APPLIED"


def test_decision_waits_for_a_change_of_kind_that_begins(ada):
    field = make_field(kind="number")
    change = SchemaChange(table=field.table, key=field.key, proposed="index", why="Slow.", expected_use="Daily.")
    request_change(change, by=ada)
    with other_session() as cursor:
        cursor.execute("BEGIN; SELECT FROM custom_fields WHERE id = %s FOR UPDATE", [field.pk])
        with pytest.raises(OperationalError, match="lock timeout"), transaction.atomic():
            connection.cursor().execute("SET LOCAL lock_timeout = 50")
            decide_request(change, decision="index", reason="Used daily.", by=ada)
    assert state_of(change) == "OPEN"


def test_two_admins_who_decide_at_once_make_one_promotion(ada, theo):
    field = make_field(kind="number")
    change = SchemaChange(table=field.table, key=field.key, proposed="index", why="Slow.", expected_use="Daily.")
    request_change(change, by=ada)
    start, outcomes = threading.Barrier(2), []

    def decide(by, decision):
        mine = SchemaChange.objects.get(pk=change.pk)
        start.wait()
        try:
            decide_request(mine, decision=decision, reason="Used daily.", by=by)
            outcomes.append(decision)
        except IllegalTransition as error:
            outcomes.append(str(error))
        finally:
            connection.close()

    threads = [threading.Thread(target=decide, args=pair) for pair in ((ada, "index"), (theo, "stay"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    change.refresh_from_db()
    refused = [outcome for outcome in outcomes if outcome not in {"index", "stay"}]
    assert change.decision in outcomes
    assert [("already by" in sentence) for sentence in refused] == [True]
    assert len(queued_jobs(RUN_CHANGE_TASK)) == (change.decision == "index")


def test_change_of_kind_that_begins_during_a_decision_waits_for_it_and_is_refused(ada):
    field = make_field(kind="number")
    change = SchemaChange(table=field.table, key=field.key, proposed="column", why="Slow.", expected_use="Daily.")
    request_change(change, by=ada)
    outcomes = []

    def change_to_text():
        try:
            change_kind(field, "text", misfit_rule="stop", by=ada)
            outcomes.append("changed")
        except IllegalTransition as error:
            outcomes.append(str(error))
        finally:
            connection.close()

    thread = threading.Thread(target=change_to_text)
    with transaction.atomic(), other_session() as other:
        decide_request(change, decision="column", reason="Used daily.", by=ada)
        thread.start()
        wait_until(lambda: outcomes or waiting_sessions(other))
    thread.join()
    assert "is promoted (column, queued)" in outcomes[0]
    assert not KindChange.objects.exists()


def waiting_sessions(cursor) -> int:
    cursor.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    return cursor.fetchone()[0]


def test_index_removed_by_hand_is_built_again(ada):
    change = promote(make_field(kind="number"))
    with connection.cursor() as cursor:
        for kind, name in our_objects():
            cursor.execute(f'DROP {kind} "{name}"')
    resume_change(change, by=ada)
    run_change(change.pk)
    assert (state_of(change), is_valid(change)) == ("APPLIED", [True])


def test_change_without_a_job_is_queued_by_the_sweep(ada):
    change = decided_index(make_field(kind="number"))
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_jobs")
    queue_unfinished_changes()
    queue_unfinished_changes()
    assert [row.args["change"] for row in queued_jobs(RUN_CHANGE_TASK)] == [str(change.pk)]
