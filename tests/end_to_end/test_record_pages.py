"""What a record's page costs, and the sections at its ends, which it fetches as it is scrolled."""

from datetime import timedelta

import pytest
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from ai_log.models import AIInteraction
from crm.models import CustomField, Project
from crm.records.transitions import add_note
from inbox.models import Message
from inbox.transitions import add_to_thread
from leads.models import ContactLead, LeadSnapshot, LeadStatus, PredictionModel, Task
from leads.transitions import change_status
from suggestions.transitions import reject
from support.transitions import resolve
from tests.cast import (
    browser,
    make_client,
    make_contact,
    make_lead,
    make_policy,
    make_suggestion,
    make_thread,
    make_ticket,
    make_user,
    page_with_sections,
)

pytestmark = pytest.mark.django_db
# Session, user, record and the badge of the navigation are four of them.
MAX_QUERIES = 15
AS_PART = {"HX-Request": "true"}


def add_conversation(count: int, **links):
    thread = make_thread(**links)
    for number in range(count):
        sent_at = timezone.now() - timedelta(hours=count - number)
        add_to_thread(Message(thread=thread, direction="in", sent_at=sent_at, from_email="a@x.example", body_text="Hi"))
    return thread


@pytest.fixture
def busy_records(ann, max):
    """One record of each kind, with everything that its page shows, as `ann` sees it."""
    CustomField.objects.create(table="leads.lead", key="region", label="Region", kind="text")
    lead = make_lead(assigned_to=ann, line="auto", auto_data={"vin": "1HGCM82633A004352"}, tags=["renewal"])
    client = make_client(assigned_to=ann, tags=["renewal"], custom_fields={"region": "North"})
    PredictionModel.objects.create(
        version=1,
        rung="STAGES",
        card={"base": 0.5, "stages": {}},
        leads=100,
        won=50,
        verdict="One.",
        is_active=True,
        activated_at=timezone.now(),
    )
    LeadSnapshot.objects.get_or_create(lead=lead, defaults={"features": {}, "taken_at": lead.created_at})
    change_status(lead, LeadStatus.objects.get(pk="ACTIVE"), by=ann)
    ContactLead.objects.create(lead=lead, contact=make_contact())
    Project.objects.create(client=client, name="Onboarding")
    for about in ({"lead": lead}, {"client": client}):
        add_note(next(iter(about.values())), "Called.", by=ann)
        Task.objects.create(title="Call", assignee=ann, **about)
        AIInteraction.objects.create(type="Chat", source="Agent UI", content="?", ai_response="!", **about)
        make_suggestion(**about)
        reject(make_suggestion(**about, suggested_content={"title": "Write"}), reason="No.", by=max)
        add_conversation(3, **about)
    make_policy(client=client, lead=lead)
    won = make_lead(assigned_to=ann, home_data={"year": 1987})
    type(won).objects.filter(pk=won.pk).update(
        converted_to_client=client, converted_at=timezone.now(), closed_at=timezone.now(), status="CLOSED_WON"
    )
    thread = add_conversation(3, lead=lead)
    make_suggestion(lead=lead, thread=thread, suggested_content={"title": "Answer"})
    resolve(make_ticket(client=client, subject="Card lost", issue_type="Card"), summary="Sent it again.", by=ann)
    ticket = make_ticket(client=client, lead=lead, thread=thread, subject="Card lost again", issue_type="Card")
    return {"lead": lead, "client": client, "thread": thread, "ticket": ticket}


def change_url(row):
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])


def statements(page, url, **headers):
    """Return the statements of a page that has been shown before."""
    page.get(url, headers=headers)
    with CaptureQueriesContext(connection) as queries:
        assert page.get(url, headers=headers).status_code == 200
    found = [query["sql"] for query in queries if "SAVEPOINT" not in query["sql"]]
    return [" ".join(sql.split())[:80] + " … " + sql.partition(" WHERE ")[0][-60:] for sql in found]


@pytest.mark.parametrize("name", ["lead", "client", "thread", "ticket"])
@pytest.mark.parametrize("role", ["ann", "max"])
def test_page_with_everything_takes_few_statements(request, busy_records, name, role):
    page = browser(request.getfixturevalue(role))
    found = statements(page, change_url(busy_records[name]))
    assert len(found) <= MAX_QUERIES, "\n".join(found)


@pytest.mark.parametrize("name", ["lead", "client", "ticket"])
def test_sections_take_few_statements(as_ann, busy_records, name):
    row = busy_records[name]
    for end in settings.FETCHED_SECTIONS[row._meta.label_lower]:
        url = reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_sections", args=[row.pk, end])
        found = statements(as_ann, url, **AS_PART)
        assert len(found) <= MAX_QUERIES, "\n".join(found)


def test_page_links_its_sections_and_fetches_each_alone(as_ann, busy_records):
    lead = busy_records["lead"]
    page = as_ann.get(change_url(lead)).content.decode()
    url = reverse("admin:leads_lead_sections", args=[lead.pk, "end"])
    assert f'<a href="{url}">Score, win probability and AI interactions</a>' in page
    assert f'hx-get="{url}"' in page and "No signals yet" not in page
    part = as_ann.get(url, headers=AS_PART).content.decode()
    assert part.lstrip().startswith("<details") and "No signals yet" in part and "Win probability" in part
    assert "<nav" not in part and "<h1" not in part and "<h2>AI interactions</h2>" in part


def test_sections_are_a_page_of_their_own_without_scripts(as_max, busy_records):
    client = busy_records["client"]
    page = as_max.get(reverse("admin:crm_client_sections", args=[client.pk, "side"])).content.decode()
    assert f'<a href="{change_url(client)}">← {client}</a>' in page and '<nav id="nav-sidebar-inner"' in page
    assert "Card lost again" in page and "1987" in page
    whole = as_max.get(reverse("admin:leads_lead_sections", args=[busy_records["lead"].pk, "end"])).content.decode()
    assert "No signals yet" in whole and "AI interactions</h2>" in whole


def test_sections_of_hidden_record_are_not_found(bob, busy_records):
    for name, end in (("lead", "end"), ("lead", "side"), ("client", "side"), ("client", "end"), ("ticket", "side")):
        row = busy_records[name]
        url = reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_sections", args=[row.pk, end])
        assert browser(bob).get(url).status_code == browser(bob).get(url, headers=AS_PART).status_code == 404


def test_sections_need_the_permission_to_view_the_table(stranger, as_ann, busy_records):
    url = reverse("admin:leads_lead_sections", args=[busy_records["lead"].pk, "end"])
    assert browser(stranger).get(url).status_code == 403
    assert as_ann.post(url).status_code == 405


def test_unknown_end_is_not_found(as_max, busy_records):
    for end in ("top", "main"):
        url = reverse("admin:leads_lead_sections", args=[busy_records["lead"].pk, end])
        assert as_max.get(url).status_code == 404


def test_fetched_panels_keep_other_owners_records_to_themselves(ann, bob, busy_records):
    client = busy_records["client"]
    hidden = make_ticket(client=make_client(assigned_to=bob), subject="Secret of Bob")
    type(hidden).objects.filter(pk=hidden.pk).update(lead=busy_records["lead"])
    assert "Secret of Bob" not in page_with_sections(browser(ann), change_url(busy_records["lead"]))
    assert "Card lost again" in page_with_sections(browser(ann), change_url(client))


def test_timeline_below_conversations_is_fetched(as_ann, busy_records):
    lead, quiet = busy_records["lead"], make_lead()
    url = reverse("admin:leads_lead_timeline", args=[lead.pk])
    page = as_ann.get(change_url(lead)).content.decode()
    assert f'hx-get="{url}"' in page and f'<a href="{url}">Timeline</a>' in page and 'class="timeline"' not in page
    part = as_ann.get(url, headers=AS_PART).content.decode()
    assert part.lstrip().startswith('<ol class="timeline">') and "Called." in part
    assert 'class="timeline"' in as_ann.get(change_url(quiet)).content.decode()


def test_sheets_with_colleagues_or_stages_are_fetched_when_opened(max, busy_records):
    make_user("colleague", "agent", last_name="Coe")
    page, lead = browser(max), busy_records["lead"]
    shown = page.get(change_url(lead)).content.decode()
    assert "Colleague Coe" not in shown and 'name="stage"' not in shown and 'name="body"' in shown
    for verb, option in (("assign", "Colleague Coe</option>"), ("task", "Colleague Coe</option>"), ("stage", "Lost")):
        url = reverse("admin:leads_lead_do", args=[lead.pk, verb])
        assert f'data-sheet="{url}?sheet=1"' in shown and f'<a href="{url}">' in shown
        sheet = page.get(f"{url}?sheet=1").content.decode()
        assert option in sheet and "csrfmiddlewaretoken" in sheet and "<form" not in sheet and "<nav" not in sheet


def test_sheet_of_a_hidden_record_is_not_found(bob, busy_records):
    url = reverse("admin:leads_lead_do", args=[busy_records["lead"].pk, "task"])
    assert browser(bob).get(f"{url}?sheet=1").status_code == 404
