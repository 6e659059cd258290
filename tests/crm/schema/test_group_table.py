"""The table of a repeated group on the database itself: list and rows are in step, whoever writes which."""

import json

import pytest
from django.db import DataError, IntegrityError, transaction

from crm.records.merging.transitions import merge, unmerge
from crm.records.privacy.person import Person
from crm.records.privacy.transitions import erase
from crm.schema.promotion.group_table.columns import QuestionColumn
from crm.schema.promotion.group_table.following import count_diverging, diverging_owners, follow_json
from crm.schema.promotion.group_table.layout import GroupTable
from crm.schema.promotion.group_table.statements import (
    TRIGGERS,
    add_foreign_key,
    change_columns,
    create_table,
    create_trigger,
    remove_table,
    replace_functions,
)
from leads.models import Lead
from tests.cast import make_lead
from tests.crm.schema.promotions import execute

QUESTIONS = (("vin", "text"), ("year", "number"), ("bought", "date"), ("seen", "date_time"), ("insured", "yes_no"))
# The keys of variables of the functions.
QUESTIONS += (("owner_ids", "text"), ("refused", "text"))
VEHICLES = GroupTable(
    "leads.lead", "auto_data", ("vehicles",), tuple(QuestionColumn(*one) for one in (*QUESTIONS, ("id", "choices")))
)
FLEET = GroupTable("leads.lead", "line_data", ("truck", "vehicles"), (QuestionColumn("vin", "text"),))
A, B, C = {"vin": "A", "year": 1999}, {"vin": "B", "other": [1]}, {"vin": "C"}
pytestmark = pytest.mark.django_db


def create(table: GroupTable) -> None:
    columns = change_columns(table, [], table.questions)
    for statement in (create_table(table), columns, replace_functions(table), add_foreign_key(table)):
        execute(statement)
    for trigger in TRIGGERS:
        execute(create_trigger(table, trigger))


@pytest.fixture
def vehicles(db) -> GroupTable:
    create(VEHICLES)
    return VEHICLES


def rows(lead, columns="data") -> list:
    found = execute(f"SELECT {columns} FROM lead_vehicles WHERE lead_id = %s ORDER BY position", [lead.pk])
    return [json.loads(row[0]) for row in found] if columns == "data" else found


def stored(lead):
    lead.refresh_from_db()
    return lead.auto_data.get("vehicles", "none")


def in_step(lead) -> bool:
    return rows(lead) == stored(lead) and not count_diverging(VEHICLES)


def test_names_follow_from_the_place_and_do_not_collide():
    def name(column, *steps):
        return GroupTable("leads.lead", column, steps, ()).name

    assert name("auto_data", "vehicles") == "lead_vehicles"
    assert name("line_data", "commercial_auto", "vehicles") == "lead_vehicles_of_commercial_auto"
    assert name("home_data", "claims") == "lead_claims_of_home"
    names = [
        name("auto_data", "a_of_b"),
        name("line_data", "b", "a"),
        name("line_data", "b_of_c", "a"),
        name("line_data", "c", "a_of_b"),
        name("line_data", "home", "claims"),
        name("auto_data", "statuses"),
        name("auto_data", "A"),
        name("auto_data", "a" * 60),
        name("auto_data", "it's 💶\"; DROP"),
    ]
    assert len({*names, "lead_claims_of_home", "lead_statuses"}) == len(names) + 2
    assert all(len(one) < 60 and one.isascii() for one in names)


def test_list_becomes_rows_and_values_that_do_not_fit_are_null(vehicles):
    odd = [
        {"vin": 10.0, "year": "1999", "bought": "2026-02-30", "seen": "soon", "insured": "yes", "id": None},
        {"vin": "x" * 501, "year": 1e300, "bought": "2024-02-29", "seen": "2026-01-31T10:00:00-05:00", "id": ["a"]},
        "text",
        [1],
        None,
    ]
    lead = make_lead(auto_data={"vehicles": [A, *odd], "other": 1})
    columns = (
        "position, vin, year, bought::text, seen AT TIME ZONE 'UTC' = '2026-01-31 15:00', insured, \"id_b80bb774\""
    )
    columns = columns.replace("id_b80bb774", VEHICLES.questions[-1].name)
    assert rows(lead, columns) == [
        (0, "A", 1999, None, None, None, None),
        (1, "10", None, None, None, None, None),
        (2, None, 10**300, "2024-02-29", True, None, '["a"]'),
        *((number, None, None, None, None, None, None) for number in (3, 4, 5)),
    ]
    assert in_step(lead)


@pytest.mark.parametrize("after", [[B, A], [A], [], [A, B, C], [A, {**B, "vin": "D"}], "text", None, {"a": 1}])
def test_changed_list_changes_the_rows(vehicles, after):
    lead, other = make_lead(auto_data={"vehicles": [A, B]}), make_lead(auto_data={"vehicles": [C]})
    execute("UPDATE leads SET auto_data = %s WHERE id = %s", [json.dumps({"vehicles": after}), lead.pk])
    assert rows(lead) == (after if isinstance(after, list) else [])
    assert stored(lead) == after
    assert in_step(other)


def test_only_rows_of_a_changed_list_are_written(vehicles):
    lead = make_lead(auto_data={"vehicles": [A, B], "vin": "1"})
    before = rows(lead, "id, xmin::text, ctid::text")
    execute("UPDATE leads SET auto_data = auto_data || '{\"vin\": \"2\"}', notes = 'x' WHERE id = %s", [lead.pk])
    assert rows(lead, "id, xmin::text, ctid::text") == before
    execute("UPDATE leads SET auto_data = jsonb_set(auto_data, '{vehicles,1,vin}', '\"D\"') WHERE id = %s", [lead.pk])
    after = rows(lead, "id, xmin::text, ctid::text")
    assert (after[0], after[1][0], after[1][2] != before[1][2]) == (before[0], before[1][0], True)


def test_rows_become_the_list_in_their_order(vehicles):
    lead = make_lead(auto_data={"vehicles": [A, B], "other": 1})
    execute("UPDATE lead_vehicles SET vin = 'X', year = NULL, bought = '2026-01-31' WHERE vin = 'A'")
    assert stored(lead) == [{"vin": "X", "bought": "2026-01-31"}, B]
    execute("INSERT INTO lead_vehicles (lead_id, vin, seen) VALUES (%s, 'N', '2026-01-31 10:00+00')", [lead.pk])
    assert stored(lead)[2] == {"vin": "N", "seen": "2026-01-31T10:00:00+00:00"}
    before = rows(lead, "id")
    execute("INSERT INTO lead_vehicles (lead_id, position, data) VALUES (%s, -5, '\"first\"')", [lead.pk])
    assert rows(lead, "id")[1:] == before
    assert [one if isinstance(one, str) else one["vin"] for one in stored(lead)] == ["first", "X", "B", "N"]
    assert [number for (number,) in rows(lead, "position")] == [0, 1, 2, 3]
    execute("UPDATE lead_vehicles SET position = 3 - position WHERE lead_id = %s", [lead.pk])
    assert stored(lead)[3] == "first" and in_step(lead)
    execute("DELETE FROM lead_vehicles WHERE position IN (0, 2)")
    assert stored(lead) == [B, "first"] and in_step(lead)
    execute("DELETE FROM lead_vehicles")
    assert stored(lead) == [] and lead.auto_data["other"] == 1


def test_entry_and_column_of_a_row_are_one_and_what_was_written_to_the_column_counts(vehicles):
    lead = make_lead(auto_data={"vehicles": [A]})
    execute('UPDATE lead_vehicles SET data = \'{"vin": "J", "year": 1}\', vin = \'K\'')
    assert (stored(lead), rows(lead, "vin, year")) == ([{"vin": "K", "year": 1}], [("K", 1)])
    execute("UPDATE lead_vehicles SET data = '{\"vin\": [1]}'")
    assert (stored(lead), rows(lead, "vin, year")) == ([{"vin": [1]}], [(None, None)])


def test_row_moves_to_another_lead(vehicles):
    first, second = make_lead(auto_data={"vehicles": [A, B]}), make_lead()
    execute("UPDATE lead_vehicles SET lead_id = %s, position = 0 WHERE vin = 'A'", [second.pk])
    assert (stored(first), stored(second)) == ([B], [A])
    assert in_step(first) and in_step(second)


def test_nothing_that_is_no_list_is_overwritten(vehicles):
    lead = make_lead(auto_data={"vehicles": "two vans"})
    for statement in (
        "INSERT INTO lead_vehicles (lead_id, vin) VALUES (%s, 'A')",
        "INSERT INTO lead_vehicles (lead_id, data, vin) VALUES (%s, '[1]', 'A')",
    ):
        with pytest.raises((IntegrityError, DataError)), transaction.atomic():
            execute(statement, [lead.pk])
    assert (stored(lead), rows(lead)) == ("two vans", [])
    for entry in ("a van", None, ["vin"]):
        lead = make_lead(auto_data={"vehicles": [entry]})
        for vin in ("A", None):
            with pytest.raises(IntegrityError, match="auto_data.vehicles is no object"), transaction.atomic():
                execute("UPDATE lead_vehicles SET vin = 'B', data = '{}' WHERE lead_id = %s", [lead.pk])
                execute("UPDATE lead_vehicles SET vin = %s, data = '[\"vin\"]' WHERE lead_id = %s", [vin, lead.pk])
        assert stored(lead) == [entry] and in_step(lead)
    with pytest.raises(IntegrityError, match="Use DELETE"), transaction.atomic():
        make_lead(auto_data={"vehicles": [A]})
        execute("TRUNCATE lead_vehicles")


def test_change_of_a_row_is_a_change_of_its_lead(vehicles):
    lead = make_lead(auto_data={"vehicles": [A]})
    Lead.objects.filter(pk=lead.pk).update(updated_at="2020-01-01T00:00Z")
    execute("UPDATE lead_vehicles SET vin = 'Z'")
    lead.refresh_from_db()
    assert lead.updated_at.year > 2020


def test_purged_lead_takes_its_rows_along(vehicles):
    lead, other = make_lead(auto_data={"vehicles": [A, B]}), make_lead(auto_data={"vehicles": [C]})
    execute("DELETE FROM leads WHERE id = %s", [lead.pk])
    assert rows(lead) == [] and in_step(other)


def test_list_inside_the_data_of_a_line(db):
    create(FLEET)
    lead, bare, odd = make_lead(line_data={"truck": {"vehicles": [A]}}), make_lead(), make_lead(line_data={"truck": 5})
    execute("INSERT INTO lead_vehicles_of_truck (lead_id, vin) VALUES (%s, 'N'), (%s, 'M')", [lead.pk, bare.pk])
    lead.refresh_from_db()
    bare.refresh_from_db()
    assert lead.line_data == {"truck": {"vehicles": [A, {"vin": "N"}]}}
    assert bare.line_data == {"truck": {"vehicles": [{"vin": "M"}]}}
    with pytest.raises(IntegrityError, match="is no list"), transaction.atomic():
        execute("INSERT INTO lead_vehicles_of_truck (lead_id, vin) VALUES (%s, 'N')", [odd.pk])
    assert count_diverging(FLEET) == 0


@pytest.mark.parametrize(
    ("statement", "vin"),
    [
        ("WITH j AS (UPDATE leads SET auto_data = %s WHERE id = %s) UPDATE lead_vehicles SET vin = 'T'", "T"),
        ("WITH t AS (UPDATE lead_vehicles SET vin = 'T') UPDATE leads SET auto_data = %s WHERE id = %s", "J"),
    ],
)
def test_statement_that_writes_both_differently_leaves_what_it_runs_first(vehicles, statement, vin):
    lead = make_lead(auto_data={"vehicles": [A]})
    execute(statement, [json.dumps({"vehicles": [{"vin": "J"}]}), lead.pk])
    assert [one["vin"] for one in stored(lead)] == [vin]
    assert in_step(lead)


def test_last_statement_of_a_transaction_decides(vehicles):
    lead = make_lead(auto_data={"vehicles": [A, B]})
    execute("UPDATE lead_vehicles SET vin = 'T' WHERE position = 0")
    execute("UPDATE leads SET auto_data = jsonb_set(auto_data, '{vehicles,1,vin}', '\"J\"')")
    execute("INSERT INTO lead_vehicles (lead_id, vin) VALUES (%s, 'N')", [lead.pk])
    assert [one["vin"] for one in stored(lead)] == ["T", "J", "N"]
    assert in_step(lead)


def test_owners_that_differ_are_found_and_follow_their_list(vehicles):
    leads = [make_lead(auto_data={"vehicles": [A, B]}) for _ in range(3)]
    execute("SET LOCAL session_replication_role = replica")
    execute("UPDATE lead_vehicles SET data = '{}' WHERE lead_id = %s AND position = 0", [leads[0].pk])
    execute("UPDATE lead_vehicles SET vin = 'wrong' WHERE lead_id = %s AND position = 0", [leads[1].pk])
    execute("UPDATE leads SET auto_data = '{\"vehicles\": [1.0, 2, 3]}' WHERE id = %s", [leads[2].pk])
    execute("SET LOCAL session_replication_role = origin")
    before = list(Lead.objects.values_list("auto_data", "updated_at"))
    found = diverging_owners(vehicles, leads[0].pk.__class__(int=0), leads[2].pk)
    assert found == [lead.pk for lead in leads]
    assert follow_json(vehicles, found) == 3
    assert all(in_step(lead) for lead in leads)
    assert list(Lead.objects.values_list("auto_data", "updated_at")) == before


def test_merge_and_unmerge_move_the_rows_with_the_lists(vehicles, max):
    winner, loser = make_lead(auto_data={"vehicles": [A], "use": "commute"}), make_lead(auto_data={"vehicles": [B, C]})
    before = stored(winner), stored(loser)
    done = merge(winner, loser, {"auto_data/vehicles": "loser"}, by=max)
    assert in_step(winner) and in_step(loser)
    assert stored(winner) != before[0]
    unmerge(done, by=max)
    assert (stored(winner), stored(loser)) == before
    assert in_step(winner) and in_step(loser)


def test_erased_person_leaves_no_row(vehicles, ada):
    lead, other = make_lead(auto_data={"vehicles": [A, B]}), make_lead(auto_data={"vehicles": [C]})
    erase(Person([lead]), reason="Request of 3 November", by=ada)
    assert execute("SELECT lead_id, vin FROM lead_vehicles") == [(other.pk, "C")]


def test_nothing_is_left_of_a_removed_table(vehicles):
    lead = make_lead(auto_data={"vehicles": [A]})
    transaction.get_connection().check_constraints()
    execute(remove_table(vehicles))
    assert execute("SELECT count(*) FROM pg_proc WHERE proname LIKE 'lead\\_vehicles%'") == [(0,)]
    assert execute("SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'lead\\_vehicles%'") == [(0,)]
    execute("UPDATE leads SET auto_data = '{\"vehicles\": []}'")
    assert stored(lead) == []
