"""Custom fields that refer to records: chosen from a picker, shown by name to readers who may open the record."""

import csv
import importlib
import io
import json
from types import SimpleNamespace
from uuid import uuid4

import pytest
from django.apps import apps
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from crm.exceptions import InvalidInput
from crm.models import Client, CustomField
from crm.models.custom_field import REFERENCE_TABLES
from crm.records.custom_fields.references import ReferenceNames, record_key, stored_record_key
from crm.records.transitions import create, save_edit, set_custom_field, soft_delete
from crm.screens.custom_fields.bulk_edit import set_field_action
from crm.screens.export import columns
from inbox.email_templates.custom_placeholders import custom_values
from leads.lines.json_check import JsonCheck
from tests.cast import (
    allow_export,
    browser,
    make_client,
    make_contact,
    make_lead,
    make_policy,
    make_ticket,
    make_user,
    page_text,
)
from tests.crm.test_custom_fields import edit, listed

pytestmark = pytest.mark.django_db
NO_ACCESS = "or you do not have access to it. Choose one from the list."
HIDDEN, UNKNOWN = "Another owner’s client", "Unknown client"


def make_reference(**kw) -> CustomField:
    """Create a field of clients that refers to a client."""
    defaults = {"table": "crm.client", "key": "referrer", "label": "Referred by", "kind": "client"}
    return CustomField.objects.create(**{**defaults, **kw})


def refer(target, **kw) -> Client:
    return make_client(custom_fields={"referrer": str(target.pk)}, **kw)


@pytest.fixture
def hidden(bob) -> Client:
    """A client that Ann may not open."""
    return make_client(name="Secret Sam", assigned_to=bob)


def picked(page, table: str, term: str = "") -> list[str]:
    response = page.get(f"/references/{table}/", {"term": term})
    assert response.status_code == 200
    return [one["text"] for one in response.json()["results"]]


# The definition


def test_a_reference_has_no_default(as_max):
    sent = {"table": "crm.client", "label": "Referrer", "kind": "client", "default_text": str(uuid4()), "position": 0}
    response = as_max.post("/crm/customfield/add/", sent)
    assert "A reference has no default. Leave this empty." in page_text(response)
    with pytest.raises(IntegrityError, match="custom_fields_reference_without_default"), transaction.atomic():
        make_reference(default_value="x")
    assert as_max.post("/crm/customfield/add/", {**sent, "default_text": ""}).status_code == 302


# The picker


def test_picker_offers_live_records_that_the_user_may_open(as_ann, ann, hidden):
    deleted = make_client(name="Gone Gil")
    soft_delete(deleted, by=make_user("root", is_superuser=True))
    make_client(name="Open Olga")
    make_client(name="Own Otto", assigned_to=ann)
    assert picked(as_ann, "crm.client") == ["Own Otto", "Open Olga"]
    assert picked(as_ann, "crm.client", "olga") == ["Open Olga"]
    assert picked(as_ann, "crm.client", "secret") == []


def test_picker_sends_a_page_at_a_time(as_ann):
    for _ in range(25):
        make_client()
    answer = as_ann.get("/references/crm.client/").json()
    assert len(answer["results"]) == 20 and answer["pagination"]["more"]


def test_picker_needs_the_permission_to_view_the_table_except_for_colleagues(ann):
    page = browser(make_user("vic"))
    make_client()
    assert picked(page, "crm.client") == []
    make_user("gone", is_active=False)
    assert {"Ann", "Vic"} <= set(picked(page, "crm.user")) and "Gone" not in picked(page, "crm.user")


@pytest.mark.parametrize("table", REFERENCE_TABLES.values())
def test_picker_answers_for_every_table(as_max, table):
    assert as_max.get(f"/references/{table}/", {"term": "some name"}).status_code == 200


@pytest.mark.parametrize("term", ["\0", "a\0b", "%", "'", "(", "x" * 3_000, "שלום 😀"])
@pytest.mark.parametrize("table", ["crm.user", "crm.client"])
def test_picker_answers_whatever_is_typed(as_max, table, term):
    assert as_max.get(f"/references/{table}/", {"term": term}).status_code == 200


def test_picker_refuses_other_tables(as_max):
    assert as_max.get("/references/inbox.mailbox/").status_code == 404


# The form


def test_form_stores_a_chosen_record_and_refuses_others(as_ann, ann, hidden):
    make_reference()
    client, other = make_client(assigned_to=ann), make_client(assigned_to=ann)
    for wrong in (str(hidden.pk), str(uuid4()), str(make_lead().pk)):
        answer = edit(as_ann, client, **{"custom_fields.referrer": wrong})
        assert NO_ACCESS in page_text(answer) and "Secret Sam" not in page_text(answer)
        assert set(answer.context["adminform"].form.errors) == {"custom_fields"}  # and no note above the form
    text = page_text(edit(as_ann, client, **{"custom_fields.referrer": "Bob"}))
    assert "“Bob” is not a record. Choose one from the list." in text
    assert edit(as_ann, client, **{"custom_fields.referrer": str(other.pk)}).status_code == 302
    client.refresh_from_db()
    assert client.custom_fields == {"referrer": str(other.pk)}


def test_form_keeps_a_reference_to_a_hidden_record_and_does_not_name_it(as_ann, ann, hidden):
    make_reference()
    client = refer(hidden, assigned_to=ann)
    text = page_text(as_ann.get(f"/crm/client/{client.pk}/change/?edit"))
    assert HIDDEN in text and "Secret Sam" not in text
    assert 'data-ajax--url="/references/crm.client/"' in text
    sent = {"custom_fields.referrer": str(hidden.pk)}
    assert edit(as_ann, client, name="New name", **sent).status_code == 302
    client.refresh_from_db()
    assert (client.name, client.custom_fields) == ("New name", {"referrer": str(hidden.pk)})


def test_transitions_refuse_a_reference_to_a_hidden_record(ann, hidden):
    field = make_reference()
    client = make_client(assigned_to=ann)
    with pytest.raises(InvalidInput, match="Referred by: There is no such client"):
        set_custom_field(client, field, str(hidden.pk), by=ann)
    changed = Client.objects.get(pk=client.pk)
    changed.custom_fields = {"referrer": "no key"}
    with pytest.raises(InvalidInput, match="Referred by"):
        save_edit(changed, ["custom_fields"], client, by=ann)
    new = Client(name="New", custom_fields={"referrer": str(hidden.pk)})
    with pytest.raises(InvalidInput, match="Referred by"):
        create(new, by=ann)
    create(new, by=ann, copied_fields=new.custom_fields)  # a conversion copies the value of the lead


# Reading


def test_readers_who_may_open_the_record_read_its_name_as_a_link(as_ann, as_max, ann, hidden):
    make_reference(is_on_list=True)
    client = refer(hidden, assigned_to=ann)
    link = f'href="/crm/client/{hidden.pk}/change/">Secret Sam</a>'
    for url in (f"/crm/client/{client.pk}/change/", "/crm/client/"):
        assert link in page_text(as_max.get(url))
        text = page_text(as_ann.get(url))
        assert HIDDEN in text and "Secret Sam" not in text and str(hidden.pk) not in text


def test_history_names_references_only_to_readers_who_may_open_them(as_ann, as_max, ann, max, hidden):
    field = make_reference()
    client = refer(hidden, assigned_to=ann)
    set_custom_field(client, field, str(make_client(name="Open Olga").pk), by=max)
    url = f"/crm/client/{client.pk}/history/"
    assert "<del>Secret Sam</del> → <ins>Open Olga</ins>" in page_text(as_max.get(url))
    text = page_text(as_ann.get(url))
    assert f"<del>{HIDDEN}</del> → <ins>Open Olga</ins>" in text


def test_each_state_of_a_record_has_its_words(ann, max, bob):
    root = make_user("root", is_superuser=True)
    mine, gone = make_client(name="Mine", assigned_to=ann), make_client(name="Gone Gil")
    hidden = make_client(assigned_to=bob)
    soft_delete(gone, by=root)
    names = ReferenceNames("crm.client", ann)
    assert [names[str(row.pk)].text for row in (mine, hidden, gone)] == ["Mine", HIDDEN, "A deleted client"]
    assert names[str(uuid4())].text == "A purged client"
    assert ReferenceNames("crm.client", root)[str(gone.pk)].text == "Gone Gil (deleted)"
    assert ReferenceNames("crm.client", None)[str(mine.pk)].text == "A client"
    assert ReferenceNames("crm.client", make_user("vic"))[str(mine.pk)].text == "A client that you may not open"
    assert names["Bob's friend"].text == "Bob's friend"


@pytest.mark.parametrize(
    ("kind", "maker", "words"),
    [
        ("lead", lambda: make_lead(contact_name="Lee", company_name="Acme"), "Lee · Acme"),
        ("contact", lambda: make_contact(name="Connie"), "Connie"),
        ("policy", lambda: make_policy(carrier="Harbor", number="HM-1"), "Auto · Harbor · HM-1"),
        ("ticket", lambda: make_ticket(subject="Broken"), "Broken"),
        ("staff", lambda: make_user("sue"), "Sue"),
    ],
)
def test_every_table_can_be_referred_to(as_max, max, kind, maker, words):
    make_reference(kind=kind)
    client, target = make_client(), maker()
    assert edit(as_max, client, **{"custom_fields.referrer": str(target.pk)}).status_code == 302
    assert words in page_text(as_max.get(f"/crm/client/{client.pk}/change/"))


def test_a_list_reads_the_names_of_a_page_at_once(as_max):
    make_reference(is_on_list=True)
    refer(make_client())
    with CaptureQueriesContext(
        connection,
    ) as few:
        as_max.get("/crm/client/")
    for _ in range(10):
        refer(make_client())
    with CaptureQueriesContext(connection) as many:
        as_max.get("/crm/client/")
    assert len(many) == len(few)


def test_export_names_only_what_the_user_may_open_and_adds_the_key(ann, bob, hidden):
    make_reference()
    allow_export(ann)
    known = make_client(name="Open Olga", assigned_to=ann)
    refer(known, name="First", assigned_to=ann)
    refer(hidden, name="Second", assigned_to=ann)
    make_client(name="Third", custom_fields={"referrer": "Bob"}, assigned_to=ann)
    response = browser(ann).post("/crm/client/export/")
    rows = list(csv.DictReader(io.StringIO(b"".join(response.streaming_content).decode("utf-8-sig"))))
    cells = {row["Name"]: row["Referred by"] for row in rows}
    assert cells == {"First": f"Open Olga ({known.pk})", "Second": "", "Third": "Bob", "Open Olga": ""}


def test_export_of_too_many_keys_for_columns_names_only_what_the_user_may_open(ann, bob, hidden, monkeypatch):
    monkeypatch.setattr(columns, "MAX_CUSTOM_FIELD_COLUMNS", 0)
    make_reference()
    allow_export(ann)
    known = make_client(name="Open Olga", assigned_to=ann)
    for target in (known, hidden):
        fields = {"referrer": str(target.pk), "size": None, "pet": "cat"}
        make_client(name=f"By {target}", custom_fields=fields, assigned_to=ann)
    response = browser(ann).post("/crm/client/export/")
    rows = csv.DictReader(io.StringIO(b"".join(response.streaming_content).decode("utf-8-sig")))
    others = {"size": None, "pet": "cat"}
    assert {row["Name"]: json.loads(row["Custom fields"] or "{}") for row in rows} == {
        "Open Olga": {},
        "By Open Olga": {"referrer": f"Open Olga ({known.pk})", **others},
        "By Secret Sam": others,
    }


def test_placeholder_is_the_name_if_the_sender_may_open_the_record(ann, max, hidden):
    make_reference()
    client = refer(hidden)
    assert custom_values(client, max) == {"custom.referrer": "Secret Sam"}
    assert custom_values(client, ann) == custom_values(client, None) == {"custom.referrer": ""}


# Filters


def test_filters_find_records_by_their_reference(as_max):
    make_reference()
    olga, otto = make_client(name="Olga"), make_client(name="Otto")
    refer(olga, name="by Olga"), refer(otto, name="by Otto")
    assert listed(as_max, f"cf.referrer={olga.pk}") == ["by Olga"]
    assert sorted(listed(as_max, f"cf.referrer~op=any&cf.referrer={olga.pk}&cf.referrer={otto.pk}")) == [
        "by Olga",
        "by Otto",
    ]
    assert sorted(listed(as_max, f"cf.referrer~op=not&cf.referrer={olga.pk}")) == ["Olga", "Otto", "by Otto"]
    assert sorted(listed(as_max, "cf.referrer~op=empty")) == ["Olga", "Otto"]
    assert sorted(listed(as_max, "cf.referrer~op=filled")) == ["by Olga", "by Otto"]
    text = page_text(as_max.get("/crm/client/?cf.referrer=olga"))
    assert "“olga” is not a record. Choose one from the list. This filter was left out." in text


def test_chip_and_sheet_name_the_record_only_to_those_who_may_open_it(as_ann, as_max, hidden):
    make_reference()
    query = f"?cf.referrer~op=any&cf.referrer={hidden.pk}"
    for page, name in ((as_max, "Secret Sam"), (as_ann, UNKNOWN)):
        (chip,) = page.get(f"/crm/client/{query}").context["cl"].chips()
        assert (chip["label"], chip["value"]) == ("Referred by", f"is any of {name}")
        sheet = page_text(page.get(f"/crm/client/filters/{query}&field=cf.referrer"))
        assert f'<option value="{hidden.pk}" selected>{name}</option>' in sheet


def test_filters_find_keys_in_capitals(as_max):
    make_reference()
    olga = make_client(name="Olga")
    make_client(name="by Olga", custom_fields={"referrer": str(olga.pk).upper()})
    for key in (str(olga.pk), str(olga.pk).upper()):
        assert listed(as_max, f"cf.referrer={key}") == ["by Olga"]
        assert listed(as_max, f"cf.referrer~op=not&cf.referrer={key}") == ["Olga"]


def keys_without_access(bob) -> list[str]:
    """Return the keys of a hidden client, of a deleted one, and of none."""
    deleted = make_client(name="Gone Gil")
    soft_delete(deleted, by=make_user("root", is_superuser=True))
    return [str(make_client(assigned_to=bob).pk), str(deleted.pk), str(uuid4())]


def test_filters_do_not_say_which_records_exist(as_ann, bob):
    make_reference()
    for key in keys_without_access(bob):
        query = f"?cf.referrer={key}"
        (chip,) = as_ann.get(f"/crm/client/{query}").context["cl"].chips()
        assert chip["value"] == f"is {UNKNOWN}"
        sheet = page_text(as_ann.get(f"/crm/client/filters/{query}&field=cf.referrer"))
        assert f'<option value="{key}" selected>{UNKNOWN}</option>' in sheet


def test_refused_forms_do_not_say_which_records_exist(as_ann, ann, bob, hidden):
    make_reference()
    client = refer(hidden, assigned_to=ann)
    for key in keys_without_access(bob):
        text = page_text(edit(as_ann, client, **{"custom_fields.referrer": key}))
        assert f'<option value="{key}" selected>{UNKNOWN}</option>' in text
        form = set_field_action(Client)({"field": "referrer", "value.referrer": key}, user=ann)
        assert not form.is_valid() and f'<option value="{key}" selected>{UNKNOWN}</option>' in str(form["value"])
    text = page_text(edit(as_ann, client, name="", **{"custom_fields.referrer": str(hidden.pk)}))
    assert f'<option value="{hidden.pk}" selected>{HIDDEN}</option>' in text


def test_a_list_with_a_reference_filter_brings_the_files_of_the_picker(as_max):
    assert "autocomplete.js" not in page_text(as_max.get("/crm/client/"))
    make_reference()
    assert "autocomplete.js" in page_text(as_max.get("/crm/client/"))


def test_view_with_a_reference_filter_is_saved_and_opened(as_max, max):
    make_reference()
    olga = make_client(name="Olga")
    refer(olga, name="by Olga")
    query = as_max.get(f"/crm/client/?cf.referrer={olga.pk}").context["cl"].query_to_save()
    assert listed(as_max, query) == ["by Olga"]


# Many records at once


def test_bulk_edit_sets_and_clears_a_reference(ann, hidden):
    make_reference()
    olga, client = make_client(name="Olga"), make_client(assigned_to=ann)
    form_class = set_field_action(Client)
    form = form_class({"field": "referrer", "value.referrer": str(olga.pk)}, user=ann)
    assert form.is_valid() and f"{client}: no value → Olga" in form.perform(client, ann)
    refused = form_class({"field": "referrer", "value.referrer": str(hidden.pk)}, user=ann)
    assert not refused.is_valid() and NO_ACCESS in str(refused.errors["value"])
    cleared = form_class({"field": "referrer", "clear": "on"}, user=ann)
    assert cleared.is_valid() and "Olga → no value" in cleared.perform(client, ann)


def test_bulk_edit_does_not_name_a_hidden_record(ann, hidden):
    make_reference()
    client, olga = refer(hidden, assigned_to=ann), make_client(name="Olga")
    form = set_field_action(Client)({"field": "referrer", "value.referrer": str(olga.pk)}, user=ann)
    assert form.is_valid() and f"{HIDDEN} → Olga" in form.perform(client, ann)


def test_only_the_text_of_a_key_is_a_reference():
    key = str(uuid4())
    assert record_key(key.upper()) == key
    assert [record_key(text) for text in (f"{{{key}}}", key[1:], f"{key}\n", 5, None)] == [""] * 5


# A key in mixed notation, as only raw SQL can store one


def test_a_key_in_mixed_notation_is_a_text_everywhere(as_max, max):
    make_reference(is_on_list=True)
    olga = make_client(name="Olga")
    mixed = str(olga.pk)[:-12].upper() + str(olga.pk)[-12:]
    assert stored_record_key(mixed) == "" and stored_record_key(mixed.upper()) == str(olga.pk)
    make_client(name="by Olga", custom_fields={"referrer": mixed})
    assert listed(as_max, f"cf.referrer={olga.pk}") == []
    assert mixed in page_text(as_max.get("/crm/client/"))
    assert ReferenceNames("crm.client", max)[mixed].text == mixed
    chart = as_max.get("/crm/client/chart/", {"by": "cf.referrer"}).context["chart"]
    assert {group.label: group.count for group in chart.groups} == {"No value": 1, "Values of another kind": 1}
    (misfit,) = JsonCheck().misfits()
    assert misfit.reason == "not the key of a record"


def test_migration_writes_keys_in_mixed_notation_in_small_letters():
    make_reference(key="it's 100%")
    olga = make_client(name="Olga")
    notations = [str(olga.pk), str(olga.pk).upper(), str(olga.pk)[:-12].upper() + str(olga.pk)[-12:]]
    for number, notation in enumerate([*notations, "Olga Olsen"]):
        make_client(name=f"Client {number}", custom_fields={"it's 100%": notation})
    migration = importlib.import_module("crm.migrations.0020_references_in_one_case")
    with connection.cursor() as cursor:
        cursor.execute(migration.replace_function(migration.ANY_CASE))
        migration.write_mixtures_in_small_letters(apps, SimpleNamespace(connection=connection))
        cursor.execute(migration.replace_function(migration.ONE_CASE))
    stored = Client.objects.filter(name__startswith="Client").order_by("name").values_list("custom_fields", flat=True)
    assert [row["it's 100%"] for row in stored] == [notations[0], notations[1], notations[0], "Olga Olsen"]
