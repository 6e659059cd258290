"""Tests of the list of tickets: tabs, filters, search, visibility and query count."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from crm.records.activity import SYSTEM_ACTOR
from crm.records.transitions import soft_delete
from support.models import SupportTicket
from support.transitions import escalate, resolve
from tests.cast import browser, copy_lead, copy_record, make_client, make_lead, make_ticket

pytestmark = pytest.mark.django_db
LIST = "/support/supportticket/"
HOSTILE = "<script>alert(1)</script>"


def listed_subjects(page, **params) -> list[str]:
    return [ticket.subject for ticket in page.get(LIST, params).context["cl"].page.rows]


def tab_counts(page) -> dict[str, str]:
    return {tab["label"]: tab["count"] for tab in page.get(LIST).context["cl"].tabs}


@pytest.fixture
def tickets(ann, max) -> None:
    make_ticket(subject="Later", priority="low", issue_type="Billing", issue_description="Two charges in May")
    make_ticket(subject="Soon", priority="urgent", assigned_to=max)
    escalate(make_ticket(subject="Help", priority="high"), why="Third time", by=ann)
    resolve(make_ticket(subject="Solved"), summary="Sent", by=ann)
    SupportTicket.objects.filter(subject="Later").update(resolve_due_at=timezone.now() - timedelta(hours=1))
    make_ticket(subject="No promise")
    SupportTicket.objects.filter(subject="No promise").update(resolve_due_at=None)


EXPECTED_ROWS = [
    ({}, ["Later", "Soon", "Help", "No promise"]),
    ({"assignee": "me"}, ["Soon"]),
    ({"assignee": "none"}, ["Later", "Help", "No promise"]),
    ({"status": "Escalated"}, ["Help"]),
    ({"status": "Resolved"}, ["Solved"]),
    ({"state": "all"}, ["No promise", "Solved", "Help", "Soon", "Later"]),
    ({"late": "true"}, ["Later"]),
    ({"priority": "urgent"}, ["Soon"]),
    ({"issue_type": "billing"}, ["Later"]),
    ({"q": "charges"}, ["Later"]),
    ({"q": "solved"}, ["Solved"]),
    ({"q": "solved", "state": "unresolved"}, []),
    ({"status": "Resolved", "assignee": "me"}, []),
]


@pytest.mark.parametrize(("params", "subjects"), EXPECTED_ROWS, ids=[str(params) for params, _ in EXPECTED_ROWS])
def test_filters_return_expected_tickets_in_tab_order(tickets, as_max, params, subjects):
    assert listed_subjects(as_max, **params) == subjects


def test_ticket_number_is_found_with_and_without_hash(tickets, as_max):
    ticket = SupportTicket.objects.get(subject="Solved")
    assert (
        listed_subjects(as_max, q=f"#{ticket.number}") == listed_subjects(as_max, q=f" {ticket.number}") == ["Solved"]
    )
    assert listed_subjects(as_max, q=f"#{10**17}") == listed_subjects(as_max, q="#" + "9" * 18) == []


def test_tabs_show_counts(tickets, as_max):
    assert tab_counts(as_max) == {
        "Due next": "4",
        "Mine": "1",
        "Unassigned": "3",
        "Escalated": "1",
        "Resolved": "",
        "All": "",
        "Deleted": "0",
    }


def test_overdue_time_is_shown(tickets, as_max):
    page = as_max.get(LIST).content.decode()
    assert 'class="bad"' in page
    assert "late by 1" in page


def test_pagination_has_no_gaps_without_due_times(as_max, monkeypatch):
    monkeypatch.setattr("support.admin.SupportTicketAdmin.list_per_page", 3)
    for number in range(8):
        make_ticket(subject=str(number))
    SupportTicket.objects.filter(subject__in="1357").update(resolve_due_at=None)
    listed, cursor = [], {}
    while True:
        page = as_max.get(LIST, cursor).context["cl"].page
        listed += [row.subject for row in page.rows]
        if not page.next:
            break
        cursor = {"after": page.next}
    assert sorted(listed) == [str(number) for number in range(8)]
    assert set(listed[4:]) == set("1357")


def test_agent_sees_own_unassigned_and_own_clients_tickets(as_ann, ann, bob):
    make_ticket(subject="Mine", assigned_to=ann)
    make_ticket(subject="Free")
    make_ticket(subject="My client", assigned_to=bob, client=make_client(assigned_to=ann))
    hidden_ticket = make_ticket(subject="Bobs", assigned_to=bob)
    assert set(listed_subjects(as_ann)) == {"Mine", "Free", "My client"}
    assert tab_counts(as_ann)["Due next"] == "3"
    assert listed_subjects(as_ann, q=f"#{hidden_ticket.number}") == []


def test_bin_needs_restore_permission(as_max, as_ann):
    soft_delete(make_ticket(subject="Gone"), by=SYSTEM_ACTOR)
    assert listed_subjects(as_max) == []
    assert listed_subjects(as_max, deleted="true") == ["Gone"]
    assert listed_subjects(as_ann, deleted="true") == []


@pytest.mark.parametrize("params", [{"client": "x"}, {"status": "Lost"}, {"q": "x"}, {"late": "x"}, {"after": "x"}])
def test_invalid_filter_never_breaks_list(tickets, as_max, params):
    assert as_max.get(LIST, params).status_code == 200


def test_hostile_text_is_escaped(as_max):
    make_ticket(subject=HOSTILE, issue_type=HOSTILE, client=make_client(name=HOSTILE))
    page = as_max.get(LIST).content.decode()
    assert HOSTILE not in page
    assert "&lt;script&gt;" in page


def test_query_count_is_constant_for_1_and_50_rows(as_ann, ann):
    ticket = make_ticket(assigned_to=ann, lead=make_lead())
    as_ann.get(LIST)
    with CaptureQueriesContext(connection) as few:
        as_ann.get(LIST)
    clients = copy_record(ticket.client, 49, lambda n: {"name": f"Client {n}"})
    leads = copy_lead(ticket.lead, 49)
    copy_record(ticket, 49, lambda n: {"client": clients[n], "lead": leads[n], "number": ticket.number + 1 + n})
    with CaptureQueriesContext(connection) as many:
        answer = as_ann.get(LIST)
    assert len(answer.context["cl"].page.rows) == 50
    assert len(few) == len(many) <= 15
    assert len(answer.content) < 300_000


def test_viewer_has_no_bulk_actions(vera):
    make_ticket()
    assert 'name="action"' not in browser(vera).get(LIST).content.decode()
