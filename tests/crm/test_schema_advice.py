"""The advice on keys: which rule decides, with which figures, by which thresholds."""

from datetime import timedelta

import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from crm.models import FieldStatistic, FieldUsage, IndexUsage, SchemaThresholds
from crm.records.local_time import agency_today
from crm.schema.advice.figures import load_advice, load_promotable_keys, unused_indexes
from crm.schema.advice.rules import Decision, KeyFigures, advise
from leads.models import InsuranceType
from tests.cast import make_user
from tests.crm.schema.promotions import make_field

THRESHOLDS = SchemaThresholds()
BUSY = {"row_count": 100_000, "filled_count": 80_000, "kinds": {"number": 80_000}, "distinct_count": 500}


@pytest.mark.parametrize(
    ("figures", "decision", "reason"),
    [
        ({"row_count": 9_999, "searches": 500, "people": 9}, "stay", "The table has 9,999 records. Below 10,000,"),
        (
            {"searches": 199, "people": 2},
            "index",
            "199 times filtered or sorted in 30 days by 2 people (limits 20 and 2).",
        ),
        ({"searches": 200, "people": 2}, "column", "filled in 80 % (limit 50 %), 100 % of one kind (limit 98 %)."),
        ({"searches": 200, "people": 1}, "gin", "200 times filtered in 30 days (limit 5)"),
        (
            {"searches": 200, "people": 1, "has_gin": True},
            "stay",
            "200 times filtered or sorted in 30 days by 1 person;",
        ),
        ({"searches": 200, "people": 2, "filled_count": 40_000}, "index", "200 times"),
        ({"searches": 200, "people": 2, "kinds": {"number": 70_000, "text": 10_000}}, "index", "200 times"),
        (
            {"searches": 20, "people": 2, "kinds": {"text": 80_000}, "has_gin": True},
            "stay",
            "The GIN index of the column",
        ),
        ({"searches": 20, "sorts": 1, "people": 2, "kinds": {"text": 80_000}, "has_gin": True}, "index", "20 times"),
        (
            {"searches": 20, "people": 2, "kinds": {"text": 80_000}, "distinct_count": 4},
            "stay",
            "One value is in 20 % of",
        ),
        ({"searches": 20, "people": 2, "kinds": {"text": 80_000}}, "index", "20 times"),
        ({"searches": 5, "people": 1}, "gin", "5 times filtered in 30 days (limit 5)"),
        ({"searches": 20, "people": 1, "kinds": {"rows": 80_000}}, "table", "A list of records, 20 times"),
        ({"searches": 19, "people": 1, "kinds": {"rows": 80_000}}, "stay", "a table needs 20."),
        ({"searches": 500, "people": 9, "is_inside_list": True}, "stay", "It stands inside a list."),
        ({"searches": 500, "people": 9, "index_name": "leads_vin"}, "stay", "The index leads_vin serves"),
        ({"searches": 500, "people": 9, "promoted_to": "column cf_size"}, "stay", "The column cf_size serves this key"),
        ({"searches": 200, "people": 2, "promotable_to": frozenset()}, "stay", "No request can ask for that:"),
        ({"searches": 199, "people": 2, "is_undefined_field": True}, "index", "Define it as a custom field first"),
        (
            {"searches": 200, "people": 2, "promotable_to": frozenset({Decision.INDEX})},
            "index",
            "Only a custom field becomes a column",
        ),
        ({"unused_days": 90, "filled_count": 5_000}, "retire", "Not used for 90 days (limit 90), and filled in 5.0 %"),
        ({"unused_days": 90, "filled_count": 5_001}, "stay", "0 times filtered or sorted"),
        ({"unused_days": 89, "filled_count": 1}, "stay", "0 times filtered or sorted"),
        ({"unused_days": None, "filled_count": 1}, "stay", "0 times filtered or sorted"),
    ],
)
def test_first_rule_that_applies_decides_and_names_its_figures(figures, decision, reason):
    advice = advise(KeyFigures(**{**BUSY, **figures}), THRESHOLDS)
    assert (advice.decision, reason in advice.reason) == (decision, True), advice


def test_key_without_records_stays():
    assert advise(KeyFigures(row_count=0, filled_count=0), THRESHOLDS).decision == Decision.STAY


@pytest.mark.django_db
def test_figures_come_from_the_scan_the_counts_and_the_indexes():
    ann, bob = make_user("ann"), make_user("bob")
    today = agency_today()
    big = {"row_count": 50_000, "filled_count": 40_000, "kinds": {"number": 40_000}, "distinct_count": 40_000}
    vin, size, policy = (
        FieldStatistic.objects.create(table=table, column=column, key=key, **big)
        for table, column, key in (
            ("leads.lead", "auto_data", "vin"),
            ("leads.lead", "custom_fields", "size"),
            ("leads.policy", "data", "size"),
        )
    )
    used = {"table": "leads.lead", "column": "custom_fields", "key": "size"}
    FieldUsage.objects.create(**used, day=today, filtered=15, shown=100, people=[ann.pk])
    FieldUsage.objects.create(**used, day=today - timedelta(days=29), sorted=5, people=[ann.pk, bob.pk])
    FieldUsage.objects.create(**used, day=today - timedelta(days=30), filtered=1_000, people=[bob.pk])
    advised = {one.statistic.pk: one for one in load_advice([vin, size, policy])}
    assert advised[vin.pk].advice.reason == "The index leads_vin serves this key already."
    figures = advised[size.pk].figures
    assert (figures.searches, figures.sorts, figures.people, figures.has_gin) == (20, 5, 2, True)
    assert advised[size.pk].advice.decision == Decision.INDEX
    assert (advised[size.pk].usage.daily[0], advised[size.pk].usage.daily[-1]) == (5, 115)
    assert advised[policy.pk].figures.has_gin
    # It is not known to be unused for longer than it is known.
    assert (advised[policy.pk].figures.unused_days, advised[size.pk].figures.unused_days) == (0, 0)
    FieldStatistic.objects.filter(pk=policy.pk).update(created_at=timezone.now() - timedelta(days=400), filled_count=1)
    (unused,) = load_advice(FieldStatistic.objects.filter(pk=policy.pk))
    assert (unused.figures.unused_days, unused.advice.decision) == (30, Decision.STAY)
    FieldUsage.objects.filter(day=today - timedelta(days=30)).update(day=today - timedelta(days=90))
    (unused,) = load_advice(FieldStatistic.objects.filter(pk=policy.pk))
    assert (unused.figures.unused_days, unused.advice.decision) == (90, Decision.RETIRE)


@pytest.mark.django_db
def test_request_can_ask_for_what_the_definitions_allow():
    make_field(key="a.b")
    for code, kind in (("pet", "number"), ("horse", "string")):
        properties = {"weight": {"type": kind, "title": "Weight"}, "age": {"type": "number", "title": "Age"}}
        InsuranceType.objects.create(code=code, name=code, form_schema={"type": "object", "properties": properties})
    promotable = load_promotable_keys(["crm.client", "leads.lead", "leads.policy"])

    def ask(table: str, column: str, key: str) -> tuple[set[str], bool]:
        row = FieldStatistic(table=table, column=column, key=key)
        return set(promotable.decisions(row)), promotable.is_undefined_field(row)

    assert ask("crm.client", "custom_fields", '"a.b"') == ({"index", "column"}, False)
    assert ask("crm.client", "custom_fields", "undefined") == ({"index", "column"}, True)
    assert ask("crm.client", "custom_fields", "a.b") == (set(), True)
    assert ask("leads.lead", "auto_data", "other_vehicles") == ({"table"}, False)
    assert ask("leads.lead", "auto_data", "nothing") == (set(), False)
    assert ask("leads.policy", "data", "other_vehicles") == (set(), False)
    assert ask("leads.policy", "data", "age") == ({"index"}, False)
    assert ask("leads.policy", "data", "weight") == (set(), False)


@pytest.mark.django_db
def test_indexes_that_nothing_read_for_ninety_days_are_named():
    now = timezone.now()
    old = now - timedelta(days=91)
    rows = {
        "unread": {"watched_since": old, "last_used_at": None},
        "read_long_ago": {"watched_since": old - timedelta(days=9), "last_used_at": old},
        "read_lately": {"watched_since": old, "last_used_at": now},
        "new": {"watched_since": now, "last_used_at": None},
    }
    for size, (name, times) in enumerate(rows.items()):
        IndexUsage.objects.create(name=name, table="leads", scan_count=0, size=size, **times)
    assert [row.name for row in unused_indexes(THRESHOLDS, now)] == ["read_long_ago", "unread"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    "change",
    ["column_uses = 3", "window_days = 3", "reason = ''", "is_only = false", "deleted_at = now()"],
)
def test_database_refuses_thresholds_out_of_bounds(change):
    with connection.cursor() as cursor, pytest.raises(DatabaseError), transaction.atomic():
        cursor.execute(f"UPDATE schema_thresholds SET {change}")
    with pytest.raises(DatabaseError), transaction.atomic():
        SchemaThresholds.objects.create(reason="A second row.")
    assert SchemaThresholds.objects.get().reason == "The defaults of the program."
