"""A group becomes a table while others write, workers are killed and locks are held; list and rows never differ."""

import json
import random
import threading
from contextlib import contextmanager

import pytest
from django.db import OperationalError

from crm.models import SchemaChange
from crm.schema.promotion import backfill
from crm.schema.promotion.exceptions import ChangeStopped
from crm.schema.promotion.group_table import following
from crm.schema.promotion.group_table import promotion as table_promotion
from crm.schema.promotion.group_table.following import count_diverging, follow_json
from crm.schema.promotion.group_table.promotion import TablePromotion
from crm.schema.promotion.monitor import ChangeMonitor
from crm.schema.promotion.running import run_change
from crm.schema.promotion.transitions import pause_change, resume_change, undo_change
from leads.models import Lead
from tests.cast import make_lead
from tests.crm.schema.promotions import decided_table, other_session, our_objects
from tests.killing import Point, run_killed, with_endings

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("no_indexes_left", "short_pauses", "small_batches"),
    pytest.mark.storm,
]
WRITERS, WRITES, LEADS = 4, 60, 5


@pytest.fixture
def small_batches(monkeypatch):
    """Let a few leads fill several batches."""
    monkeypatch.setattr(backfill, "FIRST_BATCH_ROWS", 7)
    monkeypatch.setattr(backfill, "MIN_BATCH_ROWS", 7)
    monkeypatch.setattr(following, "OWNERS_A_TRANSACTION", 3)


def make_leads(count: int) -> list[Lead]:
    return [make_lead(auto_data={"other_vehicles": [{"vin": f"V{number}"}, {"vin": "W"}]}) for number in range(count)]


def write_list(cursor, key, choose) -> None:
    vehicles = [{"vin": f"J{choose.randrange(100)}"} for _ in range(choose.randrange(4))]
    cursor.execute(
        "UPDATE leads SET auto_data = auto_data || %s WHERE id = %s", [json.dumps({"other_vehicles": vehicles}), key]
    )


def write_rows(cursor, key, choose) -> None:
    statement = choose.choice(
        [
            "INSERT INTO lead_other_vehicles (lead_id, vin) VALUES (%(key)s, %(vin)s)",
            "UPDATE lead_other_vehicles SET vin = %(vin)s WHERE lead_id = %(key)s AND position = 0",
            "DELETE FROM lead_other_vehicles WHERE lead_id = %(key)s AND position = 1",
        ]
    )
    cursor.execute(statement, {"key": key, "vin": f"R{choose.randrange(100)}"})


@contextmanager
def writers(keys, write, errors, number=WRITERS):
    """Let sessions write inside the block, until each has done enough; what they were refused is in `errors`."""

    def work(seed: int) -> None:
        choose = random.Random(seed)
        with other_session() as cursor:
            for _ in range(WRITES):
                try:
                    write(cursor, choose.choice(keys), choose)
                except Exception as error:  # noqa: BLE001
                    errors.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(number)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for thread in threads:
            thread.join()


def diverging(change) -> int:
    return count_diverging(TablePromotion(change).table)


def test_sessions_that_write_both_sides_at_once_leave_them_the_same():
    keys = [lead.pk for lead in make_leads(2)]
    change = decided_table()
    run_change(change.pk)
    refused_lists, refused_rows = [], []
    with writers(keys, write_list, refused_lists, 2), writers(keys, write_rows, refused_rows, 3):
        pass
    assert diverging(change) == 0
    causes = {type(error.__cause__).__name__ for error in [*refused_lists, *refused_rows]}
    assert causes <= {"LockNotAvailable", "DeadlockDetected"}
    assert len(refused_lists) + len(refused_rows) < WRITES, "most writers only wait"


def test_writer_of_a_row_gives_way_to_the_writer_of_the_list():
    (lead,) = make_leads(1)
    change = decided_table()
    run_change(change.pk)
    with other_session() as of_list, other_session() as of_rows:
        of_list.execute("BEGIN; SELECT FROM leads FOR NO KEY UPDATE")
        of_rows.execute("SET statement_timeout = '5s'")
        with pytest.raises(OperationalError, match="Another transaction writes this record of leads. Try again."):
            of_rows.execute("UPDATE lead_other_vehicles SET vin = 'R'")
        write_list(of_list, lead.pk, random.Random(0))
        of_list.execute("COMMIT")
        of_rows.execute("INSERT INTO lead_other_vehicles (lead_id, vin) VALUES (%s, 'R')", [lead.pk])
    lead.refresh_from_db()
    assert lead.auto_data["other_vehicles"][-1] == {"vin": "R"}
    assert diverging(change) == 0


def test_table_is_filled_while_others_write_the_lists():
    keys = [lead.pk for lead in make_leads(40)]
    change, errors = decided_table(), []
    with writers(keys, write_list, errors):
        run_change(change.pk)
    change.refresh_from_db()
    assert (change.state, errors, diverging(change)) == ("APPLIED", [], 0)


def test_lead_that_another_session_writes_is_filled_later(monkeypatch):
    leads = make_leads(3)
    change, filled = decided_table(), []
    with other_session() as holder:

        def release(table, owners):
            if not filled:
                holder.execute("BEGIN; SELECT FROM leads WHERE id = %s FOR UPDATE", [leads[1].pk])
            filled.append(follow_json(table, owners))
            holder.execute("COMMIT")

        monkeypatch.setattr(following, "follow_json", release)
        run_change(change.pk)
    assert filled == [2, 1]
    assert diverging(change) == 0


def statement(number: int) -> Point:
    return Point((table_promotion,), "run_patiently", number)


# Table, columns, functions, triggers of the rows, those of the owners with the foreign key, and its validation are six
# statements, then rows and indexes.
POINTS = [
    *map(statement, range(1, 8)),
    Point((following,), "follow_json", 2),
    Point((table_promotion,), "build_indexes"),
    Point((TablePromotion,), "carry_out"),
]


@pytest.mark.parametrize(("point", "ending"), list(with_endings(POINTS)))
def test_killed_worker_is_followed_by_one_that_ends_its_work(ada, point, ending):
    make_leads(9)
    before = list(Lead.objects.order_by("pk").values_list("auto_data", "updated_at"))
    change = decided_table()
    run_killed(run_change, change.pk, at=point)
    change.refresh_from_db()
    assert change.state == "RUNNING"
    if ending == "UNDONE":
        undo_change(change, by=ada)
    run_change(change.pk)
    change.refresh_from_db()
    assert (change.state, change.error_message) == (ending, "")
    assert bool(our_tables()) == (ending == "APPLIED")
    assert ending == "UNDONE" or diverging(change) == 0
    assert list(Lead.objects.order_by("pk").values_list("auto_data", "updated_at")) == before


def our_tables() -> list:
    return [name for kind, name in our_objects() if kind == "TABLE"]


def test_killed_undoing_is_finished_by_the_next_job(ada):
    make_leads(2)
    change = decided_table()
    run_change(change.pk)
    change.refresh_from_db()
    undo_change(change, by=ada)
    run_killed(run_change, change.pk, at=statement(1))
    run_change(change.pk)
    change.refresh_from_db()
    assert (change.state, our_tables()) == ("UNDONE", [])


@pytest.mark.parametrize(("stop", "ending"), [(pause_change, "PAUSED"), (undo_change, "UNDOING")])
def test_filling_is_stopped_by_a_person(ada, stop, ending, monkeypatch):
    make_leads(9)
    change = decided_table()

    def stop_and_follow(table, owners):
        change.refresh_from_db()
        if change.state == "RUNNING":
            stop(change, by=ada)
        return follow_json(table, owners)

    # The job looks for itself, so that the test does not wait for the thread that watches.
    monkeypatch.setattr(ChangeMonitor, "check", check_now)
    monkeypatch.setattr(following, "follow_json", stop_and_follow)
    run_change(change.pk)
    change.refresh_from_db()
    assert (change.state, bool(our_tables())) == (ending, True)
    if ending == "PAUSED":
        resume_change(change, by=ada)
    monkeypatch.setattr(following, "follow_json", follow_json)
    run_change(change.pk)
    change.refresh_from_db()
    assert change.state == {"PAUSED": "APPLIED", "UNDOING": "UNDONE"}[ending]


def check_now(monitor) -> None:
    if SchemaChange.objects.get(pk=monitor.key).state != monitor.state:
        raise ChangeStopped
