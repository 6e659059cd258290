"""Scans of JSON columns: which keys there are, how often they are filled, with which kinds of values."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from django.utils import timezone
from psycopg.types.json import Jsonb

from crm.models import Client, CustomField, FieldStatistic, FieldUsage, IndexUsage, ValueKind
from crm.schema.usage import scan as scanning
from crm.schema.usage.findings import near_keys, unfitting_kinds
from crm.schema.usage.scan import scan_table
from crm.schema.usage.transitions import scan_tables
from crm.screens.custom_fields.conditions import FieldCondition
from leads.models import Lead
from tests.cast import make_client, make_lead

pytestmark = pytest.mark.django_db
ODD_KEYS = ['"quoted"', "a.b", "ключ 🎉", "x" * 1_000, "'; DROP TABLE leads; --", "", "100%s"]


def scan_all(**kw):
    for _ in scan_tables(timezone.now(), **kw):
        pass
    return {(row.table, row.column, row.key): row for row in FieldStatistic.objects.all()}


def scan_clients():
    return {key: row for (table, column, key), row in scan_all().items() if column == "custom_fields"}


def test_scan_counts_filled_records_kinds_distinct_values_and_length():
    for value in (5, 10, 10, "10 ", "NaN", "", None, True, [], ["a"], {"inner": 1}, "2026-01-31", "gold", "true"):
        make_client(custom_fields={"f": value})
    make_client(custom_fields={})
    make_client(custom_fields={"f": "deleted"}, deleted_at=timezone.now())
    with connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO clients (client_type, name, custom_fields) VALUES ('Individual', 'x', '{"f": 1e400}')"""
        )
    row = scan_clients()["f"]
    # True and "true" count as one value.
    expected = {"number": 3, "numeric_text": 1, "text": 3, "empty": 3, "yes_no": 1, "list": 1, "object": 1, "date": 1}
    assert row.kinds == {**expected, "huge_number": 1}
    assert (row.row_count, row.filled_count, row.margin, row.sample_size) == (16, 12, 0, None)
    assert (row.distinct_count, row.longest, row.has_conflict) == (10, 401, True)
    assert row.newest_record_at == Client.objects.latest("created_at").created_at
    assert scan_clients()["f.inner"].kinds == {"number": 1}


def test_kinds_are_those_that_the_filters_tell_apart():
    values = [5, 1.5, "10 ", "NaN", "1e400", "2026-01-31", "2026-1-31", "2026-13-01", True, "true", None, "", [], "-"]
    rows = {make_client(custom_fields={"f": value}).pk: value for value in values}
    with transaction.atomic():
        (found,) = (one for one in scan_table(Client).keys if one.key == "f")
    number = CustomField(table="crm.client", key="f", kind="number", label="F")
    day = CustomField(table="crm.client", key="f", kind="date", label="F")
    is_number = Client.objects.filter(FieldCondition(number, "between", ("-1000000", "1000000")).to_q())
    is_date = Client.objects.filter(FieldCondition(day, "between", ("1900-01-01", "2199-01-01")).to_q())
    is_empty = Client.objects.filter(FieldCondition(number, "empty").to_q())
    assert found.kinds[ValueKind.NUMBER] == is_number.count() == 2
    assert found.kinds[ValueKind.DATE] == is_date.count() == 1
    assert found.kinds[ValueKind.EMPTY] == is_empty.count() == 3
    assert found.filled_count == len(rows) - 3


def test_odd_keys_are_data():
    make_client(custom_fields=dict.fromkeys(ODD_KEYS, 1))
    with connection.cursor() as cursor:
        cursor.execute("UPDATE clients SET custom_fields = custom_fields || %s", [Jsonb({"y" * 3_000: "long"})])
    rows = scan_clients()
    assert len(rows) == len(ODD_KEYS) + 1
    assert rows['"a.b"'].filled_count == rows["100%s"].filled_count == 1
    assert max(map(len, rows)) == 1_000


def test_keys_inside_groups_and_lists_of_records_are_found():
    make_lead(
        auto_data={"schema_version": 1, "vehicles": [{"vin": "1"}, {"vin": "2", "year": 1999}]},
        line_data={"renters": {"contents": {"value": 5}}},
        communications={"email": {"consent": True}},
    )
    Lead.objects.update(signals=[{"type": "referral", "timestamp": "2026-01-01T00:00:00Z", "weight": 0.1}])
    rows = {(column, key): row for (table, column, key), row in scan_all().items() if table == "leads.lead"}
    assert rows["auto_data", "vehicles"].kinds == {"rows": 1}
    assert rows["auto_data", "vehicles[].vin"].filled_count == 1
    assert rows["auto_data", "vehicles[].year"].kinds == {"number": 1}
    assert ("auto_data", "schema_version") not in rows
    assert rows["line_data", "renters.contents.value"].kinds == {"number": 1}
    assert rows["communications", "email.consent"].kinds == {"yes_no": 1}
    assert rows["signals", "[].type"].kinds == {"text": 1}


def test_scan_replaces_statistics_and_keeps_their_addresses():
    client = make_client(custom_fields={"kept": 1, "gone": 1})
    first = scan_clients()
    client.custom_fields = {"kept": "x"}
    client.save()
    second = scan_clients()
    assert second.keys() == {"kept"}
    assert second["kept"].pk == first["kept"].pk
    assert second["kept"].kinds == {"text": 1}


def fill_clients(count, **keys):
    """Insert clients in one statement; each key is in a record if its number can be divided."""
    parts = (
        f"CASE WHEN n %% {every} = 0 THEN jsonb_build_object('{key}', n) ELSE '{{}}' END" for key, every in keys.items()
    )
    with connection.cursor() as cursor:
        cursor.execute(
            f"""INSERT INTO clients (client_type, name, custom_fields)
            SELECT 'Individual', 'x', {" || ".join(parts)} FROM generate_series(1, {count}) AS n""",
            [],
        )
        cursor.execute("ANALYZE clients")


def test_blocks_of_deleted_records_are_not_projected_as_live_ones(monkeypatch):
    monkeypatch.setattr(scanning, "SAMPLE_ROWS", 5_900)
    fill_clients(6_000, always=1)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE clients SET deleted_at = now() WHERE (custom_fields ->> 'always')::int % 2 = 0")
        cursor.execute("ANALYZE clients")
    row = scan_clients()["always"]
    assert row.sample_size and abs(row.row_count - 3_000) < 300 and abs(row.filled_count - 3_000) < 300


def test_sample_of_a_large_table_is_projected_with_a_bound_on_its_error(monkeypatch):
    monkeypatch.setattr(scanning, "SAMPLE_ROWS", 1_000)
    fill_clients(6_000, always=1, third=3, rare=600)
    rows = scan_clients()
    third = rows["third"]
    assert 200 < third.sample_size < 4_000
    assert 0 < third.margin < 600
    assert abs(third.filled_count - 2_000) <= 2 * third.margin + 60
    assert abs(rows["always"].row_count - 6_000) < 900
    assert rows["always"].margin >= 3 / third.sample_size * 5_000 * 0.5
    full = {key: row for (_, column, key), row in scan_all(full=True).items() if column == "custom_fields"}
    assert (full["third"].filled_count, full["rare"].filled_count, full["third"].margin) == (2_000, 10, 0)
    assert full["third"].row_count == 6_000 and full["third"].sample_size is None
    # A sample that misses a rare key does not forget it at once.
    FieldStatistic.objects.filter(key="rare").update(key="seldom")
    assert "seldom" in scan_clients()
    FieldStatistic.objects.filter(key="seldom").update(scanned_at=timezone.now() - timedelta(days=31))
    assert "seldom" not in scan_clients()


def test_command_says_what_it_read():
    make_client(custom_fields={"f": 1})
    output = StringIO()
    call_command("scan_json", "--full", stdout=output)
    assert "Clients: 1 keys in all 1 records." in output.getvalue()
    assert FieldStatistic.objects.filter(table="crm.client", key="f").exists()


def test_database_refuses_counts_that_cannot_be():
    key = {"table": "crm.client", "column": "custom_fields", "key": "f", "row_count": 2, "filled_count": 1}
    FieldStatistic.objects.create(**key)
    for values, constraint in ((key, "once"), ({**key, "key": "g", "filled_count": 3}, "filled_range")):
        with pytest.raises(IntegrityError, match=f"field_statistics_{constraint}"), transaction.atomic():
            FieldStatistic.objects.create(**values)


def test_scan_deletes_old_counts_and_watches_indexes():
    FieldUsage.objects.create(
        table="crm.client", column="custom_fields", key="f", day=timezone.now().date() - timedelta(days=500)
    )
    scan_all()
    assert not FieldUsage.objects.exists()
    watched = IndexUsage.objects.get(name="leads_custom_fields")
    assert (watched.table, watched.size > 0) == ("leads", True)
    # A foreign key and a unique constraint need their indexes anyway.
    assert not IndexUsage.objects.filter(name__contains="_pkey").exists()
    IndexUsage.objects.update(scan_count=-1, last_used_at=None)
    scan_all()
    assert IndexUsage.objects.get(name="leads_custom_fields").last_used_at is not None
    assert Lead.objects.count() == 0


# Findings


@pytest.mark.parametrize(
    ("keys", "near"),
    [
        (
            ["Zip", "zip_code", "ZIP", "city"],
            {"Zip": ["ZIP", "zip_code"], "ZIP": ["Zip", "zip_code"], "zip_code": ["ZIP", "Zip"]},
        ),
        (
            ["referralSource", "Referral source"],
            {"referralSource": ["Referral source"], "Referral source": ["referralSource"]},
        ),
        (["address", "adress"], {"address": ["adress"], "adress": ["address"]}),
        (["vehicle1", "vehicle2", "line_1", "line_2"], {}),
        (["renters.value", "condo.value", "a[].vin", "b[].vin"], {}),
        (["code", "number", "", "🎉", '"a.b"'], {}),
    ],
)
def test_near_keys_differ_in_spelling_only(keys, near):
    assert near_keys(keys) == near


def test_conflicting_kinds():
    assert unfitting_kinds({"number": 90, "numeric_text": 10, "empty": 5}) == {"numeric_text": 10}
    assert unfitting_kinds({"text": 90, "date": 10}) == {}
    assert unfitting_kinds({"date": 9, "text": 1}, "date") == {"text": 1}
    assert unfitting_kinds({"number": 9, "huge_number": 1}, "number") == {"huge_number": 1}
    assert unfitting_kinds({"empty": 9}) == {}


def test_scan_follows_the_most_frequent_groups_only(monkeypatch):
    monkeypatch.setattr(scanning, "MAX_SOURCES", 1)
    make_client(custom_fields={"often": {"a": 1}, "seldom": {"b": 1}})
    make_client(custom_fields={"often": {"a": 2}})
    found = scan_clients()
    assert {"often", "seldom", "often.a"} <= set(found) and "seldom.b" not in found
