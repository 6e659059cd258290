"""Bulk edit: one custom field or one tag of the selected records, with an outcome for each."""

import pytest
from django.contrib.messages import get_messages

from crm.exceptions import IllegalTransition
from crm.models import ActivityLog, Client, CustomField
from crm.records.field_usage import buffer
from crm.records.transitions import set_custom_field, soft_delete
from leads.models import Lead
from tests.cast import browser, make_client, make_contact, make_lead, make_policy, make_user, page_text

pytestmark = pytest.mark.django_db
ADDRESSES = {"leads.lead": "/leads/lead/", "crm.client": "/crm/client/", "crm.contact": "/crm/contact/"}
ADDRESSES["leads.policy"] = "/leads/policy/"
MAKERS = {"leads.lead": make_lead, "crm.client": make_client, "crm.contact": make_contact, "leads.policy": make_policy}


def make_field(table="crm.client", **kw) -> CustomField:
    defaults = {"key": "level", "label": "Level", "kind": "text"}
    if "choices" in kw:
        kw["choices"] = [{"value": code, "label": code.title(), "retired": False} for code in kw["choices"]]
    return CustomField.objects.create(table=table, **{**defaults, **kw})


def send(page, table: str, rows, verb="set_field", **data):
    selected = [str(getattr(row, "pk", row)) for row in rows]
    data = {"action": verb, "index": "0", "apply": "1", "_selected_action": selected, **data}
    page.cookies.pop("messages", None)
    return page.post(ADDRESSES[table], {name.replace("__", "."): value for name, value in data.items()})


def messages_of(response) -> str:
    return " | ".join(str(message) for message in get_messages(response.wsgi_request))


def values_of(*rows) -> list:
    return [type(row).everything.get(pk=row.pk).custom_fields.get("level") for row in rows]


@pytest.mark.parametrize("table", ADDRESSES)
def test_a_field_is_set_and_cleared_in_every_table(as_max, table):
    make_field(table)
    rows = [MAKERS[table](custom_fields={"other": 1}), MAKERS[table](custom_fields={"level": "old"})]
    text = messages_of(send(as_max, table, rows, field="level", value__level="gold"))
    assert f"“Level” set to gold in 2 {rows[0]._meta.verbose_name_plural}." in text
    assert "no value → gold" in text and "old → gold" in text
    assert values_of(*rows) == ["gold", "gold"]
    assert type(rows[0]).objects.get(pk=rows[0].pk).custom_fields["other"] == 1
    text = messages_of(send(as_max, table, rows[:1], field="level", value__level="", clear="on"))
    assert f"“Level” cleared in 1 {rows[0]._meta.verbose_name}." in text
    assert values_of(*rows) == [None, "gold"]


def test_each_row_has_an_outcome_and_a_timeline_entry(as_max, max):
    field = make_field()
    done, same, gone = make_client(), make_client(custom_fields={"level": "gold"}), make_client()
    soft_delete(gone, by=max)
    with pytest.raises(IllegalTransition, match="is deleted; restore it first"):
        set_custom_field(gone, field, "gold", by=max)
    buffer.take()
    text = messages_of(send(as_max, "crm.client", [done, same], field="level", value__level="gold"))
    assert "“Level” set to gold in 1 client." in text
    assert f"“{same}” already has this value." in text
    (entry,) = ActivityLog.objects.for_target(done).filter(verb="changed")
    assert (entry.actor, entry.metadata["fields"]) == (max, ["custom_fields"])
    assert done.events.count() == 1, "the row audit has the change"
    edited = {key.key: uses.counts["edited"] for key, uses in buffer.take().items()}
    assert edited == {"level": 1}


@pytest.mark.parametrize(
    ("kind", "typed", "stored"),
    [
        ("number", "1,200.5", 1200.5),
        ("date", "2027-03-31", "2027-03-31"),
        ("yes_no", "false", False),
        ("choice", "a", "a"),
        ("choices", ["a", "b"], ["a", "b"]),
        ("date_time", "2027-03-31T10:00", "2027-03-31T"),
    ],
)
def test_value_is_read_by_its_kind(as_max, kind, typed, stored):
    make_field(kind=kind, choices=["a", "b"] if kind.startswith("choice") else [])
    client = make_client()
    send(as_max, "crm.client", [client], field="level", value__level=typed)
    (value,) = values_of(client)
    assert value.startswith(stored) and value.endswith("+00:00") if kind == "date_time" else value == stored


@pytest.mark.parametrize(
    ("field", "sent", "sentence"),
    [
        ({"kind": "number"}, {"value__level": "many"}, "“many” is not a number"),
        ({}, {}, "Enter a value, or tick this box."),
        ({}, {"value__level": "x", "clear": "on"}, "Empty the value to clear the field."),
        ({"is_required": True}, {"clear": "on"}, "is required, so it cannot be cleared"),
        ({}, {"field": "unknown", "value__level": "x"}, "not one of the available choices"),
        ({"is_active": False}, {"value__level": "x"}, "Define a custom field of this table first."),
    ],
)
def test_value_that_cannot_be_stored_changes_nothing(as_max, field, sent, sentence):
    make_field(**field)
    client = make_client(custom_fields={"level": "old"})
    response = send(as_max, "crm.client", [client], **{"field": "level", **sent})
    assert sentence in page_text(response)
    assert values_of(client) == ["old"]


def test_rows_out_of_sight_and_users_without_the_permission_change_nothing(ann, bob):
    make_field("leads.lead")
    theirs = make_lead(assigned_to=bob)
    send(browser(ann), "leads.lead", [theirs], field="level", value__level="x")
    send(browser(make_user("vera", "viewer")), "leads.lead", [make_lead()], field="level", value__level="x")
    assert not Lead.objects.exclude(custom_fields={}).exists()
    assert "Set a custom field" not in page_text(browser(make_user("walt", "viewer")).get(ADDRESSES["leads.lead"]))


def test_tags_are_added_and_removed_whatever_their_case(as_max):
    for table in ("leads.lead", "crm.client", "crm.contact"):
        one, two = MAKERS[table](tags=["VIP", "b"]), MAKERS[table](tags=["b"])
        text = messages_of(send(as_max, table, [one, two], "tag", tag="vip"))
        assert "already has this tag" in text and "1 " in text
        text = messages_of(send(as_max, table, [one, two], "untag", tag="B"))
        assert f"Tag “B” removed from 2 {one._meta.verbose_name_plural}." in text
        assert [type(row).objects.get(pk=row.pk).tags for row in (one, two)] == [["VIP"], ["vip"]]
        text = messages_of(send(as_max, table, [two], "untag", tag="gone"))
        assert "does not have this tag" in text


def test_page_offers_the_input_of_every_field(as_max):
    make_field()
    make_field(key="size", label="Size", kind="number")
    client = make_client()
    response = as_max.post(
        ADDRESSES["crm.client"], {"action": "set_field", "_selected_action": [client.pk], "index": 0}
    )
    text = page_text(response)
    assert 'name="value.level"' in text and 'name="value.size"' in text and "Set a custom field: 1 client" in text
    CustomField.objects.all().delete()
    response = as_max.post(
        ADDRESSES["crm.client"], {"action": "set_field", "_selected_action": [client.pk], "index": 0}
    )
    assert "No custom fields are defined." in page_text(response)
    assert Client.objects.get().custom_fields == {}
