"""Tickets on the pages of leads and clients, and on the first screen."""

from datetime import timedelta

import pytest
from django.utils import timezone

from support.dashboard import next_due, tickets_due
from support.models import SupportTicket
from support.transitions import resolve
from tests.cast import browser, make_client, make_lead, make_ticket

pytestmark = pytest.mark.django_db


def test_the_clients_page_shows_its_tickets_the_unresolved_first(as_ann, ann):
    client = make_client()
    make_ticket(client=client, subject="Unsolved")
    resolve(make_ticket(client=client, subject="Solved"), summary="Sent", by=ann)
    page = as_ann.get(f"/crm/client/{client.pk}/change/").content.decode()
    tickets = page[page.index('aria-label="Tickets"') :]
    assert tickets.index("Unsolved") < tickets.index("Solved")
    assert f"/support/supportticket/add/?client={client.pk}" in page


def test_the_leads_page_shows_tickets_once_there_are_any_or_a_client(as_ann):
    lead = make_lead()
    assert "Open a ticket" not in as_ann.get(f"/leads/lead/{lead.pk}/change/").content.decode()
    make_ticket(lead=lead, subject="Wrong address")
    assert "Wrong address" in as_ann.get(f"/leads/lead/{lead.pk}/change/").content.decode()
    client = make_client()
    won = make_lead(status_id="CLOSED_WON", converted_at=timezone.now(), converted_to_client=client)
    page = as_ann.get(f"/leads/lead/{won.pk}/change/").content.decode()
    assert f"/support/supportticket/add/?lead={won.pk}&amp;client={client.pk}" in page


def test_a_viewer_is_not_asked_to_open_one(vera):
    client = make_client()
    make_ticket(client=client, subject="Wrong address")
    page = browser(vera).get(f"/crm/client/{client.pk}/change/").content.decode()
    assert "Wrong address" in page
    assert "Open a ticket" not in page


def test_today_counts_what_is_due_and_shows_what_is_due_first(ann, bob, stranger):
    now = timezone.now()
    for subject, days, kw in (
        ("Late", -1, {}),
        ("Next week", 7, {"assigned_to": ann}),
        ("Bobs", -2, {"assigned_to": bob}),
    ):
        ticket = make_ticket(subject=subject, **kw)
        SupportTicket.objects.filter(pk=ticket.pk).update(resolve_due_at=now + timedelta(days=days))
    figure = tickets_due(ann, now)
    assert (figure.value, figure.note) == ("1", "1 late")
    assert [ticket.subject for ticket in next_due(ann, now).shown] == ["Late", "Next week"]
    assert tickets_due(stranger, now) is next_due(stranger, now) is None
