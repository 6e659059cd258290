"""Uses of the keys of JSON columns: counted by screens, exports and imports, written in batches."""

import os
from io import StringIO

import pytest
from django.core.management import call_command
from django.core.signals import request_finished
from django.db import IntegrityError, connection, transaction
from django.db.models import F
from django.db.models.fields.json import KeyTransform
from django.db.models.functions import Lower
from django.test.utils import CaptureQueriesContext

from crm.models import CustomField, FieldUsage, FieldUse
from crm.records import field_usage
from crm.records.field_usage import UsageBuffer, buffer, count_use, write_at_exit, write_counts, write_if_due
from crm.records.json_keys import MAX_PATH_LENGTH, changed_key_paths, key_path, key_paths, path_steps
from crm.screens.paging import Order
from tests.cast import browser, make_client, make_lead, make_user

ODD_KEYS = ['"quoted"', "a.b", "ключ 🎉", "x" * 1_000, "'; DROP TABLE leads; --", "", "a[0]"]


@pytest.fixture(autouse=True)
def empty_buffer():
    buffer.take()
    yield
    buffer.take()


def counted(key="level", **kw):
    """Return the counts of `key`, written now, by way of use."""
    write_counts()
    row = FieldUsage.objects.filter(key=key, **kw).first()
    return {use: getattr(row, use) for use in FieldUse.values if getattr(row, use)} if row else {}


# Paths


@pytest.mark.parametrize("key", ODD_KEYS)
def test_path_of_odd_key_can_be_read_back(key):
    path = key_path("group", key)[:MAX_PATH_LENGTH]
    assert len(key) == 1_000 or path_steps(path) == ["group", key]
    assert len(key_path(key)) <= MAX_PATH_LENGTH


def test_paths_of_nested_values_name_groups_and_rows():
    value = {"schema_version": 1, "vehicles": [{"vin": "1"}, {"year": 2}, "x"], "email": {"consent": True}, "a.b": 1}
    assert key_paths(value) == {"vehicles", "vehicles[].vin", "vehicles[].year", "email", "email.consent", '"a.b"'}
    assert key_paths([{"type": "x"}]) == {"[].type"}
    assert changed_key_paths({"a": 1, "b": {"c": 1}}, {"a": 1, "b": {"c": 2}, "d": 0}) == {"b", "b.c", "d"}
    assert changed_key_paths(None, {"a": 1}) == {"a"}
    assert changed_key_paths([{"a": 1}], [{"a": 1}]) == set()


# Counting


@pytest.mark.django_db
def test_screens_count_what_they_filter_show_edit_and_export():
    CustomField.objects.create(table="crm.client", label="Level", key="level", kind="text", is_on_list=True)
    client = make_client(custom_fields={"level": "gold", "a.b": 1})
    admin, other = make_user("max", "administrator"), make_user("ann", "administrator")
    browser(admin).get("/crm/client/?cf.level=gold&cf.undefined=1&cf.level~op=is")
    assert counted() == {"filtered": 1, "shown": 1}
    assert counted("undefined") == {"filtered": 1}
    browser(other).get(f"/crm/client/{client.pk}/change/")
    assert counted() == {"filtered": 1, "shown": 2}
    assert counted('"a.b"') == {"shown": 1}
    form = browser(admin).get(f"/crm/client/{client.pk}/change/?edit").context["adminform"].form
    data = {"name": client.name, "client_type": client.client_type, "tags": ""}
    links = {"contact_links-TOTAL_FORMS": 0, "contact_links-INITIAL_FORMS": 0}
    typed = {"custom_fields.level": "silver", "custom_fields~other.0.key": "a.b", "custom_fields~other.0.value": "1"}
    sent = {**data, **links, **typed, "loaded_digest": form.initial["loaded_digest"]}
    assert browser(admin).post(f"/crm/client/{client.pk}/change/?edit", sent).status_code == 302
    client.refresh_from_db()
    assert client.custom_fields == {"level": "silver", "a.b": 1}
    assert counted() == {"filtered": 1, "shown": 3, "edited": 1}
    assert counted('"a.b"') == {"shown": 2}
    b"".join(browser(admin).post("/crm/client/export/?cf.level=silver", {"format": "csv"}).streaming_content)
    assert counted() == {"filtered": 2, "shown": 3, "edited": 1, "exported": 1}
    assert FieldUsage.objects.get(key="level").people == sorted([admin.pk, other.pk])


@pytest.mark.django_db
def test_refused_filter_is_not_counted():
    CustomField.objects.create(table="crm.client", label="Size", key="size", kind="number")
    browser(make_user("max", "administrator")).get("/crm/client/?cf.size~op=from&cf.size=many")
    assert counted("size") == {}


@pytest.mark.django_db(transaction=True)
def test_commands_count_what_they_import_and_export(tmp_path):
    make_user("max", "administrator")
    file = tmp_path / "leads.csv"
    file.write_text("Name,Email,ADHD Support,auto.vin\nAnn Lee,ann@x.example,yes,\n")
    call_command("import_records", "leads", str(file), "--map", "auto.vin=auto.vin", stdout=StringIO())
    assert counted("ADHD Support", table="leads.lead", column="custom_fields") == {"edited": 1}
    assert counted("vin", table="leads.lead", column="auto_data") == {"edited": 1}
    make_lead(line_data={"renters": {"contents_value": 5}})
    call_command("export_leads", str(tmp_path / "out.csv"), "--user", "max", stdout=StringIO())
    assert counted("ADHD Support") == {"edited": 1, "exported": 1}
    assert counted("renters.contents_value", column="line_data") == {"exported": 1}


def test_order_names_the_json_keys_that_it_sorts_by():
    order = Order("Level", {"level": Lower(KeyTransform("level", "custom_fields")), "id": F("id")})
    nested = Order("VIN", {"vin": KeyTransform("a.b", KeyTransform("renters", F("line_data")))})
    assert order.json_keys() == [("custom_fields", "level")]
    assert nested.json_keys() == [("line_data", 'renters."a.b"')]


# Writing


@pytest.mark.django_db
def test_batch_adds_to_the_row_of_the_day_in_one_statement():
    for key in ["b", "a", *ODD_KEYS]:
        count_use(FieldUse.FILTERED, "crm.client", "custom_fields", [key])
    with CaptureQueriesContext(connection) as statements:
        write_counts()
    assert len([one for one in statements if "INSERT" in one["sql"]]) == 1
    assert FieldUsage.objects.count() == 2 + len(ODD_KEYS)
    count_use(FieldUse.SORTED, "crm.client", "custom_fields", ["a"])
    assert counted("a") == {"filtered": 1, "sorted": 1}
    write_counts()
    assert counted("a") == {"filtered": 1, "sorted": 1}


@pytest.mark.django_db
def test_counts_are_written_after_a_request_once_they_are_old(monkeypatch):
    count_use(FieldUse.SHOWN, "crm.client", "custom_fields", ["a"])
    write_if_due()
    assert not FieldUsage.objects.exists()
    monkeypatch.setattr(buffer, "max_age", 0)
    write_if_due()
    assert FieldUsage.objects.get().shown == 1
    assert "crm.write_field_usage" in {receiver[0][0] for receiver in request_finished.receivers}


def test_tables_without_a_scan_and_keys_beyond_the_limit_are_not_counted(monkeypatch):
    count_use(FieldUse.SHOWN, "crm.user", "custom_fields", ["a"])
    assert buffer.take() == {}
    monkeypatch.setattr(field_usage, "MAX_ROWS", 2)
    small = UsageBuffer()
    small.add("shown", "crm.client", "custom_fields", ["a", "b", "c"], None)
    small.add("shown", "crm.client", "custom_fields", ["a"], 7)
    uses = small.take()
    assert [(key.key, one.counts["shown"], one.people) for key, one in uses.items()] == [("a", 2, {7}), ("b", 1, set())]


@pytest.mark.django_db
def test_counts_refused_by_the_database_are_dropped_with_a_warning(caplog):
    buffer.add("shown", "no.table", "custom_fields", ["a"], None)
    write_counts()
    assert "1 keys were not counted" in caplog.text
    assert not FieldUsage.objects.exists()


@pytest.mark.django_db
def test_last_batch_is_written_when_the_process_ends(monkeypatch):
    count_use(FieldUse.SHOWN, "crm.client", "custom_fields", ["a"])
    monkeypatch.setattr(buffer, "max_age", 30)
    write_at_exit()
    assert FieldUsage.objects.get().shown == 1


def test_forked_child_leaves_the_counts_to_its_parent():
    count_use(FieldUse.SHOWN, "crm.client", "custom_fields", ["a"])
    assert len(buffer) == 1
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write, str(len(buffer)).encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert (os.read(read, 9), len(buffer)) == (b"0", 1)


@pytest.mark.django_db
def test_database_keeps_one_row_for_a_key_and_a_day():
    key = {"table": "crm.client", "column": "custom_fields", "key": "k" * 5_000, "day": "2026-11-29"}
    FieldUsage.objects.create(**key)
    FieldUsage.objects.create(**{**key, "day": "2026-11-30"})
    with pytest.raises(IntegrityError, match="field_usages_once"), transaction.atomic():
        FieldUsage.objects.create(**key)
