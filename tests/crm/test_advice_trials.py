"""Trials of advised changes: cost and gain measured on a temporary copy of a sample, while the table stays as it is."""

import json
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from crm.exceptions import IllegalTransition, NotPermitted
from crm.models import ActivityLog, FieldStatistic, FieldUsage, SchemaThresholds
from crm.records.local_time import agency_today
from crm.schema.advice import trials
from crm.schema.advice.transitions import measure
from crm.schema.promotion.indexes import PromotedKey
from crm.schema.usage.transitions import scan_tables
from tests.cast import make_client, make_user
from tests.crm.schema.promotions import make_field

pytestmark = pytest.mark.django_db
ODD_KEY = 'o\'dd "key" 100% {x} \\ 🎉'


@pytest.fixture
def boss():
    return make_user("boss", "schema admin")


@pytest.fixture
def filled():
    """Three thousand clients with numbers, texts and dates, searched often enough."""
    SchemaThresholds.objects.update(min_rows=100, index_people=1)
    rows = {
        ODD_KEY: "n",
        "code": "'c' || n",
        "day": "to_char(date '2026-01-01' + n %% 300, 'YYYY-MM-DD')",
        "often": "n",
    }
    parts = ", ".join(f"%s::text, {value}" for value in rows.values())
    with connection.cursor() as cursor:
        cursor.execute(
            f"""INSERT INTO clients (client_type, name, custom_fields)
            SELECT 'Individual', 'x', jsonb_build_object({parts})
              FROM generate_series(1, 3000) AS n""",
            [*rows],
        )
        cursor.execute("ANALYZE clients")
    make_client(custom_fields={"rare": "x"})
    for _ in scan_tables(timezone.now()):
        pass
    user = make_user("ann")
    counts = {ODD_KEY: 50, "day": 50, "often": 500}
    for row in FieldStatistic.objects.filter(table="crm.client", column="custom_fields"):
        name = json.loads(row.key) if row.key.startswith('"') else row.key
        if name in counts:
            use = {"table": row.table, "column": row.column, "key": row.key}
            FieldUsage.objects.create(**use, day=agency_today(), filtered=counts[name], people=[user.pk])


def statistic(name):
    rows = FieldStatistic.objects.filter(table="crm.client", column="custom_fields")
    return next(row for row in rows if (json.loads(row.key) if row.key.startswith('"') else row.key) == name)


def table_state():
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*), md5(string_agg(custom_fields::text, ',' ORDER BY id)) FROM clients")
        rows = cursor.fetchone()
        cursor.execute("SELECT indexname FROM pg_indexes WHERE tablename = 'clients' ORDER BY 1")
        return rows, cursor.fetchall()


@pytest.mark.parametrize(("name", "decision"), [(ODD_KEY, "index"), ("day", "index"), ("often", "column")])
def test_trial_measures_cost_and_gain_and_leaves_nothing(filled, boss, name, decision):
    before = table_state()
    row = statistic(name)
    assert measure(row, by=boss) == decision
    trial = FieldStatistic.objects.get(pk=row.pk).trial
    assert (trial["decision"], trial["sample_rows"]) == (decision, 3_001)
    assert trial["size"] > 10_000
    assert trial["cost_after"] < trial["cost_before"]
    assert (trial["reads_all_now"], trial["reads_all_after"]) == (True, False)
    assert trial["ms_before"] > 0 and trial["ms_after"] > 0 and trial["write_microseconds"] >= 0
    # What is shown of a trial are figures, never a value of a record.
    assert all(isinstance(value, int | float) for key, value in trial.items() if key != "decision")
    assert table_state() == before
    assert ActivityLog.objects.for_target(row).get().verb == "measured"
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('pg_temp.trial_sample')")
        assert cursor.fetchone() == (None,)


@pytest.mark.parametrize(("name", "kind"), [("day", ""), (ODD_KEY, ""), ("day", "text")])
def test_trial_builds_the_indexes_of_a_promotion(filled, boss, name, kind):
    if kind:
        make_field(key=name, kind=kind)
    with CaptureQueriesContext(connection) as captured:
        measure(statistic(name), by=boss)
    tried = [one["sql"].split(" USING ")[1] for one in captured if "CREATE INDEX ON trial_sample" in one["sql"]]
    promoted = PromotedKey("crm.client", "custom_fields", name, kind or {"day": "date"}.get(name, "number"))
    assert tried == [
        index.create.as_string(connection.connection).split(" USING ")[1].removesuffix(" WHERE deleted_at IS NULL")
        for index in promoted.indexes
    ]


@pytest.mark.parametrize(("key", "decision"), [("radius_miles", "index"), ("vehicles", "table")])
def test_question_of_a_line_is_tried_where_it_stands(boss, key, decision):
    SchemaThresholds.objects.update(min_rows=100, index_people=1)
    with connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO leads (contact_name, line_data)
            SELECT 'x', jsonb_build_object('commercial_auto', jsonb_build_object('radius_miles', n, 'vehicles',
                   jsonb_build_array(jsonb_build_object('vin', 'v' || n), jsonb_build_object('vin', 'w' || n))))
              FROM generate_series(1, 500) AS n"""
        )
    for _ in scan_tables(timezone.now()):
        pass
    use = {"table": "leads.lead", "column": "line_data", "key": f"commercial_auto.{key}"}
    FieldUsage.objects.create(**use, day=agency_today(), filtered=50, people=[boss.pk])
    row = FieldStatistic.objects.get(**use)
    assert measure(row, by=boss) == decision
    assert row.trial["cost_after"] < row.trial["cost_before"] and not row.trial["reads_all_after"]


def test_gin_index_is_tried_where_the_column_has_none(filled, boss):
    with connection.cursor() as cursor:
        cursor.execute("DROP INDEX clients_custom_fields")
    SchemaThresholds.objects.update(index_people=5)
    row = statistic("day")
    assert measure(row, by=boss) == "gin"
    assert row.trial["cost_after"] < row.trial["cost_before"]


def test_retiring_frees_the_room_of_the_values(filled, boss):
    row = statistic("rare")
    FieldStatistic.objects.filter(pk=row.pk).update(created_at=timezone.now() - timedelta(days=200))
    use = {"table": "crm.client", "column": "custom_fields", "key": "other"}
    FieldUsage.objects.create(**use, day=agency_today() - timedelta(days=120))
    row.refresh_from_db()
    assert measure(row, by=boss) == "retire"
    assert 0 < row.trial["size"] < 100


def test_slow_trial_is_stopped_and_changes_nothing(filled, boss, monkeypatch):
    monkeypatch.setattr(trials, "TIMEOUT_SECONDS", 0.001)
    before = table_state()
    with pytest.raises(IllegalTransition, match="took longer than 30 seconds, so it was stopped"):
        measure(statistic("day"), by=boss)
    assert (statistic("day").tried_at, table_state()) == (None, before)
    with connection.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone() == ("0",)


def test_key_that_stays_and_user_without_permission_are_refused(filled, boss):
    with pytest.raises(IllegalTransition, match="should stay as it is"):
        measure(statistic("code"), by=boss)
    with pytest.raises(NotPermitted):
        measure(statistic("day"), by=make_user("mia", "manager"))
    assert statistic("day").tried_at is None


def test_trial_of_a_reference_compares_keys(boss):
    SchemaThresholds.objects.update(min_rows=100, index_people=1)
    make_field(kind="client", key="referrer")
    with connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO clients (client_type, name, custom_fields)
            SELECT 'Individual', 'x', jsonb_build_object('referrer', gen_random_uuid()::text)
              FROM generate_series(1, 2000)"""
        )
        cursor.execute("ANALYZE clients")
    for _ in scan_tables(timezone.now()):
        pass
    row = FieldStatistic.objects.get(table="crm.client", column="custom_fields", key="referrer")
    use = {"table": row.table, "column": row.column, "key": row.key}
    FieldUsage.objects.create(**use, day=agency_today(), filtered=500, people=[boss.pk])
    assert measure(row, by=boss) == "column"
    row.refresh_from_db()
    assert row.trial["sample_rows"] == 2_000 and row.trial["cost_after"] < row.trial["cost_before"]
