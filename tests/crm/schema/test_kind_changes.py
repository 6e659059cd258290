"""Changing the kind of a custom field: what converts, the preview, the job, and its undoing."""

from uuid import UUID

import pytest
from django.contrib.auth.models import Permission
from django.db import DatabaseError, OperationalError, connection, transaction
from django.db.models import TextField
from django.db.models.functions import Cast

from crm.exceptions import IllegalTransition, InvalidInput, NotPermitted
from crm.models import Client, CustomField, KindChangeState, KindChangeValue, Merge
from crm.records.merging.transitions import merge, unmerge
from crm.records.transitions import purge, soft_delete
from crm.schema.change_lock import ChangeLocked, change_lock
from crm.schema.kind_changes import running, stored_values
from crm.schema.kind_changes.conversion import KindConverter
from crm.schema.kind_changes.preview import preview_change
from crm.schema.kind_changes.running import run_kind_change
from crm.schema.kind_changes.transitions import change_kind, undo_kind_change
from crm.schema.requests.transitions import decide_request, request_change
from tests.cast import make_client, make_contact, page_text
from tests.crm.schema.promotions import SchemaChange, decided_index, decided_table, make_field

pytestmark = pytest.mark.django_db


def converted(before: CustomField, after: CustomField, value):
    """Return what a value becomes, and whether it loses detail; None if it does not convert."""
    found = KindConverter(before, after).convert(value)
    return (found.value, found.is_exact) if found.fits else None


def field_of(kind: str, *labels: str) -> CustomField:
    choices = [{"value": label[:1].lower(), "label": label, "retired": label == "Old"} for label in labels]
    return CustomField(kind=kind, choices=choices)


@pytest.mark.parametrize(
    ("before", "after", "value", "expected"),
    [
        ("text", "number", "5", (5, True)),
        ("text", "money", "$1,200", (1200, False)),
        ("text", "number", "many", None),
        ("text", "number", "1e400", None),
        ("number", "text", 5, ("5", True)),
        ("number", "text", 12.5, ("12.5", True)),
        ("text", "yes_no", "Yes", (True, False)),
        ("text", "yes_no", "no", (False, True)),
        ("yes_no", "text", True, ("yes", True)),
        ("text", "date", " 2026-03-04 ", ("2026-03-04", False)),
        ("date", "date_time", "2026-03-04", ("2026-03-04T05:00:00+00:00", True)),
        ("date_time", "date", "2026-03-04T02:00:00+00:00", ("2026-03-03", False)),
        ("text", "email", "ann@x.example", ("ann@x.example", True)),
        ("text", "email", "ann", None),
        ("long_text", "text", "x" * 501, None),
        ("number", "date", 20260304, None),
    ],
)
def test_value_becomes_one_of_the_new_kind(settings, before, after, value, expected):
    settings.TIME_ZONE = "America/New_York"
    assert converted(field_of(before), field_of(after), value) == expected


@pytest.mark.parametrize(
    ("before", "after", "value", "expected"),
    [
        (field_of("choice", "Gold", "Old"), field_of("text"), "g", ("Gold", True)),
        (field_of("choice", "Gold", "Old"), field_of("choices", "Gold", "Old"), "o", (["o"], True)),
        (field_of("choices", "Gold", "Old"), field_of("choice", "Gold", "Old"), ["g", "o"], None),
        (field_of("choices", "Gold", "Old"), field_of("text"), ["g", "x"], ("Gold, x", False)),
        (field_of("text"), field_of("choice", "Gold"), "GOLD", ("g", False)),
        (field_of("text"), field_of("choices", "Gold", "Silver"), "gold; silver", (["g", "s"], False)),
        (field_of("text"), field_of("choice", "Gold"), "Bronze", None),
    ],
)
def test_choices_convert_by_their_labels(before, after, value, expected):
    assert converted(before, after, value) == expected


def start(field, kind, by, rule="stop"):
    change = change_kind(field, kind, misfit_rule=rule, by=by)
    run_kind_change(change.pk)
    change.refresh_from_db()
    return change


def stored() -> dict:
    return {client.name: client.custom_fields for client in Client.everything.all()}


def test_values_convert_and_come_back_exactly(max, monkeypatch):
    monkeypatch.setattr(stored_values, "BATCH_SIZE", 2)
    monkeypatch.setattr(running, "BATCH_SIZE", 2)
    field = make_field(default_value="7")
    values = {"a": "1,200", "b": "5", "c": " 9 ", "d": 4, "e": ""}
    for name, value in values.items():
        make_client(name=name, custom_fields={"level": value, "other": name})
    make_client(name="f", custom_fields={"other": "f"})
    soft_delete(Client.objects.get(name="b"), by=max)
    before = stored()
    change = start(field, "number", max)
    field.refresh_from_db()
    assert (change.state, field.kind, field.default_value) == (KindChangeState.APPLIED, "number", 7)
    assert (change.rows_done, change.row_count) == (4, 4)
    assert [stored()[name]["level"] for name in values] == [1200, 5, 9, 4, ""]
    undo_kind_change(change, by=max)
    run_kind_change(change.pk)
    field.refresh_from_db()
    change.refresh_from_db()
    assert (change.state, field.kind, field.default_value) == (KindChangeState.UNDONE, "text", "7")
    assert stored() == before
    assert not KindChangeValue.objects.exists()


def test_value_that_does_not_convert_stops_the_change(max):
    field = make_field()
    make_client(custom_fields={"level": "5"})
    make_client(custom_fields={"level": "many"})
    before = stored()
    change = start(field, "number", max)
    field.refresh_from_db()
    assert (change.state, change.misfit_count, field.kind) == (KindChangeState.STOPPED, 1, "text")
    assert stored() == before


def test_value_that_does_not_convert_is_set_aside_and_comes_back(as_max, max):
    field = make_field()
    make_client(name="a", custom_fields={"level": "many"})
    make_client(name="taken", custom_fields={"level_as_text": "mine"})
    before = stored()
    change = start(field, "number", max, rule="aside")
    assert stored() == {"a": {"level_as_text_2": "many"}, "taken": {"level_as_text": "mine"}}
    page = page_text(as_max.get(f"/crm/customfield/{field.pk}/change/"))
    assert "1 value was set aside," in page and "level_as_text_2" in page
    undo_kind_change(change, by=max)
    run_kind_change(change.pk)
    assert stored() == before


def test_value_that_came_in_after_the_check_is_set_aside_and_counted(as_max, max, monkeypatch):
    field = make_field()
    make_client(name="a", custom_fields={"level": "many"})
    monkeypatch.setattr(running, "distinct_values", lambda field: iter([("5", 1)]))
    change = start(field, "number", max)
    assert (change.state, change.misfit_count) == (KindChangeState.APPLIED, 1)
    assert stored() == {"a": {"level_as_text": "many"}}
    assert "1 value was set aside," in page_text(as_max.get(f"/crm/customfield/{field.pk}/change/"))


def test_undoing_keeps_what_people_have_changed_and_lists_it(as_max, as_ann, max, bob):
    field = make_field()
    own, hidden = make_client(name="Own"), make_client(name="Hidden", assigned_to=bob)
    Client.objects.update(custom_fields={"level": "5"})
    make_client(name="Same", custom_fields={"level": "6"})
    change = start(field, "number", max)
    Client.objects.filter(pk__in=[own.pk, hidden.pk]).update(custom_fields={"level": 7})
    undo_kind_change(change, by=max)
    run_kind_change(change.pk)
    assert stored() == {"Own": {"level": 7}, "Hidden": {"level": 7}, "Same": {"level": "6"}}
    page = page_text(as_max.get(f"/crm/customfield/{field.pk}/change/"))
    assert "2 values not restored," in page and ">Own</a>" in page and ">Hidden</a>" in page and ">Same</a>" not in page
    page = page_text(as_ann.get(f"/crm/customfield/{field.pk}/change/"))
    assert ">Own</a>" in page and "2 values" not in page
    assert "Hidden" not in page and "Another owner" not in page


def test_job_after_a_crash_goes_on_and_converts_nothing_twice(max, monkeypatch):
    monkeypatch.setattr(stored_values, "BATCH_SIZE", 1)
    # The label of one choice is the value of the other: converted twice, a value would be the second label.
    choices = [{"value": "a", "label": "b", "retired": False}, {"value": "b", "label": "c", "retired": False}]
    field = CustomField.objects.create(table="crm.client", key="level", label="Level", kind="choice", choices=choices)
    for name, value in (("stays", "x"), ("first", "a"), ("second", "a")):
        make_client(name=name, custom_fields={"level": value})
    change = change_kind(field, "text", misfit_rule="stop", by=max)
    write, calls = stored_values.write_batch, []

    def fail_at_the_second(*args):
        calls.append(args)
        if len(calls) == 2:
            raise KeyboardInterrupt
        write(*args)

    monkeypatch.setattr("crm.schema.kind_changes.transitions.write_batch", fail_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        run_kind_change(change.pk)
    run_kind_change(change.pk)
    assert {name: values["level"] for name, values in stored().items()} == {"stays": "x", "first": "b", "second": "b"}
    change.refresh_from_db()
    assert (change.rows_done, change.row_count) == (3, 3)


WRITING, READING = "transitions.write_batch", "running.distinct_values"


def stop_job(monkeypatch, place: str, sql: str) -> None:
    """Let `sql` fail in the place of a step of the job."""

    def fail(*args):
        with connection.cursor() as cursor:
            cursor.execute(sql)

    monkeypatch.setattr(f"crm.schema.kind_changes.{place}", fail)


def test_page_says_why_a_change_stopped_until_it_goes_on(max, as_max, as_ann, monkeypatch):
    field = make_field()
    make_client(custom_fields={"level": "5"})
    page = f"/crm/customfield/{field.pk}/change/"
    with monkeypatch.context() as patch:
        stop_job(patch, WRITING, "SELECT 'secret'::integer")
        change = start(field, "number", max)
    assert change.state == KindChangeState.RUNNING
    text = page_text(as_max.get(page))
    assert "The database refused: invalid input syntax for type integer: &quot;secret&quot;." in text
    assert "A job tries again every hour." in text
    text = page_text(as_ann.get(page))
    assert "An error of the database stopped the job." in text and "secret" not in text
    run_kind_change(change.pk)
    change.refresh_from_db()
    assert (change.state, change.error_message) == (KindChangeState.APPLIED, "")
    assert "tries again" not in page_text(as_max.get(page))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("place", [READING, WRITING])
def test_page_says_that_the_connection_was_lost_and_the_job_tries_again(max, as_max, monkeypatch, place):
    field = make_field()
    make_client(custom_fields={"level": "5"})
    change = change_kind(field, "number", misfit_rule="stop", by=max)
    with monkeypatch.context() as patch:
        stop_job(patch, place, "SELECT pg_terminate_backend(pg_backend_pid())")
        with pytest.raises(OperationalError):
            run_kind_change(change.pk)
    page = f"/crm/customfield/{field.pk}/change/"
    assert "The connection to the database was lost." in page_text(as_max.get(page))
    run_kind_change(change.pk)
    change.refresh_from_db()
    assert (change.state, change.error_message) == (KindChangeState.APPLIED, "")


def test_only_one_job_works_on_a_change_of_kind(max):
    change = change_kind(make_field(), "number", misfit_rule="stop", by=max)
    with change_lock(change.pk), pytest.raises(ChangeLocked):
        run_kind_change(change.pk)
    run_kind_change(change.pk)
    change.refresh_from_db()
    assert change.state == KindChangeState.APPLIED


def test_texts_become_choices_and_choices_texts(max):
    field = make_field()
    for name, value in (("a", "Gold"), ("b", "gold"), ("c", "Silver")):
        make_client(name=name, custom_fields={"level": value})
    change = start(field, "choice", max)
    field.refresh_from_db()
    assert list(field.choice_labels()) == ["Gold", "Silver"]
    assert {values["level"] for values in stored().values()} == {"Gold", "Silver"}
    undo_kind_change(change, by=max)
    run_kind_change(change.pk)
    field.refresh_from_db()
    assert (field.kind, field.choices, stored()["b"]) == ("text", [], {"level": "gold"})


def test_promoted_field_is_refused_with_what_to_undo_first(max):
    field = make_field()
    decided_index(field)
    with pytest.raises(IllegalTransition, match="promoted \\(index, queued\\).* Undo that schema request first"):
        change_kind(field, "number", misfit_rule="stop", by=max)


def test_promotion_waits_for_a_change_of_kind(max, ada):
    field = make_field()
    change_kind(field, "number", misfit_rule="stop", by=max)
    request = SchemaChange(table=field.table, key=field.key, proposed="index", why="Slow.", expected_use="Daily.")
    request_change(request, by=ada)
    with pytest.raises(IllegalTransition, match="is being changed"):
        decide_request(request, decision="index", reason="Used.", by=ada)


def test_decision_about_a_question_does_not_wait_for_a_field_with_its_key(max, ada):
    change_kind(make_field(table="leads.lead", key="other_vehicles"), "number", misfit_rule="stop", by=max)
    assert decided_table("other_vehicles").state == "QUEUED"


def test_change_of_kind_needs_the_permission_another_kind_and_no_other_change(ann, max):
    field = make_field()
    with pytest.raises(NotPermitted):
        change_kind(field, "number", misfit_rule="stop", by=ann)
    with pytest.raises(InvalidInput, match="has this kind already"):
        change_kind(field, "text", misfit_rule="stop", by=max)
    change = change_kind(field, "number", misfit_rule="stop", by=max)
    with pytest.raises(InvalidInput, match="is being changed already"):
        change_kind(field, "date", misfit_rule="stop", by=max)
    run_kind_change(change.pk)
    change.refresh_from_db()
    with pytest.raises(NotPermitted):
        undo_kind_change(change, by=ann)
    field.refresh_from_db()
    start(field, "money", max)
    with pytest.raises(IllegalTransition, match="Undo the last change first"):
        undo_kind_change(change, by=max)


def test_database_lets_only_a_running_change_set_the_kind(max):
    field = make_field()
    change_kind(field, "number", misfit_rule="stop", by=max)
    for kind in ("number", "date"):
        with pytest.raises(DatabaseError, match="except by a change of kind"), transaction.atomic():
            CustomField.objects.filter(pk=field.pk).update(kind=kind)


def test_purged_record_leaves_no_value_behind(ada, max):
    client = make_client(custom_fields={"level": "5"})
    start(make_field(), "number", max)
    assert KindChangeValue.objects.filter(record_id=client.pk).exists()
    soft_delete(client, by=ada)
    purge(client, by=ada)
    assert not KindChangeValue.objects.exists()


# The page


def test_preview_groups_the_values_that_a_user_may_see(ann, bob, max):
    field = make_field()
    for value in ("5", "5", "1,200", "many"):
        make_client(custom_fields={"level": value})
    make_client(custom_fields={"level": "hidden"}, assigned_to=bob)
    preview = preview_change(field, "number", ann)
    lines = [(line.before, line.after, line.count) for line in preview.lines]
    assert lines == [("many", "", 1), ("1,200", "1200", 1), ("5", "5", 2)]
    assert (preview.record_count, preview.misfit_count, preview.inexact_count) == (4, 1, 1)
    assert preview_change(field, "number", max).misfit_count == 2


def test_page_previews_and_begins_the_change(as_max, as_ann):
    field = make_field()
    make_client(custom_fields={"level": "many"})
    page = f"/crm/customfield/{field.pk}/kind/"
    assert as_ann.get(page).status_code == 403
    assert f'href="{page}"' in page_text(as_max.get(f"/crm/customfield/{field.pk}/change/"))
    assert "Select a valid choice" in page_text(as_max.get(f"{page}?kind=text"))
    assert "does not convert" in page_text(as_max.get(f"{page}?kind=number"))
    response = as_max.post(page, {"kind": "nonsense", "misfit_rule": "stop"}, follow=True)
    assert "“nonsense” is not a kind of custom fields." in page_text(response)
    response = as_max.post(page, {"kind": "number", "misfit_rule": "stop"}, follow=True)
    assert "A job changes the kind of “Level” to Number." in page_text(response)
    change = field.kind_changes.get()
    run_kind_change(change.pk)
    assert "1 value does not convert." in page_text(as_max.get(f"/crm/customfield/{field.pk}/change/"))


def test_undoing_is_an_action_of_the_field(as_max, max):
    field = make_field()
    client = make_client(custom_fields={"level": "5"})
    change = start(field, "number", max)
    response = as_max.post(f"/crm/customfield/{field.pk}/do/undo-kind/", follow=True)
    assert "“Level” is of the kind Text again." in page_text(response)
    run_kind_change(change.pk)
    client.refresh_from_db()
    assert client.custom_fields == {"level": "5"}


def test_number_with_more_digits_than_python_keeps_converts_and_comes_back_exactly(as_max, max):
    field = make_field(kind="number", is_on_list=True)
    numbers = ["0.12345678901234567890123", "1e5000", f"1{'0' * 400}.5", "1.10"]
    clients = [make_client(name=number[:30]) for number in numbers]
    for client, number in zip(clients, numbers, strict=True):
        write_number(client, number)
    before = json_texts()
    for url in ("/crm/client/?cf.level~op=filled", f"/crm/customfield/{field.pk}/kind/?kind=text"):
        assert as_max.get(url).status_code == 200
    assert all(as_max.get(f"/crm/client/{client.pk}/change/").status_code == 200 for client in clients)
    change = start(field, "text", max, rule="aside")
    assert sorted(list(client.custom_fields) for client in Client.objects.all()) == [
        ["level"],
        *[["level_as_number"]] * 3,
    ]
    undo_kind_change(change, by=max)
    run_kind_change(change.pk)
    assert json_texts() == before


def write_number(client: Client, number: str) -> None:
    """Write a number into the field as other programs can."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE clients SET custom_fields = ('{\"level\": ' || %s || '}')::jsonb WHERE id = %s", [number, client.pk]
        )


def json_texts() -> dict:
    return dict(Client.objects.annotate(text=Cast("custom_fields", TextField())).values_list("name", "text"))


# References


def test_texts_become_references_to_the_records_that_they_name(max, bob):
    olga = make_client(name="Olga Olsen", email="olga@x.example")
    field = make_field(table="crm.contact", default_value=str(olga.pk))
    values = {"a": "olga olsen", "b": str(olga.pk), "c": "OLGA@x.example", "d": "Twin", "e": "Nobody"}
    make_client(name="Twin"), make_client(name="Twin")
    rows = {name: make_contact(name=name, custom_fields={"level": value}) for name, value in values.items()}
    preview = preview_change(field, "client", max)
    assert (preview.record_count, preview.misfit_count, preview.inexact_count) == (5, 2, 2)
    lines = {line.before: (line.after, line.converted.fits, line.converted.is_exact) for line in preview.lines}
    assert lines["olga olsen"] == ("Olga Olsen", True, False)
    assert lines[str(olga.pk)] == ("Olga Olsen", True, True)
    assert lines["Twin"] == lines["Nobody"] == ("", False, True)
    change = start(field, "client", max, rule="aside")
    field.refresh_from_db()
    assert (change.state, field.kind, field.default_value) == (KindChangeState.APPLIED, "client", None)
    after = {name: type(row).objects.get(pk=row.pk).custom_fields for name, row in rows.items()}
    assert [after[name].get("level") for name in "abc"] == [str(olga.pk)] * 3
    assert after["d"] == {"level_as_text": "Twin"}
    undo_kind_change(change, by=max)
    run_kind_change(change.pk)
    assert {name: type(row).objects.get(pk=row.pk).custom_fields["level"] for name, row in rows.items()} == values


def test_only_records_that_the_user_may_open_are_found_and_named(ann, bob):
    ann.user_permissions.add(Permission.objects.get(codename="change_customfield"))
    hidden = make_client(name="Secret Sam", assigned_to=bob)
    field = make_field(table="crm.contact")
    for value in ("Secret Sam", str(hidden.pk)):
        make_contact(custom_fields={"level": value})
    assert preview_change(field, "client", ann).misfit_count == 2
    change = start(field, "client", ann)
    assert (change.state, change.misfit_count) == (KindChangeState.STOPPED, 2)


def test_a_reference_becomes_the_key_as_text_because_not_every_reader_may_read_the_name(max):
    olga = make_client(name="Olga")
    field = make_field(kind="client")
    client = make_client(custom_fields={"level": str(olga.pk)})
    (line,) = preview_change(field, "text", max).lines
    assert (line.before, line.after, line.converted.is_exact) == ("Olga", str(olga.pk), True)
    start(field, "text", max)
    client.refresh_from_db()
    assert client.custom_fields == {"level": str(olga.pk)}


def test_undoing_empties_references_to_records_that_were_purged_since(max, ada):
    gone, there, deleted = make_client(name="Gone Gil"), make_client(name="Olga"), make_client(name="Otto")
    field = make_field(kind="client", key="it's 100%")
    rows = [make_client(custom_fields={"it's 100%": str(one.pk), "x": 1}) for one in (gone, there, deleted)]
    rows.append(make_client(custom_fields={"it's 100%": "no key"}))
    change = start(field, "text", max)
    for one in (gone, deleted):
        soft_delete(one, by=ada)
    purge(gone, by=ada)
    assert Client.objects.get(pk=rows[0].pk).custom_fields["it's 100%"] == str(gone.pk)  # a text is no reference
    undo_kind_change(change, by=max)
    run_kind_change(change.pk)
    change.refresh_from_db()
    assert change.state == KindChangeState.UNDONE
    after = [Client.objects.get(pk=row.pk).custom_fields for row in rows]
    assert after[0] == {"x": 1}
    assert [one["it's 100%"] for one in after[1:]] == [str(there.pk), str(deleted.pk), "no key"]


def test_undoing_lets_references_follow_the_merges_since_and_their_undoing(max, ada):
    field = make_field(kind="contact")
    first, second, winner, other = (make_contact() for _ in range(4))
    clients = [make_client(custom_fields={"level": str(contact.pk)}) for contact in (first, second, other)]
    change = start(field, "text", max)
    merges = [merge(second, first, {}, by=ada), merge(winner, second, {}, by=ada)]
    assert values_of(clients) == [first.pk, second.pk, other.pk]  # texts, which no merge moves
    undo_kind_change(change, by=max)
    run_kind_change(change.pk)
    assert values_of(clients) == [winner.pk, winner.pk, other.pk]
    for one in reversed(merges):
        assert unmerge(Merge.objects.get(pk=one.pk), by=ada) == []
    assert values_of(clients) == [first.pk, second.pk, other.pk]


def values_of(clients) -> list[UUID]:
    rows = Client.objects.in_bulk([client.pk for client in clients])
    return [UUID(rows[client.pk].custom_fields["level"]) for client in clients]


@pytest.mark.parametrize(("before", "after"), [("client", "number"), ("date", "client"), ("client", "lead")])
def test_a_reference_changes_to_and_from_texts_only(as_max, max, before, after):
    field = make_field(kind=before)
    with pytest.raises(InvalidInput, match="Change the kind to “Text” first"):
        change_kind(field, after, misfit_rule="stop", by=max)
    text = page_text(as_max.get(f"/crm/customfield/{field.pk}/kind/"))
    assert f'<option value="{after}">' not in text and '<option value="text">' in text or before == "date"
