"""Tests of the ticket panels on leads, clients and the dashboard."""

from datetime import timedelta

import pytest
from django.utils import timezone

from support.dashboard import ticket_source
from support.models import SupportTicket
from support.transitions import resolve
from tests.cast import browser, make_client, make_lead, make_ticket, page_with_sections

pytestmark = pytest.mark.django_db


def test_client_page_lists_unresolved_tickets_first(as_ann, ann):
    client = make_client()
    make_ticket(client=client, subject="Unsolved")
    resolve(make_ticket(client=client, subject="Solved"), summary="Sent", by=ann)
    page = page_with_sections(as_ann, f"/crm/client/{client.pk}/change/")
    tickets = page[page.index('aria-label="Tickets"') :]
    assert tickets.index("Unsolved") < tickets.index("Solved")
    assert f"/support/supportticket/add/?client={client.pk}" in page


def test_lead_page_shows_tickets_panel_with_tickets_or_client(as_ann):
    lead = make_lead()
    assert "Open ticket" not in page_with_sections(as_ann, f"/leads/lead/{lead.pk}/change/")
    make_ticket(lead=lead, subject="Wrong address")
    assert "Wrong address" in page_with_sections(as_ann, f"/leads/lead/{lead.pk}/change/")
    client = make_client()
    won = make_lead(status_id="CLOSED_WON", converted_at=timezone.now(), converted_to_client=client)
    page = page_with_sections(as_ann, f"/leads/lead/{won.pk}/change/")
    assert f"/support/supportticket/add/?lead={won.pk}&amp;client={client.pk}" in page


def test_viewer_has_no_open_ticket_button(vera):
    client = make_client()
    make_ticket(client=client, subject="Wrong address")
    page = page_with_sections(browser(vera), f"/crm/client/{client.pk}/change/")
    assert "Wrong address" in page
    assert "Open ticket" not in page


def test_dashboard_shows_due_tickets_in_order(ann, bob, stranger):
    now = timezone.now()
    for subject, days, kw in (
        ("Late", -1, {}),
        ("Soon", 6, {"assigned_to": ann}),
        ("Next month", 30, {"assigned_to": ann}),
        ("Bobs", -2, {"assigned_to": bob}),
    ):
        ticket = make_ticket(subject=subject, **kw)
        SupportTicket.objects.filter(pk=ticket.pk).update(resolve_due_at=now + timedelta(days=days))
    items = [candidate.build() for candidate in ticket_source(ann, now).load(10)]
    assert [(item.text.split(" ", 1)[1], item.is_late) for item in items] == [("Late", True), ("Soon", False)]
    assert ticket_source(stranger, now) is None
