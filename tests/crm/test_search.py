"""The search over everything: what it finds, for whom, and what it says to texts it cannot search for."""

import re
from html import unescape
from urllib.parse import urlencode

import pytest
from django.conf import settings
from django.contrib import admin
from django.db import connection
from django.http import HttpResponse
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from crm.admin import ClientAdmin
from crm.models import ContactClient, User
from crm.screens.paging import QueryTooSlow
from crm.screens.search import records, tables
from crm.screens.search.recent import COOKIE_NAME, MAX_RECENT
from crm.screens.theme import allows
from inbox.models import Message
from inbox.transitions import add_to_thread
from leads.models import Lead
from support.models import SupportTicket
from tests.cast import (
    browser,
    copy_lead,
    copy_record,
    make_client,
    make_contact,
    make_lead,
    make_policy,
    make_thread,
    make_ticket,
    make_user,
    page_text,
)

pytestmark = pytest.mark.django_db
VIN = "1HGCM82633A004352"
ROLES = ["stranger", "viewer", "agent", "manager", "schema admin", "administrator"]


def search(user: User, text: str, **cookies: str) -> HttpResponse:
    page = browser(user)
    page.cookies.load(cookies)
    return page.get(reverse("admin:search"), {"q": text, "part": "results"})


def groups(answer: HttpResponse) -> dict[str, list[str]]:
    """Return the first line of each result by the heading of its group."""
    assert answer.status_code == 200
    sections = re.findall(r"<h2>(.*?)</h2>(.*?)</section>", answer.content.decode(), re.DOTALL)
    hit = re.compile(r"class=\"hit\b[^\"]*\".*?</span>\s*(?:<bdi>)?(.*?)\s*<", re.DOTALL)
    return {title: [unescape(name) for name in hit.findall(lines)] for title, lines in sections}


def records_found(user: User, text: str) -> dict[str, list[str]]:
    """Return the records found for `text`, without the commands."""
    return {title: names for title, names in groups(search(user, text)).items() if title != "Commands"}


def commands_of(user: User, text: str = "") -> list[str]:
    return groups(search(user, text)).get("Commands", [])


def notice(answer: HttpResponse) -> str:
    found = re.search(r'<p class="hit-notice">(.*?)</p>', answer.content.decode(), re.DOTALL)
    return unescape(found[1].strip()) if found else ""


@pytest.mark.parametrize(
    "text", ["zoë", "ZOE meier", "Meier, Zoe", "zoe@meier.example", "(415) 555-0199", "+1 415-555-0199", "4155550199"]
)
def test_person_is_found_by_name_address_and_phone_in_any_notation(ann, text):
    person = {"email": "Zoe@Meier.example", "phone": "415.555.0199"}
    make_lead(contact_name="Zoë Meier", contact_email=person["email"], contact_phone="+1 (415) 555 0199")
    make_client(name="Zoë Meier", **person)
    make_contact(name="Zoë Meier", **person)
    for one in (make_lead, make_client, make_contact):
        one()
    assert records_found(ann, text) == {group: ["Zoë Meier"] for group in ("Leads", "Clients", "Contacts")}


@pytest.mark.parametrize("text", [VIN, VIN.lower(), "1HGCM 82633 A004352", "1HGCM-82633-A004352"])
def test_lead_is_found_by_vin_in_any_notation(ann, text):
    lead = make_lead(line="auto", auto_data={"vin": VIN})
    make_lead(line="auto", auto_data={"vin": VIN[::-1]})
    assert records_found(ann, text) == {"Leads": [lead.contact_name]}


def test_address_of_a_record_hides_longer_addresses_that_contain_it(ann):
    copies = copy_record(make_client(name="Zoe"), 6, lambda number: {"email": "zoe@meier.example"})
    make_client(name="Chloe", email="chloezoe@meier.example")
    assert records_found(ann, "zoe@meier.example")["Clients"] == ["Zoe"] * 5 + ["All in Clients"]
    type(copies[0]).objects.filter(email="zoe@meier.example").update(deleted_at=timezone.now())
    assert records_found(ann, "zoe@meier.example") == {"Clients": ["Chloe"]}


def test_ticket_is_found_by_number_and_by_words(ann):
    ticket = make_ticket(subject="The gate does not open")
    for text in (f"#{ticket.number}", f"# {ticket.number}", str(ticket.number), "gate open"):
        assert records_found(ann, text) == {"Tickets": [f"#{ticket.number} The gate does not open"]}, text


def test_short_number_is_looked_up_but_not_searched_for(ann):
    ticket = make_ticket(subject="Gate 7")
    SupportTicket.objects.filter(pk=ticket.pk).update(number=7)
    make_ticket(subject="Another 7")
    for text in ("7", "#7"):
        answer = search(ann, text)
        assert groups(answer) == {"Tickets": ["#7 Gate 7"]}
        assert notice(answer) == ""


def test_exact_number_comes_before_other_records_and_commands(ann):
    policy = make_policy(number="NEW-100")
    for number in range(7):
        make_policy(number=f"NEW-100{number}")
    make_lead(contact_name="Carl New-100")
    found = groups(search(ann, "new-100"))
    assert next(iter(found)) == "Policies"
    assert found["Policies"][0] == str(policy)
    assert found["Policies"][-1] == "All 8 in Policies"
    make_lead(contact_name="Newton New")
    assert next(iter(groups(search(ann, "new")))) == "Commands"


def test_conversation_is_found_by_words_of_its_messages_and_by_participant(ann):
    thread = make_thread(subject="Hello", participant_emails=["zoe@meier.example"])
    text = {"direction": "in", "body_text": "What of the greenhouse?", "from_email": "zoe@meier.example"}
    add_to_thread(Message(thread=thread, sent_at=timezone.now(), **text))
    assert records_found(ann, "greenhouse") == {"Conversations": ["Hello"]}
    assert records_found(ann, "zoe@meier.example") == {"Conversations": ["Hello"]}


def test_five_records_of_a_table_and_a_link_to_all_of_them(ann):
    copy_lead(make_lead(contact_name="Grace Green"), 6)
    make_lead(contact_name="Olivia Grace")
    make_lead(contact_name="Hargraces Inc")
    make_lead(contact_name="Somebody", company_name="Grace & Sons")
    answer = search(ann, "grace")
    names = groups(answer)["Leads"]
    assert names == [*["Grace Green"] * 5, "All 10 in Leads"]
    link = re.search(r'<a class="hit more" href="(.*?)"', answer.content.decode())[1]
    listed = browser(ann).get(unescape(link))
    assert listed.context["cl"].result_total.number == 10


def test_number_of_results_is_counted_up_to_a_limit(ann, monkeypatch):
    monkeypatch.setattr(records, "MAX_CANDIDATES", 7)
    monkeypatch.setattr(tables, "MAX_CANDIDATES", 7)
    copy_lead(make_lead(contact_name="Grace Green"), 9)
    assert groups(search(ann, "grace"))["Leads"][-1] == "All 7+ in Leads"


def test_names_that_begin_with_the_text_come_first(ann):
    for name in ("Hannah Marsh", "Marsha Ann", "Anna Lee", "Joanna Marx"):
        make_lead(contact_name=name)
    names = records_found(ann, "ann")["Leads"]
    assert names[:2] == ["Anna Lee", "Marsha Ann"]
    assert {*names[2:]} == {"Hannah Marsh", "Joanna Marx"}


def make_one_of_each(**owner: User) -> dict[str, str]:
    """Create a record of each searched table whose name has the word “Quill”, and return their groups."""
    lead = make_lead(contact_name="Quill Lead", **owner)
    client = make_client(name="Quill Client", **owner)
    contact = make_contact(name="Quill Contact")
    ContactClient.objects.create(contact=contact, client=client)
    ticket = make_ticket(client=client, subject="Quill Ticket", **owner)
    policy = make_policy(client=client, carrier="Quill Mutual", number="QL-1")
    make_thread(lead=lead, subject="Quill Thread")
    return {
        "Leads": "Quill Lead",
        "Clients": "Quill Client",
        "Contacts": "Quill Contact",
        "Conversations": "Quill Thread",
        "Tickets": str(ticket),
        "Policies": str(policy),
    }


def test_every_searched_table_is_among_the_groups(ann):
    expected = make_one_of_each(assigned_to=ann)
    assert records_found(ann, "quill") == {group: [name] for group, name in expected.items()}
    assert len(expected) == len(settings.SEARCHED_TABLES)


@pytest.mark.parametrize("role", ROLES)
def test_each_role_finds_what_it_may_open_and_nothing_of_others(bob, role):
    user = make_user("seeker", None if role == "stranger" else role)
    expected = make_one_of_each(assigned_to=bob)
    sees_all = user.has_perm("crm.see_everyone")
    found = records_found(user, "quill")
    for label in settings.SEARCHED_TABLES:
        app, model = label.split(".")
        group = str(admin.site.get_model_admin(records.apps.get_model(label)).opts.verbose_name_plural).capitalize()
        may_read = user.has_perm(f"{app}.view_{model}") and sees_all
        assert found.get(group) == ([expected[group]] if may_read else None), label


@pytest.mark.parametrize("text", ["quill", "quill@client.example", "415 555 0177", VIN, "QL-1"])
def test_agent_finds_nothing_of_a_colleague_by_an_exact_look_up(ann, bob, text):
    lead = {"contact_email": "quill@client.example", "contact_phone": "415 555 0177", "auto_data": {"vin": VIN}}
    make_lead(contact_name="Quill", assigned_to=bob, line="auto", **lead)
    client = make_client(name="Quill", assigned_to=bob, email="quill@client.example", phone="415 555 0177")
    make_policy(client=client, number="QL-1")
    assert records_found(ann, text) == {}
    assert records_found(bob, text) != {}


def test_customer_of_a_colleague_is_not_named_beside_an_own_ticket(ann, bob):
    client = make_client(name="Secret Customer", assigned_to=bob)
    make_ticket(client=client, subject="Quill Ticket", assigned_to=ann)
    answer = search(ann, "quill")
    assert groups(answer)["Tickets"]
    assert "Secret" not in page_text(answer)
    assert "Another owner’s client" in page_text(answer)


@pytest.mark.parametrize("text", ["quill", "quill@client.example", "415 555 0177", VIN])
def test_deleted_records_are_not_found_even_by_who_may_restore_them(ada, text):
    lead = {"contact_email": "quill@client.example", "contact_phone": "415 555 0177", "auto_data": {"vin": VIN}}
    lead = make_lead(contact_name="Quill", line="auto", **lead)
    assert records_found(ada, text)
    Lead.objects.filter(pk=lead.pk).update(deleted_at=timezone.now())
    assert records_found(ada, text) == {}


@pytest.mark.parametrize("role", ROLES)
def test_commands_are_those_of_the_navigation_and_of_what_a_role_may_add(rf, role):
    user = make_user("seeker", None if role == "stranger" else role)
    request = rf.get("/")
    request.user = user
    entries = [entry for group in settings.UNFOLD["SIDEBAR"]["navigation"] for entry in group["items"]]
    commands = commands_of(user)
    for entry in entries:
        assert (f"Go to {entry['title']}" in commands) is allows(request, entry), entry["title"]
    for name, permission in {
        "New lead": "leads.add_lead",
        "New client": "crm.add_client",
        "New ticket": "support.add_supportticket",
        "New task": "leads.add_task",
        "Log a call": "inbox.add_thread",
        "Write an email": "inbox.send_message",
        "Go to the board": "leads.view_lead",
    }.items():
        assert (name in commands) is user.has_perm(permission), name
    assert commands[-1] == "Log out"
    page = browser(user)
    for url in re.findall(r'<a class="hit" href="(.*?)"', search(user, "").content.decode()):
        assert page.get(unescape(url)).status_code == 200, url


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("log call", "Log a call"),
        ("go appr", "Go to Approvals"),
        ("NEW le", "New lead"),
        ("create ticket", "New ticket"),
        ("compose", "Write an email"),
        ("csv", "Import a file"),
        ("setti", "Your settings"),
        ("sign out", "Log out"),
    ],
)
def test_command_is_found_by_the_beginnings_of_its_words(max, text, command):
    assert commands_of(max, text)[0] == command


def test_logout_is_a_form(ann):
    page = browser(ann)
    answer = page.get(reverse("admin:search"), {"q": "log out"})
    assert f'<form method="post" action="{reverse("admin:logout")}"' in answer.content.decode()


# What was opened last


def opened_last(page) -> list[str]:
    return groups(page.get(reverse("admin:search"), {"part": "results"})).get("Opened last", [])


def page_url(row) -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])


def test_records_opened_last_come_first_with_the_names_they_have_now(ann, as_ann):
    lead, client, ticket = make_lead(contact_name="Lena"), make_client(name="Clara"), make_ticket(subject="Gate")
    for row in (lead, client, ticket, lead):
        as_ann.get(page_url(row))
    assert opened_last(as_ann) == ["Lena", str(ticket), "Clara"]
    Lead.objects.filter(pk=lead.pk).update(contact_name="Magdalena")
    assert opened_last(as_ann)[0] == "Magdalena"
    assert "Lena" not in str(as_ann.cookies)


def test_records_opened_last_are_left_out_once_they_are_deleted_or_hidden(ann, bob, as_ann):
    gone, hidden, kept = (make_lead(contact_name=name) for name in ("Gone", "Hidden", "Kept"))
    for row in (gone, hidden, kept):
        as_ann.get(page_url(row))
    Lead.objects.filter(pk=gone.pk).update(deleted_at=timezone.now())
    Lead.objects.filter(pk=hidden.pk).update(assigned_to=bob)
    assert opened_last(as_ann) == ["Kept"]


def test_no_more_than_a_few_records_are_remembered(ann, as_ann):
    leads = copy_lead(make_lead(), MAX_RECENT + 3)
    for lead in leads:
        as_ann.get(page_url(lead))
    assert len(opened_last(as_ann)) == MAX_RECENT
    assert len(as_ann.cookies[COOKIE_NAME].value) < 1_000


def test_another_user_of_the_browser_reads_nothing_of_what_was_opened(ann, max, as_ann):
    as_ann.get(page_url(make_lead(contact_name="Lena")))
    page = browser(max)
    page.cookies[COOKIE_NAME] = as_ann.cookies[COOKIE_NAME].value
    assert opened_last(page) == []


@pytest.mark.parametrize("value", ["", "|||", "leads.lead:x", "{user}|leads.lead:zz|crm.user:{user}|:|leads.lead", "é"])
def test_invalid_cookie_counts_as_empty(ann, value):
    page = browser(ann)
    page.cookies[COOKIE_NAME] = value.format(user=ann.pk.hex)
    assert opened_last(page) == []
    assert page.get(page_url(make_lead(contact_name="Lena"))).status_code == 200
    assert opened_last(page) == ["Lena"]


# Texts that cannot be searched for, and slow searches


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("ab", records.TOO_SHORT),
        ("\x00", records.TOO_SHORT),
        ("abc\x00def", "Nothing found for “abc\ufffddef”. Try another spelling, an address or a number."),
        ("x" * 10_000, "Type at most 200 characters."),
        ("-without", "Add a word to search for."),
        ("%_%", "Nothing found for “%_%”. Try another spelling, an address or a number."),
        ("\"'<b>", "Nothing found for “\"'<b>”. Try another spelling, an address or a number."),
        ("y" * 200, f"Nothing found for “{'y' * 59}…”. Try another spelling, an address or a number."),
        ("9" * 200, f"Nothing found for “{'9' * 59}…”. Try another spelling, an address or a number."),
        ("@", records.TOO_SHORT),
        ("🙂🙂🙂", "Nothing found for “🙂🙂🙂”. Try another spelling, an address or a number."),
    ],
)
def test_text_without_a_result_gets_a_sentence(ann, text, sentence):
    make_one_of_each()
    answer = search(ann, text)
    assert groups(answer) == {}
    assert notice(answer) == sentence


@pytest.mark.parametrize("text", ["", "   ", "\t\n", "\u3000"])
def test_empty_text_shows_the_start(ann, text):
    assert list(groups(search(ann, text))) == ["Commands"]


@pytest.mark.parametrize("name", ["محمد عبد الله", "李小龙先生", "🙂 Smile 🙂 Co", "N" * 200, 'O\'Neill <b>"x"</b>'])
def test_any_name_is_found_and_shown(ann, name):
    make_lead(contact_name=name)
    assert records_found(ann, name) == {"Leads": [name]}


def test_slow_search_says_so_and_still_shows_the_exact_record(ann, monkeypatch):
    def too_slow(*args):
        raise QueryTooSlow

    lead = make_lead(contact_name="Zoe", contact_email="zoe@meier.example")
    monkeypatch.setattr(ClientAdmin, "find_rows", too_slow)
    answer = search(ann, "zoe@meier.example")
    assert groups(answer) == {"Leads": [lead.contact_name]}
    assert notice(answer) == records.TOO_SLOW


# The page, and what it costs


def test_page_without_scripts_does_the_same(ann, as_ann):
    make_lead(contact_name="Grace Green")
    answer = as_ann.get(reverse("admin:search"), {"q": "grace"})
    assert 'name="q"\n' in answer.content.decode()
    assert groups(answer) == {"Leads": ["Grace Green"]}
    assert "1 result" in page_text(answer)
    assert f'href="{reverse("admin:search")}"' in as_ann.get(reverse("admin:index")).content.decode()


def test_search_is_for_staff_who_are_logged_in():
    assert browser(None).get(f"{reverse('admin:search')}?{urlencode({'q': 'grace'})}").status_code == 302


def test_search_changes_nothing_and_takes_no_form(as_ann):
    assert as_ann.post(reverse("admin:search"), {"q": "grace"}).status_code == 405


def statements(user: User, text: str, **params: str) -> int:
    """Return the number of statements of a search, without those that begin and end a transaction."""
    page = browser(user)
    with CaptureQueriesContext(connection) as queries:
        answer = page.get(reverse("admin:search"), {"q": text, **params})
    assert len(groups(answer)) == len(settings.SEARCHED_TABLES)
    return sum(not any(word in query["sql"] for word in ("SAVEPOINT", "TO DEFAULT")) for query in queries)


def test_statements_do_not_grow_with_what_is_found(ann):
    make_one_of_each(assigned_to=ann)
    few = statements(ann, "quill", part="results")
    assert few <= 15
    copy_lead(make_lead(contact_name="Quill Lead"), 30)
    copy_record(make_client(name="Quill Client"), 30, lambda number: {})
    copy_record(make_thread(subject="Quill Thread"), 30, lambda number: {})
    copy_record(make_contact(name="Quill Contact"), 30, lambda number: {"email": f"c{number}@example.com"})
    assert statements(ann, "quill", part="results") == few
    assert statements(ann, "quill") <= 16
