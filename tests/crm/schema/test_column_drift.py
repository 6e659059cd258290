"""A promoted column that someone changed by hand: reported in words, and repaired; and what other tools do to it."""

import io

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, migrations, models
from django.db.migrations.loader import MigrationLoader

from crm.models import Client, SchemaChange
from crm.schema.promotion.columns import KeyColumn
from crm.schema.promotion.promotions import promotion_of
from crm.schema.promotion.running import run_change
from crm.schema.promotion.transitions import resume_change
from tests.crm.schema.promotions import (
    decided,
    fill_clients,
    make_field,
    needs_embedded_server,
    our_objects,
    promote,
    restored_from_dump,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("no_indexes_left")]


def fill_in(text: str, column: KeyColumn) -> str:
    names = {"c": column.name, "trigger": column.trigger_name, "same": column.check_name}
    return text.format(**names, stats=column.statistics_name)


def execute(column: KeyColumn, *statements: str) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(fill_in(statement, column))


def drift() -> str:
    out = io.StringIO()
    with pytest.raises(CommandError, match="difference"):
        call_command("schema", "status", stdout=out)
    return out.getvalue()


def repair(change: SchemaChange, ada) -> None:
    resume_change(change, by=ada)
    run_change(change.pk)
    change.refresh_from_db()
    assert (change.state, change.error_message) == ("APPLIED", "")
    assert list(promotion_of(change).problems()) == []
    out = io.StringIO()
    call_command("schema", "status", stdout=out)
    assert out.getvalue() == "Everything is as decided.\n"


DRIFTS = [
    (["ALTER TABLE clients DROP COLUMN {c} CASCADE"], ["the column {c} is missing"]),
    (["DROP TRIGGER {trigger} ON clients"], ["the trigger {trigger} is missing"]),
    (["ALTER TABLE clients DISABLE TRIGGER {trigger}"], ["the trigger {trigger} is disabled"]),
    (["DROP FUNCTION {trigger} CASCADE"], ["the trigger {trigger} is missing"]),
    (["ALTER TABLE clients DROP CONSTRAINT {same}"], ["the check {same} is missing"]),
    (["DROP INDEX {c}_sort"], ["the index {c}_sort is missing"]),
    (["DROP STATISTICS {stats}"], ["the statistics {stats} are missing"]),
    (
        [
            "ALTER TABLE clients DROP CONSTRAINT {same}",
            "ALTER TABLE clients DISABLE TRIGGER {trigger}",
            "UPDATE clients SET {c} = 99 WHERE name = '5'",
        ],
        ["the trigger {trigger} is disabled", "1 of the rows looked at differ between the column {c} and the JSON"],
    ),
]


@pytest.mark.parametrize(("statements", "sentences"), DRIFTS)
def test_status_says_what_was_changed_by_hand_and_repair_mends_it(ada, statements, sentences):
    fill_clients([5, "x", None])
    change = promote(make_field(kind="number"), "column")
    column = KeyColumn.of(change)
    execute(column, *statements)
    text = drift()
    for sentence in sentences:
        assert f"{change}: {fill_in(sentence, column)}" in text
    assert "belongs to no change" not in text and text.count("disabled") <= 1 and "Press Repair" in text
    repair(change, ada)
    execute(column, "SELECT 1 / (count(*) = 0)::integer FROM clients WHERE {c} = 99")


def test_column_and_trigger_that_no_change_explains_are_named():
    column = KeyColumn.of(decided(make_field(kind="number"), "column"))
    SchemaChange.objects.update(state="UNDONE", rolled_back_at="2026-01-01T00:00Z")
    with connection.cursor() as cursor:
        cursor.execute(column.create)
    text = drift()
    assert f"The column {column.name} belongs to no change." in text
    assert f"The trigger {column.trigger_name} belongs to no change." in text


def test_database_refuses_to_let_both_diverge_while_the_trigger_is_disabled():
    column = KeyColumn.of(promote(make_field(kind="number"), "column"))
    fill_clients([1])
    execute(column, "ALTER TABLE clients DISABLE TRIGGER {trigger}")
    with pytest.raises(IntegrityError, match=column.check_name):
        Client.objects.update(custom_fields={"level": 2})


class AddedField(migrations.Migration):
    operations = [
        migrations.AddField("client", "shoe_size", models.IntegerField(null=True)),
        migrations.RunSQL("ALTER TABLE clients ALTER COLUMN name SET STATISTICS 200"),
        migrations.RemoveField("client", "shoe_size"),
    ]


def test_later_migration_of_the_table_leaves_the_column_alone(ada):
    fill_clients([1])
    change = promote(make_field(kind="number"), "column")
    state = MigrationLoader(connection).project_state()
    with connection.schema_editor() as editor:
        AddedField("later", "crm").apply(state, editor)
    assert list(promotion_of(change).problems()) == []
    call_command("makemigrations", "--check", "--dry-run", verbosity=0)


@needs_embedded_server
def test_dump_restores_column_trigger_check_and_values():
    fill_clients([5, "x"])
    change = promote(make_field(kind="number", key="it's"), "column")
    other = promote(make_field(kind="date", key="day"), "column")
    Client.objects.create(name="Late", custom_fields={"it's": 7.5, "day": "2026-02-01"})
    own = our_objects()
    with restored_from_dump():
        assert our_objects() == own
        for promoted in (change, other):
            assert list(promotion_of(promoted).problems()) == []
        Client.objects.create(name="New", custom_fields={"it's": 8})
        execute(KeyColumn.of(change), "SELECT 1 / (sum({c}) = 15.5)::integer FROM clients")
