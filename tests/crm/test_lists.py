"""What holds for the list of every table."""

import re

import pytest
from django.contrib import admin
from django.db import connection
from django.template.loader import get_template
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from crm.models import Client, Contact, ContactClient, Project
from crm.screens.filter_bar import sheet as filter_sheet
from crm.screens.record_admin import RecordAdmin
from crm.templatetags.crm import table_name
from inbox.models import Message
from inbox.transitions import add_to_thread
from leads.models import ContactLead, Lead, Task
from tests.cast import (
    browser,
    copy_record,
    make_client,
    make_contact,
    make_lead,
    make_suggestion,
    make_thread,
    make_ticket,
    make_user,
    page_text,
)

pytestmark = pytest.mark.django_db
SCREENS = {
    model._meta.label_lower: screen for model, screen in admin.site._registry.items() if isinstance(screen, RecordAdmin)
}
SCRIPT = "<script>alert('x')</script>"


def url(label: str) -> str:
    return f"/{label.replace('.', '/')}/"


@pytest.mark.parametrize("label", SCREENS)
def test_odd_parameters_never_break_a_list(ada, label):
    page, screen = browser(ada), SCREENS[label]
    known = [*screen.filterset_class.base_filters, "after", "before", "order", "cf.a", "p", "all", "e", "show", "edit"]
    for text in ("a\x00b", "'\"%_\\<\u202e", "1e999999999", "0001-01-01", "me"):
        assert page.get(url(label), dict.fromkeys(known, text)).status_code == 200, text


def test_empty_list_offers_an_import_to_users_who_may_import(ada, vera):
    assert "import a file</a>" in page_text(browser(ada).get("/leads/lead/"))
    page = page_text(browser(vera).get("/leads/lead/"))
    assert "Nothing here yet." in page
    assert "import a file" not in page


@pytest.mark.parametrize("label", SCREENS)
def test_cells_on_a_phone_have_the_headings_of_the_table(label):
    screen = SCREENS[label]
    cell_labels = re.findall(r'data-l="([^"]*)"', get_template(screen.row_template).template.source)
    assert set(cell_labels) <= {column.label for column in screen.columns}


@pytest.mark.parametrize("label", SCREENS)
def test_unknown_filter_is_refused_with_a_sentence(ada, label):
    response = browser(ada).get(url(label), {"colour<b>": "red", "cf": "x", "order": "", "blank": ""})
    sentences = [str(message) for message in response.context["messages"]]
    assert [sentence.partition(", so")[0] for sentence in sentences] == [
        "There is no filter “colour<b>”",
        "There is no filter “cf”",
    ]
    assert "The filters are: " in sentences[0]
    assert "colour<b>" not in response.content.decode()


@pytest.mark.parametrize("label", SCREENS)
def test_every_order_tab_and_heading_opens(ada, label):
    page = browser(ada)
    cl = page.get(url(label)).context["cl"]
    links = [link["url"] for link in (*cl.orders(), *cl.columns(), *cl.tabs) if link["url"]]
    for link in links:
        answer = page.get(url(label) + link)
        assert answer.status_code == 200
        assert not list(answer.context["messages"]), link


@pytest.mark.parametrize("label", SCREENS)
def test_tab_counts_match_their_lists(ada, label):
    page = browser(ada)
    fill(2)
    for model in (Client, Contact, Project, Task):
        model.objects.filter(pk=model.objects.first().pk).update(deleted_at=timezone.now())
    for thread in (make_thread(), make_thread(lead=make_lead())):
        incoming = {"direction": "in", "body_text": "Hello", "from_email": "a@example.com", "sent_at": timezone.now()}
        add_to_thread(Message(thread=thread, **incoming))
    make_ticket(assigned_to=ada)
    make_suggestion()
    for tab in page.get(url(label)).context["cl"].tabs:
        cl = page.get(url(label) + tab["url"]).context["cl"]
        assert int(str(cl.result_total)) == cl.queryset.count(), tab["label"]


@pytest.mark.parametrize("label", SCREENS)
def test_filter_is_added_by_its_name_or_all_at_once_without_a_script(ada, stranger, label):
    page = browser(ada)
    cl = page.get(url(label)).context["cl"]
    assert cl.sheet() is None
    with_page = page.get(url(label) + cl.sheet_url())
    fields = [field.name for field in with_page.context["cl"].sheet()["fields"]]
    offered = page.get(cl.filters_url()).context["names"]
    forms = [page.get(f"{url(label)}filters/", {"field": one.name}) for one in offered]
    assert {form.status_code for form in forms} <= {200}
    for name in fields:
        assert f'name="{name}"' in with_page.content.decode()
        assert sum(f'name="{name}"' in form.content.decode() for form in forms) == 1, name
    assert page.get(f"{url(label)}filters/", {"field": "no<b>"}).status_code == 404
    assert browser(stranger).get(url(label) + "filters/").status_code == 403
    assert page.post(url(label) + "filters/").status_code == 405


def test_filter_sheet_shows_values_and_errors(as_max):
    sent = {"stage": "ACTIVE", "q": "<b>", "value_min": "x", "cf.<b>": "<i>", "sheet": "filter"}
    text = as_max.get("/leads/lead/", sent).content.decode().partition('<form class="sheet"')[2].partition("</form>")[0]
    assert '<option value="ACTIVE" selected>' in text
    assert '<input type="hidden" name="q" value="&lt;b&gt;">' in text
    assert 'name="cf.&lt;b&gt;" value="&lt;i&gt;"' in text
    assert "Enter a number." in text
    assert "<b>" not in text


def test_custom_field_names_are_offered_from_visible_rows(as_ann, as_max, bob, monkeypatch):
    def suggested_names(page) -> list[str]:
        text = page.get("/leads/lead/filters/?field=cf.").content.decode()
        return re.findall(r'<option value="([^"]*)"></option>', text.split("<datalist")[1])

    assert suggested_names(as_ann) == []
    make_lead(custom_fields={"oldest": 1})
    make_lead(custom_fields={"region": "north", "<b>": [1]})
    make_lead(custom_fields={"region": "south"}, assigned_to=bob)
    make_lead(custom_fields={"secret": 1}, assigned_to=bob)
    Lead.objects.filter(pk=make_lead(custom_fields={"gone": 1}).pk).update(deleted_at=timezone.now())
    assert suggested_names(as_ann) == ["&lt;b&gt;", "oldest", "region"]
    assert suggested_names(as_max) == ["&lt;b&gt;", "oldest", "region", "secret"]
    monkeypatch.setattr(filter_sheet, "SAMPLED_ROW_COUNT", 4)
    assert suggested_names(as_max) == ["&lt;b&gt;", "region", "secret"]
    monkeypatch.setattr(filter_sheet, "MAX_FIELD_NAMES", 2)
    assert len(suggested_names(as_max)) == 2


def fill(count: int) -> None:
    """Store `count` clients, contacts, projects and tasks."""
    client = make_client(notes=SCRIPT, name=SCRIPT, tags=[SCRIPT], custom_fields={SCRIPT: SCRIPT})
    contact = make_contact(name=SCRIPT, title=SCRIPT, tags=[SCRIPT])
    project = Project.objects.create(client=client, name=SCRIPT)
    task = Task.objects.create(title=SCRIPT, description=SCRIPT, client=client)
    clients = copy_record(client, count - 1, lambda n: {})
    copy_record(contact, count - 1, lambda n: {"email": f"copy{n}@example.com"})
    for record in (project, task):
        copy_record(record, count - 1, lambda n: {"client": clients[n]})


@pytest.mark.parametrize("label", ["crm.client", "crm.contact", "crm.project", "leads.task"])
def test_query_count_is_constant_and_scripts_are_escaped(as_max, label):
    def ask() -> tuple[int, str]:
        with CaptureQueriesContext(connection) as ran:
            answer = as_max.get(url(label))
        return len(ran), answer.content.decode()

    fill(1)
    ask()
    for_one, _ = ask()
    fill(50)
    for_fifty, text = ask()
    assert for_one == for_fifty <= 15
    assert len(text) < 300_000
    assert "&lt;script&gt;alert" in text
    assert "<script>alert" not in text


def test_record_pages_escape_scripts(as_max):
    fill(1)
    for model in (Client, Contact, Project, Task):
        row = model.objects.get()
        for rest in ("change/", "change/?edit=1", "history/", "delete/", "do/note/"):
            text = as_max.get(f"{url(row._meta.label_lower)}{row.pk}/{rest}").content.decode()
            assert "<script>alert" not in text, (model, rest)


def test_agent_sees_own_and_unassigned_records_only(as_ann, ann, bob):
    for owner, name in ((ann, "Hers"), (bob, "His"), (None, "Free")):
        client = make_client(name=f"{name} client", assigned_to=owner)
        lead = make_lead(contact_name=f"{name} lead", assigned_to=owner)
        Project.objects.create(client=client, name=f"{name} project")
        Task.objects.create(title=f"{name} task", assignee=owner)
        ContactClient.objects.create(client=client, contact=make_contact(name=f"{name} contact"))
        ContactLead.objects.create(lead=lead, contact=make_contact(name=f"{name} stakeholder"))
    for label in ("crm.client", "crm.project", "leads.task", "crm.contact", "leads.lead"):
        for query in ("", "?owner=" + str(bob.pk), "?assignee=" + str(bob.pk), "?deleted=true", "?q=his", "?state=all"):
            names = [str(row) for row in as_ann.get(url(label) + query).context["cl"].page.rows]
            assert not [name for name in names if name.startswith("His")], (label, query)
        assert {str(row).split()[0] for row in as_ann.get(url(label)).context["cl"].page.rows} == {"Hers", "Free"}
    for row in (Client.objects.get(name="His client"), Contact.objects.get(name="His stakeholder")):
        for rest in ("change/", "change/?edit=1", "history/", "do/note/"):
            assert as_ann.get(f"{url(row._meta.label_lower)}{row.pk}/{rest}").status_code in {302, 404}, (row, rest)


@pytest.mark.parametrize(
    ("table", "count", "name"),
    [("support.supportticket", 2, "tickets"), ("inbox.thread", 1, "conversation"), ("gone.table", 1, "gone.table")],
)
def test_tables_are_named_in_words(table, count, name):
    assert table_name(table, count) == name


def test_list_without_a_search_or_filters_offers_none(as_max):
    text = page_text(browser(make_user("theo", "schema admin")).get("/crm/schemathresholds/"))
    assert "Thresholds of the schema advice" in text
    assert '<form class="search"' not in text and "</span> Filter" not in text and "Save view" not in text
    text = page_text(as_max.get("/crm/client/"))
    assert '<form class="search"' in text and "</span> Filter" in text


def test_form_of_a_new_record_has_a_heading(as_max):
    assert "<h1>New lead</h1>" in page_text(as_max.get("/leads/lead/add/"))
    assert "<h1>New" not in page_text(as_max.get(f"/crm/client/{make_client().pk}/change/?edit"))


def test_links_that_are_rarely_used_stand_in_a_menu(ada):
    page = page_text(browser(ada).get("/leads/lead/"))
    [menu] = re.findall(r'<details class="pop menu">.*?</details>', page, re.DOTALL)
    for address in ("/tags/", "/leads/import/", "/crm/duplicatepair/"):
        assert page.count(f'class="row" href="{address}"') == menu.count(f'href="{address}"') == 1
    assert "/leads/lead/board/" not in menu
