"""Promotion of a repeated group to a table: decided, built while others work, read by filters, taken back."""

import io
from contextlib import suppress
from urllib.parse import urlencode

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from crm.exceptions import IllegalTransition, InvalidInput
from crm.models import FieldStatistic, SchemaChange
from crm.schema.advice.figures import load_advice
from crm.schema.promotion.group_table import promotion as table_promotion
from crm.schema.promotion.group_table.following import count_diverging
from crm.schema.promotion.group_table.promotion import TablePromotion
from crm.schema.promotion.index_builds import build_indexes
from crm.schema.promotion.running import run_change
from crm.schema.promotion.transitions import resume_change, undo_change
from leads.models import InsuranceType, Lead
from tests.cast import browser, make_lead, make_user, page_text
from tests.crm.schema.promotions import decided_table, needs_embedded_server, restored_from_dump
from tests.query_plans import filtered_rows, first_page, plan_indexes, plan_nodes, vacuum_analyze

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("no_indexes_left")]
A, B, C = {"vin": "A", "year": 1999}, {"vin": "B", "other": [1]}, {"vin": "C"}


def execute(statement, params=None) -> list:
    with connection.cursor() as cursor:
        cursor.execute(statement, params)
        return cursor.fetchall() if cursor.description else []


def run(change: SchemaChange) -> SchemaChange:
    run_change(change.pk)
    change.refresh_from_db()
    return change


def rows(lead) -> list:
    return execute("SELECT position, vin, year FROM lead_other_vehicles WHERE lead_id = %s ORDER BY 1", [lead.pk])


def status() -> str:
    out = io.StringIO()
    with suppress(CommandError):
        call_command("schema", "status", stdout=out)
    return out.getvalue()


def our_objects() -> list:
    return execute(
        "SELECT relname FROM pg_class WHERE relname LIKE 'lead\\_other%' UNION ALL SELECT proname FROM pg_proc "
        "WHERE proname LIKE 'lead\\_other%' UNION ALL SELECT tgname FROM pg_trigger WHERE tgname LIKE 'lead\\_other%'"
    )


def test_group_becomes_a_table_and_a_list_again(ada):
    leads = [make_lead(auto_data={"other_vehicles": [A, B][:number]}) for number in (0, 1, 2)]
    before = list(Lead.objects.order_by("pk").values_list("auto_data", "updated_at"))
    change = run(decided_table())
    assert (change.state, change.error_message, change.kind) == ("APPLIED", "", "")
    assert [rows(lead) for lead in leads] == [[], [(0, "A", 1999)], [(0, "A", 1999), (1, "B", None)]]
    assert list(Lead.objects.order_by("pk").values_list("auto_data", "updated_at")) == before
    execute("UPDATE lead_other_vehicles SET vin = 'Z' WHERE vin = 'B'")
    late = make_lead(auto_data={"other_vehicles": [C]})
    assert rows(late) == [(0, "C", None)]
    assert status() == "Everything is as decided.\n"
    undo_change(change, by=ada)
    assert (run(change).state, our_objects()) == ("UNDONE", [])
    leads[2].refresh_from_db()
    assert leads[2].auto_data["other_vehicles"] == [A, {**B, "vin": "Z"}]
    assert run(decided_table()).state == "APPLIED"


@pytest.mark.parametrize(
    ("column", "key"),
    [
        ("auto_data", "vin"),
        ("auto_data", "nothing"),
        ("custom_fields", "other_vehicles"),
        ("auto_data", "other_vehicles.vin"),
        ("auto_data", "[]"),
        ("line_data", "auto.other_vehicles"),
        ("line_data", "umbrella.vehicles"),
        ("line_data", "vehicles"),
    ],
)
def test_other_keys_than_repeated_groups_are_refused(column, key):
    with pytest.raises(InvalidInput, match="is no repeated group of a line of insurance"):
        decided_table(key, column)
    assert SchemaChange.objects.get().state == "OPEN"


def test_group_is_promoted_once(ada):
    assert run(decided_table("commercial_auto.vehicles", "line_data")).state == "APPLIED"
    assert run(decided_table("other_vehicles[]")).state == "APPLIED"
    with pytest.raises(IllegalTransition, match="is decided to be a table already \\(applied\\)"):
        decided_table("other_vehicles")


def test_list_under_another_spelling_of_its_path_is_the_same_group(ada):
    decided_table("other_vehicles[]")
    with pytest.raises(IllegalTransition, match="is decided to be a table already \\(queued\\)"):
        decided_table("other_vehicles")


def test_status_finds_what_was_changed_by_hand_and_repair_mends_it(ada):
    lead, other = make_lead(auto_data={"other_vehicles": [A, B]}), make_lead(auto_data={"other_vehicles": [C]})
    change = run(decided_table())
    execute("ALTER TABLE leads DISABLE TRIGGER lead_other_vehicles_updated")
    execute("DROP TRIGGER lead_other_vehicles_prepare ON lead_other_vehicles")
    execute('UPDATE leads SET auto_data = \'{"other_vehicles": [{"vin": "N"}]}\' WHERE id = %s', [lead.pk])
    execute("ALTER TABLE lead_other_vehicles DROP COLUMN model, ALTER COLUMN year TYPE text, ADD COLUMN extra text")
    execute("ALTER TABLE lead_other_vehicles DROP CONSTRAINT lead_other_vehicles_owner_exists")
    execute("DROP INDEX lead_other_vehicles_vin")
    execute(
        "CREATE OR REPLACE FUNCTION lead_other_vehicles_after_rows() RETURNS trigger LANGUAGE plpgsql "
        "AS $$ BEGIN RETURN NULL; END $$"
    )
    text = status()
    for part in (
        "the trigger lead_other_vehicles_updated is missing or disabled. Press Repair",
        "the trigger lead_other_vehicles_prepare is missing",
        "the column model of lead_other_vehicles is missing",
        "the column year of lead_other_vehicles is missing or has another type",
        "the column extra of lead_other_vehicles belongs to no question",
        "the foreign key lead_other_vehicles_owner_exists is missing",
        "the index lead_other_vehicles_vin is missing",
        "the function lead_other_vehicles_after_rows is missing or was changed",
    ):
        assert part in text
    execute("INSERT INTO lead_other_vehicles (lead_id, position) VALUES (gen_random_uuid(), 0)")
    resume_change(change, by=ada)
    assert run(change).state == "APPLIED"
    assert status() == "Everything is as decided.\n"
    assert (rows(lead), rows(other)) == ([(0, "N", None)], [(0, "C", None)])


def test_status_finds_rows_that_differ(ada):
    make_lead(auto_data={"other_vehicles": [A, B]})
    change = run(decided_table())
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute("DELETE FROM lead_other_vehicles WHERE position = 0")
        cursor.execute("RESET session_replication_role")
    assert "1 list differs from the rows of lead_other_vehicles" in status()
    resume_change(change, by=ada)
    run(change)
    assert count_diverging(TablePromotion(change).table) == 0


def test_status_finds_a_table_that_belongs_to_no_change(ada):
    run(decided_table())
    execute("CREATE TABLE lead_claims_of_home (LIKE lead_other_vehicles)")
    try:
        execute(
            "COMMENT ON TABLE lead_claims_of_home IS 'Entries of home_data.claims of leads, kept in step both ways.'"
        )
        assert "The table lead_claims_of_home belongs to no change." in status()
        assert "lead_other_vehicles" not in status()
    finally:
        execute("DROP TABLE lead_claims_of_home")


def test_table_follows_a_changed_form(ada):
    lead = make_lead(auto_data={"other_vehicles": [{**A, "colour": "red"}]})
    change = run(decided_table())
    line = InsuranceType.objects.get(code="auto")
    items = line.form_schema["properties"]["other_vehicles"]["items"]["properties"]
    items["colour"] = {"type": "string"}
    items["year"] = {"type": "string"}
    del items["model"]
    line.save()
    text = status()
    assert "the column colour of lead_other_vehicles is missing" in text
    assert "the column model of lead_other_vehicles belongs to no question" in text
    resume_change(change, by=ada)
    run(change)
    assert execute("SELECT vin, year, colour FROM lead_other_vehicles") == [("A", "1999", "red")]
    assert status() == "Everything is as decided.\n"
    lead.refresh_from_db()
    assert lead.auto_data == {"other_vehicles": [{**A, "colour": "red"}]}


def test_table_with_the_name_that_others_made_is_left_alone(ada):
    execute("CREATE TABLE lead_other_vehicles (id integer)")
    try:
        change = run(decided_table())
        assert change.state == "FAILED" and "already exists" in change.error_message
        undo_change(change, by=ada)
        assert run(change).state == "UNDONE"
        assert execute("SELECT count(*) FROM lead_other_vehicles") == [(0,)]
    finally:
        execute("DROP TABLE lead_other_vehicles")


VINS = ["A", "a", 10, "10", 10.0, "1e1", True, "true", None, [], ["A"], {"A": 1}, "it's %s", "x" * 501, 0.1, 1e300, ""]
VINS += [0, 123456789012345678901234567891]
ASKED = ["A", "10", "1e1", "true", "it's %s", "x" * 501, "0.1", "1e300", "none", "10.0", "-0"]
ASKED += ["123456789012345678901234567891"]


def found(user, **query) -> list:
    return sorted(filtered_rows(Lead, urlencode(query), user).values_list("contact_name", flat=True))


def answers(user) -> list:
    name = "answer.auto.other_vehicles.vin"
    return [found(user, **{name: vin, f"{name}~op": operator}) for operator in ("is", "not") for vin in ASKED]


def test_filter_finds_the_same_leads_before_while_and_after(ada, monkeypatch):
    for number, vin in enumerate(VINS):
        make_lead(contact_name=f"{number}", line="auto", auto_data={"other_vehicles": [{"vin": "N"}, {"vin": vin}]})
    make_lead(contact_name="No car", line="auto")
    make_lead(contact_name="Text", line="auto", auto_data={"other_vehicles": "A"})
    before = answers(ada)
    assert before[0] == ["0"] and before[1] == ["2", "3", "4"]
    change, seen = decided_table(), []
    monkeypatch.setattr(
        table_promotion, "build_indexes", lambda *given: (seen.append(answers(ada)), build_indexes(*given))
    )
    run(change)
    assert seen == [before]
    assert "lead_other_vehicles" in str(filtered_rows(Lead, "answer.auto.other_vehicles.vin=A", ada).query)
    assert answers(ada) == before
    undo_change(change, by=ada)
    assert answers(ada) == before
    run(change)
    assert answers(ada) == before


def test_search_by_the_vin_of_any_vehicle_is_a_lookup_in_the_index_of_the_table(ada, ann):
    change, auto = run(decided_table()), InsuranceType.objects.get(code="auto")
    Lead.objects.bulk_create(
        Lead(
            contact_name=f"L{n}",
            auto_data={"other_vehicles": [{"vin": f"V{n}", "make": "VW"}, {"vin": f"W{n}"}]},
            insurance_type=auto,
            assigned_to=ann,
        )
        for n in range(3_000)
    )
    vacuum_analyze("leads", "lead_other_vehicles")
    query = "answer.auto.other_vehicles.vin=W77"
    rows = first_page(Lead, query, ada)
    assert [row.contact_name for row in rows] == ["L77"]
    assert "lead_other_vehicles_vin" in plan_indexes(rows)
    assert not any(node["Node Type"] == "Seq Scan" for node in plan_nodes(rows))
    other = make_user("olga", "agent")
    assert not filtered_rows(Lead, query, other).exists(), "leads of other owners stay hidden"
    undo_change(change, by=ada)
    assert "lead_other_vehicles" not in str(filtered_rows(Lead, query, ada).query)


def test_list_says_that_a_filter_reads_the_table(ada):
    run(decided_table())
    make_lead(line="auto", auto_data={"other_vehicles": [A]})
    page = page_text(browser(ada).get("/leads/lead/?answer.auto.other_vehicles.vin=A"))
    assert ">table<" in page


@needs_embedded_server
def test_dump_restores_a_table_that_goes_on_following(ada):
    lead = make_lead(auto_data={"other_vehicles": [A, B]})
    run(decided_table())
    own = rows(lead)
    with restored_from_dump():
        assert rows(lead) == own
        assert status() == "Everything is as decided.\n"
        execute("UPDATE lead_other_vehicles SET vin = 'Z' WHERE vin = 'B'")
        execute("UPDATE leads SET auto_data = jsonb_set(auto_data, '{other_vehicles,0,vin}', '\"Y\"')")
        assert [vin for _, vin, _ in rows(lead)] == ["Y", "Z"]
        assert Lead.objects.get().auto_data["other_vehicles"] == [{**A, "vin": "Y"}, {**B, "vin": "Z"}]


def test_screens_tell_what_became_of_the_group(theo):
    change = run(decided_table())
    shown = page_text(browser(theo).get(f"/crm/schemachange/{change.pk}/change/"))
    for part in ("Applied: Table", "The table lead_other_vehicles has a row for each entry", "lead_other_vehicles_vin"):
        assert part in shown
    assert "Auto: Other vehicles · VIN (Text)" in shown
    figures = {"row_count": 50_000, "filled_count": 50_000, "kinds": {"rows": 50_000}}
    row = FieldStatistic.objects.create(table="leads.lead", column="auto_data", key="other_vehicles", **figures)
    (advised,) = load_advice([row])
    assert advised.advice.reason == "The table lead_other_vehicles serves this key already."
