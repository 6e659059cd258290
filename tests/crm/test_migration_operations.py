"""Our operations of migrations: many in one step, forwards and back, and an index whose building was cut off."""

from unittest import mock

import pytest
from django.db import connection, migrations, models
from django.db.migrations.state import ModelState, ProjectState

from crm.records.migration_operations import AddIndexConcurrently, InOneStep

pytestmark = pytest.mark.django_db(transaction=True)
TABLE = "crm_shelf"


@pytest.fixture
def state():
    """A table that no app has."""
    state = ProjectState()
    state.add_model(
        ModelState("crm", "Shelf", [("id", models.AutoField(primary_key=True)), ("room", models.TextField())])
    )
    with connection.schema_editor() as editor:
        editor.create_model(state.apps.get_model("crm", "Shelf"))
    yield state
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE {TABLE}")


def apply(operation, before: ProjectState, *, atomic: bool = True) -> ProjectState:
    after = before.clone()
    operation.state_forwards("crm", after)
    with connection.schema_editor(atomic=atomic) as editor:
        operation.database_forwards("crm", editor, before, after)
    return after


def columns_and_constraints() -> tuple[set[str], set[str]]:
    with connection.cursor() as cursor:
        columns = {one.name for one in connection.introspection.get_table_description(cursor, TABLE)}
        return columns, set(connection.introspection.get_constraints(cursor, TABLE))


def test_operations_in_one_step_do_what_they_do_apart_and_are_taken_back(state):
    before = columns_and_constraints()
    step = InOneStep(
        [
            migrations.AddField("shelf", "height", models.IntegerField(default=1)),
            migrations.AddConstraint(
                "shelf", models.CheckConstraint(name="shelf_is_high", condition=models.Q(height__gt=0))
            ),
            migrations.AddIndex("shelf", models.Index(fields=["height", "room"], name="shelf_place")),
        ]
    )
    after = apply(step, state)
    columns, constraints = columns_and_constraints()
    assert columns == {"id", "room", "height"} and {"shelf_is_high", "shelf_place"} <= constraints
    with connection.schema_editor() as editor:
        step.database_backwards("crm", editor, after, state)
    assert columns_and_constraints() == before


def test_operations_in_one_step_render_the_models_once(state):
    step = InOneStep([migrations.AddField("shelf", name, models.IntegerField(default=1)) for name in ("a", "b", "c")])
    after = state.clone()
    with mock.patch.object(ProjectState, "_reload") as reload:
        step.state_forwards("crm", after)
    assert not reload.called and "apps" not in after.__dict__
    assert {"a", "b", "c"} <= {field.name for field in after.apps.get_model("crm", "Shelf")._meta.fields}


def test_step_is_reversible_if_each_operation_is():
    assert InOneStep([migrations.RunSQL("SELECT 1", "SELECT 2")]).reversible
    assert not InOneStep([migrations.RunSQL("SELECT 1")]).reversible


def test_index_takes_the_place_of_what_a_killed_migration_left(state):
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE INDEX shelf_room ON {TABLE} (id)")
    apply(AddIndexConcurrently("shelf", models.Index(fields=["room"], name="shelf_room")), state, atomic=False)
    with connection.cursor() as cursor:
        assert connection.introspection.get_constraints(cursor, TABLE)["shelf_room"]["columns"] == ["room"]
