"""Tests of simultaneous changes of one ticket."""

from functools import partial

import pytest

from crm.models import ActivityLog
from support.models import SupportTicket, TicketStatus
from support.transitions import add_ticket_note, resolve
from tests.cast import make_ticket, make_user
from tests.suggestions.test_concurrent_decisions import at_once

pytestmark = pytest.mark.django_db(transaction=True)
PEOPLE = 6


def reload_ticket(ticket: SupportTicket) -> SupportTicket:
    """Return the ticket as another user would load it."""
    return SupportTicket.objects.get(pk=ticket.pk)


def test_concurrent_resolves_keep_one():
    ticket = make_ticket()
    people = [make_user(f"agent{number}", "agent") for number in range(PEOPLE)]
    errors = at_once(*(partial(resolve, reload_ticket(ticket), summary=f"By {person}", by=person) for person in people))
    assert errors == [f"Ticket #{ticket.number} is resolved and cannot become resolved."] * (PEOPLE - 1)
    current = reload_ticket(ticket)
    lines = ActivityLog.objects.filter(target_id=ticket.pk, verb="resolved")
    assert current.status == TicketStatus.RESOLVED
    assert current.resolution_summary == f"By {lines.get().actor}"


def test_concurrent_notes_are_all_kept():
    ticket = make_ticket()
    people = [make_user(f"agent{number}", "agent") for number in range(PEOPLE)]
    errors = at_once(
        *(
            partial(add_ticket_note, reload_ticket(ticket), f"From {person}", internal=True, by=person)
            for person in people
        )
    )
    assert errors == []
    assert {line["body"] for line in reload_ticket(ticket).notes} == {f"From {person}" for person in people}
