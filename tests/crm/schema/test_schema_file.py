"""`manage.py schema`: what is decided in one database is replayed in another, and drift is reported."""

import io
import json
from contextlib import contextmanager

import pytest
from django.contrib.auth.models import Group
from django.core.management import CommandError, call_command
from django.db import connection

from crm.models import CustomField, SchemaChange
from crm.schema.promotion.running import run_change
from crm.schema.promotion.transitions import undo_change
from crm.schema.requests.transitions import decide_request, request_change
from crm.schema.transitions import retire_field
from tests.cast import make_user
from tests.crm.schema.promotions import decided_table, is_valid, make_field, our_objects, promote
from tests.template_database import connected_to, template_name

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("no_indexes_left")]


def schema(*arguments: str, **options) -> str:
    out = io.StringIO()
    call_command("schema", *arguments, stdout=out, **options)
    return out.getvalue()


@contextmanager
def second_database():
    """Connect to another migrated database inside the block."""
    name = f"{connection.settings_dict['NAME']}_second"
    with connection._nodb_cursor() as cursor:
        cursor.execute(f'DROP DATABASE IF EXISTS "{name}"')
        cursor.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template_name()}"')
    try:
        with connected_to(name):
            yield
    finally:
        with connection._nodb_cursor() as cursor:
            cursor.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def make_schema(ada) -> None:
    """Define fields and decide requests: indexes, one undone and applied again, a table, one that stays, one open."""
    promote(make_field(key="it's 💶", label="Budget", kind="money"))
    again = make_field(key="level", kind="choice", choices=["Gold", "Silver"], is_on_list=True)
    first = promote(again)
    undo_change(first, by=ada)
    run_change(first.pk)
    promote(again)
    promote(again, "column")
    make_field(key="referrer", label="Referred by", kind="client")
    retire_field(make_field(key="old", label="Old"), by=ada)
    run_change(decided_table().pk)
    for key, decision in (("pets", "stay"), ("region", "")):
        change = SchemaChange(table="leads.lead", key=key, proposed="table", why="Several.", expected_use="Monthly.")
        request_change(change, by=ada)
        if decision:
            decide_request(change, decision=decision, reason="Few have any.", by=ada)


def test_second_database_becomes_the_same_and_exports_the_same_file(ada, tmp_path):
    make_schema(ada)
    path = tmp_path / "schema.json"
    schema("export", str(path))
    text, objects = path.read_text(), our_objects()
    assert text == schema("export"), "the same contents give the same text"
    assert "it's 💶" in text and "region" not in text
    assert schema("status", str(path)) == "Everything is as decided.\n"
    with second_database():
        make_user("ada", "administrator")
        expected = len(json.loads(text)["fields"]) + len(json.loads(text)["changes"])
        assert schema("apply", str(path), dry_run=True).count("only in the file") == expected
        assert not CustomField.objects.exists()
        assert f"{expected} changes made." in schema("apply", str(path))
        assert (schema("export"), our_objects()) == (text, objects)
        assert schema("apply", str(path)) == "0 changes made.\n"
        assert schema("status", str(path)) == "Everything is as decided.\n"


def test_undone_change_is_undone_in_the_other_database_too(ada, tmp_path):
    change = promote(make_field(kind="number"))
    applied = schema("export")
    undo_change(change, by=ada)
    run_change(change.pk)
    undone = tmp_path / "undone.json"
    schema("export", str(undone))
    (tmp_path / "applied.json").write_text(applied)
    with pytest.raises(CommandError, match="it was undone here. Request it again."):
        schema("apply", str(tmp_path / "applied.json"))
    with second_database():
        schema("apply", str(tmp_path / "applied.json"))
        assert is_valid(change) == [True]
        assert "Change crm.client “level” (index): undoing." in schema("apply", str(undone))
        assert our_objects() == []


def test_roles_go_by_name_and_an_unknown_one_is_refused(tmp_path):
    auditors = Group.objects.create(name="auditor")
    field = make_field(editor_roles=[auditors.pk])
    path = tmp_path / "schema.json"
    schema("export", str(path))
    assert json.loads(path.read_text())["fields"][0]["editors"] == ["auditor"]
    auditors.delete()
    with pytest.raises(CommandError, match="there is no role “auditor”"):
        schema("apply", str(path))
    auditors = Group.objects.create(name="auditor")
    assert "changed editor_roles" in schema("apply", str(path))
    field.refresh_from_db()
    assert field.editor_roles == [auditors.pk]
    auditors.delete()


def test_changed_definition_follows_the_file_and_what_is_only_here_stays(tmp_path):
    field = make_field(label="Level")
    path = tmp_path / "schema.json"
    schema("export", str(path))
    CustomField.objects.filter(pk=field.pk).update(label="Grade", is_on_list=True)
    make_field(key="extra", label="Extra")
    with pytest.raises(CommandError, match="2 differences."):
        schema("status", str(path))
    assert "changed label, is_on_list" in schema("apply", str(path))
    field.refresh_from_db()
    assert (field.label, field.is_on_list) == ("Level", False)
    assert CustomField.objects.filter(key="extra").exists()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda file: "{", "is not JSON"),
        (lambda file: "[" * 100_000, "is not JSON"),
        (lambda file: {**file, "format": 2}, "format: 1 was expected"),
        (lambda file: {**file, "fields": [{"key": "x"}]}, "'table' is a required property"),
        (lambda file: {**file, "fields": file["fields"] * 2}, "is in the file twice"),
        (lambda file: {**file, "fields": [{**file["fields"][0], "kind": "text"}]}, "its kind is number here"),
        (lambda file: {**file, "fields": [{**file["fields"][0], "label": ""}]}, "cannot be blank"),
        (lambda file: {**file, "changes": [{**file["changes"][0], "decided_at": "soon"}]}, "no date and time"),
        (lambda file: {**file, "changes": [{**file["changes"][0], "why": "x"}]}, "decided in another way"),
        (lambda file: {**file, "changes": [{**file["changes"][0], "id": "1" * 32}]}, "changes/0/id: '1+' is not a"),
        (
            lambda file: {
                **file,
                "changes": [
                    {**file["changes"][0], "id": "01990000-0000-7000-8000-000000000001", "decision_reason": ""}
                ],
            },
            "A decision needs a reason",
        ),
    ],
)
def test_file_that_cannot_be_replayed_changes_nothing(change, sentence, tmp_path):
    promote(make_field(kind="number"))
    before = schema("export")
    contents = change(json.loads(before))
    path = tmp_path / "schema.json"
    path.write_text(contents if isinstance(contents, str) else json.dumps(contents))
    with pytest.raises(CommandError, match=sentence):
        schema("apply", str(path))
    assert schema("export") == before


def test_missing_file_is_said_in_a_sentence(tmp_path):
    for action in ("apply", "export"):
        with pytest.raises(CommandError, match="cannot be"):
            schema(action, str(tmp_path / "no" / "such.json"))


def test_status_finds_what_was_removed_or_disabled_by_hand(ada, tmp_path):
    change = promote(make_field(kind="text"))
    assert schema("status") == "Everything is as decided.\n"
    with connection.cursor() as cursor:
        for kind, name in our_objects():
            if kind == "STATISTICS" or name.endswith("_words"):
                cursor.execute(f"DROP {kind} {name}")
        cursor.execute("CREATE INDEX cf_of_hand ON clients (name)")
        cursor.execute("ALTER TABLE custom_fields DISABLE TRIGGER pgtrigger_identity_is_fixed_a575f")
    out = io.StringIO()
    try:
        with pytest.raises(CommandError, match="4 differences."):
            call_command("schema", "status", stdout=out)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE custom_fields ENABLE TRIGGER pgtrigger_identity_is_fixed_a575f")
    text = out.getvalue()
    assert "_words is missing" in text and "_stats are missing" in text
    assert "The index cf_of_hand belongs to no change." in text
    assert "Trigger pgtrigger_identity_is_fixed_a575f of custom_fields is disabled." in text
    assert change.state == "APPLIED"
