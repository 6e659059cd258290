"""Custom fields: a definition gives a key inputs, checks, filters, a column and words."""

from uuid import uuid4

import pytest
from django.contrib.auth.models import Group
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from crm.exceptions import IllegalTransition, NotPermitted
from crm.models import Client, CustomField, CustomFieldTable
from crm.records.custom_fields.rights import locked_fields
from crm.records.transitions import create, save_edit, set_custom_field
from crm.schema.transitions import bring_field_back, retire_field
from crm.schema.undefined_keys import find_undefined_keys
from crm.screens.custom_fields.bulk_edit import set_field_action
from tests.cast import make_client, page_text

pytestmark = pytest.mark.django_db
CLIENT_LIST = "/crm/client/"


def make_field(**kw):
    """Create a field of clients."""
    kw.setdefault("table", "crm.client")
    kw.setdefault("label", kw.get("key", "level").replace("_", " ").capitalize())
    kw.setdefault("key", "level")
    kw.setdefault("kind", "text")
    if "choices" in kw:
        kw["choices"] = [{"value": code, "label": label, "retired": False} for code, label in kw["choices"].items()]
    return CustomField.objects.create(**kw)


def names_listed(browser, **filters):
    """Return the names of the clients that the list shows for `filters`."""
    response = browser.get(CLIENT_LIST, {name.replace("__", "~"): value for name, value in filters.items()})
    assert response.status_code == 200
    return [client.name for client in response.context["cl"].page.rows]


def listed(browser, query):
    response = browser.get(f"{CLIENT_LIST}?{query}")
    assert response.status_code == 200
    return [client.name for client in response.context["cl"].page.rows]


def edit(browser, client, **sent):
    """Send the edit form of `client` with custom fields, as a browser would."""
    url = f"/crm/client/{client.pk}/change/?edit"
    form = browser.get(url).context["adminform"].form
    data = {
        "name": client.name,
        "client_type": client.client_type,
        "email": client.email,
        "phone": client.phone,
        "notes": client.notes,
        "tags": "",
        "loaded_digest": form.initial["loaded_digest"],
        "contact_links-TOTAL_FORMS": 0,
        "contact_links-INITIAL_FORMS": 0,
        **{name.replace("__", "~"): value for name, value in sent.items()},
    }
    return browser.post(url, data)


# Filters


@pytest.mark.parametrize(
    ("kind", "values", "query", "found"),
    [
        ("number", [5, 10, 100, "10", None], "cf.f~op=from&cf.f=10", [10, 100]),
        ("number", [5, 10, 10.0, "10"], "cf.f=10", [10, 10.0]),
        ("number", [5, 10, None], "cf.f~op=not&cf.f=10", [5, None]),
        ("number", [5, 10, 15, 20], "cf.f~op=between&cf.f=10&cf.f~to=15", [10, 15]),
        ("money", [999.5, 1000, 1200, "10", None, []], "cf.f~op=to&cf.f=$1,000", [999.5, 1000]),
        ("date", ["2026-01-31", "2026-02-01", "soon", 5], "cf.f~op=from&cf.f=2026-02-01", ["2026-02-01"]),
        ("date", ["2026-01-31", "2026-02-01", "1", None], "cf.f~op=to&cf.f=2026-01-31", ["2026-01-31"]),
        ("date_time", ["2026-01-31T10:00", "2026-02-02", "1"], "cf.f~op=to&cf.f=2026-01-31", ["2026-01-31T10:00"]),
        ("yes_no", [True, False, None], "cf.f=false", [False]),
        ("text", ["Blue house", "bluebird", "red"], "cf.f~op=contains&cf.f=BLUE", ["Blue house", "bluebird"]),
        ("text", ["100%", "100", "1000"], "cf.f~op=contains&cf.f=100%25", ["100%"]),
        ("choice", ["a", "b", "c", None], "cf.f~op=any&cf.f=a&cf.f=b", ["a", "b"]),
        ("choice", ["a", "b", None], "cf.f~op=not&cf.f=a", ["b", None]),
        ("choices", [["a", "b"], ["b"], ["c"]], "cf.f~op=all&cf.f=a&cf.f=b", [["a", "b"]]),
        ("choices", [["a", "b"], ["b"], ["c"]], "cf.f~op=any&cf.f=a&cf.f=c", [["a", "b"], ["c"]]),
        ("text", ["x", "", None, []], "cf.f~op=empty", ["", None, []]),
        ("text", ["x", "", None, 0], "cf.f~op=filled", ["x", 0]),
    ],
)
def test_filter_finds_the_rows_that_meet_it(as_max, kind, values, query, found):
    make_field(key="f", kind=kind, choices={"a": "Alpha", "b": "Beta", "c": "Gamma"} if "choice" in kind else {})
    for value in values:
        make_client(name=repr(value), custom_fields={} if value is None else {"f": value})
    assert sorted(listed(as_max, query)) == sorted(map(repr, found))


def test_null_in_the_database_counts_as_empty(as_max):
    make_field(key="f")
    make_client(name="null", custom_fields={"f": None})
    assert listed(as_max, "cf.f~op=empty") == ["null"]
    assert listed(as_max, "cf.f~op=filled") == []


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("cf.f~op=from&cf.f=ten", "“ten” is not a number."),
        ("cf.f~op=contains&cf.f=1", "“contains” is no comparison for “F”."),
        ("cf.f~op=between&cf.f=1", "Enter both values."),
    ],
)
def test_filter_that_cannot_be_read_is_left_out_with_a_sentence(as_max, query, sentence):
    make_field(key="f", kind="number")
    make_client(name="Ann")
    response = as_max.get(f"{CLIENT_LIST}?{query}")
    assert sentence in page_text(response)
    assert [client.name for client in response.context["cl"].page.rows] == ["Ann"]


def test_comparison_without_a_value_asks_nothing(as_max):
    make_field(key="f", kind="number")
    make_client(name="Ann")
    response = as_max.get(f"{CLIENT_LIST}?cf.f~op=from&cf.f=&cf.f~to=")
    assert [client.name for client in response.context["cl"].page.rows] == ["Ann"]
    assert response.context["cl"].chips() == []


def test_chip_says_field_comparison_and_labels_and_removes_the_whole_filter(as_max):
    make_field(key="f", kind="choice", label="Level", choices={"g": "Gold", "s": "Silver"})
    response = as_max.get(f"{CLIENT_LIST}?cf.f~op=any&cf.f=g&cf.f=s&tags=vip")
    chips = {chip["label"]: chip for chip in response.context["cl"].chips()}
    assert chips["Level"]["value"] == "is any of Gold, Silver"
    assert chips["Level"]["url"] == "?tags=vip"
    assert "cf.f=g&cf.f=s" in response.context["cl"].query_to_save()


def test_filter_sheet_offers_each_field_with_the_comparisons_of_its_kind(as_max):
    make_field(key="budget", kind="money")
    make_field(key="level", kind="choice", choices={"g": "Gold"})
    make_field(key="secret", is_filterable=False)
    text = page_text(as_max.get(f"{CLIENT_LIST}?sheet=filter&cf.budget~op=between&cf.budget=1&cf.budget~to=9"))
    assert 'name="cf.budget~to" value="9"' in text
    assert '<option value="between" selected>' in text
    assert '<option value="g" >Gold</option>' in text.replace("  ", " ")
    assert "cf.secret" not in text


# The form


def test_form_checks_and_stores_each_value_by_its_kind(as_max):
    make_field(key="budget", kind="money")
    make_field(key="levels", kind="choices", choices={"g": "Gold", "s": "Silver"})
    make_field(key="site", kind="link")
    client = make_client(custom_fields={"old": "kept"})
    sent = {"custom_fields.budget": "$1,200", "custom_fields.levels": ["g", "s"], "custom_fields.site": "nonsense"}
    others = {"custom_fields~other.0.key": "old", "custom_fields~other.0.value": "kept"}
    assert "“nonsense” is not a full web address" in page_text(edit(as_max, client, **sent, **others))
    assert edit(as_max, client, **{**sent, "custom_fields.site": "https://x.example"}, **others).status_code == 302
    client.refresh_from_db()
    expected = {"budget": 1200, "levels": ["g", "s"], "site": "https://x.example", "old": "kept"}
    assert client.custom_fields == expected


def test_required_field_without_a_value_is_refused_at_its_input(as_max):
    make_field(key="level", label="Level", is_required=True)
    client = make_client()
    text = page_text(edit(as_max, client, **{"custom_fields.level": " "}))
    assert "Level: enter a value." in text
    assert '<span class="errors" role="alert">Enter a value.</span>' in text


def test_new_record_begins_with_the_default(as_max):
    make_field(key="level", default_value="silver")
    text = page_text(as_max.get("/crm/client/add/"))
    assert 'name="custom_fields.level" value="silver"' in text


def test_retired_choice_stays_where_it_is_and_cannot_be_chosen_anew(as_max):
    field = make_field(key="level", kind="choice", choices={"g": "Gold", "s": "Silver"})
    field.choices[0]["retired"] = True
    field.save()
    old, new = make_client(custom_fields={"level": "g"}), make_client()
    assert edit(as_max, old, **{"custom_fields.level": "g", "name": "Renamed"}).status_code == 302
    old.refresh_from_db()
    assert (old.name, old.custom_fields) == ("Renamed", {"level": "g"})
    assert "choose one of s" in page_text(edit(as_max, new, **{"custom_fields.level": "g"}))
    assert "Gold" in page_text(as_max.get(f"/crm/client/{old.pk}/change/"))


def test_values_of_a_retired_field_survive_an_edit_and_come_back_with_it(as_max, max):
    field = make_field(key="level", label="Level")
    client = make_client(custom_fields={"level": "gold"})
    retire_field(field, by=max)
    form = page_text(as_max.get(f"/crm/client/{client.pk}/change/?edit"))
    assert "custom_fields.level" not in form and 'value="gold"' not in form
    # A browser sends the empty rows of the other values, too.
    rows = {"custom_fields~other.0.key": "pets", "custom_fields~other.0.value": "2"}
    assert edit(as_max, client, name="Renamed", **rows).status_code == 302
    client.refresh_from_db()
    assert client.custom_fields == {"level": "gold", "pets": 2}
    bring_field_back(field, by=max)
    assert 'name="custom_fields.level" value="gold"' in page_text(as_max.get(f"/crm/client/{client.pk}/change/?edit"))


def test_other_value_cannot_take_the_name_of_a_field(as_max):
    make_field(key="level")
    client = make_client()
    sent = {"custom_fields~other.0.key": "level", "custom_fields~other.0.value": "x"}
    assert "“level” is a custom field" in page_text(edit(as_max, client, **sent))


def test_date_and_time_is_stored_in_utc(as_max):
    make_field(key="seen", kind="date_time")
    client = make_client()
    assert edit(as_max, client, **{"custom_fields.seen": "2026-07-01T12:00:00+02:00"}).status_code == 302
    client.refresh_from_db()
    assert client.custom_fields == {"seen": "2026-07-01T10:00:00+00:00"}
    assert listed(as_max, "cf.seen=2026-07-01") == [client.name]
    assert listed(as_max, "cf.seen=2026-07-03") == []
    assert "“soon” is not a date and time" in page_text(edit(as_max, client, **{"custom_fields.seen": "soon"}))


# Words


def test_page_history_and_list_say_the_label_and_the_choice(as_max):
    make_field(key="lvl", label="Account level", kind="choice", choices={"g": "Gold", "s": "Silver"}, is_on_list=True)
    client = make_client(custom_fields={"lvl": "s"})
    assert edit(as_max, client, **{"custom_fields.lvl": "g"}).status_code == 302
    page = page_text(as_max.get(f"/crm/client/{client.pk}/change/"))
    assert "<dt>Account level</dt>" in page and "Gold" in page
    history = page_text(as_max.get(f"/crm/client/{client.pk}/history/"))
    assert "Account level" in history and "Silver" in history
    assert '<td data-l="Account level"> <span class="clip">Gold</span> </td>' in page_text(as_max.get(CLIENT_LIST))


def test_list_costs_the_same_for_one_row_and_for_fifty(as_max):
    make_field(is_on_list=True)
    make_client(custom_fields={"level": "x"})
    counts = []
    for _ in range(2):
        with CaptureQueriesContext(connection) as queries:
            as_max.get(CLIENT_LIST)
        counts.append(len(queries))
        Client.objects.bulk_create(Client(name=f"C{n}", custom_fields={"level": n}) for n in range(50))
    assert counts[0] == counts[1]


# The definition


def test_field_is_defined_on_a_screen_and_its_key_made_from_the_label(as_max):
    sent = {
        "table": "crm.client",
        "label": "Referral source",
        "kind": "choice",
        "key": "",
        "position": "0",
        "default_text": "Friend",
        "is_filterable": "on",
        "choices.0.label": "Friend",
        "choices.1.label": "Web",
        "choices.1.value": "web",
    }
    assert as_max.post("/crm/customfield/add/", sent).status_code == 302
    field = CustomField.objects.get()
    assert (field.key, field.default_value, field.is_filterable) == ("referral_source", "Friend", True)
    assert field.choice_labels() == {"Friend": "Friend", "web": "Web"}
    assert as_max.get(f"/crm/customfield/{field.pk}/change/").status_code == 200
    assert "already has a field with this key" in page_text(as_max.post("/crm/customfield/add/", sent))


@pytest.mark.parametrize(
    ("sent", "sentence"),
    [
        ({"kind": "choice"}, "Enter the choices."),
        ({"kind": "number", "default_text": "many"}, "“many” is not a number."),
        ({"kind": "choice", "choices.0.label": "A", "choices.1.label": "a"}, "is there twice"),
        ({"label": "!!!"}, "Enter a key"),
        ({"choices.0.label": "A"}, "Only a field of the kind"),
    ],
)
def test_definition_that_makes_no_sense_is_refused(as_max, sent, sentence):
    base = {"table": "crm.client", "label": "Level", "kind": "text", "position": "0"}
    assert sentence in page_text(as_max.post("/crm/customfield/add/", {**base, **sent}))
    assert not CustomField.objects.exists()


def test_saved_field_asks_for_choices_only_if_its_kind_has_some(as_max):
    choice = make_field(key="level", kind="choice", choices={"g": "Gold"})
    number = make_field(key="size", kind="number")
    for field, is_asked in ((choice, True), (number, False)):
        page = f"/crm/customfield/{field.pk}/change/"
        shown = as_max.get(f"{page}?edit=1")
        assert ("choices.0.label" in page_text(shown)) == is_asked
    digest = shown.context["adminform"].form.initial["loaded_digest"]
    sent = {"label": "Size of the house", "position": "0", "loaded_digest": digest}
    assert as_max.post(page, sent).status_code == 302
    number.refresh_from_db()
    assert number.label == "Size of the house"


def test_database_refuses_another_key_or_table():
    field = make_field()
    for change in ({"key": "other"}, {"table": "leads.lead"}):
        with pytest.raises(DatabaseError, match="Cannot update"), transaction.atomic():
            CustomField.objects.filter(pk=field.pk).update(**change)


def test_database_refuses_the_same_key_twice():
    make_field()
    with pytest.raises(IntegrityError), transaction.atomic():
        make_field()


def test_field_is_retired_once_and_only_with_the_permission(ann, max):
    field = make_field()
    with pytest.raises(NotPermitted):
        retire_field(field, by=ann)
    retire_field(field, by=max)
    with pytest.raises(IllegalTransition, match="is retired already"):
        retire_field(field, by=max)


def test_agent_reads_definitions_and_changes_none(as_ann):
    field = make_field()
    assert as_ann.get(f"/crm/customfield/{field.pk}/change/").status_code == 200
    assert as_ann.get("/crm/customfield/add/").status_code == 403
    assert as_ann.get("/crm/customfield/undefined/").status_code == 403
    assert "Values without a field" not in page_text(as_ann.get("/crm/customfield/"))


# Keys without a definition


def test_undefined_keys_are_those_of_visible_records(ann, bob, max):
    make_client(custom_fields={"own": 1}, assigned_to=ann)
    make_client(custom_fields={"hidden": 1}, assigned_to=bob)
    assert [one.key for one in find_undefined_keys(CustomFieldTable.CLIENT, ann)] == ["own"]
    assert {one.key for one in find_undefined_keys(CustomFieldTable.CLIENT, max)} == {"own", "hidden"}


def test_undefined_keys_are_counted_with_the_kind_that_fits_all_values(max):
    make_field(key="defined")
    values = {"n": 5, "b": True, "d": "2026-01-02", "u": "https://x.example", "m": "a@b.example", "t": "text"}
    make_client(custom_fields={**values, "defined": 1})
    make_client(custom_fields={"n": "five", "b": False})
    found = {one.key: (one.row_count, one.kind.value) for one in find_undefined_keys(CustomFieldTable.CLIENT, max)}
    assert found == {
        "n": (2, "text"),
        "b": (2, "yes_no"),
        "d": (1, "date"),
        "u": (1, "link"),
        "m": (1, "email"),
        "t": (1, "text"),
    }


def test_an_undefined_key_with_keys_of_records_is_a_reference_to_their_table(ann, max, bob):
    first, second = make_client(), make_client(assigned_to=bob)
    make_client(custom_fields={"both": str(first.pk), "mixed": str(first.pk), "gone": str(uuid4())})
    make_client(custom_fields={"both": str(second.pk), "mixed": "text"})
    kinds = {one.key: one.kind.value for one in find_undefined_keys(CustomFieldTable.CLIENT, max)}
    assert kinds == {"both": "client", "mixed": "text", "gone": "text"}
    # A user reads nothing about records of others.
    assert {one.key: one.kind.value for one in find_undefined_keys(CustomFieldTable.CLIENT, ann)}["both"] == "text"


@pytest.mark.parametrize("key", ["ADHD Support", "a\"b'c", "x.y~op", "🐕 dog", "k" * 60])
def test_any_key_in_use_can_be_defined_shown_filtered_and_edited(as_max, key):
    client = make_client(name="Carla", custom_fields={key: "yes"})
    page = as_max.get("/crm/customfield/undefined/")
    assert key in [one.key for _, keys in page.context["tables"] for one in keys]
    sent = {"table": "crm.client", "label": "Renamed", "kind": "text", "key": key, "position": "0"}
    assert as_max.post("/crm/customfield/add/", sent).status_code == 302
    assert "<dt>Renamed</dt>" in page_text(as_max.get(f"/crm/client/{client.pk}/change/"))
    assert names_listed(as_max, **{f"cf.{key}": "yes"}) == ["Carla"]
    assert names_listed(as_max, **{f"cf.{key}": "no"}) == []
    assert edit(as_max, client, **{f"custom_fields.{key}": "no"}).status_code == 302
    client.refresh_from_db()
    assert client.custom_fields == {key: "no"}


# Colours


def test_choices_with_colours_are_badges_on_page_list_and_filter(as_max):
    make_field(key="lvl", label="Level", kind="choices", choices={"g": "Gold", "s": "Silver"}, is_on_list=True)
    CustomField.objects.update(
        choices=[{"value": "g", "label": "Gold", "colour": "amber"}, {"value": "s", "label": "Silver"}]
    )
    client = make_client(custom_fields={"lvl": ["g", "s", "x"]})
    gold, silver = '<span class="badge choice b-amber">Gold</span>', '<span class="badge choice b-grey">Silver</span>'
    page = page_text(as_max.get(f"/crm/client/{client.pk}/change/"))
    assert gold in page and silver in page and '<span class="badge choice b-grey">x</span>' in page
    listed = page_text(as_max.get(f"{CLIENT_LIST}?cf.lvl~op=any&cf.lvl=g"))
    assert listed.count(gold) == 2 and "Level: <b>has any of</b>" in listed


def test_colour_is_chosen_in_the_definition_and_no_other_is_stored(as_max):
    sent = {"table": "crm.client", "label": "Level", "kind": "choice", "position": "0", "choices.0.label": "Gold"}
    assert as_max.post("/crm/customfield/add/", {**sent, "choices.0.colour": "amber"}).status_code == 302
    field = CustomField.objects.get()
    assert field.choices == [{"value": "Gold", "label": "Gold", "retired": False, "colour": "amber"}]
    assert 'class="badge choice b-amber">Gold<' in page_text(as_max.get(f"/crm/customfield/{field.pk}/change/"))
    for colour in ("pink", 5):
        with pytest.raises(IntegrityError), transaction.atomic():
            CustomField.objects.update(choices=[{"value": "Gold", "label": "Gold", "colour": colour}])


# Who may edit


@pytest.fixture
def limited():
    """A field of clients that managers edit."""
    return make_field(key="level", label="Level", editor_roles=[Group.objects.get(name="manager").pk], is_required=True)


def test_limited_field_is_disabled_for_others_and_keeps_its_value(as_ann, ann, limited):
    client = make_client(custom_fields={"level": "gold"}, assigned_to=ann)
    form = page_text(as_ann.get(f"/crm/client/{client.pk}/change/?edit"))
    assert 'name="custom_fields.level" value="gold"' in form and "disabled" in form
    assert "“Level” can be edited by these roles only: manager." in form
    assert edit(as_ann, client, name="Renamed", **{"custom_fields.level": "silver"}).status_code == 302
    client.refresh_from_db()
    assert (client.name, client.custom_fields) == ("Renamed", {"level": "gold"})
    refused = page_text(edit(as_ann, client, name="", **{"custom_fields.level": "silver"}))
    assert 'value="gold"' in refused and "silver" not in refused


def test_limited_field_is_edited_by_its_role_and_without_a_value_asks_nothing_of_others(as_max, as_ann, ann, limited):
    client = make_client(assigned_to=ann)
    assert edit(as_ann, client, name="Renamed").status_code == 302
    assert "Level: enter a value." in page_text(edit(as_max, client))
    assert edit(as_max, client, **{"custom_fields.level": "gold"}).status_code == 302
    client.refresh_from_db()
    assert client.custom_fields == {"level": "gold"}


def test_transitions_refuse_a_limited_field_of_others(ann, max, limited):
    with pytest.raises(NotPermitted, match="“Level” can be edited by these roles only: manager."):
        create(Client(name="New", custom_fields={"level": "gold"}), by=ann)
    create(Client(name="Copied", custom_fields={"level": "gold"}), by=ann, copied_fields={"level": "gold"})
    CustomField.objects.update(default_value="gold")
    create(Client(name="New", custom_fields={"level": "gold"}), by=ann)
    client = Client.objects.get(name="New")
    saved = Client.objects.get(name="New")
    client.custom_fields = {}
    with pytest.raises(NotPermitted):
        save_edit(client, ["custom_fields"], saved, by=ann)
    save_edit(client, ["custom_fields"], saved, by=max)
    assert Client.objects.get(name="New").custom_fields == {}


def test_deleted_role_leaves_the_field_limited(as_max, ann, limited):
    role = Group.objects.create(name="auditor")
    page = f"/crm/customfield/{limited.pk}/change/"
    CustomField.objects.update(editor_roles=[role.pk])
    role.delete()
    assert "A deleted role" in page_text(as_max.get(page))
    form = as_max.get(f"{page}?edit").context["adminform"].form
    assert [label for _, label in form.fields["editor_roles"].choices][-1] == "A deleted role"
    assert locked_fields(CustomField.objects.all(), ann) == [limited]


def test_bulk_edit_offers_no_limited_field_and_refuses_one(ann, max, limited):
    client = make_client(assigned_to=ann)
    offered = [set_field_action(Client)(user=user).fields["field"] for user in (ann, max)]
    assert [hasattr(field, "choices") and field.choices for field in offered] == [False, [("level", "Level")]]
    with pytest.raises(NotPermitted):
        set_custom_field(client, limited, "gold", by=ann)
    set_custom_field(client, limited, "gold", by=max)
    client.refresh_from_db()
    assert client.custom_fields == {"level": "gold"}
