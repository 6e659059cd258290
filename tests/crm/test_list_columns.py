"""The columns that users choose for their lists."""

import csv
import io
import re
from urllib.parse import urlencode

import pytest
from django.contrib import admin
from django.contrib.messages import get_messages
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from crm.exceptions import InvalidInput, NotPermitted
from crm.models import Client, CustomField, FieldUsage, ListColumns
from crm.models.saved_view import MAX_LIST_COLUMNS
from crm.records.field_usage import buffer, write_counts
from crm.records.transitions import save_list_columns, save_view
from crm.schema.transitions import bring_field_back, retire_field
from crm.screens.columns.cells import cells_of_template
from crm.screens.columns.choice import own_columns
from crm.screens.columns.column import Column
from crm.screens.record_admin import RecordAdmin
from leads.models import InsuranceType
from tests.cast import allow_export, browser, make_client, make_lead, make_policy, page_text

pytestmark = pytest.mark.django_db
CLIENTS, LEADS, POLICIES = "/crm/client/", "/leads/lead/", "/leads/policy/"
SCREENS = {
    model._meta.label_lower: screen
    for model, screen in admin.site._registry.items()
    if isinstance(screen, RecordAdmin) and screen.has_column_choice()
}
PET_FORM = {
    "type": "object",
    "properties": {
        "species": {"type": "string", "enum": ["dog", "cat"], "labels": {"dog": "Dog"}, "title": "Species"},
        "born": {"type": "string", "format": "date", "title": "Born"},
    },
}


def headings(page, url: str, **params) -> list[str]:
    response = page.get(url, params)
    assert response.status_code == 200
    return [column["label"] for column in response.context["cl"].columns()]


def cells(page, url: str, **params) -> list[str]:
    """Return the labels of the cells of the first row but its first, as a phone shows them."""
    row = page.get(url, params).content.decode().partition("<tbody>")[2].partition("</tr>")[0]
    return re.findall(r'data-l="([^"]*)"', row)


def choose(page, url: str, *names: str, places: tuple[str, ...] = (), **sent) -> list[str]:
    """Send the form of the columns; what the next page says."""
    page.cookies.pop("messages", None)
    sent = sent or {"save": "own"}
    response = page.post(f"{url}columns/", {"column": names, "place": places or names, **sent})
    assert response.status_code == 302
    return [str(message) for message in get_messages(response.wsgi_request)]


def make_field(**kw) -> CustomField:
    return CustomField.objects.create(**{"table": "crm.client", "label": "Level", "key": "level", "kind": "text", **kw})


@pytest.fixture
def pet(db) -> InsuranceType:
    return InsuranceType.objects.create(code="pet", name="Pet", form_schema=PET_FORM)


def test_lists_of_records_offer_the_choice():
    offered = {"leads.lead", "leads.policy", "leads.task", "crm.client", "crm.contact", "crm.project", "inbox.thread"}
    assert {*SCREENS} == {*offered, "support.supportticket"}


@pytest.mark.parametrize("label", SCREENS)
def test_every_column_has_a_cell_and_every_cell_a_column(label):
    screen = SCREENS[label]
    assert {*cells_of_template(screen.row_template)} == {column.name for column in screen.columns}
    assert screen.columns[0].is_default


@pytest.mark.parametrize("label", [label for label, screen in SCREENS.items() if screen.list_export])
def test_every_column_names_its_columns_of_the_exported_file(label):
    screen = SCREENS[label]
    exported = {column.heading for column in screen.list_export.columns}
    for column in screen.columns:
        assert column.exports and {*column.exports} <= exported, column


@pytest.mark.parametrize("label", SCREENS)
def test_list_shows_all_columns_that_it_offers(ada, label):
    make_lead(assigned_to=ada)
    make_client(assigned_to=ada)
    page, screen, url = browser(ada), SCREENS[label], f"/{label.replace('.', '/')}/"
    names = [column.name for column in screen.columns]
    choose(page, url, *names)
    assert headings(page, url)[: len(names)] == [column.label for column in screen.columns]
    assert page.get(f"{url}columns/").status_code == 200


def test_list_shows_the_chosen_columns_in_the_chosen_order_to_this_user_only(as_max, as_ann, ann):
    make_client(name="Olin", email="o@example.com", assigned_to=ann)
    default = headings(as_max, CLIENTS)
    assert choose(as_max, CLIENTS, "client", "phone", "created", "type") == ["Columns saved."]
    assert headings(as_max, CLIENTS) == ["Client", "Phone", "Created", "Type"]
    assert cells(as_max, CLIENTS) == ["Phone", "Created", "Type"]
    assert headings(as_ann, CLIENTS) == default
    assert headings(as_max, "/crm/contact/")[0] == "Contact"


def test_first_column_cannot_be_left_out(as_max):
    choose(as_max, CLIENTS, "email", "client", "type")
    assert headings(as_max, CLIENTS) == ["Client", "Email", "Type"]
    choose(as_max, CLIENTS)
    assert headings(as_max, CLIENTS) == ["Client"]


def test_reset_shows_the_default_again(as_max, max):
    default = headings(as_max, CLIENTS)
    choose(as_max, CLIENTS, "client", "email")
    assert choose(as_max, CLIENTS, "client", reset="1") == ["This list shows its default columns."]
    assert headings(as_max, CLIENTS) == default
    assert own_columns(max, "crm.client") == []


def test_custom_field_is_a_column_once_chosen(as_max):
    make_field()
    make_client(custom_fields={"level": "Gold"})
    assert "Level" not in headings(as_max, CLIENTS)
    choose(as_max, CLIENTS, "client", "cf.level", "email")
    assert headings(as_max, CLIENTS) == ["Client", "Level", "Email"]
    assert "Gold" in page_text(as_max.get(CLIENTS))


def test_answers_of_a_line_are_columns(as_max, pet):
    make_lead(line="pet", line_data={"pet": {"species": "dog", "born": "2020-03-01"}})
    choose(as_max, LEADS, "lead", "answer.pet.species", "answer.pet.born")
    assert headings(as_max, LEADS) == ["Lead", "Pet: Species", "Pet: Born"]
    text = page_text(as_max.get(LEADS))
    assert ">Dog<" in text and "1 Mar 2020" in text


def test_policy_of_another_line_shows_no_answer(as_max, pet):
    InsuranceType.objects.create(code="zoo", name="Zoo", form_schema=PET_FORM)
    for line in ("pet", "zoo"):
        make_policy(line=line, data={"species": "dog"})
    choose(as_max, POLICIES, "policy", "answer.pet.species")
    assert page_text(as_max.get(POLICIES)).count(">Dog<") == 1


def test_questions_of_a_line_are_offered_once_it_is_added(as_max, pet):
    form = as_max.get(f"{LEADS}columns/")
    assert ("pet", "Pet") in form.context["forms"]
    assert "answer.pet.species" not in form.content.decode()
    again = as_max.post(
        f"{LEADS}columns/", {"column": ["tier"], "place": ["lead", "tier"], "add_form": "pet", "add": "1"}
    )
    assert 'value="answer.pet.species"' in again.content.decode()
    shown = [entry.column.name for entry in again.context["entries"] if entry.is_shown]
    assert shown == ["lead", "tier"]
    assert not ListColumns.objects.exists()


def test_buttons_move_a_column_without_a_script(as_max):
    places = ["client", "type", "email", "phone"]
    for button, name, order in (
        ("up", "email", ["client", "email", "type", "phone"]),
        ("down", "type", ["client", "email", "type", "phone"]),
        ("up", "type", places),
        ("up", "client", places),
    ):
        response = as_max.post(f"{CLIENTS}columns/", {"column": ["email"], "place": places, button: name})
        entries = response.context["entries"]
        assert [entry.column.name for entry in entries][:4] == order
        assert [entry.column.name for entry in entries if entry.is_shown] == ["client", "email"]
    assert not ListColumns.objects.exists()


def test_saved_view_keeps_its_columns_for_everyone_who_opens_it(as_max, max, as_ann):
    choose(as_max, CLIENTS, "client", "phone")
    query = as_max.get(CLIENTS, {"tags": "vip"}).context["cl"].query_to_save()
    view = save_view(name="Phones", table="crm.client", query=query, shared=True, by=max)
    choose(as_max, CLIENTS, reset="1")
    for page in (as_max, as_ann):
        cl = page.get(f"{CLIENTS}?{view.query}").context["cl"]
        assert [column["label"] for column in cl.columns()] == ["Client", "Phone"]
        assert cl.current_view() == view
        links = [*(link["url"] for link in (*cl.tabs, *cl.chips(), *cl.orders())), cl.export_url() or "column=phone"]
        assert all("column=phone" in link for link in links)
    assert "column" not in as_max.get(CLIENTS).context["cl"].query_to_save()


def test_columns_of_a_view_change_in_its_address(as_max, max):
    view = urlencode([("tags", "vip"), ("column", "client"), ("column", "phone")])
    response = as_max.post(
        f"{CLIENTS}columns/?{view}", {"column": ["email"], "place": ["client", "email"], "save": "page"}
    )
    assert response["Location"] == f"{CLIENTS}?tags=vip&column=client&column=email"
    assert own_columns(max, "crm.client") == []
    response = as_max.post(
        f"{CLIENTS}columns/?{view}", {"column": ["email"], "place": ["client", "email"], "save": "own"}
    )
    assert response["Location"] == f"{CLIENTS}?tags=vip"
    assert own_columns(max, "crm.client") == ["client", "email"]


def test_retired_field_leaves_the_list_with_a_sentence_and_comes_back(as_max, max):
    field = make_field()
    make_client(custom_fields={"level": "Gold"})
    choose(as_max, CLIENTS, "client", "cf.level", "email")
    view = as_max.get(CLIENTS).context["cl"].query_to_save()
    retire_field(field, by=max)
    for url in (CLIENTS, f"{CLIENTS}?{view}"):
        page = page_text(as_max.get(url))
        assert "The column “Level” is retired, so it is not shown." in page
        assert "Gold" not in page
    assert headings(as_max, CLIENTS) == ["Client", "Email"]
    bring_field_back(field, by=max)
    assert headings(as_max, CLIENTS) == ["Client", "Level", "Email"]


@pytest.mark.parametrize("name", ["nothing", "cf.<b>", "answer.none.x", "answer.", "cf.", "a\x00b", "x" * 400])
def test_unknown_column_in_an_address_never_breaks_the_list(as_max, name):
    page = as_max.get(CLIENTS, {"column": [name, "email"]})
    assert [column["label"] for column in page.context["cl"].columns()] == ["Client", "Email"]
    assert "any more, so it is not shown." in page_text(page)
    assert "<b>" not in page.content.decode().split('<div class="crm stack"')[1].split("bulk")[0].replace("<b>vip", "")


def test_unknown_column_is_refused_with_a_sentence(as_max):
    assert choose(as_max, CLIENTS, "client", "nothing") == [
        "The columns were not changed. This list has no column “nothing”."
    ]
    assert not ListColumns.objects.exists()


def test_too_many_columns_are_refused(as_max, max):
    for number in range(MAX_LIST_COLUMNS):
        make_field(key=f"f{number}", label=f"F{number}")
    assert (
        "at most 30 columns. You chose 31."
        in choose(as_max, CLIENTS, "client", *(f"cf.f{number}" for number in range(MAX_LIST_COLUMNS)))[0]
    )
    names = [f"cf.f{number}" for number in range(MAX_LIST_COLUMNS + 1)]
    with pytest.raises(InvalidInput, match="at most 30 columns"):
        save_list_columns(max, "crm.client", names, by=max)
    with pytest.raises(IntegrityError, match="list_columns_number"), transaction.atomic():
        ListColumns.objects.create(user=max, table="crm.client", names=names)


def test_columns_of_another_user_cannot_be_chosen(max, ann):
    with pytest.raises(NotPermitted, match="may not choose the columns of Ann"):
        save_list_columns(ann, "crm.client", ["client"], by=max)
    with pytest.raises(InvalidInput, match="list does not exist"):
        save_list_columns(max, "crm.nothing", ["client"], by=max)


def test_form_needs_the_right_to_see_the_list(stranger, as_max):
    assert browser(stranger).get(f"{CLIENTS}columns/").status_code == 403
    assert browser(stranger).post(f"{CLIENTS}columns/", {"save": "own"}).status_code == 403
    assert as_max.get("/crm/savedview/columns/").status_code == 404


def test_number_of_statements_does_not_depend_on_the_columns(as_max, pet):
    for number in range(10):
        make_field(table="leads.lead", key=f"f{number}", label=f"F{number}")
    make_lead(line="pet", line_data={"pet": {"species": "dog"}}, custom_fields={"f1": "x"})
    counts = []
    for names in (
        ["lead", "cf.f0", "answer.pet.born"],
        ["lead", *(f"cf.f{n}" for n in range(10)), "answer.pet.species"],
    ):
        choose(as_max, LEADS, *names)
        with CaptureQueriesContext(connection) as queries:
            as_max.get(LEADS)
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 15


def test_shown_fields_are_counted(as_max, pet):
    make_field(table="leads.lead")
    choose(as_max, LEADS, "lead", "cf.level", "answer.pet.born")
    buffer.take()
    as_max.get(LEADS)
    write_counts()
    shown = FieldUsage.objects.filter(shown__gt=0).values_list("column", "key")
    assert {*shown} == {("custom_fields", "level"), ("line_data", "pet.born")}


def exported(page, url: str, query: str = "", **sent) -> tuple[list[str], list[list[str]]]:
    response = page.post(f"{url}export/?{query}", sent)
    assert response.status_code == 200, response["Location"]
    rows = list(csv.reader(io.StringIO(b"".join(response.streaming_content).decode("utf-8-sig"), newline="")))
    return rows[0], rows[1:]


def test_file_has_the_columns_as_seen_or_all(as_max, pet):
    make_field(table="leads.lead", label="Phone")
    make_lead(
        contact_name="Olin",
        contact_phone="555 0100",
        line="pet",
        line_data={"pet": {"species": "dog"}},
        custom_fields={"level": "Gold"},
    )
    choose(as_max, LEADS, "lead", "phone", "cf.level", "answer.pet.species")
    expected = ["Name", "Company", "Phone", "Phone (level)", "Pet: Species"]
    assert exported(as_max, LEADS, columns="seen") == (expected, [["Olin", "", "555 0100", "Gold", "dog"]])
    assert len(exported(as_max, LEADS)[0]) > 20
    assert exported(as_max, LEADS, "column=lead&column=email", columns="seen")[0] == ["Name", "Company", "Email"]


def test_file_as_seen_names_no_hidden_record(ann, bob):
    allow_export(ann)
    hidden = make_client(name="Hidden", assigned_to=bob)
    make_field(key="friend", label="Friend", kind="client")
    make_client(name="Mine", assigned_to=ann, custom_fields={"friend": str(hidden.pk)})
    page = browser(ann)
    choose(page, CLIENTS, "client", "cf.friend")
    assert "Hidden" not in str(exported(page, CLIENTS, columns="seen"))
    assert "Hidden" not in page_text(page.get(CLIENTS))


def test_column_names_are_distinct():
    for screen in SCREENS.values():
        names = [column.name for column in screen.columns]
        assert len(names) == len({*names})
        assert all(isinstance(column, Column) for column in screen.columns)


def test_popup_keeps_its_rows_but_offers_no_choice(as_max):
    Client.objects.create(name="Olin")
    page = page_text(as_max.get(CLIENTS, {"_popup": "1"}))
    assert "Olin" in page and "Columns</summary>" not in page
    assert "Columns</summary>" in page_text(as_max.get(CLIENTS))
